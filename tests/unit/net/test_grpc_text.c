#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/own.h"
#include "net/grpc_text.h"

static const struct { const char *text; bool ok; } types[] = {
	{ "application/grpc", true },        { "application/grpc+proto", true }, { "application/grpc;charset=utf-8", true },
	{ "Application/gRPC", true },        { "application/grpc-web", false },  { "application/grpcx", false },
	{ "application/json", false },       { "", false },                     { "application/grp", false },
	{ " application/grpc", false },
};

static void content_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (grpc_content_type_ok(bytes_str(types[i].text)) != types[i].ok) fail_msg("%s", types[i].text);
}

static const struct { const char *text; int64_t us; } timeouts[] = { /* -1: refused */
	{ "1H", 3600000000 }, { "2M", 120000000 }, { "3S", 3000000 }, { "4m", 4000 }, { "5u", 5 }, { "1n", 1 }, { "1000n", 1 },
	{ "1001n", 2 }, { "0n", 0 }, { "0S", 0 }, { "00000001S", 1000000 }, { "99999999H", INT64_C(359999996400000000) },
	{ "99999999n", 100000 }, { "999999999n", -1 }, { "000000001S", -1 }, { "", -1 }, { "S", -1 }, { "1", -1 }, { "1s", -1 },
	{ "1h", -1 }, { "-1S", -1 }, { "+1S", -1 }, { "1.5S", -1 }, { " 1S", -1 }, { "1S ", -1 }, { "1 S", -1 }, { "1SS", -1 }, { "0x1S", -1 },
};

static void timeout(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(timeouts); i++) {
		int64_t us = -1;
		enum err_code code = grpc_timeout_parse(bytes_str(timeouts[i].text), &us).code;

		if (us != timeouts[i].us || (code == ERR_OK) != (us >= 0)) fail_msg("\"%s\"", timeouts[i].text);
	}
}

static void timeout_refuses_nul(void **state)
{
	int64_t us = -1;

	(void)state;
	assert_int_equal(grpc_timeout_parse(BYTES("1\0S", 3), &us).code, ERR_INVALID_ARGUMENT);
}

static void timeout_text_reads_back(void **state)
{
	static const struct { int64_t ms, us; } cases[] = { { 1, 1000 }, { 1500, 1500000 }, { -5, 1000 }, { INT64_MAX, INT64_C(99999999000) } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[GRPC_TIMEOUT_TEXT];
		int64_t us = 0;

		grpc_timeout_text(cases[i].ms, text);
		assert_int_equal(grpc_timeout_parse(bytes_str(text), &us).code, ERR_OK);
		assert_int_equal(us, cases[i].us);
	}
}

static const struct { const char *text; size_t size; const char *want; } encodings[] = {
	{ "plain text ~!", 100, "plain text ~!" },
	{ "100 %", 100, "100 %25" },
	{ "a\nb\x7f", 100, "a%0Ab%7F" },
	{ "\xc3\xa4", 100, "%C3%A4" },
	{ "", 100, "" },
	{ "abc", 2, "ab" },
	{ "a%", 3, "a" },               /* no half of an escape */
	{ "a\xc3\xa4z", 6, "a" },       /* no half of a character */
	{ "a\xc3\xa4z", 7, "a%C3%A4" },
};

static void encodes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
		char out[128];
		size_t n = grpc_percent_encode(bytes_str(encodings[i].text), out, encodings[i].size);

		if (!bytes_is(BYTES(out, n), encodings[i].want)) fail_msg("%s -> %.*s", encodings[i].text, (int)n, out);
	}
}

static const struct { const char *text, *want; } decodings[] = {
	{ "100 %25", "100 %" }, { "%C3%A4", "\xc3\xa4" }, { "%c3%a4", "\xc3\xa4" }, { "%", "%" }, { "%2", "%2" }, { "%zz%41", "%zzA" }, { "", "" },
};

static void decodes(void **state)
{
	char out[8], tiny[4];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(decodings); i++) {
		grpc_percent_decode(bytes_str(decodings[i].text), out, sizeof(out));
		assert_string_equal(out, decodings[i].want);
	}
	grpc_percent_decode(bytes_str("abcdef"), tiny, sizeof(tiny));
	assert_string_equal(tiny, "abc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_type),
		cmocka_unit_test(timeout),
		cmocka_unit_test(timeout_refuses_nul),
		cmocka_unit_test(timeout_text_reads_back),
		cmocka_unit_test(encodes),
		cmocka_unit_test(decodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
