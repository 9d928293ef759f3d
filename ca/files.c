#include "ca/files.h"

#include "base/own.h"
#include "base/wire.h"

static const char *const names[CA_FILE_COUNT] = {
	[CA_FILE_CERT] = "ca-cert.pem", [CA_FILE_KEY] = "ca-key.pem",   [CA_FILE_CHAIN] = "cert-chain.pem",
	[CA_FILE_ROOTS] = "root-cert.pem", [CA_FILE_CRL] = "ca-crl.pem", [CA_FILE_TLS_CERT] = "tls.crt",
	[CA_FILE_TLS_KEY] = "tls.key",  [CA_FILE_TLS_ROOTS] = "ca.crt", [CA_FILE_PASSPHRASE] = "the passphrase file",
	[CA_FILE_IMPORTED] = "the imported chain", [CA_FILE_IMPORTED_ROOTS] = "the imported roots",
};

const char *ca_file_name(enum ca_file file)
{
	return names[file];
}

bool ca_file_is_read(enum ca_file file)
{
	return file != CA_FILE_CRL;
}

struct err ca_files_put(struct buf *out, const struct ca_files *files)
{
	for (unsigned i = 0; i < CA_FILE_COUNT; i++) {
		if (!files->there[i]) continue;
		TRY(wire_put_u8(out, (uint8_t)i));
		TRY(wire_put_u32(out, (uint32_t)files->text[i].len));
		TRY(buf_put(out, files->text[i].data, files->text[i].len));
	}
	return OK;
}

struct err ca_files_take(struct bytes in, struct ca_files *files)
{
	struct ca_files got = { 0 };
	uint32_t len;
	uint8_t file;

	while (in.len > 0) {
		TRY(wire_u8(&in, &file));
		TRY(wire_u32(&in, &len));
		if (file >= CA_FILE_COUNT || got.there[file] || len > in.len) FAIL(ERR_INVALID_ARGUMENT, "ca: malformed files");
		got.there[file] = true;
		got.text[file] = BYTES(in.data, len);
		in = BYTES(in.data + len, in.len - len);
	}
	*files = got;
	return OK;
}
