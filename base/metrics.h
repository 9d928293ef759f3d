/* metrics.h: counters in one shared page per process.  The monitor makes the page (a memfd), the process maps it read-write
 * and alone writes it, admin maps every page read-only and adds them up.  Any thread; relaxed atomics. */
#ifndef SIGNET_BASE_METRICS_H
#define SIGNET_BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/bytes.h"

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
	X(CONNECTIONS, GAUGE_SUM, "signet_connections", "", "Open connections of clients.")                             \
	X(CONNECTIONS_TOTAL, COUNTER, "signet_connections_total", "", "Connections accepted.")                          \
	X(CONNECTIONS_REFUSED, COUNTER, "signet_connections_refused_total", "", "Connections closed at once, over the limit.") \
	X(TLS_FAILED, COUNTER, "signet_tls_handshakes_failed_total", "", "TLS handshakes that failed.")                 \
	X(PENDING, GAUGE_SUM, "signet_requests_pending", "", "Requests waiting for the keeper.")                        \
	X(OVERLOADED, COUNTER, "signet_requests_overloaded_total", "", "Requests refused because a queue was full.")    \
	X(JWT_CACHE_HIT, COUNTER, "signet_jwt_cache_hits_total", "", "Tokens that had been verified before.")           \
	X(JWT_VERIFIED, COUNTER, "signet_jwt_verified_total", "", "Tokens verified by their signature.")                \
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
	X(CERT_EXPIRY, GAUGE_MAX, "signet_serving_cert_expiry_timestamp", "", "Unix time at which the serving certificate ends.")

enum metric {
#define X(symbol, kind, name, labels, help) M_##symbol,
	METRICS(X)
#undef X
	METRIC_COUNT
};

/* One value of each issuer or cluster, which is its label.  X(symbol, kind, Prometheus name, enum metric_label, help). */
#define METRICS_OF(X)                                                                                                  \
	X(PENDING, GAUGE_SUM, "signet_issuer_requests_pending", SIGNER,                                                 \
	  "Requests in hand that are for another signer: asked for, or what came back is being written.")               \
	X(ISSUED, COUNTER, "signet_issuer_issued_total", ISSUER, "Certificates that the issuer signed, recorded.")      \
	X(FILED, COUNTER, "signet_csr_filed_total", SIGNER, "Requests that another signer was asked to sign.")          \
	X(CALLS, COUNTER, "signet_kube_api_calls_total", CLUSTER, "Requests to the API server, each attempt counted.")  \
	X(ERRORS, COUNTER, "signet_kube_api_errors_total", CLUSTER, "Of these: no answer, or 429 or 5xx.")              \
	X(UNAUTHORIZED, COUNTER, "signet_kube_api_unauthorized_total", CLUSTER,                                         \
	  "Of these: 401, our credentials were refused.")
/* signet_keeper_refused_total of each issuer, by reason; in the order of enum keeper_reason (ca/wire.h). */
#define METRIC_REASONS(X)                                                                                              \
	X("spiffe_id") X("name") X("reserved_name") X("lifetime") X("key_type") X("rate") X("banned") X("token")        \
	X("store") X("full") X("signer") X("chain_ended") X("profile") X("revoked") X("csr") X("issuer_short")          \
	X("issuer_denied") X("issuer_failed") X("issuer_deleted") X("issuer_deadline") X("issuer_away")                 \
	X("issuer_forbidden") X("issuer_answer") X("issuer_roots")

#define METRIC_SLOTS 17          /* as many issuers as conf knows and our own CA, or clusters */
#define METRIC_OWN (METRIC_SLOTS - 1) /* of issuers: our own CA */
enum metric_label { METRIC_OF_ISSUER, METRIC_OF_SIGNER /* the issuers without our own CA */, METRIC_OF_CLUSTER, METRIC_LABELS };
enum metric_of {
#define X(symbol, kind, name, label, help) MO_##symbol,
	METRICS_OF(X)
#undef X
	MO_REFUSED, /* the first reason's */
	METRIC_OF_COUNT = MO_REFUSED
#define X(reason) + 1
	METRIC_REASONS(X)
#undef X
};

enum histogram { H_REQUEST, H_KEEPER, HISTOGRAM_COUNT }; /* a whole request; keeper's share, in the front */
enum histogram_of { /* of each other signer: a request and its steps, in the courier */
	HO_CSR, HO_CSR_CREATE, HO_CSR_APPROVE, HO_CSR_SIGN, HISTOGRAM_OF_COUNT
};
#define HISTOGRAM_BUCKETS 14 /* upper bounds doubling, from 100 us or (of signers) 5 ms; the last is +Inf */
struct metric_times {
	_Atomic uint64_t bucket[HISTOGRAM_BUCKETS];
	_Atomic uint64_t sum_us;
};

struct metrics {
	_Atomic uint64_t value[METRIC_COUNT];
	struct metric_times histogram[HISTOGRAM_COUNT];
	_Atomic uint64_t of[METRIC_OF_COUNT][METRIC_SLOTS];
	struct metric_times histogram_of[HISTOGRAM_OF_COUNT][METRIC_SLOTS];
};
/* Of issuers, signers, clusters; NULL: there is none. */
struct metric_names { const char *name[METRIC_LABELS][METRIC_SLOTS]; };

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
/* The same of one issuer or cluster; there is none over METRIC_SLOTS. */
void metric_add_of(struct metrics *m, enum metric_of i, size_t slot, uint64_t n);
uint64_t metric_get_of(const struct metrics *m, enum metric_of i, size_t slot);
void metric_observe_of(struct metrics *m, enum histogram_of h, size_t slot, int64_t us);
const char *metric_reason(enum metric_of i); /* from MO_REFUSED on */

/* The process has ended: what it held (METRIC_GAUGE_SUM: connections, requests) it holds no longer. */
void metrics_let_go(struct metrics *m);

/* A fresh page: its descriptor is the caller's. */
struct err metrics_create(int *fd);
/* Map a page (writable or not); an unwritten page reads as zeros.  Kept until the process ends. */
struct err metrics_map(int fd, bool writable, struct metrics **out);
/* Prometheus text (exposition format 0.0.4) of the sum of the pages. */
struct metric_pages { struct metrics *const *pages; size_t count; const struct metric_names *names; };
struct err metrics_render(const struct metric_pages *pages, struct buf *out);

#endif
