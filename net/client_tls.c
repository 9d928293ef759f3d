#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>

#include "net/client_conn.h"
#include "net/tls_io.h"

static inline void auto_bio(BIO **p) { BIO_free(*p); }
static inline void auto_pkey(EVP_PKEY **p) { EVP_PKEY_free(*p); }

static const char *expected_name(const struct client_conn *c)
{
	return c->options->server_name != NULL ? c->options->server_name : c->at.host;
}

static int no_pass_phrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1; /* OpenSSL would ask on the terminal */
}

static struct err use_client_certificate(struct client_conn *c)
{
	const struct client_options *o = c->options;
	AUTO(bio) BIO *bio = NULL;
	AUTO(pkey) EVP_PKEY *key = NULL;

	if (o->chain_pem.len == 0 && o->key_pem.len == 0) return OK;
	client_say(c, "the client certificate or its key cannot be used");
	TRY(tls_use_chain(c->ctx, o->chain_pem));
	if (o->key_pem.len == 0 || o->key_pem.len > 64 * 1024) FAIL(ERR_INVALID_ARGUMENT, "client: no key for the certificate");
	bio = BIO_new_mem_buf(o->key_pem.data, (int)o->key_pem.len);
	if (bio != NULL) key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
	if (key == NULL || SSL_CTX_use_PrivateKey(c->ctx, key) != 1 || SSL_CTX_check_private_key(c->ctx) != 1)
		FAIL_BY(ERR_INVALID_ARGUMENT, "client: key cannot be used or is of another certificate", ERR_get_error());
	client_say(c, "%s", "");
	return OK;
}

static struct err make_context(struct client_conn *c)
{
	static const unsigned char h2[] = { 2, 'h', '2' };

	c->ctx = SSL_CTX_new(TLS_client_method());
	if (c->ctx == NULL) FAIL_BY(ERR_INTERNAL, "client: OpenSSL", ERR_get_error());
	TRY(tls_harden(c->ctx, 12));
	client_say(c, "the root certificates to trust cannot be read");
	TRY(tls_add_roots(SSL_CTX_get_cert_store(c->ctx), c->options->roots_pem));
	client_say(c, "%s", "");
	TRY(use_client_certificate(c));
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
	if (SSL_CTX_set_alpn_protos(c->ctx, h2, sizeof(h2)) != 0) FAIL(ERR_INTERNAL, "client: OpenSSL");
	return OK;
}

static bool is_ip(const char *name)
{
	uint8_t out[16];

	return inet_pton(AF_INET, name, out) == 1 || inet_pton(AF_INET6, name, out) == 1;
}

static struct err make_ssl(struct client_conn *c)
{
	const char *name = expected_name(c);
	bool ok;

	c->ssl = SSL_new(c->ctx);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1) FAIL_BY(ERR_RESOURCE_EXHAUSTED, "client: OpenSSL", ERR_get_error());
	SSL_set_connect_state(c->ssl);
	if (is_ip(name)) {
		ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(c->ssl), name) == 1;
	} else {
		SSL_set_hostflags(c->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		ok = SSL_set1_host(c->ssl, name) == 1 && SSL_set_tlsext_host_name(c->ssl, name) == 1;
	}
	if (!ok) FAIL_BY(ERR_INVALID_ARGUMENT, "client: server name cannot be used", ERR_get_error());
	return OK;
}

/* ---- what went wrong ---- */

static const struct { int error; const char *text; } verify_texts[] = {
	{ X509_V_ERR_HOSTNAME_MISMATCH, "it is for another name" },
	{ X509_V_ERR_IP_ADDRESS_MISMATCH, "it is for another address" },
	{ X509_V_ERR_CERT_HAS_EXPIRED, "it, or a certificate above it, has expired" },
	{ X509_V_ERR_CERT_NOT_YET_VALID, "it is not valid yet: compare the clocks" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "none of the given root certificates issued it" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "none of the given root certificates issued it" },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "it is self-signed and not among the given roots" },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "its root is not among the given roots" },
	{ X509_V_ERR_CERT_SIGNATURE_FAILURE, "a given root has the name of its issuer, but another key" },
	{ X509_V_ERR_INVALID_PURPOSE, "it is not for servers" },
};

static struct err not_trusted(struct client_conn *c, long error)
{
	const char *text = X509_verify_cert_error_string(error);

	for (size_t i = 0; i < ARRAY_LEN(verify_texts); i++)
		if (verify_texts[i].error == error) text = verify_texts[i].text;
	client_say(c, "the certificate of %s:%s is not trusted for \"%s\": %s", c->at.host, c->at.port, expected_name(c), text);
	FAIL_BY(ERR_UNAUTHENTICATED, "client: the server's certificate does not verify", (unsigned long)error);
}

static struct err lost(struct client_conn *c, const char *when)
{
	unsigned long error = ERR_peek_last_error();
	const char *why = error == 0 ? "it closed the connection" : ERR_reason_error_string(error);

	client_say(c, "TLS with %s:%s failed %s: %s", c->at.host, c->at.port, when, why == NULL ? "system error" : why);
	FAIL_BY(ERR_UNAVAILABLE, "client: connection lost", error);
}

/* After a call of SSL returned r <= 0: wait as it wants, or say why it failed. */
static struct err ssl_wait(struct client_conn *c, int r, const char *when)
{
	switch (SSL_get_error(c->ssl, r)) {
	case SSL_ERROR_WANT_READ: return client_wait(c, POLLIN);
	case SSL_ERROR_WANT_WRITE: return client_wait(c, POLLOUT);
	default: return lost(c, when);
	}
}

struct err client_handshake(struct client_conn *c)
{
	const unsigned char *alpn = NULL;
	unsigned alpn_len = 0;
	int r;

	TRY(make_context(c));
	TRY(make_ssl(c));
	for (;;) {
		ERR_clear_error();
		r = SSL_do_handshake(c->ssl);
		if (r == 1) break;
		if (SSL_get_verify_result(c->ssl) != X509_V_OK) return not_trusted(c, SSL_get_verify_result(c->ssl));
		TRY(ssl_wait(c, r, "in the handshake"));
	}
	SSL_get0_alpn_selected(c->ssl, &alpn, &alpn_len);
	if (bytes_is(BYTES(alpn, alpn_len), "h2")) return OK;
	client_say(c, "%s:%s does not speak HTTP/2", c->at.host, c->at.port);
	FAIL(ERR_INTERNAL, "client: the peer does not speak HTTP/2");
}

struct err client_write(struct client_conn *c, struct bytes data)
{
	size_t n = 0;

	while (data.len > 0) {
		ERR_clear_error();
		if (SSL_write_ex(c->ssl, data.data, data.len, &n) != 1) {
			TRY(ssl_wait(c, 0, "while sending"));
			continue;
		}
		data = BYTES(data.data + n, data.len - n);
	}
	return OK;
}

struct err client_read(struct client_conn *c, uint8_t *data, size_t size, size_t *len)
{
	for (;;) {
		ERR_clear_error();
		if (SSL_read_ex(c->ssl, data, size, len) == 1) return OK;
		*len = 0;
		if (SSL_get_error(c->ssl, 0) == SSL_ERROR_ZERO_RETURN) return OK;
		/* In TLS 1.3 a server refuses a client certificate only now. */
		TRY(ssl_wait(c, 0, "while waiting for the answer"));
	}
}
