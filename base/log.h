/* log.h: one structured line per event on descriptor 2, as key=value text or as JSON.  Any thread: each event is one write().
 *
 * Libraries do not log; the edges (a main, a request's end) do.  Values are escaped: control bytes, quotes, backslashes
 * and bytes that are not UTF-8 become \xNN (text) or \u00NN (JSON), and a value is cut at LOG_VALUE_MAX with "...". */
#ifndef SIGNET_BASE_LOG_H
#define SIGNET_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum log_level { LOG_ERROR = 0, LOG_WARN = 1, LOG_INFO = 2, LOG_DEBUG = 3 };

#define LOG_LINE_MAX 8192  /* bytes of a line; what does not fit is dropped field by field and marked truncated=true */
#define LOG_VALUE_MAX 1024 /* bytes of a value before escaping */

/* Lines collected by a process that handles many requests a round (one thread): written by log_flush() or when full.  Lines of
 * LOG_WARN and LOG_ERROR go out at once, after what was collected. */
struct log_buffer {
	size_t len;
	char data[64 * 1024];
};

struct log { /* set up once in main() and passed down by const pointer */
	enum log_level level;
	bool json;
	const char *process;       /* "keeper", "front" ... */
	struct log_buffer *buffer; /* NULL: every line is a write() */
};

enum field_kind { FIELD_END, FIELD_STR, FIELD_BYTES, FIELD_INT, FIELD_HEX };
struct field {
	const char *key; /* literal, [a-z0-9_]; NULL ends the list */
	enum field_kind kind;
	const char *str;
	struct bytes bytes;
	int64_t num;
};
#define F_STR(k, v) ((struct field){ .key = (k), .kind = FIELD_STR, .str = (v) })      /* NULL prints as "" */
#define F_BYTES(k, v) ((struct field){ .key = (k), .kind = FIELD_BYTES, .bytes = (v) }) /* a peer's text */
#define F_INT(k, v) ((struct field){ .key = (k), .kind = FIELD_INT, .num = (int64_t)(v) })
#define F_HEX(k, v) ((struct field){ .key = (k), .kind = FIELD_HEX, .bytes = (v) })
#define F_ERR(e) F_STR("why", (e).reason), F_STR("code", err_code_name((e).code)), F_INT("cause", (e).cause)
#define F_END ((struct field){ .key = NULL })

static inline bool log_wants(const struct log *log, enum log_level level) { return level <= log->level; }
/* log_event(log, LOG_INFO, "issue", F_STR("caller", id), F_INT("us", n)); */
#define log_event(log, level, event, ...)                                                                              \
	do {                                                                                                           \
		if (log_wants(log, level)) log_write(log, level, event, (const struct field[]){ __VA_ARGS__, F_END }); \
	} while (0)
void log_write(const struct log *log, enum log_level level, const char *event, const struct field *fields);
void log_flush(const struct log *log);
/* The line that log_write() would write, with its LF; for tests. */
size_t log_format(const struct log *log, enum log_level level, const char *event, const struct field *fields,
                  char out[LOG_LINE_MAX]);

#endif
