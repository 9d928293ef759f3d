#include "net/tls_io.h"

#include <openssl/err.h>
#include <string.h>

#include "base/own.h"

/* CAs between a client's certificate and its root; ours: BROUGHT_CHAIN_MAX and a cross-certificate. */
/* Bytes of a client's Certificate message; ours: clients show the answer whole, roots and all. */
#define PEER_CHAIN_BYTES (64 * 1024)

struct tls {
	SSL_CTX *ctx;
	BIO_METHOD *method;
	size_t refs;
	struct err (*check_peer)(void *ctx, struct bytes leaf_der);
	void *check_ctx;
};

/* ---- memory BIO without memory: see tls_io.h ---- */

static int io_read(BIO *bio, char *to, size_t size, size_t *got)
{
	struct tls_io *io = BIO_get_data(bio);
	size_t n = io->in.len < size ? io->in.len : size;

	BIO_clear_retry_flags(bio);
	*got = n;
	if (n == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	memcpy(to, io->in.data, n);
	io->in = BYTES(io->in.data + n, io->in.len - n);
	return 1;
}

static int io_write(BIO *bio, const char *from, size_t size, size_t *put)
{
	struct tls_io *io = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	*put = 0;
	if (size > io->out_size - io->out_len) return 0;
	memcpy(io->out + io->out_len, from, size);
	io->out_len += size;
	*put = size;
	return 1;
}

static long io_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static struct err make_method(BIO_METHOD **out)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "signet");

	if (m == NULL) FAIL(ERR_INTERNAL, "tls: cannot make a BIO");
	*out = m;
	if (BIO_meth_set_read_ex(m, io_read) != 1 || BIO_meth_set_write_ex(m, io_write) != 1 || BIO_meth_set_ctrl(m, io_ctrl) != 1)
		FAIL(ERR_INTERNAL, "tls: cannot make a BIO");
	return OK;
}

struct err tls_session(struct tls *tls, struct tls_io *io, SSL **out)
{
	AUTO(ssl) SSL *ssl = SSL_new(tls->ctx);
	BIO *bio = BIO_new(tls->method);

	if (ssl == NULL || bio == NULL) {
		BIO_free(bio);
		FAIL_BY(ERR_RESOURCE_EXHAUSTED, "tls: out of memory", ERR_get_error());
	}
	BIO_set_data(bio, io);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_accept_state(ssl);
	*out = MOVE(ssl);
	return OK;
}

/* ---- who may connect ---- */

static int peer_der_checked(const struct tls *tls, X509 *leaf)
{
	uint8_t *der = NULL;
	int len = i2d_X509(leaf, &der);
	int ok = len > 0 && tls->check_peer(tls->check_ctx, BYTES(der, (size_t)len)).code == ERR_OK;

	OPENSSL_free(der);
	return ok;
}

/* OpenSSL's own verification first (chain, dates, purpose sslclient), then ours. */
static int verify_client(X509_STORE_CTX *store, void *arg)
{
	const struct tls *tls = arg;

	if (X509_verify_cert(store) != 1) return 0;
	if (tls->check_peer == NULL || peer_der_checked(tls, X509_STORE_CTX_get0_cert(store))) return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

static int choose_h2(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len,
                     void *arg)
{
	/* #lizard forgives: the signature is the library's */
	static const unsigned char h2[] = { 2, 'h', '2' };
	unsigned char *chosen = NULL;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_len, h2, sizeof(h2), in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* A client that offers no ALPN never reaches choose_h2(); turn it away before any public-key work (RFC 7301 s3.2). */
static int require_alpn(SSL *ssl, int *alert, void *arg)
{
	const unsigned char *data;
	size_t len;

	(void)arg;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &data, &len) == 1)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_CLIENT_HELLO_ERROR;
}

/* ---- certificates and keys ---- */

static BIO *pem_bio(struct bytes pem)
{
	return pem.len == 0 || pem.len > 1024 * 1024 ? NULL : BIO_new_mem_buf(pem.data, (int)pem.len);
}

static inline void auto_bio(BIO **p) { BIO_free(*p); }
static inline void auto_x509(X509 **p) { X509_free(*p); }
static inline void auto_pkey(EVP_PKEY **p) { EVP_PKEY_free(*p); }

/* The next certificate; NULL at the end.  INVALID_ARGUMENT for a block that is damaged. */
static struct err next_cert(BIO *bio, X509 **out)
{
	ERR_clear_error();
	*out = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (*out != NULL) return OK;
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		FAIL_BY(ERR_INVALID_ARGUMENT, "tls: damaged certificate", ERR_peek_last_error());
	ERR_clear_error();
	return OK;
}

struct err tls_use_chain(SSL_CTX *ctx, struct bytes pem)
{
	AUTO(bio) BIO *bio = pem_bio(pem);
	AUTO(x509) X509 *leaf = NULL;

	if (bio == NULL) FAIL(ERR_INVALID_ARGUMENT, "tls: no certificate chain");
	TRY(next_cert(bio, &leaf));
	if (leaf == NULL) FAIL(ERR_INVALID_ARGUMENT, "tls: no certificate in the chain");
	if (SSL_CTX_use_certificate(ctx, leaf) != 1)
		FAIL_BY(ERR_INVALID_ARGUMENT, "tls: certificate cannot be used", ERR_get_error());
	for (;;) {
		AUTO(x509) X509 *next = NULL;

		TRY(next_cert(bio, &next));
		if (next == NULL) return OK;
		if (SSL_CTX_add1_chain_cert(ctx, next) != 1)
			FAIL_BY(ERR_INVALID_ARGUMENT, "tls: chain cannot be used", ERR_get_error());
	}
}

struct err tls_add_roots(X509_STORE *store, struct bytes pem)
{
	AUTO(bio) BIO *bio = pem_bio(pem);
	size_t count = 0;

	if (bio == NULL) FAIL(ERR_INVALID_ARGUMENT, "tls: no root certificates");
	for (;; count++) {
		AUTO(x509) X509 *root = NULL;

		TRY(next_cert(bio, &root));
		if (root == NULL) break;
		if (X509_STORE_add_cert(store, root) != 1)
			FAIL_BY(ERR_INVALID_ARGUMENT, "tls: root cannot be used", ERR_get_error());
	}
	if (count == 0) FAIL(ERR_INVALID_ARGUMENT, "tls: no certificate among the roots");
	return OK;
}

static struct err use_key(SSL_CTX *ctx, struct bytes der)
{
	const unsigned char *at = der.data;
	AUTO(pkey) EVP_PKEY *key = NULL;

	if (der.len == 0 || der.len > 64 * 1024) FAIL(ERR_INVALID_ARGUMENT, "tls: no key");
	key = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
	if (key == NULL) FAIL_BY(ERR_INVALID_ARGUMENT, "tls: key is not PKCS #8", ERR_get_error());
	if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		FAIL_BY(ERR_INVALID_ARGUMENT, "tls: key and certificate do not match", ERR_get_error());
	return OK;
}

/* ---- settings ---- */

#define SUITES_12 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384"
#define GROUPS_PQ "X25519MLKEM768:" GROUPS /* OpenSSL 3.5 and newer know it; ztunnel may insist on it */

struct err tls_harden(SSL_CTX *ctx, int min_version)
{
	bool ok = SSL_CTX_set_min_proto_version(ctx, min_version == 13 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
	          SSL_CTX_set_cipher_list(ctx, SUITES_12) == 1 && SSL_CTX_set_ciphersuites(ctx, SUITES_13) == 1 &&
	          (SSL_CTX_set1_groups_list(ctx, GROUPS_PQ) == 1 || SSL_CTX_set1_groups_list(ctx, GROUPS) == 1);

	ERR_clear_error();
	if (!ok) FAIL(ERR_INTERNAL, "tls: OpenSSL does not know our suites");
	SSL_CTX_set_security_level(ctx, 2); /* RSA 2048 and better, no SHA-1 */
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                                       SSL_OP_CIPHER_SERVER_PREFERENCE);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	return OK;
}

static struct err ask_for_client_certificate(struct tls *tls, struct bytes roots)
{
	if (roots.len == 0) return OK;
	TRY(tls_add_roots(SSL_CTX_get_cert_store(tls->ctx), roots));
	/* No list of CA names is sent: it may be empty (RFC 5246 s7.4.4), and with many roots it is long. */
	SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_verify_depth(tls->ctx, PEER_CHAIN_MAX - 1); /* those between leaf and root */
	SSL_CTX_set_max_cert_list(tls->ctx, PEER_CHAIN_BYTES);
	SSL_CTX_set_cert_verify_callback(tls->ctx, verify_client, tls);
	return OK;
}

static struct err configure(struct tls *tls, const struct tls_options *options)
{
	TRY(tls_harden(tls->ctx, options->min_version));
	if (SSL_CTX_set_num_tickets(tls->ctx, 0) != 1) FAIL(ERR_INTERNAL, "tls: tickets cannot be turned off");
	TRY(tls_use_chain(tls->ctx, options->chain_pem));
	TRY(use_key(tls->ctx, options->key_pkcs8));
	TRY(ask_for_client_certificate(tls, options->client_ca_pem));
	SSL_CTX_set_alpn_select_cb(tls->ctx, choose_h2, NULL);
	SSL_CTX_set_client_hello_cb(tls->ctx, require_alpn, NULL);
	return make_method(&tls->method);
}

static inline void auto_tls(struct tls **p) { tls_unref(*p); }

struct err tls_new(const struct tls_options *options, struct tls **out)
{
	AUTO(tls) struct tls *tls = calloc(1, sizeof(*tls));

	if (tls == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "tls: out of memory");
	tls->refs = 1;
	tls->check_peer = options->check_peer;
	tls->check_ctx = options->check_ctx;
	tls->ctx = SSL_CTX_new(TLS_server_method());
	if (tls->ctx == NULL) FAIL_BY(ERR_INTERNAL, "tls: OpenSSL", ERR_get_error());
	TRY(configure(tls, options));
	*out = MOVE(tls);
	return OK;
}

struct tls *tls_ref(struct tls *tls)
{
	tls->refs++;
	return tls;
}

void tls_unref(struct tls *tls)
{
	if (tls == NULL || --tls->refs > 0) return;
	SSL_CTX_free(tls->ctx);
	BIO_meth_free(tls->method);
	free(tls);
}
