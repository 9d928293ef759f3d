/* object_core.h: Pods and Events of core/v1: where a pod runs and as whom, and why a signer leaves a request alone (cert-manager
 * says that in Events only).  Pure; any thread; how readers fail: object.h. */
#ifndef SIGNET_K8S_CSR_OBJECT_CORE_H
#define SIGNET_K8S_CSR_OBJECT_CORE_H

#include "k8s_csr/object.h"

enum kube_pod_phase { KUBE_POD_UNKNOWN, KUBE_POD_PENDING, KUBE_POD_RUNNING, KUBE_POD_SUCCEEDED, KUBE_POD_FAILED };
struct kube_pod {
	struct kube_meta meta;           /* the name is a kube_name_valid(), the namespace not empty */
	char account[KUBE_NAME_MAX + 1]; /* spec.serviceAccountName; "": none, as of a static pod's mirror */
	char node[KUBE_NAME_MAX + 1];    /* spec.nodeName; "": not scheduled yet */
	enum kube_pod_phase phase;       /* UNKNOWN also if it says nothing, or something new */
};
/* The object itself, or one of a PodList. */
struct err kube_pod_read(const json_t *object, struct kube_pod *out);

struct kube_event {
	kube_text type; /* "Normal", "Warning" */
	kube_text reason, message;
	int64_t count;  /* how often, 1 or more */
};
/* One of an EventList.  Anybody who may write Events in that namespace can have written it: for people, not for decisions. */
struct err kube_event_read(const json_t *object, struct kube_event *out);

#endif
