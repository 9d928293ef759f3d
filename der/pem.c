#include "der/pem.h"

#include <string.h>

#include "der/base64_stream.h"

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"
#define LINE_BYTES 48 /* RFC 7468 s2: 64 characters a line */
#define LINE_CHARS 64

static size_t body_size(size_t der_len)
{
	size_t rest = der_len % LINE_BYTES;

	return der_len / LINE_BYTES * (LINE_CHARS + 1) + (rest == 0 ? 0 : (rest + 2) / 3 * 4 + 1);
}

size_t pem_size(size_t der_len, const char *label)
{
	return strlen(BEGIN) + strlen(END) + 2 * (strlen(label) + strlen(DASHES) + 1) + body_size(der_len);
}

static struct err put_boundary(struct buf *out, const char *what, const char *label)
{
	TRY(buf_put_str(out, what));
	TRY(buf_put_str(out, label));
	return buf_put(out, DASHES "\n", strlen(DASHES "\n"));
}

struct err pem_put(struct buf *out, const char *label, struct bytes der)
{
	uint8_t *at;

	if (der.len == 0) FAIL(ERR_INVALID_ARGUMENT, "pem: nothing to encode");
	if (der.len > BASE64_IN_MAX) FAIL(ERR_RESOURCE_EXHAUSTED, "pem: over its limit");
	/* All the room at once: a buffer that cannot hold the block stays as it was. */
	TRY(buf_reserve(out, pem_size(der.len, label), &at));
	TRY(put_boundary(out, BEGIN, label));
	at = out->data + out->len;
	out->len += body_size(der.len);
	while (der.len > 0) {
		size_t n = der.len < LINE_BYTES ? der.len : LINE_BYTES;

		base64_encode(der.data, n, false, at);
		at += (n + 2) / 3 * 4;
		*at++ = '\n';
		der = BYTES(der.data + n, der.len - n);
	}
	return put_boundary(out, END, label);
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Take one line without its LF and the white space before it. */
static struct bytes take_line(struct bytes *text)
{
	const uint8_t *lf = text->len == 0 ? NULL : memchr(text->data, '\n', text->len);
	size_t len = lf == NULL ? text->len : (size_t)(lf - text->data);
	struct bytes line = BYTES(text->data, len);
	size_t used = lf == NULL ? len : len + 1;

	while (line.len > 0 && is_space(line.data[line.len - 1])) line.len--;
	if (used > 0) *text = BYTES(text->data + used, text->len - used);
	return line;
}

/* Move to the next line that starts with "-----BEGIN "; false if there is none. */
static bool find_begin(struct bytes *text)
{
	struct bytes rest = *text;

	while (rest.len > 0) {
		if (bytes_has_prefix(rest, bytes_str(BEGIN))) {
			*text = rest;
			return true;
		}
		(void)take_line(&rest);
	}
	return false;
}

static bool is_label_char(uint8_t c)
{
	return c > 0x20 && c < 0x7f && c != '-';
}

/* RFC 7468 s3: visible characters, with single spaces or hyphens between them.  Ours: never empty. */
static bool label_ok(struct bytes label)
{
	if (label.len == 0 || label.len >= PEM_LABEL_MAX || !is_label_char(label.data[label.len - 1])) return false;
	for (size_t i = 0; i < label.len; i++) {
		bool separator = label.data[i] == ' ' || label.data[i] == '-';

		if (separator ? i == 0 || !is_label_char(label.data[i - 1]) : !is_label_char(label.data[i]))
			return false;
	}
	return true;
}

/* "-----BEGIN label-----" or "-----END label-----" -> label. */
static struct err take_boundary(struct bytes *text, const char *what, struct bytes *label)
{
	struct bytes line = take_line(text);
	size_t begin = strlen(what), dashes = strlen(DASHES);

	if (!bytes_has_prefix(line, bytes_str(what)) || line.len < begin + dashes ||
	    !bytes_is(BYTES(line.data + line.len - dashes, dashes), DASHES))
		FAIL(ERR_INVALID_ARGUMENT, "pem: malformed boundary line");
	*label = BYTES(line.data + begin, line.len - begin - dashes);
	if (!label_ok(*label)) FAIL(ERR_INVALID_ARGUMENT, "pem: malformed label");
	return OK;
}

/* The text up to the first '-' (base64 has none), which must start a line. */
static struct err take_body(struct bytes *text, struct bytes *body)
{
	const uint8_t *dash = text->len == 0 ? NULL : memchr(text->data, '-', text->len);

	if (dash == NULL) FAIL(ERR_INVALID_ARGUMENT, "pem: block is not closed");
	*body = BYTES(text->data, (size_t)(dash - text->data));
	if (body->len > 0 && body->data[body->len - 1] != '\n')
		FAIL(ERR_INVALID_ARGUMENT, "pem: character outside base64");
	*text = BYTES(dash, text->len - body->len);
	return OK;
}

static struct err decode_body(struct bytes body, size_t max, struct buf *der)
{
	size_t bound = body.len / 4 * 3 + 3, room = der->max > der->len ? der->max - der->len : 0;
	struct base64_stream s;
	struct err e = OK;
	uint8_t *at;

	if (bound > max) bound = max;
	if (bound > room) bound = room;
	if (bound == 0) FAIL(ERR_RESOURCE_EXHAUSTED, "pem: no room");
	/* All at once: growing later would leave a copy of what may be a private key. */
	TRY(buf_reserve(der, bound, &at));
	s = base64_stream(false, at, bound);
	while (body.len > 0 && e.code == ERR_OK) e = base64_stream_feed(&s, take_line(&body));
	if (e.code == ERR_OK) e = base64_stream_end(&s);
	if (e.code == ERR_RESOURCE_EXHAUSTED && bound == max) FAIL(ERR_INVALID_ARGUMENT, "pem: over its size limit");
	TRY(e);
	if (s.len == 0) FAIL(ERR_INVALID_ARGUMENT, "pem: empty block");
	der->len += s.len;
	return OK;
}

struct err pem_take(struct bytes *text, size_t max, char label[PEM_LABEL_MAX], struct buf *der)
{
	struct bytes rest = *text, begin, body, end;

	if (!find_begin(&rest)) FAIL(ERR_NOT_FOUND, "pem: no block");
	TRY(take_boundary(&rest, BEGIN, &begin));
	TRY(take_body(&rest, &body));
	TRY(take_boundary(&rest, END, &end));
	if (!bytes_equal(begin, end)) FAIL(ERR_INVALID_ARGUMENT, "pem: BEGIN and END labels differ");
	TRY(decode_body(body, max, der));
	memcpy(label, begin.data, begin.len);
	label[begin.len] = '\0';
	*text = rest;
	return OK;
}

struct err pem_take_only(struct bytes text, size_t max, char label[PEM_LABEL_MAX], struct buf *der)
{
	struct bytes rest = text;
	size_t before = der->len;
	char found[PEM_LABEL_MAX];
	struct err e = pem_take(&rest, max, found, der);

	if (e.code == ERR_NOT_FOUND) FAIL(ERR_INVALID_ARGUMENT, "pem: no block");
	TRY(e);
	while (rest.len > 0 && (is_space(rest.data[0]) || rest.data[0] == '\n'))
		rest = BYTES(rest.data + 1, rest.len - 1);
	if (rest.len > 0) {
		der->len = before;
		FAIL(ERR_INVALID_ARGUMENT, "pem: something follows the only block");
	}
	memcpy(label, found, sizeof(found));
	return OK;
}

struct bytes pem_cut_cert(struct bytes *text)
{
	static const char end[] = END "CERTIFICATE" DASHES "\n";
	const uint8_t *at = memmem(text->data, text->len, end, sizeof(end) - 1);
	size_t n = at == NULL ? text->len : (size_t)(at - text->data) + sizeof(end) - 1;
	struct bytes block = BYTES(text->data, n);

	*text = BYTES(text->data + n, text->len - n);
	return block;
}
