/* log.h: one structured line per event on descriptor 2, as key=value text or as JSON.  Any thread: each event is one write().
 *
 * Libraries do not log; the edges (a main, a request's end) do.  The level may change at run time (struct log_shared), and
 * lines of LOG_DEBUG are sampled: the first LOG_DEBUG_A_SECOND of each second, then a count of the others
 * (`debug_left_out`).  Values are escaped: control bytes, quotes, backslashes
 * and bytes that are not UTF-8 become \xNN (text) or \u00NN (JSON), and a value is cut at LOG_VALUE_MAX with "...". */
#ifndef SIGNET_BASE_LOG_H
#define SIGNET_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum log_level { LOG_ERROR = 0, LOG_WARN = 1, LOG_INFO = 2, LOG_DEBUG = 3 };

#define LOG_LINE_MAX 8192  /* bytes of a line; what does not fit is dropped field by field and marked truncated=true */
#define LOG_VALUE_MAX 1024 /* bytes of a value before escaping */
#define LOG_DEBUG_A_SECOND 500 /* lines of a process; ours: some 100 KiB, less than a busy front's lines of requests */

/* Of one process, in its metrics page (base/metrics.h): the first two are written by the monitor, the others by the process. */
struct log_shared {
	_Atomic uint32_t level;    /* 0: as configured; else 1 + enum log_level */
	_Atomic int64_t until;     /* Unix seconds at which the monitor takes that back, for those who ask */
	_Atomic uint32_t lines;    /* of LOG_DEBUG in `second` */
	_Atomic int64_t second;    /* monotonic */
	_Atomic uint64_t left_out; /* since the process began */
	_Atomic uint64_t told;     /* of these, in a line of the log */
};

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
	struct log_shared *shared; /* NULL: `level` counts, and no line is left out */
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

const char *log_level_name(enum log_level level);
bool log_level_parse(struct bytes name, enum log_level *out); /* "error", "warn", "info", "debug" */

static inline enum log_level log_level_of(const struct log *log)
{
	uint32_t told = log->shared == NULL ? 0 : atomic_load_explicit(&log->shared->level, memory_order_relaxed);

	return told == 0 || told > LOG_DEBUG + 1 ? log->level : (enum log_level)(told - 1);
}
static inline bool log_wants(const struct log *log, enum log_level level) { return level <= log_level_of(log); }
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
