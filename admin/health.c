#include "admin/health.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DAY 86400
#define ROOT_SOON (30 * DAY)      /* of another issuer; ours */
#define CHAIN_SOON (3 * DAY)      /* the same, of what it signs under; ours */
#define FILE_SOON (7 * DAY)       /* of a serving certificate that operators renew; ours */
#define OWN_SOON 3600             /* of our own, which lives a day and is renewed at half of it; ours */
#define CRL_LATE_PART 4           /* a list is renewed at half of its life: this part before its end it is late */
#define DISK_LOW (64ULL << 20)    /* bytes; ours */
#define DISK_LOW_PART 20          /* or this part of the file system, unless it is DISK_PLENTY; ours */
#define DISK_PLENTY (2ULL << 30)
#define INDEX_LATE 65536          /* records: from here on the keeper builds it under load too (ca/clerk.c) */

struct view {
	const struct health_facts *f;
	struct health *h;
};

static void __attribute__((format(printf, 4, 5))) say(const struct view *v, enum health_state state, const char *todo,
                                                      const char *format, ...)
{
	struct health_reason *r;
	va_list args;

	if (v->h->count == HEALTH_REASONS_MAX) return;
	r = &v->h->reasons[v->h->count++];
	r->state = state;
	r->todo = todo;
	va_start(args, format);
	(void)vsnprintf(r->what, sizeof(r->what), format, args);
	va_end(args);
	if (state > v->h->state) v->h->state = state;
}

/* What "recent" means: "minute", "5 minutes". */
static const char *window(const struct view *v, char out[32])
{
	int64_t n = (v->f->seconds + 30) / 60;

	(void)snprintf(out, 32, n < 2 ? "minute" : "%lld minutes", (long long)n);
	return out;
}

/* "3 days", "2 hours", "5 minutes". */
static const char *span(int64_t seconds, char out[32])
{
	static const struct { int64_t unit; const char *name; } units[] = { { DAY, "day" }, { 3600, "hour" }, { 60, "minute" } };

	for (size_t i = 0; i < 3; i++) {
		int64_t n = seconds / units[i].unit;

		if (n < 2 && i < 2) continue;
		(void)snprintf(out, 32, "%lld %s%s", (long long)n, units[i].name, n == 1 ? "" : "s");
		break;
	}
	return out;
}

/* ---- processes ---- */

static unsigned not_ready(const struct view *v, const char *role, unsigned *all)
{
	unsigned n = 0;

	*all = 0;
	for (size_t i = 0; i < v->f->process_count; i++) {
		if (strcmp(v->f->processes[i].role, role) != 0) continue;
		++*all;
		n += strcmp(v->f->processes[i].state, "ready") != 0;
	}
	return n;
}

static void judge_processes(const struct view *v)
{
	static const char *const ended = "journalctl -u signet | grep 'process ended': status or signal, and why";
	char text[32];
	unsigned all, away = not_ready(v, "front", &all);

	if (v->f->value[M_SERVING] == 0) say(v, HEALTH_DOWN, ended, "no front serves clients");
	else if (away > 0) say(v, HEALTH_DEGRADED, ended, "%u of %u fronts do not serve", away, all);
	if (not_ready(v, "courier", &all) > 0)
		say(v, HEALTH_DEGRADED, ended,
		    "the courier is down: nothing is asked of other signers, API servers and issuers of tokens");
	if (v->f->recent[M_RESTARTS] > 0)
		say(v, HEALTH_DEGRADED, ended, "processes were started again: %llu in the last %s",
		    (unsigned long long)v->f->recent[M_RESTARTS], window(v, text));
}

/* ---- the store ---- */

static void judge_store(const struct view *v)
{
	uint64_t all = v->f->value[M_DISK_BYTES], left = v->f->value[M_DISK_FREE];
	uint64_t behind = v->f->value[M_INDEX_BEHIND];

	if (v->f->value[M_STORE_FAILING] != 0)
		say(v, HEALTH_DOWN,
		    "df and dmesg: is the disk of data_dir full, or broken? Log: store_commit_failed; it recovers by itself",
		    "the store fails: nothing is issued");
	if (all > 0 && (left < DISK_LOW || (left < all / DISK_LOW_PART && left < DISK_PLENTY)))
		say(v, HEALTH_DEGRADED, "make room on the file system of data_dir: a full one ends all issuance",
		    "the disk is nearly full: %llu MiB of %llu MiB are left", (unsigned long long)(left >> 20),
		    (unsigned long long)(all >> 20));
	if (behind > INDEX_LATE)
		say(v, HEALTH_DEGRADED, "log: index_failed. Until it has caught up, lists by serial and SPIFFE ID are slow",
		    "the look-up index is %llu records behind", (unsigned long long)behind);
}

/* ---- what ends ---- */

static void judge_ca(const struct view *v)
{
	int64_t end = (int64_t)v->f->value[M_CA_EXPIRY], warn = (int64_t)v->f->value[M_CA_WARN];
	const char *todo = conf_text(v->f->conf, v->f->conf->ca.directory)[0] != '\0'
	                           ? "bring a renewed CA into ca.directory: signet ca check DIR, then SIGHUP"
	                           : "signet root status tells what the next root waits for; signet root prepare makes one";
	char text[32];

	if (end != 0 && end <= v->f->now) say(v, HEALTH_DOWN, todo, "the CA has ended: nothing can be issued");
	else if (end != 0 && v->f->now >= warn)
		say(v, HEALTH_DEGRADED, todo, "the CA ends in %s, and no certificate outlives it", span(end - v->f->now, text));
	if (v->f->value[M_CA_REVOKED] != 0)
		say(v, HEALTH_DEGRADED, "bring another CA: who reads that list refuses every certificate under this one",
		    "a list in ca-crl.pem revokes a CA of the chain that signs");
	if (v->f->recent[M_CA_RELOAD_FAILED] > 0)
		say(v, HEALTH_DEGRADED, "log: ca_refused says which file and why; the CA of before stays in use",
		    "a changed ca.directory was refused");
}

static void judge_serving(const struct view *v)
{
	bool ours = conf_text(v->f->conf, v->f->conf->tls.cert_file)[0] == '\0';
	int64_t soon = ours ? OWN_SOON : FILE_SOON, end = (int64_t)v->f->value[M_CERT_EXPIRY], left = end - v->f->now;
	const char *todo = ours ? "it should have been renewed at half of its life: log of the front, and: systemctl restart signet"
	                        : "renew the files tls.cert_file and tls.key_file, then: systemctl reload signet";
	char text[32];

	if (ours && soon > v->f->conf->tls.lifetime / 4) soon = v->f->conf->tls.lifetime / 4;
	if (end == 0) return;
	if (left <= 0) say(v, HEALTH_DOWN, todo, "the serving certificate has ended: no client can connect");
	else if (left < soon) say(v, HEALTH_DEGRADED, todo, "the serving certificate ends in %s", span(left, text));
}

static void judge_crl(const struct view *v)
{
	int64_t end = (int64_t)v->f->value[M_CRL_NEXT_UPDATE], left = end - v->f->now;
	static const char *const todo = "log: crl_failed; then publish the new list again: signet crl export";

	if (end != 0 && left <= 0)
		say(v, HEALTH_DEGRADED, todo, "the newest CRL has ended: who reads it refuses every certificate");
	else if (end != 0 && left < v->f->conf->ca.crl_lifetime / CRL_LATE_PART)
		say(v, HEALTH_DEGRADED, todo, "a new CRL is late");
	else if (v->f->recent[M_CRL_FAILED] > 0) say(v, HEALTH_DEGRADED, todo, "a CRL could not be issued");
}

/* ---- others ---- */

static void judge_issuer(const struct view *v, uint32_t i)
{
	const char *name = conf_text(v->f->conf, v->f->conf->csr_issuers[i].name);
	int64_t root = v->f->issuers[i].root_end, chain = v->f->issuers[i].chain_end;
	uint64_t failed = v->f->issuers[i].failed, issued = v->f->issuers[i].issued;
	char text[32];

	if (failed > 0 && failed >= issued)
		say(v, HEALTH_DEGRADED, "signet issuer show NAME says why the newest failed",
		    "issuer %s fails: %llu requests in the last %s were not signed, %llu were", name,
		    (unsigned long long)failed, window(v, text), (unsigned long long)issued);
	if (root != 0 && root - v->f->now < ROOT_SOON)
		say(v, HEALTH_DEGRADED, "plan its next root with who runs it; put both into roots_file first",
		    "a root of issuer %s %s%s", name, root > v->f->now ? "ends in " : "has ended",
		    root > v->f->now ? span(root - v->f->now, text) : "");
	if (chain != 0 && chain - v->f->now < CHAIN_SOON)
		say(v, HEALTH_DEGRADED, "renew the signer's certificate there (cert-manager: its CA Certificate)",
		    "the chain of issuer %s %s%s", name, chain > v->f->now ? "ends in " : "has ended",
		    chain > v->f->now ? span(chain - v->f->now, text) : "");
}

static void judge_cluster(const struct view *v, uint32_t i)
{
	const char *name = conf_text(v->f->conf, v->f->conf->clusters[i].id);

	if (v->f->clusters[i].unauthorized > 0)
		say(v, HEALTH_DEGRADED, "token or client certificate ended or was revoked; log: kube_credentials_refused",
		    "cluster %s refuses our credentials", name);
	if (v->f->clusters[i].watches_lost > 0)
		say(v, HEALTH_DEGRADED, "is its API server reachable? log: kube_watch_lost says why",
		    "cluster %s does not tell us of changes: %llu watch%s lost", name,
		    (unsigned long long)v->f->clusters[i].watches_lost, v->f->clusters[i].watches_lost == 1 ? " is" : "es are");
	else if (v->f->clusters[i].errors > 0 && v->f->clusters[i].errors * 2 >= v->f->clusters[i].calls)
		say(v, HEALTH_DEGRADED, "is its API server reachable, and not overloaded?",
		    "cluster %s answers badly: %llu of %llu calls failed", name, (unsigned long long)v->f->clusters[i].errors,
		    (unsigned long long)v->f->clusters[i].calls);
}

static void judge_others(const struct view *v)
{
	char text[32];

	for (uint32_t i = 0; i < v->f->conf->csr_issuer_count; i++) judge_issuer(v, i);
	for (uint32_t i = 0; i < v->f->conf->cluster_count; i++) judge_cluster(v, i);
	if (v->f->recent[M_KEYS_FAILED] > 0 && v->f->recent[M_KEYS_FETCHED] == 0)
		say(v, HEALTH_DEGRADED, "log: keys_failed says which issuer and why; the last good keys serve meanwhile",
		    "keys of an issuer of tokens cannot be fetched");
	if (v->f->recent[M_OVERLOADED] > 0)
		say(v, HEALTH_DEGRADED,
		    "signet top: who is slow, the keeper (disk), the courier, or are there just too many clients?",
		    "too many requests: %llu were sent away in the last %s",
		    (unsigned long long)v->f->recent[M_OVERLOADED], window(v, text));
}

/* The worst first; among equals the order stays. */
static void sort(struct health *h)
{
	for (size_t i = 1; i < h->count; i++)
		for (size_t j = i; j > 0 && h->reasons[j].state > h->reasons[j - 1].state; j--) {
			struct health_reason other = h->reasons[j];

			h->reasons[j] = h->reasons[j - 1];
			h->reasons[j - 1] = other;
		}
}

void health_judge(const struct health_facts *f, struct health *out)
{
	const struct view v = { .f = f, .h = out };

	out->state = HEALTH_OK;
	out->count = 0;
	judge_processes(&v);
	judge_store(&v);
	judge_ca(&v);
	judge_serving(&v);
	judge_crl(&v);
	judge_others(&v);
	sort(out);
}

const char *health_name(enum health_state state)
{
	static const char *const names[] = { "OK", "DEGRADED", "DOWN" };

	return names[state];
}

json_t *health_json(const struct health *h)
{
	json_t *reasons = json_array();

	for (size_t i = 0; i < h->count; i++)
		(void)json_array_append_new(reasons, json_pack("{ss ss ss}", "state", health_name(h->reasons[i].state), "what",
		                                               h->reasons[i].what, "do", h->reasons[i].todo));
	return json_pack("{ss so}", "state", health_name(h->state), "reasons", reasons);
}
