#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/control.h"
#include "ca/set.h"
#include "ca/step.h"
#include "ca/wire_courier.h"
#include "ca/wire_issuers.h"
#include "ca/wire_root.h"

#define ID "spiffe://example.org/ns/a/sa/b"
#define TEXT(s) BYTES(s, sizeof(s) - 1)

/* ---- one sample of each message, behind one pair of signatures ---- */

static struct err put_issue(struct buf *out)
{
	struct wire_issue m = { .id = 7,
				.flags = WIRE_ISSUE_LAST,
				.evidence = STORE_BY_JWT,
				.lifetime = 3600,
				.spiffe_id = TEXT(ID),
				.caller = TEXT("system:serviceaccount:a:b"),
				.rule = TEXT("r"),
				.issuer = TEXT("default"),
				.spki = TEXT("spki"),
				.signer_name = TEXT("issuers.cert-manager.io/a.b"),
				.csr = TEXT("csr"),
				.peer_count = 2,
				.peers = { { TEXT("\1"), TEXT("twenty octets of key") }, { TEXT("\2"), TEXT("") } },
				.name_count = 2,
				.names = { { WIRE_TAG_DNS, TEXT("a.b") }, { WIRE_TAG_IP, TEXT("\x0a\x00\x00\x01") } } };

	return wire_issue_put(out, &m);
}
static struct err put_token(struct buf *out)
{
	return wire_token_put(out, &(struct wire_token_state){ .id = 1, .state = TOKEN_SPENT, .expires = -5, .spiffe_id = TEXT(ID),
							       .token_id = TEXT("00112233445566778899aabbccddeeff") });
}
static struct err put_roots(struct buf *out)
{
	return wire_roots_put(out, &(struct wire_roots){ .seq = 3, .chain_pem = TEXT(""), .roots_pem = TEXT("-----BEGIN") });
}
static struct err put_hello(struct buf *out) { return wire_hello_put(out, &(struct wire_hello){ WIRE_VERSION, 2 }); }
static struct err put_token_ask(struct buf *out) { return wire_token_ask_put(out, &(struct wire_token_ask){ 9, { 1, 2, 3 } }); }
static struct err put_refused(struct buf *out) { return wire_refused_put(out, &(struct wire_refused){ 9, REASON_BANNED }); }
static struct err put_cursor(struct buf *out)
{
	return wire_cursor_put(out, &(struct wire_cursor){ .id = 1, .cursor = TEXT("\0\1"), .limit = 1000 });
}
static struct err put_token_create(struct buf *out)
{
	return wire_token_create_put(out, &(struct wire_token_create){ 4, TEXT(ID), TEXT("uid:0"), 60 });
}
static struct err put_token_created(struct buf *out)
{
	return wire_token_created_put(out, &(struct wire_token_created){ TEXT("sgt1_x"), TEXT("ab"), 5 });
}
static struct err put_subject(struct buf *out)
{
	return wire_subject_put(
		out, &(struct wire_subject){ .id = 4, .kind = STORE_BAN_KEY, .subject = TEXT("ab"), .by = TEXT("uid:0") });
}
static struct err put_ban(struct buf *out)
{
	return wire_ban_put(out, &(struct wire_ban){ .id = 1, .kind = STORE_BAN_SPIFFE_ID, .subject = TEXT(ID),
						     .reason = TEXT("left"), .by = TEXT("uid:0"), .since = 77 });
}
static struct err put_revoke(struct buf *out)
{
	return wire_revoke_put(out, &(struct wire_revoke){ .id = 1, .kind = REVOKE_RULE, .reason = 10, .dry_run = true,
							   .subject = TEXT("a rule"), .by = TEXT("uid:0") });
}
static struct err put_revoked(struct buf *out) { return wire_revoked_put(out, &(struct wire_revoked){ 5, 4 }); }
static struct err put_revocation(struct buf *out)
{
	return wire_revocation_put_stored(out, &(struct store_revocation){ .serial = "\1\2",
									   .serial_len = 2,
									   .reason = 1,
									   .time = 5,
									   .not_after = 6,
									   .record = 7,
									   .by = "uid:0" });
}
static struct err put_query(struct buf *out)
{
	struct wire_query m = { .id = 1,
				.q = { .serial = TEXT("\1\2"),
				       .spiffe_id = TEXT(ID),
				       .expires_to = 9,
				       .newest_first = true,
				       .after = UINT64_MAX,
				       .limit = 10 } };

	return wire_query_put(out, &m);
}
static struct err put_ca_import(struct buf *out)
{
	return wire_ca_import_put(
		out, &(struct wire_ca_import){
			     .id = 1, .force = true, .by = TEXT("uid:0"), .chain = TEXT("chain"), .roots = TEXT("roots") });
}
static struct err put_root_step(struct buf *out)
{
	return wire_root_step_put(
		out, &(struct wire_root_step){
			     .id = 1, .kind = STEP_RETIRE, .dry_run = true, .root = TEXT("abcd"), .by = TEXT("uid:0") });
}
static struct err put_root_done(struct buf *out)
{
	return wire_root_done_put(out, &(struct wire_root_done){ .seq = 3,
								 .changed = true,
								 .event = TEXT("root_retired"),
								 .subject = TEXT("ab"),
								 .certs = 7,
								 .identities = 2,
								 .until = 99,
								 .listed = 1,
								 .ids = TEXT("x") });
}
static struct err put_root_item(struct buf *out)
{
	return wire_root_item_put(out, &(struct wire_root_item){ .state = ROOT_OLD,
								 .origin = ORIGIN_OWN,
								 .key_here = true,
								 .under = 5,
								 .under_until = 6,
								 .cert = TEXT("0") });
}
static struct err put_event(struct buf *out)
{
	return wire_event_put(
		out, &(struct store_event){ .index = 3, .time = 4, .what = "root_retired", .by = "uid:0", .subject = "ab" });
}
static struct err put_limit(struct buf *out)
{
	return wire_limit_put(out, &(struct wire_limit){ .name = TEXT("ca.allow_spiffe_ids"), .value = TEXT("x"), .refused = 3 });
}
static struct err put_issuer(struct buf *out)
{
	static const uint8_t refused[WIRE_ISSUER_REFUSED] = { [7] = 3 };

	return wire_issuer_put(out, &(struct wire_issuer){ .name = TEXT("mesh"),
							   .from = WIRE_ROOTS_PINNED,
							   .pending = 1,
							   .issued = 2,
							   .last_issued = 3,
							   .last_refused = 4,
							   .last_reason = REASON_ISSUER_DENIED,
							   .last_why = TEXT("no"),
							   .refused = BYTES(refused, sizeof(refused)),
							   .roots = TEXT("roots") });
}
static struct err put_issuer_root(struct buf *out)
{
	return wire_issuer_root_put(out, &(struct wire_issuer_root){ .id = { 1, 2 }, .not_after = 5, .cert = TEXT("0") });
}
static struct err put_crl(struct buf *out)
{
	return wire_crl_put(out, &(struct wire_crl){ .source = WIRE_CRL_FORMER,
						     .number = 7,
						     .count = 1,
						     .this_update = 5,
						     .next_update = 6,
						     .issuer = { 1, 2 },
						     .der = TEXT("0") });
}
static struct err put_get(struct buf *out) { return wire_get_put(out, &(struct wire_get){ 1, 2 }); }
static struct err put_record(struct buf *out)
{
	struct store_record m = {
		.index = 5, .serial = TEXT("\1"), .spiffe_id = TEXT(ID), .evidence = STORE_BY_MTLS, .cert = TEXT("0")
	};

	return wire_record_put(out, &m);
}
static struct err put_token_item(struct buf *out)
{
	return wire_token_item_put(out, &(struct store_token){ .id = "ab", .spiffe_id = ID, .created_by = "uid:0", .spent = true });
}
static struct err put_status(struct buf *out)
{
	return wire_status_put(out, &(struct wire_status){ .key_type = TEXT("P-256"), .store_ok = 1, .fronts = 2 });
}
static struct err put_issued_chain(struct buf *out)
{
	return wire_issued_chain_put(out, &(struct wire_issued_chain){
						  .id = 1, .index = 2, .cert = TEXT("0"), .chain_pem = TEXT("-----BEGIN") });
}
static struct err put_file(struct buf *out)
{
	return wire_file_put(out, &(struct wire_file){ .id = 1,
						       .issuer = 2,
						       .resume = true,
						       .deadline = 99,
						       .lifetime = 600,
						       .name = TEXT("signet-00"),
						       .signer_name = TEXT("a/b"),
						       .spiffe_id = TEXT(ID),
						       .caller = TEXT("c"),
						       .rule = TEXT("r"),
						       .csr = TEXT("csr") });
}
static struct err put_signed(struct buf *out)
{
	return wire_signed_put(out, &(struct wire_signed){ .id = 1, .pem = TEXT("-----BEGIN") });
}
static struct err put_failed(struct buf *out)
{
	return wire_failed_put(out, &(struct wire_failed){ .id = 1, .failure = FAILURE_DENIED, .why = TEXT("no") });
}
static struct err put_peer(struct buf *out)
{
	return control_peer_put(out, &(struct control_peer){ .role = CONTROL_FRONT, .number = 1 });
}

static union {
	struct wire_issue issue;
	struct wire_token_state token;
	struct wire_roots roots;
	struct wire_hello hello;
	struct wire_token_ask token_ask;
	struct wire_refused refused;
	struct wire_cursor cursor;
	struct wire_token_create token_create;
	struct wire_token_created token_created;
	struct wire_subject subject;
	struct wire_ban ban;
	struct wire_query query;
	struct wire_revoke revoke;
	struct wire_revoked revoked;
	struct wire_revocation revocation;
	struct wire_crl crl;
	struct wire_get get;
	struct wire_ca_import ca_import;
	struct wire_root_step root_step;
	struct wire_root_done root_done;
	struct wire_root_item root_item;
	struct store_event event;
	struct wire_limit limit;
	struct store_record record;
	struct store_token token_item;
	struct wire_status status;
	struct wire_issued_chain issued_chain;
	struct wire_file file;
	struct wire_signed signed_;
	struct wire_failed failed;
	struct wire_issuer issuer;
	struct wire_issuer_root issuer_root;
	struct control_peer peer;
} got;

#define WHOLE(name)                                                                                                    \
	static struct err take_##name(struct bytes in) { return wire_##name##_take(in, &got.name); }                   \
	static struct err again_##name(struct buf *out) { return wire_##name##_put(out, &got.name); }
#define ELEMENT(name)                                                                                                  \
	static struct err take_##name(struct bytes in)                                                                 \
	{                                                                                                              \
		TRY(wire_##name##_take(&in, &got.name));                                                               \
		return in.len == 0 ? OK : ERR(ERR_INVALID_ARGUMENT, "test: rest");                                     \
	}                                                                                                              \
	static struct err again_##name(struct buf *out) { return wire_##name##_put(out, &got.name); }
WHOLE(issue)
WHOLE(token)
WHOLE(roots)
WHOLE(hello)
WHOLE(token_ask)
WHOLE(refused)
WHOLE(cursor)
WHOLE(token_create)
WHOLE(token_created)
WHOLE(subject)
ELEMENT(ban)
WHOLE(query)
WHOLE(revoke)
WHOLE(revoked)
ELEMENT(revocation)
ELEMENT(crl)
WHOLE(get)
WHOLE(ca_import)
WHOLE(root_step)
WHOLE(root_done)
ELEMENT(root_item)
ELEMENT(event)
ELEMENT(limit)
ELEMENT(issuer)
ELEMENT(issuer_root)
ELEMENT(record)
ELEMENT(token_item)
WHOLE(status)
WHOLE(issued_chain)
WHOLE(file)
WHOLE(failed)
static struct err take_signed(struct bytes in) { return wire_signed_take(in, &got.signed_); }
static struct err again_signed(struct buf *out) { return wire_signed_put(out, &got.signed_); }
static struct err take_peer(struct bytes in) { return control_peer_take(in, &got.peer); }
static struct err again_peer(struct buf *out) { return control_peer_put(out, &got.peer); }

#define CASE(name) { #name, put_##name, take_##name, again_##name }
static const struct {
	const char *name;
	struct err (*put)(struct buf *), (*take)(struct bytes), (*again)(struct buf *);
} cases[] = {
	CASE(issue),      CASE(token),        CASE(roots),         CASE(hello),     CASE(token_ask), CASE(refused),
	CASE(cursor),     CASE(token_create), CASE(token_created), CASE(subject),   CASE(ban),       CASE(query),
	CASE(get),        CASE(ca_import),    CASE(record),        CASE(revoke),    CASE(revoked),   CASE(revocation),
	CASE(token_item), CASE(status),       CASE(peer),          CASE(root_step), CASE(root_done), CASE(root_item),
	CASE(event),      CASE(limit),        CASE(crl),           CASE(file),      CASE(signed),    CASE(failed),
	CASE(issued_chain), CASE(issuer),    CASE(issuer_root),
};

static void test_every_message_survives_the_way_there_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(buf) struct buf a = { .max = 65536 }, b = { .max = 65536 };

		if (cases[i].put(&a).code != ERR_OK) fail_msg("%s is not encoded", cases[i].name);
		if (cases[i].take(buf_view(&a)).code != ERR_OK) fail_msg("%s is not decoded", cases[i].name);
		if (cases[i].again(&b).code != ERR_OK) fail_msg("%s is not encoded again", cases[i].name);
		if (!bytes_equal(buf_view(&a), buf_view(&b))) fail_msg("%s changed", cases[i].name);
	}
}

static void test_every_message_is_refused_when_cut_or_longer(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(buf) struct buf a = { .max = 65536 };

		assert_int_equal(cases[i].put(&a).code, ERR_OK);
		for (size_t n = 0; n < a.len; n++) {
			if (cases[i].take(BYTES(a.data, n)).code != ERR_INVALID_ARGUMENT)
				fail_msg("%s cut to %zu bytes is taken", cases[i].name, n);
		}
		assert_int_equal(buf_put(&a, "", 1).code, ERR_OK);
		if (cases[i].take(buf_view(&a)).code != ERR_INVALID_ARGUMENT)
			fail_msg("%s with a byte more is taken", cases[i].name);
	}
}

/* Each row sets one octet of a good FRONT_ISSUE to a value that may not be there. */
static const struct { const char *name; size_t at; uint8_t value; } bad_issues[] = {
	{ "an unknown flag", 8, 2 },
	{ "evidence of nothing", 9, STORE_BY_NONE },
	{ "evidence only the daemon has", 9, STORE_BY_DAEMON },
	{ "a NUL in the SPIFFE ID", 10 + 4 + 32 + 2 - 0, 0 },
	{ "an empty SPIFFE ID", 10 + 4 + 32 + 1, 0 },
};

static void test_refuses_an_issue_out_of_bounds(void **state)
{
	AUTO(buf) struct buf good = { .max = 65536 };

	(void)state;
	assert_int_equal(put_issue(&good).code, ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(bad_issues); i++) {
		AUTO(buf) struct buf bad = { .max = 65536 };

		assert_int_equal(buf_put(&bad, good.data, good.len).code, ERR_OK);
		assert_int_not_equal(bad.data[bad_issues[i].at], bad_issues[i].value);
		bad.data[bad_issues[i].at] = bad_issues[i].value;
		if (wire_issue_take(buf_view(&bad), &got.issue).code != ERR_INVALID_ARGUMENT) fail_msg("%s", bad_issues[i].name);
	}
}

static void test_an_issue_names_whole_serials_and_key_identifiers(void **state)
{
	static const struct { const char *name; size_t serial, issuer;
	} rows[] = { { "no serial", 0, 20 },
		     { "a long serial", 21, 20 },
		     { "half an identifier", 5, 10 },
		     { "a long identifier", 5, 21 } };
	static char text[32];

	(void)state;
	memset(text, 7, sizeof(text));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf) struct buf out = { .max = 65536 };
		struct wire_issue m = { .id = 1,
					.evidence = STORE_BY_MTLS,
					.spiffe_id = TEXT(ID),
					.caller = TEXT("c"),
					.spki = TEXT("k"),
					.peer_count = 2,
					.peers = { { TEXT("s"), TEXT("") }, { BYTES(text, 5), BYTES(text, 20) } } };

		assert_int_equal(wire_issue_put(&out, &m).code, ERR_OK);
		assert_int_equal(wire_issue_take(buf_view(&out), &got.issue).code, ERR_OK);
		assert_int_equal(got.issue.peer_count, 2);
		out.len = 0;
		m.peers[1] = (struct wire_peer){ BYTES(text, rows[i].serial), BYTES(text, rows[i].issuer) };
		if (wire_issue_put(&out, &m).code != ERR_INVALID_ARGUMENT || out.len != 0) fail_msg("%s", rows[i].name);
	}
}

static const struct { const char *name; uint8_t tag, len; } bad_names[] = {
	{ "a URI", 6, 4 }, { "an e-mail address", 1, 4 }, { "no tag", 0, 4 }, { "an IP of 5 octets", WIRE_TAG_IP, 5 },
	{ "an empty IP", WIRE_TAG_IP, 0 }, { "an empty DNS name", WIRE_TAG_DNS, 0 }, { "DNS of 254 octets", WIRE_TAG_DNS, 254 },
};

static void test_an_issue_carries_only_dns_and_ip_names(void **state)
{
	static char text[256];

	(void)state;
	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < ARRAY_LEN(bad_names); i++) {
		AUTO(buf) struct buf out = { .max = 65536 };
		struct wire_issue m = { .id = 1,
					.evidence = STORE_BY_JWT,
					.spiffe_id = TEXT(ID),
					.caller = TEXT("c"),
					.spki = TEXT("k"),
					.name_count = 1,
					.names = { { bad_names[i].tag, BYTES(text, bad_names[i].len) } } };

		if (wire_issue_put(&out, &m).code != ERR_INVALID_ARGUMENT || out.len != 0) fail_msg("%s", bad_names[i].name);
		/* and the same on the receiving side: a good one, with its name replaced by hand */
		m.name_count = 0;
		assert_int_equal(wire_issue_put(&out, &m).code, ERR_OK);
		out.data[out.len - 1] = 1;
		assert_int_equal(buf_put(&out, (uint8_t[]){ bad_names[i].tag, 0, bad_names[i].len }, 3).code, ERR_OK);
		assert_int_equal(buf_put(&out, text, bad_names[i].len).code, ERR_OK);
		if (wire_issue_take(buf_view(&out), &m).code != ERR_INVALID_ARGUMENT) fail_msg("%s is taken", bad_names[i].name);
	}
}

static void test_every_failure_has_a_reason(void **state)
{
	(void)state;
	for (unsigned f = 0; f <= FAILURE_COUNT; f++) assert_true(wire_failure_reason((enum wire_failure)f) >= REASON_ISSUER_DENIED);
	assert_int_equal(wire_failure_reason(FAILURE_DENIED), REASON_ISSUER_DENIED);
	assert_int_equal(wire_failure_reason(FAILURE_UNAVAILABLE), REASON_ISSUER_AWAY);
	assert_int_equal(wire_failure_reason(FAILURE_COUNT), REASON_ISSUER_ANSWER);
}

static void test_every_reason_has_a_code_and_a_text(void **state)
{
	(void)state;
	for (unsigned r = 0; r < REASON_COUNT; r++) {
		struct err e = keeper_reason_err((enum keeper_reason)r);

		assert_int_not_equal(e.code, ERR_OK);
		assert_non_null(e.reason);
		assert_memory_equal(e.reason, "keeper: ", 8);
	}
	assert_int_equal(keeper_reason_err(REASON_BANNED).code, ERR_PERMISSION_DENIED);
	assert_int_equal(keeper_reason_err(REASON_TOKEN).code, ERR_UNAUTHENTICATED);
	assert_int_equal(keeper_reason_err(REASON_RATE).code, ERR_RESOURCE_EXHAUSTED);
	assert_int_equal(keeper_reason_err(REASON_STORE).code, ERR_UNAVAILABLE);
	assert_int_equal(keeper_reason_err((enum keeper_reason)999).code, ERR_INTERNAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_message_survives_the_way_there_and_back),
		cmocka_unit_test(test_every_message_is_refused_when_cut_or_longer),
		cmocka_unit_test(test_refuses_an_issue_out_of_bounds),
		cmocka_unit_test(test_an_issue_names_whole_serials_and_key_identifiers),
		cmocka_unit_test(test_an_issue_carries_only_dns_and_ip_names),
		cmocka_unit_test(test_every_failure_has_a_reason),
		cmocka_unit_test(test_every_reason_has_a_code_and_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
