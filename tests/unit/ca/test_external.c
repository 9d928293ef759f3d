/* Certificates by another signer: the keeper between a front and a courier, which this test is both. */
#include "ca/signer.h"
#include "ca/wire_courier.h"
#include "ca/wire_issuers.h"
#include "ca/wire_root.h"
#include "ca/world.h"
#include "base/wire.h"

#define ISSUERS                                                                                                        \
	CONF "clusters: [{ id: Kubernetes }]\n"                                                                        \
	     "issuers:\n"                                                                                              \
	     "  - { name: mesh, cluster: Kubernetes, signer_name: clusterissuers.cert-manager.io/mesh, signer_domain: a.example, "  \
	     "roots_file: /etc/mesh.pem, deadline: 20s }\n"                                                          \
	     "  - { name: clamped, cluster: Kubernetes, signer_name: a.example/b, roots_file: /etc/mesh.pem, outlive: clamp }\n" \
	     "  - { name: first, cluster: Kubernetes, signer_name: a.example/c, trust_on_first_use: true }\n"

struct heard { /* by the courier: the newest of each kind */
	unsigned instance, file, done, all;
	uint8_t name_of_us[WIRE_INSTANCE_LEN];
	struct wire_file m; /* its texts are in `texts` */
	struct buf texts;
	uint64_t done_id;
};

struct stand {
	struct world w;
	struct signer signer;
	struct chan *courier;
	struct heard got;
	EVP_PKEY *key;
	struct buf csr, spki;
};

/* ---- the courier's side ---- */

static struct err got_instance(void *self, struct chan_msg *m)
{
	struct heard *h = self;

	memcpy(h->name_of_us, m->payload.data, WIRE_INSTANCE_LEN);
	h->instance++;
	return OK;
}

static struct err got_file(void *self, struct chan_msg *m)
{
	struct heard *h = self;

	h->texts.len = 0;
	h->texts.max = CHAN_PAYLOAD_MAX;
	MUST(buf_put(&h->texts, m->payload.data, m->payload.len));
	MUST(wire_file_take(buf_view(&h->texts), &h->m));
	h->file++;
	return OK;
}

static struct err got_done(void *self, struct chan_msg *m)
{
	struct heard *h = self;
	struct bytes in = m->payload;

	MUST(wire_u64(&in, &h->done_id));
	h->done++;
	return OK;
}

static struct err got_all(void *self, struct chan_msg *m) { (void)m; ((struct heard *)self)->all++; return OK; }

static const struct chan_rule courier_rules[] = {
	{ 0, KEEPER_INSTANCE, WIRE_INSTANCE_LEN, WIRE_INSTANCE_LEN, false, got_instance, 0 },
	{ 0, KEEPER_FILE, 1, CHAN_PAYLOAD_MAX, false, got_file, 0 },
	{ 0, KEEPER_DONE, 8, 8, false, got_done, 0 },
	{ 0, KEEPER_FILED_ALL, 0, 0, false, got_all, 0 },
};

static void courier_expect(struct stand *s, const unsigned *counter, unsigned want, const char *what)
{
	int64_t end = clock_mono_us() + WAIT_US;
	unsigned frames;

	while (*counter < want && clock_mono_us() < end) {
		if (chan_receive(s->courier, 64, &frames).code != ERR_OK) break;
		if (frames == 0) usleep(200);
	}
	if (*counter < want) fail_msg("the courier does not hear: %s", what);
}
#define HEARD(s, member, want) courier_expect(s, &(s)->got.member, want, #member)

static void courier_open(struct stand *s)
{
	uint8_t room[8];
	struct buf out = BUF_ON(room), hi = { .max = 16 };
	int fds[2];

	buf_free(&s->got.texts);
	memset(&s->got, 0, sizeof(s->got));
	MUST(chan_pair(fds));
	MUST(chan_new(fds[0], courier_rules, ARRAY_LEN(courier_rules), &s->got, &s->courier));
	MUST(control_peer_put(&out, &(struct control_peer){ .role = CONTROL_COURIER }));
	MUST(chan_put_fd(s->w.control.chan, CONTROL_CHANNEL, buf_view(&out), fds[1]));
	MUST(chan_flush(s->w.control.chan));
	close(fds[1]);
	MUST(wire_hello_put(&hi, &(struct wire_hello){ WIRE_VERSION, 0 }));
	MUST(chan_put(s->courier, COURIER_HELLO, buf_view(&hi)));
	MUST(chan_flush(s->courier));
	buf_free(&hi);
	HEARD(s, all, 1);
	assert_int_equal(s->got.instance, 1);
}

static void say_signed(struct stand *s, uint64_t id, struct bytes pem)
{
	AUTO(buf) struct buf out = { .max = CHAN_PAYLOAD_MAX };

	MUST(wire_signed_put(&out, &(struct wire_signed){ .id = id, .pem = pem }));
	MUST(chan_put(s->courier, COURIER_SIGNED, buf_view(&out)));
	MUST(chan_flush(s->courier));
}

static void say_failed(struct stand *s, uint64_t id, enum wire_failure failure)
{
	AUTO(buf) struct buf out = { .max = CHAN_PAYLOAD_MAX };

	MUST(wire_failed_put(&out, &(struct wire_failed){ .id = id, .failure = (uint8_t)failure, .why = TEXT("because") }));
	MUST(chan_put(s->courier, COURIER_FAILED, buf_view(&out)));
	MUST(chan_flush(s->courier));
}

static void sign_by(struct stand *s, const struct signer *by, const char *san, int64_t life)
{
	AUTO(buf) struct buf pem = { .max = 65536 };

	signer_sign(by, s->got.m.csr, san, life, &pem);
	say_signed(s, s->got.m.id, buf_view(&pem));
}

static void give_roots(struct stand *s, uint8_t issuer, struct bytes pem)
{
	unsigned before = s->w.front.got.roots;
	int fd;

	MUST(chan_memfd("test", pem, &fd));
	MUST(chan_put_fd(s->w.control.chan, CONTROL_ISSUER_ROOTS, BYTES(&issuer, 1), fd));
	MUST(chan_flush(s->w.control.chan));
	close(fd);
	if (bytes_has_prefix(pem, TEXT("-----BEGIN CERT"))) EXPECT(&s->w.front, roots, before + 1);
}

/* ---- the stand ---- */

static void new_key(struct stand *s, const char *san, const char *usage)
{
	uint8_t *spki = NULL;
	int n;

	EVP_PKEY_free(s->key);
	s->key = EVP_EC_gen("P-256");
	s->csr.len = s->spki.len = 0;
	s->csr.max = s->spki.max = 8192;
	csr_make(s->key, san, usage, &s->csr);
	n = i2d_PUBKEY(s->key, &spki);
	MUST(buf_put(&s->spki, spki, (size_t)n));
	OPENSSL_free(spki);
}

static void stand_open(struct stand *s, bool roots)
{
	AUTO(buf) struct buf pem = { .max = 65536 };

	memset(s, 0, sizeof(*s));
	world_open(&s->w, ISSUERS);
	s->signer = signer_make("mesh");
	put_pem(&pem, s->signer.root);
	new_key(s, "URI:" WORKLOAD, "");
	courier_open(s);
	if (!roots) return;
	give_roots(s, 0, buf_view(&pem));
	give_roots(s, 1, buf_view(&pem));
}

static void stand_close(struct stand *s)
{
	chan_free(s->courier);
	world_close(&s->w);
	signer_free(&s->signer);
	EVP_PKEY_free(s->key);
	buf_free(&s->csr);
	buf_free(&s->spki);
	buf_free(&s->got.texts);
}

static struct wire_issue wanted(struct stand *s, uint64_t id)
{
	struct wire_issue m = request(&s->w, id);

	m.issuer = TEXT("mesh");
	m.spki = buf_view(&s->spki);
	m.csr = buf_view(&s->csr);
	return m;
}

/* Filed: the courier has heard of it. */
static void file(struct stand *s, const struct wire_issue *m)
{
	unsigned before = s->got.file;

	ask(&s->w.front, m);
	HEARD(s, file, before + 1);
}

/* ---- tests ---- */

static void test_what_is_signed_is_recorded_and_answered_with_its_chain(void **state)
{
	struct stand s;
	struct wire_issue m;
	struct cert cert;

	(void)state;
	stand_open(&s, true);
	m = wanted(&s, 7);
	file(&s, &m);
	assert_int_equal(s.got.m.issuer, 0);
	assert_false(s.got.m.resume);
	assert_int_equal(s.got.m.lifetime, 3600);
	assert_true(bytes_has_prefix(s.got.m.name, TEXT("signet-")));
	assert_true(bytes_equal(s.got.m.csr, m.csr));
	assert_true(bytes_equal(s.got.m.spiffe_id, m.spiffe_id));
	assert_int_equal(s.w.front.got.refused + s.w.front.got.issued, 0);
	sign_by(&s, &s.signer, "critical,URI:" WORKLOAD, 3600);
	EXPECT(&s.w.front, chain, 1);
	assert_int_equal(s.w.front.got.id, 7);
	MUST(cert_parse(BYTES(s.w.front.got.cert, s.w.front.got.cert_len), &cert));
	assert_true(bytes_equal(cert.key.spki, m.spki));
	assert_true(s.w.front.got.body_len > 0);
	s.w.front.got.body[s.w.front.got.body_len] = '\0'; /* the intermediate, and not the root */
	assert_null(strstr(strstr((char *)s.w.front.got.body, "-----BEGIN") + 1, "-----BEGIN"));
	HEARD(&s, done, 1);
	assert_int_equal(s.got.done_id, s.got.m.id);
	/* our own CA goes on beside it */
	m = request(&s.w, 8);
	issue_ok(&s.w, &m);
	stand_close(&s);
}

static void test_a_signer_that_was_asked_for_must_be_of_the_issuers_domain(void **state)
{
	static const struct { const char *name; bool good; } rows[] = {
		{ "a.example/team", true }, { "b.example/team", false }, { "a.example", false },
		{ "a.example.evil/team", false }, { "a.example/../b", false }, { "a.example/", false },
	};
	struct stand s;

	(void)state;
	stand_open(&s, true);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wire_issue m = wanted(&s, 7 + i);

		m.signer_name = bytes_str(rows[i].name);
		if (!rows[i].good) {
			issue_refused(&s.w, &m, REASON_PROFILE);
			continue;
		}
		file(&s, &m);
		assert_true(bytes_is(s.got.m.signer_name, rows[i].name));
	}
	stand_close(&s);
}

static void test_a_csr_must_equal_the_grant(void **state)
{
	static const struct { const char *what, *san, *usage; bool good; } rows[] = {
		{ "the ID alone", "URI:" WORKLOAD, "", true },
		{ "no name", NULL, "", false },
		{ "another ID", "URI:" WORKLOAD "2", "", false },
		{ "a second ID", "URI:" WORKLOAD ",URI:" WORKLOAD "2", "", false },
		{ "the ID twice", "URI:" WORKLOAD ",URI:" WORKLOAD, "", false },
		{ "a DNS name that was not granted", "URI:" WORKLOAD ",DNS:a.b", "", false },
		{ "an address that was not granted", "URI:" WORKLOAD ",IP:10.0.0.1", "", false },
		{ "a mail address", "URI:" WORKLOAD ",email:a@b", "", false },
		{ "another extension", "URI:" WORKLOAD, "digitalSignature", false },
	};
	struct stand s;

	(void)state;
	stand_open(&s, true);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wire_issue m;

		new_key(&s, rows[i].san, rows[i].usage);
		m = wanted(&s, 7 + i);
		if (rows[i].good) file(&s, &m);
		else issue_refused(&s.w, &m, REASON_CSR);
	}
	stand_close(&s);
}

static void test_the_keepers_own_limits_come_first(void **state)
{
	struct stand s;
	struct wire_issue m;

	(void)state;
	stand_open(&s, true);
	m = wanted(&s, 7);
	m.name_count = 1;
	m.names[0] = (struct wire_name){ WIRE_TAG_DNS, TEXT("a.b") };
	issue_refused(&s.w, &m, REASON_LIMIT_NAME); /* the keeper's own limits hold here too */
	new_key(&s, "URI:" WORKLOAD, "");
	m = wanted(&s, 8);
	m.spki = s.w.key.info.spki;
	issue_refused(&s.w, &m, REASON_CSR); /* a CSR of another key */
	m = wanted(&s, 9);
	m.lifetime = 599;
	issue_refused(&s.w, &m, REASON_ISSUER_SHORT);
	m = wanted(&s, 10);
	m.csr = BYTES_NONE;
	issue_refused(&s.w, &m, REASON_PROFILE);
	stand_close(&s);
}

static void test_without_roots_nothing_is_filed(void **state)
{
	struct stand s;
	struct wire_issue m;

	(void)state;
	stand_open(&s, false);
	m = wanted(&s, 7);
	issue_refused(&s.w, &m, REASON_ISSUER_ROOTS);
	give_roots(&s, 0, TEXT("nonsense"));
	issue_refused(&s.w, &m, REASON_ISSUER_ROOTS);
	stand_close(&s);
}

static void test_what_is_not_what_was_asked_for_is_refused(void **state)
{
	static const struct { const char *what, *san; int64_t life; bool other; } rows[] = {
		{ "another ID", "critical,URI:" WORKLOAD "2", 3600, false },
		{ "a name more", "critical,URI:" WORKLOAD ",DNS:a.b", 3600, false },
		{ "too long a life", "critical,URI:" WORKLOAD, 7200, false },
		{ "ended", "critical,URI:" WORKLOAD, -10, false },
		{ "under another root", "critical,URI:" WORKLOAD, 3600, true },
	};
	struct signer other = signer_make("other");
	struct stand s;

	(void)state;
	stand_open(&s, true);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wire_issue m = wanted(&s, 7 + i);
		unsigned before = s.w.front.got.refused;

		file(&s, &m);
		sign_by(&s, rows[i].other ? &other : &s.signer, rows[i].san, rows[i].life);
		EXPECT(&s.w.front, refused, before + 1);
		if (s.w.front.got.reason != REASON_ISSUER_ANSWER) fail_msg("%s: reason %u", rows[i].what, s.w.front.got.reason);
		HEARD(&s, done, (unsigned)i + 1);
	}
	assert_int_equal(s.w.front.got.chain, 0);
	signer_free(&other);
	stand_close(&s);
}

static void test_failures_are_told_and_what_comes_later_is_passed_over(void **state)
{
	struct stand s;

	(void)state;
	stand_open(&s, true);
	for (unsigned f = FAILURE_DENIED; f < FAILURE_COUNT; f++) {
		struct wire_issue m = wanted(&s, f);

		file(&s, &m);
		say_failed(&s, s.got.m.id, (enum wire_failure)f);
		EXPECT(&s.w.front, refused, f);
		assert_int_equal(s.w.front.got.reason, wire_failure_reason((enum wire_failure)f));
		HEARD(&s, done, f);
		sign_by(&s, &s.signer, "critical,URI:" WORKLOAD, 3600); /* too late */
		say_failed(&s, s.got.m.id, FAILURE_DENIED);
		say_failed(&s, 12345, FAILURE_DENIED);
	}
	assert_int_equal(s.w.front.got.chain, 0);
	stand_close(&s);
}

static void test_a_ban_while_the_signer_thinks_withholds_the_certificate(void **state)
{
	struct stand s;
	struct wire_issue m;

	(void)state;
	stand_open(&s, true);
	m = wanted(&s, 7);
	file(&s, &m);
	assert_int_equal(ban(&s.w, STORE_BAN_SPIFFE_ID, TEXT(WORKLOAD)), ERR_OK);
	sign_by(&s, &s.signer, "critical,URI:" WORKLOAD, 3600);
	EXPECT(&s.w.front, refused, 1);
	assert_int_equal(s.w.front.got.reason, REASON_BANNED);
	HEARD(&s, done, 1);
	issue_refused(&s.w, &m, REASON_BANNED); /* and now at once */
	stand_close(&s);
}

static void test_a_courier_that_comes_back_is_asked_again(void **state)
{
	struct stand s;
	struct wire_issue m;
	uint8_t us[WIRE_INSTANCE_LEN];
	char name[64];

	(void)state;
	stand_open(&s, true);
	m = wanted(&s, 7);
	file(&s, &m);
	(void)snprintf(name, sizeof(name), "%.*s", (int)s.got.m.name.len, (const char *)s.got.m.name.data);
	memcpy(us, s.got.name_of_us, sizeof(us));
	chan_free(s.courier);
	courier_open(&s);
	assert_int_equal(s.got.file, 1);
	assert_true(bytes_is(s.got.m.name, name));
	assert_false(s.got.m.resume); /* its client still waits: filed anew if it was not */
	assert_memory_equal(us, s.got.name_of_us, sizeof(us));
	sign_by(&s, &s.signer, "critical,URI:" WORKLOAD, 3600);
	EXPECT(&s.w.front, chain, 1);
	/* and without any courier they wait */
	chan_free(s.courier);
	m = wanted(&s, 8);
	ask(&s.w.front, &m);
	courier_open(&s);
	HEARD(&s, file, 1);
	stand_close(&s);
}

static void test_what_a_dead_keeper_had_in_hand_is_resumed_and_recorded(void **state)
{
	struct stand s;
	struct wire_issue m;
	char name[64];

	(void)state;
	stand_open(&s, true);
	m = wanted(&s, 7);
	file(&s, &m);
	(void)snprintf(name, sizeof(name), "%.*s", (int)s.got.m.name.len, (const char *)s.got.m.name.data);
	chan_free(s.courier);
	stop(&s.w); /* its client is told; the intent stays */
	start(&s.w);
	courier_open(&s); /* the roots are known from before */
	assert_int_equal(s.got.file, 1);
	assert_true(s.got.m.resume);
	assert_true(bytes_is(s.got.m.name, name));
	sign_by(&s, &s.signer, "critical,URI:" WORKLOAD, 3600);
	HEARD(&s, done, 1);
	assert_int_equal(s.w.front.got.chain + s.w.front.got.refused, 0); /* nobody waits */
	chan_free(s.courier);
	courier_open(&s);
	assert_int_equal(s.got.file, 0); /* recorded, so nothing is left to do */
	stand_close(&s);
}

static void test_a_front_that_dies_leaves_its_requests_to_be_recorded(void **state)
{
	struct stand s;
	struct wire_issue m;

	(void)state;
	stand_open(&s, true);
	m = wanted(&s, 7);
	file(&s, &m);
	chan_free(s.w.front.chan);
	give_channel(&s.w, &s.w.front, CONTROL_FRONT, 0);
	hello(&s.w.front, FRONT_HELLO, WIRE_VERSION, 0);
	EXPECT(&s.w.front, roots, 1);
	sign_by(&s, &s.signer, "critical,URI:" WORKLOAD, 3600);
	HEARD(&s, done, 1);
	assert_int_equal(s.w.front.got.chain, 0);
	m = wanted(&s, 8);
	file(&s, &m);
	sign_by(&s, &s.signer, "critical,URI:" WORKLOAD, 3600);
	EXPECT(&s.w.front, chain, 1);
	assert_int_equal(s.w.front.got.id, 8);
	assert_int_equal(s.w.front.got.index, 1 + 0); /* the first is recorded too */
	stand_close(&s);
}

static void test_what_outlives_its_chain_is_refused_or_asked_for_anew(void **state)
{
	struct stand s;
	struct wire_issue m;
	char name[64];

	(void)state;
	stand_open(&s, true);
	X509_gmtime_adj(X509_getm_notAfter(s.signer.ca), 1800);
	assert_true(X509_sign(s.signer.ca, s.signer.root_key, EVP_sha256()) > 0);
	m = wanted(&s, 7);
	file(&s, &m);
	sign_by(&s, &s.signer, "critical,URI:" WORKLOAD, 3600);
	EXPECT(&s.w.front, refused, 1);
	assert_int_equal(s.w.front.got.reason, REASON_ISSUER_ANSWER);
	HEARD(&s, done, 1);

	m = wanted(&s, 8);
	m.issuer = TEXT("clamped");
	file(&s, &m);
	assert_int_equal(s.got.m.lifetime, 3600);
	(void)snprintf(name, sizeof(name), "%.*s", (int)s.got.m.name.len, (const char *)s.got.m.name.data);
	sign_by(&s, &s.signer, "critical,URI:" WORKLOAD, 3600);
	HEARD(&s, file, 3);
	assert_false(bytes_is(s.got.m.name, name));
	assert_true(s.got.m.lifetime <= 1800 && s.got.m.lifetime > 1700);
	assert_int_equal(s.got.done, 2); /* the first may go */
	sign_by(&s, &s.signer, "critical,URI:" WORKLOAD, 1700);
	EXPECT(&s.w.front, chain, 1);
	/* the next is asked for no longer than that from the start */
	m = wanted(&s, 9);
	m.issuer = TEXT("clamped");
	file(&s, &m);
	assert_true(s.got.m.lifetime <= 1800);
	stand_close(&s);
}

static void test_a_root_is_pinned_by_the_first_answer_if_that_was_chosen(void **state)
{
	AUTO(buf) struct buf pem = { .max = 65536 };
	struct signer other = signer_make("other");
	struct stand s;
	struct wire_issue m;
	uint32_t seq;

	(void)state;
	stand_open(&s, false);
	seq = s.w.front.got.seq;
	m = wanted(&s, 7);
	m.issuer = TEXT("first");
	file(&s, &m);
	sign_by(&s, &s.signer, "critical,URI:" WORKLOAD, 3600); /* without its root */
	EXPECT(&s.w.front, refused, 1);
	assert_int_equal(s.w.front.got.reason, REASON_ISSUER_ANSWER);
	file(&s, &m);
	signer_sign(&s.signer, s.got.m.csr, "critical,URI:" WORKLOAD, 3600, &pem);
	put_pem(&pem, s.signer.root);
	say_signed(&s, s.got.m.id, buf_view(&pem));
	EXPECT(&s.w.front, chain, 1);
	EXPECT(&s.w.front, roots, 2);
	assert_true(s.w.front.got.seq > seq);
	HEARD(&s, done, 2);
	/* for good: another one is refused, also after a restart */
	for (unsigned i = 0; i < 2; i++) {
		file(&s, &m);
		pem.len = 0;
		signer_sign(&other, s.got.m.csr, "critical,URI:" WORKLOAD, 3600, &pem);
		put_pem(&pem, other.root);
		say_signed(&s, s.got.m.id, buf_view(&pem));
		EXPECT(&s.w.front, refused, i == 0 ? 2 : 1);
		assert_int_equal(s.w.front.got.reason, REASON_ISSUER_ANSWER);
		HEARD(&s, done, i == 0 ? 3 : 1);
		if (i > 0) break;
		chan_free(s.courier);
		stop(&s.w);
		start(&s.w);
		courier_open(&s);
	}
	signer_free(&other);
	stand_close(&s);
}

/* ---- what admin is told ---- */

/* The answer is borrowed until the next question. */
static struct wire_issuer told(struct stand *s, const char *name)
{
	AUTO(buf) struct buf m = { .max = 64 };
	struct wire_issuer i;
	struct wire_list list;

	MUST(wire_get_put(&m, &(struct wire_get){ .id = 5 }));
	assert_int_equal(admin_ask(&s->w, ADMIN_ISSUERS, &m), ERR_OK);
	MUST(wire_list_take(BYTES(s->w.admin.got.body, s->w.admin.got.body_len), &list));
	while (list.items.len > 0) {
		MUST(wire_issuer_take(&list.items, &i));
		if (bytes_is(i.name, name)) return i;
	}
	fail_msg("nothing is told of %s", name);
	return i;
}

static uint64_t refused_for(const struct wire_issuer *i, enum keeper_reason reason)
{
	struct bytes in = i->refused;
	uint64_t n = 0;

	for (unsigned at = REASON_NONE + 1; at <= reason; at++) MUST(wire_u64(&in, &n));
	return n;
}

static uint8_t forget(struct stand *s, const char *name)
{
	AUTO(buf) struct buf m = { .max = 256 };

	MUST(wire_subject_put(&m, &(struct wire_subject){ .id = 9, .subject = bytes_str(name), .by = TEXT("uid:7") }));
	return admin_ask(&s->w, ADMIN_ISSUER_FORGET, &m);
}

static void test_what_became_of_requests_is_told_of_each_issuer(void **state)
{
	int64_t begun = clock_wall();
	struct wire_issuer_root root;
	struct wire_issuer i;
	struct wire_issue m;
	struct stand s;
	struct bytes roots;
	uint8_t hash[32];
	AUTO(buf) struct buf der = { .max = 8192 };

	(void)state;
	stand_open(&s, true);
	i = told(&s, "mesh");
	assert_int_equal(i.pending + i.issued, 0);
	assert_int_equal(i.last_issued + i.last_refused, 0);
	assert_int_equal(i.from, WIRE_ROOTS_FILE);
	roots = i.roots;
	MUST(wire_issuer_root_take(&roots, &root));
	assert_int_equal(roots.len, 0);
	MUST(key_sha256(root.cert, hash));
	assert_memory_equal(hash, root.id, sizeof(hash));
	assert_int_equal(i.last_reason, REASON_NONE);
	assert_int_equal(told(&s, "first").from, WIRE_ROOTS_NONE);
	assert_int_equal(told(&s, "default").from, WIRE_ROOTS_OWN);
	assert_true(told(&s, "default").roots.len > 0);
	assert_null(memmem(told(&s, "default").roots.data, told(&s, "default").roots.len, hash, sizeof(hash)));
	m = wanted(&s, 7);
	file(&s, &m);
	assert_int_equal(told(&s, "mesh").pending, 1);
	assert_int_equal(told(&s, "clamped").pending, 0);
	sign_by(&s, &s.signer, "critical,URI:" WORKLOAD, 3600);
	EXPECT(&s.w.front, chain, 1);
	HEARD(&s, done, 1);
	file(&s, &m);
	say_failed(&s, s.got.m.id, FAILURE_DENIED);
	EXPECT(&s.w.front, refused, 1);
	HEARD(&s, done, 2);
	m.csr = TEXT("x");
	ask(&s.w.front, &m);
	EXPECT(&s.w.front, refused, 2);
	i = told(&s, "mesh");
	assert_int_equal(i.pending, 0);
	assert_int_equal(i.issued, 1);
	assert_int_equal(refused_for(&i, REASON_ISSUER_DENIED), 1);
	assert_int_equal(refused_for(&i, REASON_CSR), 1);
	assert_int_equal(refused_for(&i, REASON_ISSUER_FAILED), 0);
	assert_true(i.last_issued >= begun && i.last_refused >= begun);
	assert_int_equal(i.last_reason, REASON_CSR);
	assert_int_equal(i.last_why.len, 0);
	m = wanted(&s, 8);
	file(&s, &m);
	say_failed(&s, s.got.m.id, FAILURE_FORBIDDEN);
	EXPECT(&s.w.front, refused, 3);
	i = told(&s, "mesh");
	assert_int_equal(i.last_reason, REASON_ISSUER_FORBIDDEN);
	assert_true(bytes_is(i.last_why, "because"));
	m = request(&s.w, 9);
	issue_ok(&s.w, &m);
	i = told(&s, "default");
	assert_int_equal(i.issued, 1); /* without those of others */
	assert_int_equal(refused_for(&i, REASON_CSR) + refused_for(&i, REASON_ISSUER_DENIED), 0);
	assert_int_equal(told(&s, "clamped").issued, 0);
	stand_close(&s);
}

static void pin_by(struct stand *s, const struct signer *by, const struct wire_issue *m)
{
	unsigned before = s->w.front.got.chain, done = s->got.done;
	AUTO(buf) struct buf pem = { .max = 65536 };

	file(s, m);
	signer_sign(by, s->got.m.csr, "critical,URI:" WORKLOAD, 3600, &pem);
	put_pem(&pem, by->root);
	say_signed(s, s->got.m.id, buf_view(&pem));
	EXPECT(&s->w.front, chain, before + 1);
	HEARD(s, done, done + 1);
}

static void test_a_pinned_root_can_be_forgotten_for_good(void **state)
{
	AUTO(buf) struct buf pem = { .max = 65536 }, m = { .max = 64 };
	struct signer other = signer_make("other");
	struct store_event ev;
	struct wire_list list;
	struct wire_issue want;
	struct stand s;

	(void)state;
	stand_open(&s, true);
	assert_int_equal(forget(&s, "nobody"), ERR_NOT_FOUND);
	assert_int_equal(forget(&s, "default"), ERR_NOT_FOUND);
	assert_int_equal(forget(&s, "mesh"), ERR_FAILED_PRECONDITION); /* from a file */
	assert_int_equal(forget(&s, "first"), ERR_FAILED_PRECONDITION); /* none yet */
	want = wanted(&s, 7);
	want.issuer = TEXT("first");
	pin_by(&s, &other, &want);
	EXPECT(&s.w.front, roots, 4);
	assert_int_equal(told(&s, "first").from, WIRE_ROOTS_PINNED);
	put_pem(&pem, other.root);
	assert_int_equal(forget(&s, "first"), ERR_OK);
	EXPECT(&s.w.front, roots, 5);
	assert_null(memmem(s.w.front.got.body, s.w.front.got.body_len, pem.data, pem.len));
	assert_int_equal(told(&s, "first").from, WIRE_ROOTS_NONE);
	assert_int_equal(forget(&s, "first"), ERR_FAILED_PRECONDITION);
	MUST(wire_cursor_put(&m, &(struct wire_cursor){ .id = 2, .limit = 10 }));
	assert_int_equal(admin_ask(&s.w, ADMIN_EVENT_LIST, &m), ERR_OK);
	MUST(wire_list_take(BYTES(s.w.admin.got.body, s.w.admin.got.body_len), &list));
	MUST(wire_event_take(&list.items, &ev)); /* newest first */
	assert_string_equal(ev.what, "issuer_root_forgotten");
	assert_string_equal(ev.subject, "first");
	assert_string_equal(ev.by, "uid:7");
	/* also after a restart */
	chan_free(s.courier);
	stop(&s.w);
	start(&s.w);
	courier_open(&s);
	assert_int_equal(told(&s, "first").from, WIRE_ROOTS_NONE);
	assert_int_equal(told(&s, "mesh").from, WIRE_ROOTS_FILE);
	pin_by(&s, &s.signer, &want); /* another is pinned then */
	assert_int_equal(told(&s, "first").from, WIRE_ROOTS_PINNED);
	signer_free(&other);
	stand_close(&s);
}

static void test_the_roots_of_all_issuers_are_published_and_counted(void **state)
{
	AUTO(buf) struct buf pem = { .max = 65536 };
	struct signer other = signer_make("other");
	struct stand s;
	uint32_t seq;

	(void)state;
	stand_open(&s, true);
	s.w.front.got.body[s.w.front.got.body_len] = '\0';
	put_pem(&pem, s.signer.root);
	assert_non_null(memmem(s.w.front.got.body, s.w.front.got.body_len, pem.data, pem.len));
	seq = s.w.front.got.seq;
	put_pem(&pem, other.root);
	give_roots(&s, 0, buf_view(&pem)); /* two now */
	assert_int_equal(s.w.front.got.seq, seq + 1);
	assert_non_null(memmem(s.w.front.got.body, s.w.front.got.body_len, pem.data, pem.len));
	signer_free(&other);
	stand_close(&s);
}

static void test_a_deadline_that_the_courier_forgets_is_kept(void **state)
{
	struct stand s;
	struct wire_issue m;
	struct wire_issue quick;

	(void)state;
	stand_open(&s, true);
	m = wanted(&s, 7);
	file(&s, &m);
	assert_in_range(s.got.m.deadline, clock_wall() + 18, clock_wall() + 20);
	/* a courier that says what it may not is cut off, and what was in hand waits for the next */
	MUST(chan_put(s.courier, KEEPER_FILE, BYTES("x", 1)));
	MUST(chan_flush(s.courier));
	usleep(1000);
	chan_free(s.courier);
	courier_open(&s);
	assert_int_equal(s.got.file, 1);
	quick = request(&s.w, 9);
	issue_ok(&s.w, &quick);
	stand_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_signed_is_recorded_and_answered_with_its_chain),
		cmocka_unit_test(test_a_signer_that_was_asked_for_must_be_of_the_issuers_domain),
		cmocka_unit_test(test_a_csr_must_equal_the_grant),
		cmocka_unit_test(test_the_keepers_own_limits_come_first),
		cmocka_unit_test(test_without_roots_nothing_is_filed),
		cmocka_unit_test(test_what_is_not_what_was_asked_for_is_refused),
		cmocka_unit_test(test_failures_are_told_and_what_comes_later_is_passed_over),
		cmocka_unit_test(test_a_ban_while_the_signer_thinks_withholds_the_certificate),
		cmocka_unit_test(test_a_courier_that_comes_back_is_asked_again),
		cmocka_unit_test(test_what_a_dead_keeper_had_in_hand_is_resumed_and_recorded),
		cmocka_unit_test(test_a_front_that_dies_leaves_its_requests_to_be_recorded),
		cmocka_unit_test(test_what_outlives_its_chain_is_refused_or_asked_for_anew),
		cmocka_unit_test(test_a_root_is_pinned_by_the_first_answer_if_that_was_chosen),
		cmocka_unit_test(test_what_became_of_requests_is_told_of_each_issuer),
		cmocka_unit_test(test_a_pinned_root_can_be_forgotten_for_good),
		cmocka_unit_test(test_the_roots_of_all_issuers_are_published_and_counted),
		cmocka_unit_test(test_a_deadline_that_the_courier_forgets_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
