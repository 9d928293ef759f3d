/* Objects as kube-apiserver v1.37.1 sent them (tests/data/k8s/), changed here and there by a merge patch. */
#ifndef SIGNET_TESTS_K8S_CSR_SAMPLES_H
#define SIGNET_TESTS_K8S_CSR_SAMPLES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "k8s_csr/object.h"

/* To be freed. */
static inline char *sample_text(const char *file, size_t *len)
{
	char path[256], *text = calloc(1, 64 * 1024);
	FILE *f;

	(void)snprintf(path, sizeof(path), "tests/data/k8s/%s", file);
	f = fopen(path, "rb");
	if (f == NULL || text == NULL) fail_msg("%s: cannot open", path);
	*len = fread(text, 1, 64 * 1024 - 1, f);
	fclose(f);
	return text;
}

/* patch: members to put in (null: as good as removed); "" for none. */
static inline json_t *sample(const char *file, const char *patch)
{
	size_t len;
	AUTO(heap) char *text = sample_text(file, &len);
	json_t *object = NULL, *changes = patch[0] == '\0' ? NULL : json_loads(patch, 0, NULL);
	struct err e = kube_parse(BYTES(text, len), &object);

	if (e.code != ERR_OK) fail_msg("%s: %s", file, e.reason);
	if (patch[0] != '\0' && (changes == NULL || json_object_update_recursive(object, changes) != 0)) fail_msg("%s: patch", patch);
	json_decref(changes);
	return object;
}

/* What a builder wrote, as JSON; to be json_decref()ed. */
static inline json_t *parsed(const struct buf *b)
{
	json_t *object = NULL;

	assert_int_equal(json_object_parse(buf_view(b), 1024 * 1024, &object).code, ERR_OK);
	return object;
}

struct sample_case { /* a reader's: a change, and why it is refused ("": it is not) */
	const char *patch, *reason;
};
#define SAMPLE_CHECK(e, cases, i)                                                                                                  \
	do {                                                                                                                       \
		const char *got_ = (e).code == ERR_OK ? "" : (e).reason;                                                           \
		if (strcmp(got_, (cases)[i].reason) != 0) fail_msg("%s: \"%s\"", (cases)[i].patch, got_);                          \
		if ((e).code != ERR_OK && (e).code != ERR_INVALID_ARGUMENT) fail_msg("%s: code %d", (cases)[i].patch, (e).code);   \
	} while (0)

#define MISSING "object: a member that is needed is missing"
#define NO_STRING "object: a member is not a string"
#define NO_OBJECT "object: a member is not an object"
#define NO_ARRAY "object: a member is not an array"
#define TOO_LONG "object: a member is too long"
#define CHARACTERS "object: a member holds other characters than a name may"
#define OTHER_KIND "object: of another kind"
#define TEN "aaaaaaaaaa"
#define SIXTY TEN TEN TEN TEN TEN TEN

#endif
