#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "der/pem.h"

#define MAX 1024
#define B "-----BEGIN X-----\n"
#define E "-----END X-----\n"

struct text {
	const char *name, *p;
	size_t len;
};
#define T(name, s) { name, s, sizeof(s) - 1 }

static const struct text accepted[] = { /* all of them are "foobar" under X */
	T("plain", B "Zm9vYmFy\n" E),
	T("no final LF", B "Zm9vYmFy\n-----END X-----"),
	T("CRLF", "-----BEGIN X-----\r\nZm9v\r\nYmFy\r\n-----END X-----\r\n"),
	T("explanatory text before (RFC 7468 s2)", "Subject: CN=a\nIssuer: - b\n\n" B "Zm9vYmFy\n" E),
	T("dashes in the text before", "-----\n---BEGIN X---\n -----BEGIN X-----\n" B "Zm9vYmFy\n" E),
	T("white space at line ends (RFC 7468 s2)", "-----BEGIN X----- \t\nZm9v \t\r\nYmFy  \n-----END X-----  \n \n"),
	T("blank lines", B "\nZm9v\n\n\nYmFy\n\n" E "\n\n"),
	T("lines not of whole groups", B "Z\nm9vY\nmFy\n" E),
};

static const struct text refused[] = {
	T("nothing", ""),
	T("no block", "Zm9vYmFy\n"),
	T("BEGIN in the middle of a line", "x" B "Zm9vYmFy\n" E),
	T("not closed", B "Zm9vYmFy\n"),
	T("only BEGIN", "-----BEGIN X-----"),
	T("BEGIN cut", "-----BEGIN X----"),
	T("END cut", B "Zm9vYmFy\n-----END X----"),
	T("END without a label", B "Zm9vYmFy\n-----END -----\n"),
	T("no label", "-----BEGIN -----\nZm9vYmFy\n-----END -----\n"),
	T("label of a space", "-----BEGIN  -----\nZm9vYmFy\n-----END  -----\n"),
	T("labels differ", B "Zm9vYmFy\n-----END Y-----\n"),
	T("labels differ in length", B "Zm9vYmFy\n-----END XX-----\n"),
	T("label with two spaces", "-----BEGIN X  Y-----\nZm9v\n-----END X  Y-----\n"),
	T("label with a control byte", "-----BEGIN X\x01-----\nZm9v\n-----END X\x01-----\n"),
	T("label with a NUL", "-----BEGIN X\0-----\nZm9v\n-----END X\0-----\n"),
	T("label not ASCII", "-----BEGIN \xc3\xa9-----\nZm9v\n-----END \xc3\xa9-----\n"),
	T("label of 64 bytes",
	  "-----BEGIN aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-----\nZm9v\n"
	  "-----END aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-----\n"),
	T("text after BEGIN", "-----BEGIN X----- x\nZm9vYmFy\n" E),
	T("all on one line", "-----BEGIN X-----Zm9vYmFy-----END X-----"),
	T("body and END on one line", B "Zm9vYmFy-----END X-----\n"),
	T("text after END", B "Zm9vYmFy\n-----END X-----x\n"),
	T("lone CR as line end", "-----BEGIN X-----\rZm9vYmFy\r-----END X-----\r"),
	T("second BEGIN inside", B "Zm9v\n" B "Zm9v\n" E E),
	T("encapsulated header (RFC 1421)", B "Proc-Type: 4,ENCRYPTED\n\nZm9vYmFy\n" E),
	T("header without a dash", B "Comment: none\n\nZm9vYmFy\n" E),
	T("empty body", B E),
	T("blank body", B "\n\n" E),
	T("space inside a line", B "Zm9v YmFy\n" E),
	T("space before a line", B " Zm9vYmFy\n" E),
	T("space before END", B "Zm9vYmFy\n -----END X-----\n"),
	T("NUL in the body", B "Zm9v\0mFy\n" E),
	T("form feed", B "Zm9v\fYmFy\n" E),
	T("URL alphabet", B "Zm9vYm_y\n" E),
	T("checksum line (OpenPGP)", B "Zm9vYmFy\n=abcd\n" E),
	T("padding missing", B "Zm9vYg\n" E),
	T("padding too long", B "Zm9vYg===\n" E),
	T("padding in the middle", B "Zg==\nZm9v\n" E),
	T("padding bits set", B "Zm9vYh==\n" E),
	T("one character", B "Z\n" E),
	T("text after the block", B "Zm9vYmFy\n" E "x"),
	T("NUL after the block", B "Zm9vYmFy\n" E "\0"),
	T("two blocks", B "Zm9vYmFy\n" E B "Zm9vYmFy\n" E),
	T("a block and half of one", B "Zm9vYmFy\n" E B),
};

static void test_accepts_lax_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
		AUTO(buf) struct buf der = { .max = 6 };
		char label[PEM_LABEL_MAX];
		struct err e = pem_take_only(BYTES(accepted[i].p, accepted[i].len), MAX, label, &der);

		if (e.code != ERR_OK) fail_msg("%s: %s", accepted[i].name, e.reason);
		assert_true(bytes_is(buf_view(&der), "foobar"));
		assert_string_equal(label, "X");
	}
}

static void test_refuses_and_leaves_the_outputs_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		AUTO(buf) struct buf der = { .max = MAX };
		char label[PEM_LABEL_MAX] = "kept";

		assert_int_equal(buf_put_str(&der, "kept").code, ERR_OK);
		if (pem_take_only(BYTES(refused[i].p, refused[i].len), MAX, label, &der).code != ERR_INVALID_ARGUMENT)
			fail_msg("%s: accepted", refused[i].name);
		assert_true(bytes_is(buf_view(&der), "kept"));
		assert_string_equal(label, "kept");
	}
}

static void test_takes_blocks_one_after_the_other(void **state)
{
	AUTO(buf) struct buf der = { .max = MAX };
	struct bytes text = bytes_str("a\n" B "Zm9v\n" E "between\n-----BEGIN LONG LABEL-----\nYmFy\n-----END LONG LABEL-----\nz\n");
	struct bytes before;
	char label[PEM_LABEL_MAX];

	(void)state;
	assert_int_equal(pem_take(&text, MAX, label, &der).code, ERR_OK);
	assert_string_equal(label, "X");
	assert_int_equal(pem_take(&text, MAX, label, &der).code, ERR_OK);
	assert_string_equal(label, "LONG LABEL");
	assert_true(bytes_is(buf_view(&der), "foobar"));
	before = text;
	assert_int_equal(pem_take(&text, MAX, label, &der).code, ERR_NOT_FOUND);
	assert_true(before.data == text.data && before.len == text.len);
}

static void test_size_limits_are_exact(void **state)
{
	struct bytes text = bytes_str(B "Zm9vYmFy\n" E);
	AUTO(buf) struct buf der = { .max = MAX }, tight = { .max = 5 };
	char label[PEM_LABEL_MAX];

	(void)state;
	assert_int_equal(pem_take_only(text, 5, label, &der).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(der.len, 0);
	assert_int_equal(pem_take_only(text, 6, label, &der).code, ERR_OK);
	assert_int_equal(der.len, 6);
	assert_int_equal(pem_take_only(text, 6, label, &tight).code, ERR_RESOURCE_EXHAUSTED);
	assert_int_equal(tight.len, 0);
}

static void test_every_length_is_written_as_announced_and_read_back(void **state)
{
	uint8_t raw[200];

	(void)state;
	for (size_t i = 0; i < sizeof(raw); i++) raw[i] = (uint8_t)(i * 151 + 3);
	for (size_t n = 1; n <= sizeof(raw); n++) {
		size_t size = pem_size(n, "A B");
		AUTO(buf) struct buf text = { .max = size }, back = { .max = n }, tight = { .max = size - 1 };
		char label[PEM_LABEL_MAX];

		assert_int_equal(pem_put(&text, "A B", BYTES(raw, n)).code, ERR_OK);
		assert_int_equal(text.len, size);
		for (size_t i = 0, line = 0; i < text.len; i++) {
			line = text.data[i] == '\n' ? 0 : line + 1;
			assert_in_range(line, 0, 64);
		}
		assert_int_equal(pem_take_only(buf_view(&text), n, label, &back).code, ERR_OK);
		assert_true(bytes_equal(buf_view(&back), BYTES(raw, n)));
		assert_string_equal(label, "A B");
		assert_int_equal(pem_put(&tight, "A B", BYTES(raw, n)).code, ERR_RESOURCE_EXHAUSTED);
		assert_int_equal(tight.len, 0);
	}
}

static void test_certificates_are_cut_as_they_were_written(void **state)
{
	AUTO(buf) struct buf one = { .max = 4096 }, two = { .max = 4096 }, both = { .max = 8192 };
	struct bytes rest;

	(void)state;
	assert_int_equal(pem_put(&one, "CERTIFICATE", BYTES("first", 5)).code, ERR_OK);
	assert_int_equal(pem_put(&two, "CERTIFICATE", BYTES("the second", 10)).code, ERR_OK);
	assert_int_equal(buf_put(&both, one.data, one.len).code, ERR_OK);
	assert_int_equal(buf_put(&both, two.data, two.len).code, ERR_OK);
	rest = buf_view(&both);
	assert_true(bytes_equal(pem_cut_cert(&rest), buf_view(&one)));
	assert_true(bytes_equal(pem_cut_cert(&rest), buf_view(&two)));
	assert_int_equal(rest.len, 0);
	rest = BYTES(both.data, both.len - 1); /* its last line end is missing: it is no end */
	(void)pem_cut_cert(&rest);
	assert_int_equal(pem_cut_cert(&rest).len, two.len - 1);
	assert_int_equal(rest.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepts_lax_texts),
		cmocka_unit_test(test_refuses_and_leaves_the_outputs_alone),
		cmocka_unit_test(test_takes_blocks_one_after_the_other),
		cmocka_unit_test(test_size_limits_are_exact),
		cmocka_unit_test(test_every_length_is_written_as_announced_and_read_back),
		cmocka_unit_test(test_certificates_are_cut_as_they_were_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
