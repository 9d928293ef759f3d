/* json.h: we accept exactly the objects that jansson accepts with the same flags and that are not nested too deep.  Pruned, any
 * object that jansson takes is taken; nothing is lost but what is nested too deep, or is in a member "x". */
#include <string.h>

#include "proto/json.h"

#define MAX (64 * 1024)

static size_t depth_of(json_t *value)
{
	size_t deepest = 0, d, i;
	const char *key;
	json_t *child;

	if (!json_is_object(value) && !json_is_array(value)) return 0;
	json_array_foreach(value, i, child) {
		d = depth_of(child);
		if (d > deepest) deepest = d;
	}
	json_object_foreach(value, key, child) {
		d = depth_of(child);
		if (d > deepest) deepest = d;
	}
	return deepest + 1;
}

static void check_members(json_t *object)
{
	const char *key;
	struct bytes s;
	json_t *value;
	int64_t t;

	json_object_foreach(object, key, value) {
		if (json_string_of(object, key, MAX, &s).code == ERR_OK && bytes_has_nul(s)) __builtin_trap();
		if (json_seconds_of(object, key, &t).code == ERR_OK && (t >= 1LL << 53 || t < -(1LL << 53))) __builtin_trap();
	}
}

/* Arrays and objects in members "x", and those on level 17, become null. */
static void prune(json_t *value, size_t level)
{
	const char *key;
	json_t *child;
	void *next;
	size_t i;

	json_array_foreach(value, i, child) {
		bool nested = json_is_array(child) || json_is_object(child);

		if (nested && level == JSON_DEPTH_MAX) (void)json_array_set_new(value, i, json_null());
		else prune(child, level + 1);
	}
	json_object_foreach_safe(value, next, key, child) {
		bool nested = json_is_array(child) || json_is_object(child);

		if (nested && (level == JSON_DEPTH_MAX || strcmp(key, "x") == 0))
			(void)json_object_set_new(value, key, json_null());
		else
			prune(child, level + 1);
	}
}

static void check_pruned(struct bytes text)
{
	AUTO(json) json_t *theirs = json_loadb((const char *)text.data, text.len, JSON_ALLOW_NUL, NULL);
	AUTO(json) json_t *ours = NULL;
	struct err e = json_object_parse_pruned(text, MAX, "x", &ours);

	if ((e.code == ERR_OK) != (ours != NULL)) __builtin_trap();
	if (text.len <= MAX && json_is_object(theirs) && ours == NULL) __builtin_trap();
	if (ours != NULL && depth_of(ours) > JSON_DEPTH_MAX) __builtin_trap();
	/* an escape may hide the name of a member, or be a NUL */
	if (ours == NULL || !json_is_object(theirs) || memchr(text.data, '\\', text.len) != NULL) return;
	prune(theirs, 1);
	if (!json_equal(ours, theirs)) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(json) json_t *ours = NULL;
	AUTO(json) json_t *theirs = json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, NULL);
	struct err e = json_object_parse(BYTES(data, len), MAX, &ours);
	bool want = len <= MAX && json_is_object(theirs) && depth_of(theirs) <= JSON_DEPTH_MAX;

	if ((e.code == ERR_OK) != (ours != NULL) || (e.code == ERR_OK) != want) __builtin_trap();
	if (ours != NULL && !json_equal(ours, theirs)) __builtin_trap();
	if (ours != NULL) check_members(ours);
	check_pruned(BYTES(data, len));
	return 0;
}
