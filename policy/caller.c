/* caller.c: who was authenticated.  All text in one block, so that a caller costs two allocations. */
#include <string.h>

#include "policy/internal.h"

#define CALLER_ARENA_START 1024 /* bytes; ours: a Kubernetes token's attributes fit */

struct attribute { /* offsets into the arena; both texts end in a NUL */
	uint32_t name, value;
	uint16_t name_len, value_len;
};

struct caller {
	enum caller_kind kind;
	uint32_t count, used, size;
	char *arena; /* the ID first */
	struct attribute attributes[POLICY_ATTRIBUTES_MAX];
};

static struct err arena_put(struct caller *c, struct bytes text, uint32_t *at)
{
	/* POLICY_ATTRIBUTES_MAX names and values are far below 4 GiB */
	uint32_t need = c->used + (uint32_t)text.len + 1, size = c->size;
	while (size < need) size *= 2;
	if (size != c->size) {
		char *grown = realloc(c->arena, size);
		if (grown == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "policy: out of memory");
		c->arena = grown;
		c->size = size;
	}
	*at = c->used;
	if (text.len > 0) memcpy(c->arena + c->used, text.data, text.len);
	c->arena[c->used + text.len] = '\0';
	c->used = need;
	return OK;
}

struct err caller_new(enum caller_kind kind, const char *id, struct caller **out)
{
	AUTO(caller) struct caller *c = NULL;
	struct bytes text = bytes_str(id);
	uint32_t at;
	if (text.len > POLICY_VALUE_MAX) FAIL(ERR_INVALID_ARGUMENT, "policy: the caller's ID is too long");
	c = malloc(sizeof(*c));
	if (c == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "policy: out of memory");
	c->kind = kind;
	c->count = c->used = 0;
	c->size = CALLER_ARENA_START;
	c->arena = malloc(c->size);
	if (c->arena == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "policy: out of memory");
	TRY(arena_put(c, text, &at));
	*out = MOVE(c);
	return OK;
}

static bool name_ok(struct bytes name)
{
	if (name.len == 0 || name.len > POLICY_NAME_MAX) return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t ch = name.data[i];
		if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_' || ch == '.' || ch == '-')) return false;
	}
	return true;
}

struct err caller_add(struct caller *c, const char *name, struct bytes value)
{
	struct bytes n = bytes_str(name);
	if (!name_ok(n)) FAIL(ERR_INVALID_ARGUMENT, "policy: not the name of an attribute");
	if (value.len > POLICY_VALUE_MAX) FAIL(ERR_INVALID_ARGUMENT, "policy: the value of an attribute is too long");
	if (bytes_has_nul(value)) FAIL(ERR_INVALID_ARGUMENT, "policy: the value of an attribute holds a NUL");
	if (c->count == POLICY_ATTRIBUTES_MAX) FAIL(ERR_INVALID_ARGUMENT, "policy: too many attributes");
	struct attribute a = { .name_len = (uint16_t)n.len, .value_len = (uint16_t)value.len };
	TRY(arena_put(c, n, &a.name));
	TRY(arena_put(c, value, &a.value));
	c->attributes[c->count++] = a;
	return OK;
}

enum caller_kind caller_kind(const struct caller *c)
{
	return c->kind;
}

const char *caller_id(const struct caller *c)
{
	return c->arena;
}

const char *caller_next(const struct caller *c, struct bytes name, size_t *cursor, size_t *len)
{
	while (*cursor < c->count) {
		const struct attribute *a = &c->attributes[(*cursor)++];
		if (a->name_len != name.len || memcmp(c->arena + a->name, name.data, name.len) != 0) continue;
		*len = a->value_len;
		return c->arena + a->value;
	}
	return NULL;
}

const char *caller_get(const struct caller *c, const char *name)
{
	size_t cursor = 0, len;
	return caller_next(c, bytes_str(name), &cursor, &len);
}

void caller_free(struct caller *c)
{
	if (c == NULL) return;
	free(c->arena);
	free(c);
}
