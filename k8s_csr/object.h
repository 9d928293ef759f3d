/* object.h: what an API server says, as checked facts: what all objects have, lists, watches, Status (Kubernetes API concepts and
 * conventions; members as v1.37 sends them).  The other kinds: object_csr.h, object_review.h, object_core.h.
 *
 * Pure; any thread.  Nothing is believed: every size is bounded, what names something is checked for its characters, what a
 * person would read is cut and made printable.  Nor can whoever may create an object stop the reading of others: the API server
 * hands on NULs in annotations and managedFields of any depth, so parse with kube_parse(), and pass over the element of a list
 * that its reader refuses.  A reader takes one object, unknown members are passed over, null is as good as absent; it fails with
 *   INVALID_ARGUMENT    another kind or apiVersion (absent is as good as right: elements of a list have neither), a member of a
 *                       wrong type, too long, of wrong characters, or a needed one missing; *out is untouched.
 * Builders append one JSON text to *out and fail with
 *   INVALID_ARGUMENT    what they say is needed is not there, or would be refused by every API server
 *   RESOURCE_EXHAUSTED  over out->max, or no memory; *out is as before.
 * A process with a sandbox calls json_object_seed(0) before it enters it. */
#ifndef SIGNET_K8S_CSR_OBJECT_H
#define SIGNET_K8S_CSR_OBJECT_H

#include "base/kube_name.h"
#include "proto/json.h"

#define KUBE_ANSWER_MAX (4 * 1024 * 1024) /* bytes of JSON; ours: etcd's 1.5 MiB an object, with NULs in it, came as 2.7 */
#define KUBE_UID_MAX 64                   /* bytes; ours: they are UUIDs */
#define KUBE_VERSION_MAX 64               /* bytes of a resourceVersion; ours: decimal numbers, opaque to clients */
#define KUBE_CONTINUE_MAX 2048            /* bytes; ours: base64 of a small JSON object with a name in it */
#define KUBE_TEXT_MAX 256                 /* bytes of what a person reads; ours: the rest is cut off */
#define KUBE_RETRY_MAX 3600               /* seconds; ours: a larger retryAfterSeconds is taken for this */

/* Text that may be empty, in printable ASCII: other characters are '?'. */
typedef char kube_text[KUBE_TEXT_MAX + 1];

/* Any answer, and a line of a watch, without its managedFields (json_object_parse_pruned()).  OK: *out is the caller's
 * (AUTO(json)).  INVALID_ARGUMENT: over KUBE_ANSWER_MAX bytes, or no JSON object. */
struct err kube_parse(struct bytes text, json_t **out);

struct kube_meta {
	char name[KUBE_NAME_MAX + 1];            /* 1 or more visible ASCII characters; no rule beyond that for all kinds */
	char ns[KUBE_NAMESPACE_MAX + 1];         /* "": none */
	char uid[KUBE_UID_MAX + 1], version[KUBE_VERSION_MAX + 1]; /* visible ASCII, 1 or more */
	int64_t created;                         /* Unix seconds */
	bool deleting;                           /* it has a deletionTimestamp */
};
/* All but the namespace and the deletionTimestamp are needed. */
struct err kube_meta_read(const json_t *object, struct kube_meta *out);
/* The value of a label, borrowed from `object`; NULL if there is none. */
const char *kube_label(const json_t *object, const char *key);

struct kube_status {
	bool success;        /* "Success"; what else it says is then of no interest */
	int code;            /* the HTTP status, 100..599; 0: it says none */
	kube_text reason;    /* "Expired", "Conflict", ...: made for programs */
	kube_text message;
	int64_t retry_after; /* seconds, 0..KUBE_RETRY_MAX; 0: it says none */
};
/* `kind` is needed, and is "Status".  (An overloaded API server answers 429 with plain text, not with this.) */
struct err kube_status_read(const json_t *object, struct kube_status *out);

struct kube_list {
	char version[KUBE_VERSION_MAX + 1]; /* for a watch from here on */
	char more[KUBE_CONTINUE_MAX + 1];   /* `continue` for the next page, to be percent-encoded; "": this was the last */
	const json_t *items;                /* array, for json_array_foreach(); borrowed from `object`; NULL: none */
};
/* `kind` ("PodList") is needed.  What the items are is not looked at. */
struct err kube_list_read(const json_t *object, const char *kind, struct kube_list *out);

enum kube_watch_type { KUBE_WATCH_ADDED, KUBE_WATCH_MODIFIED, KUBE_WATCH_DELETED, KUBE_WATCH_BOOKMARK, KUBE_WATCH_ERROR };
struct kube_watch {
	enum kube_watch_type type;
	const json_t *object;               /* ADDED, MODIFIED, DELETED: borrowed from `line`; NULL otherwise */
	char version[KUBE_VERSION_MAX + 1]; /* to go on from; "" with ERROR */
	bool initial_end;                   /* BOOKMARK: what was there when a watch with sendInitialEvents began is told */
	struct kube_status status;          /* ERROR: why the watch ended (410 "Expired": list again); zero otherwise */
};
/* One line of a watch.  A type that is none of these is refused. */
struct err kube_watch_read(const json_t *line, struct kube_watch *out);

#endif
