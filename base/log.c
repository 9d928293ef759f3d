#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

static const char *const level_names[] = { "error", "warn", "info", "debug" };

const char *log_level_name(enum log_level level)
{
	return level_names[level <= LOG_DEBUG ? level : LOG_DEBUG];
}

bool log_level_parse(struct bytes name, enum log_level *out)
{
	for (enum log_level i = LOG_ERROR; i <= LOG_DEBUG; i++) {
		if (!bytes_is(name, level_names[i])) continue;
		*out = i;
		return true;
	}
	return false;
}

struct line {
	char *at, *end; /* end leaves room for the closing of the line */
	bool json;
};

static bool line_put(struct line *l, const char *s, size_t n)
{
	if (n > (size_t)(l->end - l->at)) return false;
	memcpy(l->at, s, n);
	l->at += n;
	return true;
}

static bool line_put_escaped(struct line *l, struct bytes v)
{
	bool cut = v.len > LOG_VALUE_MAX;
	size_t len = cut ? LOG_VALUE_MAX : v.len;

	for (size_t i = 0; i < len;) {
		uint8_t c = v.data[i];
		size_t n = utf8_sequence(BYTES(v.data + i, len - i));
		char esc[8];

		if (n > 1 || (n == 1 && c >= 0x20 && c != 0x7f && c != '"' && c != '\\')) {
			if (!line_put(l, (const char *)v.data + i, n)) return false;
			i += n;
			continue;
		}
		(void)snprintf(esc, sizeof(esc), c == '"' || c == '\\' ? "\\%c" : l->json ? "\\u%04x" : "\\x%02x", c);
		if (!line_put(l, esc, strlen(esc))) return false;
		i++;
	}
	return !cut || line_put(l, "...", 3);
}

static bool needs_quotes(struct bytes v)
{
	if (v.len == 0) return true;
	for (size_t i = 0; i < v.len; i++)
		if (v.data[i] <= ' ' || v.data[i] == '"' || v.data[i] == '\\' || v.data[i] == '=' || v.data[i] >= 0x7f) return true;
	return false;
}

static bool line_put_text(struct line *l, struct bytes v)
{
	if (!l->json && !needs_quotes(v) && v.len <= LOG_VALUE_MAX) return line_put(l, (const char *)v.data, v.len);
	return line_put(l, "\"", 1) && line_put_escaped(l, v) && line_put(l, "\"", 1);
}

static bool line_put_value(struct line *l, const struct field *f)
{
	char tmp[2 * LOG_VALUE_MAX + 1];

	switch (f->kind) {
	case FIELD_INT:
		(void)snprintf(tmp, sizeof(tmp), "%lld", (long long)f->num);
		return line_put(l, tmp, strlen(tmp));
	case FIELD_HEX:
		bytes_hex(BYTES(f->bytes.data, f->bytes.len > LOG_VALUE_MAX ? LOG_VALUE_MAX : f->bytes.len), tmp);
		return line_put_text(l, bytes_str(tmp));
	case FIELD_BYTES:
		return line_put_text(l, f->bytes);
	default:
		return line_put_text(l, bytes_str(f->str == NULL ? "" : f->str));
	}
}

/* All of the field or nothing. */
static bool line_put_field(struct line *l, const struct field *f)
{
	char *before = l->at;

	if ((l->json ? line_put(l, ",\"", 2) : line_put(l, " ", 1)) && line_put(l, f->key, strlen(f->key)) &&
	    line_put(l, l->json ? "\":" : "=", l->json ? 2 : 1) && line_put_value(l, f))
		return true;
	l->at = before;
	return false;
}

size_t log_format(const struct log *log, enum log_level level, const char *event, const struct field *fields,
                  char out[LOG_LINE_MAX])
{
	struct line l = { .at = out, .end = out + LOG_LINE_MAX - 32, .json = log->json };
	int64_t ms = clock_wall_ms();
	char when[CLOCK_TEXT_MAX], stamp[CLOCK_TEXT_MAX + 8];
	bool whole = true;

	clock_text(ms / 1000, when);
	(void)snprintf(stamp, sizeof(stamp), "%.19s.%03dZ", when, (int)(ms % 1000));
	(void)line_put(&l, log->json ? "{\"time\":\"" : "", log->json ? 9 : 0);
	(void)line_put(&l, stamp, strlen(stamp));
	(void)line_put(&l, log->json ? "\"" : "", log->json ? 1 : 0);
	(void)line_put_field(&l, &F_STR("level", level_names[level]));
	(void)line_put_field(&l, &F_STR("process", log->process));
	(void)line_put_field(&l, &F_STR("event", event));
	for (; fields->key != NULL; fields++) whole = line_put_field(&l, fields) && whole;
	l.end = out + LOG_LINE_MAX;
	if (!whole) (void)(log->json ? line_put(&l, ",\"truncated\":true", 17) : line_put(&l, " truncated=true", 15));
	(void)line_put(&l, log->json ? "}\n" : "\n", log->json ? 2 : 1);
	return (size_t)(l.at - out);
}

static void put_out(const char *data, size_t len)
{
	ssize_t n = write(STDERR_FILENO, data, len);

	(void)n; /* there is nowhere to report a log that cannot be written */
}

void log_flush(const struct log *log)
{
	if (log->buffer == NULL || log->buffer->len == 0) return;
	put_out(log->buffer->data, log->buffer->len);
	log->buffer->len = 0;
}

static void write_line(const struct log *log, enum log_level level, const char *event, const struct field *fields)
{
	char line[LOG_LINE_MAX];
	size_t len = log_format(log, level, event, fields, line);

	if (log->buffer == NULL || level < LOG_INFO) {
		log_flush(log);
		put_out(line, len);
		return;
	}
	if (len > sizeof(log->buffer->data) - log->buffer->len) log_flush(log);
	memcpy(log->buffer->data + log->buffer->len, line, len);
	log->buffer->len += len;
}

/* A new second: what was left out before is told.  Of several threads one comes first. */
static void begin_second(const struct log *log, int64_t was, int64_t now)
{
	struct log_shared *s = log->shared;
	uint64_t left, told;

	if (!atomic_compare_exchange_strong(&s->second, &was, now)) return;
	atomic_store(&s->lines, 0);
	left = atomic_load(&s->left_out);
	told = atomic_exchange(&s->told, left);
	if (left > told)
		write_line(log, LOG_DEBUG, "debug_left_out", (const struct field[]){ F_INT("count", left - told), F_END });
}

static bool may_debug(const struct log *log)
{
	struct log_shared *s = log->shared;
	int64_t now = clock_mono_us() / 1000000, was;

	if (s == NULL) return true;
	was = atomic_load(&s->second);
	if (was != now) begin_second(log, was, now);
	if (atomic_fetch_add(&s->lines, 1) < LOG_DEBUG_A_SECOND) return true;
	atomic_fetch_add(&s->left_out, 1);
	return false;
}

void log_write(const struct log *log, enum log_level level, const char *event, const struct field *fields)
{
	if (level != LOG_DEBUG || may_debug(log)) write_line(log, level, event, fields);
}
