/* lines.h: a stream that comes in pieces, taken line by line: a watch is one JSON object a line (Kubernetes API concepts,
 * "efficient detection of changes").  One owner; no I/O. */
#ifndef SIGNET_K8S_CSR_LINES_H
#define SIGNET_K8S_CSR_LINES_H

#include "base/bytes.h"

/* Start with { .max = N }: bytes of a line without its LF, 1 or more.  Memory is what came of a line that is not complete yet,
 * at most `max`; a line that comes in one piece is not copied. */
struct lines {
	size_t max;
	struct buf begun; /* the line that has no LF yet; with `taken` the one that was given out */
	bool taken;
	bool broken;
};

/* Take the next line, without its LF, out of what came before and *piece, which shrinks from the front.  *line lives until the
 * next call with `lines`, and as long as the piece.
 * NOT_FOUND: *piece is used up and its rest kept; go on with the next piece.  RESOURCE_EXHAUSTED: a line over `max`, or no
 * memory; the stream can only be given up: every further call says so again. */
struct err lines_take(struct lines *lines, struct bytes *piece, struct bytes *line);

/* At the end of the stream.  DATA_LOSS: it ended inside a line. */
struct err lines_end(const struct lines *lines);

void lines_free(struct lines *lines); /* ready for another stream; NULL is allowed */
static inline void auto_lines(struct lines *lines) { lines_free(lines); }

#endif
