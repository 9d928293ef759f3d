#include "ra/serving.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "csr/cert.h"
#include "der/pem.h"
#include "ra/serving_csr.h"

#define RETRY_MS 5000          /* ours: when the keeper refused or forgot a renewal */
#define RETRY_MAX_MS 300000    /* ours: doubled up to this, while another issuer refuses */
#define FORGOTTEN_MS 30000     /* ours: after another issuer's deadline, at which the keeper answers */

struct serving {
	struct serving_options o;
	struct timer *renew;
	bool from_files;
	const struct conf_csr_issuer *issuer; /* tls.issuer; NULL: our own CA */
	int64_t retry_ms;            /* after the next refusal */
	EVP_PKEY *key;               /* of the certificate in use */
	EVP_PKEY *next;              /* of the certificate asked for */
	struct buf leaf_pem;             /* the certificate in use, and the chain that it came under */
	struct buf chain_pem, roots_pem; /* as the keeper says now */
};

static void auto_pkcs8(PKCS8_PRIV_KEY_INFO **p)
{
	PKCS8_PRIV_KEY_INFO_free(*p);
}

static struct err key_pkcs8(EVP_PKEY *key, struct buf *out)
{
	AUTO(pkcs8) PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	uint8_t *at, *end;
	int n = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, NULL);

	if (n <= 0) FAIL(ERR_INTERNAL, "front: cannot encode the serving key");
	TRY(buf_reserve(out, (size_t)n, &at));
	end = at;
	if (i2d_PKCS8_PRIV_KEY_INFO(info, &end) != n) FAIL(ERR_INTERNAL, "front: cannot encode the serving key");
	out->len += (size_t)n;
	return OK;
}

/* New TLS settings from what is known now; silently not yet, if something is missing. */
static struct err rebuild(struct serving *s)
{
	AUTO(buf_wipe) struct buf pkcs8 = { .max = 16 * 1024 };
	struct tls *tls = NULL;
	struct tls_options t = { .min_version = (int)s->o.front->conf->tls.min_version, .client_ca_pem = buf_view(&s->roots_pem),
		                 .check_peer = s->o.check_peer, .check_ctx = s->o.check_ctx };

	if (s->roots_pem.len == 0 || s->leaf_pem.len == 0) return OK;
	if (!s->o.front->conf->auth.mtls) t.client_ca_pem = BYTES_NONE;
	TRY(key_pkcs8(s->key, &pkcs8));
	t.chain_pem = buf_view(&s->leaf_pem);
	t.key_pkcs8 = buf_view(&pkcs8);
	TRY(tls_new(&t, &tls));
	s->o.ready(s->o.ctx, tls);
	tls_unref(tls);
	return OK;
}

static void settle(struct serving *s, struct err e)
{
	if (e.code == ERR_OK) return;
	log_event(s->o.front->log, LOG_ERROR, "serving", F_ERR(e));
	s->o.failed(s->o.ctx, e);
}

static struct err ask_our_own(struct serving *s)
{
	uint8_t *spki = NULL;
	int n = i2d_PUBKEY(s->next, &spki);
	struct err e;

	if (n <= 0) FAIL(ERR_INTERNAL, "front: cannot encode a serving key");
	e = link_ask_serving(s->o.link, FRONT_SERVING, BYTES(spki, (size_t)n));
	OPENSSL_free(spki);
	if (e.code == ERR_OK) e = timer_start(s->renew, RETRY_MS);
	return e;
}

static struct err ask_another(struct serving *s)
{
	AUTO(buf) struct buf csr = { .max = CSR_DER_MAX };

	TRY(serving_csr(s->o.front->conf, s->next, &csr));
	TRY(link_ask_serving(s->o.link, FRONT_SERVING_CSR, buf_view(&csr)));
	return timer_start(s->renew, s->issuer->deadline * 1000 + FORGOTTEN_MS);
}

static struct err ask(struct serving *s)
{
	EVP_PKEY_free(s->next);
	s->next = EVP_EC_gen("P-256");
	if (s->next == NULL) FAIL(ERR_INTERNAL, "front: cannot make a serving key");
	return s->issuer == NULL ? ask_our_own(s) : ask_another(s);
}

static struct err ask_first(struct serving *s)
{
	const struct conf *conf = s->o.front->conf;
	int at = conf_csr_issuer_find(conf, bytes_str(conf_text(conf, conf->tls.issuer)));

	if (at < 0) return ask(s);
	s->issuer = &conf->csr_issuers[at];
	log_event(s->o.front->log, LOG_INFO, "serving_waits", F_STR("issuer", conf_text(conf, s->issuer->name)),
		  F_STR("note", "not ready until tls.issuer has signed the certificate to serve with"));
	return ask(s);
}

static void on_renew(void *ctx)
{
	struct serving *s = ctx;

	settle(s, ask(s));
}

static struct err load_files(struct serving *s)
{
	struct bytes pem = s->o.front->tls_key_pem;
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);

	s->from_files = true;
	s->key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t) "");
	BIO_free(bio);
	if (s->key == NULL) FAIL(ERR_INVALID_ARGUMENT, "front: tls.key_file holds no readable private key");
	return buf_put(&s->leaf_pem, s->o.front->tls_chain_pem.data, s->o.front->tls_chain_pem.len);
}

struct err serving_new(const struct serving_options *options, struct serving **out)
{
	struct serving *s = calloc(1, sizeof(*s));
	struct err e;

	if (s == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "front: out of memory");
	s->o = *options;
	s->retry_ms = RETRY_MS;
	s->chain_pem.max = s->roots_pem.max = WIRE_ROOTS_MAX;
	s->leaf_pem.max = 2 * WIRE_ROOTS_MAX;
	e = timer_new(options->loop, on_renew, s, &s->renew);
	if (e.code == ERR_OK) e = options->front->tls_chain_pem.len > 0 ? load_files(s) : ask_first(s);
	if (e.code != ERR_OK) serving_free(s);
	else *out = s;
	return e;
}

void serving_free(struct serving *s)
{
	if (s == NULL) return;
	timer_free(s->renew);
	EVP_PKEY_free(s->key);
	EVP_PKEY_free(s->next);
	buf_free(&s->leaf_pem);
	buf_free(&s->chain_pem);
	buf_free(&s->roots_pem);
	free(s);
}

static struct err replace(struct buf *b, struct bytes with)
{
	b->len = 0;
	return buf_put(b, with.data, with.len);
}

/* Is each certificate of `before` in `now` as well?  Both are the keeper's PEM, which has one way to write each. */
static bool are_all_in(struct bytes before, struct bytes now)
{
	while (before.len > 0) {
		struct bytes root = pem_cut_cert(&before);

		if (memmem(now.data, now.len, root.data, root.len) == NULL) return false;
	}
	return true;
}

void serving_on_roots(struct serving *s, const struct wire_roots *roots)
{
	bool kept = are_all_in(buf_view(&s->roots_pem), roots->roots_pem);
	struct err e = replace(&s->chain_pem, roots->chain_pem);

	if (e.code == ERR_OK) e = replace(&s->roots_pem, roots->roots_pem);
	if (e.code == ERR_OK) e = rebuild(s);
	if (!kept) s->o.distrust(s->o.ctx);
	/* Another CA signs now: what we have is good until it ends, but new clients may know the new roots only. */
	if (e.code == ERR_OK && s->leaf_pem.len > 0 && !s->from_files) e = ask(s);
	settle(s, e);
}

/* A keeper whose disk was slow answers when we have asked again, with another key. */
static bool is_for(EVP_PKEY *key, struct bytes der)
{
	const uint8_t *at = der.data;
	X509 *cert = d2i_X509(NULL, &at, (long)der.len);
	bool same = cert != NULL && EVP_PKEY_eq(X509_get0_pubkey(cert), key) == 1;

	X509_free(cert);
	return same;
}

/* Milliseconds until half of what is left is over. */
static int64_t renew_in(int64_t left)
{
#ifdef SIGNET_TEST_POINTS /* a test cannot wait for half of tls.lifetime */
	const char *text = getenv("SIGNET_TEST_RENEW_MS");

	if (text != NULL) return atoll(text);
#endif
	return left > 2 ? left / 2 * 1000 : RETRY_MS;
}

static int64_t end_of(const struct link_serving *m)
{
	struct cert cert;

	return m->chained && cert_parse(m->cert, &cert).code == ERR_OK ? cert.not_after : m->not_after;
}

void serving_on_cert(struct serving *s, const struct link_serving *m)
{
	struct bytes chain = m->chained ? m->chain_pem : buf_view(&s->chain_pem);
	int64_t not_after = end_of(m);
	struct err e;

	if (s->next == NULL || s->from_files || !is_for(s->next, m->cert)) return;
	EVP_PKEY_free(s->key);
	s->key = MOVE(s->next);
	s->retry_ms = RETRY_MS;
	s->leaf_pem.len = 0;
	e = pem_put(&s->leaf_pem, "CERTIFICATE", m->cert);
	if (e.code == ERR_OK) e = buf_put(&s->leaf_pem, chain.data, chain.len);
	if (e.code == ERR_OK) e = rebuild(s);
	if (e.code == ERR_OK) e = timer_start(s->renew, renew_in(not_after - clock_wall()));
	metric_set(s->o.front->metrics, M_CERT_EXPIRY, (uint64_t)not_after);
	settle(s, e);
}

/* Our own CA is asked again soon, for what it refuses passes soon; another issuer is given more and more time. */
void serving_on_refused(struct serving *s, struct err why)
{
	if (s->issuer == NULL || s->next == NULL) return;
	log_event(s->o.front->log, LOG_WARN, "serving_refused", F_STR("issuer", conf_text(s->o.front->conf, s->issuer->name)),
		  F_INT("again_in_s", s->retry_ms / 1000), F_ERR(why));
	settle(s, timer_start(s->renew, s->retry_ms));
	s->retry_ms = s->retry_ms * 2 < RETRY_MAX_MS ? s->retry_ms * 2 : RETRY_MAX_MS;
}
