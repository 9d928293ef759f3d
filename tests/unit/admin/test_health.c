/* What is wrong, in words: one row for each thing that can be, and the facts just short of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admin/health.h"
#include "base/own.h"

#define NOW 2000000000
#define MINUTE 60
#define HOUR 3600
#define DAY 86400

union world {
	struct conf conf;
	char room[sizeof(struct conf) + 256]; /* its strings are behind it */
};

static conf_str name(union world *w, uint32_t at, const char *text)
{
	memcpy(w->conf.pool + at, text, strlen(text) + 1);
	return (conf_str)at;
}

/* Two fronts, a courier, an issuer and a cluster, all well. */
static void well(union world *w, struct health_facts *f)
{
	static const struct health_process processes[] = {
		{ "keeper", "ready", 0 }, { "admin", "ready", 0 }, { "front", "ready", 0 }, { "front", "ready", 1 }, { "courier", "ready", 0 },
	};

	memset(w, 0, sizeof(*w));
	w->conf.pool_len = 64;
	w->conf.csr_issuer_count = w->conf.cluster_count = 1;
	w->conf.csr_issuers[0].name = name(w, 1, "mesh");
	w->conf.clusters[0].id = name(w, 10, "west");
	w->conf.tls.lifetime = DAY;
	w->conf.ca.crl_lifetime = DAY;
	*f = (struct health_facts){ .now = NOW, .conf = &w->conf, .process_count = ARRAY_LEN(processes), .seconds = 5 * MINUTE };
	memcpy(f->processes, processes, sizeof(processes));
	f->value[M_SERVING] = 2;
	f->value[M_CA_EXPIRY] = NOW + 100 * DAY;
	f->value[M_CA_WARN] = NOW + 70 * DAY;
	f->value[M_CERT_EXPIRY] = NOW + 12 * HOUR;
	f->value[M_CRL_NEXT_UPDATE] = NOW + 12 * HOUR;
	f->value[M_DISK_BYTES] = 100ULL << 30;
	f->value[M_DISK_FREE] = 50ULL << 30;
	f->issuers[0].issued = 10;
	f->issuers[0].root_end = NOW + 100 * DAY;
	f->issuers[0].chain_end = NOW + 10 * DAY;
	f->clusters[0].calls = 100;
}

static void one_front_down(struct health_facts *f) { strcpy(f->processes[3].state, "starting"); }
static void no_front(struct health_facts *f) { f->value[M_SERVING] = 0; }
static void courier_down(struct health_facts *f) { strcpy(f->processes[4].state, "down"); }
static void restarts(struct health_facts *f) { f->recent[M_RESTARTS] = 3; }
static void store(struct health_facts *f) { f->value[M_STORE_FAILING] = 1; }
static void disk(struct health_facts *f) { f->value[M_DISK_FREE] = 1ULL << 30; }
static void disk_small_but_plenty(struct health_facts *f) { f->value[M_DISK_FREE] = 3ULL << 30; } /* 3 % */
static void disk_tiny(struct health_facts *f) { f->value[M_DISK_BYTES] = 128 << 20, f->value[M_DISK_FREE] = 63 << 20; }
static void disk_unknown(struct health_facts *f) { f->value[M_DISK_BYTES] = f->value[M_DISK_FREE] = 0; }
static void index_behind(struct health_facts *f) { f->value[M_INDEX_BEHIND] = 65537; }
static void index_a_little(struct health_facts *f) { f->value[M_INDEX_BEHIND] = 65536; }
static void ca_ended(struct health_facts *f) { f->value[M_CA_EXPIRY] = NOW; }
static void ca_soon(struct health_facts *f) { f->value[M_CA_EXPIRY] = NOW + 3 * DAY, f->value[M_CA_WARN] = NOW; }
static void ca_not_yet(struct health_facts *f) { f->value[M_CA_WARN] = NOW + 1; }
static void ca_revoked(struct health_facts *f) { f->value[M_CA_REVOKED] = 1; }
static void ca_reload(struct health_facts *f) { f->recent[M_CA_RELOAD_FAILED] = 1; }
static void ca_reload_long_ago(struct health_facts *f) { f->value[M_CA_RELOAD_FAILED] = 1; }
static void serving_soon(struct health_facts *f) { f->value[M_CERT_EXPIRY] = NOW + HOUR - 1; }
static void serving_not_yet(struct health_facts *f) { f->value[M_CERT_EXPIRY] = NOW + HOUR; }
static void serving_ended(struct health_facts *f) { f->value[M_CERT_EXPIRY] = NOW; }
static void crl_late(struct health_facts *f) { f->value[M_CRL_NEXT_UPDATE] = NOW + 6 * HOUR - 1; }
static void crl_in_time(struct health_facts *f) { f->value[M_CRL_NEXT_UPDATE] = NOW + 6 * HOUR; }
static void crl_ended(struct health_facts *f) { f->value[M_CRL_NEXT_UPDATE] = NOW; }
static void crl_failed(struct health_facts *f) { f->recent[M_CRL_FAILED] = 1; }
static void issuer_fails(struct health_facts *f) { f->issuers[0].failed = 10; }
static void issuer_fails_seldom(struct health_facts *f) { f->issuers[0].failed = 9; }
static void issuer_root(struct health_facts *f) { f->issuers[0].root_end = NOW + 29 * DAY; }
static void issuer_root_unknown(struct health_facts *f) { f->issuers[0].root_end = f->issuers[0].chain_end = 0; }
static void issuer_chain(struct health_facts *f) { f->issuers[0].chain_end = NOW + 2 * DAY; }
static void issuer_chain_ended(struct health_facts *f) { f->issuers[0].chain_end = NOW; }
static void watch_lost(struct health_facts *f) { f->clusters[0].watches_lost = 1; }
static void cluster_refuses(struct health_facts *f) { f->clusters[0].unauthorized = 1; }
static void cluster_bad(struct health_facts *f) { f->clusters[0].errors = 50; }
static void cluster_not_so_bad(struct health_facts *f) { f->clusters[0].errors = 49; }
static void keys(struct health_facts *f) { f->recent[M_KEYS_FAILED] = 1; }
static void keys_of_one(struct health_facts *f) { f->recent[M_KEYS_FAILED] = f->recent[M_KEYS_FETCHED] = 1; }
static void overload(struct health_facts *f) { f->recent[M_OVERLOADED] = 7; }
static void nothing(struct health_facts *f) { (void)f; }

static const struct row {
	const char *name;
	void (*change)(struct health_facts *f);
	enum health_state state;
	const char *what; /* the whole text of the only reason; NULL: there is none */
} rows[] = {
	{ "well", nothing, HEALTH_OK, NULL },
	{ "no_front", no_front, HEALTH_DOWN, "no front serves clients" },
	{ "one_front", one_front_down, HEALTH_DEGRADED, "1 of 2 fronts do not serve" },
	{ "courier", courier_down, HEALTH_DEGRADED,
	  "the courier is down: nothing is asked of other signers, API servers and issuers of tokens" },
	{ "restarts", restarts, HEALTH_DEGRADED, "processes were started again: 3 in the last 5 minutes" },
	{ "store", store, HEALTH_DOWN, "the store fails: nothing is issued" },
	{ "disk", disk, HEALTH_DEGRADED, "the disk is nearly full: 1024 MiB of 102400 MiB are left" },
	{ "disk_tiny", disk_tiny, HEALTH_DEGRADED, "the disk is nearly full: 63 MiB of 128 MiB are left" },
	{ "disk_plenty", disk_small_but_plenty, HEALTH_OK, NULL },
	{ "disk_unknown", disk_unknown, HEALTH_OK, NULL },
	{ "index", index_behind, HEALTH_DEGRADED, "the look-up index is 65537 records behind" },
	{ "index_a_little", index_a_little, HEALTH_OK, NULL },
	{ "ca_ended", ca_ended, HEALTH_DOWN, "the CA has ended: nothing can be issued" },
	{ "ca_soon", ca_soon, HEALTH_DEGRADED, "the CA ends in 3 days, and no certificate outlives it" },
	{ "ca_not_yet", ca_not_yet, HEALTH_OK, NULL },
	{ "ca_revoked", ca_revoked, HEALTH_DEGRADED, "a list in ca-crl.pem revokes a CA of the chain that signs" },
	{ "ca_reload", ca_reload, HEALTH_DEGRADED, "a changed ca.directory was refused" },
	{ "ca_reload_long_ago", ca_reload_long_ago, HEALTH_OK, NULL },
	{ "serving_soon", serving_soon, HEALTH_DEGRADED, "the serving certificate ends in 59 minutes" },
	{ "serving_not_yet", serving_not_yet, HEALTH_OK, NULL },
	{ "serving_ended", serving_ended, HEALTH_DOWN, "the serving certificate has ended: no client can connect" },
	{ "crl_late", crl_late, HEALTH_DEGRADED, "a new CRL is late" },
	{ "crl_in_time", crl_in_time, HEALTH_OK, NULL },
	{ "crl_ended", crl_ended, HEALTH_DEGRADED, "the newest CRL has ended: who reads it refuses every certificate" },
	{ "crl_failed", crl_failed, HEALTH_DEGRADED, "a CRL could not be issued" },
	{ "issuer_fails", issuer_fails, HEALTH_DEGRADED,
	  "issuer mesh fails: 10 requests in the last 5 minutes were not signed, 10 were" },
	{ "issuer_seldom", issuer_fails_seldom, HEALTH_OK, NULL },
	{ "issuer_root", issuer_root, HEALTH_DEGRADED, "a root of issuer mesh ends in 29 days" },
	{ "issuer_unknown", issuer_root_unknown, HEALTH_OK, NULL },
	{ "issuer_chain", issuer_chain, HEALTH_DEGRADED, "the chain of issuer mesh ends in 2 days" },
	{ "issuer_chain_ended", issuer_chain_ended, HEALTH_DEGRADED, "the chain of issuer mesh has ended" },
	{ "watch", watch_lost, HEALTH_DEGRADED, "cluster west does not tell us of changes: 1 watch is lost" },
	{ "refuses_us", cluster_refuses, HEALTH_DEGRADED, "cluster west refuses our credentials" },
	{ "cluster_bad", cluster_bad, HEALTH_DEGRADED, "cluster west answers badly: 50 of 100 calls failed" },
	{ "cluster_not_so_bad", cluster_not_so_bad, HEALTH_OK, NULL },
	{ "keys", keys, HEALTH_DEGRADED, "keys of an issuer of tokens cannot be fetched" },
	{ "keys_of_one", keys_of_one, HEALTH_OK, NULL },
	{ "overload", overload, HEALTH_DEGRADED, "too many requests: 7 were sent away in the last 5 minutes" },
};

static void test_each_thing_that_can_be_wrong(void **state)
{
	static union world w;
	static struct health_facts f;
	static struct health h;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];

		well(&w, &f);
		r->change(&f);
		health_judge(&f, &h);
		if (h.state != r->state) fail_msg("%s: %s", r->name, health_name(h.state));
		if (h.count != (r->what != NULL)) fail_msg("%s: %zu reasons, the last: %s", r->name, h.count, h.reasons[h.count - 1].what);
		if (r->what == NULL) continue;
		if (strcmp(h.reasons[0].what, r->what) != 0) fail_msg("%s: %s", r->name, h.reasons[0].what);
		if (h.reasons[0].state != r->state || strlen(h.reasons[0].todo) < 20) fail_msg("%s: says not what to do", r->name);
	}
}

static void test_the_worst_comes_first_and_nothing_is_forgotten(void **state)
{
	static union world w;
	static struct health_facts f;
	static struct health h;
	json_t *json;

	(void)state;
	well(&w, &f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].state == HEALTH_DEGRADED) rows[i].change(&f);
	store(&f);
	serving_ended(&f);
	health_judge(&f, &h);
	assert_int_equal(h.state, HEALTH_DOWN);
	assert_true(h.count > 10);
	for (size_t i = 1; i < h.count; i++) assert_true(h.reasons[i - 1].state >= h.reasons[i].state);
	assert_int_equal(h.reasons[1].state, HEALTH_DOWN);
	assert_int_equal(h.reasons[2].state, HEALTH_DEGRADED);
	json = health_json(&h);
	assert_string_equal(json_string_value(json_object_get(json, "state")), "DOWN");
	assert_int_equal(json_array_size(json_object_get(json, "reasons")), h.count);
	json_decref(json);
}

static void test_with_many_issuers_the_list_is_bounded(void **state)
{
	static union world w;
	static struct health_facts f;
	static struct health h;

	(void)state;
	well(&w, &f);
	w.conf.csr_issuer_count = CONF_CSR_ISSUERS_MAX;
	w.conf.cluster_count = CONF_CLUSTERS_MAX;
	for (size_t i = 0; i < CONF_CSR_ISSUERS_MAX; i++) {
		f.issuers[i].failed = 100;
		f.issuers[i].root_end = f.issuers[i].chain_end = NOW;
	}
	for (size_t i = 0; i < CONF_CLUSTERS_MAX; i++) f.clusters[i].watches_lost = f.clusters[i].unauthorized = 1;
	store(&f);
	health_judge(&f, &h);
	assert_int_equal(h.count, HEALTH_REASONS_MAX);
	assert_int_equal(h.state, HEALTH_DOWN);
	assert_string_equal(h.reasons[0].what, "the store fails: nothing is issued");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_thing_that_can_be_wrong),
		cmocka_unit_test(test_the_worst_comes_first_and_nothing_is_forgotten),
		cmocka_unit_test(test_with_many_issuers_the_list_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
