/* The CRL: OpenSSL reads what is built, encodes it again to the same bytes, and verifies it; then the keeper's schedule and
 * numbers. */
#include "ca/wall_clock.h"
#include "ca/world.h"

#include <openssl/x509.h>

#include "ca/crl.h"

/* ---- the builder ---- */

struct made {
	struct key ca;
	struct buf name, tbs, der;
	X509_CRL *crl;
};

static void make_begin(struct made *m, const char *key_type)
{
	*m = (struct made){ .ca = key_make(key_type), .name = { .max = 512 }, .tbs = { .max = 1 << 24 }, .der = { .max = 1 << 24 } };
	MUST(template_root_name(TRUST_DOMAIN, m->ca.ski, &m->name));
}

static void make_end(struct made *m)
{
	X509_CRL_free(m->crl);
	hsm_key_free(m->ca.key);
	buf_free(&m->name);
	buf_free(&m->tbs);
	buf_free(&m->der);
}

static struct crl_head head_of(const struct made *m)
{
	return (struct crl_head){ .issuer = buf_view(&m->name), .algorithm = key_scheme_der(hsm_key_scheme(m->ca.key)), .ski = m->ca.ski,
				  .number = 300, .this_update = 1800000000, .next_update = 1800003600 };
}

static void crl_read(struct made *m)
{
	struct crl_head head = head_of(m);
	struct signing s;
	const uint8_t *p;
	uint8_t *again = NULL;
	EVP_PKEY *key;
	int n;

	sign(m->ca.key, buf_view(&m->tbs), &s);
	MUST(crl_seal(&head, buf_view(&m->tbs), BYTES(s.job.sig, s.job.sig_len), &m->der));
	p = m->der.data;
	m->crl = d2i_X509_CRL(NULL, &p, (long)m->der.len);
	assert_non_null(m->crl);
	assert_ptr_equal(p, m->der.data + m->der.len);
	p = m->ca.info.spki.data;
	key = d2i_PUBKEY(NULL, &p, (long)m->ca.info.spki.len);
	assert_int_equal(X509_CRL_verify(m->crl, key), 1);
	EVP_PKEY_free(key);
	n = i2d_re_X509_CRL_tbs(m->crl, &again); /* encoded afresh */
	assert_int_equal(n, (int)m->tbs.len);
	assert_memory_equal(again, m->tbs.data, m->tbs.len);
	OPENSSL_free(again);
}

static void put(struct crl_writer *w, const char *serial, int64_t time, uint8_t reason)
{
	MUST(crl_put(w, &(struct crl_entry){ .serial = bytes_str(serial), .time = time, .reason = reason }));
}

static void test_openssl_reads_what_is_built(void **state)
{
	static const char *const keys[] = { "p256", "p384", "ed25519", "rsa2048" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct made m;
		struct crl_writer w;
		struct crl_head head;
		ASN1_INTEGER *number;
		AUTHORITY_KEYID *aki;
		int critical = 0;

		make_begin(&m, keys[i]);
		head = head_of(&m);
		MUST(crl_begin(&w, &head, &m.tbs));
		put(&w, "\x01", 1799990000, 0);
		put(&w, "\x7f""fifteen octets..", 1799990001, 1);
		put(&w, "\xff", 2600000000, 10); /* a sign octet; and a GeneralizedTime */
		MUST(crl_end(&w));
		crl_read(&m);
		assert_int_equal(X509_CRL_get_version(m.crl), 1);
		assert_int_equal(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(m.crl)), 3);
		number = X509_CRL_get_ext_d2i(m.crl, NID_crl_number, &critical, NULL);
		assert_int_equal(ASN1_INTEGER_get(number), 300);
		assert_int_equal(critical, 0);
		ASN1_INTEGER_free(number);
		aki = X509_CRL_get_ext_d2i(m.crl, NID_authority_key_identifier, &critical, NULL);
		assert_memory_equal(aki->keyid->data, m.ca.ski, KEY_SKI_LEN);
		AUTHORITY_KEYID_free(aki);
		make_end(&m);
	}
}

static void test_a_reason_is_there_only_if_it_says_something(void **state)
{
	struct made m;
	struct crl_writer w;
	struct crl_head head;
	int critical = 0;

	(void)state;
	make_begin(&m, "p256");
	head = head_of(&m);
	MUST(crl_begin(&w, &head, &m.tbs));
	for (uint8_t reason = 0; reason <= 10; reason++)
		put(&w, (char[]){ (char)(reason + 1), '\0' }, 1799990000, reason);
	MUST(crl_end(&w));
	crl_read(&m);
	for (int i = 0; i <= 10; i++) {
		X509_REVOKED *r = sk_X509_REVOKED_value(X509_CRL_get_REVOKED(m.crl), i);
		ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(r, NID_crl_reason, &critical, NULL);

		if (i == 0) assert_null(reason);
		else assert_int_equal(ASN1_ENUMERATED_get(reason), i);
		ASN1_ENUMERATED_free(reason);
		assert_int_equal(X509_REVOKED_get_ext_count(r), i == 0 ? 0 : 1);
	}
	make_end(&m);
}

static void test_an_empty_list_has_no_list(void **state)
{
	struct made m;
	struct crl_writer w;
	struct crl_head head;

	(void)state;
	make_begin(&m, "p256");
	head = head_of(&m);
	MUST(crl_begin(&w, &head, &m.tbs));
	MUST(crl_end(&w));
	crl_read(&m);
	assert_null(X509_CRL_get_REVOKED(m.crl));
	make_end(&m);
}

static void test_what_cannot_be_said_is_refused(void **state)
{
	struct buf small = { .max = 200 };
	struct made m;
	struct crl_writer w;
	struct crl_head head;
	struct err e = OK;

	(void)state;
	make_begin(&m, "p256");
	head = head_of(&m);
	head.next_update = INT64_MAX;
	assert_int_equal(crl_begin(&w, &head, &m.tbs).code, ERR_OUT_OF_RANGE);
	head = head_of(&m);
	m.tbs.len = 0;
	MUST(crl_begin(&w, &head, &m.tbs));
	assert_int_equal(crl_put(&w, &(struct crl_entry){ .serial = TEXT("\1"), .time = INT64_MIN }).code, ERR_OUT_OF_RANGE);
	MUST(crl_begin(&w, &head, &small));
	for (unsigned i = 0; e.code == ERR_OK && i < 100; i++)
		e = crl_put(&w, &(struct crl_entry){ .serial = TEXT("\1"), .time = 1799990000 });
	assert_int_equal(e.code, ERR_RESOURCE_EXHAUSTED);
	buf_free(&small);
	make_end(&m);
}

/* At most a second on any machine that this runs on; `make bench` prints the figure. */
static void test_a_hundred_thousand_entries(void **state)
{
	struct made m;
	struct crl_writer w;
	struct crl_head head;
	int64_t from;

	(void)state;
	make_begin(&m, "p256");
	head = head_of(&m);
	from = clock_mono_us();
	MUST(crl_begin(&w, &head, &m.tbs));
	for (uint32_t i = 0; i < 100000; i++) {
		uint8_t serial[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

		memcpy(serial + 12, &i, sizeof(i));
		MUST(crl_put(&w, &(struct crl_entry){ .serial = BYTES(serial, sizeof(serial)), .time = 1799990000, .reason = 1 }));
	}
	MUST(crl_end(&w));
	print_message("built in %lld us, %zu bytes\n", (long long)(clock_mono_us() - from), m.tbs.len);
	crl_read(&m);
	assert_int_equal(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(m.crl)), 100000);
	make_end(&m);
}

static void test_it_is_due_after_half_its_life(void **state)
{
	static const struct { int64_t now; bool due; } rows[] = { { 999, true },  { 1000, false }, { 1049, false }, { 1050, true },
		                                                  { 1100, true }, { 5000, true } };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) assert_int_equal(crl_is_due(1000, 1100, rows[i].now), rows[i].due);
}

/* ---- the keeper's ---- */

struct seen {
	struct wire_crl crl;
	X509_CRL *x;
};

/* All of them, as they are told; waits for the first. */
static struct bytes lists_of(struct world *w)
{
	AUTO(buf) struct buf m = { .max = 64 };
	struct wire_list list;
	uint8_t code = ERR_UNAVAILABLE;

	MUST(wire_get_put(&m, &(struct wire_get){ 9, 0 }));
	for (unsigned i = 0; i < 500 && (code = admin_ask(w, ADMIN_CRL, &m)) == ERR_UNAVAILABLE; i++) usleep(10000);
	assert_int_equal(code, ERR_OK);
	MUST(wire_list_take(BYTES(w->admin.got.body, w->admin.got.body_len), &list));
	return list.items;
}

static struct seen see(struct bytes *lists)
{
	struct seen s = { 0 };
	const uint8_t *p;

	MUST(wire_crl_take(lists, &s.crl));
	p = s.crl.der.data;
	s.x = d2i_X509_CRL(NULL, &p, (long)s.crl.der.len);
	assert_non_null(s.x);
	return s;
}

/* The newest one of the key that signs. */
static struct seen crl_of(struct world *w)
{
	struct bytes lists = lists_of(w);

	return see(&lists);
}

static int entries(const struct seen *s)
{
	return X509_CRL_get_REVOKED(s->x) == NULL ? 0 : sk_X509_REVOKED_num(X509_CRL_get_REVOKED(s->x));
}

static uint64_t number_of(struct world *w)
{
	struct seen s = crl_of(w);
	uint64_t number = s.crl.number;

	X509_CRL_free(s.x);
	return number;
}

/* Until there is a list with so many entries. */
static uint64_t wait_entries(struct world *w, int want)
{
	uint64_t number = 0;
	int got = -1;

	for (unsigned i = 0; i < 500 && got != want; i++) {
		struct seen s = crl_of(w);

		got = entries(&s);
		number = s.crl.number;
		assert_int_equal(got, s.crl.count);
		X509_CRL_free(s.x);
		if (got != want) usleep(10000);
	}
	assert_int_equal(got, want);
	return number;
}

static void revoke_all(struct world *w, const char *rule)
{
	AUTO(buf) struct buf out = { .max = 8192 };
	struct wire_revoke m = { .id = 6, .kind = REVOKE_RULE, .reason = 4, .subject = bytes_str(rule), .by = TEXT("uid:0") };

	MUST(wire_revoke_put(&out, &m));
	assert_int_equal(admin_ask(w, ADMIN_CERT_REVOKE, &out), ERR_OK);
}

static void test_there_is_one_from_the_start_and_a_new_one_after_a_revocation(void **state)
{
	struct wire_issue m;
	struct world w;
	struct seen s;
	uint64_t first, second;
	int64_t now = clock_wall();

	(void)state;
	world_open(&w, CONF);
	first = wait_entries(&w, 0);
	m = request(&w, 1);
	issue_ok(&w, &m);
	issue_ok(&w, &m);
	revoke_all(&w, "rule");
	second = wait_entries(&w, 2);
	assert_true(second > first);
	s = crl_of(&w);
	assert_true(s.crl.next_update >= now + 86400 && s.crl.next_update <= clock_wall() + 86400);
	X509_CRL_free(s.x);
	revoke_all(&w, "rule"); /* nothing new: no new list */
	usleep(100000);
	assert_int_equal(number_of(&w), second);
	world_close(&w);
}

static void test_its_number_never_goes_back(void **state)
{
	struct world w;
	uint64_t last = 0, number;

	(void)state;
	world_open(&w, CONF);
	for (unsigned i = 0; i < 4; i++) {
		number = number_of(&w);
		assert_true(number > last);
		last = number;
		stop(&w);
		start(&w);
	}
	world_close(&w);
}

static void test_slow_keys_sign_it_too(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, CONF "ca:\n  key_type: rsa2048\n");
	assert_int_equal(wait_entries(&w, 0), 1);
	world_close(&w);
}

static uint64_t wait_number(struct world *w, uint64_t above)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < 500 && (number = number_of(w)) <= above; i++) usleep(10000);
	assert_true(number > above);
	return number;
}

/* Half its life passes, and it is replaced; a clock that comes back has it replaced again; nobody becomes good again. */
static void test_a_clock_that_steps_renews_the_list_and_forgets_nothing(void **state)
{
	struct wire_issue m;
	struct world w;
	uint64_t number;

	(void)state;
	world_open(&w, CONF);
	m = request(&w, 1);
	issue_ok(&w, &m);
	revoke_all(&w, "rule");
	number = wait_entries(&w, 1);
	atomic_store(&ahead, 86400 / 2 + 60);
	number = wait_number(&w, number);
	atomic_store(&ahead, INT64_C(3) * 365 * 86400);
	number = wait_number(&w, number);
	atomic_store(&ahead, 0);
	wait_number(&w, number);
	wait_entries(&w, 1);
	world_close(&w);
}

static void test_an_entry_leaves_after_one_list_beyond_its_certificates_end(void **state)
{
	struct wire_issue m;
	struct world w;

	(void)state;
	world_open(&w, CONF);
	m = request(&w, 1);
	issue_ok(&w, &m);
	issue_ok(&w, &m);
	revoke_all(&w, "rule");
	wait_entries(&w, 2);
	stop(&w);
	atomic_store(&ahead, 2 * 3600); /* they live for one */
	start(&w);
	wait_entries(&w, 2);
	m.rule = TEXT("another");
	issue_ok(&w, &m);
	revoke_all(&w, "another");
	wait_entries(&w, 1);
	atomic_store(&ahead, 0);
	world_close(&w);
}

/* Killed between the commit of a revocation and that of the list that would name it, and after the list's: the next start
 * names it, under a higher number than any that was seen. */
static void test_a_sudden_death_leaves_no_revocation_off_the_next_list(void **state)
{
	static const char *const points[] = { "before-crl", "after-crl" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		AUTO(buf) struct buf out = { .max = 8192 };
		struct wire_revoke all = { .id = 6, .kind = REVOKE_RULE, .subject = TEXT("rule 3"), .by = TEXT("uid:0") };
		struct wire_issue m;
		struct world w;
		uint64_t last;
		int status;
		pid_t pid;

		world_open(&w, CONF);
		stop(&w);
		pid = start_process(&w, points[i]); /* at the fourth: after the first list, and two revocations */
		last = wait_entries(&w, 0);
		for (unsigned n = 1; n <= 3; n++) {
			char rule[16];

			(void)snprintf(rule, sizeof(rule), "rule %u", n);
			m = request(&w, n);
			m.rule = bytes_str(rule);
			ask(&w.front, &m);
			EXPECT(&w.front, issued, n);
			if (n == 3) break;
			revoke_all(&w, rule);
			last = wait_entries(&w, (int)n);
		}
		MUST(wire_revoke_put(&out, &all));
		admin_put(&w, ADMIN_CERT_REVOKE, &out);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		chan_free(w.control.chan);
		chan_free(w.front.chan);
		chan_free(w.admin.chan);
		start(&w);
		assert_true(wait_entries(&w, 3) > last);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_openssl_reads_what_is_built),
		cmocka_unit_test(test_a_reason_is_there_only_if_it_says_something),
		cmocka_unit_test(test_an_empty_list_has_no_list),
		cmocka_unit_test(test_what_cannot_be_said_is_refused),
		cmocka_unit_test(test_a_hundred_thousand_entries),
		cmocka_unit_test(test_it_is_due_after_half_its_life),
		cmocka_unit_test(test_there_is_one_from_the_start_and_a_new_one_after_a_revocation),
		cmocka_unit_test(test_its_number_never_goes_back),
		cmocka_unit_test(test_slow_keys_sign_it_too),
		cmocka_unit_test(test_a_clock_that_steps_renews_the_list_and_forgets_nothing),
		cmocka_unit_test(test_an_entry_leaves_after_one_list_beyond_its_certificates_end),
		cmocka_unit_test(test_a_sudden_death_leaves_no_revocation_off_the_next_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
