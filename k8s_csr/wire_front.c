#include "k8s_csr/wire_front.h"

#include "ca/fields.h"

static const struct wire_field review_fields[] = {
	WIRE_FIELD(wire_review, id, U64, 0, 0),
	WIRE_FIELD(wire_review, issuer, U8, 0, CONF_ISSUERS_MAX - 1),
	WIRE_FIELD(wire_review, cluster, U8, 0, CONF_CLUSTERS_MAX - 1),
	WIRE_FIELD(wire_review, token, TEXT, 1, WIRE_TOKEN_MAX),
};
static const struct wire_field reviewed_fields[] = {
	WIRE_FIELD(wire_reviewed, id, U64, 0, 0),
	WIRE_FIELD(wire_reviewed, verdict, U8, VERDICT_YES, VERDICT_COUNT - 1),
	WIRE_FIELD(wire_reviewed, ns, TEXT, 0, KUBE_NAMESPACE_MAX),
	WIRE_FIELD(wire_reviewed, account, TEXT, 0, KUBE_NAME_MAX),
	WIRE_FIELD(wire_reviewed, account_uid, TEXT, 0, WIRE_UID_MAX),
	WIRE_FIELD(wire_reviewed, pod, TEXT, 0, KUBE_NAME_MAX),
	WIRE_FIELD(wire_reviewed, pod_uid, TEXT, 0, WIRE_UID_MAX),
	WIRE_FIELD(wire_reviewed, node, TEXT, 0, KUBE_NAME_MAX),
	WIRE_FIELD(wire_reviewed, node_uid, TEXT, 0, WIRE_UID_MAX),
	WIRE_FIELD(wire_reviewed, why, TEXT, 0, WIRE_VERDICT_WHY_MAX),
};
static const struct wire_field node_fields[] = {
	WIRE_FIELD(wire_node, id, U64, 0, 0),
	WIRE_FIELD(wire_node, cluster, U8, 0, CONF_CLUSTERS_MAX - 1),
	WIRE_FIELD(wire_node, proxy_ns, TEXT, 1, KUBE_NAMESPACE_MAX),
	WIRE_FIELD(wire_node, proxy_account, TEXT, 1, KUBE_NAME_MAX),
	WIRE_FIELD(wire_node, proxy_pod, TEXT, 1, KUBE_NAME_MAX),
	WIRE_FIELD(wire_node, proxy_uid, TEXT, 1, WIRE_UID_MAX),
	WIRE_FIELD(wire_node, ns, TEXT, 1, KUBE_NAMESPACE_MAX),
	WIRE_FIELD(wire_node, account, TEXT, 1, KUBE_NAME_MAX),
};
static const struct wire_field node_answer_fields[] = {
	WIRE_FIELD(wire_node_answer, id, U64, 0, 0),
	WIRE_FIELD(wire_node_answer, verdict, U8, VERDICT_YES, VERDICT_COUNT - 1),
	WIRE_FIELD(wire_node_answer, why, TEXT, 0, WIRE_VERDICT_WHY_MAX),
};
static const struct wire_field keys_ask_fields[] = {
	WIRE_FIELD(wire_keys_ask, id, U64, 0, 0),
	WIRE_FIELD(wire_keys_ask, issuer, U8, 0, CONF_ISSUERS_MAX - 1),
};

WIRE_WHOLE(review, wire_review, review_fields)
WIRE_WHOLE(reviewed, wire_reviewed, reviewed_fields)
WIRE_WHOLE(node, wire_node, node_fields)
WIRE_WHOLE(node_answer, wire_node_answer, node_answer_fields)
WIRE_WHOLE(keys_ask, wire_keys_ask, keys_ask_fields)
