#include "ca/crl.h"

#define OID(...) ((struct bytes){ (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) })
#define OID_CRL_NUMBER OID(0x55, 0x1d, 0x14)  /* 2.5.29.20, RFC 5280 s5.2.3 */
#define OID_REASON_CODE OID(0x55, 0x1d, 0x15) /* 2.5.29.21, s5.3.1 */
#define OID_AKI OID(0x55, 0x1d, 0x23)         /* 2.5.29.35, s5.2.1 */
#define VERSION_2 1                           /* s5.1.2.1 */

struct err crl_begin(struct crl_writer *w, const struct crl_head *head, struct buf *out)
{
	*w = (struct crl_writer){ .head = head, .out = out };
	TRY(der_open(out, DER_SEQUENCE, &w->tbs));
	TRY(der_put_uint(out, VERSION_2));
	TRY(buf_put(out, head->algorithm.data, head->algorithm.len));
	TRY(buf_put(out, head->issuer.data, head->issuer.len));
	TRY(der_put_time(out, head->this_update));
	return der_put_time(out, head->next_update);
}

/* An extension that is not critical, whose value is `value`'s content (DER). */
static struct err put_extension(struct buf *out, struct bytes oid, struct bytes value)
{
	struct der_open extension;

	TRY(der_open(out, DER_SEQUENCE, &extension));
	TRY(der_put(out, DER_OID, oid));
	TRY(der_put(out, DER_OCTET_STRING, value));
	return der_close(out, &extension);
}

static struct err put_reason(struct buf *out, uint8_t reason)
{
	uint8_t value[] = { DER_ENUMERATED, 1, reason };
	struct der_open extensions;

	TRY(der_open(out, DER_SEQUENCE, &extensions));
	TRY(put_extension(out, OID_REASON_CODE, BYTES(value, sizeof(value))));
	return der_close(out, &extensions);
}

/* The list is opened with its first entry: an empty one MUST be absent (s5.1.2.6). */
struct err crl_put(struct crl_writer *w, const struct crl_entry *entry)
{
	struct der_open item;

	if (w->count++ == 0) TRY(der_open(w->out, DER_SEQUENCE, &w->list));
	TRY(der_open(w->out, DER_SEQUENCE, &item));
	TRY(der_put_unsigned(w->out, entry->serial));
	TRY(der_put_time(w->out, entry->time));
	if (entry->reason != 0) TRY(put_reason(w->out, entry->reason));
	return der_close(w->out, &item);
}

static struct err put_aki(struct buf *out, const uint8_t ski[KEY_SKI_LEN])
{
	uint8_t room[KEY_SKI_LEN + 8];
	struct buf value = { .data = room, .cap = sizeof(room), .max = sizeof(room) };
	struct der_open aki;

	TRY(der_open(&value, DER_SEQUENCE, &aki));
	TRY(der_put(&value, DER_CONTEXT(0), BYTES(ski, KEY_SKI_LEN)));
	TRY(der_close(&value, &aki));
	return put_extension(out, OID_AKI, buf_view(&value));
}

static struct err put_number(struct buf *out, uint64_t number)
{
	uint8_t room[16];
	struct buf value = { .data = room, .cap = sizeof(room), .max = sizeof(room) };

	TRY(der_put_uint(&value, number));
	return put_extension(out, OID_CRL_NUMBER, buf_view(&value));
}

struct err crl_end(struct crl_writer *w)
{
	struct der_open tagged, extensions;
	struct buf *out = w->out;

	if (w->count > 0) TRY(der_close(out, &w->list));
	TRY(der_open(out, DER_CONTEXT_CONSTRUCTED(0), &tagged));
	TRY(der_open(out, DER_SEQUENCE, &extensions));
	TRY(put_aki(out, w->head->ski));
	TRY(put_number(out, w->head->number));
	TRY(der_close(out, &extensions));
	TRY(der_close(out, &tagged));
	return der_close(out, &w->tbs);
}

struct err crl_seal(const struct crl_head *head, struct bytes tbs, struct bytes signature, struct buf *out)
{
	struct der_open list;

	TRY(der_open(out, DER_SEQUENCE, &list));
	TRY(buf_put(out, tbs.data, tbs.len));
	TRY(buf_put(out, head->algorithm.data, head->algorithm.len));
	TRY(der_put_octet_bits(out, signature));
	return der_close(out, &list);
}

bool crl_is_due(int64_t this_update, int64_t next_update, int64_t now)
{
	return now < this_update || now >= this_update + (next_update - this_update) / 2;
}
