#include "base/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/own.h"

static const struct metric_info infos[METRIC_COUNT] = {
#define X(symbol, k, n, l, h) [M_##symbol] = { .name = (n), .labels = (l), .help = (h), .kind = METRIC_##k },
	METRICS(X) METRICS_SELF(X)
#undef X
};
#define STEP_US 10   /* of it, what does not wait */
#define FAST_US 100  /* Signet's own work */
#define SLOW_US 5000 /* other servers': up to 20 s */
static const struct { const char *name, *help; int64_t first_us;
} histograms[HISTOGRAM_COUNT] = {
	[H_REQUEST] = { "signet_request_seconds", "Time from the request's last byte to its answer.", FAST_US },
	[H_KEEPER] = { "signet_keeper_seconds", "Time that the keeper took, from asking to the durable answer.", FAST_US },
	[H_AUTHENTICATE] = { "signet_authenticate_seconds", "Time to find out who asks, asking others included.", STEP_US },
	[H_DECIDE] = { "signet_decide_seconds", "Time for policy, and for the proof that the key is the client's.", STEP_US },
	[H_SAME_NODE] = { "signet_same_node_seconds", "Time to find out whether a proxy may speak for a pod.", STEP_US },
	[H_ANSWER] = { "signet_answer_seconds", "Time from the keeper's answer until the client's is handed over.", STEP_US },
	[H_SIGN] = { "signet_sign_seconds", "Time for a signature by the CA's key.", STEP_US },
	[H_QUEUE] = { "signet_store_queue_seconds", "Time that what is signed waits for a transaction.", FAST_US },
	[H_COMMIT] = { "signet_store_commit_seconds", "Time for a transaction, until it is durable.", FAST_US },
	[H_CSR] = { "signet_csr_seconds", "Time from asking another signer to its certificate.", SLOW_US },
	[H_CSR_CREATE] = { "signet_csr_create_seconds", "Time to file a request at an API server.", SLOW_US },
	[H_CSR_APPROVE] = { "signet_csr_approve_seconds", "Time to approve a request that was filed.", SLOW_US },
	[H_CSR_SIGN] = { "signet_csr_sign_seconds", "Time from approving (or filing, if others approve) to the certificate.",
			 SLOW_US },
};

const struct metric_info *metric_info(enum metric m)
{
	return &infos[m];
}

void metric_observe(struct metrics *m, enum histogram h, int64_t us)
{
	int64_t bound = histograms[h].first_us;
	size_t i = 0;

	for (; i < HISTOGRAM_BUCKETS - 1 && us > bound; i++) bound *= 2;
	atomic_fetch_add_explicit(&m->histogram[h].bucket[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&m->histogram[h].sum_us, us > 0 ? (uint64_t)us : 0, memory_order_relaxed);
}

void metrics_let_go(struct metrics *m)
{
	for (enum metric i = 0; i < METRIC_COUNT; i++)
		if (infos[i].kind == METRIC_GAUGE_SUM) metric_set(m, i, 0);
}

struct err metrics_create(int *out)
{
	AUTO(fd) int fd = memfd_create("signet-metrics", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, sizeof(struct metrics)) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
		FAIL_BY(ERR_UNAVAILABLE, "metrics: cannot make a page", errno);
	*out = MOVE_FD(fd);
	return OK;
}

struct err metrics_map(int fd, bool writable, struct metrics **out)
{
	int seals = fcntl(fd, F_GET_SEALS); /* -1 for what is no memfd: all bits set */
	struct stat st;
	void *p;

	if (fstat(fd, &st) != 0 || st.st_size < (off_t)sizeof(struct metrics) || seals < 0 || (seals & F_SEAL_SHRINK) == 0)
		FAIL(ERR_INVALID_ARGUMENT, "metrics: not a page");
	p = mmap(NULL, sizeof(struct metrics), PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) FAIL_BY(ERR_RESOURCE_EXHAUSTED, "metrics: cannot map a page", errno);
	*out = p;
	return OK;
}

static uint64_t total(struct metrics *const *pages, size_t count, enum metric m)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t v = atomic_load_explicit(&pages[i]->value[m], memory_order_relaxed);

		sum = infos[m].kind == METRIC_GAUGE_MAX ? (v > sum ? v : sum) : sum + v;
	}
	return sum;
}

static struct err render_histogram(struct metrics *const *pages, size_t count, enum histogram h, struct buf *out)
{
	uint64_t seen = 0, sum_us = 0;
	double bound = (double)histograms[h].first_us / 1e6;

	TRY(buf_printf(out, "# HELP %s %s\n# TYPE %s histogram\n", histograms[h].name, histograms[h].help, histograms[h].name));
	for (size_t b = 0; b < HISTOGRAM_BUCKETS; b++, bound *= 2) {
		for (size_t i = 0; i < count; i++)
			seen += atomic_load_explicit(&pages[i]->histogram[h].bucket[b], memory_order_relaxed);
		if (b < HISTOGRAM_BUCKETS - 1)
			TRY(buf_printf(out, "%s_bucket{le=\"%.6g\"} %llu\n", histograms[h].name, bound, (unsigned long long)seen));
		else TRY(buf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n", histograms[h].name, (unsigned long long)seen));
	}
	for (size_t i = 0; i < count; i++)
		sum_us += atomic_load_explicit(&pages[i]->histogram[h].sum_us, memory_order_relaxed);
	return buf_printf(out, "%s_sum %.6f\n%s_count %llu\n", histograms[h].name, (double)sum_us / 1e6, histograms[h].name,
	                  (unsigned long long)seen);
}

struct err metrics_render(struct metrics *const *pages, size_t count, struct buf *out)
{
	for (enum metric m = 0; m < METRIC_COUNT; m++) {
		const struct metric_info *info = &infos[m];

		if (m == 0 || strcmp(infos[m - 1].name, info->name) != 0)
			TRY(buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", info->name, info->help, info->name,
			               info->kind == METRIC_COUNTER ? "counter" : "gauge"));
		TRY(buf_printf(out, "%s%s%s%s %llu\n", info->name, info->labels[0] ? "{" : "", info->labels,
		               info->labels[0] ? "}" : "", (unsigned long long)total(pages, count, m)));
	}
	for (enum histogram h = 0; h < HISTOGRAM_COUNT; h++) TRY(render_histogram(pages, count, h, out));
	return OK;
}
