/* Revocation, end to end in the keeper: what is hit, from when on it holds, and what is not believed. */
#include "ca/world.h"

#define OTHER "spiffe://" TRUST_DOMAIN "/ns/a/sa/other"

static uint8_t ask_revoke(struct world *w, struct wire_revoke m, struct wire_revoked *result)
{
	AUTO(buf) struct buf out = { .max = 8192 };
	uint8_t code;

	m.id = 6;
	m.by = TEXT("uid:0");
	*result = (struct wire_revoked){ 0 };
	MUST(wire_revoke_put(&out, &m));
	code = admin_ask(w, ADMIN_CERT_REVOKE, &out);
	if (code == ERR_OK) MUST(wire_revoked_take(BYTES(w->admin.got.body, w->admin.got.body_len), result));
	return code;
}

static void revokes(struct world *w, uint8_t kind, struct bytes subject, uint64_t matched, uint64_t revoked)
{
	struct wire_revoked result;

	assert_int_equal(ask_revoke(w, (struct wire_revoke){ .kind = kind, .subject = subject, .reason = 1 }, &result), ERR_OK);
	assert_int_equal(result.matched, matched);
	assert_int_equal(result.revoked, revoked);
}

struct serial { /* of the certificate that was issued last */
	uint8_t octets[STORE_SERIAL_MAX];
	size_t len;
	char hex[2 * STORE_SERIAL_MAX + 1];
};
static struct serial serial_of(const struct world *w)
{
	struct serial s = { 0 };
	struct cert cert;

	MUST(cert_parse(BYTES(w->front.got.cert, w->front.got.cert_len), &cert));
	memcpy(s.octets, cert.serial.data, s.len = cert.serial.len);
	bytes_hex(cert.serial, s.hex);
	return s;
}

/* A renewal by whoever has that certificate of that key. */
static struct wire_issue renewal(struct world *w, const struct serial *serial, const struct key *key)
{
	struct wire_issue m = request(w, 1);

	m.evidence = STORE_BY_MTLS;
	m.caller = m.spiffe_id;
	m.peer_count = 1;
	m.peers[0].serial = BYTES(serial->octets, serial->len);
	MUST(key_sha256(key->info.spki, m.evidence_hash));
	return m;
}

static size_t listed(struct world *w, struct wire_revocation *first)
{
	AUTO(buf) struct buf m = { .max = 64 };
	struct wire_revocation r;
	struct wire_list list;
	size_t n = 0;

	MUST(wire_cursor_put(&m, &(struct wire_cursor){ .id = 4, .limit = 1000 }));
	assert_int_equal(admin_ask(w, ADMIN_REVOCATION_LIST, &m), ERR_OK);
	MUST(wire_list_take(BYTES(w->admin.got.body, w->admin.got.body_len), &list));
	while (list.items.len > 0) {
		MUST(wire_revocation_take(&list.items, &r));
		if (n++ == 0) *first = r;
	}
	return n;
}

static void test_a_revoked_certificate_renews_nothing_from_the_next_request_on(void **state)
{
	struct wire_revocation entry;
	struct wire_issue m;
	struct serial first, second;
	struct world w;

	(void)state;
	world_open(&w, CONF);
	m = request(&w, 1);
	issue_ok(&w, &m);
	first = serial_of(&w);
	m = renewal(&w, &first, &w.key);
	issue_ok(&w, &m);
	second = serial_of(&w);
	revokes(&w, REVOKE_SERIAL, bytes_str(first.hex), 1, 1);
	issue_refused(&w, &m, REASON_REVOKED);
	m = renewal(&w, &second, &w.key); /* its own renewal is another certificate */
	issue_ok(&w, &m);
	assert_int_equal(listed(&w, &entry), 1);
	assert_true(bytes_equal(entry.serial, BYTES(first.octets, first.len)));
	assert_int_equal(entry.reason, 1);
	assert_int_equal(entry.record, 0);
	assert_true(bytes_is(entry.by, "uid:0"));
	stop(&w);
	start(&w);
	m = renewal(&w, &first, &w.key);
	issue_refused(&w, &m, REASON_REVOKED);
	revokes(&w, REVOKE_SERIAL, bytes_str(first.hex), 1, 0);
	world_close(&w);
}

static void test_every_certificate_of_an_identity_a_key_or_a_rule_is_hit(void **state)
{
	struct wire_revocation entry;
	struct wire_issue m;
	struct world w;
	uint8_t hash[32];
	char hex[65];

	(void)state;
	world_open(&w, CONF);
	for (unsigned i = 0; i < 6; i++) {
		m = request(&w, i + 1);
		if (i % 2 == 1) m.spiffe_id = TEXT(OTHER);
		if (i >= 2) m.spki = w.other.info.spki;
		if (i >= 4) m.rule = TEXT("another rule");
		issue_ok(&w, &m);
	}
	MUST(key_sha256(w.key.info.spki, hash));
	bytes_hex(BYTES(hash, 32), hex);
	revokes(&w, REVOKE_SPIFFE_ID, TEXT(OTHER "x"), 0, 0);
	revokes(&w, REVOKE_SPIFFE_ID, TEXT(OTHER), 3, 3);
	revokes(&w, REVOKE_KEY, bytes_str(hex), 2, 1);
	revokes(&w, REVOKE_RULE, TEXT("another rule"), 2, 1);
	revokes(&w, REVOKE_RULE, TEXT("another"), 0, 0);
	revokes(&w, REVOKE_CALLER, TEXT("caller"), 6, 1);
	assert_int_equal(listed(&w, &entry), 6);
	world_close(&w);
}

static void test_what_came_of_a_node_or_of_a_ca_s_key_is_hit(void **state)
{
	struct serial first, elsewhere;
	struct wire_issue m;
	struct world w;
	struct cert cert;
	char key_id[2 * KEY_SKI_LEN + 1];

	(void)state;
	world_open(&w, CONF);
	m = request(&w, 1);
	m.node = TEXT("node-1");
	issue_ok(&w, &m);
	first = serial_of(&w);
	m.node = TEXT("node-10");
	issue_ok(&w, &m);
	elsewhere = serial_of(&w);
	for (unsigned i = 0; i < 3; i++) { /* each renews the one before */
		m = renewal(&w, &first, &w.key);
		issue_ok(&w, &m);
		first = serial_of(&w);
	}
	revokes(&w, REVOKE_NODE, TEXT("node"), 0, 0);
	revokes(&w, REVOKE_NODE, TEXT("node-1"), 4, 4);
	m = renewal(&w, &first, &w.key);
	issue_refused(&w, &m, REASON_REVOKED);
	m = renewal(&w, &elsewhere, &w.key);
	issue_ok(&w, &m);
	MUST(cert_parse(BYTES(w.front.got.cert, w.front.got.cert_len), &cert));
	bytes_hex(cert.aki, key_id);
	revokes(&w, REVOKE_CA_KEY, TEXT("00112233445566778899aabbccddeeff00112233"), 0, 0);
	revokes(&w, REVOKE_CA_KEY, bytes_str(key_id), 6, 2);
	world_close(&w);
}

static void test_more_than_one_transaction_holds_is_revoked_whole(void **state)
{
	struct wire_issue m;
	struct world w;

	(void)state;
	world_open(&w, CONF);
	for (uint64_t i = 1; i <= 2500; i++) {
		m = request(&w, i);
		m.flags = i % 500 == 0 ? WIRE_ISSUE_LAST : 0;
		put_issue(&w.front, &m);
		if (i % 500 != 0) continue;
		MUST(chan_flush(w.front.chan));
		EXPECT(&w.front, issued, (unsigned)i);
	}
	revokes(&w, REVOKE_RULE, TEXT("rule"), 2500, 2500);
	revokes(&w, REVOKE_RULE, TEXT("rule"), 2500, 0);
	world_close(&w);
}

static void test_a_callers_certificates_are_followed_through_their_renewals(void **state)
{
	struct serial first, second, unrelated;
	struct wire_issue m;
	struct world w;

	(void)state;
	world_open(&w, CONF);
	m = request(&w, 1);
	m.caller = TEXT("issuer|thief");
	issue_ok(&w, &m);
	first = serial_of(&w);
	m = renewal(&w, &first, &w.key);
	m.spki = w.other.info.spki;
	issue_ok(&w, &m);
	second = serial_of(&w);
	m = request(&w, 1); /* the same identity, of somebody else */
	issue_ok(&w, &m);
	unrelated = serial_of(&w);
	revokes(&w, REVOKE_CALLER, TEXT("issuer|thief"), 2, 2);
	m = renewal(&w, &second, &w.other);
	issue_refused(&w, &m, REASON_REVOKED);
	m = renewal(&w, &unrelated, &w.key);
	issue_ok(&w, &m);
	world_close(&w);
}

/* It is searched while a commit is under way: what that one, and those behind it, record is hit as well. */
static void test_what_is_recorded_during_the_search_is_revoked_too(void **state)
{
	AUTO(buf) struct buf out = { .max = 8192 };
	struct wire_revoke ask_all = { .id = 6, .kind = REVOKE_SPIFFE_ID, .subject = TEXT(WORKLOAD), .by = TEXT("uid:0") };
	struct wire_revoked result;
	struct wire_issue m;
	struct world w;

	(void)state;
	world_open(&w, CONF);
	m = request(&w, 1);
	issue_ok(&w, &m);
	atomic_store(&w.hold_at, "before-commit");
	atomic_store(&w.held, 1);
	m.id = 2;
	ask(&w.front, &m);
	while (atomic_load(&w.stopped) == 0) usleep(200);
	m.id = 3;
	ask(&w.front, &m);
	MUST(wire_revoke_put(&out, &ask_all));
	admin_put(&w, ADMIN_CERT_REVOKE, &out);
	assert_int_equal(records(&w), 1); /* by the clerk, after its search */
	assert_int_equal(w.admin.got.admin, 1);
	atomic_store(&w.held, 0);
	EXPECT(&w.front, issued, 3);
	EXPECT(&w.admin, admin, 2);
	assert_int_equal(w.admin.got.code, ERR_OK);
	MUST(wire_revoked_take(BYTES(w.admin.got.body, w.admin.got.body_len), &result));
	assert_int_equal(result.revoked, 3);
	world_close(&w);
}

static void test_a_dry_run_counts_and_changes_nothing(void **state)
{
	struct wire_revocation entry;
	struct wire_revoked result;
	struct wire_revoke all = { .kind = REVOKE_SPIFFE_ID, .subject = TEXT(WORKLOAD), .dry_run = true };
	struct wire_issue m;
	struct serial serial;
	struct world w;

	(void)state;
	world_open(&w, CONF);
	m = request(&w, 1);
	issue_ok(&w, &m);
	issue_ok(&w, &m);
	serial = serial_of(&w);
	revokes(&w, REVOKE_SERIAL, bytes_str(serial.hex), 1, 1);
	assert_int_equal(ask_revoke(&w, all, &result), ERR_OK);
	assert_int_equal(result.matched, 2);
	assert_int_equal(result.revoked, 1);
	assert_int_equal(listed(&w, &entry), 1);
	world_close(&w);
}

static void test_what_makes_no_sense_is_refused(void **state)
{
	static const struct { const char *name; uint8_t kind, reason; const char *subject; } rows[] = {
		{ "a serial that is not hex", REVOKE_SERIAL, 0, "0g" },
		{ "half an octet", REVOKE_SERIAL, 0, "012" },
		{ "a serial of 21 octets", REVOKE_SERIAL, 0, "000102030405060708090a0b0c0d0e0f1011121314" },
		{ "a key's hash that is short", REVOKE_KEY, 0, "00112233" },
		{ "hold", REVOKE_RULE, 6, "rule" },
		{ "the reason that is not used", REVOKE_RULE, 7, "rule" },
		{ "removal", REVOKE_RULE, 8, "rule" },
	};
	struct wire_revoked result;
	struct world w;

	(void)state;
	world_open(&w, CONF);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wire_revoke m = { .kind = rows[i].kind, .reason = rows[i].reason, .subject = bytes_str(rows[i].subject) };

		if (ask_revoke(&w, m, &result) != ERR_INVALID_ARGUMENT) fail_msg("%s is taken", rows[i].name);
	}
	world_close(&w);
}

static void test_a_spent_tokens_revoked_certificate_is_not_given_again(void **state)
{
	struct wire_issue m;
	struct world w;
	uint8_t hash[32];
	char token_id[33];

	(void)state;
	world_open(&w, CONF);
	assert_int_equal(token_create(&w, WORKLOAD, 60, hash, token_id), ERR_OK);
	m = request(&w, 1);
	m.evidence = STORE_BY_JOIN_TOKEN;
	memcpy(m.evidence_hash, hash, 32);
	issue_ok(&w, &m);
	issue_ok(&w, &m);
	revokes(&w, REVOKE_SPIFFE_ID, TEXT(WORKLOAD), 1, 1);
	issue_refused(&w, &m, REASON_TOKEN);
	world_close(&w);
}

static void test_a_front_that_hides_the_serial_loses_its_channel(void **state)
{
	struct wire_issue m;
	struct world w;

	(void)state;
	world_open(&w, CONF);
	m = request(&w, 1);
	m.evidence = STORE_BY_MTLS;
	ask(&w.front, &m);
	expect_closed(&w.front);
	world_close(&w);
}

/* Killed around the commit of a revocation: it is there whole, or not at all, and never takes the daemon along. */
static void test_a_sudden_death_leaves_the_revocation_whole_or_not_there(void **state)
{
	static const struct { const char *point; size_t left; } rows[] = { { "before-commit", 0 }, { "after-commit", 2 },
		                                                           { "before-answer", 2 } };
	struct wire_revocation entry;
	struct world w;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf) struct buf out = { .max = 8192 };
		struct wire_revoke all = { .id = 6, .kind = REVOKE_RULE, .subject = TEXT("rule"), .by = TEXT("uid:0") };
		struct wire_issue m;
		int status;
		pid_t pid;

		world_open(&w, CONF);
		m = request(&w, 1);
		issue_ok(&w, &m);
		issue_ok(&w, &m);
		stop(&w);
		pid = start_process(&w, rows[i].point);
		m.rule = TEXT("another");
		for (unsigned n = 0; n < 3; n++) { /* it dies at the fourth passage */
			unsigned before = w.front.got.issued;

			ask(&w.front, &m);
			EXPECT(&w.front, issued, before + 1);
		}
		MUST(wire_revoke_put(&out, &all));
		admin_put(&w, ADMIN_CERT_REVOKE, &out);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		chan_free(w.control.chan);
		chan_free(w.front.chan);
		chan_free(w.admin.chan);
		start(&w);
		assert_int_equal(listed(&w, &entry), rows[i].left);
		revokes(&w, REVOKE_RULE, TEXT("rule"), 2, 2 - rows[i].left);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_revoked_certificate_renews_nothing_from_the_next_request_on),
		cmocka_unit_test(test_every_certificate_of_an_identity_a_key_or_a_rule_is_hit),
		cmocka_unit_test(test_what_came_of_a_node_or_of_a_ca_s_key_is_hit),
		cmocka_unit_test(test_more_than_one_transaction_holds_is_revoked_whole),
		cmocka_unit_test(test_a_callers_certificates_are_followed_through_their_renewals),
		cmocka_unit_test(test_what_is_recorded_during_the_search_is_revoked_too),
		cmocka_unit_test(test_a_dry_run_counts_and_changes_nothing),
		cmocka_unit_test(test_what_makes_no_sense_is_refused),
		cmocka_unit_test(test_a_spent_tokens_revoked_certificate_is_not_given_again),
		cmocka_unit_test(test_a_front_that_hides_the_serial_loses_its_channel),
		cmocka_unit_test(test_a_sudden_death_leaves_the_revocation_whole_or_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
