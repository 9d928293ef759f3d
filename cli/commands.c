/* commands.c: the table: what `signet` can do, and all that is said about it. */
#include "cli/run.h"

const struct cli_group cli_groups[] = {
	{ "token", "Join tokens: the first credential of a machine" },
	{ "cert", "Certificates that were issued" },
	{ "identity", "Bans: who gets no certificate any more" },
	{ "ca", "The certificate authority" },
	{ "root", "Roots: rotate, and what is trusted" },
	{ "issuer", "Who signs: Signet's own CA, and other signers" },
	{ "crl", "The list of revoked certificates" },
	{ "event", "What operators, and rotation by itself, have changed" },
	{ "config", "The configuration file" },
	{ "policy", "Rules: who gets what" },
	{ NULL, NULL },
};

const struct cli_option cli_global_options[] = {
	{ "output", 'o', "FORMAT", "text|json", false, "text for people (default) or json for programs" },
	{ "config", 0, "FILE", NULL, false, "configuration (default $SIGNET_CONFIG or " CLI_CONFIG ")" },
	{ "socket", 0, "PATH", NULL, false, "admin socket (default $SIGNET_SOCKET or the configuration's)" },
	{ "help", 'h', NULL, NULL, false, "show help" },
	{ NULL, 0, NULL, NULL, false, NULL },
};

#define END { NULL, 0, NULL, NULL, false, NULL }
#define OPTIONS(name) static const struct cli_option name[]
#define TIMES "a time: RFC 3339, a date, or a duration from now"

OPTIONS(init_options) = {
	{ "trust-domain", 0, "NAME", NULL, false, "the name in every SPIFFE ID: spiffe://NAME/... (required)" },
	{ "data-dir", 0, "DIR", NULL, false, "records, CA key, tokens (default /var/lib/signet)" },
	{ "run-dir", 0, "DIR", NULL, false, "the admin socket (default /run/signet)" },
	END,
};
OPTIONS(request_options) = {
	{ "server", 0, "ADDR", NULL, false, "host:port of the CSR API (default: the configuration's port here)" },
	{ "server-name", 0, "NAME", NULL, false, "name in the server's certificate (default: the host of --server)" },
	{ "ca", 0, "FILE", NULL, false, "roots to trust, PEM (default: asked over the admin socket)" },
	{ "token-file", 0, "FILE", NULL, false, "join token in a file; - reads standard input" },
	{ "token", 0, "TOKEN", NULL, false, "join token; others on this machine may see it in ps for a moment" },
	{ "jwt-file", 0, "FILE", NULL, false, "JWT in a file, for example a Kubernetes service-account token" },
	{ "cert", 0, "FILE", NULL, false, "renew with this certificate chain; goes with --key" },
	{ "key", 0, "FILE", NULL, false, "private key of --cert" },
	{ "key-type", 0, "TYPE", "p256|p384|ed25519|rsa2048", false, "key to make (default p256)" },
	{ "validity", 0, "TIME", NULL, false, "lifetime to ask for, as 1h or 30d (default: the rule's)" },
	{ "impersonate", 0, "ID", NULL, false, "SPIFFE ID to ask for in place of one's own (node proxies)" },
	{ "signer", 0, "NAME", NULL, false, "issuer to ask for (default: Signet's own CA)" },
	{ "out-dir", 0, "DIR", NULL, false, "where the three files go, made if it is missing (default: here)" },
	{ "timeout", 0, "TIME", NULL, false, "give up after this (default 30s)" },
	END,
};
OPTIONS(token_create_options) = {
	{ "spiffe-id", 0, "ID", NULL, false, "the one ID that the token can get (required)" },
	{ "lifetime", 0, "TIME", NULL, false, "usable for so long (default: auth.token_lifetime)" },
	END,
};
OPTIONS(list_options) = {
	{ "limit", 0, "N", NULL, false, "rows at most, 1 to 1000 (default 100)" },
	{ "page", 0, "NEXT", NULL, false, "go on where a list ended: the value it named" },
	END,
};
OPTIONS(cert_list_options) = {
	{ "spiffe-id", 0, "ID", NULL, false, "of exactly this ID" },
	{ "serial", 0, "HEX", NULL, false, "with this serial number" },
	{ "expires-before", 0, "TIME", NULL, false, TIMES " (24h: within a day)" },
	{ "expires-after", 0, "TIME", NULL, false, TIMES " (now: not expired)" },
	{ "issued-since", 0, "TIME", NULL, false, TIMES " (1h: in the last hour)" },
	{ "issued-before", 0, "TIME", NULL, false, TIMES " (7d: over a week old)" },
	{ "revoked", 0, NULL, NULL, false, "what is revoked; goes with --limit and --page only" },
	{ "oldest-first", 0, NULL, NULL, false, "instead of newest first" },
	{ "limit", 0, "N", NULL, false, "rows at most, 1 to 1000 (default 100)" },
	{ "page", 0, "NEXT", NULL, false, "go on where a list ended: the value it named" },
	END,
};
OPTIONS(revoke_options) = {
	{ "reason", 0, "REASON", "unspecified|keyCompromise|cACompromise|affiliationChanged|superseded|cessationOfOperation|"
	  "privilegeWithdrawn|aACompromise", false, "as RFC 5280 s5.3.1 names it (default unspecified)" },
	{ "ban", 0, NULL, NULL, false, "ban the identity, key or caller first, so that it gets no other one" },
	{ "dry-run", 0, NULL, NULL, false, "say how many it would be, and revoke none" },
	END,
};
OPTIONS(out_options) = {
	{ "out", 0, "FILE", NULL, false, "write to this file instead of standard output" },
	END,
};
#define BREAKS                                                                                                         \
	{ "dry-run", 0, NULL, NULL, false, "change nothing; say whom it would break, and fail if there is anybody" },      \
	{ "force", 0, NULL, NULL, false, "do it although it breaks somebody, and say whom" }
OPTIONS(root_prepare_options) = {
	{ "cross-sign", 0, NULL, NULL, false, "let the active root sign it too, for those who know only that one" },
	{ "dry-run", 0, NULL, NULL, false, "change nothing; say whether it would be done" }, END,
};
OPTIONS(root_step_options) = { BREAKS, END };
OPTIONS(export_root_options) = {
	{ "format", 0, "FORMAT", "pem|spiffe", false, "spiffe: a SPIFFE bundle (JWK Set), with its sequence number" },
	{ "out", 0, "FILE", NULL, false, "write to this file instead of standard output" },
	END,
};
OPTIONS(ca_check_options) = {
	{ "passphrase-file", 0, "FILE", NULL, false, "passphrase of an encrypted key" }, END,
};
OPTIONS(crl_options) = {
	{ "der", 0, NULL, NULL, false, "DER instead of PEM: one list" },
	{ "key-id", 0, "ID", NULL, false, "only the list of this issuer's key (or how its id begins)" },
	{ "out", 0, "FILE", NULL, false, "write to this file instead of standard output" },
	END,
};
OPTIONS(issuer_show_options) = {
	{ "pem", 0, NULL, NULL, false, "only its roots, PEM" },
	END,
};
OPTIONS(ca_import_options) = {
	{ "roots", 0, "FILE", NULL, false, "all roots that clients are to trust, PEM (required)" },
	BREAKS, END,
};
OPTIONS(ban_options) = {
	{ "reason", 0, "TEXT", NULL, false, "why, for those who come later (required)" },
	END,
};
OPTIONS(reference_options) = {
	{ "mdoc", 0, NULL, NULL, false, "as a manual page instead of Markdown" },
	END,
};
OPTIONS(help_options) = {
	{ "mdoc", 0, NULL, NULL, false, "everything, as sections of the manual page" },
	END,
};
OPTIONS(policy_options) = {
	{ "attr", 0, "NAME=VALUE", NULL, true, "attribute of the caller" },
	{ "method", 0, "METHOD", "jwt|mtls|join_token", false, "how the caller proved itself (default jwt)" },
	{ "id", 0, "ID", NULL, false, "mtls, join_token: the caller's SPIFFE ID (attribute spiffe_id)" },
	{ "csr", 0, "FILE", NULL, false, "take the key from this request (PEM)" },
	{ "key-type", 0, "TYPE", "p256|p384|ed25519|rsa", false, "type of the caller's key" },
	{ "validity", 0, "TIME", NULL, false, "lifetime asked for" },
	{ "impersonate", 0, "ID", NULL, false, "SPIFFE ID asked for in place of the caller's own" },
	{ "signer", 0, "NAME", NULL, false, "issuer asked for" },
	END,
};

const struct cli_command cli_commands[] = {
	{ NULL, "init", NULL, 0, 0, init_options, run_init, "write a first configuration",
	  "Writes a commented configuration file and says what to do next.  A file that is\n"
	  "there is never touched.  The trust domain is the name of the whole installation;\n"
	  "choose it once.\n",
	  "signet init --trust-domain prod.example.org\n"
	  "signet init --trust-domain test.example --config ./signet.yaml --data-dir ./data --run-dir ./run" },
	{ NULL, "request", NULL, 0, 0, request_options, run_request, "ask for a certificate",
	  "Makes a private key that never leaves this machine, asks the CSR API to certify it,\n"
	  "checks the answer (chain to the roots, this key, exactly one SPIFFE ID), and writes\n"
	  "key.pem (mode 0600), cert-chain.pem and root-cert.pem.\n\n"
	  "The credential is one of: a join token (--token-file, $SIGNET_TOKEN, standard input,\n"
	  "--token), a JWT (--jwt-file), or the certificate that one has already (--cert and\n"
	  "--key).  The key is kept as key.pem.pending until the answer is there: when an answer\n"
	  "was lost, the same command asks again with the same key, and a spent join token gives\n"
	  "the same certificate once more.\n",
	  "signet token create --spiffe-id spiffe://example.org/vm/db1 | signet request --out-dir /etc/db1\n"
	  "SIGNET_TOKEN=sgt1_... signet request --server ca.example.org:15012 --ca root-cert.pem\n"
	  "signet request --cert cert-chain.pem --key key.pem --ca root-cert.pem --server ca.example.org:15012" },
	{ NULL, "status", NULL, 0, 0, NULL, run_status, "how the daemon is",
	  "Asks the running daemon for its state: issued and refused since its start, records,\n"
	  "root, processes that serve clients.\n",
	  "signet status\nsignet status -o json" },
	{ NULL, "version", NULL, 0, 0, NULL, run_version, "version of this program",
	  "Prints the version of signet and of OpenSSL.\n", "signet version" },
	{ NULL, "help", "COMMAND", 0, 2, help_options, run_help, "help, of a command with examples",
	  "Shows all commands, those of a group, or one.\n", "signet help\nsignet help token\nsignet help cert list" },
	{ NULL, "completion", "bash", 1, 1, NULL, run_completion, "completion for a shell",
	  "Prints a script that completes commands and options of signet in bash.\n",
	  "source <(signet completion bash)\nsignet completion bash >/usr/share/bash-completion/completions/signet" },

	{ "token", "create", NULL, 0, 0, token_create_options, run_token_create, "make a one-time join token",
	  "The token gets one certificate for one SPIFFE ID, once, until it expires.  It is\n"
	  "printed alone on standard output and cannot be shown again: only its hash is kept.\n",
	  "signet token create --spiffe-id spiffe://example.org/vm/db1\n"
	  "signet token create --spiffe-id spiffe://example.org/vm/db1 --lifetime 15m >token" },
	{ "token", "list", NULL, 0, 0, list_options, run_token_list, "tokens and what became of them",
	  "Lists join tokens by their public ID, never the tokens themselves.\n", "signet token list" },
	{ "token", "revoke", "ID", 1, 1, NULL, run_token_revoke, "make a token useless",
	  "A token that is spent cannot be revoked: ban the identity instead.\n",
	  "signet token revoke 0123456789abcdef0123456789abcdef" },

	{ "cert", "list", NULL, 0, 0, cert_list_options, run_cert_list, "list, newest first",
	  "Lists the records of issued certificates.  Filters combine.\n"
	  "With --revoked: serial, time, reason and author of each revocation.\n",
	  "signet cert list --issued-since 1h\n"
	  "signet cert list --spiffe-id spiffe://example.org/vm/db1 --expires-after now\n"
	  "signet cert list --expires-before 24h --limit 1000 -o json" },
	{ "cert", "show", "INDEX|SERIAL|FILE", 1, 1, NULL, run_cert_show, "a record with its certificate, or a file",
	  "Shows the record with an index or a serial number (hex), or the certificates in a\n"
	  "PEM or DER file.  A name with a / or a dot is always a file.\n",
	  "signet cert show 17\nsignet cert show 01:6a:2f:...\nsignet cert show ./cert-chain.pem" },
	{ "cert", "export", "INDEX", 1, 1, out_options, run_cert_export, "the certificate as PEM",
	  "Writes the certificate of a record.\n",
	  "signet cert export 17 --out db1.pem\nsignet cert export 17 | openssl x509 -noout -text" },

	{ "cert", "revoke", "KIND SUBJECT", 2, 2, revoke_options, run_cert_revoke, "revoke certificates before they end",
	  "Revokes every certificate of a subject that has not ended.  From the next request on\n"
	  "it authenticates nobody here.  KIND is serial (hex), spiffe_id, key (hex SHA-256 of the\n"
	  "public key, as `signet cert show` prints it), rule (a rule of policy by its name),\n"
	  "caller (as the records name it: what it obtained, and what was renewed with that), node\n"
	  "(what was obtained by tokens bound to it, and renewed with that) or ca_key (the key id of\n"
	  "a CA, as `signet root status` prints it: all that it signed).\n\n"
	  "A subject that may still ask gets a new certificate when it asks by other means, with\n"
	  "a token for example: --ban stops that too.  It works in steps of 1024 certificates: if\n"
	  "it fails half-way, give the command again.\n",
	  "signet cert revoke serial 01:6a:2f:... --reason superseded\n"
	  "signet cert revoke spiffe_id spiffe://example.org/vm/db1 --reason keyCompromise --ban\n"
	  "signet cert revoke rule ci-jobs --dry-run" },

	{ "identity", "ban", "KIND SUBJECT", 2, 2, ban_options, run_identity_ban, "issue nothing to it any more",
	  "From now on nothing is issued to this subject, whatever policy says; a certificate\n"
	  "that is out stays valid until it ends, or until `signet cert revoke`.  KIND is\n"
	  "spiffe_id (SUBJECT is the ID), key (hex SHA-256 of the public key, as `signet cert\n"
	  "show` prints it), caller (as the records name it) or node (the Kubernetes node that a\n"
	  "token is bound to; what was renewed with such a certificate counts as well).\n",
	  "signet identity ban spiffe_id spiffe://example.org/vm/db1 --reason 'stolen laptop'\n"
	  "signet identity ban key 9f86d081884c7d65... --reason 'key in a public repository'" },
	{ "identity", "unban", "KIND SUBJECT", 2, 2, NULL, run_identity_unban, "take a ban back",
	  "Whoever was banned may ask again.\n", "signet identity unban spiffe_id spiffe://example.org/vm/db1" },
	{ "identity", "list", NULL, 0, 0, list_options, run_identity_list, "who is banned",
	  "Lists bans with reason and author.\n", "signet identity list" },

	{ "ca", "show", NULL, 0, 0, NULL, run_ca_show, "what signs, and the roots that clients should trust",
	  "Shows the chain of a CA that was brought (ca.directory), and every root certificate.\n", "signet ca show" },
	{ "ca", "check", "DIR", 1, 1, ca_check_options, run_ca_check, "would the daemon take this CA?",
	  "Checks the files of a CA that is to be brought (ca.directory) as the daemon does, without\n"
	  "it: ca-cert.pem, ca-key.pem, cert-chain.pem, root-cert.pem, or tls.crt, tls.key, ca.crt.\n"
	  "A refusal names the file, what is wrong and what to do.\n",
	  "signet ca check /etc/signet/ca\nsignet ca check ./new-ca --passphrase-file ./passphrase" },
	{ "ca", "csr", NULL, 0, 0, out_options, run_ca_csr, "ask for a certificate for a key of the daemon's own",
	  "Makes a key, which never leaves the daemon, and prints a certificate request (PKCS#10)\n"
	  "for it: a CA with path length 0.  Asked again, the same key.  The parent, for example an\n"
	  "offline root, signs it; then: signet ca import.\n", "signet ca csr --out ca.csr" },
	{ "ca", "import", "CHAIN", 1, 1, ca_import_options, run_ca_import, "sign with the certificate that the parent gave",
	  "CHAIN is a PEM file: the certificate for the request's key first, then those above it.\n"
	  "It is checked as `signet ca check` does, and takes over at once.  The roots replace those\n"
	  "of before: with a new one, give the old ones too until no certificate under them is left.\n",
	  "signet ca import ca-chain.pem --roots root-cert.pem" },
	{ "ca", "export-root", NULL, 0, 0, export_root_options, run_ca_export_root, "the roots as PEM or as a SPIFFE bundle",
	  "Writes the root bundle: what clients need to trust this CA.\n",
	  "signet ca export-root --out root-cert.pem\nsignet ca export-root --format spiffe --out bundle.json" },
	{ "ca", "limits", NULL, 0, 0, NULL, run_ca_limits, "what the CA issues at all, and what it refused",
	  "Shows the limits as the process that holds the key read them itself, and how many\n"
	  "requests each has refused since its start.\n", "signet ca limits\nsignet ca limits -o json" },
	{ "ca", "taint", "KEY-ID", 1, 1, NULL, run_ca_taint, "everything under a key is to be renewed",
	  "Says that certificates under a signing key that signs no more (signet root status) are\n"
	  "not to be relied on: they may still be renewed, the key can never sign again, and the\n"
	  "metric signet_tainted_certificates counts those that are left.  To end them at once:\n"
	  "signet cert revoke ca_key KEY-ID.\n",
	  "signet ca taint 2d2d64814149dbd6ee692d56b54f1339cb51a023" },
	{ "ca", "untaint", "KEY-ID", 1, 1, NULL, run_ca_untaint, "take a taint back",
	  "The key may sign again, if it is of a root that can.\n", "signet ca untaint 2d2d64814149dbd6ee692d56b54f1339cb51a023" },

	{ "root", "status", NULL, 0, 0, NULL, run_root_status, "each root, and what it waits for",
	  "Shows the root set: what signs, what is trusted, from when on the next root can sign\n"
	  "and the old one can go without breaking anybody.\n", "signet root status\nsignet root status -o json" },
	{ "root", "prepare", NULL, 0, 0, root_prepare_options, run_root_prepare, "make and publish the next root",
	  "Makes a root with a new key and publishes it beside the active one, so that clients\n"
	  "learn it with their certificates.  It signs nothing yet.  Undone by `signet root retire`.\n",
	  "signet root prepare\nsignet root prepare --cross-sign" },
	{ "root", "activate", "ROOT", 0, 1, root_step_options, run_root_activate, "let the next root sign",
	  "The next root, or the one that is named by the first digits of its ID, signs from now\n"
	  "on; the one before stays trusted.  Refused while certificates that have not ended were\n"
	  "answered before it was published.  Undone by activating the old root, by its ID.\n",
	  "signet root activate --dry-run\nsignet root activate\nsignet root activate 3f2a91c04d1e" },
	{ "root", "retire", "ROOT", 0, 1, root_step_options, run_root_retire, "trust an old root no more",
	  "The old root, or the one that is named, is published no more.  Refused while a\n"
	  "certificate that verifies only by it has not ended.  A root of Signet's own is kept\n"
	  "with its key, and `signet root restore` undoes it.\n",
	  "signet root retire --dry-run\nsignet root retire 3f2a91c04d1e" },
	{ "root", "restore", "ROOT", 0, 1, NULL, run_root_restore, "trust a retired root again",
	  "It is published again; to let it sign: signet root activate.\n", "signet root restore 3f2a91c04d1e" },
	{ "root", "delete", "ROOT", 1, 1, NULL, run_root_delete, "delete a retired root and its key",
	  "For good: nothing undoes it.\n", "signet root delete 3f2a91c04d1e" },
	{ "root", "add", "FILE", 1, 1, NULL, run_root_add, "trust somebody else's root too",
	  "Publishes a root whose key is not here, for example that of a CA that is to take over\n"
	  "later (ca import).  With ca.directory, put it into root-cert.pem instead.\n",
	  "signet root add corporate-root.pem" },

	{ "issuer", "list", NULL, 0, 0, NULL, run_issuer_list, "who signs, and what became of requests",
	  "Signet's own CA, called default, and each entry of `issuers`: whether requests that name\n"
	  "nobody go there, where its roots come from, and what it was asked for since the start.\n",
	  "signet issuer list\nsignet issuer list -o json" },
	{ "issuer", "show", "NAME", 1, 1, issuer_show_options, run_issuer_show, "one of them, with its roots and failures",
	  "Shows what the configuration says of it, its roots with their SHA-256, what it was asked\n"
	  "for, what was refused and why, and how the newest requests ended.\n",
	  "signet issuer show mesh\nsignet issuer show mesh --pem >root-cert.pem" },
	{ "issuer", "forget", "NAME", 1, 1, NULL, run_issuer_forget, "trust the root no more that was pinned on first use",
	  "For an issuer with trust_on_first_use whose root has changed: the root that came with\n"
	  "its next certificate is pinned instead.  Certificates that are out under the old one are\n"
	  "trusted no more, so they must be renewed; a roots_file that holds both is the gentle way.\n",
	  "signet issuer forget mesh" },

	{ "crl", "show", NULL, 0, 0, NULL, run_crl_show, "whose, number, times and size of each newest CRL",
	  "There is one of the key that signs, of each that signed what has not ended, and those\n"
	  "that were brought (ca-crl.pem).  What is on them: signet cert list --revoked.\n",
	  "signet crl show\nsignet crl export | openssl storeutl -noout -text -crls /dev/stdin" },
	{ "crl", "export", NULL, 0, 0, crl_options, run_crl_export, "the newest CRLs, for those who verify",
	  "Writes all CRLs, as Envoy wants them: one of each CA that it meets.  There are new ones\n"
	  "at once after a revocation, and after half of ca.crl_lifetime: publish them more often.\n",
	  "signet crl export --out ca-crl.pem\nsignet crl export --key-id 5f3a --der --out ca.crl" },

	{ "event", "list", NULL, 0, 0, list_options, run_event_list, "changes of roots, bans, revocations; newest first",
	  "Each is written in the very transaction of the change that it tells of.\n", "signet event list --limit 20" },

	{ "config", "check", "FILE", 0, 1, NULL, run_config_check, "check a configuration file",
	  "Checks the file as the daemon does at its start: keys, values, rules, and the files\n"
	  "that it names.  Says file, line, key and what was expected.\n",
	  "signet config check\nsignet config check ./signet.yaml" },
	{ "config", "show", NULL, 0, 0, NULL, run_config_show, "effective values",
	  "Prints the configuration with every default, as YAML that can be used again.\n",
	  "signet config show\nsignet config show -o json" },
	{ "config", "reference", NULL, 0, 0, reference_options, run_config_reference, "every key, its meaning and default",
	  "Prints the reference of the configuration file.\n", "signet config reference | less" },

	{ "policy", "test", NULL, 0, 0, policy_options, run_policy_test, "what would the rules decide?",
	  "Decides as the daemon would, without it, and says for each rule why or why not.\n"
	  "Exit status 0: granted, 1: denied.\n\n"
	  "Attributes: issuer, claim.NAME, k8s.namespace, k8s.service_account, k8s.pod,\n"
	  "k8s.pod_uid, k8s.node, cluster, spiffe_id.\n",
	  "signet policy test --attr k8s.namespace=shop --attr k8s.service_account=cart\n"
	  "signet policy test --method mtls --id spiffe://example.org/vm/db1 --validity 30d\n"
	  "signet policy test --method jwt --attr claim.sub=build --key-type rsa --config ./new.yaml" },
};
const size_t cli_command_count = ARRAY_LEN(cli_commands);
