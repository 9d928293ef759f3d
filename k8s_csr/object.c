#include "k8s_csr/object.h"

#include <string.h>

#include "base/clock.h"
#include "k8s_csr/members.h"

#define HTTP_STATUS_MIN 100
#define HTTP_STATUS_MAX 599

struct err kube_parse(struct bytes text, json_t **out)
{
	return json_object_parse_pruned(text, KUBE_ANSWER_MAX, "managedFields", out);
}

/* ---- metadata ---- */

struct err kube_meta_read(const json_t *object, struct kube_meta *out)
{
	struct kube_meta meta = { .created = 0 };
	char created[CLOCK_TEXT_MAX], deleted[CLOCK_TEXT_MAX];
	const json_t *m;

	TRY(member_needed_object(object, "metadata", &m));
	TRY(member_needed_word(m, "name", meta.name, sizeof(meta.name)));
	TRY(member_word(m, "namespace", meta.ns, sizeof(meta.ns)));
	TRY(member_needed_word(m, "uid", meta.uid, sizeof(meta.uid)));
	TRY(member_needed_word(m, "resourceVersion", meta.version, sizeof(meta.version)));
	TRY(member_needed_word(m, "creationTimestamp", created, sizeof(created)));
	TRY(member_word(m, "deletionTimestamp", deleted, sizeof(deleted)));
	if (!clock_parse(created, &meta.created)) FAIL(ERR_INVALID_ARGUMENT, "object: creationTimestamp is not a time");
	if (meta.ns[0] != '\0' && !kube_namespace_valid(bytes_str(meta.ns)))
		FAIL(ERR_INVALID_ARGUMENT, "object: the namespace is not a name");
	meta.deleting = deleted[0] != '\0';
	*out = meta;
	return OK;
}

const char *kube_label(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(json_object_get(json_object_get(object, "metadata"), "labels"), key));
}

/* ---- Status ---- */

struct err kube_status_read(const json_t *object, struct kube_status *out)
{
	struct kube_status status = { .code = 0 };
	const json_t *details;
	int64_t code;
	kube_text word;

	TRY(member_kind(object, "v1", "Status"));
	TRY(member_needed_word(object, "kind", word, sizeof(word)));
	TRY(member_needed_word(object, "status", word, sizeof(word)));
	status.success = strcmp(word, "Success") == 0;
	TRY(member_number(object, "code", (struct member_range){ INT32_MIN, INT32_MAX, 0 }, &code));
	if (code != 0 && (code < HTTP_STATUS_MIN || code > HTTP_STATUS_MAX))
		FAIL(ERR_INVALID_ARGUMENT, "object: the code is no HTTP status");
	status.code = (int)code;
	TRY(member_text(object, "reason", status.reason));
	TRY(member_text(object, "message", status.message));
	TRY(member_object(object, "details", &details));
	TRY(member_number(details, "retryAfterSeconds", (struct member_range){ 0, KUBE_RETRY_MAX, 0 }, &status.retry_after));
	*out = status;
	return OK;
}

/* ---- lists ---- */

struct err kube_list_read(const json_t *object, const char *kind, struct kube_list *out)
{
	struct kube_list list = { .items = NULL };
	char word[KUBE_NAME_MAX + 1];
	const json_t *m;

	TRY(member_needed_word(object, "kind", word, sizeof(word)));
	if (strcmp(word, kind) != 0) FAIL(ERR_INVALID_ARGUMENT, "object: of another kind");
	TRY(member_needed_object(object, "metadata", &m));
	TRY(member_needed_word(m, "resourceVersion", list.version, sizeof(list.version)));
	TRY(member_word(m, "continue", list.more, sizeof(list.more)));
	TRY(member_array(object, "items", &list.items));
	*out = list;
	return OK;
}

/* ---- watches ---- */

static const char *const watch_types[] = {
	[KUBE_WATCH_ADDED] = "ADDED",       [KUBE_WATCH_MODIFIED] = "MODIFIED", [KUBE_WATCH_DELETED] = "DELETED",
	[KUBE_WATCH_BOOKMARK] = "BOOKMARK", [KUBE_WATCH_ERROR] = "ERROR",
};

static struct err read_type(const json_t *line, enum kube_watch_type *out)
{
	char word[16];

	TRY(member_needed_word(line, "type", word, sizeof(word)));
	for (size_t i = 0; i < ARRAY_LEN(watch_types); i++) {
		if (strcmp(word, watch_types[i]) != 0) continue;
		*out = (enum kube_watch_type)i;
		return OK;
	}
	FAIL(ERR_INVALID_ARGUMENT, "object: an event of an unknown type");
}

/* Only the resourceVersion is promised in a bookmark; the rest of its object is empty. */
static struct err read_version(const json_t *object, struct kube_watch *watch)
{
	const json_t *m, *annotations;
	char word[8];

	TRY(member_needed_object(object, "metadata", &m));
	TRY(member_needed_word(m, "resourceVersion", watch->version, sizeof(watch->version)));
	if (watch->type != KUBE_WATCH_BOOKMARK) return OK;
	TRY(member_object(m, "annotations", &annotations));
	TRY(member_word(annotations, "k8s.io/initial-events-end", word, sizeof(word)));
	watch->initial_end = strcmp(word, "true") == 0;
	return OK;
}

struct err kube_watch_read(const json_t *line, struct kube_watch *out)
{
	struct kube_watch watch = { .object = NULL };
	const json_t *object;

	TRY(read_type(line, &watch.type));
	TRY(member_needed_object(line, "object", &object));
	if (watch.type == KUBE_WATCH_ERROR) TRY(kube_status_read(object, &watch.status));
	else TRY(read_version(object, &watch));
	if (watch.type < KUBE_WATCH_BOOKMARK) watch.object = object;
	*out = watch;
	return OK;
}
