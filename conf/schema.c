#include "conf/schema.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "base/log.h"
#include "base/own.h"

#define AT(where, field) .offset = offsetof(struct where, field), .size = sizeof(((struct where *)NULL)->field)

#define MINUTE 60
#define DAY 86400

static const struct schema_choice tls_versions[] = { { "1.2", 12 }, { "1.3", 13 }, { NULL, 0 } };
static const struct schema_choice ca_key_types[] = { { "p256", 0 },    { "p384", 0 },    { "ed25519", 0 }, { "rsa2048", 0 },
						     { "rsa3072", 0 }, { "rsa4096", 0 }, { NULL, 0 } };
static const struct schema_choice key_types[] = { { "p256", 0 }, { "p384", 0 }, { "ed25519", 0 }, { "rsa", 0 }, { NULL, 0 } };
static const struct schema_choice log_formats[] = { { "text", CONF_LOG_TEXT }, { "json", CONF_LOG_JSON }, { NULL, 0 } };
static const struct schema_choice log_levels[] = {
	{ "error", LOG_ERROR }, { "warn", LOG_WARN }, { "info", LOG_INFO }, { "debug", LOG_DEBUG }, { NULL, 0 },
};
static const struct schema_choice rotations[] = { { "automatic", CONF_ROTATION_AUTOMATIC }, { "manual", CONF_ROTATION_MANUAL },
						  { NULL, 0 } };
static const struct schema_choice unpublished[] = { { "refuse", CONF_UNPUBLISHED_REFUSE }, { "accept", CONF_UNPUBLISHED_ACCEPT },
						    { NULL, 0 } };
static const struct schema_choice brought_crls[] = { { "merge", CONF_CRL_MERGE }, { "replace", CONF_CRL_REPLACE }, { NULL, 0 } };
static const struct schema_choice issuer_kinds[] = {
	{ "jwt", CONF_ISSUER_JWT },
	{ "kubernetes", CONF_ISSUER_KUBERNETES },
	{ NULL, 0 },
};

static const struct schema_choice reviews[] = {
	{ "off", CONF_REVIEW_OFF }, { "also", CONF_REVIEW_ALSO }, { "only", CONF_REVIEW_ONLY }, { NULL, 0 }
};
static const struct schema_choice approvals[] = { { "self", CONF_APPROVE_SELF },
						  { "external", CONF_APPROVE_EXTERNAL },
						  { NULL, 0 } };
static const struct schema_choice outlives[] = { { "refuse", CONF_OUTLIVE_REFUSE }, { "clamp", CONF_OUTLIVE_CLAMP }, { NULL, 0 } };
static const struct schema_choice afters[] = { { "delete", CONF_AFTER_DELETE }, { "keep", CONF_AFTER_KEEP }, { NULL, 0 } };
static const struct schema_elements clusters, csr_issuers, jwt_issuers; /* below: they name the tables, which have an end */

/* Names of control planes that a workload must not be able to pose as; istio.md 1 "istiod serving cert". */
#define RESERVED_NAMES                                                                                                 \
	"localhost, istiod, istiod.**, istiod-**, istio-pilot, istio-pilot.**, istio-ca, istio-ca.**, "                \
	"istio-citadel, istio-citadel.**, istio-sidecar-injector, istio-sidecar-injector.**, signet, signet.**, "      \
	"kubernetes, kubernetes.default, kubernetes.default.**"

static const struct schema_item top_items[] = {
	{ "trust_domain", SCHEMA_TEXT, 1, 255, NULL, AT(conf, trust_domain), .check = schema_check_trust_domain,
	  .help = "The SPIFFE trust domain: the name in every ID that Signet issues, spiffe://TRUST_DOMAIN/... Choose it once: "
		  "changing it later means new certificates for everybody." },
	{ "data_dir", SCHEMA_PATH, 1, PATH_MAX - 64, "/var/lib/signet", AT(conf, data_dir),
	  .help = "Where the records, the CA key (encrypted) and the tokens live. Made with mode 0700 if it is not there; on a "
		  "disk whose fdatasync is honest, because no certificate leaves before its record is in it." },
	{ "run_dir", SCHEMA_PATH, 1, 64, "/run/signet", AT(conf, run_dir),
	  .help = "Where the admin socket is made at each start." },
	{ "user", SCHEMA_TEXT, 1, 32, "signet", AT(conf, user), .check = schema_check_user,
	  .help = "Whom to become when started as root. Ignored when the daemon is started as an ordinary user." },
	{ "replica", SCHEMA_NUMBER, 1, 127, "1", AT(conf, replica),
	  .help = "First octet of every serial number. Give each Signet that signs under the same root its own number, so that "
		  "two of them can never make the same serial." },

	{ "listen.address", SCHEMA_TEXT, 2, 300, ":15012", AT(conf, listen.address), .check = schema_check_address,
	  .help = "Where clients connect, as HOST:PORT or [IPV6]:PORT; :PORT listens on all addresses. 15012 is the port that "
		  "Istio's agents expect of their CA." },
	{ "listen.fronts", SCHEMA_NUMBER, 0, 64, "0", AT(conf, listen.fronts),
	  .help = "Processes that serve clients; 0 means one for each core." },
	{ "listen.max_connections", SCHEMA_NUMBER, 1, 1000000, "10000", AT(conf, listen.max_connections),
	  .help = "Open connections of each front; one more is closed at once. An idle one costs some tens of KiB." },
	{ "listen.max_streams", SCHEMA_NUMBER, 1, 100000, "256", AT(conf, listen.max_streams),
	  .help = "Requests that one connection may have in flight (HTTP/2 SETTINGS_MAX_CONCURRENT_STREAMS)." },
	{ "listen.max_pending", SCHEMA_NUMBER, 1, 65536, "4096", AT(conf, listen.max_pending),
	  .help = "Requests that one front may have in flight in all; past it the answer is RESOURCE_EXHAUSTED at once, so "
		  "that "
		  "those already accepted are still answered in time." },
	{ "listen.max_connections_per_address", SCHEMA_NUMBER, 0, 1000000, "5000", AT(conf, listen.max_connections_per_address),
	  .help = "Of these, what one client address may hold (an IPv6 address counts with its /64); 0: no limit. All that come "
		  "through one NAT or load balancer are one address." },
	{ "listen.connect_rate_per_address", SCHEMA_NUMBER, 0, 1000000, "500", AT(conf, listen.connect_rate_per_address),
	  .help = "New connections a second from one address to one front, as many at once; 0: no limit. A handshake is the most "
		  "that a stranger can make Signet work." },
	{ "listen.max_handshakes", SCHEMA_NUMBER, 0, 1000000, "512", AT(conf, listen.max_handshakes),
	  .help = "Connections of each front that have not made a request yet; 0: no limit. More wait in the kernel's queue; peers "
		  "that say nothing for two seconds make room. One address may have a quarter of them." },
	{ "listen.rate_per_identity", SCHEMA_NUMBER, 0, 1000000, "1000", AT(conf, listen.rate_per_identity),
	  .help = "Requests a second of one authenticated caller to one front, as many at once; past it RESOURCE_EXHAUSTED; 0: no "
		  "limit. All replicas of a workload are one caller." },
	{ "listen.handshake_timeout", SCHEMA_SECONDS, 1, 120, "10s", AT(conf, listen.handshake_timeout),
	  .help = "How long a new connection may take to finish TLS and send its first request." },

	{ "tls.names", SCHEMA_TEXTS, 1, 64, "localhost, 127.0.0.1, ::1, signet, istiod.istio-system.svc", AT(conf, tls.names),
	  .check = schema_check_dns_name_or_ip,
	  .help = "DNS names and IP addresses in the daemon's own serving certificate: what clients call it by. No workload "
		  "can "
		  "get a certificate for one of these names." },
	{ "tls.cert_file", SCHEMA_PATH, 0, PATH_MAX - 1, "", AT(conf, tls.cert_file),
	  .help = "Serve with this certificate chain (PEM, leaf first) instead of one from Signet's own CA. Goes with "
		  "tls.key_file; both or none." },
	{ "tls.key_file", SCHEMA_PATH, 0, PATH_MAX - 1, "", AT(conf, tls.key_file),
	  .help = "The private key of tls.cert_file (PEM)." },
	{ "tls.issuer", SCHEMA_TEXT, 1, 63, CONF_OWN_ISSUER, AT(conf, tls.issuer), .check = schema_check_label,
	  .help = "Who signs the daemon's own serving certificate: an entry of `issuers`, so that clients which know only that "
		  "signer's root can connect, or `default`, Signet's own CA. Nobody is served until it has signed; it must take "
		  "requests with tls.names (16 at most) for the usage `server auth`." },
	{ "tls.min_version", SCHEMA_ENUM, 0, 0, "1.2", AT(conf, tls.min_version), .choices = tls_versions,
	  .help = "The oldest TLS that clients may speak. Istio's agents speak 1.3, so 1.3 is a safe choice in a mesh." },
	{ "tls.lifetime", SCHEMA_SECONDS, 10 * MINUTE, 90 * DAY, "24h", AT(conf, tls.lifetime),
	  .help = "Lifetime of the daemon's own serving certificate; it renews by itself well before the end." },

	{ "ca.key_type", SCHEMA_CHOICE, 1, 16, "p256", AT(conf, ca.key_type), .choices = ca_key_types,
	  .help = "Algorithm of a new root key; an existing root keeps its own. p256 signs a hundred times faster than rsa4096 "
		  "and every client takes it." },
	{ "ca.key_encryption_key_file", SCHEMA_PATH, 0, PATH_MAX - 1, "", AT(conf, ca.key_encryption_key_file),
	  .help = "File of 32 random bytes under which the CA key is encrypted in data_dir; best on another disk, or a systemd "
		  "credential named key-encryption-key (LoadCredential=), which is found while this is empty. With neither: "
		  "DATA_DIR/key-encryption-key, made with mode 0400 at first start." },
	{ "ca.directory", SCHEMA_PATH, 0, PATH_MAX - 64, "", AT(conf, ca.directory),
	  .help = "Sign with the CA in this directory instead of a root that Signet makes itself: ca-cert.pem, ca-key.pem, "
		  "cert-chain.pem and root-cert.pem (Istio's cacerts, or an exported istio-ca-secret), or tls.crt, tls.key and "
		  "ca.crt (kubernetes.io/tls). Read at start, when it changes, and on SIGHUP; try it first "
		  "with `signet ca check DIR`." },
	{ "ca.passphrase_file", SCHEMA_PATH, 0, PATH_MAX - 1, "", AT(conf, ca.passphrase_file),
	  .help = "The passphrase of an encrypted private key in ca.directory; one line." },
	{ "ca.root_lifetime", SCHEMA_SECONDS, DAY, INT64_C(36500) * DAY, "3650d", AT(conf, ca.root_lifetime),
	  .help = "Lifetime of a root that Signet makes itself; no certificate outlives its root." },
	{ "ca.rotation", SCHEMA_ENUM, 0, 0, "automatic", AT(conf, ca.rotation), .choices = rotations,
	  .help = "automatic: a root that Signet made itself is followed by the next one in good time, by the three settings "
		  "below, and only when every client that has a certificate can know it. manual: by `signet root` alone." },
	{ "ca.prepare_at", SCHEMA_NUMBER, 1, 99, "70", AT(conf, ca.prepare_at),
	  .help = "Percent of the active root's life after which the next root is made and published, so that clients learn it "
		  "with their certificates." },
	{ "ca.activate_at", SCHEMA_NUMBER, 1, 99, "85", AT(conf, ca.activate_at),
	  .help = "Percent of the active root's life after which the next root signs: not before every certificate that was "
		  "answered without it has ended. The old root is trusted until the last certificate under it has ended." },
	{ "ca.cross_sign", SCHEMA_BOOL, 0, 1, "false", AT(conf, ca.cross_sign),
	  .help = "Let the active root sign the next one too, in automatic rotation: then clients that know only the old root "
		  "verify as well, by a longer chain." },
	{ "ca.unpublished_root", SCHEMA_ENUM, 0, 0, "refuse", AT(conf, ca.unpublished_root), .choices = unpublished,
	  .help = "A CA in ca.directory under a root that clients cannot know yet, because certificates that have not ended "
		  "were "
		  "answered without it: refuse keeps the CA in use, and does not start with the other; accept takes it with a "
		  "warning, and who knows only the old roots cannot verify what it signs." },
	{ "ca.brought_crl", SCHEMA_ENUM, 0, 0, "merge", AT(conf, ca.brought_crl), .choices = brought_crls,
	  .help = "What becomes of a list in ca.directory/ca-crl.pem that the signing key itself has issued: merge takes its "
		  "entries into Signet's own list; replace publishes it instead. Lists of the CAs above are published as they "
		  "are." },
	{ "ca.signer_threads", SCHEMA_NUMBER, 0, 64, "0", AT(conf, ca.signer_threads),
	  .help = "Threads for slow signatures (p384, RSA); 0 means one for each core. p256 and ed25519 need none." },
	{ "ca.allow_spiffe_ids", SCHEMA_TEXTS, 0, 256, "spiffe://TRUST_DOMAIN/**", AT(conf, ca.allow_spiffe_ids),
	  .check = schema_check_pattern,
	  .help = "Patterns of the SPIFFE IDs that this CA may issue at all, whatever policy says: the process that holds the "
		  "key "
		  "checks them by itself. '*' matches within one path segment, '**' across segments." },
	{ "ca.allow_dns_names", SCHEMA_TEXTS, 0, 256, "", AT(conf, ca.allow_dns_names), .check = schema_check_pattern,
	  .help = "Patterns of the DNS names that this CA may put into workload certificates; '*' matches within one "
		  "label, '**' across labels. None by default: a mesh works by SPIFFE IDs alone." },
	{ "ca.allow_ip_ranges", SCHEMA_TEXTS, 0, 256, "", AT(conf, ca.allow_ip_ranges), .check = schema_check_cidr,
	  .help = "Networks (10.0.0.0/8, fd00::/8) whose addresses this CA may put into workload certificates. None by "
		  "default." },
	{ "ca.reserved_names", SCHEMA_TEXTS, 0, 256, RESERVED_NAMES, AT(conf, ca.reserved_names), .check = schema_check_pattern,
	  .help = "Patterns of DNS names that no workload certificate may hold, even if ca.allow_dns_names has them: whoever "
		  "holds "
		  "such a name can pose as the control plane. '*' matches within one label, '**' across labels. tls.names are "
		  "always reserved too." },
	{ "ca.crl_lifetime", SCHEMA_SECONDS, 10, 31 * DAY, "24h", AT(conf, ca.crl_lifetime),
	  .help = "From the issue of a CRL to its nextUpdate. A new one is made after half of it, and at once after a "
		  "revocation; "
		  "whoever publishes it (signet crl export) should fetch it more often than that." },
	{ "ca.rate_per_front", SCHEMA_NUMBER, 1, 1000000, "50000", AT(conf, ca.rate_per_front),
	  .help = "Certificates a second that the key's process signs for one front; bounds what a front that was taken over "
		  "can "
		  "get before it is noticed." },

	{ "cert.default_lifetime", SCHEMA_SECONDS, MINUTE, 90 * DAY, "24h", AT(conf, cert.default_lifetime),
	  .help = "Lifetime when neither the request nor the rule names one. Agents renew at about half of it." },
	{ "cert.max_lifetime", SCHEMA_SECONDS, MINUTE, 365 * DAY, "90d", AT(conf, cert.max_lifetime),
	  .help = "A request for more is refused, as Istio's CA refuses it; a rule's own max_lifetime shortens instead." },
	{ "cert.key_types", SCHEMA_TEXTS, 1, 4, "p256, p384, ed25519, rsa", AT(conf, cert.key_types), .choices = key_types,
	  .help = "Key types that clients may have; rsa means 2048 bits and more." },

	{ "auth.mtls", SCHEMA_BOOL, 0, 1, "true", AT(conf, auth.mtls),
	  .help = "Let a client renew with the certificate that it already has from this CA." },
	{ "auth.join_tokens", SCHEMA_BOOL, 0, 1, "true", AT(conf, auth.join_tokens),
	  .help = "Let a client ask for its first certificate with a one-time token (signet token create)." },
	{ "auth.token_lifetime", SCHEMA_SECONDS, MINUTE, 365 * DAY, "1h", AT(conf, auth.token_lifetime),
	  .help = "How long a join token can be used when `signet token create` does not say." },
	{ "auth.token_max_lifetime", SCHEMA_SECONDS, MINUTE, 365 * DAY, "7d", AT(conf, auth.token_max_lifetime),
	  .help = "The longest lifetime that `signet token create` may ask for." },

	{ "storage.commit_wait", SCHEMA_MICROS, 0, 20000, "2ms", AT(conf, storage.commit_wait_us),
	  .help = "Under load, how long a finished certificate may wait for others to be made durable in the same disk write. "
		  "An "
		  "idle daemon never waits." },
	{ "storage.keep_expired", SCHEMA_SECONDS, 0, INT64_C(36500) * DAY, "90d", AT(conf, storage.keep_expired),
	  .help = "How long the record of an expired certificate is kept; its hash is kept for ever." },

	{ "log.format", SCHEMA_ENUM, 0, 0, "text", AT(conf, log.format), .choices = log_formats,
	  .help = "One line an event on standard error, as key=value text or as a JSON object." },
	{ "log.level", SCHEMA_ENUM, 0, 0, "info", AT(conf, log.level), .choices = log_levels,
	  .help = "The least important events that are still logged. info has one line for each request." },

	{ "metrics.address", SCHEMA_TEXT, 0, 300, "127.0.0.1:15014", AT(conf, metrics.address), .check = schema_check_address,
	  .help = "Where /metrics, /healthz/live and /healthz/ready answer over plain HTTP; \"\" switches them off." },

	{ "admin.socket", SCHEMA_PATH, 1, 107, "RUN_DIR/admin.sock", AT(conf, admin.socket),
	  .help = "The unix socket of the `signet` command." },
	{ "admin.group", SCHEMA_TEXT, 0, 32, "", AT(conf, admin.group), .check = schema_check_user,
	  .help = "Members of this group may administer Signet, besides root and the daemon's own user." },
	{ "admin.users", SCHEMA_TEXTS, 0, 64, "", AT(conf, admin.users), .check = schema_check_user,
	  .help = "These users may administer Signet too. The kernel tells who is calling; there is no password." },

	{ "clusters", SCHEMA_MAPS, 0, CONF_CLUSTERS_MAX, "", .elements = &clusters,
	  .help = "Kubernetes API servers that Signet speaks to: to have tokens reviewed, to file certificate signing requests, to "
		  "know on which node a pod is." },
	{ "issuers", SCHEMA_MAPS, 0, CONF_CSR_ISSUERS_MAX, "", .elements = &csr_issuers,
	  .help = "Signers of Kubernetes' CertificateSigningRequest API that sign in place of Signet's own CA, for example "
		  "cert-manager: Signet is then the registration authority. It authenticates, decides, files, approves, and checks "
		  "what comes back." },
	{ "default_issuer", SCHEMA_TEXT, 1, 63, CONF_OWN_ISSUER, AT(conf, default_issuer), .check = schema_check_label,
	  .help = "Who signs for requests that name nobody (CertSigner): an entry of `issuers`, or `default`, Signet's own CA." },
	{ "jwt_issuers", SCHEMA_MAPS, 0, CONF_ISSUERS_MAX, "", .elements = &jwt_issuers,
	  .help = "Who may vouch for a client by a signed token (JWT). Its claims become attributes that rules can match." },
	{ "policy", SCHEMA_MAPS, 0, CONF_RULES_MAX, "", .elements = &schema_rules,
	  .help = "Who gets what: rules, tried in order; the first whose match holds decides, and nobody else gets anything. "
		  "Without this key the built-in rules apply; with it, only what is written." },
};

static const struct schema_item jwt_issuer_items[] = {
	{ "name", SCHEMA_TEXT, 1, 63, NULL, AT(conf_jwt_issuer, name), .check = schema_check_label,
	  .help = "What logs and rules call this issuer (attribute `issuer`)." },
	{ "issuer", SCHEMA_TEXT, 1, 1024, NULL, AT(conf_jwt_issuer, issuer), .check = schema_check_url,
	  .help = "The exact value that the token's `iss` claim must have." },
	{ "jwks_file", SCHEMA_PATH, 0, PATH_MAX - 1, "", AT(conf_jwt_issuer, jwks_file),
	  .help = "The issuer's public keys as a JWK set (RFC 7517); read again on SIGHUP. In Kubernetes: kubectl get --raw "
		  "/openid/v1/jwks. Exactly one of jwks_file, jwks_url, discovery and cluster says where the keys are." },
	{ "jwks_url", SCHEMA_TEXT, 0, 2048, "", AT(conf_jwt_issuer, jwks_url), .check = schema_check_fetched_url,
	  .help = "Fetch the JWK set from here (https only), at start, by age, and when a token names a key that is not known. "
		  "The "
		  "last good keys serve while the issuer is away." },
	{ "discovery", SCHEMA_BOOL, 0, 1, "false", AT(conf_jwt_issuer, discovery),
	  .help = "Ask the issuer where its keys are: ISSUER/.well-known/openid-configuration (OpenID Connect Discovery)." },
	{ "ca_file", SCHEMA_PATH, 0, PATH_MAX - 1, "", AT(conf_jwt_issuer, ca_file),
	  .help = "Root certificates (PEM) for jwks_url and discovery, which need them: whoever these let pose as the issuer "
		  "makes its keys, and so its tokens. For a public issuer: /etc/ssl/certs/ca-certificates.crt." },
	{ "keys_refresh", SCHEMA_SECONDS, 10, DAY, "5m", AT(conf_jwt_issuer, keys_refresh),
	  .help = "How old fetched keys may be before they are fetched again." },
	{ "cluster", SCHEMA_TEXT, 0, 63, "", AT(conf_jwt_issuer, cluster), .check = schema_check_cluster,
	  .help = "The entry of `clusters` whose service accounts these are: its keys are fetched (unless jwks_file or "
		  "jwks_url says "
		  "where they are), tokens are reviewed there, and only requests that name this cluster (the `clusterid` header of "
		  "Istio's agents), or none, are taken. Several entries may have one `issuer` and differ in this; a request that "
		  "names none then means the first of them." },
	{ "token_review", SCHEMA_ENUM, 0, 0, "off", AT(conf_jwt_issuer, token_review), .choices = reviews,
	  .help = "also: besides checking the token here, ask the API server of `cluster`, which knows of deleted pods and "
		  "accounts "
		  "at once; only: ask it alone, without keys (no claim.NAME then); off: check it here, which costs no "
		  "request and outlives the API server." },
	{ "review_cache", SCHEMA_SECONDS, 0, 5 * MINUTE, "10s", AT(conf_jwt_issuer, review_cache),
	  .help = "How long a review's yes is believed for the same token; the API server itself does so for 10 s." },
	{ "audiences", SCHEMA_TEXTS, 1, 32, NULL, AT(conf_jwt_issuer, audiences),
	  .help = "One of these must be in the token's `aud` claim; a token made for somebody else is worth nothing here. "
		  "Istio's "
		  "agents send istio-ca." },
	{ "kind", SCHEMA_ENUM, 0, 0, "jwt", AT(conf_jwt_issuer, kind), .choices = issuer_kinds,
	  .help = "kubernetes reads service-account tokens and gives k8s.namespace, k8s.service_account and the pod as "
		  "attributes; jwt gives the claims only." },
	{ "leeway", SCHEMA_SECONDS, 0, 5 * MINUTE, "60s", AT(conf_jwt_issuer, leeway),
	  .help = "How far the issuer's clock may be off." },
	{ "max_lifetime", SCHEMA_SECONDS, 0, 365 * DAY, "0s", AT(conf_jwt_issuer, max_lifetime),
	  .help = "Refuse tokens that are valid for longer than this from `iat` to `exp`; 0s takes any." },
};

static const struct schema_item cluster_items[] = {
	{ "id", SCHEMA_TEXT, 1, 63, NULL, AT(conf_cluster, id), .check = schema_check_cluster,
	  .help = "What the `clusterid` header of Istio's agents calls it (istiod's default is Kubernetes), and other entries "
		  "here." },
	{ "kubeconfig", SCHEMA_PATH, 0, PATH_MAX - 1, "", AT(conf_cluster, kubeconfig),
	  .help = "How to reach it and who we are there: token, tokenFile or client certificate. Read again when it changes, "
		  "unless the daemon's own keys are in the same directory. None: the service account of the pod that Signet "
		  "runs in." },
	{ "context", SCHEMA_TEXT, 0, 253, "", AT(conf_cluster, context),
	  .help = "The context of the kubeconfig; none: its current-context." },
	{ "service_account_dir", SCHEMA_PATH, 1, PATH_MAX - 64, "/var/run/secrets/kubernetes.io/serviceaccount",
	  AT(conf_cluster, service_account_dir),
	  .help = "Without a kubeconfig: where token and ca.crt of the pod are. The token is read again when it changes, and "
		  "when the "
		  "API server refuses it." },
};

static const struct schema_item csr_issuer_items[] = {
	{ "name", SCHEMA_TEXT, 1, 63, NULL, AT(conf_csr_issuer, name), .check = schema_check_label,
	  .help = "What rules (issuers), requests (CertSigner) and records call it. Not `default`." },
	{ "cluster", SCHEMA_TEXT, 1, 63, NULL, AT(conf_csr_issuer, cluster), .check = schema_check_cluster,
	  .help = "The entry of `clusters` where requests are filed." },
	{ "signer_name", SCHEMA_TEXT, 0, 571, "", AT(conf_csr_issuer, signer_name), .check = schema_check_signer,
	  .help = "The signerName of the requests, for example clusterissuers.cert-manager.io/mesh." },
	{ "signer_domain", SCHEMA_TEXT, 0, 253, "", AT(conf_csr_issuer, signer_domain), .check = schema_check_signer_domain,
	  .help = "Let requests choose: CertSigner X means the signerName SIGNER_DOMAIN/X, if the caller's rule allows NAME/X "
		  "in its "
		  "`issuers`." },
	{ "roots_file", SCHEMA_PATH, 0, PATH_MAX - 1, "", AT(conf_csr_issuer, roots_file),
	  .help = "Root certificates (PEM) that its certificates must lead to, and that clients are given: the API does not "
		  "deliver "
		  "them. Read again when it changes, and on SIGHUP." },
	{ "trust_on_first_use", SCHEMA_BOOL, 0, 1, "false", AT(conf_csr_issuer, trust_on_first_use),
	  .help = "Without roots_file: trust the self-signed root in its first answer for good (many signers never send one). "
		  "Whoever "
		  "can answer in its place at that moment becomes the root of the mesh; better name the file." },
	{ "approve", SCHEMA_ENUM, 0, 0, "self", AT(conf_csr_issuer, approve), .choices = approvals,
	  .help = "self: Signet approves what it has filed. external: somebody else does (a person, or a "
		  "controller that decides about requests of the Kubernetes API), and Signet waits." },
	{ "deadline", SCHEMA_SECONDS, 1, 15 * MINUTE, "60s", AT(conf_csr_issuer, deadline),
	  .help = "How long a request may wait for approval and signature before the client is told that it failed." },
	{ "after", SCHEMA_ENUM, 0, 0, "delete", AT(conf_csr_issuer, after), .choices = afters,
	  .help = "What becomes of a request that has ended: delete it at once, or keep it for whoever audits the cluster "
		  "(Kubernetes "
		  "itself deletes them after an hour)." },
	{ "outlive", SCHEMA_ENUM, 0, 0, "refuse", AT(conf_csr_issuer, outlive), .choices = outlives,
	  .help = "A certificate that would outlive the CA that signed it: refuse it, or clamp: ask again for no more than "
		  "that CA's "
		  "remaining life." },
};

static const struct schema_item rule_items[] = {
	{ "name", SCHEMA_TEXT, 1, 63, NULL, AT(conf_rule, name), .check = schema_check_label,
	  .help = "What the log and the record of each certificate call this rule. Unique." },
	{ "match", SCHEMA_MATCH, 0, CONF_MATCHES_MAX, "", AT(conf_rule, match_first),
	  .help = "Attributes of the caller, each with a pattern or a list of patterns of which one must match; all attributes "
		  "must hold. '*' matches anything but '/', '**' anything, '?' one character. No match at all: everybody." },
	{ "deny", SCHEMA_BOOL, 0, 1, "false", AT(conf_rule, deny),
	  .help = "Whoever matches gets nothing, whatever later rules say." },
	{ "spiffe_id", SCHEMA_TEXT, 0, 1024, "", AT(conf_rule, spiffe_id),
	  .help = "The SPIFFE ID to issue, with {attribute} filled from the caller; needed unless the rule denies." },
	{ "dns_names", SCHEMA_TEXTS, 0, 16, "", AT(conf_rule, dns_names),
	  .help = "DNS names to add, with {attribute}; ca.allow_dns_names must have them too." },
	{ "ip_addresses", SCHEMA_TEXTS, 0, 16, "", AT(conf_rule, ip_addresses),
	  .help = "IP addresses to add, with {attribute}; ca.allow_ip_ranges must have them too." },
	{ "default_lifetime", SCHEMA_SECONDS, 0, 365 * DAY, "0s", AT(conf_rule, default_lifetime),
	  .help = "Lifetime when the request names none; 0s: cert.default_lifetime." },
	{ "max_lifetime", SCHEMA_SECONDS, 0, 365 * DAY, "0s", AT(conf_rule, max_lifetime),
	  .help = "A request for more is shortened to this; 0s: cert.max_lifetime." },
	{ "key_types", SCHEMA_TEXTS, 0, 4, "", AT(conf_rule, key_types), .choices = key_types,
	  .help = "Key types that may be certified; none given: cert.key_types." },
	{ "issuers", SCHEMA_TEXTS, 0, 32, "", AT(conf_rule, issuers), .check = schema_check_pattern,
	  .help = "Issuers that the caller may choose (CertSigner): `default` is Signet's own CA; NAME/X one of its signers. "
		  "None given: "
		  "only default_issuer." },
	{ "impersonate", SCHEMA_TEXTS, 0, 64, "", AT(conf_rule, impersonate), .check = schema_check_pattern,
	  .help = "Patterns of SPIFFE IDs that the caller may ask for in place of its own (a node proxy for its pods). None by "
		  "default." },
	{ "same_node", SCHEMA_BOOL, 0, 1, "false", AT(conf_rule, same_node),
	  .help = "Impersonation only of service accounts that have a pod on the caller's own node, as Istio's node authorizer "
		  "has "
		  "it. Needs `clusters`; the caller's pod, its account and node must be as its token says." },
};

const struct schema_table schema_top = { top_items, ARRAY_LEN(top_items) };

static const struct schema_table cluster_table = { cluster_items, ARRAY_LEN(cluster_items) },
				 csr_issuer_table = { csr_issuer_items, ARRAY_LEN(csr_issuer_items) },
				 jwt_issuer_table = { jwt_issuer_items, ARRAY_LEN(jwt_issuer_items) },
				 rule_table = { rule_items, ARRAY_LEN(rule_items) };
#define ELEMENTS(elements, array, number)                                                                              \
	{ .table = &(elements), .first = offsetof(struct conf, array), .stride = sizeof(((struct conf *)NULL)->array[0]), \
	  .count = offsetof(struct conf, number) }
static const struct schema_elements clusters = ELEMENTS(cluster_table, clusters, cluster_count);
static const struct schema_elements csr_issuers = ELEMENTS(csr_issuer_table, csr_issuers, csr_issuer_count);
static const struct schema_elements jwt_issuers = ELEMENTS(jwt_issuer_table, issuers, issuer_count);
const struct schema_elements schema_rules = ELEMENTS(rule_table, rules, rule_count);

uint32_t schema_count(const struct schema_elements *e, const struct conf *c)
{
	uint32_t n;

	memcpy(&n, (const char *)c + e->count, sizeof(n));
	return n;
}

const void *schema_at(const struct schema_elements *e, const struct conf *c, uint32_t i)
{
	return (const char *)c + e->first + (size_t)i * e->stride;
}

static const struct {
	const char *section, *help;
} sections[] = {
	{ "listen", "The port that clients connect to, and its bounds." },
	{ "tls", "How the daemon itself is known to its clients." },
	{ "ca", "The signing key, and the limits that its process enforces by itself." },
	{ "cert", "Workload certificates." },
	{ "auth", "Ways for a client to prove who it is, besides tokens of `jwt_issuers`." },
	{ "storage", "Records of what was issued." },
	{ "log", "What is written to standard error." },
	{ "metrics", "Prometheus metrics and health." },
	{ "admin", "The `signet` command's way in." },
};

const char *schema_section_help(const char *section)
{
	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		if (strcmp(sections[i].section, section) == 0) return sections[i].help;
	return NULL;
}
