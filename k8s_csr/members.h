/* members.h: members of JSON objects, for the files of k8s_csr/ alone; object.h says how they fail.  Pure; any thread. */
#ifndef SIGNET_K8S_CSR_MEMBERS_H
#define SIGNET_K8S_CSR_MEMBERS_H

#include "k8s_csr/object.h"

/* `object` is one, and its apiVersion and kind are these or not said. */
struct err member_kind(const json_t *object, const char *api, const char *kind);
/* Borrowed; NULL if it is absent or null. */
struct err member_object(const json_t *object, const char *key, const json_t **out);
struct err member_array(const json_t *object, const char *key, const json_t **out);
struct err member_needed_object(const json_t *object, const char *key, const json_t **out);
/* A string of up to size - 1 visible ASCII characters (so no space); "" if absent. */
struct err member_word(const json_t *object, const char *key, char *out, size_t size);
struct err member_word_of(const json_t *value, char *out, size_t size); /* of a list */
struct err member_needed_word(const json_t *object, const char *key, char *out, size_t size);
/* A string, cut and made printable; "" if absent. */
struct err member_text(const json_t *object, const char *key, kube_text out);
/* false if absent. */
struct err member_flag(const json_t *object, const char *key, bool *out);
/* An integer, cut to min..max; `absent` if absent. */
struct member_range {
	int64_t min, max, absent;
};
struct err member_number(const json_t *object, const char *key, struct member_range range, int64_t *out);

/* Append `value`, which is taken over; NULL (what jansson makes when it has no memory) is RESOURCE_EXHAUSTED. */
struct err members_put(json_t *value, struct buf *out);

#endif
