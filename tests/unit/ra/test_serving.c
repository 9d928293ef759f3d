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
	size_t ready, failed;
};

static struct err heard(void *self, struct chan_msg *msg)
{
	struct fixture *f = self;
	const uint8_t *at = msg->payload.data;

	EVP_PKEY_free(f->asked);
	f->asked = d2i_PUBKEY(NULL, &at, (long)msg->payload.len);
	assert_non_null(f->asked);
	return OK;
}

static const struct chan_rule rules[] = { { 0, FRONT_SERVING, 1, 8192, false, heard, 0 } };

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

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct serving_options o = { .front = &f->front, .ready = on_ready, .failed = on_failed, .ctx = f };
	struct conf_problem problem;
	unsigned frames;
	int fds[2];

	f->log = (struct log){ .level = LOG_ERROR, .process = "front" };
	if (conf_parse(bytes_str("trust_domain: example.org\n"), "test", &f->conf, &problem).code != ERR_OK) fail_msg("%s", problem.text);
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

static int teardown(void **state)
{
	struct fixture *f = *state;

	serving_free(f->serving);
	link_free(f->link);
	loop_free(f->loop);
	chan_free(f->keeper);
	EVP_PKEY_free(f->asked);
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
	serving_on_cert(f->serving, clock_wall() + 86400, BYTES(der, (size_t)n));
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
	serving_on_cert(f->serving, clock_wall() + 86400, bytes_str("no certificate"));
	give_cert(f, f->asked);
	give_cert(f, f->asked);
	assert_int_equal(f->ready, 1);
	assert_int_equal(f->failed, 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_serves_when_it_has_certificate_and_roots),
		TEST(test_certificate_for_a_key_of_before_is_passed_over),
		TEST(test_what_is_no_certificate_or_not_asked_for_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
