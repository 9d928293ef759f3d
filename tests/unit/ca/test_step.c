/* The steps of a rotation as pure changes of a set: what is allowed when, what each makes of the set, and how each is undone. */
#include "ca/root_sets.h"

#define REFUSED(want, call, text) refused((call), (want), (text), &b, __LINE__)
static void refused(struct err e, enum err_code want, const char *text, const struct bench *b, int line)
{
	if (e.code != want) fail_msg("line %d: code %d (%s), not %d", line, e.code, e.reason, want);
	if (strstr(b->told.why, text) == NULL) fail_msg("line %d: \"%s\" does not say \"%s\"", line, b->told.why, text);
}

static void a_whole_rotation_and_back(void **state)
{
	struct bench b;
	char first[2 * SET_ID_LEN + 1];

	(void)state;
	bench_open(&b);
	bench_first(&b);
	(void)name_of(&b.set.items[0], first);
	b.step.next = 100;
	prepare(&b);
	assert_string_equal(b.told.event, "root_prepared");
	assert_int_equal(count_state(&b, ROOT_NEXT), 1);
	assert_int_equal(set_first(&b.set, ROOT_NEXT)->published, 100);
	b.step.next = 200;
	MUST(apply(&b, STEP_ACTIVATE));
	assert_string_equal(b.told.event, "root_activated");
	assert_int_equal(b.set.reign_count, 2);
	assert_int_equal(b.set.reigns[1].from, 200);
	assert_int_equal(count_state(&b, ROOT_OLD), 1);
	/* undone: the old one, by name, signs again */
	b.step.root = bytes_str(first);
	b.step.next = 300;
	MUST(apply(&b, STEP_ACTIVATE));
	assert_int_equal(b.set.reign_count, 3);
	assert_string_equal(b.told.subject, first);
	/* and forth again */
	(void)name_of(set_first(&b.set, ROOT_OLD), first);
	MUST(apply(&b, STEP_ACTIVATE));
	b.step.root = BYTES_NONE;
	MUST(apply(&b, STEP_RETIRE));
	assert_string_equal(b.told.event, "root_retired");
	assert_int_equal(count_state(&b, ROOT_KEPT), 1);
	assert_int_equal(set_first(&b.set, ROOT_KEPT)->published, SET_NEVER);
	MUST(apply(&b, STEP_RESTORE));
	assert_int_equal(count_state(&b, ROOT_OLD), 1);
	MUST(apply(&b, STEP_RETIRE));
	b.step.root = name_of(set_first(&b.set, ROOT_KEPT), first);
	MUST(apply(&b, STEP_DELETE));
	assert_int_equal(b.set.item_count, 1);
	bench_close(&b);
}

static void a_root_signs_only_when_everybody_can_know_it(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	bench_first(&b);
	prepare(&b);
	b.outlook.items[index_of(&b, ROOT_NEXT)].blind = (struct outlook_count){ .certs = 7, .until = b.now + 60 };
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_ACTIVATE), "answered before this root was published and not ended yet: 7 certificates");
	assert_int_equal(b.told.harm.certs, 7);
	assert_int_equal(b.told.harm_kind, OUTLOOK_BLIND);
	b.step.force = true;
	MUST(apply(&b, STEP_ACTIVATE));
	assert_int_equal(b.told.harm.certs, 7); /* it says who breaks */
	bench_close(&b);
}

static void a_root_goes_only_when_nothing_under_it_is_left(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	bench_first(&b);
	prepare(&b);
	MUST(apply(&b, STEP_ACTIVATE));
	b.outlook.items[index_of(&b, ROOT_OLD)].under = (struct outlook_count){ .certs = 3, .until = b.now + 60 };
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_RETIRE), "to be verified by this root alone and not ended yet: 3 certificates");
	b.step.force = true;
	MUST(apply(&b, STEP_RETIRE));
	assert_int_equal(count_state(&b, ROOT_KEPT), 1);
	bench_close(&b);
}

static void a_prepared_root_is_taken_back_without_a_rule(void **state)
{
	struct bench b;
	char name[2 * SET_ID_LEN + 1];

	(void)state;
	bench_open(&b);
	bench_first(&b);
	prepare(&b);
	b.step.root = name_of(set_first(&b.set, ROOT_NEXT), name);
	b.step.root.len = 8; /* a prefix is enough */
	MUST(apply(&b, STEP_RETIRE));
	assert_true(set_first(&b.set, ROOT_KEPT)->pinned);
	MUST(apply(&b, STEP_RESTORE));
	assert_int_equal(count_state(&b, ROOT_NEXT), 1); /* it never signed */
	bench_close(&b);
}

static void what_is_not_there_or_not_in_that_state_is_refused(void **state)
{
	struct bench b;
	char name[2 * SET_ID_LEN + 1];

	(void)state;
	bench_open(&b);
	bench_first(&b);
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_ACTIVATE), "no root is prepared");
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_RETIRE), "there is no root for that");
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_RESTORE), "there is no root for that");
	REFUSED(ERR_INVALID_ARGUMENT, apply(&b, STEP_DELETE), "name the root");
	b.step.root = name_of(&b.set.items[0], name);
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_RETIRE), "not in a state for it"); /* it is active */
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_DELETE), "not in a state for it");
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_ACTIVATE), "not in a state for it");
	b.step.root = TEXT("ffff");
	REFUSED(ERR_NOT_FOUND, apply(&b, STEP_RETIRE), "no root with that ID");
	b.step.root = TEXT("f");
	REFUSED(ERR_NOT_FOUND, apply(&b, STEP_RETIRE), "no root with that ID"); /* too short to be no typo */
	b.step.root = BYTES_NONE;
	prepare(&b);
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_PREPARE), "a next root already");
	b.step.directory = true;
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_PREPARE), "changed by the files there");
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_ACTIVATE), "changed by the files there");
	bench_close(&b);
}

static void an_ended_or_tainted_root_never_signs(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	bench_first(&b);
	prepare(&b);
	b.step.force = true;
	b.now += INT64_C(4000) * 86400;
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_ACTIVATE), "has ended");
	b.now -= INT64_C(4000) * 86400;
	MUST(root_ski(set_first(&b.set, ROOT_NEXT), b.set.taints[0].signer));
	b.set.taint_count = 1;
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_ACTIVATE), "tainted");
	bench_close(&b);
}

static void only_a_key_that_signs_no_more_is_tainted(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	bench_first(&b);
	MUST(root_ski(&b.set.items[0], b.step.signer));
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_TAINT), "signs now");
	b.step.next = 5;
	prepare(&b);
	MUST(apply(&b, STEP_ACTIVATE));
	MUST(apply(&b, STEP_TAINT));
	assert_true(b.told.changed && set_is_tainted(&b.set, b.step.signer));
	MUST(apply(&b, STEP_TAINT));
	assert_false(b.told.changed);
	MUST(apply(&b, STEP_UNTAINT));
	REFUSED(ERR_NOT_FOUND, apply(&b, STEP_UNTAINT), "not tainted");
	b.step.signer[0] ^= 1;
	REFUSED(ERR_NOT_FOUND, apply(&b, STEP_TAINT), "no certificate is recorded");
	bench_close(&b);
}

static void there_is_room_for_eight_and_the_oldest_ended_one_gives_way(void **state)
{
	struct bench b;
	struct made *m;

	(void)state;
	bench_open(&b);
	bench_first(&b);
	for (int i = 0; i < SET_OWN_MAX - 1; i++) {
		prepare(&b);
		MUST(apply(&b, STEP_ACTIVATE));
		MUST(apply(&b, STEP_RETIRE));
	}
	m = root_new(&b);
	b.step.cert = buf_view(&m->cert);
	b.step.blob = buf_view(&m->blob);
	REFUSED(ERR_RESOURCE_EXHAUSTED, apply(&b, STEP_PREPARE), "delete one that is retired");
	b.now += INT64_C(4000) * 86400;
	MUST(apply(&b, STEP_PREPARE));
	assert_int_equal(b.set.item_count, SET_OWN_MAX);
	bench_close(&b);
}

static void a_cross_certificate_goes_with_the_root_that_signed_it(void **state)
{
	AUTO(buf) struct buf cross = { .max = STORE_CERT_MAX };
	AUTO(template) struct template *template = NULL;
	struct roots_options o;
	struct root_signer by = { .not_after = INT64_MAX };
	struct bench b;
	struct made *m;
	struct cert active;
	AUTO(buf_wipe) struct buf pkcs8 = { .max = 8192 };
	char label[ROOT_LABEL_MAX];
	X509 *x, *issuer;

	(void)state;
	bench_open(&b);
	bench_first(&b);
	MUST(step_may_cross(&b.set, &b.told));
	MUST(cert_parse(b.set.items[0].cert, &active));
	MUST(root_ski(&b.set.items[0], by.ski));
	root_key_label(by.ski, label);
	MUST(hsm_unwrap(&b.kek, label, b.set.items[0].blob, &pkcs8));
	MUST(hsm_key_load(buf_view(&pkcs8), 1, &by.key));
	by.name = active.subject;
	by.not_after = active.not_after;
	by.algorithm = key_scheme_der(hsm_key_scheme(by.key));
	MUST(template_new(by.name, by.ski, hsm_key_scheme(by.key), &template));
	by.template = template;
	o = bench_options(&b);
	m = root_new(&b);
	MUST(root_cross(&o, &by, buf_view(&m->cert), &cross));
	x = x509_of(buf_view(&cross));
	issuer = x509_of(b.set.items[0].cert);
	assert_int_equal(X509_verify(x, X509_get0_pubkey(issuer)), 1);
	assert_int_equal(X509_check_issued(issuer, x), X509_V_OK);
	X509_free(x);
	X509_free(issuer);
	b.step.cert = buf_view(&m->cert);
	b.step.blob = buf_view(&m->blob);
	b.step.cross = true;
	b.step.cross_cert = buf_view(&cross);
	MUST(apply(&b, STEP_PREPARE));
	MUST(apply(&b, STEP_ACTIVATE));
	assert_true(set_first(&b.set, ROOT_ACTIVE)->cross.len > 0);
	MUST(apply(&b, STEP_RETIRE));
	assert_int_equal(set_first(&b.set, ROOT_ACTIVE)->cross.len, 0);
	hsm_key_free(by.key);
	bench_close(&b);
}

static void a_foreign_root_is_added_once_and_retired(void **state)
{
	struct bench b;
	struct made *m;
	char name[2 * SET_ID_LEN + 1];

	(void)state;
	bench_open(&b);
	bench_first(&b);
	m = root_new(&b);
	b.step.cert = buf_view(&m->cert);
	b.step.next = 5;
	MUST(apply(&b, STEP_ADD));
	assert_int_equal(set_first(&b.set, ROOT_NEXT)->origin, ORIGIN_ADDED);
	REFUSED(ERR_ALREADY_EXISTS, apply(&b, STEP_ADD), "in the set already");
	b.step.root = name_of(set_first(&b.set, ROOT_NEXT), name);
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_ACTIVATE), "not in a state"); /* its key is not ours */
	MUST(apply(&b, STEP_RETIRE));
	assert_int_equal(b.set.item_count, 1);
	b.step.cert = TEXT("no certificate");
	REFUSED(ERR_INVALID_ARGUMENT, apply(&b, STEP_ADD), "no self-signed CA certificate");
	bench_close(&b);
}

/* ---- a CA that is brought ---- */

static struct brought brought_root(const struct made *m) /* as an exported istio-ca-secret: it signs by itself */
{
	return (struct brought){ .self_signed = true, .root_count = 1, .roots = { buf_view(&m->cert) } };
}

static void a_brought_ca_waits_until_its_root_is_known_and_the_old_root_until_it_is_not_needed(void **state)
{
	struct bench b;
	struct made *m;
	struct brought brought;

	(void)state;
	bench_open(&b);
	bench_first(&b);
	m = root_new(&b);
	brought = brought_root(m);
	b.step.brought = &brought;
	b.outlook.unknown = (struct outlook_count){ .certs = 9, .until = b.now + 60 };
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_FILES), "bring that root beside the old CA first");
	/* known before, as an added root: nobody is blind */
	b.step.cert = buf_view(&m->cert);
	MUST(apply(&b, STEP_ADD));
	b.outlook.items[0].under = (struct outlook_count){ .certs = 9, .until = b.now + 60 };
	MUST(apply(&b, STEP_FILES));
	assert_string_equal(b.told.event, "ca_brought");
	assert_int_equal(set_first(&b.set, ROOT_ACTIVE)->origin, ORIGIN_FILES);
	assert_int_equal(set_first(&b.set, ROOT_OLD)->origin, ORIGIN_OWN); /* 9 certificates need it */
	MUST(apply(&b, STEP_FILES));
	assert_false(b.told.changed);
	memset(&b.outlook, 0, sizeof(b.outlook));
	/* back to our own: the brought root is dropped, for nothing is under it */
	MUST(apply(&b, STEP_OWN));
	assert_int_equal(b.set.item_count, 1);
	assert_int_equal(b.set.items[0].origin, ORIGIN_OWN);
	bench_close(&b);
}

static void an_own_root_under_which_nothing_lives_is_kept_when_another_ca_is_brought(void **state)
{
	struct bench b;
	struct brought brought;

	(void)state;
	bench_open(&b);
	bench_first(&b);
	brought = brought_root(root_new(&b));
	b.step.brought = &brought;
	MUST(apply(&b, STEP_FILES));
	assert_int_equal(count_state(&b, ROOT_KEPT), 1);
	b.outlook.items[index_of(&b, ROOT_KEPT)].blind = (struct outlook_count){ .certs = 2, .until = b.now + 60 };
	REFUSED(ERR_FAILED_PRECONDITION, apply(&b, STEP_OWN), "before this root was published");
	bench_close(&b);
}

static void a_root_that_leaves_the_files_is_held_for_its_last_certificate(void **state)
{
	struct bench b;
	struct made *old, *new;
	struct brought both, one;

	(void)state;
	bench_open(&b);
	bench_first(&b);
	old = root_new(&b);
	new = root_new(&b);
	both = brought_root(old);
	b.step.brought = &both;
	MUST(apply(&b, STEP_FILES));
	both = brought_root(new);
	both.root_count = 2;
	both.roots[1] = buf_view(&old->cert);
	MUST(apply(&b, STEP_FILES));
	one = brought_root(new);
	b.step.brought = &one;
	b.outlook.items[(unsigned)(set_find(&b.set, buf_view(&old->cert)) - b.set.items)].under = (struct outlook_count){ 4, b.now + 9 };
	MUST(apply(&b, STEP_FILES));
	assert_int_equal(set_find(&b.set, buf_view(&old->cert))->origin, ORIGIN_HELD);
	b.outlook.items[(unsigned)(set_find(&b.set, buf_view(&old->cert)) - b.set.items)].under = (struct outlook_count){ 4, b.now + 9 };
	for (unsigned i = 0; i < b.set.reign_count; i++) b.outlook.reigns[i].certs = 1;
	MUST(apply(&b, STEP_TIDY));
	assert_false(b.told.changed);
	memset(&b.outlook, 0, sizeof(b.outlook));
	MUST(apply(&b, STEP_TIDY));
	assert_true(b.told.changed);
	assert_null(set_find(&b.set, buf_view(&old->cert)));
	bench_close(&b);
}

static void what_signs_may_have_signed_more_since_anybody_looked(void **state)
{
	struct bench b;
	struct brought brought;

	(void)state;
	bench_open(&b);
	bench_first(&b);
	brought = brought_root(root_new(&b));
	b.step.brought = &brought;
	b.outlook.end = 10;
	b.step.next = 12; /* two more than were looked at */
	MUST(apply(&b, STEP_FILES));
	assert_int_equal(set_first(&b.set, ROOT_OLD)->origin, ORIGIN_OWN);
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_rotation_and_back),
		cmocka_unit_test(a_root_signs_only_when_everybody_can_know_it),
		cmocka_unit_test(a_root_goes_only_when_nothing_under_it_is_left),
		cmocka_unit_test(a_prepared_root_is_taken_back_without_a_rule),
		cmocka_unit_test(what_is_not_there_or_not_in_that_state_is_refused),
		cmocka_unit_test(an_ended_or_tainted_root_never_signs),
		cmocka_unit_test(only_a_key_that_signs_no_more_is_tainted),
		cmocka_unit_test(there_is_room_for_eight_and_the_oldest_ended_one_gives_way),
		cmocka_unit_test(a_cross_certificate_goes_with_the_root_that_signed_it),
		cmocka_unit_test(a_foreign_root_is_added_once_and_retired),
		cmocka_unit_test(a_brought_ca_waits_until_its_root_is_known_and_the_old_root_until_it_is_not_needed),
		cmocka_unit_test(an_own_root_under_which_nothing_lives_is_kept_when_another_ca_is_brought),
		cmocka_unit_test(a_root_that_leaves_the_files_is_held_for_its_last_certificate),
		cmocka_unit_test(what_signs_may_have_signed_more_since_anybody_looked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
