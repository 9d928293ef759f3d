/* What our writer writes, OpenSSL reads, and agrees to be a certificate that it would accept. */
#include "ca/support.h"

static X509 *root_of(struct stage *s)
{
	stage_request(s, PROFILE_ROOT, &s->ca);
	s->request.not_after = s->now + 7200;
	s->want.max_lifetime = 7200;
	stage_issue(s);
	return x509_of(buf_view(&s->cert));
}

/* -x509_strict, both purposes, one root and nothing else. */
static int verify(X509 *root, X509 *leaf, int purpose)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int error;

	assert_int_equal(X509_STORE_add_cert(store, root), 1);
	assert_int_equal(X509_STORE_CTX_init(ctx, store, leaf, NULL), 1);
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
	assert_int_equal(X509_STORE_CTX_set_purpose(ctx, purpose), 1);
	(void)X509_verify_cert(ctx);
	error = X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return error;
}

static void expect_extension(X509 *x, int nid, bool critical)
{
	int at = X509_get_ext_by_NID(x, nid, -1);

	if (at < 0) fail_msg("%s is missing", OBJ_nid2sn(nid));
	if (X509_get_ext_by_NID(x, nid, at) >= 0) fail_msg("%s is there twice", OBJ_nid2sn(nid));
	if ((X509_EXTENSION_get_critical(X509_get_ext(x, at)) != 0) != critical) fail_msg("%s: critical", OBJ_nid2sn(nid));
}

/* "DNS:a, IP Address:..., URI:..." as OpenSSL prints it. */
static void expect_text(X509 *x, int nid, const char *want)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *text;
	long n;

	assert_int_equal(X509V3_EXT_print(out, X509_get_ext(x, X509_get_ext_by_NID(x, nid, -1)), 0, 0), 1);
	n = BIO_get_mem_data(out, &text);
	if ((size_t)n != strlen(want) || memcmp(text, want, (size_t)n) != 0) fail_msg("got %.*s, want %s", (int)n, text, want);
	BIO_free(out);
}

static void expect_times(X509 *x, int64_t from, int64_t to)
{
	time_t f = (time_t)from, t = (time_t)to;

	assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notBefore(x), f), 0);
	assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notAfter(x), t), 0);
}

static void expect_key_ids(X509 *x, struct stage *s, const uint8_t *ski)
{
	const ASN1_OCTET_STRING *got = X509_get0_subject_key_id(x), *aki = X509_get0_authority_key_id(x);

	assert_memory_equal(ASN1_STRING_get0_data(got), ski, KEY_SKI_LEN);
	if (aki != NULL) assert_memory_equal(ASN1_STRING_get0_data(aki), s->ca.ski, KEY_SKI_LEN);
}

static const struct { const char *ca, *leaf, *ku; } pairs[] = {
	{ "p256", "p256", "Digital Signature" },
	{ "p256", "rsa2048", "Digital Signature, Key Encipherment" },
	{ "p256", "ed25519", "Digital Signature" },
	{ "p384", "p384", "Digital Signature" },
	{ "ed25519", "p256", "Digital Signature" },
	{ "rsa2048", "p256", "Digital Signature" },
};

static void check_pair(const char *ca, const char *leaf, const char *ku)
{
	static const struct wire_name names[] = { { WIRE_TAG_DNS, TEXT("b.a.svc") }, { WIRE_TAG_IP, TEXT("\x0a\x00\x00\x07") } };
	struct stage s;
	X509 *root, *x;
	EVP_PKEY *key;

	stage_open(&s, ca, leaf);
	root = root_of(&s);
	stage_request(&s, PROFILE_WORKLOAD, &s.leaf);
	s.request.names = names;
	s.request.name_count = 2;
	stage_issue(&s);
	x = x509_of(buf_view(&s.cert));

	key = X509_get0_pubkey(root);
	assert_int_equal(X509_verify(root, key), 1);
	assert_int_equal(X509_verify(x, key), 1);
	assert_int_equal(X509_get_version(x), 2);
	assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(x)), 0);
	assert_int_equal(X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(root)), 0);
	assert_int_equal(X509_get_ext_count(x), 6);
	expect_extension(x, NID_key_usage, true);
	expect_extension(x, NID_ext_key_usage, false);
	expect_extension(x, NID_basic_constraints, true);
	expect_extension(x, NID_subject_key_identifier, false);
	expect_extension(x, NID_authority_key_identifier, false);
	expect_extension(x, NID_subject_alt_name, true);
	expect_text(x, NID_key_usage, ku);
	expect_text(x, NID_ext_key_usage, "TLS Web Server Authentication, TLS Web Client Authentication");
	expect_text(x, NID_basic_constraints, "CA:FALSE");
	expect_text(x, NID_subject_alt_name, "URI:" WORKLOAD ", DNS:b.a.svc, IP Address:10.0.0.7");
	expect_times(x, s.now - 120, s.now + 3600);
	expect_key_ids(x, &s, s.leaf.ski);
	assert_int_equal(verify(root, x, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
	assert_int_equal(verify(root, x, X509_PURPOSE_SSL_SERVER), X509_V_OK);
	X509_free(x);
	X509_free(root);
	stage_close(&s);
}

static void test_workload_certificates_of_every_key_verify_strictly(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) check_pair(pairs[i].ca, pairs[i].leaf, pairs[i].ku);
}

static void test_root_is_what_spiffe_asks_of_a_ca(void **state)
{
	struct stage s;
	char cn[64], hex[9], o[64];
	X509 *root;

	(void)state;
	stage_open(&s, "p256", "p256");
	root = root_of(&s);
	assert_int_equal(X509_get_ext_count(root), 4);
	expect_extension(root, NID_key_usage, true);
	expect_extension(root, NID_basic_constraints, true);
	expect_extension(root, NID_subject_key_identifier, false);
	expect_extension(root, NID_subject_alt_name, false);
	expect_text(root, NID_key_usage, "Certificate Sign, CRL Sign");
	expect_text(root, NID_basic_constraints, "CA:TRUE, pathlen:1");
	expect_text(root, NID_subject_alt_name, "URI:spiffe://" TRUST_DOMAIN);
	assert_int_equal(verify(root, root, X509_PURPOSE_ANY), X509_V_OK);
	assert_int_equal(X509_NAME_cmp(X509_get_issuer_name(root), X509_get_subject_name(root)), 0);
	(void)X509_NAME_get_text_by_NID(X509_get_subject_name(root), NID_organizationName, o, sizeof(o));
	(void)X509_NAME_get_text_by_NID(X509_get_subject_name(root), NID_commonName, cn, sizeof(cn));
	bytes_hex(BYTES(s.ca.ski, 4), hex);
	assert_string_equal(o, TRUST_DOMAIN);
	assert_memory_equal(cn, "Signet Root CA ", 15);
	assert_string_equal(cn + 15, hex);
	X509_free(root);
	stage_close(&s);
}

static void test_serving_certificate_names_hosts_and_is_no_client(void **state)
{
	static const struct wire_name names[] = { { WIRE_TAG_DNS, TEXT("istiod.istio-system.svc") }, { WIRE_TAG_IP, TEXT("\x7f\x00\x00\x01") } };
	struct stage s;
	X509 *root, *x;

	(void)state;
	stage_open(&s, "p256", "p256");
	root = root_of(&s);
	stage_request(&s, PROFILE_SERVING, &s.leaf);
	s.request.names = names;
	s.request.name_count = 2;
	stage_issue(&s);
	x = x509_of(buf_view(&s.cert));
	expect_text(x, NID_ext_key_usage, "TLS Web Server Authentication");
	expect_text(x, NID_subject_alt_name, "DNS:istiod.istio-system.svc, IP Address:127.0.0.1");
	expect_extension(x, NID_subject_alt_name, true);
	assert_int_equal(X509_check_host(x, "istiod.istio-system.svc", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(x, "127.0.0.1", 0), 1);
	assert_int_equal(verify(root, x, X509_PURPOSE_SSL_SERVER), X509_V_OK);
	assert_int_not_equal(verify(root, x, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
	X509_free(x);
	X509_free(root);
	stage_close(&s);
}

static void test_times_beyond_2049_are_generalized(void **state)
{
	struct stage s;
	X509 *x;

	(void)state;
	stage_open(&s, "p256", "p256");
	s.request.not_after = s.want.chain_not_after = 4102444800; /* 2100-01-01 */
	s.want.max_lifetime = INT64_C(100) * 365 * 86400;
	stage_issue(&s);
	x = x509_of(buf_view(&s.cert));
	assert_int_equal(ASN1_STRING_type(X509_get0_notBefore(x)), V_ASN1_UTCTIME);
	assert_int_equal(ASN1_STRING_type(X509_get0_notAfter(x)), V_ASN1_GENERALIZEDTIME);
	X509_free(x);
	s.request.not_after = INT64_C(253402300800); /* year 10000 */
	s.tbs.len = 0;
	assert_int_equal(template_build(s.template, &s.request, &s.tbs).code, ERR_OUT_OF_RANGE);
	stage_close(&s);
}

static void test_a_long_trust_domain_is_cut_in_the_name_only(void **state)
{
	static const uint8_t ski[KEY_SKI_LEN] = { 1, 2, 3, 4 };
	AUTO(buf) struct buf out = { .max = 1024 };
	char domain[256], o[300];
	const uint8_t *p;
	X509_NAME *name;

	(void)state;
	memset(domain, 'd', 255);
	domain[255] = '\0';
	MUST(template_root_name(domain, ski, &out));
	p = out.data;
	name = d2i_X509_NAME(NULL, &p, (long)out.len);
	assert_non_null(name);
	assert_int_equal(X509_NAME_get_text_by_NID(name, NID_organizationName, o, sizeof(o)), 64); /* ub-organization-name */
	X509_NAME_free(name);
}

static void test_serials_name_their_replica_and_never_repeat(void **state)
{
	enum { COUNT = 20000 };
	AUTO(serials) struct serials *serials = NULL;
	AUTO(heap) uint8_t (*all)[SERIAL_LEN] = calloc(COUNT, SERIAL_LEN);

	(void)state;
	assert_int_equal(serials_new(0, &serials).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(serials_new(128, &serials).code, ERR_INVALID_ARGUMENT);
	assert_null(serials);
	MUST(serials_new(127, &serials));
	for (size_t i = 0; i < COUNT; i++) {
		MUST(serials_next(serials, 0x0102030405, all[i]));
		assert_int_equal(all[i][0], 127);
		assert_memory_equal(all[i] + 1, "\x01\x02\x03\x04\x05", 5);
	}
	for (size_t i = 1; i < COUNT; i++) /* neighbours, and the same place in the next pool */
		for (size_t j = i > 65 ? i - 65 : 0; j < i; j++)
			if (memcmp(all[i], all[j], SERIAL_LEN) == 0) fail_msg("serial %zu repeats %zu", i, j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_workload_certificates_of_every_key_verify_strictly),
		cmocka_unit_test(test_root_is_what_spiffe_asks_of_a_ca),
		cmocka_unit_test(test_serving_certificate_names_hosts_and_is_no_client),
		cmocka_unit_test(test_times_beyond_2049_are_generalized),
		cmocka_unit_test(test_a_long_trust_domain_is_cut_in_the_name_only),
		cmocka_unit_test(test_serials_name_their_replica_and_never_repeat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
