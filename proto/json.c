#include "proto/json.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#define JSON_NUMBER_END 9007199254740992.0 /* 2^53: above it a double no longer tells neighbours apart */

/* Jansson's hash seed is its own global.  Left alone it opens /dev/urandom at the first object, which a sandbox may
 * answer with a kill, and falls back to the time and the pid, which a peer can guess to make its keys collide. */
static void seed_hashes(void)
{
	size_t seed = 0;

	while (seed == 0)
		if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) seed = 0;
	json_object_seed(seed);
}

/* Where a string that opened before `at` ends: the index after its closing quote, or len. */
static size_t string_end(struct bytes text, size_t at)
{
	while (at < text.len && text.data[at] != '"') {
		/* RFC 8259 s7: a backslash takes the next character with it, also a quote or a backslash. */
		if (text.data[at] == '\\' && at + 1 < text.len) at++;
		at++;
	}
	return at < text.len ? at + 1 : at;
}

/* jansson recurses up to 2048 levels and has no option to lower that; so the levels are counted before it starts. */
static struct err depth_check(struct bytes text)
{
	size_t depth = 0;

	for (size_t i = 0; i < text.len;) {
		uint8_t c = text.data[i++];

		if (c == '"') i = string_end(text, i);
		if ((c == '{' || c == '[') && ++depth > JSON_DEPTH_MAX)
			FAIL(ERR_INVALID_ARGUMENT, "json: nested too deep");
		if ((c == '}' || c == ']') && depth > 0) depth--;
	}
	return OK;
}

static struct err load(struct bytes text, size_t flags, json_t **out)
{
	static pthread_once_t seeded = PTHREAD_ONCE_INIT;
	AUTO(json) json_t *root = NULL;
	json_error_t error;

	(void)pthread_once(&seeded, seed_hashes);
	/* No JSON_ALLOW_NUL, JSON_DECODE_ANY or JSON_DISABLE_EOF_CHECK: their absence is part of the contract. */
	root = json_loadb((const char *)text.data, text.len, flags, &error);
	if (root == NULL && json_error_code(&error) == json_error_out_of_memory)
		FAIL(ERR_RESOURCE_EXHAUSTED, "json: out of memory");
	if (root == NULL && json_error_code(&error) == json_error_duplicate_key)
		FAIL(ERR_INVALID_ARGUMENT, "json: duplicate key");
	if (root == NULL) FAIL(ERR_INVALID_ARGUMENT, "json: malformed");
	if (!json_is_object(root)) FAIL(ERR_INVALID_ARGUMENT, "json: not an object");
	*out = MOVE(root);
	return OK;
}

struct err json_object_parse(struct bytes text, size_t max, json_t **out)
{
	if (text.len == 0 || text.len > max) FAIL(ERR_INVALID_ARGUMENT, "json: length out of range");
	TRY(depth_check(text));
	return load(text, JSON_REJECT_DUPLICATES, out);
}

/* The index behind the array or object that opens at `at`; whether its brackets go together is of no interest. */
static size_t nested_end(struct bytes text, size_t at)
{
	size_t depth = 0;

	while (at < text.len) {
		uint8_t c = text.data[at++];

		if (c == '"') at = string_end(text, at);
		if (c == '{' || c == '[') depth++;
		if ((c == '}' || c == ']') && --depth == 0) break;
	}
	return at;
}

/* A string with its quotes.  RFC 8259 s7: \u0000 is the one way to write a NUL; U+FFFD is as long. */
static struct err put_string(struct bytes text, struct buf *out)
{
	uint8_t *at;

	TRY(buf_reserve(out, text.len, &at));
	memcpy(at, text.data, text.len);
	out->len += text.len;
	for (size_t i = 0; i + 1 < text.len; i++) {
		if (at[i] != '\\') continue;
		if (text.len - i >= 6 && memcmp(at + i, "\\u0000", 6) == 0) memcpy(at + i, "\\ufffd", 6);
		i++;
	}
	return OK;
}

/* The next token of `text`, which begins at *i; *dropping: it is the value of a member that is to be dropped. */
static struct err put_token(struct bytes text, size_t *i, bool dropping, size_t *depth, struct buf *out)
{
	uint8_t c = text.data[*i];
	size_t end = *i + 1;
	bool opens = c == '{' || c == '[';

	if (opens && (dropping || *depth == JSON_DEPTH_MAX)) {
		*i = nested_end(text, *i);
		return buf_put_str(out, "null");
	}
	if (c == '"') end = string_end(text, end);
	if (opens) (*depth)++;
	if ((c == '}' || c == ']') && *depth > 0) (*depth)--;
	TRY(put_string(BYTES(text.data + *i, end - *i), out));
	*i = end;
	return OK;
}

struct err json_object_parse_pruned(struct bytes text, size_t max, const char *drop, json_t **out)
{
	AUTO(buf) struct buf pruned = { .max = 2 * max }; /* "[]," becomes "null," at worst */
	size_t depth = 0;
	bool dropping = false;

	if (text.len == 0 || text.len > max) FAIL(ERR_INVALID_ARGUMENT, "json: length out of range");
	for (size_t i = 0, from = 0; i < text.len; from = i) {
		bool space = strchr(" \t\r\n:", text.data[i]) != NULL;
		struct bytes token;

		TRY(put_token(text, &i, dropping, &depth, &pruned));
		token = BYTES(text.data + from, i - from);
		if (!space) dropping = token.data[0] == '"' && token.len == strlen(drop) + 2 &&
			               memcmp(token.data + 1, drop, strlen(drop)) == 0;
	}
	return load(buf_view(&pruned), 0, out);
}

struct err json_string_of(const json_t *object, const char *key, size_t max, struct bytes *out)
{
	const json_t *value = json_object_get(object, key);
	size_t len;

	if (value == NULL) FAIL(ERR_NOT_FOUND, "json: member is absent");
	if (!json_is_string(value)) FAIL(ERR_INVALID_ARGUMENT, "json: member is not a string");
	len = json_string_length(value);
	if (len > max) FAIL(ERR_INVALID_ARGUMENT, "json: string too long");
	*out = BYTES(json_string_value(value), len);
	return OK;
}

struct err json_seconds_of(const json_t *object, const char *key, int64_t *out)
{
	const json_t *value = json_object_get(object, key);
	double v;

	if (value == NULL) FAIL(ERR_NOT_FOUND, "json: member is absent");
	if (!json_is_number(value)) FAIL(ERR_INVALID_ARGUMENT, "json: member is not a number");
	v = json_number_value(value); /* an integer past 2^53 rounds to 2^53 or more, so the test below still sees it */
	if (!(v > -JSON_NUMBER_END && v < JSON_NUMBER_END)) FAIL(ERR_INVALID_ARGUMENT, "json: number out of range");
	*out = (int64_t)v; /* exact for every integer in this range */
	if ((double)*out > v) (*out)--;
	return OK;
}
