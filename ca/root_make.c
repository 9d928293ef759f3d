#include "ca/root_make.h"

#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "ca/lint.h"

void root_key_label(const uint8_t ski[KEY_SKI_LEN], char label[ROOT_LABEL_MAX])
{
	char hex[2 * KEY_SKI_LEN + 1];

	bytes_hex(BYTES(ski, KEY_SKI_LEN), hex);
	(void)snprintf(label, ROOT_LABEL_MAX, "ca-root-key/%s", hex);
}

struct wait {
	struct hsm_job job; /* first, so that the job is the wait */
	sem_t done;
	struct err result;
};

static void wait_done(struct hsm_job *job, struct err result)
{
	struct wait *w = (struct wait *)job;

	w->result = result;
	sem_post(&w->done);
}

static struct err sign_now(struct hsm_key *key, struct bytes msg, struct wait *w)
{
	*w = (struct wait){ .job = { .msg = msg, .done = wait_done } };
	if (sem_init(&w->done, 0, 0) != 0) FAIL(ERR_INTERNAL, "ca: cannot wait for a signature");
	hsm_key_sign(key, &w->job);
	while (sem_wait(&w->done) != 0) continue; /* EINTR */
	sem_destroy(&w->done);
	return w->result;
}

struct err roots_sign(struct hsm_key *key, struct bytes msg, struct hsm_job *job)
{
	struct wait w;
	struct err e = sign_now(key, msg, &w);

	*job = w.job;
	return e;
}

struct making { /* a root on its way */
	const struct roots_options *options;
	struct hsm_key *key;
	struct template *template;
	struct key_info info;
	uint8_t ski[KEY_SKI_LEN], serial[SERIAL_LEN];
	struct buf name, tbs;
	char uri[sizeof("spiffe://") + SPIFFE_TRUST_DOMAIN_MAX];
};
static void auto_making(struct making *m)
{
	hsm_key_free(m->key);
	template_free(m->template);
	buf_free(&m->name);
	buf_free(&m->tbs);
}

static struct err root_build(struct making *m)
{
	const struct conf *conf = m->options->conf;
	int64_t now = m->options->now, lifetime = conf->ca.root_lifetime;
	struct bytes uri = bytes_str(m->uri), serial = BYTES(m->serial, SERIAL_LEN);
	struct template_request r = { .profile = PROFILE_ROOT, .serial = serial, .not_before = now - TEMPLATE_BACKDATE,
				      .not_after = now + lifetime, .spki = m->info.spki, .key_type = m->info.type,
				      .ski = m->ski, .uri = uri };
	struct lint_want want = { .profile = PROFILE_ROOT, .issuer = buf_view(&m->name),
				  .algorithm = key_scheme_der(hsm_key_scheme(m->key)), .issuer_ski = BYTES(m->ski, KEY_SKI_LEN),
				  .spki = m->info.spki, .ski = BYTES(m->ski, KEY_SKI_LEN), .key_type = m->info.type,
				  .trust_domain = conf_text(conf, conf->trust_domain), .uri = uri, .replica = m->serial[0],
				  .now = now, .max_lifetime = lifetime, .chain_not_after = r.not_after };

	TRY(template_build(m->template, &r, &m->tbs));
	return lint_tbs(buf_view(&m->tbs), &want);
}

static struct err root_sign(struct making *m, struct buf *cert)
{
	AUTO(key_verifier) struct key_verifier *verifier = NULL;
	struct wait w;

	TRY(sign_now(m->key, buf_view(&m->tbs), &w));
	TRY(key_verifier_new(&verifier));
	TRY(key_verify(verifier, &m->info, hsm_key_scheme(m->key), w.job.msg, BYTES(w.job.sig, w.job.sig_len)));
	return template_seal(m->template, buf_view(&m->tbs), BYTES(w.job.sig, w.job.sig_len), cert);
}

static struct err root_prepare(struct making *m, struct bytes pkcs8)
{
	const struct conf *conf = m->options->conf;
	const char *trust_domain = conf_text(conf, conf->trust_domain);

	TRY(hsm_key_load(pkcs8, 1, &m->key));
	TRY(key_info_parse(hsm_key_spki(m->key), &m->info));
	TRY(key_ski(m->info.key_bits, m->ski));
	TRY(serials_next(m->options->serials, m->options->now, m->serial));
	TRY(template_root_name(trust_domain, m->ski, &m->name));
	(void)snprintf(m->uri, sizeof(m->uri), "spiffe://%s", trust_domain);
	return template_new(buf_view(&m->name), m->ski, hsm_key_scheme(m->key), &m->template);
}

struct err root_make(const struct roots_options *o, struct buf *cert, struct buf *blob)
{
	AUTO(making) struct making m = { .options = o, .name = { .max = TEMPLATE_NAME_MAX }, .tbs = { .max = STORE_CERT_MAX } };
	AUTO(buf_wipe) struct buf pkcs8 = { .max = SET_BLOB_MAX };
	enum key_type type;
	unsigned bits;
	char label[ROOT_LABEL_MAX];

	TRY(hsm_key_spec(conf_text(o->conf, o->conf->ca.key_type), &type, &bits));
	TRY(hsm_key_generate(type, bits, &pkcs8));
	TRY(root_prepare(&m, buf_view(&pkcs8)));
	TRY(root_build(&m));
	TRY(root_sign(&m, cert));
	root_key_label(m.ski, label);
	return hsm_wrap(o->ca_kek, label, buf_view(&pkcs8), blob);
}

/* ---- a root signed by another: RFC 5280 s3.2, "cross-certificates" ---- */

static struct err cross_build(const struct roots_options *o, const struct root_signer *by, const struct cert *next, struct buf *tbs)
{
	uint8_t ski[KEY_SKI_LEN], serial[SERIAL_LEN];
	int64_t end = next->not_after < by->not_after ? next->not_after : by->not_after;
	struct template_request r = { .profile = PROFILE_CROSS, .serial = BYTES(serial, SERIAL_LEN),
				      .not_before = o->now - TEMPLATE_BACKDATE, .not_after = end, .spki = next->key.spki,
				      .key_type = next->key.type, .ski = ski, .uri = next->uri, .subject = next->subject };
	struct lint_want want = { .profile = PROFILE_CROSS, .issuer = by->name, .algorithm = by->algorithm,
				  .issuer_ski = BYTES(by->ski, KEY_SKI_LEN), .spki = next->key.spki, .ski = BYTES(ski, KEY_SKI_LEN),
				  .key_type = next->key.type, .trust_domain = conf_text(o->conf, o->conf->trust_domain),
				  .uri = next->uri, .subject = next->subject, .now = o->now, .max_lifetime = end - o->now,
				  .chain_not_after = by->not_after };

	TRY(key_ski(next->key.key_bits, ski));
	TRY(serials_next(o->serials, o->now, serial));
	want.replica = serial[0];
	TRY(template_build(by->template, &r, tbs));
	return lint_tbs(buf_view(tbs), &want);
}

struct err root_cross(const struct roots_options *o, const struct root_signer *by, struct bytes next, struct buf *cert)
{
	AUTO(key_verifier) struct key_verifier *verifier = NULL;
	AUTO(buf) struct buf tbs = { .max = STORE_CERT_MAX };
	struct key_info signer;
	struct cert parsed;
	struct wait w;

	TRY(cert_parse(next, &parsed));
	TRY(cross_build(o, by, &parsed, &tbs));
	TRY(sign_now(by->key, buf_view(&tbs), &w));
	TRY(key_info_parse(hsm_key_spki(by->key), &signer));
	TRY(key_verifier_new(&verifier));
	TRY(key_verify(verifier, &signer, hsm_key_scheme(by->key), w.job.msg, BYTES(w.job.sig, w.job.sig_len)));
	return template_seal(by->template, buf_view(&tbs), BYTES(w.job.sig, w.job.sig_len), cert);
}
