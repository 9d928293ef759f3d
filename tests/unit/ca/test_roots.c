/* The root set as it is made, stored, and opened again. */
#include "ca/support.h"

#include <openssl/pem.h>

#include "ca/roots_start.h"
#include "ca/wire_bundle.h"

#define VALUE "roots"

struct place {
	char dir[64];
	struct store *store;
	struct conf *conf;
	struct serials *serials;
	struct hsm_kek kek;
};

static void place_open(struct place *p, const char *yaml)
{
	memset(p, 0, sizeof(*p));
	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/signet-roots-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	MUST(store_open(&(struct store_options){ .dir = p->dir }, &p->store));
	p->conf = conf_of(yaml);
	MUST(serials_new(1, &p->serials));
	memset(p->kek.bytes, 9, sizeof(p->kek.bytes));
}

static void place_close(struct place *p)
{
	char command[128];

	store_close(p->store);
	conf_free(p->conf);
	serials_free(p->serials);
	(void)snprintf(command, sizeof(command), "rm -rf %s", p->dir);
	assert_int_equal(system(command), 0);
}

static struct err start_roots(struct place *p, struct brought *b, bool *created, struct roots **out)
{
	struct hsm_kek ca_kek;
	struct roots_options o = { .conf = p->conf, .kek = &p->kek, .ca_kek = &ca_kek, .serials = p->serials, .now = clock_wall() };
	struct roots_start start = { .options = &o, .brought = b };
	struct roots_started started = { .created = false };
	struct err e;

	MUST(hsm_kek_derive(&p->kek, ROOTS_KEK_PURPOSE, &ca_kek));
	e = roots_start(p->store, &start, &started, out);
	*created = started.created;
	return e;
}

static struct err open_roots(struct place *p, bool *created, struct roots **out)
{
	return start_roots(p, NULL, created, out);
}

static void read_value(struct place *p, struct buf *out)
{
	AUTO(store_view) struct store_view *view = NULL;

	MUST(store_view_open(p->store, &view));
	MUST(store_view_get(view, VALUE, out));
}

static void write_value(struct place *p, struct bytes value)
{
	struct store_batch *batch;

	MUST(store_batch_begin(p->store, &batch));
	MUST(store_batch_put(batch, VALUE, value));
	MUST(store_batch_commit(batch));
}

static X509 *published(const struct roots *r)
{
	AUTO(buf) struct buf out = { .max = WIRE_ROOTS_MAX };
	struct wire_roots m;
	BIO *bio;
	X509 *x;

	MUST(roots_publish(r, NULL, &out));
	MUST(wire_roots_take(buf_view(&out), &m));
	assert_int_equal(m.seq, roots_seq(r));
	assert_int_equal(m.chain_pem.len, 0);
	bio = BIO_new_mem_buf(m.roots_pem.data, (int)m.roots_pem.len);
	x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	assert_non_null(x);
	assert_null(PEM_read_bio_X509(bio, NULL, NULL, NULL));
	BIO_free(bio);
	return x;
}

static const struct { const char *yaml, *key_type; } kinds[] = {
	{ "", "P-256" }, { "ca:\n  key_type: p384\n", "P-384" }, { "ca:\n  key_type: ed25519\n", "Ed25519" },
	{ "ca:\n  key_type: rsa2048\n", "RSA" },
};

static void test_a_root_of_each_key_type_is_made_once_and_opens_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		AUTO(roots) struct roots *first = NULL;
		AUTO(roots) struct roots *second = NULL;
		char yaml[256];
		struct place p;
		bool created = false;
		X509 *a, *b;

		(void)snprintf(yaml, sizeof(yaml), "trust_domain: example.org\n%s", kinds[i].yaml);
		place_open(&p, yaml);
		MUST(open_roots(&p, &created, &first));
		assert_true(created);
		assert_string_equal(roots_signer(first)->key_type, kinds[i].key_type);
		MUST(open_roots(&p, &created, &second));
		assert_false(created);
		a = published(first);
		b = published(second);
		assert_int_equal(X509_cmp(a, b), 0);
		assert_int_equal(X509_verify(a, X509_get0_pubkey(a)), 1);
		assert_true(bytes_equal(hsm_key_spki(roots_signer(first)->key), hsm_key_spki(roots_signer(second)->key)));
		assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notAfter(b), (time_t)roots_signer(second)->not_after), 0);
		X509_free(a);
		X509_free(b);
		place_close(&p);
	}
}

static void test_the_key_is_not_stored_in_the_clear(void **state)
{
	AUTO(roots) struct roots *r = NULL;
	AUTO(buf) struct buf value = { .max = 65536 };
	struct place p;
	bool created;

	(void)state;
	place_open(&p, "trust_domain: example.org\n");
	MUST(open_roots(&p, &created, &r));
	read_value(&p, &value);
	/* A PKCS#8 P-256 key holds this: version 0 and the algorithm; the wrapped one must not. */
	assert_null(memmem(value.data, value.len, "\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01", 14));
	place_close(&p);
}

static void test_any_change_of_the_stored_set_is_refused(void **state)
{
	AUTO(roots) struct roots *r = NULL;
	AUTO(buf) struct buf value = { .max = 65536 };
	struct place p;
	bool created;
	size_t loose = 0;

	(void)state;
	place_open(&p, "trust_domain: example.org\n");
	MUST(open_roots(&p, &created, &r));
	read_value(&p, &value);
	for (size_t i = 0; i < value.len; i += i < 16 ? 1 : 7) {
		AUTO(roots) struct roots *bad = NULL;
		struct err e;

		value.data[i] ^= 1;
		write_value(&p, buf_view(&value));
		value.data[i] ^= 1;
		e = open_roots(&p, &created, &bad);
		/* Times, numbers of records and history stand for themselves; what signs never does. */
		if (e.code == ERR_OK) {
			assert_true(bytes_equal(roots_signer(bad)->cert, roots_signer(r)->cert));
			assert_true(bytes_equal(hsm_key_spki(roots_signer(bad)->key), hsm_key_spki(roots_signer(r)->key)));
			loose++;
		} else {
			assert_true(e.code == ERR_DATA_LOSS || e.code == ERR_FAILED_PRECONDITION);
		}
		assert_int_equal(bad != NULL, e.code == ERR_OK);
	}
	assert_true(loose < 40);
	for (size_t n = 1; n < value.len; n += 11) {
		AUTO(roots) struct roots *bad = NULL;

		write_value(&p, BYTES(value.data, n));
		assert_int_equal(open_roots(&p, &created, &bad).code, ERR_DATA_LOSS);
		assert_null(bad);
	}
	place_close(&p);
}

static void test_another_kek_or_another_domain_is_refused(void **state)
{
	AUTO(roots) struct roots *r = NULL;
	AUTO(roots) struct roots *bad = NULL;
	struct place p;
	bool created;

	(void)state;
	place_open(&p, "trust_domain: example.org\n");
	MUST(open_roots(&p, &created, &r));
	p.kek.bytes[0] ^= 1;
	assert_int_equal(open_roots(&p, &created, &bad).code, ERR_DATA_LOSS);
	p.kek.bytes[0] ^= 1;
	conf_free(p.conf);
	p.conf = conf_of("trust_domain: example.com\n");
	assert_int_equal(open_roots(&p, &created, &bad).code, ERR_FAILED_PRECONDITION);
	assert_null(bad);
	place_close(&p);
}

/* ---- a CA that is brought ---- */

static struct bytes file(const char *dir, const char *name, char *room, size_t size)
{
	char path[256];
	FILE *f;
	size_t n;

	(void)snprintf(path, sizeof(path), "tests/data/brought/%s/%s", dir, name);
	f = fopen(path, "rb");
	if (f == NULL) return BYTES_NONE;
	n = fread(room, 1, size, f);
	fclose(f);
	return BYTES(room, n);
}

static struct brought *brought_of(const char *dir)
{
	static char room[CA_FILE_COUNT][16384];
	struct brought_options o = { .now = INT64_C(1893456000), .threads = 1 };
	struct ca_files files = { .there = { false } };
	struct brought_report report;
	struct brought *b = NULL;

	for (unsigned i = 0; i < CA_FILE_PASSPHRASE; i++) {
		files.text[i] = file(dir, ca_file_name((enum ca_file)i), room[i], sizeof(room[i]));
		files.there[i] = files.text[i].len > 0;
	}
	MUST(brought_check(&files, &o, &report, &b));
	return b;
}

static struct err open_brought(struct place *p, const char *dir, struct roots **out)
{
	AUTO(brought) struct brought *b = brought_of(dir);
	bool created;

	return start_roots(p, b, &created, out);
}

static void test_the_sequence_grows_with_each_change_and_only_then(void **state)
{
	static const struct { const char *dir; uint32_t seq; } steps[] = {
		{ NULL, 1 }, { NULL, 1 }, { "good-two-levels", 2 }, { "good-two-levels", 2 }, { "good-istio", 3 }, { "good-secret", 4 },
		{ "good-two-levels", 5 }, { NULL, 6 }, { NULL, 6 },
	};
	AUTO(roots) struct roots *own = NULL;
	struct place p;
	bool created;

	(void)state;
	place_open(&p, "trust_domain: example.org\n");
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		AUTO(roots) struct roots *r = NULL;

		if (steps[i].dir == NULL) MUST(open_roots(&p, &created, &r));
		else MUST(open_brought(&p, steps[i].dir, &r));
		if (roots_seq(r) != steps[i].seq) fail_msg("step %zu: %u", i, roots_seq(r));
		assert_int_equal(roots_signer(r)->brought, steps[i].dir != NULL);
		if (i == 0) own = MOVE(r);
		else if (steps[i].dir == NULL) assert_true(bytes_equal(hsm_key_spki(roots_signer(r)->key), hsm_key_spki(roots_signer(own)->key)));
	}
	place_close(&p);
}

static void test_a_brought_ca_is_published_with_its_chain_and_stored_without_its_key(void **state)
{
	static const char p256[] = "\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01";
	AUTO(roots) struct roots *r = NULL;
	AUTO(buf) struct buf out = { .max = WIRE_ROOTS_MAX };
	AUTO(buf) struct buf value = { .max = 65536 };
	struct wire_roots m;
	struct place p;
	X509 *signer;
	BIO *bio;

	(void)state;
	place_open(&p, "trust_domain: example.org\n");
	MUST(open_brought(&p, "good-two-levels", &r));
	MUST(roots_publish(r, NULL, &out));
	MUST(wire_roots_take(buf_view(&out), &m));
	bio = BIO_new_mem_buf(m.chain_pem.data, (int)m.chain_pem.len);
	signer = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	assert_true(bytes_equal(BYTES(X509_get0_subject_key_id(signer)->data, KEY_SKI_LEN), BYTES(roots_signer(r)->ski, KEY_SKI_LEN)));
	X509_free(signer);
	X509_free(PEM_read_bio_X509(bio, NULL, NULL, NULL));
	assert_null(PEM_read_bio_X509(bio, NULL, NULL, NULL));
	BIO_free(bio);
	read_value(&p, &value);
	assert_null(memmem(value.data, value.len, p256, sizeof(p256) - 1));
	place_close(&p);
}

static void test_without_a_root_of_ours_there_is_no_way_back(void **state)
{
	AUTO(roots) struct roots *r = NULL;
	AUTO(roots) struct roots *bad = NULL;
	struct place p;
	bool created;

	(void)state;
	place_open(&p, "trust_domain: example.org\n");
	MUST(open_brought(&p, "good-secret", &r));
	assert_int_equal(open_roots(&p, &created, &bad).code, ERR_FAILED_PRECONDITION);
	assert_null(bad);
	place_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_root_of_each_key_type_is_made_once_and_opens_again),
		cmocka_unit_test(test_the_key_is_not_stored_in_the_clear),
		cmocka_unit_test(test_any_change_of_the_stored_set_is_refused),
		cmocka_unit_test(test_another_kek_or_another_domain_is_refused),
		cmocka_unit_test(test_the_sequence_grows_with_each_change_and_only_then),
		cmocka_unit_test(test_a_brought_ca_is_published_with_its_chain_and_stored_without_its_key),
		cmocka_unit_test(test_without_a_root_of_ours_there_is_no_way_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
