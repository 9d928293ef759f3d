/* The first octet chooses the message.  Whatever a decoder takes, its encoder gives the same bytes for; what it refuses leaves the
 * message zeroed; and what it takes is within the bounds that its readers rely on. */
#include <string.h>

#include "k8s_csr/wire_front.h"

#define CHECK(x)                                                                                                       \
	do {                                                                                                           \
		if (!(x)) __builtin_trap();                                                                            \
	} while (0)

#define MESSAGE(n, name, type, sane)                                                                                   \
	case n: {                                                                                                      \
		static const struct type none;                                                                         \
		struct type m;                                                                                         \
		memset(&m, 0xa5, sizeof(m));                                                                           \
		if (wire_##name##_take(in, &m).code == ERR_OK) {                                                       \
			CHECK(sane);                                                                                   \
			CHECK(wire_##name##_put(&out, &m).code == ERR_OK && bytes_equal(in, buf_view(&out)));          \
		} else CHECK(memcmp(&m, &none, sizeof(m)) == 0);                                                       \
		break;                                                                                                 \
	}

static bool text(struct bytes b, size_t least, size_t most)
{
	return b.len >= least && b.len <= most && !bytes_has_nul(b);
}

static bool verdict(uint8_t v) { return v >= VERDICT_YES && v < VERDICT_COUNT; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(buf) struct buf out = { .max = 1 << 20 };
	struct bytes in;

	if (len == 0) return 0;
	in = BYTES(data + 1, len - 1);
	switch (data[0]) {
	MESSAGE(1, review, wire_review,
	        m.issuer < CONF_ISSUERS_MAX && m.cluster < CONF_CLUSTERS_MAX && text(m.token, 1, WIRE_TOKEN_MAX))
	MESSAGE(2, reviewed, wire_reviewed,
	        verdict(m.verdict) && text(m.ns, 0, KUBE_NAMESPACE_MAX) && text(m.account, 0, KUBE_NAME_MAX) &&
	                text(m.account_uid, 0, WIRE_UID_MAX) && text(m.pod, 0, KUBE_NAME_MAX) && text(m.pod_uid, 0, WIRE_UID_MAX) &&
	                text(m.node, 0, KUBE_NAME_MAX) && text(m.node_uid, 0, WIRE_UID_MAX) && text(m.why, 0, WIRE_VERDICT_WHY_MAX))
	MESSAGE(3, node, wire_node,
		m.cluster < CONF_CLUSTERS_MAX && text(m.proxy_ns, 1, KUBE_NAMESPACE_MAX) &&
			text(m.proxy_account, 1, KUBE_NAME_MAX) && text(m.proxy_pod, 1, KUBE_NAME_MAX) &&
			text(m.proxy_uid, 1, WIRE_UID_MAX) && text(m.ns, 1, KUBE_NAMESPACE_MAX) &&
			text(m.account, 1, KUBE_NAME_MAX))
	MESSAGE(4, node_answer, wire_node_answer, verdict(m.verdict) && text(m.why, 0, WIRE_VERDICT_WHY_MAX))
	MESSAGE(5, keys_ask, wire_keys_ask, m.issuer < CONF_ISSUERS_MAX)
	default: break;
	}
	return 0;
}
