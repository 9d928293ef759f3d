/* What decodes, encodes to the same bytes, and stays within its bounds; what does not, leaves the output untouched.
 * Input: one octet (record, token, ban, revocation or event), then the stored value. */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "storage/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool want)
{
	if (!want) __builtin_trap();
}

static void same(struct bytes raw, const struct buf *again)
{
	check(bytes_equal(raw, buf_view(again)));
}

static void inside(struct bytes raw, struct bytes v, size_t max)
{
	check(v.len <= max && (v.len == 0 || (v.data >= raw.data && v.len <= raw.len - (size_t)(v.data - raw.data))));
}

static void fuzz_record(struct bytes raw)
{
	AUTO(buf) struct buf again = { .max = 1 << 17 };
	struct store_record r, before;

	memset(&r, 0x5a, sizeof(r));
	before = r;
	if (store_record_decode(raw, &r).code != ERR_OK) {
		check(memcmp(&r, &before, sizeof(r)) == 0);
		return;
	}
	check(r.serial.len >= 1);
	inside(raw, r.serial, STORE_SERIAL_MAX);
	inside(raw, r.spiffe_id, STORE_TEXT_MAX);
	inside(raw, r.caller, STORE_TEXT_MAX);
	inside(raw, r.rule, STORE_TEXT_MAX);
	inside(raw, r.issuer, STORE_TEXT_MAX);
	inside(raw, r.cert, STORE_CERT_MAX);
	inside(raw, r.node, STORE_NODE_MAX);
	inside(raw, r.request_id, STORE_REQUEST_ID_MAX);
	check(store_record_encode(&r, &again).code == ERR_OK);
	same(raw, &again);
}

static void fuzz_token(struct bytes raw)
{
	AUTO(buf) struct buf again = { .max = 1 << 17 };
	struct store_token t;

	memset(&t, 0x5a, sizeof(t));
	if (store_token_decode(raw, &t).code != ERR_OK) return;
	check(t.hash[0] == 0x5a && t.hash[STORE_HASH_LEN - 1] == 0x5a && strlen(t.id) == 32);
	check(store_token_encode(&t, &again).code == ERR_OK);
	same(raw, &again);
}

static void fuzz_ban(struct bytes raw)
{
	AUTO(buf) struct buf again = { .max = 1 << 17 };
	struct store_ban b;

	if (store_ban_decode(raw, &b).code != ERR_OK) return;
	check(store_ban_encode(&b, &again).code == ERR_OK);
	same(raw, &again);
}

static void fuzz_revocation(struct bytes raw)
{
	AUTO(buf) struct buf again = { .max = 1 << 17 };
	struct store_revocation r = { .serial_len = 3, .serial = { 1, 2, 3 } };

	if (store_revocation_decode(raw, &r).code != ERR_OK) return;
	check(r.serial_len == 3 && r.serial[2] == 3 && r.reason <= STORE_REASON_MAX);
	check(store_revocation_encode(&r, &again).code == ERR_OK);
	same(raw, &again);
}

static void fuzz_event(struct bytes raw)
{
	AUTO(buf) struct buf again = { .max = 1 << 17 };
	struct store_event ev = { .index = 7 };

	if (store_event_decode(raw, &ev).code != ERR_OK) return;
	check(ev.index == 7 && ev.what[0] != '\0' && strlen(ev.subject) <= STORE_TEXT_MAX);
	check(store_event_encode(&ev, &again).code == ERR_OK);
	same(raw, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const kinds[])(struct bytes) = { fuzz_record, fuzz_token, fuzz_ban, fuzz_revocation, fuzz_event };

	if (len > 0) kinds[data[0] % ARRAY_LEN(kinds)](BYTES(data + 1, len - 1));
	return 0;
}
