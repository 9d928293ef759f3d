/* jwt_peek(): the compact form is held to the letter before anything is believed or computed. */
#include "jwt/sign.h"

#include "jwt/jwt.h"

/* {"alg":"ES256"} and {"iss":"i"}; AAAA stands for a signature, which peek does not look into. */
#define H "eyJhbGciOiJFUzI1NiJ9"
#define P "eyJpc3MiOiJpIn0"

static const struct {
	const char *name, *compact;
	bool want;
} compact_cases[] = {
	{ "plain", H "." P ".AAAA", true },
	{ "one_part", H, false },
	{ "two_parts", H "." P, false },
	{ "four_parts", H "." P ".AAAA.AAAA", false },
	{ "five_parts_a_jwe", H ".AAAA.AAAA." P ".AAAA", false },
	{ "empty", "", false },
	{ "dots_only", "..", false },
	{ "no_header", "." P ".AAAA", false },
	{ "no_payload", H "..AAAA", false },
	{ "no_signature", H "." P ".", false },
	{ "dot_before", "." H "." P ".AAAA", false },
	{ "dot_after", H "." P ".AAAA.", false },
	{ "space_before", " " H "." P ".AAAA", false },
	{ "space_in_header", "eyJhbGci OiJFUzI1NiJ9." P ".AAAA", false },
	{ "newline_in_payload", H ".eyJpc3Mi\nOiJpIn0.AAAA", false },
	{ "space_between", H " ." P ".AAAA", false },
	{ "padded_payload", H ".eyJpc3MiOiJpIn0=.AAAA", false },
	{ "padding_only", H ".====.AAAA", false },
	{ "padded_header", "eyJhbGciOiJFUzI1NiJ9====." P ".AAAA", false },
	{ "non_canonical_last_character", H ".eyJpc3MiOiJpIn1.AAAA", false },
	{ "impossible_length", H ".eyJpc3MiOiJpI.AAAA", false },
	{ "standard_alphabet", H ".eyJpc3MiOiI/Pz8ifQ.AAAA", false },
	{ "url_alphabet", H ".eyJpc3MiOiI_Pz8ifQ.AAAA", true },
	{ "percent_encoded", H "%2E" P ".AAAA", false },
	{ "payload_not_json", H ".AAAA.AAAA", false },
	{ "payload_an_array", H ".W10.AAAA", false },
	{ "json_serialization", "{\"payload\":\"" P "\",\"protected\":\"" H "\",\"signature\":\"AAAA\"}", false },
	{ "bearer_prefix", "Bearer " H "." P ".AAAA", false },
};

static void compact_form_is_strict(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(compact_cases); i++) {
		struct jwt_peek peek = { .alg = "before" };
		struct err e = jwt_peek(bytes_str(compact_cases[i].compact), &peek);

		if ((e.code == ERR_OK) != compact_cases[i].want) fail_msg("%s: %s", compact_cases[i].name, e.reason);
		if (e.code != ERR_OK) assert_int_equal(e.code, ERR_INVALID_ARGUMENT);
		assert_string_equal(peek.alg, e.code == ERR_OK ? "ES256" : "before");
	}
}

static bool peeks(const char *header, const char *payload, struct jwt_peek *peek)
{
	AUTO(buf) struct buf token = { .max = 64 * 1024 };

	sign_put_input(&token, header, payload);
	sign_must(buf_put_str(&token, ".AAAA"));
	return jwt_peek(buf_view(&token), peek).code == ERR_OK;
}

/* A header or payload of {"NAME":"aaa..."} with n times a, and "alg" if it is the header. */
static bool peeks_long(const char *name, size_t n, bool in_header)
{
	char a[600], json[700];
	struct jwt_peek peek;

	memset(a, 'a', n);
	a[n] = '\0';
	snprintf(json, sizeof(json), "{%s\"%s\":\"%s\"}", in_header ? "\"alg\":\"ES256\"," : "", name, a);
	return in_header ? peeks(json, "{}", &peek) : peeks("{\"alg\":\"ES256\"}", json, &peek);
}

static void fields_are_bounded(void **state)
{
	(void)state;
	assert_true(peeks_long("kid", JWT_KID_MAX, true));
	assert_false(peeks_long("kid", JWT_KID_MAX + 1, true));
	assert_true(peeks_long("iss", 511, false));
	assert_false(peeks_long("iss", 512, false));
	assert_false(peeks_long("typ", 65, true));
}

static void absent_fields_are_empty(void **state)
{
	struct jwt_peek peek;

	(void)state;
	assert_true(peeks("{\"alg\":\"PS512\"}", "{}", &peek));
	assert_string_equal(peek.alg, "PS512");
	assert_string_equal(peek.kid, "");
	assert_string_equal(peek.iss, "");
	assert_true(peek.exp == INT64_MAX);
	assert_true(peeks("{\"alg\":\"EdDSA\",\"kid\":\"k\"}", "{\"iss\":\"https://i\",\"exp\":1790000000}", &peek));
	assert_true(peek.exp == 1790000000);
	assert_false(peeks("{\"alg\":\"EdDSA\"}", "{\"exp\":\"1790000000\"}", &peek));
	assert_false(peeks("{\"alg\":\"EdDSA\"}", "{\"exp\":1e300}", &peek));
	assert_string_equal(peek.kid, "k");
	assert_string_equal(peek.iss, "https://i");
	assert_false(peeks("{\"alg\":\"EdDSA\",\"kid\":null}", "{}", &peek));
	assert_false(peeks("{\"alg\":\"EdDSA\"}", "{\"iss\":7}", &peek));
	assert_false(peeks("{\"alg\":\"EdDSA\"}", "{\"iss\":\"a\",\"iss\":\"a\"}", &peek));
}

/* "{   ...   }" for a payload, and a signature part that fills up to exactly `want` bytes. */
static struct bytes token_of_length(size_t want, char *text)
{
	size_t at = strlen(H "."), groups = 4000;

	memcpy(text, H ".eyAg", at + 4); /* "{  " */
	for (size_t i = 0; i < groups; i++) memcpy(text + at + 4 + 4 * i, "ICAg", 4);
	at += 4 + 4 * groups;
	memcpy(text + at, "IH0.", 4); /* " }" */
	memset(text + at + 4, 'A', want - at - 4);
	return BYTES(text, want);
}

static void length_is_bounded(void **state)
{
	static char text[JWT_MAX + 1];
	struct jwt_peek peek;

	(void)state;
	assert_int_equal(jwt_peek(token_of_length(JWT_MAX, text), &peek).code, ERR_OK);
	assert_int_equal(jwt_peek(token_of_length(JWT_MAX + 1, text), &peek).code, ERR_INVALID_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compact_form_is_strict),
		cmocka_unit_test(fields_are_bounded),
		cmocka_unit_test(absent_fields_are_empty),
		cmocka_unit_test(length_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
