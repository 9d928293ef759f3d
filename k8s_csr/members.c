#include "k8s_csr/members.h"

#include <string.h>

/* Go's encoder writes null for what is not there. */
static const json_t *get(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

static struct err needed(bool there)
{
	return there ? OK : ERR(ERR_INVALID_ARGUMENT, "object: a member that is needed is missing");
}

static bool absent_or_equal(const json_t *object, const char *key, const char *want)
{
	const json_t *value = get(object, key);

	return value == NULL || (json_is_string(value) && strcmp(json_string_value(value), want) == 0);
}

struct err member_kind(const json_t *object, const char *api, const char *kind)
{
	if (!json_is_object(object)) FAIL(ERR_INVALID_ARGUMENT, "object: not an object");
	if (!absent_or_equal(object, "apiVersion", api) || !absent_or_equal(object, "kind", kind))
		FAIL(ERR_INVALID_ARGUMENT, "object: of another kind");
	return OK;
}

struct err member_object(const json_t *object, const char *key, const json_t **out)
{
	const json_t *value = get(object, key);

	if (value != NULL && !json_is_object(value)) FAIL(ERR_INVALID_ARGUMENT, "object: a member is not an object");
	*out = value;
	return OK;
}

struct err member_array(const json_t *object, const char *key, const json_t **out)
{
	const json_t *value = get(object, key);

	if (value != NULL && !json_is_array(value)) FAIL(ERR_INVALID_ARGUMENT, "object: a member is not an array");
	*out = value;
	return OK;
}

struct err member_needed_object(const json_t *object, const char *key, const json_t **out)
{
	TRY(member_object(object, key, out));
	return needed(*out != NULL);
}

struct err member_word_of(const json_t *value, char *out, size_t size)
{
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);

	if (value != NULL && text == NULL) FAIL(ERR_INVALID_ARGUMENT, "object: a member is not a string");
	if (len >= size) FAIL(ERR_INVALID_ARGUMENT, "object: a member is too long");
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			FAIL(ERR_INVALID_ARGUMENT, "object: a member holds other characters than a name may");
	if (len > 0) memcpy(out, text, len);
	out[len] = '\0';
	return OK;
}

struct err member_word(const json_t *object, const char *key, char *out, size_t size)
{
	return member_word_of(get(object, key), out, size);
}

struct err member_needed_word(const json_t *object, const char *key, char *out, size_t size)
{
	TRY(member_word(object, key, out, size));
	return needed(out[0] != '\0');
}

struct err member_text(const json_t *object, const char *key, kube_text out)
{
	const json_t *value = get(object, key);
	const char *text = json_string_value(value);
	size_t n = 0;

	if (value != NULL && text == NULL) FAIL(ERR_INVALID_ARGUMENT, "object: a member is not a string");
	for (; text != NULL && *text != '\0' && n < KUBE_TEXT_MAX; text++) {
		bool inside = (*text & 0xc0) == 0x80; /* of a UTF-8 sequence: one '?' stands for all of it */

		if (!inside) out[n++] = *text >= ' ' && *text <= '~' ? *text : '?';
	}
	out[n] = '\0';
	return OK;
}

struct err member_flag(const json_t *object, const char *key, bool *out)
{
	const json_t *value = get(object, key);

	if (value != NULL && !json_is_boolean(value)) FAIL(ERR_INVALID_ARGUMENT, "object: a member is neither true nor false");
	*out = json_is_true(value);
	return OK;
}

struct err member_number(const json_t *object, const char *key, struct member_range range, int64_t *out)
{
	const json_t *value = get(object, key);
	int64_t n = json_integer_value(value);

	if (value != NULL && !json_is_integer(value)) FAIL(ERR_INVALID_ARGUMENT, "object: a member is not a whole number");
	if (value == NULL) n = range.absent;
	else if (n < range.min) n = range.min;
	else if (n > range.max) n = range.max;
	*out = n;
	return OK;
}

static int put(const char *data, size_t len, void *out)
{
	return buf_put(out, data, len).code == ERR_OK ? 0 : -1;
}

struct err members_put(json_t *value, struct buf *out)
{
	size_t before = out->len;
	bool done = value != NULL && json_dump_callback(value, put, out, JSON_COMPACT) == 0;

	json_decref(value);
	if (done) return OK;
	out->len = before;
	FAIL(ERR_RESOURCE_EXHAUSTED, "object: too large, or out of memory");
}
