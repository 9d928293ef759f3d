/* The keeper as a whole: what it issues, refuses, records and survives. */
#include "ca/wall_clock.h"
#include "ca/world.h"

/* ---- issuing ---- */

static void test_issues_a_recorded_certificate_that_the_published_root_signed(void **state)
{
	struct world w;
	struct wire_issue m;
	struct store_record r;
	BIO *pem;
	X509 *root, *leaf;

	(void)state;
	world_open(&w, CONF);
	pem = BIO_new_mem_buf(w.front.got.body, (int)w.front.got.body_len);
	root = PEM_read_bio_X509(pem, NULL, NULL, NULL);
	assert_non_null(root);
	BIO_free(pem);
	m = request(&w, 42);
	issue_ok(&w, &m);
	leaf = x509_of(BYTES(w.front.got.cert, w.front.got.cert_len));
	assert_int_equal(X509_verify(leaf, X509_get0_pubkey(root)), 1);
	record_of(&w, w.front.got.index, &r);
	assert_true(bytes_equal(r.cert, BYTES(w.front.got.cert, w.front.got.cert_len)));
	assert_true(bytes_is(r.spiffe_id, WORKLOAD) && bytes_is(r.caller, "caller") && bytes_is(r.rule, "rule") &&
		    bytes_is(r.issuer, "default"));
	assert_int_equal(r.evidence, STORE_BY_JWT);
	assert_int_equal(r.not_after - r.not_before, 3600 + 120);
	assert_int_equal(r.serial.len, 16);
	X509_free(leaf);
	X509_free(root);
	world_close(&w);
}

static void test_serving_certificate_has_the_configured_names(void **state)
{
	struct world w;
	X509 *leaf;

	(void)state;
	world_open(&w, CONF "tls:\n  names: [ca.example.org, 10.9.8.7]\n");
	MUST(chan_put(w.front.chan, FRONT_SERVING, w.key.info.spki));
	MUST(chan_flush(w.front.chan));
	EXPECT(&w.front, serving, 1);
	leaf = x509_of(BYTES(w.front.got.cert, w.front.got.cert_len));
	assert_int_equal(X509_check_host(leaf, "ca.example.org", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(leaf, "10.9.8.7", 0), 1);
	X509_free(leaf);
	assert_int_equal(records(&w), 1);
	MUST(chan_put(w.front.chan, FRONT_SERVING, TEXT("no key")));
	MUST(chan_flush(w.front.chan));
	EXPECT(&w.front, refused, 1);
	assert_int_equal(w.front.got.id, WIRE_ID_SERVING);
	world_close(&w);
}

static void test_answers_every_one_of_many_requests_in_flight(void **state)
{
	struct world w;
	struct wire_issue m;

	(void)state;
	world_open(&w, CONF);
	for (uint64_t i = 1; i <= 500; i++) {
		m = request(&w, i);
		m.flags = i == 500 ? WIRE_ISSUE_LAST : 0;
		put_issue(&w.front, &m);
	}
	MUST(chan_flush(w.front.chan));
	EXPECT(&w.front, issued, 500);
	assert_int_equal(w.front.got.refused, 0);
	assert_int_equal(records(&w), 500);
	world_close(&w);
}

static void test_slow_keys_sign_on_threads(void **state)
{
	static const char *const specs[] = { "p384", "rsa2048", "ed25519" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		char yaml[128];
		struct world w;
		struct wire_issue m;

		(void)snprintf(yaml, sizeof(yaml), CONF "ca:\n  key_type: %s\n  signer_threads: 2\n", specs[i]);
		world_open(&w, yaml);
		for (uint64_t id = 1; id <= 20; id++) {
			m = request(&w, id);
			put_issue(&w.front, &m);
		}
		MUST(chan_flush(w.front.chan));
		EXPECT(&w.front, issued, 20);
		world_close(&w);
	}
}

/* What policy let through and the keeper does not. */
static void test_refuses_what_is_beyond_its_own_limits(void **state)
{
	struct world w;
	struct wire_issue m;

	(void)state;
	world_open(&w, CONF "cert:\n  key_types: [p256]\n");
	m = request(&w, 1);
	m.spiffe_id = TEXT("spiffe://other.org/ns/a/sa/b");
	issue_refused(&w, &m, REASON_LIMIT_SPIFFE_ID);
	m = request(&w, 2);
	m.lifetime = 3600 * 24 * 365;
	issue_refused(&w, &m, REASON_LIFETIME);
	m = request(&w, 3);
	m.spki = TEXT("\x30\x00");
	issue_refused(&w, &m, REASON_KEY_TYPE);
	m = request(&w, 4);
	m.name_count = 1;
	m.names[0] = (struct wire_name){ WIRE_TAG_DNS, TEXT("istiod.istio-system.svc") };
	issue_refused(&w, &m, REASON_RESERVED_NAME);
	m = request(&w, 5);
	m.issuer = TEXT("elsewhere");
	issue_refused(&w, &m, REASON_PROFILE);
	assert_int_equal(records(&w), 0);
	world_close(&w);
}

static void test_one_front_gets_no_more_than_its_rate(void **state)
{
	struct world w;
	struct wire_issue m;

	(void)state;
	world_open(&w, CONF "ca:\n  rate_per_front: 5\n");
	for (uint64_t i = 1; i <= 50; i++) {
		m = request(&w, i);
		put_issue(&w.front, &m);
	}
	MUST(chan_flush(w.front.chan));
	EXPECT(&w.front, refused, 40);
	assert_int_equal(w.front.got.reason, REASON_RATE);
	EXPECT(&w.front, issued, 5);
	assert_true(w.front.got.issued <= 8); /* a second's worth, and what trickled in meanwhile */
	world_close(&w);
}

/* ---- pacing ---- */

static int64_t time_of_one(struct world *w, uint8_t flags)
{
	struct wire_issue m = request(w, 7);
	int64_t from = clock_mono_us();

	m.flags = flags;
	issue_ok(w, &m);
	return clock_mono_us() - from;
}

static int64_t quickest(struct world *w, uint8_t flags) /* of some: the machine and its disk may be busy */
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < 12; i++) {
		int64_t t = time_of_one(w, flags);

		if (t < best) best = t;
	}
	return best;
}

static void test_the_last_request_in_hand_is_not_kept_waiting(void **state)
{
	struct world w;
	int64_t slow, fast;

	(void)state;
	world_open(&w, CONF "storage:\n  commit_wait: 20ms\n");
	slow = quickest(&w, 0);
	fast = quickest(&w, WIRE_ISSUE_LAST);
	assert_true(slow >= 20000);
	assert_true(fast + 10000 < slow);
	world_close(&w);
}

/* ---- bans ---- */

static void test_a_ban_holds_at_once_and_after_a_restart(void **state)
{
	struct world w;
	struct wire_issue m;
	uint8_t hash[32];
	char hex[65];
	struct { enum store_ban_kind kind; struct bytes subject; } bans[3];

	(void)state;
	world_open(&w, CONF);
	MUST(key_sha256(w.key.info.spki, hash));
	bytes_hex(BYTES(hash, 32), hex);
	bans[0].kind = STORE_BAN_SPIFFE_ID, bans[0].subject = TEXT(WORKLOAD);
	bans[1].kind = STORE_BAN_KEY, bans[1].subject = bytes_str(hex);
	bans[2].kind = STORE_BAN_CALLER, bans[2].subject = TEXT("caller");
	m = request(&w, 1);
	for (size_t i = 0; i < 3; i++) {
		issue_ok(&w, &m);
		assert_int_equal(ban(&w, bans[i].kind, bans[i].subject), ERR_OK);
		issue_refused(&w, &m, REASON_BANNED);
		assert_int_equal(ban(&w, bans[i].kind, bans[i].subject), ERR_ALREADY_EXISTS);
		issue_refused(&w, &m, REASON_BANNED);
		stop(&w);
		start(&w);
		issue_refused(&w, &m, REASON_BANNED);
		assert_int_equal(unban(&w, bans[i].kind, bans[i].subject), ERR_OK);
		assert_int_equal(unban(&w, bans[i].kind, bans[i].subject), ERR_NOT_FOUND);
	}
	issue_ok(&w, &m);
	memset(m.evidence_hash, 7, 32); /* a banned key's certificate asks for a new key: over mTLS it is that key */
	bytes_hex(BYTES(m.evidence_hash, 32), hex);
	assert_int_equal(ban(&w, STORE_BAN_KEY, bytes_str(hex)), ERR_OK);
	m.evidence = STORE_BY_JWT;
	issue_ok(&w, &m);
	m.evidence = STORE_BY_MTLS;
	m.peer_count = 1;
	m.peers[0].serial = TEXT("\1");
	issue_refused(&w, &m, REASON_BANNED);
	assert_int_equal(ban(&w, STORE_BAN_KEY, TEXT("xyz")), ERR_INVALID_ARGUMENT);
	assert_int_equal(ban(&w, STORE_BAN_SPIFFE_ID, TEXT("not an id")), ERR_INVALID_ARGUMENT);
	world_close(&w);
}

/* A request is signed and waits for the disk behind another one when the ban comes: it must not be answered after it. */
static void test_a_ban_catches_what_is_in_flight(void **state)
{
	AUTO(buf) struct buf message = { .max = 8192 };
	struct world w;
	struct wire_issue m;
	uint8_t nobody[32] = { 0 };

	(void)state;
	world_open(&w, CONF);
	atomic_store(&w.hold_at, "before-commit");
	atomic_store(&w.held, 1);
	m = request(&w, 1);
	m.spiffe_id = TEXT("spiffe://" TRUST_DOMAIN "/first");
	ask(&w.front, &m);
	while (atomic_load(&w.stopped) == 0) usleep(200);
	m = request(&w, 2); /* signed, and queued for the next commit: what is asked behind it is answered */
	ask(&w.front, &m);
	assert_int_equal(token_state(&w, nobody), TOKEN_UNKNOWN);
	ban_message(&message, STORE_BAN_SPIFFE_ID, TEXT(WORKLOAD));
	admin_put(&w, ADMIN_BAN_ADD, &message);
	assert_int_equal(records(&w), 0); /* likewise: the keeper has heard of the ban */
	assert_int_equal(w.admin.got.admin, 1); /* but has not answered it before it is durable */
	atomic_store(&w.held, 0);
	EXPECT(&w.front, refused, 1);
	assert_int_equal(w.front.got.reason, REASON_BANNED);
	assert_int_equal(w.front.got.id, 2);
	EXPECT(&w.front, issued, 1);
	EXPECT(&w.admin, admin, 2);
	assert_int_equal(w.admin.got.code, ERR_OK);
	assert_int_equal(records(&w), 1);
	world_close(&w);
}

/* pwrite() of this program: when armed, all fail from LMDB's next header on, which goes through a descriptor with O_DSYNC; that
 * one is written all the same. */
static atomic_int failing_headers;
ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	int n = 0;

	if (atomic_load(&failing_headers) > 1 || (atomic_load(&failing_headers) == 1 && (fcntl(fd, F_GETFL) & O_DSYNC) != 0))
		n = atomic_fetch_add(&failing_headers, 1);
	if (n <= 1 && syscall(SYS_pwrite64, fd, data, len, at) != (ssize_t)len) return -1;
	if (n == 0) return (ssize_t)len;
	errno = EIO;
	return -1;
}

/* Then it may be in the store, and is listed: it must hold. */
static void test_a_ban_of_open_outcome_holds(void **state)
{
	struct world w;
	struct wire_issue m;

	(void)state;
	world_open(&w, CONF);
	m = request(&w, 1);
	issue_ok(&w, &m);
	while (atomic_load(&w.metrics->value[M_CRL_NEXT_UPDATE]) == 0) usleep(200); /* that write is not to fail */
	atomic_store(&failing_headers, 1);
	assert_int_equal(ban(&w, STORE_BAN_CALLER, TEXT("caller")), ERR_UNKNOWN);
	atomic_store(&failing_headers, 0);
	issue_refused(&w, &m, REASON_BANNED);
	assert_int_equal(ban(&w, STORE_BAN_CALLER, TEXT("caller")), ERR_ALREADY_EXISTS);
	stop(&w);
	start(&w);
	issue_refused(&w, &m, REASON_BANNED);
	world_close(&w);
}

#define IN_HAND 16384 /* ca/inside.h: JOBS_MAX */

/* Nothing is committed while they come.  How many it took. */
static unsigned ask_until_refused(struct world *w, struct wire_issue *m)
{
	unsigned i, frames;

	atomic_store(&w->hold_at, "before-commit");
	atomic_store(&w->held, 1);
	*m = request(w, 1);
	for (i = 0; w->front.got.refused == 0; i++) {
		if (i > 3 * IN_HAND) fail_msg("never full");
		put_issue(&w->front, m);
		if (i % 64 != 0) continue;
		do MUST(chan_flush(w->front.chan));
		while (chan_wants_write(w->front.chan));
		MUST(chan_receive(w->front.chan, 64, &frames));
	}
	assert_int_equal(w->front.got.reason, REASON_RATE);
	return i;
}

static void test_front_takes_no_more_room_than_its_own(void **state)
{
	struct wire_issue m;
	unsigned asked, frames;
	struct world w;

	(void)state;
	world_open(&w, CONF "listen:\n  max_pending: 10\n");
	asked = ask_until_refused(&w, &m);
	while (w.front.got.refused < asked / 2) MUST(chan_receive(w.front.chan, 64, &frames)); /* most were never in hand */
	atomic_store(&w.held, 0);
	while (w.front.got.issued + w.front.got.refused < asked) MUST(chan_receive(w.front.chan, 64, &frames));
	assert_in_range(w.front.got.issued, 10, IN_HAND / 4);
	world_close(&w);
}

/* The disk is slow and fronts ask all the same: that is when an operator wants to ban. */
static void test_admin_has_room_when_fronts_have_none(void **state)
{
	AUTO(buf) struct buf message = { .max = 8192 };
	struct world w;
	struct wire_issue m;

	(void)state;
	world_open(&w, CONF "ca:\n  rate_per_front: 1000000\nlisten:\n  max_pending: 65536\n");
	(void)ask_until_refused(&w, &m);
	assert_int_equal(w.front.got.issued, 0);
	ban_message(&message, STORE_BAN_SPIFFE_ID, TEXT(WORKLOAD));
	admin_put(&w, ADMIN_BAN_ADD, &message);
	(void)records(&w); /* answered, and behind the ban: the keeper has heard of it, and the channel lives */
	atomic_store(&w.held, 0);
	EXPECT(&w.admin, admin, 2);
	assert_int_equal(w.admin.got.code, ERR_OK);
	issue_refused(&w, &m, REASON_BANNED);
	world_close(&w);
}

/* ---- the clock ---- */

static void test_a_clock_that_steps_forward_drops_no_record_of_a_valid_certificate(void **state)
{
	struct store_record r;
	struct world w;
	struct wire_issue m;

	(void)state;
	world_open(&w, CONF);
	m = request(&w, 1);
	for (unsigned i = 0; i < STORE_TILE + 1; i++) ask(&w.front, &m);
	EXPECT(&w.front, issued, STORE_TILE + 1);
	stop(&w);
	start(&w); /* housekeeping is due when it has been idle for a quarter of a second */
	atomic_store(&ahead, INT64_C(20) * 365 * 86400);
	usleep(700000);
	atomic_store(&ahead, 0);
	record_of(&w, 0, &r);
	assert_int_equal(r.index, 0);
	world_close(&w);
}

static void test_a_keeper_that_is_never_idle_drops_what_has_ended(void **state)
{
	AUTO(buf) struct buf first = { .max = 64 };
	struct world w;
	struct wire_issue m;

	(void)state;
	world_open(&w, CONF "storage:\n  keep_expired: 0s\n");
	m = request(&w, 1);
	m.lifetime = 1;
	for (unsigned i = 0; i < STORE_TILE + 1; i++) ask(&w.front, &m);
	EXPECT(&w.front, issued, STORE_TILE + 1);
	stop(&w);
	usleep(2100000);
	start(&w); /* housekeeping is due at once */
	m.lifetime = 3600;
	for (int i = 0; i < 20; i++) {
		issue_ok(&w, &m);
		usleep(10000);
	}
	MUST(wire_get_put(&first, &(struct wire_get){ 9, 0 }));
	assert_int_equal(admin_ask(&w, ADMIN_CERT_GET, &first), ERR_NOT_FOUND);
	world_close(&w);
}

/* ---- join tokens ---- */

static struct wire_issue token_request(struct world *w, const uint8_t hash[32])
{
	struct wire_issue m = request(w, 11);

	m.evidence = STORE_BY_JOIN_TOKEN;
	memcpy(m.evidence_hash, hash, 32);
	return m;
}

static void test_a_token_is_spent_once_and_its_key_may_ask_again(void **state)
{
	struct world w;
	struct wire_issue m;
	uint8_t hash[32], first[STORE_CERT_MAX], nothing[32] = { 0 };
	char token_id[33];
	uint64_t index;
	size_t len;

	(void)state;
	world_open(&w, CONF);
	assert_int_equal(token_create(&w, WORKLOAD, 60, hash, token_id), ERR_OK);
	assert_int_equal(token_state(&w, nothing), TOKEN_UNKNOWN);
	assert_int_equal(token_state(&w, hash), TOKEN_GOOD);
	assert_string_equal(w.front.got.text, WORKLOAD);
	m = token_request(&w, hash);
	m.spiffe_id = TEXT("spiffe://" TRUST_DOMAIN "/another");
	issue_refused(&w, &m, REASON_TOKEN);
	m = token_request(&w, nothing);
	issue_refused(&w, &m, REASON_TOKEN);
	m = token_request(&w, hash);
	issue_ok(&w, &m);
	memcpy(first, w.front.got.cert, len = w.front.got.cert_len);
	index = w.front.got.index;
	assert_int_equal(token_state(&w, hash), TOKEN_SPENT);
	issue_ok(&w, &m); /* the same key: the same certificate */
	assert_int_equal(w.front.got.cert_len, len);
	assert_memory_equal(w.front.got.cert, first, len);
	assert_int_equal(w.front.got.index, index);
	m.spki = w.other.info.spki;
	issue_refused(&w, &m, REASON_TOKEN);
	assert_int_equal(records(&w), 1);
	world_close(&w);
}

static void test_a_token_spent_twice_at_once_makes_one_certificate(void **state)
{
	struct world w;
	struct wire_issue m;
	uint8_t hash[32];
	char token_id[33];

	(void)state;
	world_open(&w, CONF);
	assert_int_equal(token_create(&w, WORKLOAD, 60, hash, token_id), ERR_OK);
	m = token_request(&w, hash);
	m.flags = 0;
	put_issue(&w.front, &m);
	m.id++;
	put_issue(&w.front, &m); /* the same key */
	m.id++;
	m.spki = w.other.info.spki;
	m.flags = WIRE_ISSUE_LAST;
	ask(&w.front, &m); /* another */
	EXPECT(&w.front, issued, 2);
	EXPECT(&w.front, refused, 1);
	assert_int_equal(w.front.got.reason, REASON_TOKEN);
	assert_int_equal(records(&w), 1);
	world_close(&w);
}

static void test_tokens_are_made_within_limits_and_revoked(void **state)
{
	AUTO(buf) struct buf m = { .max = 8192 };
	struct world w;
	struct wire_issue r;
	uint8_t hash[32];
	char token_id[33];

	(void)state;
	world_open(&w, CONF);
	assert_int_equal(token_create(&w, "spiffe://other.org/x", 60, hash, token_id), ERR_INVALID_ARGUMENT);
	assert_int_equal(token_create(&w, "spiffe://" TRUST_DOMAIN, 60, hash, token_id), ERR_INVALID_ARGUMENT);
	assert_int_equal(token_create(&w, WORKLOAD, 86400 * 365, hash, token_id), ERR_INVALID_ARGUMENT);
	assert_int_equal(token_create(&w, WORKLOAD, -1, hash, token_id), ERR_INVALID_ARGUMENT);
	assert_int_equal(token_create(&w, WORKLOAD, 0, hash, token_id), ERR_OK);
	MUST(wire_subject_put(&m, &(struct wire_subject){ .id = 6, .subject = bytes_str(token_id),
							.by = TEXT("uid:0") }));
	assert_int_equal(admin_ask(&w, ADMIN_TOKEN_REVOKE, &m), ERR_OK);
	assert_int_equal(token_state(&w, hash), TOKEN_REVOKED);
	r = token_request(&w, hash);
	issue_refused(&w, &r, REASON_TOKEN);
	assert_int_equal(admin_ask(&w, ADMIN_TOKEN_REVOKE, &m), ERR_ALREADY_EXISTS);
	world_close(&w);
}

/* ---- lists ---- */

static void test_lists_certificates_tokens_and_bans(void **state)
{
	AUTO(buf) struct buf m = { .max = 8192 };
	struct world w;
	struct wire_issue r;
	struct wire_list list;
	struct store_record record;
	struct store_token token;
	struct wire_ban b;
	struct bytes items;
	uint8_t hash[32];
	char token_id[33];

	(void)state;
	world_open(&w, CONF);
	for (uint64_t i = 1; i <= 5; i++) {
		r = request(&w, i);
		r.spiffe_id = i % 2 == 1 ? TEXT(WORKLOAD) : TEXT("spiffe://" TRUST_DOMAIN "/even");
		issue_ok(&w, &r);
	}
	MUST(wire_query_put(
		&m, &(struct wire_query){ .id = 1, .q = { .spiffe_id = TEXT(WORKLOAD), .after = UINT64_MAX, .limit = 2 } }));
	assert_int_equal(admin_ask(&w, ADMIN_CERT_LIST, &m), ERR_OK);
	MUST(wire_list_take(BYTES(w.admin.got.body, w.admin.got.body_len), &list));
	items = list.items;
	for (uint64_t i = 0; i < 2; i++) {
		MUST(wire_record_take(&items, &record));
		assert_int_equal(record.index, 2 * i);
		assert_true(bytes_is(record.spiffe_id, WORKLOAD));
	}
	assert_int_equal(items.len, 0);
	assert_int_equal(list.next, 2);

	assert_int_equal(token_create(&w, WORKLOAD, 60, hash, token_id), ERR_OK);
	assert_int_equal(ban(&w, STORE_BAN_CALLER, TEXT("mallory")), ERR_OK);
	m.len = 0;
	MUST(wire_cursor_put(&m, &(struct wire_cursor){ .id = 2, .limit = 10 }));
	assert_int_equal(admin_ask(&w, ADMIN_TOKEN_LIST, &m), ERR_OK);
	MUST(wire_list_take(BYTES(w.admin.got.body, w.admin.got.body_len), &list));
	items = list.items;
	MUST(wire_token_item_take(&items, &token));
	assert_string_equal(token.id, token_id);
	assert_string_equal(token.created_by, "uid:0");
	assert_int_equal(items.len, 0);
	assert_int_equal(list.cursor.len, 0);
	assert_int_equal(admin_ask(&w, ADMIN_BAN_LIST, &m), ERR_OK);
	MUST(wire_list_take(BYTES(w.admin.got.body, w.admin.got.body_len), &list));
	items = list.items;
	MUST(wire_ban_take(&items, &b));
	assert_true(bytes_is(b.subject, "mallory"));
	assert_int_equal(items.len, 0);
	world_close(&w);
}

/* ---- what breaks the protocol ---- */

static const struct { const char *name; bool greet; uint16_t type, len; } violations[] = {
	{ "a request before HELLO", false, FRONT_ISSUE, 100 },
	{ "HELLO twice", true, FRONT_HELLO, 4 },
	{ "admin's word from a front", true, ADMIN_TOKEN_CREATE, 40 },
	{ "a ban from a front", true, ADMIN_BAN_REMOVE, 40 },
	{ "an unknown message", true, 999, 4 },
	{ "an answer to the keeper", true, KEEPER_ISSUED, 40 },
	{ "a request too short", true, FRONT_ISSUE, 10 },
	{ "a request of zeros", true, FRONT_ISSUE, 100 },
	{ "a token question too long", true, FRONT_TOKEN, 41 },
	{ "a key too long", true, FRONT_SERVING, KEY_SPKI_MAX + 1 },
};

static void test_whoever_breaks_the_table_loses_its_channel_alone(void **state)
{
	static const uint8_t zeros[4096];
	struct world w;
	struct wire_issue m;
	struct side bad;

	(void)state;
	world_open(&w, CONF);
	for (size_t i = 0; i < ARRAY_LEN(violations); i++) {
		give_channel(&w, &bad, CONTROL_FRONT, (uint16_t)(1 + i));
		if (violations[i].greet) hello(&bad, FRONT_HELLO, WIRE_VERSION, (uint16_t)(1 + i));
		if (violations[i].greet) EXPECT(&bad, roots, 1);
		MUST(chan_put(bad.chan, violations[i].type, BYTES(zeros, violations[i].len)));
		MUST(chan_flush(bad.chan));
		expect_closed(&bad);
		chan_free(bad.chan);
	}
	give_channel(&w, &bad, CONTROL_FRONT, 77);
	hello(&bad, FRONT_HELLO, WIRE_VERSION, 78); /* another's number */
	expect_closed(&bad);
	chan_free(bad.chan);
	give_channel(&w, &bad, CONTROL_FRONT, 79);
	hello(&bad, FRONT_HELLO, WIRE_VERSION + 1, 79);
	expect_closed(&bad);
	chan_free(bad.chan);
	m = request(&w, 1);
	issue_ok(&w, &m); /* the others go on */
	world_close(&w);
}

static void test_a_restarted_front_takes_its_predecessors_place(void **state)
{
	struct world w;
	struct side again;
	struct wire_issue m;

	(void)state;
	world_open(&w, CONF);
	m = request(&w, 1);
	issue_ok(&w, &m);
	give_channel(&w, &again, CONTROL_FRONT, 0);
	hello(&again, FRONT_HELLO, WIRE_VERSION, 0);
	EXPECT(&again, roots, 1);
	expect_closed(&w.front);
	chan_free(w.front.chan);
	w.front.chan = again.chan;
	again.chan = NULL;
	world_close(&w);
}

/* ---- failures ---- */

static void test_a_store_that_cannot_write_refuses_and_recovers(void **state)
{
	struct rlimit before, small;
	struct world w;
	struct wire_issue m;
	uint64_t count;

	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN);
	world_open(&w, CONF);
	m = request(&w, 1);
	issue_ok(&w, &m);
	count = records(&w);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 1;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (uint64_t i = 2; i < 6; i++) {
		unsigned refused = w.front.got.refused;

		m = request(&w, i);
		ask(&w.front, &m);
		EXPECT(&w.front, refused, refused + 1);
		assert_true(w.front.got.reason == REASON_STORE || w.front.got.reason == REASON_FULL);
	}
	assert_int_not_equal(ban(&w, STORE_BAN_CALLER, TEXT("caller")), ERR_OK);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	m = request(&w, 9); /* and the ban that could not be written does not hold either */
	issue_ok(&w, &m);
	assert_int_equal(records(&w), count + 1);
	assert_int_equal(w.front.got.issued, 2);
	world_close(&w);
}

static void test_what_is_in_hand_is_answered_before_it_stops(void **state)
{
	struct world w;
	struct wire_issue m;

	(void)state;
	world_open(&w, CONF);
	atomic_store(&w.hold_at, "before-commit");
	atomic_store(&w.held, 1);
	m = request(&w, 1);
	ask(&w.front, &m);
	while (atomic_load(&w.stopped) == 0) usleep(200);
	MUST(chan_put(w.control.chan, CONTROL_STOP, BYTES_NONE));
	MUST(chan_flush(w.control.chan));
	usleep(30000);
	assert_int_equal(w.front.got.issued, 0);
	atomic_store(&w.held, 0);
	EXPECT(&w.front, issued, 1);
	world_close(&w);
}

/* ---- sudden death ---- */

/* Requests one by one until it dies; what came back is kept.  The fourth spends the token. */
static size_t ask_until_death(struct world *w, const uint8_t hash[32], struct answer *kept)
{
	size_t count = 0;

	for (uint64_t i = 1; i <= 8; i++) {
		struct wire_issue m = i == 4 ? token_request(w, hash) : request(w, i);
		bool closed = false;
		AUTO(buf) struct buf out = { .max = 65536 };

		MUST(wire_issue_put(&out, &m));
		if (chan_put(w->front.chan, FRONT_ISSUE, buf_view(&out)).code != ERR_OK ||
		    chan_flush(w->front.chan).code != ERR_OK)
			break;
		if (!wait_for(&w->front, &w->front.got.issued, (unsigned)count + 1, &closed)) {
			assert_true(closed);
			break;
		}
		kept[count++] = w->front.got;
	}
	return count;
}

static uint64_t records_by_token(struct world *w, const uint8_t hash[32])
{
	uint64_t end = records(w), n = 0;
	struct store_record r;

	for (uint64_t i = 0; i < end; i++) {
		record_of(w, i, &r);
		n += memcmp(r.evidence_hash, hash, 32) == 0;
	}
	return n;
}

static void die_and_check(struct world *w, const char *point)
{
	AUTO(heap) struct answer *kept = calloc(8, sizeof(*kept));
	struct wire_issue again;
	struct store_record r;
	uint8_t hash[32];
	char token_id[33];
	size_t count;
	int status;
	pid_t pid;

	assert_int_equal(token_create(w, WORKLOAD, 600, hash, token_id), ERR_OK);
	stop(w);
	pid = start_process(w, point);
	count = ask_until_death(w, hash, kept);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) fail_msg("%s: it did not die there", point);
	chan_free(w->control.chan);
	chan_free(w->front.chan);
	chan_free(w->admin.chan);
	start(w);
	assert_int_equal(count, 3); /* it died over the token */
	for (size_t i = 0; i < count; i++) { /* every certificate that anybody holds has its record */
		record_of(w, kept[i].index, &r);
		assert_true(bytes_equal(r.cert, BYTES(kept[i].cert, kept[i].cert_len)));
	}
	/* no token is spent without a record, and none makes two */
	assert_int_equal(records_by_token(w, hash), token_state(w, hash) == TOKEN_SPENT ? 1 : 0);
	again = token_request(w, hash);
	issue_ok(w, &again);
	assert_int_equal(records_by_token(w, hash), 1);
}

static void test_a_sudden_death_loses_no_record_of_a_certificate_that_left(void **state)
{
	static const char *const points[] = { "after-sign", "before-commit", "after-commit", "before-answer" };
	struct world w;

	(void)state;
	world_open(&w, CONF);
	for (size_t i = 0; i < ARRAY_LEN(points); i++) die_and_check(&w, points[i]);
	world_close(&w);
}

static void test_the_root_stays_over_restarts_and_needs_its_kek(void **state)
{
	struct world w;
	uint8_t root[8192];
	size_t len;
	struct hsm_kek other;
	int control;

	(void)state;
	world_open(&w, CONF);
	memcpy(root, w.front.got.body, len = w.front.got.body_len);
	stop(&w);
	start(&w);
	assert_int_equal(w.front.got.body_len, len);
	assert_memory_equal(w.front.got.body, root, len);
	stop(&w);
	memset(other.bytes, 8, sizeof(other.bytes));
	side_open(&w.control, &control);
	w.options.control_fd = control;
	w.options.kek = &other;
	assert_int_equal(keeper_run(&w.options).code, ERR_DATA_LOSS);
	for (size_t i = 0; i < sizeof(other.bytes); i++) assert_int_equal(other.bytes[i], 0);
	chan_free(w.control.chan);
	conf_free(w.conf);
	w.conf = conf_of("trust_domain: other.org\n");
	memset(w.kek.bytes, 7, sizeof(w.kek.bytes));
	side_open(&w.control, &control);
	w.options.conf = w.conf;
	w.options.control_fd = control;
	w.options.kek = &w.kek;
	assert_int_equal(keeper_run(&w.options).code, ERR_FAILED_PRECONDITION);
	chan_free(w.control.chan);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_issues_a_recorded_certificate_that_the_published_root_signed),
		cmocka_unit_test(test_serving_certificate_has_the_configured_names),
		cmocka_unit_test(test_answers_every_one_of_many_requests_in_flight),
		cmocka_unit_test(test_slow_keys_sign_on_threads),
		cmocka_unit_test(test_refuses_what_is_beyond_its_own_limits),
		cmocka_unit_test(test_one_front_gets_no_more_than_its_rate),
		cmocka_unit_test(test_the_last_request_in_hand_is_not_kept_waiting),
		cmocka_unit_test(test_a_ban_holds_at_once_and_after_a_restart),
		cmocka_unit_test(test_a_ban_catches_what_is_in_flight),
		cmocka_unit_test(test_a_ban_of_open_outcome_holds),
		cmocka_unit_test(test_front_takes_no_more_room_than_its_own),
		cmocka_unit_test(test_admin_has_room_when_fronts_have_none),
		cmocka_unit_test(test_a_clock_that_steps_forward_drops_no_record_of_a_valid_certificate),
		cmocka_unit_test(test_a_keeper_that_is_never_idle_drops_what_has_ended),
		cmocka_unit_test(test_a_token_is_spent_once_and_its_key_may_ask_again),
		cmocka_unit_test(test_a_token_spent_twice_at_once_makes_one_certificate),
		cmocka_unit_test(test_tokens_are_made_within_limits_and_revoked),
		cmocka_unit_test(test_lists_certificates_tokens_and_bans),
		cmocka_unit_test(test_whoever_breaks_the_table_loses_its_channel_alone),
		cmocka_unit_test(test_a_restarted_front_takes_its_predecessors_place),
		cmocka_unit_test(test_a_store_that_cannot_write_refuses_and_recovers),
		cmocka_unit_test(test_what_is_in_hand_is_answered_before_it_stops),
		cmocka_unit_test(test_a_sudden_death_loses_no_record_of_a_certificate_that_left),
		cmocka_unit_test(test_the_root_stays_over_restarts_and_needs_its_kek),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
