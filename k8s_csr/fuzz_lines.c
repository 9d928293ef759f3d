/* Whatever the pieces are, the lines are those of the whole: byte 0 is the limit, byte 1 how the rest is cut. */
#include <string.h>

#include "base/own.h"
#include "k8s_csr/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(int want)
{
	if (!want) __builtin_trap();
}

/* The next line of the whole is `line`. */
static void check_line(struct bytes *whole, struct bytes line)
{
	check(whole->len > line.len && whole->data[line.len] == '\n' && memchr(whole->data, '\n', line.len) == NULL);
	check(bytes_equal(BYTES(whole->data, line.len), line));
	*whole = BYTES(whole->data + line.len + 1, whole->len - line.len - 1);
}

static size_t line_len(struct bytes whole)
{
	const uint8_t *lf = whole.len == 0 ? NULL : memchr(whole.data, '\n', whole.len);

	return lf == NULL ? whole.len : (size_t)(lf - whole.data);
}

static bool feed(struct lines *lines, struct bytes piece, struct bytes *whole)
{
	struct bytes line;
	struct err e;

	while ((e = lines_take(lines, &piece, &line)).code == ERR_OK) {
		check(line.len <= lines->max);
		check_line(whole, line);
	}
	check(e.code == ERR_NOT_FOUND || (e.code == ERR_RESOURCE_EXHAUSTED && line_len(*whole) > lines->max));
	check(e.code != ERR_NOT_FOUND || (piece.len == 0 && lines->begun.len <= lines->max));
	return e.code == ERR_NOT_FOUND;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(lines) struct lines lines = { .max = len == 0 ? 1 : 1u + data[0] };
	struct bytes whole = len < 2 ? BYTES_NONE : BYTES(data + 2, len - 2), rest = whole;
	size_t step = len < 2 ? 1 : data[1] % 32 + 1u;

	for (size_t at = 0; at < whole.len; at += step, step = step % 41 + 1) {
		size_t n = whole.len - at < step ? whole.len - at : step;

		if (!feed(&lines, BYTES(whole.data + at, n), &rest)) return 0;
	}
	check((lines_end(&lines).code == ERR_OK) == (rest.len == 0) && line_len(rest) == rest.len);
	return 0;
}
