/* Buffers are bounded, the codec takes all or nothing, log lines cannot be forged, metrics add up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/hostname.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/own.h"
#include "base/utf8.h"
#include "base/wire.h"

static void test_buffer_never_exceeds_its_bound(void **state)
{
	AUTO(buf) struct buf b = { .max = 10 };

	(void)state;
	assert_int_equal(buf_put(&b, "0123456789", 10).code, ERR_OK);
	assert_int_equal(buf_put(&b, "x", 1).code, ERR_RESOURCE_EXHAUSTED);
	assert_int_equal(b.len, 10);
	buf_drop(&b, 4);
	assert_true(bytes_is(buf_view(&b), "456789"));
	buf_drop(&b, 99);
	assert_int_equal(b.len, 0);
}

static const struct {
	const char *name, *hex;
	enum err_code want;
} strings[] = {
	{ "whole", "0003616263", ERR_OK },
	{ "empty", "0000", ERR_OK },
	{ "refuses_cut_length", "00", ERR_INVALID_ARGUMENT },
	{ "refuses_length_beyond_end", "0004616263", ERR_INVALID_ARGUMENT },
	{ "refuses_nul", "0003610063", ERR_INVALID_ARGUMENT },
	{ "refuses_longer_than_the_place", "00056162636465", ERR_INVALID_ARGUMENT },
};

static void test_codec_strings(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
		uint8_t raw[16];
		char out[5] = "????";
		size_t n = strlen(strings[i].hex) / 2;
		struct bytes in = BYTES(raw, n);

		assert_int_equal(bytes_unhex(bytes_str(strings[i].hex), raw).code, ERR_OK);
		if (wire_str(&in, out, sizeof(out)).code != strings[i].want) fail_msg("%s", strings[i].name);
		if (strings[i].want != ERR_OK && (in.len != n || strcmp(out, "????") != 0)) fail_msg("%s: partial", strings[i].name);
	}
}

static void test_codec_numbers_come_back(void **state)
{
	AUTO(buf) struct buf b = { .max = 64 };
	struct bytes in;
	uint8_t a;
	uint16_t c;
	uint32_t d;
	uint64_t e;

	(void)state;
	assert_int_equal(wire_put_u8(&b, 0xfe).code, ERR_OK);
	assert_int_equal(wire_put_u16(&b, 0xfedc).code, ERR_OK);
	assert_int_equal(wire_put_u32(&b, 0xfedcba98).code, ERR_OK);
	assert_int_equal(wire_put_u64(&b, 0xfedcba9876543210).code, ERR_OK);
	in = buf_view(&b);
	assert_int_equal(wire_u8(&in, &a).code, ERR_OK);
	assert_int_equal(wire_u16(&in, &c).code, ERR_OK);
	assert_int_equal(wire_u32(&in, &d).code, ERR_OK);
	assert_int_equal(wire_end(&in).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(wire_u64(&in, &e).code, ERR_OK);
	assert_int_equal(wire_end(&in).code, ERR_OK);
	assert_true(a == 0xfe && c == 0xfedc && d == 0xfedcba98 && e == 0xfedcba9876543210);
	assert_int_equal(wire_u8(&in, &a).code, ERR_INVALID_ARGUMENT);
}

static const struct {
	const char *name, *value, *text, *json; /* what must be in the line */
} values[] = {
	{ "plain", "spiffe://td/a", " v=spiffe://td/a\n", "\"v\":\"spiffe://td/a\"}" },
	{ "space", "a b", " v=\"a b\"\n", "\"v\":\"a b\"}" },
	{ "empty", "", " v=\"\"\n", "\"v\":\"\"}" },
	{ "newline_forges_no_line", "a\nlevel=info", " v=\"a\\x0alevel=info\"\n", "\"v\":\"a\\u000alevel=info\"}" },
	{ "quote", "a\"b", " v=\"a\\\"b\"\n", "\"v\":\"a\\\"b\"}" },
	{ "backslash", "a\\b", " v=\"a\\\\b\"\n", "\"v\":\"a\\\\b\"}" },
	{ "escape_sequence", "\x1b[2J", " v=\"\\x1b[2J\"\n", "\"v\":\"\\u001b[2J\"}" },
	{ "not_utf8", "a\xff" "b", " v=\"a\\xffb\"\n", "\"v\":\"a\\u00ffb\"}" },
	{ "overlong_utf8", "\xc0\xaf", " v=\"\\xc0\\xaf\"\n", "\"v\":\"\\u00c0\\u00af\"}" },
	{ "utf8", "\xc3\xa9", " v=\"\xc3\xa9\"\n", "\"v\":\"\xc3\xa9\"}" },
};

static void test_log_escapes_what_peers_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		for (int json = 0; json < 2; json++) {
			struct log log = { .level = LOG_INFO, .json = json, .process = "test" };
			struct field fields[] = { F_BYTES("v", bytes_str(values[i].value)), F_END };
			char line[LOG_LINE_MAX + 1];

			line[log_format(&log, LOG_INFO, "e", fields, line)] = '\0';
			if (strstr(line, json ? values[i].json : values[i].text) == NULL) fail_msg("%s: %s", values[i].name, line);
			if (strchr(line, '\n') != line + strlen(line) - 1) fail_msg("%s: not one line", values[i].name);
		}
	}
}

static void test_log_line_is_bounded(void **state)
{
	static char big[LOG_LINE_MAX];
	struct log log = { .level = LOG_INFO, .process = "test" };
	struct field fields[12];
	char line[LOG_LINE_MAX + 1];
	size_t n;

	(void)state;
	memset(big, '\x01', sizeof(big) - 1);
	for (size_t i = 0; i < 11; i++) fields[i] = F_STR("v", big);
	fields[11] = F_END;
	n = log_format(&log, LOG_INFO, "e", fields, line);
	assert_true(n <= LOG_LINE_MAX);
	line[n] = '\0';
	assert_non_null(strstr(line, " truncated=true\n"));
}

static void test_metrics_add_up_over_pages(void **state)
{
	static const struct metric_names names = { .name = {
		[METRIC_OF_ISSUER] = { [1] = "mesh", [2] = "a\"b\\c\nd", [METRIC_OWN] = "default" },
		[METRIC_OF_SIGNER] = { [1] = "mesh", [2] = "a\"b\\c\nd" },
		[METRIC_OF_CLUSTER] = { [0] = "one" },
	} };
	struct metrics *pages[2];
	AUTO(buf) struct buf out = { .max = 1 << 20 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		AUTO(fd) int fd = -1;

		assert_int_equal(metrics_create(&fd).code, ERR_OK);
		assert_int_equal(metrics_map(fd, true, &pages[i]).code, ERR_OK);
		metric_add(pages[i], M_SUCCESS, 3);
		metric_set(pages[i], M_ROOT_EXPIRY, (uint64_t)(100 + i));
		metric_observe(pages[i], H_REQUEST, 150);
		metric_add_of(pages[i], MO_ISSUED, 1, 2);
		metric_add_of(pages[i], MO_ISSUED, 3, 100); /* of an issuer without a name */
		metric_add_of(pages[i], MO_ISSUED, METRIC_SLOTS, 100); /* of none */
		metric_add_of(pages[i], MO_REFUSED, 2, 5);
		metric_add_of(pages[i], METRIC_OF_COUNT - 1, METRIC_OWN, 1);
		metric_add_of(pages[i], MO_CALLS, 0, 7);
		metric_observe_of(pages[i], HO_CSR_SIGN, 1, 6000);
		metric_observe_of(pages[i], HO_CSR_SIGN, METRIC_SLOTS, 6000);
	}
	metric_observe(pages[0], H_REQUEST, INT64_MAX);
	assert_int_equal(metrics_render(&(struct metric_pages){ pages, 2, &names }, &out).code, ERR_OK);
	assert_int_equal(buf_put(&out, "", 1).code, ERR_OK);
	assert_non_null(strstr((char *)out.data, "\ncitadel_server_success_cert_issuance_count 6\n"));
	assert_non_null(strstr((char *)out.data, "\ncitadel_server_root_cert_expiry_timestamp 101\n"));
	assert_non_null(strstr((char *)out.data, "\ncitadel_server_csr_sign_err_count{error=\"TTL_ERROR\"} 0\n"));
	assert_non_null(strstr((char *)out.data, "\nsignet_request_seconds_bucket{le=\"0.0001\"} 0\n"));
	assert_non_null(strstr((char *)out.data, "\nsignet_request_seconds_bucket{le=\"0.0002\"} 2\n"));
	assert_non_null(strstr((char *)out.data, "\nsignet_request_seconds_bucket{le=\"+Inf\"} 3\n"));
	assert_non_null(strstr((char *)out.data, "\nsignet_request_seconds_count 3\n"));
	assert_non_null(strstr((char *)out.data, "\nsignet_issuer_issued_total{issuer=\"mesh\"} 4\n"
						 "signet_issuer_issued_total{issuer=\"a\\\"b\\\\c\\nd\"} 0\n"
						 "signet_issuer_issued_total{issuer=\"default\"} 0\n#"));
	assert_non_null(strstr((char *)out.data, "{issuer=\"a\\\"b\\\\c\\nd\",reason=\"spiffe_id\"} 10\n"));
	assert_non_null(strstr((char *)out.data, "\nsignet_keeper_refused_total{issuer=\"default\",reason=\"issuer_roots\"} 2\n"));
	assert_non_null(strstr((char *)out.data, "\nsignet_kube_api_calls_total{cluster=\"one\"} 14\n#"));
	assert_non_null(strstr((char *)out.data, "\nsignet_csr_sign_seconds_bucket{issuer=\"mesh\",le=\"0.0050\"} 0\n"));
	assert_non_null(strstr((char *)out.data, "\nsignet_csr_sign_seconds_bucket{issuer=\"mesh\",le=\"+Inf\"} 2\n"
						 "signet_csr_sign_seconds_sum{issuer=\"mesh\"} 0.012000\n"
						 "signet_csr_sign_seconds_count{issuer=\"mesh\"} 2\n"));
	assert_null(strstr((char *)out.data, "signet_csr_sign_seconds_count{issuer=\"default\"}"));
}

static void test_what_an_ended_process_held_it_holds_no_more(void **state)
{
	static struct metrics page;

	(void)state;
	metric_add(&page, M_CONNECTIONS, 3);
	metric_inc(&page, M_COMMITS);
	metric_add_of(&page, MO_PENDING, METRIC_SLOTS - 1, 3);
	metric_add_of(&page, MO_FILED, 0, 3);
	metrics_let_go(&page);
	assert_int_equal(page.value[M_CONNECTIONS], 0);
	assert_int_equal(page.value[M_COMMITS], 1);
	assert_int_equal(metric_get_of(&page, MO_PENDING, METRIC_SLOTS - 1), 0);
	assert_int_equal(metric_get_of(&page, MO_FILED, 0), 3);
}

static void test_clock_text(void **state)
{
	char out[CLOCK_TEXT_MAX];

	(void)state;
	clock_text(0, out);
	assert_string_equal(out, "1970-01-01T00:00:00Z");
	clock_text(-62104060800, out);
	assert_string_equal(out, "0002-01-01T00:00:00Z"); /* RFC 3339 s5.6: four digits */
	clock_text(4102444800, out);
	assert_string_equal(out, "2100-01-01T00:00:00Z");
	clock_text(INT64_MAX, out);
	assert_string_equal(out, "-");
}

static void test_only_what_the_clock_prints_is_a_time(void **state)
{
	static const char *const bad[] = {
		"", "-", "2026-11-30", "2026-11-30T08:20:44", "2026-11-30T08:20:44z", "2026-11-30T08:20:44+00:00", "2026-11-30T08:20:44.0Z",
		"2026-02-30T08:20:44Z", "2026-11-30T24:00:00Z", "2026-11-30T08:20:60Z", "2026-11-30 08:20:44Z", " 2026-11-30T08:20:44Z",
		"2026-11-30T08:20:44Z ", "2026-1-30T08:20:44Z", "2026-11-30T8:20:44Z", "12026-11-30T08:20:44Z", "0000-11-30T08:20:44Z",
	};
	int64_t t = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (clock_parse(bad[i], &t) || t != 7) fail_msg("took %s", bad[i]);
	assert_true(clock_parse("2026-11-30T08:20:44Z", &t));
	assert_int_equal(t, 1796026844);
	assert_true(clock_parse("0002-01-01T00:00:00Z", &t));
	assert_int_equal(t, -62104060800);
}

static const struct {
	const char *text;
	bool valid;
} utf8_cases[] = {
	{ "", true }, { "plain", true }, { "\xc2\x80", true }, { "\xdf\xbf", true }, { "\xe0\xa0\x80", true },
	{ "\xed\x9f\xbf", true }, { "\xee\x80\x80", true }, { "\xef\xbf\xbf", true }, { "\xf0\x90\x80\x80", true },
	{ "\xf4\x8f\xbf\xbf", true }, { "a\xc3\xbcz", true },
	{ "\x80", false }, { "\xbf", false }, { "\xc0\x80", false }, { "\xc1\xbf", false }, { "\xc2", false },
	{ "\xc2z", false }, { "\xe0\x9f\xbf", false }, { "\xe1\x80", false }, { "\xe1\x80z", false },
	{ "\xed\xa0\x80", false }, { "\xed\xbf\xbf", false }, { "\xf0\x8f\xbf\xbf", false }, { "\xf0\x90\x80", false },
	{ "\xf0\x90\x80z", false }, { "\xf4\x90\x80\x80", false }, { "\xf5\x80\x80\x80", false }, { "\xff", false },
	{ "\xfe", false }, { "ok\xc3", false },
};

static void test_utf8(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(utf8_cases); i++)
		if (utf8_valid(bytes_str(utf8_cases[i].text)) != utf8_cases[i].valid) fail_msg("case %zu", i);
}

#define LABEL_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME_253 LABEL_63 "." LABEL_63 "." LABEL_63 ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
static const struct {
	const char *text;
	bool valid, lower; /* lower: also where capitals are refused */
} hostname_cases[] = {
	{ "a", true, true }, { "example.org", true, true }, { "1.example.org", true, true }, { "a-b.c", true, true },
	{ "a--b", true, true }, { "xn--bcher-kva.example", true, true }, { "1.2.3.4a", true, true },
	{ LABEL_63, true, true }, { NAME_253, true, true }, { "Example.org", true, false }, { "example.ORG", true, false },
	{ "", false, false }, { ".", false, false }, { "a.", false, false }, { ".a", false, false }, { "a..b", false, false },
	{ "-a", false, false }, { "a-", false, false }, { "a.-b", false, false }, { "a-.b", false, false },
	{ "a_b", false, false }, { "*", false, false }, { "*.a", false, false }, { "a b", false, false }, { "a/b", false, false },
	{ "\xc3\xa4.org", false, false }, { "1", false, false }, { "1.2.3.4", false, false }, { "a.1", false, false },
	{ LABEL_63 "a", false, false }, { NAME_253 "a", false, false }, { "a:1", false, false },
};

static void test_host_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hostname_cases); i++) {
		struct bytes name = bytes_str(hostname_cases[i].text);

		if (hostname_valid(name, false) != hostname_cases[i].valid) fail_msg("%s", hostname_cases[i].text);
		if (hostname_valid(name, true) != hostname_cases[i].lower) fail_msg("%s, in lower case", hostname_cases[i].text);
	}
	assert_int_equal(strlen(NAME_253), HOSTNAME_MAX);
	assert_false(hostname_valid(BYTES("a\0b", 3), false));
}

static const struct { const char *text, *host, *port; } good_addresses[] = {
	{ ":15012", "", "15012" },
	{ "127.0.0.1:0", "127.0.0.1", "0" },
	{ "[::1]:65535", "::1", "65535" },
	{ "[fe80::1%eth0]:1", "fe80::1%eth0", "1" },
	{ "localhost:80", "localhost", "80" },
};

static const char *const bad_addresses[] = {
	"", ":", "localhost", "localhost:", "localhost:x", "localhost:65536", "localhost:-1", "localhost:+1", "localhost: 1",
	"localhost:123456", "localhost:80 ", "::1:80", "[::1]", "[::1]80", "[]:80", "[localhost]:80", "[::1:80", "::1]:80",
	"a:b:80", "[[::1]]:80",
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:80",
};

static void test_addresses_are_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good_addresses); i++) {
		struct address a;

		if (address_split(good_addresses[i].text, &a).code != ERR_OK) fail_msg("refused %s", good_addresses[i].text);
		assert_string_equal(a.host, good_addresses[i].host);
		assert_string_equal(a.port, good_addresses[i].port);
	}
}

static void test_no_address(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad_addresses); i++) {
		struct address a = { .host = "untouched" };

		if (address_split(bad_addresses[i], &a).code != ERR_INVALID_ARGUMENT) fail_msg("took %s", bad_addresses[i]);
		assert_string_equal(a.host, "untouched");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buffer_never_exceeds_its_bound), cmocka_unit_test(test_codec_strings),
		cmocka_unit_test(test_codec_numbers_come_back),        cmocka_unit_test(test_log_escapes_what_peers_say),
		cmocka_unit_test(test_log_line_is_bounded),            cmocka_unit_test(test_metrics_add_up_over_pages),
		cmocka_unit_test(test_what_an_ended_process_held_it_holds_no_more),
		cmocka_unit_test(test_clock_text),                     cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_only_what_the_clock_prints_is_a_time),
		cmocka_unit_test(test_host_names),                     cmocka_unit_test(test_addresses_are_split),
		cmocka_unit_test(test_no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
