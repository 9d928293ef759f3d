#include "cli/cert_text.h"

#include <arpa/inet.h>
#include <string.h>

#include <openssl/x509.h>

#include "base/clock.h"
#include "cli/text.h"
#include "csr/csr.h"
#include "der/pem.h"
#include "key/key.h"

#define LINE_MAX_TEXT 4096
#define LABEL_WIDTH 13

/* ---- parts ---- */

/* RFC 2253 with commas and spaces, UTF-8 left as it is, control characters escaped. */
static void name_text(struct bytes der, char *out, size_t size)
{
	const unsigned char *at = der.data;
	X509_NAME *name = d2i_X509_NAME(NULL, &at, (long)der.len);
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long n = 0;

	out[0] = '\0';
	if (name != NULL && bio != NULL &&
	    X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0)
		n = BIO_get_mem_data(bio, &text);
	if (n > 0) (void)snprintf(out, size, "%.*s", (int)n, text);
	else (void)snprintf(out, size, "(empty)");
	BIO_free(bio);
	X509_NAME_free(name);
}

static void colon_hex(struct bytes v, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < v.len && at + 4 <= size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%02x", i == 0 ? "" : ":", v.data[i]);
}

static void san_text(unsigned tag, struct bytes value, char *out, size_t size)
{
	if (tag == CSR_SAN_IP && (value.len == 4 || value.len == 16))
		(void)inet_ntop(value.len == 4 ? AF_INET : AF_INET6, value.data, out, (socklen_t)size);
	else if (tag == CSR_SAN_URI || tag == CSR_SAN_DNS)
		(void)snprintf(out, size, "%.*s", (int)value.len, value.data);
	else (void)snprintf(out, size, "(name of kind %u)", tag);
}

static void key_text(const struct cert *cert, char *out, size_t size)
{
	if (cert->key.type == KEY_RSA) (void)snprintf(out, size, "RSA %u", cert->key.bits);
	else (void)snprintf(out, size, "%s", key_type_name(cert->key.type));
}

static const struct {
	uint16_t bit;
	const char *name;
} usages[] = {
	{ CERT_KU_DIGITAL_SIGNATURE, "digitalSignature" }, { 1 << 1, "contentCommitment" },
	{ CERT_KU_KEY_ENCIPHERMENT, "keyEncipherment" },   { 1 << 3, "dataEncipherment" },
	{ 1 << 4, "keyAgreement" },                        { CERT_KU_KEY_CERT_SIGN, "keyCertSign" },
	{ CERT_KU_CRL_SIGN, "cRLSign" },                   { 1 << 7, "encipherOnly" },
	{ 1 << 8, "decipherOnly" },
};

typedef void use_fn(void *ctx, const char *name);

static void each_usage(const struct cert *cert, use_fn *use, void *ctx)
{
	for (size_t i = 0; i < ARRAY_LEN(usages); i++)
		if ((cert->key_usage & usages[i].bit) != 0) use(ctx, usages[i].name);
	if (cert->eku_server) use(ctx, "serverAuth");
	if (cert->eku_client) use(ctx, "clientAuth");
	if (cert->eku_any) use(ctx, "anyExtendedKeyUsage");
}

static bool fingerprint(struct bytes der, char out[2 * KEY_SHA256_LEN + 1])
{
	uint8_t digest[KEY_SHA256_LEN];

	if (key_sha256(der, digest).code != ERR_OK) return false;
	bytes_hex(BYTES(digest, sizeof(digest)), out);
	return true;
}

/* ---- text ---- */

static void line(FILE *out, const char *margin, const char *label, const char *text)
{
	AUTO(buf) struct buf safe = { .max = 2 * LINE_MAX_TEXT };

	if (text_put_safe(&safe, bytes_str(text)).code != ERR_OK) return;
	fprintf(out, "%s%-*s %.*s\n", margin, LABEL_WIDTH, label, (int)safe.len, safe.len > 0 ? (const char *)safe.data : "");
}

static void put_names(FILE *out, const struct cert *cert, const char *margin)
{
	struct bytes names = cert->san, value;
	char text[LINE_MAX_TEXT];
	unsigned tag;

	while (cert_san_next(&names, &tag, &value).code == ERR_OK) {
		bool spiffe = tag == CSR_SAN_URI && bytes_has_prefix(value, bytes_str("spiffe://"));

		san_text(tag, value, text, sizeof(text));
		line(out, margin, spiffe ? "SPIFFE ID" : tag == CSR_SAN_DNS ? "DNS name" : tag == CSR_SAN_IP ? "address" : "name",
		     text);
	}
}

static void add_word(void *ctx, const char *name)
{
	char *text = ctx;
	size_t n = strlen(text);

	(void)snprintf(text + n, LINE_MAX_TEXT - n, "%s%s", n == 0 ? "" : ", ", name);
}

void cli_cert_text(FILE *out, const struct cert *cert, int64_t now, const char *margin)
{
	char text[LINE_MAX_TEXT], when[TEXT_TIME_MAX], lifetime[TEXT_TIME_MAX], hash[65];

	put_names(out, cert, margin);
	if (!cert->subject_empty) {
		name_text(cert->subject, text, sizeof(text));
		line(out, margin, "subject", text);
	}
	name_text(cert->issuer, text, sizeof(text));
	line(out, margin, "issuer", text);
	colon_hex(cert->serial, text, sizeof(text));
	line(out, margin, "serial", text);
	line(out, margin, "not before", text_time(cert->not_before, now, when));
	(void)snprintf(text, sizeof(text), "%s%s", text_time(cert->not_after, now, when), cert->not_after <= now ? " EXPIRED" : "");
	line(out, margin, "not after", text);
	line(out, margin, "lifetime", text_duration(cert->not_after - cert->not_before, lifetime));
	key_text(cert, text, sizeof(text));
	line(out, margin, "key", text);
	text[0] = '\0';
	each_usage(cert, add_word, text);
	line(out, margin, "usage", text[0] == '\0' ? "(any)" : text);
	line(out, margin, "CA", cert->ca ? "yes" : "no");
	if (fingerprint(cert->der, hash)) line(out, margin, "SHA-256", hash);
	if (fingerprint(cert->key.spki, hash)) line(out, margin, "key SHA-256", hash);
}

/* ---- JSON ---- */

static void add_json(void *ctx, const char *name)
{
	(void)json_array_append_new(ctx, json_string(name));
}

static json_t *names_json(const struct cert *cert, unsigned want)
{
	struct bytes names = cert->san, value;
	json_t *list = json_array();
	char text[LINE_MAX_TEXT];
	unsigned tag;

	while (cert_san_next(&names, &tag, &value).code == ERR_OK) {
		if (tag != want) continue;
		san_text(tag, value, text, sizeof(text));
		(void)json_array_append_new(list, json_string(text));
	}
	return list;
}

struct err cli_cert_json(const struct cert *cert, json_t **out)
{
	char issuer[LINE_MAX_TEXT], subject[LINE_MAX_TEXT], serial[64], key[32], before[TEXT_TIME_MAX], after[TEXT_TIME_MAX];
	char hash[65] = "", key_hash[65] = "";
	json_t *use = json_array();

	name_text(cert->issuer, issuer, sizeof(issuer));
	name_text(cert->subject, subject, sizeof(subject));
	bytes_hex(cert->serial, serial);
	key_text(cert, key, sizeof(key));
	clock_text(cert->not_before, before);
	clock_text(cert->not_after, after);
	(void)fingerprint(cert->der, hash);
	(void)fingerprint(cert->key.spki, key_hash);
	each_usage(cert, add_json, use);
	*out = json_pack("{so so so ss ss ss ss ss ss so sb ss ss}", "uris", names_json(cert, CSR_SAN_URI), "dns_names",
	                 names_json(cert, CSR_SAN_DNS), "ip_addresses", names_json(cert, CSR_SAN_IP), "subject",
	                 cert->subject_empty ? "" : subject, "issuer", issuer, "serial", serial, "not_before", before,
	                 "not_after", after, "key", key, "usages", use, "ca", (int)cert->ca, "sha256", hash, "key_sha256",
	                 key_hash);
	return *out == NULL ? ERR(ERR_INTERNAL, "cli: a name of the certificate is not text") : OK;
}

/* ---- files ---- */

static struct err one_der(struct bytes der, struct err (*one)(void *ctx, const struct cert *cert), void *ctx)
{
	struct cert cert;

	TRY(cert_parse(der, &cert));
	return one(ctx, &cert);
}

struct err cli_cert_each(struct bytes text, struct err (*one)(void *ctx, const struct cert *cert), void *ctx)
{
	char label[PEM_LABEL_MAX];
	size_t count = 0;

	if (text.len > 0 && text.data[0] == 0x30) return one_der(text, one, ctx); /* SEQUENCE */
	for (;;) {
		AUTO(buf) struct buf der = { .max = CERT_DER_MAX };
		struct err e = pem_take(&text, CERT_DER_MAX, label, &der);

		if (e.code == ERR_NOT_FOUND && count > 0) return OK;
		if (e.code == ERR_NOT_FOUND) FAIL(ERR_INVALID_ARGUMENT, "cli: there is no certificate in it");
		if (e.code != ERR_OK) return e;
		if (strcmp(label, "CERTIFICATE") != 0) continue; /* a key or parameters may stand beside */
		count++;
		TRY(one_der(buf_view(&der), one, ctx));
	}
}
