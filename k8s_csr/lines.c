#include "k8s_csr/lines.h"

#include <string.h>

static struct err keep(struct lines *lines, struct bytes part)
{
	lines->begun.max = lines->max;
	if (buf_put(&lines->begun, part.data, part.len).code == ERR_OK) return OK;
	lines->broken = true;
	FAIL(ERR_RESOURCE_EXHAUSTED, "lines: a line is too long");
}

struct err lines_take(struct lines *lines, struct bytes *piece, struct bytes *line)
{
	const uint8_t *lf;
	struct bytes part;

	if (lines->broken) FAIL(ERR_RESOURCE_EXHAUSTED, "lines: a line was too long");
	if (lines->taken) lines_free(lines); /* not kept for the next: a long line is rare, and a watch is long */
	lf = piece->len == 0 ? NULL : memchr(piece->data, '\n', piece->len);
	part = BYTES(piece->data, lf == NULL ? piece->len : (size_t)(lf - piece->data));
	if (lf == NULL || lines->begun.len > 0 || part.len > lines->max) TRY(keep(lines, part));
	*piece = lf == NULL ? BYTES_NONE : BYTES(lf + 1, piece->len - part.len - 1);
	if (lf == NULL) FAIL(ERR_NOT_FOUND, "lines: no whole line");
	lines->taken = lines->begun.len > 0;
	*line = lines->taken ? buf_view(&lines->begun) : part;
	return OK;
}

struct err lines_end(const struct lines *lines)
{
	if (lines->broken || (lines->begun.len > 0 && !lines->taken))
		FAIL(ERR_DATA_LOSS, "lines: the stream ended inside a line");
	return OK;
}

void lines_free(struct lines *lines)
{
	if (lines == NULL) return;
	buf_free(&lines->begun);
	lines->taken = lines->broken = false;
}
