/* Lines out of pieces: wherever the stream is cut, the same lines; memory and length are bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "k8s_csr/lines.h"

#define MAX 8

static const struct {
	const char *name, *stream, *lines; /* each line, in brackets */
	enum err_code end;                 /* RESOURCE_EXHAUSTED: never gets to the end */
} cases[] = {
	{ "nothing", "", "", ERR_OK },
	{ "one_line", "abc\n", "[abc]", ERR_OK },
	{ "two_lines", "abc\nde\n", "[abc][de]", ERR_OK },
	{ "empty_lines", "\n\na\n\n", "[][][a][]", ERR_OK },
	{ "a_carriage_return_is_a_byte", "a\r\n", "[a\r]", ERR_OK },
	{ "as_long_as_allowed", "12345678\n12345678\n", "[12345678][12345678]", ERR_OK },
	{ "cut_inside_a_line", "abc\nde", "[abc]", ERR_DATA_LOSS },
	{ "cut_inside_the_first", "a", "", ERR_DATA_LOSS },
	{ "one_byte_over", "123456789\n", "", ERR_RESOURCE_EXHAUSTED },
	{ "one_byte_over_without_an_end", "123456789", "", ERR_RESOURCE_EXHAUSTED },
	{ "the_second_over", "a\n123456789\nb\n", "[a]", ERR_RESOURCE_EXHAUSTED },
	{ "far_over", "123456781234567812345678123456781234567812345678\n", "", ERR_RESOURCE_EXHAUSTED },
};

/* Feed `stream` in pieces of `size`; what it gave is in `out`. */
static enum err_code run(const char *stream, size_t size, struct buf *out)
{
	AUTO(lines) struct lines lines = { .max = MAX };
	size_t len = strlen(stream);

	for (size_t at = 0; at < len; at += size) {
		char copy[64]; /* so that a view into an old piece is seen */
		size_t n = len - at < size ? len - at : size;
		struct bytes piece = BYTES(copy, n), line;
		struct err e;

		memcpy(copy, stream + at, n);
		while ((e = lines_take(&lines, &piece, &line)).code == ERR_OK)
			assert_int_equal(buf_printf(out, "[%.*s]", (int)line.len, line.len == 0 ? "" : (const char *)line.data).code, ERR_OK);
		if (e.code != ERR_NOT_FOUND) {
			assert_int_equal(lines_take(&lines, &piece, &line).code, e.code); /* it stays broken */
			assert_int_equal(lines_end(&lines).code, ERR_DATA_LOSS);
			return e.code;
		}
		assert_int_equal(piece.len, 0);
		assert_true(lines.begun.cap <= MAX || lines.begun.cap <= 64);
		memset(copy, 'x', sizeof(copy));
	}
	return lines_end(&lines).code;
}

static void pieces_do_not_matter(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t size = 1; size <= 60; size++) {
			AUTO(buf) struct buf out = { .max = 256 };
			enum err_code end = run(cases[i].stream, size, &out);

			if (end != cases[i].end) fail_msg("%s in pieces of %zu: %d", cases[i].name, size, end);
			if (!bytes_is(buf_view(&out), cases[i].lines)) fail_msg("%s in pieces of %zu: lines", cases[i].name, size);
		}
	}
}

static void memory_follows_what_came(void **state)
{
	AUTO(lines) struct lines lines = { .max = 1 << 20 };
	struct bytes piece = bytes_str("a whole line\nand a begin"), line;

	(void)state;
	assert_int_equal(lines_take(&lines, &piece, &line).code, ERR_OK);
	assert_int_equal(lines.begun.cap, 0); /* one piece: no copy */
	assert_int_equal(lines_take(&lines, &piece, &line).code, ERR_NOT_FOUND);
	assert_in_range(lines.begun.cap, 11, 64);
	piece = bytes_str("ning\n");
	assert_int_equal(lines_take(&lines, &piece, &line).code, ERR_OK);
	assert_true(bytes_is(line, "and a beginning"));
	piece = BYTES_NONE;
	assert_int_equal(lines_take(&lines, &piece, &line).code, ERR_NOT_FOUND);
	assert_int_equal(lines.begun.cap, 0); /* nothing stays behind */
	assert_int_equal(lines_end(&lines).code, ERR_OK);
}

static void a_new_stream_starts_clean(void **state)
{
	AUTO(lines) struct lines lines = { .max = 3 };
	struct bytes piece = bytes_str("abcd"), line;

	(void)state;
	assert_int_equal(lines_take(&lines, &piece, &line).code, ERR_RESOURCE_EXHAUSTED);
	lines_free(&lines);
	piece = bytes_str("abc\n");
	assert_int_equal(lines_take(&lines, &piece, &line).code, ERR_OK);
	assert_true(bytes_is(line, "abc"));
	lines_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_do_not_matter),
		cmocka_unit_test(memory_follows_what_came),
		cmocka_unit_test(a_new_stream_starts_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
