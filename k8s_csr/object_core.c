#include "k8s_csr/object_core.h"

#include <string.h>

#include "k8s_csr/members.h"

/* ---- Pod ---- */

static const char *const phases[] = {
	[KUBE_POD_UNKNOWN] = "Unknown",     [KUBE_POD_PENDING] = "Pending", [KUBE_POD_RUNNING] = "Running",
	[KUBE_POD_SUCCEEDED] = "Succeeded", [KUBE_POD_FAILED] = "Failed",
};

static struct err read_phase(const json_t *object, enum kube_pod_phase *out)
{
	const json_t *status;
	kube_text phase;

	*out = KUBE_POD_UNKNOWN;
	TRY(member_object(object, "status", &status));
	TRY(member_text(status, "phase", phase));
	for (size_t i = 0; i < ARRAY_LEN(phases); i++)
		if (strcmp(phase, phases[i]) == 0) *out = (enum kube_pod_phase)i;
	return OK;
}

/* Of another object; "" if absent. */
static struct err read_name(const json_t *object, const char *key, char out[KUBE_NAME_MAX + 1])
{
	TRY(member_word(object, key, out, KUBE_NAME_MAX + 1));
	if (out[0] == '\0' || kube_name_valid(bytes_str(out))) return OK;
	FAIL(ERR_INVALID_ARGUMENT, "object: a name in a pod is malformed");
}

struct err kube_pod_read(const json_t *object, struct kube_pod *out)
{
	struct kube_pod pod = { .phase = KUBE_POD_UNKNOWN };
	const json_t *spec;

	TRY(member_kind(object, "v1", "Pod"));
	TRY(kube_meta_read(object, &pod.meta));
	if (pod.meta.ns[0] == '\0' || !kube_name_valid(bytes_str(pod.meta.name)))
		FAIL(ERR_INVALID_ARGUMENT, "object: a pod without a namespace or with a malformed name");
	TRY(member_needed_object(object, "spec", &spec));
	TRY(read_name(spec, "serviceAccountName", pod.account));
	TRY(read_name(spec, "nodeName", pod.node));
	TRY(read_phase(object, &pod.phase));
	*out = pod;
	return OK;
}

/* ---- Event ---- */

struct err kube_event_read(const json_t *object, struct kube_event *out)
{
	const struct member_range count = { 1, INT32_MAX, 0 };
	struct kube_event event = { .count = 0 };
	const json_t *series;

	TRY(member_kind(object, "v1", "Event"));
	TRY(member_text(object, "type", event.type));
	TRY(member_text(object, "reason", event.reason));
	TRY(member_text(object, "message", event.message));
	/* events.k8s.io, of which these are views, counts in `series`, and there from the second on */
	TRY(member_object(object, "series", &series));
	TRY(member_number(series == NULL ? object : series, "count", count, &event.count));
	if (event.count == 0) event.count = 1;
	*out = event;
	return OK;
}
