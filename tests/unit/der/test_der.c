#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/own.h"
#include "der/der.h"

struct text {
	const char *name, *p;
	size_t len;
};
#define T(name, s) { name, s, sizeof(s) - 1 }

static const struct text refused_elements[] = {
	T("nothing", ""),
	T("tag only", "\x04"),
	T("end of contents", "\x00\x00"),
	T("indefinite length (X.690 s10.1)", "\x30\x80\x00\x00"),
	T("indefinite length, primitive", "\x04\x80\x00\x00"),
	T("reserved length octet", "\x04\xff\x00"),
	T("length not minimal, 81", "\x04\x81\x01\x61"),
	T("length not minimal, 81 7f", "\x04\x81\x7f" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
	T("length not minimal, leading zero", "\x04\x82\x00\x01\x61"),
	T("length zero in the long form", "\x04\x81\x00"),
	T("length octets cut", "\x04\x82\x01"),
	T("length octets missing", "\x04\x81"),
	T("value cut", "\x04\x02\x61"),
	T("value missing", "\x04\x01"),
	T("length over 1 GiB", "\x04\x84\x40\x00\x00\x01\x61"),
	T("length of 5 octets", "\x04\x85\x01\x00\x00\x00\x00"),
	T("length that wraps size_t", "\x04\x88\xff\xff\xff\xff\xff\xff\xff\xff\x61"),
	T("high tag number", "\x1f\x81\x01\x00"),
	T("high tag number, context", "\xbf\x20\x00"),
	T("high tag number, private", "\xff\x01\x00"),
	T("OCTET STRING in pieces (X.690 s10.2)", "\x24\x03\x04\x01\x61"),
	T("BIT STRING in pieces", "\x23\x04\x03\x02\x00\x61"),
	T("UTF8String in pieces", "\x2c\x03\x0c\x01\x61"),
	T("primitive SEQUENCE", "\x10\x00"),
	T("primitive SET", "\x11\x00"),
};

static void test_refuses_elements_that_are_not_der(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused_elements); i++) {
		struct bytes in = BYTES(refused_elements[i].p, refused_elements[i].len), before = in, v;
		unsigned tag = in.len == 0 ? DER_OCTET_STRING : in.data[0];
		unsigned any;

		if (der_take_any(&in, &any, &v).code != ERR_INVALID_ARGUMENT) fail_msg("%s", refused_elements[i].name);
		if (der_take(&in, tag, &v).code != ERR_INVALID_ARGUMENT) fail_msg("%s", refused_elements[i].name);
		if (der_take_element(&in, tag, &v).code != ERR_INVALID_ARGUMENT)
			fail_msg("%s", refused_elements[i].name);
		assert_true(in.data == before.data && in.len == before.len);
	}
}

static void test_takes_elements_in_order(void **state)
{
	struct bytes in = BYTES("\x30\x00\x04\x01" "a" "\x80\x00\xa1\x02\x05\x00", 11), v;
	unsigned tag;
	bool there = true;

	(void)state;
	assert_int_equal(der_peek(&in), DER_SEQUENCE);
	assert_int_equal(der_take(&in, DER_OCTET_STRING, &v).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(der_take_optional(&in, DER_SET, &there, &v).code, ERR_OK);
	assert_false(there);
	assert_int_equal(der_take(&in, DER_SEQUENCE, &v).code, ERR_OK);
	assert_int_equal(v.len, 0);
	assert_int_equal(der_take_element(&in, DER_OCTET_STRING, &v).code, ERR_OK);
	assert_int_equal(v.len, 3);
	assert_int_equal(der_take_optional(&in, DER_CONTEXT(0), &there, &v).code, ERR_OK);
	assert_true(there);
	assert_int_equal(der_end(&in).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(der_take_any(&in, &tag, &v).code, ERR_OK);
	assert_int_equal(tag, DER_CONTEXT_CONSTRUCTED(1));
	assert_int_equal(der_take(&v, DER_NULL, &v).code, ERR_OK);
	assert_int_equal(der_end(&in).code, ERR_OK);
	assert_int_equal(der_peek(&in), 0);
	assert_int_equal(der_take_optional(&in, DER_NULL, &there, &v).code, ERR_OK);
	assert_false(there);
}

static void test_optional_that_is_there_but_broken_is_an_error(void **state)
{
	struct bytes in = BYTES("\x04\x02" "a", 3), v;
	bool there;

	(void)state;
	assert_int_equal(der_take_optional(&in, DER_OCTET_STRING, &there, &v).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(in.len, 3);
}

static void test_enter_refuses_trailing_bytes(void **state)
{
	struct bytes v = BYTES("kept", 4);

	(void)state;
	assert_int_equal(der_enter(BYTES("\x30\x00\x00", 3), DER_SEQUENCE, &v).code, ERR_INVALID_ARGUMENT);
	assert_true(bytes_is(v, "kept"));
	assert_int_equal(der_enter(BYTES("\x30\x00", 2), DER_SEQUENCE, &v).code, ERR_OK);
	assert_int_equal(v.len, 0);
}

static const struct {
	struct text in;
	bool ok, value;
} bools[] = {
	{ T("false", "\x01\x01\x00"), true, false },
	{ T("true", "\x01\x01\xff"), true, true },
	{ T("BER true (X.690 s11.1)", "\x01\x01\x01"), false, false },
	{ T("empty", "\x01\x00"), false, false },
	{ T("two octets", "\x01\x02\x00\x00"), false, false },
	{ T("an INTEGER", "\x02\x01\x00"), false, false },
};

static void test_booleans(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bools); i++) {
		struct bytes in = BYTES(bools[i].in.p, bools[i].in.len);
		size_t before = in.len;
		bool v = !bools[i].value;

		if ((der_take_bool(&in, &v).code == ERR_OK) != bools[i].ok) fail_msg("%s", bools[i].in.name);
		assert_int_equal(in.len, bools[i].ok ? 0 : before);
		if (bools[i].ok) assert_int_equal(v, bools[i].value);
	}
}

static const struct {
	struct text in;
	bool ok;
	uint64_t value;
	size_t magnitude; /* octets; 0: refused by der_take_unsigned with max 8, too */
} integers[] = {
	{ T("0", "\x02\x01\x00"), true, 0, 1 },
	{ T("1", "\x02\x01\x01"), true, 1, 1 },
	{ T("127", "\x02\x01\x7f"), true, 127, 1 },
	{ T("128", "\x02\x02\x00\x80"), true, 128, 1 },
	{ T("256", "\x02\x02\x01\x00"), true, 256, 2 },
	{ T("INT64_MAX", "\x02\x08\x7f\xff\xff\xff\xff\xff\xff\xff"), true, INT64_MAX, 8 },
	{ T("2^63", "\x02\x09\x00\x80\x00\x00\x00\x00\x00\x00\x00"), false, 0, 8 },
	{ T("2^64", "\x02\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00"), false, 0, 0 },
	{ T("-1", "\x02\x01\xff"), false, 0, 0 },
	{ T("-128", "\x02\x01\x80"), false, 0, 0 },
	{ T("empty", "\x02\x00"), false, 0, 0 },
	{ T("0 in two octets (X.690 s8.3.2)", "\x02\x02\x00\x00"), false, 0, 0 },
	{ T("1 in two octets", "\x02\x02\x00\x01"), false, 0, 0 },
	{ T("-1 in two octets", "\x02\x02\xff\xff"), false, 0, 0 },
	{ T("an ENUMERATED", "\x0a\x01\x01"), false, 0, 0 },
};

static void test_integers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(integers); i++) {
		struct bytes in = BYTES(integers[i].in.p, integers[i].in.len), view = in, m;
		uint64_t v = 42;

		if ((der_take_uint(&view, &v).code == ERR_OK) != integers[i].ok) fail_msg("%s", integers[i].in.name);
		assert_int_equal(view.len, integers[i].ok ? 0 : in.len);
		assert_int_equal(v, integers[i].ok ? integers[i].value : 42);
		view = in;
		if ((der_take_unsigned(&view, 8, &m).code == ERR_OK) != (integers[i].magnitude > 0))
			fail_msg("%s", integers[i].in.name);
		if (integers[i].magnitude > 0) assert_int_equal(m.len, integers[i].magnitude);
	}
}

static void test_unsigned_counts_the_magnitude_not_the_sign_octet(void **state)
{
	struct bytes in = BYTES("\x02\x03\x00\xff\x01", 5), m;

	(void)state;
	assert_int_equal(der_take_unsigned(&in, 1, &m).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(der_take_unsigned(&in, 2, &m).code, ERR_OK);
	assert_memory_equal(m.data, "\xff\x01", 2);
}

static const struct {
	struct text in;
	bool ok;
	uint16_t bits;
} named[] = {
	{ T("digitalSignature", "\x03\x02\x07\x80"), true, 1 << 0 },
	{ T("keyEncipherment too", "\x03\x02\x05\xa0"), true, 1 << 0 | 1 << 2 },
	{ T("keyCertSign, cRLSign", "\x03\x02\x01\x06"), true, 1 << 5 | 1 << 6 },
	{ T("decipherOnly", "\x03\x03\x07\x00\x80"), true, 1 << 8 },
	{ T("bit 15", "\x03\x03\x00\x00\x01"), true, 1 << 15 },
	{ T("none", "\x03\x01\x00"), true, 0 },
	{ T("no octet", "\x03\x00"), false, 0 },
	{ T("unused bits of nothing", "\x03\x01\x01"), false, 0 },
	{ T("8 unused bits", "\x03\x02\x08\x80"), false, 0 },
	{ T("255 unused bits", "\x03\x02\xff\x80"), false, 0 },
	{ T("unused bits not zero (X.690 s11.2.1)", "\x03\x02\x07\x81"), false, 0 },
	{ T("trailing zero bits (X.690 s11.2.2)", "\x03\x02\x06\x80"), false, 0 },
	{ T("trailing zero octet", "\x03\x03\x00\x80\x00"), false, 0 },
	{ T("one zero octet", "\x03\x02\x00\x00"), false, 0 },
	{ T("all unused", "\x03\x02\x07\x00"), false, 0 },
	{ T("24 bits", "\x03\x04\x00\x80\x00\x01"), false, 0 },
};

static void test_named_bits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(named); i++) {
		struct bytes in = BYTES(named[i].in.p, named[i].in.len), whole = in;
		AUTO(buf) struct buf out = { .max = 16 };
		uint16_t bits = 0xffff;

		if ((der_take_named_bits(&in, &bits).code == ERR_OK) != named[i].ok) fail_msg("%s", named[i].in.name);
		assert_int_equal(bits, named[i].ok ? named[i].bits : 0xffff);
		assert_int_equal(in.len, named[i].ok ? 0 : whole.len);
		if (!named[i].ok) continue;
		assert_int_equal(der_put_named_bits(&out, bits).code, ERR_OK);
		assert_true(bytes_equal(buf_view(&out), whole));
	}
}

static void test_octet_bits(void **state)
{
	struct bytes good = BYTES("\x03\x03\x00\x61\x62", 5), unused = BYTES("\x03\x02\x01\x62", 4), none = BYTES("\x03\x00", 2), v;
	struct bytes empty = BYTES("\x03\x01\x00", 3);

	(void)state;
	assert_int_equal(der_take_octet_bits(&good, &v).code, ERR_OK);
	assert_true(bytes_is(v, "ab"));
	assert_int_equal(der_take_octet_bits(&empty, &v).code, ERR_OK);
	assert_int_equal(v.len, 0);
	assert_int_equal(der_take_octet_bits(&unused, &v).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(der_take_octet_bits(&none, &v).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(unused.len, 4);
}

static void test_every_named_bit_set_round_trips(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits <= UINT16_MAX; bits++) {
		uint8_t room[16];
		struct buf out = BUF_ON(room);
		struct bytes in;
		uint16_t back;

		assert_int_equal(der_put_named_bits(&out, (uint16_t)bits).code, ERR_OK);
		in = buf_view(&out);
		assert_int_equal(der_take_named_bits(&in, &back).code, ERR_OK);
		assert_int_equal(back, bits);
	}
}

#define UTC(s) "\x17\x0d" s
#define GEN(s) "\x18\x0f" s
static const struct {
	struct text in;
	bool ok;
	int64_t value;
} times[] = {
	{ T("epoch", UTC("700101000000Z")), true, 0 },
	{ T("1950", UTC("500101000000Z")), true, -631152000 },
	{ T("2049", UTC("491231235959Z")), true, 2524607999 },
	{ T("2050", GEN("20500101000000Z")), true, 2524608000 },
	{ T("no expiry (RFC 5280 s4.1.2.5)", GEN("99991231235959Z")), true, 253402300799 },
	{ T("leap day", UTC("240229120000Z")), true, 1709208000 },
	{ T("leap day of 2400", GEN("24000229000000Z")), true, 13574563200 },
	{ T("no leap day", UTC("230229120000Z")), false, 0 },
	{ T("no leap day in 2100", GEN("21000229000000Z")), false, 0 },
	{ T("GeneralizedTime in 2049 (RFC 5280 s4.1.2.5)", GEN("20491231235959Z")), false, 0 },
	{ T("GeneralizedTime in 1949", GEN("19490101000000Z")), false, 0 },
	{ T("month 0", UTC("700001000000Z")), false, 0 },
	{ T("month 13", UTC("701301000000Z")), false, 0 },
	{ T("day 0", UTC("700100000000Z")), false, 0 },
	{ T("April 31", UTC("700431000000Z")), false, 0 },
	{ T("hour 24", UTC("700101240000Z")), false, 0 },
	{ T("minute 60", UTC("700101006000Z")), false, 0 },
	{ T("leap second", UTC("700101235960Z")), false, 0 },
	{ T("no seconds (s4.1.2.5.1)", "\x17\x0b" "7001010000Z"), false, 0 },
	{ T("offset", "\x17\x11" "700101000000+0000"), false, 0 },
	{ T("no zone", "\x17\x0c" "700101000000"), false, 0 },
	{ T("lower case z", UTC("700101000000z")), false, 0 },
	{ T("fraction (s4.1.2.5.2)", "\x18\x11" "20500101000000.5Z"), false, 0 },
	{ T("four-digit year in UTCTime", "\x17\x0f" "20500101000000Z"), false, 0 },
	{ T("two-digit year in GeneralizedTime", "\x18\x0d" "500101000000Z"), false, 0 },
	{ T("sign in a field", UTC("70+101000000Z")), false, 0 },
	{ T("space in a field", UTC("7001 1000000Z")), false, 0 },
	{ T("NUL in a field", UTC("70010100000\0Z")), false, 0 },
	{ T("letters for the year", UTC("xx0101000000Z")), false, 0 },
	{ T("letters for the century", GEN("xx500101000000Z")), false, 0 },
	{ T("empty", "\x17\x00"), false, 0 },
	{ T("as a VisibleString", "\x1a\x0d" "700101000000Z"), false, 0 },
};

static void test_times(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		struct bytes in = BYTES(times[i].in.p, times[i].in.len), whole = in;
		AUTO(buf) struct buf out = { .max = 32 };
		int64_t v = 42;

		if ((der_take_time(&in, &v).code == ERR_OK) != times[i].ok) fail_msg("%s", times[i].in.name);
		assert_int_equal(v, times[i].ok ? times[i].value : 42);
		assert_int_equal(in.len, times[i].ok ? 0 : whole.len);
		if (!times[i].ok) continue;
		assert_int_equal(der_put_time(&out, v).code, ERR_OK);
		assert_true(bytes_equal(buf_view(&out), whole));
	}
}

static void test_times_agree_with_libc_and_round_trip(void **state)
{
	(void)state;
	/* 4 999 seconds short of 40 days: every day of the year, many times of day, every century */
	for (int64_t t = -631152000; t <= 253402300799; t += 3451001) {
		uint8_t room[32];
		struct buf out = BUF_ON(room);
		struct bytes in;
		struct tm tm;
		time_t libc = (time_t)t;
		char want[32];
		int64_t back;

		assert_int_equal(der_put_time(&out, t).code, ERR_OK);
		in = buf_view(&out);
		assert_int_equal(der_take_time(&in, &back).code, ERR_OK);
		assert_int_equal(back, t);
		assert_non_null(gmtime_r(&libc, &tm));
		assert_true(strftime(want, sizeof(want), "%Y%m%d%H%M%SZ", &tm) > 0);
		assert_true(bytes_is(BYTES(out.data + 2, out.len - 2), tm.tm_year < 150 ? want + 2 : want));
	}
}

static void test_times_that_x509_cannot_say_are_not_written(void **state)
{
	static const int64_t outside[] = { INT64_MIN, -631152001, 253402300800, INT64_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
		AUTO(buf) struct buf out = { .max = 32 };

		assert_int_equal(der_put_time(&out, outside[i]).code, ERR_OUT_OF_RANGE);
		assert_int_equal(out.len, 0);
	}
}

static void test_writer_makes_minimal_lengths_at_each_boundary(void **state)
{
	static const size_t lengths[] = { 0, 1, 127, 128, 255, 256, 65535, 65536, 70000 };
	static uint8_t zeros[70000];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		AUTO(buf) struct buf a = { .max = 1 << 20 }, b = { .max = 1 << 20 };
		struct der_open outer, inner;
		struct bytes v;

		assert_int_equal(der_open(&a, DER_SEQUENCE, &outer).code, ERR_OK);
		assert_int_equal(der_open(&a, DER_OCTET_STRING, &inner).code, ERR_OK);
		assert_int_equal(buf_put(&a, zeros, lengths[i]).code, ERR_OK);
		assert_int_equal(der_close(&a, &inner).code, ERR_OK);
		assert_int_equal(der_put_bool(&a, true).code, ERR_OK);
		assert_int_equal(der_close(&a, &outer).code, ERR_OK);
		assert_int_equal(der_enter(buf_view(&a), DER_SEQUENCE, &v).code, ERR_OK);
		assert_int_equal(der_put(&b, DER_OCTET_STRING, BYTES(zeros, lengths[i])).code, ERR_OK);
		assert_true(bytes_has_prefix(v, buf_view(&b)));
		assert_int_equal(v.len, b.len + 3);
		assert_int_equal(der_take(&v, DER_OCTET_STRING, &v).code, ERR_OK);
		assert_int_equal(v.len, lengths[i]);
	}
}

static void test_writer_integers_are_minimal(void **state)
{
	static const struct {
		struct text magnitude, want;
	} rows[] = {
		{ T("none", ""), T("", "\x02\x01\x00") },
		{ T("zeros", "\x00\x00"), T("", "\x02\x01\x00") },
		{ T("sign octet", "\x80"), T("", "\x02\x02\x00\x80") },
		{ T("leading zeros", "\x00\x00\x7f"), T("", "\x02\x01\x7f") },
		{ T("long", "\x00\xff\x00"), T("", "\x02\x03\x00\xff\x00") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf) struct buf out = { .max = 32 };

		assert_int_equal(der_put_unsigned(&out, BYTES(rows[i].magnitude.p, rows[i].magnitude.len)).code, ERR_OK);
		if (!bytes_equal(buf_view(&out), BYTES(rows[i].want.p, rows[i].want.len)))
			fail_msg("%s", rows[i].magnitude.name);
	}
	for (unsigned shift = 0; shift < 63; shift++) {
		AUTO(buf) struct buf out = { .max = 32 };
		struct bytes in;
		uint64_t back;

		assert_int_equal(der_put_uint(&out, 1ull << shift).code, ERR_OK);
		in = buf_view(&out);
		assert_int_equal(der_take_uint(&in, &back).code, ERR_OK);
		assert_int_equal(back, 1ull << shift);
	}
}

static void test_writer_keeps_the_limit_of_its_buffer(void **state)
{
	AUTO(buf) struct buf out = { .max = 131 };
	struct der_open open;
	uint8_t zeros[129] = { 0 };

	(void)state;
	assert_int_equal(der_put(&out, DER_OCTET_STRING, BYTES(zeros, 129)).code, ERR_RESOURCE_EXHAUSTED);
	assert_int_equal(out.len, 0);
	assert_int_equal(der_open(&out, DER_SEQUENCE, &open).code, ERR_OK);
	assert_int_equal(buf_put(&out, zeros, 129).code, ERR_OK);
	assert_int_equal(der_close(&out, &open).code, ERR_RESOURCE_EXHAUSTED); /* no room for the second length octet */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses_elements_that_are_not_der),
		cmocka_unit_test(test_takes_elements_in_order),
		cmocka_unit_test(test_optional_that_is_there_but_broken_is_an_error),
		cmocka_unit_test(test_enter_refuses_trailing_bytes),
		cmocka_unit_test(test_booleans),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_unsigned_counts_the_magnitude_not_the_sign_octet),
		cmocka_unit_test(test_named_bits),
		cmocka_unit_test(test_octet_bits),
		cmocka_unit_test(test_every_named_bit_set_round_trips),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_times_agree_with_libc_and_round_trip),
		cmocka_unit_test(test_times_that_x509_cannot_say_are_not_written),
		cmocka_unit_test(test_writer_makes_minimal_lengths_at_each_boundary),
		cmocka_unit_test(test_writer_integers_are_minimal),
		cmocka_unit_test(test_writer_keeps_the_limit_of_its_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
