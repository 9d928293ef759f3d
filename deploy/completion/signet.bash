# bash completion for signet; written by `signet completion bash`
_signet()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=() w i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		w=${COMP_WORDS[i]}
		case $w in
		-o|--output|--config|--socket) ((i++)) ;;
		-*) ;;
		*) words+=("$w") ;;
		esac
	done
	case $prev in
	--output|-o) COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	--config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--socket) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--trust-domain) :; return ;;
	--data-dir) COMPREPLY=($(compgen -d -- "$cur")); return ;;
	--run-dir) COMPREPLY=($(compgen -d -- "$cur")); return ;;
	--server) :; return ;;
	--server-name) :; return ;;
	--ca) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--token-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--token) :; return ;;
	--jwt-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--key-type) COMPREPLY=($(compgen -W 'p256 p384 ed25519 rsa2048' -- "$cur")); return ;;
	--validity) :; return ;;
	--impersonate) :; return ;;
	--signer) :; return ;;
	--out-dir) COMPREPLY=($(compgen -d -- "$cur")); return ;;
	--timeout) :; return ;;
	--spiffe-id) :; return ;;
	--lifetime) :; return ;;
	--limit) :; return ;;
	--page) :; return ;;
	--serial) :; return ;;
	--expires-before) :; return ;;
	--expires-after) :; return ;;
	--issued-since) :; return ;;
	--issued-before) :; return ;;
	--out) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--reason) COMPREPLY=($(compgen -W 'unspecified keyCompromise cACompromise affiliationChanged superseded cessationOfOperation privilegeWithdrawn aACompromise' -- "$cur")); return ;;
	--passphrase-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--roots) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--format) COMPREPLY=($(compgen -W 'pem spiffe' -- "$cur")); return ;;
	--key-id) :; return ;;
	--attr) :; return ;;
	--method) COMPREPLY=($(compgen -W 'jwt mtls join_token' -- "$cur")); return ;;
	--id) :; return ;;
	--csr) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	esac
	local known= options=
	case "${words[*]}" in
	'') known=' init request status version help completion token cert identity ca root issuer crl event config policy' ;;
	token|'help token') known=' create list revoke' ;;
	cert|'help cert') known=' list show export revoke' ;;
	identity|'help identity') known=' ban unban list' ;;
	ca|'help ca') known=' show check csr import export-root limits taint untaint' ;;
	root|'help root') known=' status prepare activate retire restore delete add' ;;
	issuer|'help issuer') known=' list show forget' ;;
	crl|'help crl') known=' show export' ;;
	event|'help event') known=' list' ;;
	config|'help config') known=' check show reference' ;;
	policy|'help policy') known=' test' ;;
	help) known=' init request status version help completion token cert identity ca root issuer crl event config policy' ;;
	completion) known=bash ;;
	'identity ban'|'identity unban') known='spiffe_id key caller node' ;;
	'cert revoke') known='serial spiffe_id key rule caller' ;;
	esac
	case "${words[*]}" in
	'init'*) options=' --trust-domain --data-dir --run-dir' ;;
	'request'*) options=' --server --server-name --ca --token-file --token --jwt-file --cert --key --key-type --validity --impersonate --signer --out-dir --timeout' ;;
	'help'*) options=' --mdoc' ;;
	'token create'*) options=' --spiffe-id --lifetime' ;;
	'token list'*) options=' --limit --page' ;;
	'cert list'*) options=' --spiffe-id --serial --expires-before --expires-after --issued-since --issued-before --revoked --oldest-first --limit --page' ;;
	'cert export'*) options=' --out' ;;
	'cert revoke'*) options=' --reason --ban --dry-run' ;;
	'identity ban'*) options=' --reason' ;;
	'identity list'*) options=' --limit --page' ;;
	'ca check'*) options=' --passphrase-file' ;;
	'ca csr'*) options=' --out' ;;
	'ca import'*) options=' --roots --dry-run --force' ;;
	'ca export-root'*) options=' --format --out' ;;
	'root prepare'*) options=' --cross-sign --dry-run' ;;
	'root activate'*) options=' --dry-run --force' ;;
	'root retire'*) options=' --dry-run --force' ;;
	'issuer show'*) options=' --pem' ;;
	'crl export'*) options=' --der --key-id --out' ;;
	'event list'*) options=' --limit --page' ;;
	'config reference'*) options=' --mdoc' ;;
	'policy test'*) options=' --attr --method --id --csr --key-type --validity --impersonate --signer' ;;
	esac
	case $cur in
	-*) COMPREPLY=($(compgen -W "$options --output --config --socket --help" -- "$cur")) ;;
	*)
		[ -z "$known" ] || COMPREPLY=($(compgen -W "$known" -- "$cur"))
		# no word is known: an argument, which may be a file
		[ -n "$known" ] || COMPREPLY=($(compgen -f -- "$cur"))
		;;
	esac
}
complete -o filenames -F _signet signet
