/* metrics.h: counters in one shared page per process.  The monitor makes the page (a memfd), the process maps it read-write
 * and alone writes it, admin maps every page read-only and adds them up.  Any thread; relaxed atomics. */
#ifndef SIGNET_BASE_METRICS_H
#define SIGNET_BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/log.h"
#include "base/metrics_self.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE_SUM, METRIC_GAUGE_MAX };

/* X(symbol, kind, Prometheus name, labels, help).  Istio's names where it has one (istio.md 7). */
#define METRICS(X)                                                                                                     \
	X(CSR, COUNTER, "citadel_server_csr_count", "", "Requests for a certificate received.")                         \
	X(AUTH_FAILURE, COUNTER, "citadel_server_authentication_failure_count", "",                                     \
	  "Requests whose caller was not authenticated.")                                                               \
	X(CSR_PARSING_ERR, COUNTER, "citadel_server_csr_parsing_err_count", "", "Requests whose CSR was refused.")      \
	X(ID_EXTRACTION_ERR, COUNTER, "citadel_server_id_extraction_err_count", "",                                     \
	  "Always 0, as Istio's own; for its dashboards.")                                                              \
	X(SIGN_ERR_NOT_READY, COUNTER, "citadel_server_csr_sign_err_count", "error=\"CA_NOT_READY\"",                   \
	  "Requests that were not signed, by reason.")                                                                  \
	X(SIGN_ERR_CSR, COUNTER, "citadel_server_csr_sign_err_count", "error=\"CSR_ERROR\"", "")                        \
	X(SIGN_ERR_TTL, COUNTER, "citadel_server_csr_sign_err_count", "error=\"TTL_ERROR\"", "")                        \
	X(SIGN_ERR_CERT_GEN, COUNTER, "citadel_server_csr_sign_err_count", "error=\"CERT_GEN_ERROR\"", "")              \
	X(SUCCESS, COUNTER, "citadel_server_success_cert_issuance_count", "", "Certificates issued and recorded.")      \
	X(ROOT_EXPIRY, GAUGE_MAX, "citadel_server_root_cert_expiry_timestamp", "", "Unix time at which the active root ends.") \
	X(CHAIN_EXPIRY, GAUGE_MAX, "citadel_server_cert_chain_expiry_timestamp", "",                                    \
	  "Unix time at which the signing certificate of a CA that was brought ends.")                                  \
	X(CA_EXPIRY, GAUGE_MAX, "signet_ca_cert_expiry_timestamp", "",                                                  \
	  "Unix time at which the first certificate of the CA's chain ends: none is issued beyond.")                    \
	X(CA_RELOAD_FAILED, COUNTER, "signet_ca_reload_failed_total", "",                                               \
	  "Times that a changed ca.directory was refused and the old CA stayed.")                                       \
	X(CA_REVOKED, GAUGE_MAX, "signet_ca_revoked", "", "1: a list that was brought revokes a CA of the chain that signs.") \
	X(ROOT_SEQ, GAUGE_MAX, "signet_root_set_sequence", "", "Sequence number of the root set.")                      \
	X(ROOTS_NEXT, GAUGE_MAX, "signet_roots", "state=\"next\"", "Roots that are trusted and do not sign, by state.") \
	X(ROOTS_OLD, GAUGE_MAX, "signet_roots", "state=\"old\"", "")                                                    \
	X(ROOT_NEXT_SAFE, GAUGE_MAX, "signet_root_next_safe_timestamp", "",                                             \
	  "Unix time from which on the next root can sign and every client knows it; 0: there is none.")                \
	X(TAINTED, GAUGE_MAX, "signet_tainted_certificates", "", "Certificates under tainted keys that have not ended.") \
	X(DENIED, COUNTER, "signet_policy_denied_total", "", "Requests that policy denied.")                            \
	X(REFUSED_SPIFFE_ID, COUNTER, "signet_keeper_refused_total", "reason=\"spiffe_id\"",                           \
	  "Requests that the keeper refused by its own limits, bans and state; in the order of enum keeper_reason.")   \
	X(REFUSED_NAME, COUNTER, "signet_keeper_refused_total", "reason=\"name\"", "")                                 \
	X(REFUSED_RESERVED, COUNTER, "signet_keeper_refused_total", "reason=\"reserved_name\"", "")                    \
	X(REFUSED_LIFETIME, COUNTER, "signet_keeper_refused_total", "reason=\"lifetime\"", "")                         \
	X(REFUSED_KEY_TYPE, COUNTER, "signet_keeper_refused_total", "reason=\"key_type\"", "")                         \
	X(REFUSED_RATE, COUNTER, "signet_keeper_refused_total", "reason=\"rate\"", "")                                 \
	X(REFUSED_BANNED, COUNTER, "signet_keeper_refused_total", "reason=\"banned\"", "")                             \
	X(REFUSED_TOKEN, COUNTER, "signet_keeper_refused_total", "reason=\"token\"", "")                               \
	X(REFUSED_STORE, COUNTER, "signet_keeper_refused_total", "reason=\"store\"", "")                               \
	X(REFUSED_FULL, COUNTER, "signet_keeper_refused_total", "reason=\"full\"", "")                                 \
	X(REFUSED_SIGNER, COUNTER, "signet_keeper_refused_total", "reason=\"signer\"", "")                             \
	X(REFUSED_CHAIN_ENDED, COUNTER, "signet_keeper_refused_total", "reason=\"chain_ended\"", "")                   \
	X(REFUSED_PROFILE, COUNTER, "signet_keeper_refused_total", "reason=\"profile\"", "")                           \
	X(REFUSED_REVOKED, COUNTER, "signet_keeper_refused_total", "reason=\"revoked\"", "")                           \
	X(REFUSED_CSR, COUNTER, "signet_keeper_refused_total", "reason=\"csr\"", "")                                   \
	X(REFUSED_ISSUER_SHORT, COUNTER, "signet_keeper_refused_total", "reason=\"issuer_short\"", "")                 \
	X(REFUSED_ISSUER_DENIED, COUNTER, "signet_keeper_refused_total", "reason=\"issuer_denied\"", "")               \
	X(REFUSED_ISSUER_FAILED, COUNTER, "signet_keeper_refused_total", "reason=\"issuer_failed\"", "")               \
	X(REFUSED_ISSUER_DELETED, COUNTER, "signet_keeper_refused_total", "reason=\"issuer_deleted\"", "")             \
	X(REFUSED_ISSUER_DEADLINE, COUNTER, "signet_keeper_refused_total", "reason=\"issuer_deadline\"", "")           \
	X(REFUSED_ISSUER_AWAY, COUNTER, "signet_keeper_refused_total", "reason=\"issuer_away\"", "")                   \
	X(REFUSED_ISSUER_FORBIDDEN, COUNTER, "signet_keeper_refused_total", "reason=\"issuer_forbidden\"", "")         \
	X(REFUSED_ISSUER_ANSWER, COUNTER, "signet_keeper_refused_total", "reason=\"issuer_answer\"", "")               \
	X(REFUSED_ISSUER_ROOTS, COUNTER, "signet_keeper_refused_total", "reason=\"issuer_roots\"", "")                 \
	X(ISSUER_PENDING, GAUGE_MAX, "signet_issuer_requests_pending", "", "Requests that wait for another signer.")  \
	X(CONNECTIONS, GAUGE_SUM, "signet_connections", "", "Open connections of clients.")                             \
	X(CONNECTIONS_TOTAL, COUNTER, "signet_connections_total", "", "Connections accepted.")                          \
	X(CONNECTIONS_REFUSED, COUNTER, "signet_connections_refused_total", "", "Connections closed at once, over the limit.") \
	X(TLS_FAILED, COUNTER, "signet_tls_handshakes_failed_total", "", "TLS handshakes that failed.")                 \
	X(PENDING, GAUGE_SUM, "signet_requests_pending", "", "Requests waiting for the keeper.")                        \
	X(OVERLOADED, COUNTER, "signet_requests_overloaded_total", "", "Requests refused because a queue was full.")    \
	X(JWT_CACHE_HIT, COUNTER, "signet_jwt_cache_hits_total", "", "Tokens that had been verified before.")           \
	X(JWT_VERIFIED, COUNTER, "signet_jwt_verified_total", "", "Tokens verified by their signature.")                \
	X(CSR_FILED, COUNTER, "signet_csr_filed_total", "", "Requests that another signer was asked to sign.")          \
	X(CSR_SIGNED, COUNTER, "signet_csr_signed_total", "", "Certificates that other signers sent back.")             \
	X(CSR_FAILED, COUNTER, "signet_csr_failed_total", "", "Requests that no other signer signed; the log says why.") \
	X(CSR_PENDING, GAUGE_SUM, "signet_csr_pending", "", "Requests waiting for another signer.")                     \
	X(KEYS_FETCHED, COUNTER, "signet_keys_fetched_total", "", "Times that the keys of an issuer of tokens were fetched.") \
	X(KEYS_FAILED, COUNTER, "signet_keys_failed_total", "", "Times that they could not be.")                        \
	X(COMMITS, COUNTER, "signet_store_commits_total", "", "Durable transactions.")                                  \
	X(COMMIT_FAILED, COUNTER, "signet_store_commits_failed_total", "", "Transactions that could not be made durable.") \
	X(RECORDS, GAUGE_MAX, "signet_store_records", "", "Records ever written.")                                      \
	X(STORE_BYTES, GAUGE_MAX, "signet_store_bytes", "", "Bytes used by the record store.")                          \
	X(INDEX_BEHIND, GAUGE_MAX, "signet_store_index_behind", "", "Records that the look-up index has not yet taken in.") \
	X(CRL_NEXT_UPDATE, GAUGE_MAX, "signet_crl_next_update_timestamp", "", "When the newest CRL ends, in Unix seconds.") \
	X(CRL_ENTRIES, GAUGE_MAX, "signet_crl_entries", "", "Certificates on the newest CRL.")                          \
	X(CRL_FAILED, COUNTER, "signet_crl_failed_total", "", "CRLs that could not be built, signed or recorded.")      \
	X(BANS, GAUGE_MAX, "signet_bans", "", "Bans in force.")                                                         \
	X(RESTARTS, COUNTER, "signet_process_restarts_total", "", "Processes that the monitor started again.")          \
	X(SERVING, GAUGE_SUM, "signet_fronts_serving", "", "Fronts that have a certificate and accept connections.")    \
	X(CERT_EXPIRY, GAUGE_MAX, "signet_serving_cert_expiry_timestamp", "", "Unix time at which the serving certificate ends.") \
	X(KUBE_CALLS, COUNTER, "signet_kube_api_calls_total", "", "Requests to API servers of Kubernetes, each attempt counted.") \
	X(KUBE_ERRORS, COUNTER, "signet_kube_api_errors_total", "", "Of these: no answer, or 429 or 5xx.")             \
	X(KUBE_UNAUTHORIZED, COUNTER, "signet_kube_api_unauthorized_total", "", "Of these: 401, our credentials were refused.") \

enum metric {
#define X(symbol, kind, name, labels, help) M_##symbol,
	METRICS(X) METRICS_SELF(X)
#undef X
	METRIC_COUNT
};

enum histogram {
	H_REQUEST, H_KEEPER, /* a whole request; keeper's share, in the front */
	H_AUTHENTICATE, H_DECIDE, H_SAME_NODE, H_ANSWER, /* its other steps there */
	H_SIGN, H_QUEUE, H_COMMIT, /* in the keeper: a signature, waiting for a transaction, that */
	H_CSR, H_CSR_CREATE, H_CSR_APPROVE, H_CSR_SIGN, /* a request to another signer and its steps, in the courier */
	HISTOGRAM_COUNT
};
#define HISTOGRAM_BUCKETS 14 /* upper bounds doubling, from 10 us, 100 us or (H_CSR) 5 ms; the last is +Inf */

struct metrics {
	struct log_shared log;
	_Atomic uint64_t value[METRIC_COUNT];
	struct {
		_Atomic uint64_t bucket[HISTOGRAM_BUCKETS];
		_Atomic uint64_t sum_us;
	} histogram[HISTOGRAM_COUNT];
};

struct metric_info {
	const char *name, *labels, *help;
	enum metric_kind kind;
};
const struct metric_info *metric_info(enum metric m);

static inline void metric_add(struct metrics *m, enum metric i, uint64_t n)
{
	atomic_fetch_add_explicit(&m->value[i], n, memory_order_relaxed);
}
static inline void metric_inc(struct metrics *m, enum metric i) { metric_add(m, i, 1); }
static inline void metric_set(struct metrics *m, enum metric i, uint64_t v)
{
	atomic_store_explicit(&m->value[i], v, memory_order_relaxed);
}
void metric_observe(struct metrics *m, enum histogram h, int64_t us);

/* The process has ended: what it held (METRIC_GAUGE_SUM: connections, requests) it holds no longer. */
void metrics_let_go(struct metrics *m);

/* A fresh page: its descriptor is the caller's. */
struct err metrics_create(int *fd);
/* Map a page (writable or not); an unwritten page reads as zeros.  Kept until the process ends. */
struct err metrics_map(int fd, bool writable, struct metrics **out);
/* Prometheus text (exposition format 0.0.4) of the sum of the pages. */
struct err metrics_render(struct metrics *const *pages, size_t count, struct buf *out);

#endif
