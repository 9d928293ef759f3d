/* The first octet chooses the message.  Whatever a decoder takes, its encoder gives the same bytes for; what it refuses
 * leaves the message zeroed. */
#include <string.h>

#include "base/control.h"
#include "ca/wire_courier.h"
#include "ca/wire_issuers.h"
#include "ca/wire_root.h"

#define CHECK(x)                                                                                                       \
	do {                                                                                                           \
		if (!(x)) __builtin_trap();                                                                            \
	} while (0)

static void compare(struct bytes in, const struct buf *out, struct err put)
{
	CHECK(put.code == ERR_OK);
	CHECK(bytes_equal(in, buf_view(out)));
}

#define WHOLE(n, name, type)                                                                                           \
	case n: {                                                                                                      \
		static struct type m;                                                                                  \
		if (wire_##name##_take(in, &m).code == ERR_OK) compare(in, &out, wire_##name##_put(&out, &m));        \
		break;                                                                                                 \
	}
#define ELEMENT(n, name, type)                                                                                         \
	case n: {                                                                                                      \
		static struct type m;                                                                                  \
		struct bytes rest = in;                                                                                \
		if (wire_##name##_take(&rest, &m).code == ERR_OK)                                                      \
			compare(BYTES(in.data, in.len - rest.len), &out, wire_##name##_put(&out, &m));                 \
		else CHECK(rest.data == in.data && rest.len == in.len);                                                \
		break;                                                                                                 \
	}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(buf) struct buf out = { .max = 1 << 20 };
	struct bytes in;
	struct control_peer peer;

	if (len == 0) return 0;
	in = BYTES(data + 1, len - 1);
	switch (data[0]) {
	WHOLE(1, issue, wire_issue)
	WHOLE(2, token, wire_token_state)
	WHOLE(3, roots, wire_roots)
	WHOLE(4, hello, wire_hello)
	WHOLE(5, token_ask, wire_token_ask)
	WHOLE(6, serving, wire_serving)
	WHOLE(7, issued, wire_issued)
	WHOLE(8, refused, wire_refused)
	WHOLE(9, answer, wire_answer)
	WHOLE(10, token_create, wire_token_create)
	WHOLE(11, token_created, wire_token_created)
	WHOLE(12, cursor, wire_cursor)
	WHOLE(13, subject, wire_subject)
	ELEMENT(14, ban, wire_ban)
	WHOLE(15, query, wire_query)
	WHOLE(16, get, wire_get)
	WHOLE(17, list, wire_list)
	ELEMENT(18, record, store_record)
	ELEMENT(19, token_item, store_token)
	WHOLE(20, status, wire_status)
	WHOLE(22, revoke, wire_revoke)
	WHOLE(23, revoked, wire_revoked)
	ELEMENT(24, revocation, wire_revocation)
	ELEMENT(25, crl, wire_crl)
	WHOLE(26, ca_import, wire_ca_import)
	WHOLE(27, root_step, wire_root_step)
	WHOLE(28, root_done, wire_root_done)
	ELEMENT(29, root_item, wire_root_item)
	ELEMENT(30, event, store_event)
	ELEMENT(31, limit, wire_limit)
	WHOLE(32, issued_chain, wire_issued_chain)
	WHOLE(34, file, wire_file)
	WHOLE(35, signed, wire_signed)
	WHOLE(36, failed, wire_failed)
	ELEMENT(37, issuer, wire_issuer)
	ELEMENT(38, issuer_root, wire_issuer_root)
	case 21:
		if (control_peer_take(in, &peer).code == ERR_OK) compare(in, &out, control_peer_put(&out, &peer));
		break;
	default: break;
	}
	return 0;
}
