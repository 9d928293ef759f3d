/* Revocation lists as operators bring them: tests/data/brought-crl/, written by tests/data/make-crl.py. */
#include "ca/support.h"

#include <dirent.h>

#include "ca/brought_crl.h"
#include "der/pem.h"

#define DATA "tests/data/brought-crl/"
#define NOW INT64_C(1893456000) /* 2030-01-01 */
#define CAS_MAX 32

static void read_file(const char *name, struct buf *out)
{
	char path[256];
	uint8_t *at;
	FILE *f;

	(void)snprintf(path, sizeof(path), DATA "%s.pem", name);
	f = fopen(path, "rb");
	if (f == NULL) fail_msg("no %s", path);
	MUST(buf_reserve(out, 65536, &at));
	out->len = fread(at, 1, 65536, f);
	fclose(f);
}

struct cas {
	struct buf der;
	struct bytes items[CAS_MAX];
	size_t count;
};

static void cas_read(const char *name, struct cas *cas)
{
	AUTO(buf) struct buf pem = { .max = 65536 };
	char label[PEM_LABEL_MAX];
	struct bytes in;
	uint8_t *room;

	*cas = (struct cas){ .der = { .max = 65536 } };
	read_file(name, &pem);
	MUST(buf_reserve(&cas->der, 65536, &room));
	in = buf_view(&pem);
	for (;;) {
		size_t before = cas->der.len;

		if (pem_take(&in, 65536, label, &cas->der).code != ERR_OK) break;
		cas->items[cas->count++] = BYTES(cas->der.data + before, cas->der.len - before);
	}
	assert_true(cas->count >= 3);
}

static struct err check(const char *file, const char *cas_file, struct brought_report *report, struct brought_crls **out)
{
	AUTO(buf) struct buf pem = { .max = 65536 };
	struct brought_crl_options o = { .now = NOW };
	struct cas cas;
	struct err e;

	read_file(file, &pem);
	cas_read(cas_file, &cas);
	o.cas = cas.items;
	o.ca_count = cas.count;
	e = brought_crls_check(buf_view(&pem), &o, report, out);
	buf_free(&cas.der);
	return e;
}

static const struct {
	const char *file, *cas, *where, *what;
} refusals[] = {
	{ "bad-certificate", "ca", "ca-crl.pem: list 2: ", "no revocation list" },
	{ "bad-cut", "ca", "ca-crl.pem: list 1: ", "no well-formed PEM" },
	{ "bad-forged", "ca", "ca-crl.pem: list 1: ", "" }, /* in the signature or just before it */
	{ "bad-garbage", "ca", "ca-crl.pem: list 1: ", "cannot be read" },
	{ "bad-same-name-other-key", "ca", "ca-crl.pem: list 1: ", "not by the key of the CA that it names" },
	{ "bad-second", "ca", "ca-crl.pem: list 2: ", "no CA of the chain and no root" },
	{ "bad-stranger", "ca", "ca-crl.pem: list 1: ", "no CA of the chain and no root" },
	{ "bad-too-many", "ca-many", "ca-crl.pem: list 17: ", "more than 16 lists" },
	{ "bad-twice", "ca", "ca-crl.pem: list 2: ", "another list of the same issuer" },
};

static void test_each_refusal_names_the_list_the_reason_and_the_remedy(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct brought_crls *got = NULL;
		struct brought_report report;
		struct err e = check(refusals[i].file, refusals[i].cas, &report, &got);

		if (e.code != ERR_INVALID_ARGUMENT || got != NULL) fail_msg("%s: not refused", refusals[i].file);
		if (strncmp(report.problem, refusals[i].where, strlen(refusals[i].where)) != 0 ||
		    strstr(report.problem, refusals[i].what) == NULL || strchr(report.problem, ';') == NULL)
			fail_msg("%s: %s", refusals[i].file, report.problem);
	}
}

static const struct {
	const char *file, *cas;
	size_t lists, entries; /* of all lists */
	const char *warning;   /* NULL: none */
	bool revokes_ca;
} acceptances[] = {
	{ "good-all", "ca", 3, 7, NULL, false },
	{ "good-comment", "ca", 0, 0, NULL, false },
	{ "good-empty-list", "ca", 1, 0, NULL, false },
	{ "good-none", "ca", 0, 0, NULL, false },
	{ "good-same-serial-twice", "ca", 1, 3, NULL, false },
	{ "good-upper", "ca", 1, 3, NULL, false },
	{ "warns-early", "ca", 1, 1, "begins on 2030-01-10", false },
	{ "warns-ended", "ca", 1, 1, "ended on 2029-12-01", false },
	{ "warns-no-crl-sign", "ca-mute", 1, 1, "cRLSign", false },
	{ "warns-signer-revoked", "ca", 1, 1, "revokes a CA", true },
	{ "warns-upper-revoked", "ca", 2, 1, "revokes a CA", true },
};

static void test_what_is_good_is_taken_and_what_is_odd_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(acceptances); i++) {
		AUTO(brought_crls) struct brought_crls *got = NULL;
		struct brought_report report;
		const char *name = acceptances[i].file, *warning = acceptances[i].warning;
		size_t entries = 0;

		if (check(name, acceptances[i].cas, &report, &got).code != ERR_OK) fail_msg("%s: %s", name, report.problem);
		for (size_t n = 0; n < got->count; n++) entries += got->items[n].crl.count;
		if (got->count != acceptances[i].lists || entries != acceptances[i].entries) fail_msg("%s: %zu lists", name, got->count);
		if (got->revokes_ca != acceptances[i].revokes_ca) fail_msg("%s: revokes a CA?", name);
		if (report.warning_count != (warning != NULL)) fail_msg("%s: %u warnings, %s", name, report.warning_count, report.warnings[0]);
		if (warning != NULL && strstr(report.warnings[0], warning) == NULL) fail_msg("%s: %s", name, report.warnings[0]);
	}
}

static void test_every_case_is_looked_at(void **state)
{
	DIR *d = opendir(DATA);
	const struct dirent *entry;
	size_t cases = 0;

	(void)state;
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) cases += entry->d_name[0] != '.' && strncmp(entry->d_name, "ca", 2) != 0;
	closedir(d);
	assert_int_equal(cases, ARRAY_LEN(refusals) + ARRAY_LEN(acceptances));
}

static void test_serials_are_found_on_the_list_of_their_issuer(void **state)
{
	static const struct { const char *ca, *serial; size_t len; bool there; } rows[] = {
		{ "upper", "\x4d", 1, true },  { "upper", "\x4f", 1, true }, { "upper", "\x4c", 1, false }, { "upper", "\x50", 1, false },
		{ "upper", "\0\x4d", 2, false }, { "upper", "", 0, false }, { "signer", "\x4d", 1, false }, { "signer", "\x09", 1, true },
		{ "signer", "\xab\xcd\xef", 3, true }, { "signer", "\xab\xcd", 2, false },
		{ "signer", "\x10\0\0\0\0\0\0\0\0\0\0\0\0", 13, true }, { "signer", "\x10\0\0\0\0\0\0\0\0\0\0\0\1", 13, false },
		{ "root", "\x32", 1, true },
	};
	AUTO(brought_crls) struct brought_crls *got = NULL;
	struct brought_report report;
	struct cas cas;

	(void)state;
	MUST(check("good-all", "ca", &report, &got));
	cas_read("ca", &cas);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t which = rows[i].ca[0] == 's' ? 0 : rows[i].ca[0] == 'u' ? 1 : 2;
		const struct brought_crl *list;
		struct cert ca;

		MUST(cert_parse(cas.items[which], &ca));
		list = brought_crls_of(got, ca.ski.data);
		assert_non_null(list);
		assert_int_equal(list->of_signer, which == 0);
		if ((brought_crl_find(list, BYTES(rows[i].serial, rows[i].len)) != NULL) != rows[i].there) fail_msg("row %zu", i);
	}
	assert_null(brought_crls_of(got, (const uint8_t[KEY_SKI_LEN]){ 1 }));
	assert_null(brought_crls_of(NULL, (const uint8_t[KEY_SKI_LEN]){ 1 }));
	buf_free(&cas.der);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_refusal_names_the_list_the_reason_and_the_remedy),
		cmocka_unit_test(test_what_is_good_is_taken_and_what_is_odd_is_told),
		cmocka_unit_test(test_every_case_is_looked_at),
		cmocka_unit_test(test_serials_are_found_on_the_list_of_their_issuer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
