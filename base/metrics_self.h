/* metrics_self.h: what the daemon tells of its own parts, beside what it does for clients (base/metrics.h, which includes this). */
#ifndef SIGNET_BASE_METRICS_SELF_H
#define SIGNET_BASE_METRICS_SELF_H

/* As METRICS(X). */
#define METRICS_SELF(X)                                                                                                 \
	X(COMMITTED, COUNTER, "signet_store_committed_total", "",                                                       \
	  "Requests in durable transactions: divided by signet_store_commits_total, how many share one.")               \
	X(QUEUED, GAUGE_SUM, "signet_store_queue", "", "Requests that waited when the last transaction began.")         \
	X(STORE_FAILING, GAUGE_MAX, "signet_store_failing", "", "1: the last transaction failed, and nothing is issued.") \
	X(DISK_BYTES, GAUGE_MAX, "signet_data_disk_bytes", "", "Size of the file system of data_dir.")                  \
	X(DISK_FREE, GAUGE_MAX, "signet_data_disk_free_bytes", "", "Of these: what the daemon may still use.")          \
	X(ROOT_FIRST_NEXT, GAUGE_MAX, "signet_root_expiry_timestamp", "state=\"next\"",                                 \
	  "Unix time at which the first root in that state ends; 0: there is none.")                                    \
	X(ROOT_FIRST_OLD, GAUGE_MAX, "signet_root_expiry_timestamp", "state=\"old\"", "")                               \
	X(ISSUER_ROOT_EXPIRY, GAUGE_MAX, "signet_issuer_root_expiry_timestamp", "",                                     \
	  "Unix time at which the first root of another issuer ends; 0: none is known.")                                \
	X(ISSUER_CHAIN_EXPIRY, GAUGE_MAX, "signet_issuer_chain_expiry_timestamp", "",                                   \
	  "Unix time at which the first chain that another issuer signed under ends; 0: none is known.")                \
	X(WATCHES_LOST, GAUGE_SUM, "signet_kube_watches_lost", "", "Watches of API servers that are broken at present.") \
	X(DESK_PENDING, GAUGE_SUM, "signet_courier_questions_pending", "", "Requests waiting for the courier.")         \
	X(UNLOGGED, COUNTER, "signet_refused_unlogged_total", "",                                                       \
	  "Refusals of unknown callers beyond the lines of the log that they may have.")                                \

#endif
