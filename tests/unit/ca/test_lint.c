/* Each rule is broken once, in a certificate that is otherwise right; and every octet of a good one matters. */
#include "ca/support.h"
#include "der/der.h"

/* ---- the wants: what was granted is not what was built ---- */

static void want_version_algorithm(struct lint_want *w) { w->algorithm = key_scheme_der(SCHEME_ED25519); }
static void want_issuer(struct lint_want *w) { w->issuer = TEXT("\x30\x02\x31\x00"); }
static void want_replica(struct lint_want *w) { w->replica = 2; }
static void want_later(struct lint_want *w) { w->now += 121; }
static void want_earlier(struct lint_want *w) { w->now -= 121; }
static void want_shorter(struct lint_want *w) { w->max_lifetime = 3599; }
static void want_chain(struct lint_want *w) { w->chain_not_after = w->now + 3599; }
static void want_key(struct lint_want *w) { w->spki = w->issuer; }
static void want_ski(struct lint_want *w) { w->ski = w->issuer_ski; }
static void want_aki(struct lint_want *w) { w->issuer_ski = w->ski; }
static void want_uri(struct lint_want *w) { w->uri = TEXT(WORKLOAD "x"); }
static void want_domain(struct lint_want *w) { w->trust_domain = "example.com"; }
static void want_no_names(struct lint_want *w) { w->name_count = 0; }
static void want_serving(struct lint_want *w) { w->profile = PROFILE_SERVING; }
static void want_root(struct lint_want *w) { w->profile = PROFILE_ROOT; }

static const struct { const char *name; void (*change)(struct lint_want *); const char *reason; } wants[] = {
	{ "another algorithm", want_version_algorithm, "lint: signature algorithm is the issuer's (s4.1.2.3)" },
	{ "another issuer", want_issuer, "lint: issuer is the issuer's subject, not empty (s4.1.2.4)" },
	{ "another replica", want_replica, "lint: serial is 16 octets and names its replica (s4.1.2.2)" },
	{ "notBefore too far back", want_later, "lint: notBefore is now, or two minutes back" },
	{ "notBefore in the future", want_earlier, "lint: notBefore is now, or two minutes back" },
	{ "too long", want_shorter, "lint: lifetime is within the limit" },
	{ "outlives its root", want_chain, "lint: does not outlive its issuer" },
	{ "another key", want_key, "lint: key is the one asked for (s4.1.2.7)" },
	{ "another key's identifier", want_ski, "lint: subject key identifier of this key, not critical (s4.2.1.2)" },
	{ "another issuer's identifier", want_aki, "lint: authority key identifier of the issuer, not critical (s4.2.1.1)" },
	{ "another URI", want_uri, "lint: the URI is the one granted" },
	{ "another trust domain", want_domain, "lint: SPIFFE ID of this trust domain, with a path in leafs only (X509-SVID s2, s3)" },
	{ "names that were not granted", want_no_names, "lint: DNS and IP names are exactly those granted" },
	{ "a workload's as a server's", want_serving, "lint: extended key usage fits the profile (X509-SVID s4.4)" },
	{ "a workload's as a root", want_root, "lint: subject is empty; a root's is its issuer, a cross-certificate's the other root (s4.1.2.6)" },
};

static void build(struct stage *s)
{
	static const struct wire_name names[] = { { WIRE_TAG_DNS, TEXT("b.a.svc") } };

	s->request.names = s->want.names = names;
	s->request.name_count = s->want.name_count = 1;
	s->tbs.len = 0;
	MUST(template_build(s->template, &s->request, &s->tbs));
}

static void test_refuses_what_was_not_granted(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, "p256", "p256");
	build(&s);
	MUST(lint_tbs(buf_view(&s.tbs), &s.want));
	for (size_t i = 0; i < ARRAY_LEN(wants); i++) {
		struct lint_want want = s.want;
		struct err e;

		wants[i].change(&want);
		e = lint_tbs(buf_view(&s.tbs), &want);
		if (e.code != ERR_INTERNAL || strcmp(e.reason, wants[i].reason) != 0) fail_msg("%s: %s", wants[i].name, e.reason);
	}
	stage_close(&s);
}

/* ---- the edits: bytes of the TBS replaced by others, lengths above put right again ---- */

#define EXT(oid, rest) "\x06\x03\x55\x1d" oid rest
static const struct { const char *name; const char *from; size_t from_len; const char *to; size_t to_len; const char *reason; } edits[] = {
#define EDIT(name, a, b, reason) { name, a, sizeof(a) - 1, b, sizeof(b) - 1, "lint: " reason }
	EDIT("version 2", "\xa0\x03\x02\x01\x02", "\xa0\x03\x02\x01\x01", "version is 3 (RFC 5280 s4.1.2.1)"),
	EDIT("CA:TRUE", EXT("\x13", "\x01\x01\xff\x04\x02\x30\x00"), EXT("\x13", "\x01\x01\xff\x04\x05\x30\x03\x01\x01\xff"), "CA:TRUE in roots and cross-certificates only (X509-SVID s4.1)"),
	EDIT("CA:FALSE spelled out", EXT("\x13", "\x01\x01\xff\x04\x02\x30\x00"), EXT("\x13", "\x01\x01\xff\x04\x05\x30\x03\x01\x01\x00"), "a DEFAULT is encoded"),
	EDIT("a path length", EXT("\x13", "\x01\x01\xff\x04\x02\x30\x00"), EXT("\x13", "\x01\x01\xff\x04\x05\x30\x03\x02\x01\x00"), "path length 1 in roots, 0 in cross-certificates, else none (s4.2.1.9)"),
	EDIT("basic constraints not critical", EXT("\x13", "\x01\x01\xff\x04\x02\x30\x00"), EXT("\x13", "\x04\x02\x30\x00"), "basic constraints there and critical (s4.2.1.9)"),
	EDIT("critical FALSE spelled out", EXT("\x13", "\x01\x01\xff\x04\x02\x30\x00"), EXT("\x13", "\x01\x01\x00\x04\x02\x30\x00"), "a DEFAULT is encoded"),
	EDIT("key usage not critical", EXT("\x0f", "\x01\x01\xff\x04"), EXT("\x0f", "\x04"), "key usage there and critical (X509-SVID s4.3)"),
	EDIT("keyCertSign", "\x04\x04\x03\x02\x07\x80", "\x04\x04\x03\x02\x02\x84", "key usage fits profile and key (X509-SVID s4.3, RFC 8813 s3)"),
	EDIT("cRLSign", "\x04\x04\x03\x02\x07\x80", "\x04\x04\x03\x02\x01\x82", "key usage fits profile and key (X509-SVID s4.3, RFC 8813 s3)"),
	EDIT("keyEncipherment for an EC key", "\x04\x04\x03\x02\x07\x80", "\x04\x04\x03\x02\x05\xa0", "key usage fits profile and key (X509-SVID s4.3, RFC 8813 s3)"),
	EDIT("no digitalSignature", "\x04\x04\x03\x02\x07\x80", "\x04\x04\x03\x02\x06\x40", "key usage fits profile and key (X509-SVID s4.3, RFC 8813 s3)"),
	EDIT("client only", "\x30\x14\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01", "\x30\x0a", "extended key usage fits the profile (X509-SVID s4.4)"),
	EDIT("code signing instead", "\x2b\x06\x01\x05\x05\x07\x03\x02", "\x2b\x06\x01\x05\x05\x07\x03\x03", "extended key usage fits the profile (X509-SVID s4.4)"),
	EDIT("SAN not critical", EXT("\x11", "\x01\x01\xff\x04"), EXT("\x11", "\x04"), "SAN critical if and only if the subject is empty (s4.2.1.6)"),
	EDIT("SKI critical", EXT("\x0e", "\x04"), EXT("\x0e", "\x01\x01\xff\x04"), "subject key identifier of this key, not critical (s4.2.1.2)"),
	EDIT("AKI critical", EXT("\x23", "\x04"), EXT("\x23", "\x01\x01\xff\x04"), "authority key identifier of the issuer, not critical (s4.2.1.1)"),
	EDIT("an unknown extension", EXT("\x0e", "\x04"), EXT("\x1e", "\x04"), "no extension beyond the profile"),
	EDIT("an extension twice", EXT("\x0e", "\x04\x16\x04\x14"), EXT("\x11", "\x04\x16\x04\x14"), "no extension twice (s4.2)"),
	EDIT("no SPIFFE scheme", "spiffe://example", "spiffy://example", "the URI is the one granted"),
	EDIT("a second URI", "\x82\x07" "b.a.svc", "\x86\x07" "b:a.svc", "exactly one URI; none in a serving certificate (X509-SVID s2)"),
	EDIT("an e-mail address", "\x82\x07" "b.a.svc", "\x81\x07" "b@a.svc", "DNS and IP names are exactly those granted"),
	EDIT("another DNS name", "b.a.svc", "c.a.svc", "DNS and IP names are exactly those granted"),
	EDIT("one DNS name more", "\x82\x07" "b.a.svc", "\x82\x07" "b.a.svc" "\x82\x01" "c", "DNS and IP names are exactly those granted"),
	EDIT("no DNS name", "\x82\x07" "b.a.svc", "", "DNS and IP names are exactly those granted"),
};

/* Copy DER, replacing the one place where `from` is, and encoding every constructed or wrapped length anew. */
static bool contains(struct bytes in, struct bytes what)
{
	return what.len > 0 && memmem(in.data, in.len, what.data, what.len) != NULL;
}

static void copy_edited(struct bytes in, struct bytes from, struct bytes to, struct buf *out);

static void copy_element(struct bytes *in, struct bytes from, struct bytes to, struct buf *out)
{
	struct der_open open;
	struct bytes whole = *in, value;
	unsigned tag;

	MUST(der_take_any(in, &tag, &value));
	whole.len -= in->len;
	if (!contains(value, from)) {
		MUST(buf_put(out, whole.data, whole.len));
		return;
	}
	MUST(der_open(out, tag, &open));
	copy_edited(value, from, to, out);
	MUST(der_close(out, &open));
}

/* Does the first place begin in an element of its own level? */
static void copy_edited(struct bytes in, struct bytes from, struct bytes to, struct buf *out)
{
	while (in.len > 0) {
		struct bytes rest = in, value;
		unsigned tag;
		bool der = der_take_any(&rest, &tag, &value).code == ERR_OK;

		if (in.len >= from.len && memcmp(in.data, from.data, from.len) == 0) {
			MUST(buf_put(out, to.data, to.len));
			in = BYTES(in.data + from.len, in.len - from.len);
		} else if (der) {
			copy_element(&in, from, to, out);
		} else {
			MUST(buf_put(out, in.data, 1));
			in = BYTES(in.data + 1, in.len - 1);
		}
	}
}

static void test_refuses_each_broken_rule_by_its_name(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, "p256", "p256");
	build(&s);
	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		AUTO(buf) struct buf bad = { .max = 65536 };
		struct bytes from = BYTES(edits[i].from, edits[i].from_len);
		struct err e;

		if (!contains(buf_view(&s.tbs), from)) fail_msg("%s: nothing to edit", edits[i].name);
		copy_edited(buf_view(&s.tbs), from, BYTES(edits[i].to, edits[i].to_len), &bad);
		e = lint_tbs(buf_view(&bad), &s.want);
		if (e.code != ERR_INTERNAL || strcmp(e.reason, edits[i].reason) != 0) fail_msg("%s: %s", edits[i].name, e.reason);
	}
	stage_close(&s);
}

static void test_refuses_any_cut_and_any_tail(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, "p256", "p256");
	build(&s);
	for (size_t n = 0; n < s.tbs.len; n++) assert_int_equal(lint_tbs(BYTES(s.tbs.data, n), &s.want).code, ERR_INTERNAL);
	MUST(buf_put(&s.tbs, "", 1));
	assert_int_equal(lint_tbs(buf_view(&s.tbs), &s.want).code, ERR_INTERNAL);
	stage_close(&s);
}

/* Everything but the serial's time and random octets and the seconds is pinned: one bit flipped is seen. */
static void test_every_bit_outside_serial_and_times_is_pinned(void **state)
{
	struct stage s;
	size_t free_from, free_to, loose = 0;

	(void)state;
	stage_open(&s, "p256", "p256");
	build(&s);
	free_from = 4 + 5 + 2 + 1; /* TBS head, version, INTEGER head, replica */
	free_to = free_from + SERIAL_LEN - 1;
	for (size_t i = 0; i < s.tbs.len * 8; i++) {
		bool serial = i / 8 >= free_from && i / 8 < free_to;

		s.tbs.data[i / 8] ^= (uint8_t)(1 << i % 8);
		if (lint_tbs(buf_view(&s.tbs), &s.want).code == ERR_OK && !serial) loose++;
		s.tbs.data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_true(loose <= 24); /* a digit of a time that still is within the limits */
	stage_close(&s);
}

static void test_a_root_is_held_to_the_roots_rules(void **state)
{
	struct stage s;
	struct lint_want want;

	(void)state;
	stage_open(&s, "p256", "p256");
	stage_request(&s, PROFILE_ROOT, &s.ca);
	MUST(template_build(s.template, &s.request, &s.tbs));
	MUST(lint_tbs(buf_view(&s.tbs), &s.want));
	want = s.want;
	want.profile = PROFILE_WORKLOAD; /* a CA certificate never passes for a leaf */
	assert_int_equal(lint_tbs(buf_view(&s.tbs), &want).code, ERR_INTERNAL);
	s.request.uri = want.uri = TEXT(WORKLOAD); /* X509-SVID s3.1: a CA's ID has no path */
	want.profile = PROFILE_ROOT;
	s.tbs.len = 0;
	MUST(template_build(s.template, &s.request, &s.tbs));
	assert_string_equal(lint_tbs(buf_view(&s.tbs), &want).reason,
			    "lint: SPIFFE ID of this trust domain, with a path in leafs only (X509-SVID s2, s3)");
	stage_close(&s);
}

static void test_refuses_what_ends_before_it_begins_and_what_names_nobody(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, "p256", "p256");
	s.request.not_after = s.request.not_before;
	MUST(template_build(s.template, &s.request, &s.tbs));
	assert_string_equal(lint_tbs(buf_view(&s.tbs), &s.want).reason, "lint: notBefore is before notAfter (s4.1.2.5)");
	stage_request(&s, PROFILE_SERVING, &s.leaf); /* without a name */
	s.tbs.len = 0;
	MUST(template_build(s.template, &s.request, &s.tbs));
	assert_string_equal(lint_tbs(buf_view(&s.tbs), &s.want).reason, "lint: a subject alternative name (s4.2.1.6)");
	stage_close(&s);
}

static void test_every_rule_has_a_name(void **state)
{
	size_t n = 0;

	(void)state;
	while (lint_rule(n) != NULL) assert_memory_equal(lint_rule(n++), "lint: ", 6);
	assert_int_equal(n, 26);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses_what_was_not_granted),
		cmocka_unit_test(test_refuses_each_broken_rule_by_its_name),
		cmocka_unit_test(test_refuses_any_cut_and_any_tail),
		cmocka_unit_test(test_every_bit_outside_serial_and_times_is_pinned),
		cmocka_unit_test(test_a_root_is_held_to_the_roots_rules),
		cmocka_unit_test(test_refuses_what_ends_before_it_begins_and_what_names_nobody),
		cmocka_unit_test(test_every_rule_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
