/* support.h: a small CA in memory and a configuration, for the tests of ca/. */
#ifndef SIGNET_TESTS_CA_SUPPORT_H
#define SIGNET_TESTS_CA_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/x509v3.h>

#include "base/clock.h"
#include "ca/lint.h"
#include "ca/serial.h"
#include "ca/template.h"
#include "conf/load.h"
#include "hsm/hsm.h"

#define TRUST_DOMAIN "example.org"
#define WORKLOAD "spiffe://" TRUST_DOMAIN "/ns/a/sa/b"
#define TEXT(s) BYTES(s, sizeof(s) - 1)

static inline void must(struct err e, const char *what)
{
	if (e.code != ERR_OK) fail_msg("%s: %s", what, e.reason);
}
#define MUST(call) must(call, #call)

static inline struct conf *conf_of(const char *yaml)
{
	struct conf_problem problem = { "" };
	struct conf *c = NULL;
	struct err e = conf_parse(bytes_str(yaml), "test", &c, &problem);

	if (e.code != ERR_OK) fail_msg("%s", problem.text);
	return c;
}

struct key { /* a private key and what is known of its public half */
	struct hsm_key *key;
	struct key_info info;
	uint8_t ski[KEY_SKI_LEN];
};

static inline struct key key_make(const char *spec)
{
	AUTO(buf_wipe) struct buf pkcs8 = { .max = 8192 };
	enum key_type type;
	unsigned bits;
	struct key k = { 0 };

	MUST(hsm_key_spec(spec, &type, &bits));
	MUST(hsm_key_generate(type, bits, &pkcs8));
	MUST(hsm_key_load(buf_view(&pkcs8), 1, &k.key));
	MUST(key_info_parse(hsm_key_spki(k.key), &k.info));
	MUST(key_ski(k.info.key_bits, k.ski));
	return k;
}

struct signing {
	struct hsm_job job;
	_Atomic int state; /* 1: done, 2: failed */
};
static inline void signing_done(struct hsm_job *job, struct err result)
{
	((struct signing *)job)->state = result.code == ERR_OK ? 1 : 2;
}
static inline void sign(struct hsm_key *key, struct bytes msg, struct signing *s)
{
	*s = (struct signing){ .job = { .msg = msg, .done = signing_done } };
	hsm_key_sign(key, &s->job);
	while (s->state == 0) usleep(200);
	assert_int_equal(s->state, 1);
}

/* A certificate as OpenSSL reads it, after it has agreed that our encoding is the only one. */
static inline X509 *x509_of(struct bytes der)
{
	const uint8_t *p = der.data;
	uint8_t *again = NULL;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);
	int n;

	assert_non_null(x);
	assert_ptr_equal(p, der.data + der.len);
	/* This returns the bytes that were read; the TBS is encoded afresh below. */
	n = i2d_X509(x, &again);
	assert_int_equal(n, (int)der.len);
	assert_memory_equal(again, der.data, der.len);
	OPENSSL_free(again);
	again = NULL;
	n = i2d_re_X509_tbs(x, &again);
	assert_true(n > 0 && (size_t)n < der.len);
	assert_memory_equal(again, der.data + 4, (size_t)n); /* behind the Certificate's own tag and length */
	OPENSSL_free(again);
	return x;
}

/* One issuer and one request, ready to be built; `uri` and so on may be changed in between. */
struct stage {
	struct key ca, leaf;
	struct buf name, tbs, cert;
	struct template *template;
	uint8_t serial[SERIAL_LEN];
	int64_t now;
	struct template_request request;
	struct lint_want want;
};

static inline void stage_request(struct stage *s, enum template_profile profile, const struct key *subject)
{
	struct bytes uri = profile == PROFILE_ROOT ? TEXT("spiffe://" TRUST_DOMAIN) : profile == PROFILE_WORKLOAD ? TEXT(WORKLOAD) : BYTES_NONE;

	s->request = (struct template_request){ .profile = profile, .serial = BYTES(s->serial, SERIAL_LEN),
						.not_before = s->now - TEMPLATE_BACKDATE, .not_after = s->now + 3600,
						.spki = subject->info.spki, .key_type = subject->info.type, .ski = subject->ski, .uri = uri };
	s->want = (struct lint_want){ .profile = profile, .issuer = buf_view(&s->name),
				      .algorithm = key_scheme_der(hsm_key_scheme(s->ca.key)), .issuer_ski = BYTES(s->ca.ski, KEY_SKI_LEN),
				      .spki = subject->info.spki, .ski = BYTES(subject->ski, KEY_SKI_LEN), .key_type = subject->info.type,
				      .trust_domain = TRUST_DOMAIN, .uri = uri, .replica = 1, .now = s->now, .max_lifetime = 3600,
				      .chain_not_after = s->now + 7200 };
}

static inline void stage_open(struct stage *s, const char *ca, const char *leaf)
{
	AUTO(serials) struct serials *serials = NULL;

	*s = (struct stage){ .name = { .max = 1024 }, .tbs = { .max = 65536 }, .cert = { .max = 65536 }, .now = clock_wall() };
	s->ca = key_make(ca);
	s->leaf = key_make(leaf);
	MUST(template_root_name(TRUST_DOMAIN, s->ca.ski, &s->name));
	MUST(template_new(buf_view(&s->name), s->ca.ski, hsm_key_scheme(s->ca.key), &s->template));
	MUST(serials_new(1, &serials));
	MUST(serials_next(serials, s->now, s->serial));
	stage_request(s, PROFILE_WORKLOAD, &s->leaf);
}

/* Build and lint and sign: a fresh certificate in s->cert. */
static inline void stage_issue(struct stage *s)
{
	struct signing sig;

	s->tbs.len = s->cert.len = 0;
	MUST(template_build(s->template, &s->request, &s->tbs));
	s->want.names = s->request.names;
	s->want.name_count = s->request.name_count;
	MUST(lint_tbs(buf_view(&s->tbs), &s->want));
	sign(s->ca.key, buf_view(&s->tbs), &sig);
	MUST(template_seal(s->template, buf_view(&s->tbs), BYTES(sig.job.sig, sig.job.sig_len), &s->cert));
}

static inline void stage_close(struct stage *s)
{
	template_free(s->template);
	hsm_key_free(s->ca.key);
	hsm_key_free(s->leaf.key);
	buf_free(&s->name);
	buf_free(&s->tbs);
	buf_free(&s->cert);
}

#endif
