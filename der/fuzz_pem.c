/* Contract: outputs are set if and only if OK; a block written again is one block with the same label and bytes, for
 * us and for OpenSSL. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/own.h"
#include "der/pem.h"

#define MAX (64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void openssl_agrees(struct bytes text, const char *label, struct bytes der)
{
	BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
	char *name = NULL, *header = NULL;
	unsigned char *body = NULL;
	long n = 0;

	if (bio == NULL) __builtin_trap();
	if (PEM_read_bio(bio, &name, &header, &body, &n) != 1) __builtin_trap();
	if (strcmp(name, label) != 0 || header[0] != '\0') __builtin_trap();
	if (!bytes_equal(BYTES(body, (size_t)n), der)) __builtin_trap();
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(body);
	BIO_free(bio);
	ERR_clear_error();
}

static void round_trip(const char *label, struct bytes der)
{
	AUTO(buf) struct buf text = { .max = pem_size(der.len, label) }, back = { .max = der.len };
	char again[PEM_LABEL_MAX];

	if (pem_put(&text, label, der).code != ERR_OK || text.len != text.max) __builtin_trap();
	if (pem_take_only(buf_view(&text), der.len, again, &back).code != ERR_OK) __builtin_trap();
	if (strcmp(label, again) != 0 || !bytes_equal(buf_view(&back), der)) __builtin_trap();
	openssl_agrees(buf_view(&text), label, der);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(buf) struct buf all = { .max = MAX }, only = { .max = MAX };
	struct bytes text = BYTES(data, len);
	char label[PEM_LABEL_MAX] = "kept", first[PEM_LABEL_MAX] = "";
	size_t blocks = 0, first_len = 0;
	struct err e;

	for (;;) {
		size_t before = all.len, left = text.len;

		e = pem_take(&text, MAX, label, &all);
		if (e.code != ERR_OK) {
			if (all.len != before || text.len != left) __builtin_trap();
			break;
		}
		if (text.len >= left || all.len <= before) __builtin_trap();
		if (blocks++ == 0) {
			memcpy(first, label, sizeof(first));
			first_len = all.len;
		}
		round_trip(label, BYTES(all.data + before, all.len - before));
	}
	e = pem_take_only(BYTES(data, len), MAX, label, &only);
	if (e.code != ERR_OK && (e.code != ERR_INVALID_ARGUMENT || only.len != 0)) __builtin_trap();
	if (e.code != ERR_OK) return 0;
	if (blocks != 1 || strcmp(first, label) != 0 || !bytes_equal(buf_view(&only), BYTES(all.data, first_len)))
		__builtin_trap();
	return 0;
}
