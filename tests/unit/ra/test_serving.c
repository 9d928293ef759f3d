/* The front's own certificate: which answers of the keeper make it serve; the test plays the keeper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "conf/load.h"
#include "net_pki.h"
#include "ra/serving.h"

struct fixture {
	struct loop *loop;
	struct timer *timer;
	struct link *link;
	struct serving *serving;
	struct metrics metrics;
	struct log log;
	struct conf *conf;
	struct front_options front;
	struct chan *keeper;
	struct pki_ca ca;
	EVP_PKEY *asked;   /* the key that the front wants certified */
	X509_REQ *csr;     /* if it comes from another issuer */
	size_t ready, failed, asks;
};

static struct err heard(void *self, struct chan_msg *msg)
{
	struct fixture *f = self;
	const uint8_t *at = msg->payload.data;

	f->asks++;
	EVP_PKEY_free(f->asked);
	if (msg->type == FRONT_SERVING_CSR) {
		X509_REQ_free(f->csr);
		f->csr = d2i_X509_REQ(NULL, &at, (long)msg->payload.len);
		assert_non_null(f->csr);
		f->asked = X509_REQ_get_pubkey(f->csr);
		assert_int_equal(X509_REQ_verify(f->csr, f->asked), 1);
	} else {
		f->asked = d2i_PUBKEY(NULL, &at, (long)msg->payload.len);
	}
	assert_non_null(f->asked);
	return OK;
}

static const struct chan_rule rules[] = { { 0, FRONT_SERVING, 1, 8192, false, heard, 0 },
					   { 0, FRONT_SERVING_CSR, 1, 8192, false, heard, 0 } };

static void on_ready(void *ctx, struct tls *tls)
{
	assert_non_null(tls);
	((struct fixture *)ctx)->ready++;
}

static void on_failed(void *ctx, struct err why)
{
	(void)why;
	((struct fixture *)ctx)->failed++;
}

static int setup_with(void **state, const char *yaml)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct serving_options o = { .front = &f->front, .ready = on_ready, .failed = on_failed, .ctx = f };
	struct conf_problem problem;
	unsigned frames;
	int fds[2];

	f->log = (struct log){ .level = LOG_ERROR, .process = "front" };
	if (conf_parse(bytes_str(yaml), "test", &f->conf, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	f->front = (struct front_options){ .conf = f->conf, .log = &f->log, .metrics = &f->metrics };
	f->ca = pki_ca_new("root");
	assert_int_equal(loop_new(&f->loop).code, ERR_OK);
	assert_int_equal(chan_pair(fds).code, ERR_OK);
	assert_int_equal(chan_new(fds[1], rules, ARRAY_LEN(rules), f, &f->keeper).code, ERR_OK);
	assert_int_equal(link_new(f->loop, fds[0], &f->metrics, 4, &f->link).code, ERR_OK);
	o.loop = f->loop;
	o.link = f->link;
	assert_int_equal(serving_new(&o, &f->serving).code, ERR_OK);
	assert_int_equal(chan_receive(f->keeper, 4, &frames).code, ERR_OK);
	assert_non_null(f->asked);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, "trust_domain: example.org\n");
}

static int setup_issuer(void **state)
{
	return setup_with(state, "trust_domain: example.org\nclusters: [{ id: c }]\n"
				 "issuers: [{ name: mesh, cluster: c, signer_name: a.example/mesh, roots_file: /r }]\n"
				 "tls: { issuer: mesh, names: [signet.a.example, 127.0.0.1, '::1'] }\n");
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	serving_free(f->serving);
	link_free(f->link);
	loop_free(f->loop);
	chan_free(f->keeper);
	EVP_PKEY_free(f->asked);
	X509_REQ_free(f->csr);
	pki_ca_free(&f->ca);
	conf_free(f->conf);
	free(f);
	return 0;
}

static void give_roots(struct fixture *f)
{
	struct wire_roots roots = { .seq = 1, .roots_pem = f->ca.pem };

	serving_on_roots(f->serving, &roots);
}

static void give_cert(struct fixture *f, EVP_PKEY *key)
{
	X509 *x = pki_blank(key, "front", 1);
	uint8_t *der = NULL;
	int n;

	assert_true(X509_sign(x, f->ca.key, EVP_sha256()) > 0);
	n = i2d_X509(x, &der);
	assert_true(n > 0);
	if (f->csr == NULL)
		serving_on_cert(f->serving, &(struct link_serving){ .not_after = clock_wall() + 86400, .cert = BYTES(der, (size_t)n) });
	else
		serving_on_cert(f->serving,
				&(struct link_serving){ .cert = BYTES(der, (size_t)n), .chained = true, .chain_pem = f->ca.pem });
	OPENSSL_free(der);
	X509_free(x);
}

static void test_serves_when_it_has_certificate_and_roots(void **state)
{
	struct fixture *f = *state;

	give_cert(f, f->asked);
	assert_int_equal(f->ready, 0);
	give_roots(f);
	assert_int_equal(f->ready, 1);
	assert_int_equal(f->failed, 0);
	give_roots(f);
	assert_int_equal(f->ready, 2);
}

static void test_certificate_for_a_key_of_before_is_passed_over(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY *before = EVP_EC_gen("P-256");

	give_roots(f);
	give_cert(f, before);
	assert_int_equal(f->ready + f->failed, 0);
	give_cert(f, f->asked);
	assert_int_equal(f->ready, 1);
	assert_int_equal(f->failed, 0);
	EVP_PKEY_free(before);
}

static void test_what_is_no_certificate_or_not_asked_for_is_passed_over(void **state)
{
	struct fixture *f = *state;

	give_roots(f);
	serving_on_cert(f->serving, &(struct link_serving){ .not_after = clock_wall() + 86400, .cert = bytes_str("no certificate") });
	give_cert(f, f->asked);
	give_cert(f, f->asked);
	assert_int_equal(f->ready, 1);
	assert_int_equal(f->failed, 0);
}

/* ---- by another issuer ---- */

static void test_another_issuer_is_asked_for_the_configured_names_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(f->csr);
	GENERAL_NAMES *names = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);
	static const uint8_t four[] = { 127, 0, 0, 1 };
	const ASN1_STRING *dns, *ip;

	assert_int_equal(X509_NAME_entry_count(X509_REQ_get_subject_name(f->csr)), 0);
	assert_int_equal(sk_X509_EXTENSION_num(extensions), 1);
	assert_int_equal(sk_GENERAL_NAME_num(names), 3);
	dns = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 0), NULL);
	ip = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 1), NULL);
	assert_int_equal(ASN1_STRING_length(dns), strlen("signet.a.example"));
	assert_memory_equal(ASN1_STRING_get0_data(dns), "signet.a.example", strlen("signet.a.example"));
	assert_int_equal(ASN1_STRING_length(ip), 4);
	assert_memory_equal(ASN1_STRING_get0_data(ip), four, 4);
	assert_int_equal(ASN1_STRING_length(GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 2), NULL)), 16);
	GENERAL_NAMES_free(names);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

static void test_serves_when_another_issuer_has_signed(void **state)
{
	struct fixture *f = *state;

	give_roots(f);
	assert_int_equal(f->ready, 0);
	give_cert(f, f->asked);
	assert_int_equal(f->ready, 1);
	assert_int_equal(f->failed, 0);
	/* its end is that of the certificate itself: a day (pki_blank) */
	assert_true(f->metrics.value[M_CERT_EXPIRY] > (uint64_t)clock_wall());
}

static void on_time(void *ctx)
{
	loop_stop(ctx);
}

/* It is asked again later, not at once, and may then sign; what is refused meanwhile does no harm. */
static void test_another_issuer_that_refuses_is_given_time(void **state)
{
	struct fixture *f = *state;
	struct timer *timer;
	unsigned frames;

	give_roots(f);
	for (int i = 0; i < 100; i++) serving_on_refused(f->serving, ERR(ERR_PERMISSION_DENIED, "no"));
	assert_int_equal(timer_new(f->loop, on_time, f->loop, &timer).code, ERR_OK);
	assert_int_equal(timer_start(timer, 50).code, ERR_OK);
	assert_int_equal(loop_run(f->loop).code, ERR_OK);
	timer_free(timer);
	assert_int_equal(chan_receive(f->keeper, 4, &frames).code, ERR_OK);
	assert_int_equal(f->asks, 1);
	assert_int_equal(f->ready + f->failed, 0);
	give_cert(f, f->asked);
	assert_int_equal(f->ready, 1);
	serving_on_refused(f->serving, ERR(ERR_PERMISSION_DENIED, "no")); /* of a request of before */
	assert_int_equal(f->failed, 0);
}

#define ISSUER(t) cmocka_unit_test_setup_teardown(t, setup_issuer, teardown)
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_serves_when_it_has_certificate_and_roots),
		TEST(test_certificate_for_a_key_of_before_is_passed_over),
		TEST(test_what_is_no_certificate_or_not_asked_for_is_passed_over),
		ISSUER(test_another_issuer_is_asked_for_the_configured_names_and_nothing_else),
		ISSUER(test_serves_when_another_issuer_has_signed),
		ISSUER(test_another_issuer_that_refuses_is_given_time),
		ISSUER(test_certificate_for_a_key_of_before_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
