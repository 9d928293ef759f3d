/* metrics_table.h: every metric but the histograms, once; for base/metrics.h, which makes numbers of them, and base/metrics.c. */
#ifndef SIGNET_BASE_METRICS_TABLE_H
#define SIGNET_BASE_METRICS_TABLE_H

#include "base/metrics_limits.h"

/* X(symbol, kind, Prometheus name, labels, help).  Istio's names where it has one (istio.md 7). */
#define METRICS(X)                                                                                                     \
	X(CSR, COUNTER, "citadel_server_csr_count", "", "Requests for a certificate received.")                        \
	X(AUTH_FAILURE, COUNTER, "citadel_server_authentication_failure_count", "",                                    \
	  "Requests whose caller was not authenticated.")                                                              \
	X(CSR_PARSING_ERR, COUNTER, "citadel_server_csr_parsing_err_count", "", "Requests whose CSR was refused.")     \
	X(ID_EXTRACTION_ERR, COUNTER, "citadel_server_id_extraction_err_count", "",                                    \
	  "Always 0, as Istio's own; for its dashboards.")                                                             \
	X(SIGN_ERR_NOT_READY, COUNTER, "citadel_server_csr_sign_err_count", "error=\"CA_NOT_READY\"",                  \
	  "Requests that were not signed, by reason.")                                                                 \
	X(SIGN_ERR_CSR, COUNTER, "citadel_server_csr_sign_err_count", "error=\"CSR_ERROR\"", "")                       \
	X(SIGN_ERR_TTL, COUNTER, "citadel_server_csr_sign_err_count", "error=\"TTL_ERROR\"", "")                       \
	X(SIGN_ERR_CERT_GEN, COUNTER, "citadel_server_csr_sign_err_count", "error=\"CERT_GEN_ERROR\"", "")             \
	X(SUCCESS, COUNTER, "citadel_server_success_cert_issuance_count", "", "Certificates issued and recorded.")     \
	X(ROOT_EXPIRY, GAUGE_MAX, "citadel_server_root_cert_expiry_timestamp", "", "Unix time at which the active root ends.") \
	X(CHAIN_EXPIRY, GAUGE_MAX, "citadel_server_cert_chain_expiry_timestamp", "",                                   \
	  "Unix time at which the signing certificate of a CA that was brought ends.")                                 \
	X(CA_EXPIRY, GAUGE_MAX, "signet_ca_cert_expiry_timestamp", "",                                                 \
	  "Unix time at which the first certificate of the CA's chain ends: none is issued beyond.")                   \
	X(CA_WARN, GAUGE_MAX, "signet_ca_cert_warn_timestamp", "",                                                     \
	  "Unix time from which on that is near: 30 days before, or a fifth of its life.")                             \
	X(CA_RELOAD_FAILED, COUNTER, "signet_ca_reload_failed_total", "",                                              \
	  "Times that a changed ca.directory was refused and the old CA stayed.")                                      \
	X(CA_REVOKED, GAUGE_MAX, "signet_ca_revoked", "", "1: a list that was brought revokes a CA of the chain that signs.") \
	X(ROOT_SEQ, GAUGE_MAX, "signet_root_set_sequence", "", "Sequence number of the root set.")                     \
	X(ROOTS_NEXT, GAUGE_MAX, "signet_roots", "state=\"next\"", "Roots that are trusted and do not sign, by state.") \
	X(ROOTS_OLD, GAUGE_MAX, "signet_roots", "state=\"old\"", "")                                                   \
	X(ROOT_NEXT_SAFE, GAUGE_MAX, "signet_root_next_safe_timestamp", "",                                            \
	  "Unix time from which on the next root can sign and every client knows it; 0: there is none.")               \
	X(TAINTED, GAUGE_MAX, "signet_tainted_certificates", "", "Certificates under tainted keys that have not ended.") \
	X(DENIED, COUNTER, "signet_policy_denied_total", "", "Requests that policy denied.")                           \
	X(CONNECTIONS, GAUGE_SUM, "signet_connections", "", "Open connections of clients.")                            \
	X(CONNECTIONS_TOTAL, COUNTER, "signet_connections_total", "", "Connections accepted.")                         \
	X(CONNECTIONS_REFUSED, COUNTER, "signet_connections_refused_total", "", "Connections closed at once, over the limit.") \
	X(TLS_FAILED, COUNTER, "signet_tls_handshakes_failed_total", "", "TLS handshakes that failed.")                \
	METRICS_LIMITS(X)                                                                                             \
	X(PENDING, GAUGE_SUM, "signet_requests_pending", "", "Requests waiting for the keeper.")                       \
	X(OVERLOADED, COUNTER, "signet_requests_overloaded_total", "", "Requests refused because a queue was full.")   \
	X(JWT_CACHE_HIT, COUNTER, "signet_jwt_cache_hits_total", "", "Tokens that had been verified before.")          \
	X(JWT_VERIFIED, COUNTER, "signet_jwt_verified_total", "", "Tokens verified by their signature.")               \
	X(KEYS_FETCHED, COUNTER, "signet_keys_fetched_total", "", "Times that the keys of an issuer of tokens were fetched.") \
	X(KEYS_FAILED, COUNTER, "signet_keys_failed_total", "", "Times that they could not be.")                       \
	X(COMMITS, COUNTER, "signet_store_commits_total", "", "Durable transactions.")                                 \
	X(COMMIT_FAILED, COUNTER, "signet_store_commits_failed_total", "", "Transactions that could not be made durable.") \
	X(RECORDS, GAUGE_MAX, "signet_store_records", "", "Records ever written.")                                     \
	X(STORE_BYTES, GAUGE_MAX, "signet_store_bytes", "", "Bytes used by the record store.")                         \
	X(INDEX_BEHIND, GAUGE_MAX, "signet_store_index_behind", "", "Records that the look-up index has not yet taken in.") \
	X(CRL_NEXT_UPDATE, GAUGE_MAX, "signet_crl_next_update_timestamp", "", "When the newest CRL ends, in Unix seconds.") \
	X(CRL_ENTRIES, GAUGE_MAX, "signet_crl_entries", "", "Certificates on the newest CRL.")                         \
	X(CRL_FAILED, COUNTER, "signet_crl_failed_total", "", "CRLs that could not be built, signed or recorded.")     \
	X(BANS, GAUGE_MAX, "signet_bans", "", "Bans in force.")                                                        \
	X(RESTARTS, COUNTER, "signet_process_restarts_total", "", "Processes that the monitor started again.")         \
	X(SERVING, GAUGE_SUM, "signet_fronts_serving", "", "Fronts that have a certificate and accept connections.")   \
	X(CERT_EXPIRY, GAUGE_FIRST, "signet_serving_cert_expiry_timestamp", "",                                        \
	  "Unix time at which a serving certificate ends, the first of all fronts'.") \
	X(COMMITTED, COUNTER, "signet_store_committed_total", "",                                                      \
	  "Requests in durable transactions: divided by signet_store_commits_total, how many share one.")              \
	X(QUEUED, GAUGE_SUM, "signet_store_queue", "", "Requests that waited when the last transaction began.")        \
	X(STORE_FAILING, GAUGE_MAX, "signet_store_failing", "", "1: the last transaction failed, and nothing is issued.") \
	X(DISK_BYTES, GAUGE_MAX, "signet_data_disk_bytes", "", "Size of the file system of data_dir.")                 \
	X(DISK_FREE, GAUGE_MAX, "signet_data_disk_free_bytes", "", "Of these: what the daemon may still use.")         \
	X(ROOT_FIRST_NEXT, GAUGE_MAX, "signet_root_expiry_timestamp", "state=\"next\"",                                \
	  "Unix time at which the first root in that state ends; 0: there is none.")                                   \
	X(ROOT_FIRST_OLD, GAUGE_MAX, "signet_root_expiry_timestamp", "state=\"old\"", "")                              \
	X(DESK_PENDING, GAUGE_SUM, "signet_courier_questions_pending", "", "Requests waiting for the courier.")        \
	X(UNLOGGED, COUNTER, "signet_refused_unlogged_total", "",                                                      \
	  "Refusals of unknown callers beyond the lines of the log that they may have.")

/* One value of each issuer or cluster, which is its label.  X(symbol, kind, Prometheus name, enum metric_label, help). */
#define METRICS_OF(X)                                                                                                  \
	X(PENDING, GAUGE_SUM, "signet_issuer_requests_pending", SIGNER,                                                 \
	  "Requests in hand that are for another signer: asked for, or what came back is being written.")               \
	X(ISSUED, COUNTER, "signet_issuer_issued_total", ISSUER, "Certificates that the issuer signed, recorded.")      \
	X(FILED, COUNTER, "signet_csr_filed_total", SIGNER, "Requests that another signer was asked to sign.")          \
	X(CALLS, COUNTER, "signet_kube_api_calls_total", CLUSTER, "Requests to the API server, each attempt counted.")  \
	X(ERRORS, COUNTER, "signet_kube_api_errors_total", CLUSTER, "Of these: no answer, or 429 or 5xx.")              \
	X(UNAUTHORIZED, COUNTER, "signet_kube_api_unauthorized_total", CLUSTER,                                         \
	  "Of these: 401, our credentials were refused.")        \
	X(ROOT_EXPIRY, GAUGE_SUM, "signet_issuer_root_expiry_timestamp", SIGNER,                                        \
	  "Unix time at which the first of the issuer's roots ends; 0: none is known.")                                 \
	X(CHAIN_EXPIRY, GAUGE_SUM, "signet_issuer_chain_expiry_timestamp", SIGNER,                                      \
	  "Unix time at which the chain ends that the issuer signed under last; 0: not known.")                         \
	X(WATCHES_LOST, GAUGE_SUM, "signet_kube_watches_lost", CLUSTER, "Watches of the API server that are broken at present.")
/* signet_keeper_refused_total of each issuer, by reason; in the order of enum keeper_reason (ca/wire.h). */
#define METRIC_REASONS(X)                                                                                              \
	X("spiffe_id") X("name") X("reserved_name") X("lifetime") X("key_type") X("rate") X("banned") X("token")        \
	X("store") X("full") X("signer") X("chain_ended") X("profile") X("revoked") X("csr") X("issuer_short")          \
	X("issuer_denied") X("issuer_failed") X("issuer_deleted") X("issuer_deadline") X("issuer_away")                 \
	X("issuer_forbidden") X("issuer_answer") X("issuer_roots")

#endif
