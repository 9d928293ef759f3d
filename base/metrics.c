#include "base/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/own.h"

static const struct {
	const char *name, *labels, *help;
	enum metric_kind kind;
} infos[METRIC_COUNT] = {
#define X(symbol, k, n, l, h) [M_##symbol] = { .name = (n), .labels = (l), .help = (h), .kind = METRIC_##k },
	METRICS(X)
#undef X
};
#define REFUSED_NAME "signet_keeper_refused_total"
#define REFUSED_HELP "Requests that the keeper refused: by its own limits, bans and state, or because the issuer did not sign."
static const struct {
	const char *name, *reason, *help; /* reason NULL: it has no such label */
	enum metric_label label;
	enum metric_kind kind;
} infos_of[METRIC_OF_COUNT] = {
#define X(symbol, k, n, l, h) { .name = (n), .help = (h), .label = METRIC_OF_##l, .kind = METRIC_##k },
	METRICS_OF(X)
#undef X
#define X(r) { .name = REFUSED_NAME, .help = REFUSED_HELP, .reason = (r), .label = METRIC_OF_ISSUER, .kind = METRIC_COUNTER },
	METRIC_REASONS(X)
#undef X
};
static const char *const labels[METRIC_LABELS] = {
	[METRIC_OF_ISSUER] = "issuer", [METRIC_OF_SIGNER] = "issuer", [METRIC_OF_CLUSTER] = "cluster",
};

#define FAST_US 100  /* Signet's own work */
#define SLOW_US 5000 /* other servers': up to 20 s */
struct histogram_info { const char *name, *help; int64_t first_us; };
static const struct histogram_info histograms[HISTOGRAM_COUNT] = {
	[H_REQUEST] = { "signet_request_seconds", "Time from the request's last byte to its answer.", FAST_US },
	[H_KEEPER] = { "signet_keeper_seconds", "Time that the keeper took, from asking to the durable answer.", FAST_US },
};
static const struct histogram_info histograms_of[HISTOGRAM_OF_COUNT] = { /* all of signers */
	[HO_CSR] = { "signet_csr_seconds", "Time from asking another signer to its certificate.", SLOW_US },
	[HO_CSR_CREATE] = { "signet_csr_create_seconds", "Time to file a request at an API server.", SLOW_US },
	[HO_CSR_APPROVE] = { "signet_csr_approve_seconds", "Time to approve a request that was filed.", SLOW_US },
	[HO_CSR_SIGN] = { "signet_csr_sign_seconds", "Time from approving (or filing, if others approve) to the certificate.",
			  SLOW_US },
};

/* ---- writing ---- */

static void observe(struct metric_times *t, int64_t bound, int64_t us)
{
	size_t i = 0;

	for (; i < HISTOGRAM_BUCKETS - 1 && us > bound; i++) bound *= 2;
	atomic_fetch_add_explicit(&t->bucket[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&t->sum_us, us > 0 ? (uint64_t)us : 0, memory_order_relaxed);
}

void metric_observe(struct metrics *m, enum histogram h, int64_t us)
{
	observe(&m->histogram[h], histograms[h].first_us, us);
}

void metric_observe_of(struct metrics *m, enum histogram_of h, size_t slot, int64_t us)
{
	if (slot < METRIC_SLOTS) observe(&m->histogram_of[h][slot], histograms_of[h].first_us, us);
}

void metric_add_of(struct metrics *m, enum metric_of i, size_t slot, uint64_t n)
{
	if (slot < METRIC_SLOTS) atomic_fetch_add_explicit(&m->of[i][slot], n, memory_order_relaxed);
}

uint64_t metric_get_of(const struct metrics *m, enum metric_of i, size_t slot)
{
	return slot < METRIC_SLOTS ? atomic_load_explicit(&m->of[i][slot], memory_order_relaxed) : 0;
}

const char *metric_reason(enum metric_of i)
{
	return infos_of[i].reason;
}

void metrics_let_go(struct metrics *m)
{
	for (enum metric i = 0; i < METRIC_COUNT; i++)
		if (infos[i].kind == METRIC_GAUGE_SUM) metric_set(m, i, 0);
	for (size_t i = 0; i < METRIC_OF_COUNT; i++)
		for (size_t n = 0; infos_of[i].kind == METRIC_GAUGE_SUM && n < METRIC_SLOTS; n++)
			atomic_store_explicit(&m->of[i][n], 0, memory_order_relaxed);
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

/* ---- rendering ---- */

static struct err put_head(struct buf *out, const char *name, const char *help, const char *type)
{
	return buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value (exposition format 0.0.4): backslash, quote and line feed are escaped. */
static struct err put_value(struct buf *out, const char *value)
{
	for (const char *at = value; *at != '\0'; at++) {
		if (*at == '\n') TRY(buf_put_str(out, "\\n"));
		else if (*at == '"' || *at == '\\') TRY(buf_printf(out, "\\%c", *at));
		else TRY(buf_put(out, at, 1));
	}
	return OK;
}

/* LABEL="VALUE"; nothing without a label. */
static struct err put_label(struct buf *out, const char *label, const char *value)
{
	if (label == NULL) return OK;
	TRY(buf_printf(out, "%s=\"", label));
	TRY(put_value(out, value));
	return buf_put_str(out, "\"");
}

static uint64_t total(const struct metric_pages *pages, enum metric m)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < pages->count; i++) {
		uint64_t v = atomic_load_explicit(&pages->pages[i]->value[m], memory_order_relaxed);

		sum = infos[m].kind == METRIC_GAUGE_MAX ? (v > sum ? v : sum) : sum + v;
	}
	return sum;
}

static const char *type_of(enum metric_kind kind)
{
	return kind == METRIC_COUNTER ? "counter" : "gauge";
}

/* Of each that has a name. */
static struct err put_each(const struct metric_pages *pages, enum metric_of m, struct buf *out)
{
	const char *const *names = pages->names->name[infos_of[m].label];

	for (size_t slot = 0; slot < METRIC_SLOTS; slot++) {
		uint64_t sum = 0;

		if (names[slot] == NULL) continue;
		for (size_t i = 0; i < pages->count; i++) sum += metric_get_of(pages->pages[i], m, slot);
		TRY(buf_printf(out, "%s{", infos_of[m].name));
		TRY(put_label(out, labels[infos_of[m].label], names[slot]));
		if (infos_of[m].reason != NULL) TRY(buf_printf(out, ",reason=\"%s\"", infos_of[m].reason));
		TRY(buf_printf(out, "} %llu\n", (unsigned long long)sum));
	}
	return OK;
}

struct times { /* of one histogram, of all pages together */
	const struct histogram_info *info;
	const char *label, *value; /* NULL: none */
	uint64_t bucket[HISTOGRAM_BUCKETS], sum_us;
};

static void add_times(struct times *t, const struct metric_times *page)
{
	for (size_t b = 0; b < HISTOGRAM_BUCKETS; b++)
		t->bucket[b] += atomic_load_explicit(&page->bucket[b], memory_order_relaxed);
	t->sum_us += atomic_load_explicit(&page->sum_us, memory_order_relaxed);
}

static struct err put_total(const struct times *t, const char *suffix, struct buf *out)
{
	TRY(buf_printf(out, "%s_%s%s", t->info->name, suffix, t->label == NULL ? "" : "{"));
	TRY(put_label(out, t->label, t->value));
	return buf_put_str(out, t->label == NULL ? " " : "} ");
}

static struct err put_times(const struct times *t, struct buf *out)
{
	double bound = (double)t->info->first_us / 1e6;
	uint64_t seen = 0;

	for (size_t b = 0; b < HISTOGRAM_BUCKETS; b++, bound *= 2) {
		seen += t->bucket[b];
		TRY(buf_printf(out, "%s_bucket{", t->info->name));
		TRY(put_label(out, t->label, t->value));
		if (t->label != NULL) TRY(buf_put_str(out, ","));
		if (b < HISTOGRAM_BUCKETS - 1) TRY(buf_printf(out, "le=\"%.4f\"} %llu\n", bound, (unsigned long long)seen));
		else TRY(buf_printf(out, "le=\"+Inf\"} %llu\n", (unsigned long long)seen));
	}
	TRY(put_total(t, "sum", out));
	TRY(buf_printf(out, "%.6f\n", (double)t->sum_us / 1e6));
	TRY(put_total(t, "count", out));
	return buf_printf(out, "%llu\n", (unsigned long long)seen);
}

static struct err put_histogram_of(const struct metric_pages *pages, enum histogram_of h, struct buf *out)
{
	const char *const *names = pages->names->name[METRIC_OF_SIGNER];

	TRY(put_head(out, histograms_of[h].name, histograms_of[h].help, "histogram"));
	for (size_t slot = 0; slot < METRIC_SLOTS; slot++) {
		struct times t = { .info = &histograms_of[h], .label = labels[METRIC_OF_SIGNER], .value = names[slot] };

		if (names[slot] == NULL) continue;
		for (size_t i = 0; i < pages->count; i++) add_times(&t, &pages->pages[i]->histogram_of[h][slot]);
		TRY(put_times(&t, out));
	}
	return OK;
}

static struct err put_histograms(const struct metric_pages *pages, struct buf *out)
{
	for (enum histogram h = 0; h < HISTOGRAM_COUNT; h++) {
		struct times t = { .info = &histograms[h] };

		for (size_t i = 0; i < pages->count; i++) add_times(&t, &pages->pages[i]->histogram[h]);
		TRY(put_head(out, t.info->name, t.info->help, "histogram"));
		TRY(put_times(&t, out));
	}
	for (enum histogram_of h = 0; h < HISTOGRAM_OF_COUNT; h++) TRY(put_histogram_of(pages, h, out));
	return OK;
}

struct err metrics_render(const struct metric_pages *pages, struct buf *out)
{
	for (enum metric m = 0; m < METRIC_COUNT; m++) {
		const char *name = infos[m].name, *with = infos[m].labels;

		if (m == 0 || strcmp(infos[m - 1].name, name) != 0)
			TRY(put_head(out, name, infos[m].help, type_of(infos[m].kind)));
		TRY(buf_printf(out, "%s%s%s%s %llu\n", name, with[0] ? "{" : "", with, with[0] ? "}" : "",
		               (unsigned long long)total(pages, m)));
	}
	for (enum metric_of m = 0; m < METRIC_OF_COUNT; m++) {
		if (m <= MO_REFUSED) TRY(put_head(out, infos_of[m].name, infos_of[m].help, type_of(infos_of[m].kind)));
		TRY(put_each(pages, m, out));
	}
	return put_histograms(pages, out);
}
