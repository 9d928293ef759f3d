#include "ra/answer.h"

#include "csr/cert.h"
#include "der/pem.h"

#define FIELD_CERT_CHAIN 0x0a /* field 1, length-delimited */
#define LABEL "CERTIFICATE"

static struct err put_element_head(struct buf *out, size_t len)
{
	uint8_t head[11] = { FIELD_CERT_CHAIN };
	size_t n = 1;

	for (; len >= 0x80; len >>= 7) head[n++] = (uint8_t)(len | 0x80);
	head[n++] = (uint8_t)len;
	return buf_put(out, head, n);
}

static struct err put_cert(struct buf *out, struct bytes der)
{
	TRY(put_element_head(out, pem_size(der.len, LABEL)));
	return pem_put(out, LABEL, der);
}

/* Each certificate of a PEM text as an element of its own. */
static struct err put_chain(struct buf *out, struct bytes pem)
{
	for (;;) {
		AUTO(buf) struct buf der = { .max = CERT_DER_MAX };
		char label[PEM_LABEL_MAX];
		struct err e = pem_take(&pem, CERT_DER_MAX, label, &der);

		if (e.code == ERR_NOT_FOUND) return OK;
		if (e.code != ERR_OK) return e;
		TRY(put_cert(out, buf_view(&der)));
	}
}

struct err answer_tail_set(struct answer_tail *tail, const struct wire_roots *roots)
{
	AUTO(buf) struct buf encoded = { .max = 2 * WIRE_ROOTS_MAX };
	size_t roots_at;

	if (roots->roots_pem.len == 0) FAIL(ERR_INVALID_ARGUMENT, "front: no root to answer with");
	TRY(put_chain(&encoded, roots->chain_pem));
	roots_at = encoded.len;
	TRY(put_element_head(&encoded, roots->roots_pem.len));
	TRY(buf_put(&encoded, roots->roots_pem.data, roots->roots_pem.len));
	buf_free(&tail->encoded);
	tail->encoded = encoded;
	encoded = (struct buf){ 0 };
	tail->roots_at = roots_at;
	tail->seq = roots->seq;
	return OK;
}

void answer_tail_free(struct answer_tail *tail)
{
	buf_free(&tail->encoded);
}

struct err answer_put(struct buf *out, struct bytes leaf_der, const struct answer_tail *tail)
{
	TRY(put_cert(out, leaf_der));
	return buf_put(out, tail->encoded.data, tail->encoded.len);
}

struct err answer_put_chain(struct buf *out, struct bytes leaf_der, struct bytes chain_pem, const struct answer_tail *tail)
{
	TRY(put_cert(out, leaf_der));
	TRY(put_chain(out, chain_pem));
	return buf_put(out, tail->encoded.data + tail->roots_at, tail->encoded.len - tail->roots_at);
}
