/* Keys: made, loaded, refused, signing at once and on threads, and gone afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "der/der.h"
#include "hsm/hsm.h"

static const struct {
	const char *name;
	enum key_type type;
	unsigned bits;
	enum key_scheme scheme;
	bool immediate;
} kinds[] = {
	{ "p256", KEY_P256, 256, SCHEME_ECDSA_P256_SHA256, true },
	{ "ed25519", KEY_ED25519, 256, SCHEME_ED25519, true },
	{ "p384", KEY_P384, 384, SCHEME_ECDSA_P384_SHA384, false },
	{ "rsa2048", KEY_RSA, 2048, SCHEME_RSA_PKCS1_SHA256, false },
	{ "rsa3072", KEY_RSA, 3072, SCHEME_RSA_PKCS1_SHA256, false },
	{ "rsa4096", KEY_RSA, 4096, SCHEME_RSA_PKCS1_SHA256, false },
};

static void specs_are_known_by_name(void **state)
{
	static const char *const unknown[] = { "", "P256", "p-256", "p521", "rsa", "rsa1024", "rsa8192", "ed448", "p256 " };
	enum key_type type = KEY_NONE;
	unsigned bits = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		assert_int_equal(hsm_key_spec(unknown[i], &type, &bits).code, ERR_INVALID_ARGUMENT);
		assert_int_equal(type, KEY_NONE);
	}
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		assert_int_equal(hsm_key_spec(kinds[i].name, &type, &bits).code, ERR_OK);
		assert_int_equal(type, kinds[i].type);
		assert_int_equal(bits, kinds[i].bits);
	}
}

/* ---- jobs that can be waited for ---- */
struct waiting {
	struct hsm_job job; /* first */
	atomic_uint calls;
	_Atomic(enum err_code) code;
};

static void waiting_done(struct hsm_job *job, struct err result)
{
	struct waiting *w = (struct waiting *)job;

	atomic_store(&w->code, result.code);
	atomic_fetch_add(&w->calls, 1);
}

static void wait_for(struct waiting *w)
{
	for (int ms = 0; atomic_load(&w->calls) == 0; ms++) {
		const struct timespec pause = { 0, 1000000 };

		assert_true(ms < 60000);
		nanosleep(&pause, NULL);
	}
}

static void expect_signs(struct hsm_key *key, const char *message)
{
	AUTO(key_public) struct key_public *public = NULL;
	struct waiting w = { .job = { .msg = bytes_str(message), .done = waiting_done } };

	assert_int_equal(key_public_new(hsm_key_spki(key), &public).code, ERR_OK);
	hsm_key_sign(key, &w.job);
	if (hsm_key_is_immediate(key)) assert_int_equal(atomic_load(&w.calls), 1);
	wait_for(&w);
	assert_int_equal(atomic_load(&w.code), ERR_OK);
	assert_int_equal(
	        key_public_verify(public, hsm_key_scheme(key), w.job.msg, BYTES(w.job.sig, w.job.sig_len)).code, ERR_OK);
	assert_int_equal(key_public_verify(public, hsm_key_scheme(key), bytes_str("other"), BYTES(w.job.sig, w.job.sig_len)).code,
	                 ERR_INVALID_ARGUMENT);
}

/* OpenSSL's own reading of what we wrote, written again. */
static void expect_openssl_agrees(struct bytes pkcs8, struct bytes spki)
{
	const uint8_t *at = pkcs8.data;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)pkcs8.len), *again;
	uint8_t *der = NULL, *public = NULL;
	EVP_PKEY *pkey;
	int len, public_len;

	assert_non_null(info);
	assert_ptr_equal(at, pkcs8.data + pkcs8.len);
	pkey = EVP_PKCS82PKEY(info);
	assert_non_null(pkey);
	again = EVP_PKEY2PKCS8(pkey);
	len = i2d_PKCS8_PRIV_KEY_INFO(again, &der);
	public_len = i2d_PUBKEY(pkey, &public);
	assert_true(bytes_equal(BYTES(der, (size_t)len), pkcs8));
	assert_true(bytes_equal(BYTES(public, (size_t)public_len), spki));
	OPENSSL_free(der);
	OPENSSL_free(public);
	PKCS8_PRIV_KEY_INFO_free(again);
	PKCS8_PRIV_KEY_INFO_free(info);
	EVP_PKEY_free(pkey);
}

static void every_kind_is_made_loaded_and_signs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		AUTO(buf_wipe) struct buf pkcs8 = { .max = HSM_PKCS8_MAX };
		AUTO(hsm_key) struct hsm_key *key = NULL;
		struct key_info info;

		assert_int_equal(hsm_key_generate(kinds[i].type, kinds[i].bits, &pkcs8).code, ERR_OK);
		assert_int_equal(hsm_key_load(buf_view(&pkcs8), 2, &key).code, ERR_OK);
		assert_int_equal(key_info_parse(hsm_key_spki(key), &info).code, ERR_OK);
		assert_int_equal(info.type, kinds[i].type);
		assert_int_equal(info.bits, kinds[i].bits);
		assert_int_equal(hsm_key_scheme(key), kinds[i].scheme);
		assert_int_equal(hsm_key_is_immediate(key), kinds[i].immediate);
		expect_openssl_agrees(buf_view(&pkcs8), hsm_key_spki(key));
		expect_signs(key, "");
		expect_signs(key, "to be signed");
		expect_signs(key, "to be signed");
	}
}

static void kinds_that_a_ca_may_not_have_are_not_made(void **state)
{
	static const struct {
		enum key_type type;
		unsigned bits;
	} bad[] = { { KEY_NONE, 0 },    { KEY_P521, 521 }, { KEY_RSA, 1024 },     { KEY_RSA, 2047 },   { KEY_RSA, 8192 },
		    { KEY_P256, 384 }, { KEY_RSA, 0 },    { KEY_ED25519, 255 }, { (enum key_type)9, 256 } };
	AUTO(buf_wipe) struct buf pkcs8 = { .max = HSM_PKCS8_MAX }, small = { .max = HSM_PKCS8_MAX - 1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(hsm_key_generate(bad[i].type, bad[i].bits, &pkcs8).code, ERR_INVALID_ARGUMENT);
		assert_int_equal(pkcs8.len, 0);
	}
	assert_int_equal(hsm_key_generate(KEY_P256, 256, &small).code, ERR_RESOURCE_EXHAUSTED);
}

/* ---- refusals ---- */
static void expect_refused(const char *what, struct bytes der)
{
	struct hsm_key *key = NULL;
	struct err e = hsm_key_load(der, 1, &key);

	if (e.code != ERR_INVALID_ARGUMENT || key != NULL) fail_msg("%s: %s", what, e.reason);
	if (ERR_peek_error() != 0) fail_msg("%s: left OpenSSL's error queue filled", what);
}

static void expect_refused_file(const char *name)
{
	char path[128];
	uint8_t der[HSM_PKCS8_MAX];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "tests/data/fuzz/pkcs8/%s", name);
	f = fopen(path, "rb");
	assert_non_null(f);
	len = fread(der, 1, sizeof(der), f);
	fclose(f);
	expect_refused(name, BYTES(der, len));
}

static void keys_of_other_kinds_are_refused(void **state)
{
	static const char *const files[] = { "p521", "x25519", "rsa1024", "sec1", "pkcs1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) expect_refused_file(files[i]);
}

static void cut_longer_or_changed_keys_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) { /* the small ones */
		AUTO(buf_wipe) struct buf pkcs8 = { .max = HSM_PKCS8_MAX };

		assert_int_equal(hsm_key_generate(kinds[i].type, kinds[i].bits, &pkcs8).code, ERR_OK);
		for (size_t n = 0; n < pkcs8.len; n++) expect_refused("prefix", BYTES(pkcs8.data, n));
		pkcs8.data[pkcs8.len] = 0; /* generate() reserved HSM_PKCS8_MAX */
		expect_refused("trailing byte", BYTES(pkcs8.data, pkcs8.len + 1));
		pkcs8.data[4] = 2; /* version */
		expect_refused("version", buf_view(&pkcs8));
	}
}

/* A PKCS#8 P-256 key (RFC 5915) with chosen octets; `params` and `bits` (BIT STRING content) are left out when empty. */
static void ec_pkcs8(const char *scalar, const char *params, const char *bits, struct buf *out)
{
	static const uint8_t algorithm[] = { 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
		                             0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
	struct der_open info, octets, key, field;
	const char *const hex[] = { scalar, params, bits };
	uint8_t raw[3][128];
	bool good = true;

	for (size_t i = 0; i < 3; i++) assert_int_equal(bytes_unhex(bytes_str(hex[i]), raw[i]).code, ERR_OK);
	good = good && der_open(out, DER_SEQUENCE, &info).code == ERR_OK && der_put_uint(out, 0).code == ERR_OK &&
	       buf_put(out, algorithm, sizeof(algorithm)).code == ERR_OK && der_open(out, DER_OCTET_STRING, &octets).code == ERR_OK;
	good = good && der_open(out, DER_SEQUENCE, &key).code == ERR_OK && der_put_uint(out, 1).code == ERR_OK &&
	       der_put(out, DER_OCTET_STRING, BYTES(raw[0], strlen(scalar) / 2)).code == ERR_OK;
	if (params[0] != '\0')
		good = good && der_put(out, DER_CONTEXT_CONSTRUCTED(0), BYTES(raw[1], strlen(params) / 2)).code == ERR_OK;
	if (bits[0] != '\0')
		good = good && der_open(out, DER_CONTEXT_CONSTRUCTED(1), &field).code == ERR_OK &&
		       der_put(out, DER_BIT_STRING, BYTES(raw[2], strlen(bits) / 2)).code == ERR_OK &&
		       der_close(out, &field).code == ERR_OK;
	good = good && der_close(out, &key).code == ERR_OK && der_close(out, &octets).code == ERR_OK &&
	       der_close(out, &info).code == ERR_OK;
	assert_true(good);
}

#define ORDER "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc6325"
#define ZERO31 "00000000000000000000000000000000000000000000000000000000000000"
#define G_X "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
#define G_Y "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
#define ONE_KEY "00" "04" G_X G_Y /* the BIT STRING of scalar 1 */

#define P256_OID "06082a8648ce3d030107"
#define P384_OID "06052b81040022"

static const struct {
	const char *name, *scalar, *params, *bits;
	bool good;
} ec_cases[] = {
	{ "one", ZERO31 "01", "", "", true },
	{ "one_with_half", ZERO31 "01", "", ONE_KEY, true },
	{ "one_with_curve_and_half", ZERO31 "01", P256_OID, ONE_KEY, true },
	{ "order_minus_one", ORDER "50", "", "", true },
	{ "zero", ZERO31 "00", "", "", false },
	{ "order", ORDER "51", "", "", false },
	{ "above_order", ORDER "52", "", "", false },
	{ "all_ones", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "", "", false },
	{ "short", ZERO31, "", "", false },
	{ "long", "00" ZERO31 "01", "", "", false },
	{ "empty", "", "", "", false },
	{ "half_of_another", ZERO31 "02", "", ONE_KEY, false },
	{ "half_with_unused_bits", ZERO31 "01", "", "0104" G_X G_Y, false },
	{ "half_compressed", ZERO31 "01", "", "0003" G_X, false },
	{ "half_cut", ZERO31 "01", "", "0004" G_X, false },
	{ "half_infinity", ZERO31 "01", "", "0000", false },
	{ "other_curve", ZERO31 "01", P384_OID, "", false },
	{ "curve_twice", ZERO31 "01", P256_OID P256_OID, "", false },
	{ "curve_null", ZERO31 "01", "0500", "", false },
};

static void ec_keys_are_taken_in_range_and_with_their_own_half(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ec_cases); i++) {
		AUTO(buf) struct buf der = { .max = 512 };
		AUTO(hsm_key) struct hsm_key *key = NULL;

		ec_pkcs8(ec_cases[i].scalar, ec_cases[i].params, ec_cases[i].bits, &der);
		if (!ec_cases[i].good) {
			expect_refused(ec_cases[i].name, buf_view(&der));
			continue;
		}
		if (hsm_key_load(buf_view(&der), 1, &key).code != ERR_OK) fail_msg("%s: refused", ec_cases[i].name);
		expect_signs(key, "by a key of chosen octets");
	}
}

/* Offsets into a 2048-bit key: inside n and inside e (whose three octets 01 00 01 follow n). */
static void rsa_keys_that_are_no_pair_are_refused(void **state)
{
	static const size_t at[] = { 40, 100, 280, 298 };
	AUTO(buf_wipe) struct buf pkcs8 = { .max = HSM_PKCS8_MAX };

	(void)state;
	assert_int_equal(hsm_key_generate(KEY_RSA, 2048, &pkcs8).code, ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		pkcs8.data[at[i]] ^= 0x10;
		expect_refused("damaged RSA key", buf_view(&pkcs8));
		pkcs8.data[at[i]] ^= 0x10;
	}
}

static void thread_counts_out_of_range_are_refused(void **state)
{
	AUTO(buf_wipe) struct buf pkcs8 = { .max = HSM_PKCS8_MAX };
	struct hsm_key *key = NULL;

	(void)state;
	assert_int_equal(hsm_key_generate(KEY_P384, 384, &pkcs8).code, ERR_OK);
	assert_int_equal(hsm_key_load(buf_view(&pkcs8), 0, &key).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(hsm_key_load(buf_view(&pkcs8), 65, &key).code, ERR_INVALID_ARGUMENT);
	assert_null(key);
}

/* ---- the pool ---- */
#define JOBS 400

static void run_pool(const struct bytes pkcs8, bool wait, unsigned *signed_well, unsigned *unavailable)
{
	static struct waiting jobs[JOBS];
	struct hsm_key *key = NULL;

	assert_int_equal(hsm_key_load(pkcs8, 3, &key).code, ERR_OK);
	for (size_t i = 0; i < JOBS; i++) {
		jobs[i] = (struct waiting){ .job = { .msg = bytes_str("one of many"), .done = waiting_done } };
		hsm_key_sign(key, &jobs[i].job);
	}
	for (size_t i = 0; wait && i < JOBS; i++) wait_for(&jobs[i]);
	hsm_key_free(key);
	*signed_well = *unavailable = 0;
	for (size_t i = 0; i < JOBS; i++) {
		assert_int_equal(atomic_load(&jobs[i].calls), 1);
		if (atomic_load(&jobs[i].code) == ERR_OK) ++*signed_well;
		if (atomic_load(&jobs[i].code) == ERR_UNAVAILABLE) ++*unavailable;
	}
}

static void every_job_is_answered_once(void **state)
{
	AUTO(buf_wipe) struct buf pkcs8 = { .max = HSM_PKCS8_MAX };
	unsigned good, unavailable;

	(void)state;
	assert_int_equal(hsm_key_generate(KEY_P384, 384, &pkcs8).code, ERR_OK);
	run_pool(buf_view(&pkcs8), true, &good, &unavailable);
	assert_int_equal(good, JOBS);
	for (int i = 0; i < 5; i++) { /* closed while most are waiting */
		run_pool(buf_view(&pkcs8), false, &good, &unavailable);
		assert_int_equal(good + unavailable, JOBS);
		assert_true(unavailable > 0);
	}
}

/* The signals that thread `task` of this process blocks (proc(5)). */
static unsigned long blocked_signals(const char *task)
{
	char path[300], line[256];
	unsigned long mask = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%s/status", task);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) sscanf(line, "SigBlk: %lx", &mask);
	fclose(f);
	return mask;
}

static void pool_threads_block_signals_and_the_caller_does_not(void **state)
{
	AUTO(buf_wipe) struct buf pkcs8 = { .max = HSM_PKCS8_MAX };
	AUTO(hsm_key) struct hsm_key *key = NULL;
	unsigned threads = 0;
	struct dirent *entry;
	DIR *dir;

	(void)state;
	assert_int_equal(hsm_key_generate(KEY_P384, 384, &pkcs8).code, ERR_OK);
	assert_int_equal(hsm_key_load(buf_view(&pkcs8), 2, &key).code, ERR_OK);
	dir = opendir("/proc/self/task");
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		bool main_thread = atol(entry->d_name) == getpid();

		if (entry->d_name[0] == '.') continue;
		if (!main_thread && (blocked_signals(entry->d_name) & 1ul << (SIGTERM - 1)) != 0) threads++;
		if (main_thread) assert_int_equal(blocked_signals(entry->d_name) & 1ul << (SIGTERM - 1), 0);
	}
	closedir(dir);
	assert_int_equal(threads, 2);
}

#ifndef SIGNET_SANITIZED /* the sanitizer keeps freed memory, and its shadow is too large to read */
/* ---- what stays in memory ----
 * The private number is known here only as its bytes XOR a mask, so that the search does not find itself. */
#define MASK 0x5a
#define NEEDLE 32

static size_t count_in(const uint8_t *from, const uint8_t *to, const uint8_t *masked, bool reversed)
{
	size_t found = 0;

	for (const uint8_t *p = from; p + NEEDLE <= to; p++) {
		size_t i = 0;

		while (i < NEEDLE && p[i] == (masked[reversed ? NEEDLE - 1 - i : i] ^ MASK)) i++;
		if (i == NEEDLE) found++;
	}
	return found;
}

/* Copies in all memory that can be written, big-endian or (as a BIGNUM has it) little-endian. */
static size_t copies(const uint8_t *masked, bool reversed)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], mode[8];
	size_t found = 0;
	unsigned long from, to;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3 && strncmp(mode, "rw", 2) == 0)
			found += count_in((const uint8_t *)from, (const uint8_t *)to, masked, reversed);
	fclose(f);
	return found;
}

/* Where the 32 octets of the scalar or seed are in the PKCS#8. */
static size_t secret_at(enum key_type type)
{
	return type == KEY_P256 ? 3 + 3 + 21 + 2 + 2 + 3 + 2 : 3 + 2 + 7 + 2 + 2; /* p256: the outer length has two octets */
}

static void no_copy_of_a_key_stays_in_ordinary_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) { /* P-256, Ed25519 */
		struct buf pkcs8 = { .max = HSM_PKCS8_MAX };
		struct hsm_key *key = NULL;
		uint8_t masked[NEEDLE];
		size_t at = secret_at(kinds[i].type);

		assert_int_equal(hsm_key_generate(kinds[i].type, kinds[i].bits, &pkcs8).code, ERR_OK);
		assert_int_equal(pkcs8.data[at - 1], NEEDLE);
		for (size_t k = 0; k < NEEDLE; k++) masked[k] = pkcs8.data[at + k] ^ MASK;
		assert_int_equal(copies(masked, false), 1); /* ours: the search works */
		assert_int_equal(hsm_key_load(buf_view(&pkcs8), 1, &key).code, ERR_OK);
		expect_signs(key, "while it is loaded");
		buf_wipe(&pkcs8);
		assert_true(copies(masked, false) + copies(masked, true) == 1); /* the one in use */
		hsm_key_free(key);
		assert_int_equal(copies(masked, false), 0);
		assert_int_equal(copies(masked, true), 0);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(specs_are_known_by_name),
		cmocka_unit_test(every_kind_is_made_loaded_and_signs),
		cmocka_unit_test(kinds_that_a_ca_may_not_have_are_not_made),
		cmocka_unit_test(keys_of_other_kinds_are_refused),
		cmocka_unit_test(cut_longer_or_changed_keys_are_refused),
		cmocka_unit_test(ec_keys_are_taken_in_range_and_with_their_own_half),
		cmocka_unit_test(rsa_keys_that_are_no_pair_are_refused),
		cmocka_unit_test(thread_counts_out_of_range_are_refused),
		cmocka_unit_test(every_job_is_answered_once),
		cmocka_unit_test(pool_threads_block_signals_and_the_caller_does_not),
#ifndef SIGNET_SANITIZED
		cmocka_unit_test(no_copy_of_a_key_stays_in_ordinary_memory),
#endif
	};

	CRYPTO_secure_malloc_init(1 << 16, 16); /* as the keeper's main does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
