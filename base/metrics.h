/* metrics.h: counters in one shared page per process.  The monitor makes the page (a memfd), the process maps it read-write
 * and alone writes it, admin maps every page read-only and adds them up.  Any thread; relaxed atomics. */
#ifndef SIGNET_BASE_METRICS_H
#define SIGNET_BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/log.h"
#include "base/metrics_table.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE_SUM, METRIC_GAUGE_MAX, METRIC_GAUGE_FIRST /* the smallest that is not 0 */ };

enum metric {
#define X(symbol, kind, name, labels, help) M_##symbol,
	METRICS(X)
#undef X
	METRIC_COUNT
};

#define METRIC_SLOTS 17          /* as many issuers as conf knows and our own CA, or clusters */
#define METRIC_OWN (METRIC_SLOTS - 1) /* of issuers: our own CA */
enum metric_label { METRIC_OF_ISSUER, METRIC_OF_SIGNER /* the issuers without our own CA */, METRIC_OF_CLUSTER, METRIC_LABELS };
enum metric_of { /* one value of each issuer or cluster, which is its label */
#define X(symbol, kind, name, label, help) MO_##symbol,
	METRICS_OF(X)
#undef X
	MO_REFUSED, /* the first reason's */
	METRIC_OF_COUNT = MO_REFUSED
#define X(reason) + 1
	METRIC_REASONS(X)
#undef X
};

enum histogram {
	H_REQUEST, H_KEEPER, H_AUTHENTICATE, H_DECIDE, H_SAME_NODE, H_ANSWER, /* a whole request, and its steps; in the front */
	H_SIGN, H_QUEUE, H_COMMIT, /* in the keeper: a signature, waiting for a transaction, that */
	HISTOGRAM_COUNT
};
enum histogram_of { /* of each other signer: a request and its steps, in the courier */
	HO_CSR, HO_CSR_CREATE, HO_CSR_APPROVE, HO_CSR_SIGN, HISTOGRAM_OF_COUNT
};
#define HISTOGRAM_BUCKETS 14 /* upper bounds doubling, from 10 us, 100 us or (of signers) 5 ms; the last is +Inf */
struct metric_times {
	_Atomic uint64_t bucket[HISTOGRAM_BUCKETS];
	_Atomic uint64_t sum_us;
};

struct metrics {
	struct log_shared log;
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
void metric_set_of(struct metrics *m, enum metric_of i, size_t slot, uint64_t v);
void metric_add_of(struct metrics *m, enum metric_of i, size_t slot, uint64_t n);
uint64_t metric_get_of(const struct metrics *m, enum metric_of i, size_t slot);
void metric_observe_of(struct metrics *m, enum histogram_of h, size_t slot, int64_t us);
const char *metric_reason(enum metric_of i); /* from MO_REFUSED on */

/* The process has ended: what it held (METRIC_GAUGE_SUM, _FIRST: connections, its certificate) it holds no longer. */
void metrics_let_go(struct metrics *m);

/* A fresh page: its descriptor is the caller's. */
struct err metrics_create(int *fd);
/* Map a page (writable or not); an unwritten page reads as zeros.  Kept until the process ends. */
struct err metrics_map(int fd, bool writable, struct metrics **out);
/* Prometheus text (exposition format 0.0.4) of the sum of the pages. */
struct metric_pages { struct metrics *const *pages; size_t count; const struct metric_names *names; };
uint64_t metrics_total(const struct metric_pages *pages, enum metric m);
struct err metrics_render(const struct metric_pages *pages, struct buf *out);

#endif
