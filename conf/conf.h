/* conf.h: the configuration as every process sees it: one flat, position-independent, read-only image.
 *
 * The monitor alone parses YAML (conf/load.h); it writes the image into a sealed memfd and each child maps it.  There
 * are no pointers in it: strings are offsets into a pool at its end, lists are ranges of the `strings` table.  Both
 * ends are one build (conf_map() checks the version and every offset), so the struct is its own format. */
#ifndef SIGNET_CONF_CONF_H
#define SIGNET_CONF_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "conf/issuers.h"

#define CONF_FILE_MAX (1024 * 1024) /* bytes of YAML; ours */
#define CONF_POOL_MAX (1024 * 1024) /* bytes of strings; ours */
#define CONF_STRINGS_MAX 8192       /* list elements in all; ours */
#define CONF_ISSUERS_MAX 32
#define CONF_CLUSTERS_MAX 16
#define CONF_CSR_ISSUERS_MAX 16
#define CONF_RULES_MAX 256
#define CONF_MATCHES_MAX 2048       /* in all rules together */

enum conf_log_format { CONF_LOG_TEXT, CONF_LOG_JSON };
struct conf_match { /* one attribute of the caller against patterns; one must match */
	conf_str attribute;
	struct conf_list patterns;
};

struct conf_rule {
	conf_str name;
	uint32_t match_first, match_count; /* range of conf.matches; all must match */
	bool deny;
	conf_str spiffe_id;                /* template */
	struct conf_list dns_names, ip_addresses; /* templates */
	int64_t default_lifetime, max_lifetime;   /* seconds; 0: the server's */
	struct conf_list key_types;        /* empty: the server's */
	struct conf_list issuers;          /* empty: the default issuer only */
	struct conf_list impersonate;      /* patterns of SPIFFE IDs; empty: no right */
	bool same_node;                    /* and only of pods on the caller's own node */
	uint32_t line;                     /* in the file, for messages; 0: built in */
};

enum conf_rotation { CONF_ROTATION_MANUAL = 0, CONF_ROTATION_AUTOMATIC = 1 };
enum conf_unpublished { CONF_UNPUBLISHED_REFUSE = 0, CONF_UNPUBLISHED_ACCEPT = 1 };
enum conf_brought_crl { CONF_CRL_MERGE = 0, CONF_CRL_REPLACE = 1 };

struct conf {
	uint32_t version, size; /* of this struct's layout; bytes of the whole image with its pool */
	conf_str trust_domain, data_dir, run_dir, user, default_issuer;
	int64_t replica;        /* 1..127: first octet of every serial */
	struct {
		conf_str address;
		int64_t fronts, max_connections, max_streams, max_pending;
		int64_t max_connections_per_address, connect_rate_per_address, max_handshakes, rate_per_identity;
		int64_t handshake_timeout; /* seconds */
	} listen;
	struct {
		struct conf_list names;
		conf_str cert_file, key_file, issuer;
		int64_t min_version; /* 12, 13 */
		int64_t lifetime;    /* seconds */
	} tls;
	struct {
		conf_str key_type, key_encryption_key_file, directory, passphrase_file;
		int64_t root_lifetime, signer_threads;
		struct conf_list allow_spiffe_ids, allow_dns_names, allow_ip_ranges, reserved_names;
		int64_t crl_lifetime;   /* seconds from one CRL's issue to its nextUpdate */
		int64_t rate_per_front; /* certificates a second */
		uint32_t rotation;      /* enum conf_rotation */
		int64_t prepare_at, activate_at; /* percent of the active root's life */
		bool cross_sign;
		uint32_t unpublished_root; /* enum conf_unpublished */
		uint32_t brought_crl;   /* enum conf_brought_crl */
	} ca;
	struct {
		int64_t default_lifetime, max_lifetime; /* seconds */
		struct conf_list key_types;
	} cert;
	struct {
		bool mtls, join_tokens;
		int64_t token_lifetime, token_max_lifetime; /* seconds, of join tokens */
	} auth;
	struct {
		int64_t commit_wait_us, keep_expired; /* microseconds; seconds */
	} storage;
	struct {
		uint32_t format; /* enum conf_log_format */
		int64_t level;   /* enum log_level */
	} log;
	struct {
		conf_str address;
	} metrics;
	struct {
		conf_str socket, group;
		struct conf_list users;
	} admin;
	uint32_t issuer_count, cluster_count, csr_issuer_count, rule_count, match_count, string_count;
	bool rules_built_in; /* no `policy:` in the file: the rules are the default ones */
	struct conf_jwt_issuer issuers[CONF_ISSUERS_MAX];
	struct conf_cluster clusters[CONF_CLUSTERS_MAX];
	struct conf_csr_issuer csr_issuers[CONF_CSR_ISSUERS_MAX];
	struct conf_rule rules[CONF_RULES_MAX];
	struct conf_match matches[CONF_MATCHES_MAX];
	conf_str strings[CONF_STRINGS_MAX];
	uint32_t pool_len;
	char pool[]; /* NUL-terminated strings; pool[0] is NUL */
};
#define CONF_VERSION 1
#define CONF_OWN_ISSUER "default" /* Signet's own CA, wherever an issuer is named */

/* The string; borrowed, never NULL. */
const char *conf_text(const struct conf *c, conf_str s);
/* Element i < list.count of a list. */
const char *conf_item(const struct conf *c, struct conf_list list, uint32_t i);
/* Is there anything to ask over HTTPS: a cluster, or an issuer of tokens whose keys are elsewhere? */
bool conf_needs_courier(const struct conf *c);
bool conf_list_has(const struct conf *c, struct conf_list list, const char *value);
enum conf_keys conf_keys_of(const struct conf_jwt_issuer *issuer);
/* By name; -1: there is none. */
int conf_cluster_find(const struct conf *c, const char *id);
int conf_csr_issuer_find(const struct conf *c, struct bytes name);

/* Put the image into a sealed memfd; the descriptor is the caller's.  Fails as chan_memfd(). */
struct err conf_seal(const struct conf *c, int *fd);
/* Map a sealed image read-only and check version, size, every offset and count.  DATA_LOSS otherwise. */
struct err conf_map(int fd, const struct conf **out);
void conf_unmap(const struct conf *c);

#endif
