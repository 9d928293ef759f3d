/* Whose token is it?  Which entry of jwt_issuers it is held to, what must be asked first, and how long the answer is believed. */
#include "jwt/sign.h"

#include "conf/load.h"
#include "ra/auth.h"

#define NOW INT64_C(1790000000)
#define HOUR 3600
#define NO_KEYS "{\"keys\":[]}"

static const char yaml[] =
	"trust_domain: example.org\n"
	"clusters: [ { id: c1 }, { id: c2 } ]\n"
	"jwt_issuers:\n"
	"  - { name: any, issuer: 'https://k', kind: kubernetes, jwks_file: /k, audiences: [istio-ca], leeway: 60s }\n"
	"  - { name: one, issuer: 'https://k', kind: kubernetes, cluster: c1, audiences: [istio-ca] }\n"
	"  - { name: two, issuer: 'https://k', kind: kubernetes, cluster: c2, audiences: [istio-ca] }\n"
	"  - { name: url, issuer: 'https://u', jwks_url: 'https://u/keys', ca_file: /c, audiences: [istio-ca], leeway: 60s }\n"
	"  - { name: also, issuer: 'https://also', kind: kubernetes, cluster: c2, token_review: also, audiences: [istio-ca] }\n"
	"  - { name: only, issuer: 'https://only', kind: kubernetes, cluster: c2, token_review: only, audiences: [istio-ca],\n"
	"      review_cache: 30s }\n"
	"  - { name: never, issuer: 'https://only', kind: kubernetes, cluster: c1, token_review: only, audiences: [istio-ca],\n"
	"      review_cache: 0s }\n";
enum { ANY, ONE, TWO, URL, ALSO, ONLY, NEVER };

struct fixture {
	struct sign_keys *keys;
	struct conf *conf;
	struct metrics metrics;
	struct auth *auth;
	char *jwks; /* of P256_A as "a" */
	struct buf token;
};

static struct sign_keys *signers;

static int group_setup(void **state)
{
	int rc = sign_setup(state);

	signers = *state;
	return rc;
}

static int group_teardown(void **state)
{
	*state = signers;
	return sign_teardown(state);
}

static char *jwks_of(int key, const char *kid)
{
	struct buf out = { .max = 65536 };
	char member[64];

	(void)snprintf(member, sizeof(member), ",\"kid\":\"%s\"", kid);
	sign_must(buf_put_str(&out, "{\"keys\":["));
	sign_put_jwk(&out, signers->pkey[key], member);
	sign_must(buf_put(&out, "]}", 3));
	return (char *)out.data;
}

static void set_keys(struct fixture *f, size_t issuer, const char *jwks)
{
	sign_must(auth_set_keys(f->auth, issuer, bytes_str(jwks)));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct bytes jwks[CONF_ISSUERS_MAX] = { 0 };
	struct auth_options o = { .metrics = &f->metrics, .jwks = jwks };
	struct conf_problem problem;
	size_t bad;

	f->keys = signers;
	f->token.max = 65536;
	if (conf_parse(bytes_str(yaml), "test", &f->conf, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	f->jwks = jwks_of(P256_A, "a");
	jwks[ANY] = bytes_str(f->jwks);
	o.conf = f->conf;
	sign_must(auth_new(&o, &f->auth, &bad));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	auth_free(f->auth);
	conf_free(f->conf);
	buf_free(&f->token);
	free(f->jwks);
	free(f);
	return 0;
}

struct made { const char *iss, *kid, *aud, *account, *pod; int64_t exp; int key; }; /* NULL, 0: the usual */

static struct bytes token(struct fixture *f, struct made m)
{
	char header[128], payload[1024];
	const char *account = m.account == NULL ? "web:shop" : m.account, *pod = m.pod == NULL ? "u1" : m.pod;

	(void)snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"kid\":\"%s\"}", m.kid == NULL ? "a" : m.kid);
	(void)snprintf(payload, sizeof(payload),
	               "{\"iss\":\"%s\",\"aud\":[\"%s\"],\"exp\":%lld,\"sub\":\"system:serviceaccount:%s\",\"kubernetes.io\":"
	               "{\"pod\":{\"name\":\"shop-7\",\"uid\":\"%s\"},\"node\":{\"name\":\"n1\"}}}",
	               m.iss, m.aud == NULL ? "istio-ca" : m.aud, (long long)(m.exp == 0 ? NOW + HOUR : m.exp), account, pod);
	if (*pod == '\0') *strstr(payload, ",\"kubernetes.io\"") = '\0', strcat(payload, "}");
	f->token.len = 0;
	sign_put_token(&f->token, SIGN_ES256, signers->pkey[m.key == 0 ? P256_A : m.key], header, payload);
	return buf_view(&f->token);
}

/* Who it is by what is known here; what is to be asked else. */
static struct err who(struct fixture *f, struct auth_token t, struct auth_ask *ask, struct identity **out)
{
	*out = NULL;
	return auth_jwt(f->auth, &t, ask, out);
}

static const char *attribute(const struct identity *id, const char *name)
{
	const char *v = id == NULL ? NULL : caller_get(id->caller, name);

	return v == NULL ? "" : v;
}

/* ---- which entry ---- */

static const struct {
	const char *name, *iss, *header;
	enum err_code want;
	const char *issuer, *cluster; /* attributes */
	int number;                   /* of the cluster that is known */
} entries[] = {
	{ "cluster_of_the_header", "https://k", "c1", ERR_OK, "one", "c1", 0 },
	{ "other_cluster_of_the_header", "https://k", "c2", ERR_OK, "two", "c2", 1 },
	{ "cluster_that_no_entry_has_is_the_one_without", "https://k", "c3", ERR_OK, "any", "c3", -1 },
	{ "no_header_is_the_first", "https://k", "", ERR_OK, "any", "", -1 },
	{ "cluster_by_another_spelling", "https://k", "C1", ERR_OK, "any", "C1", -1 },
	{ "one_without_a_cluster_takes_any", "https://u", "c9", ERR_OK, "url", "c9", -1 },
	{ "refuses_unknown_iss", "https://x", "c1", ERR_UNAUTHENTICATED, "", "", 0 },
	{ "refuses_unknown_iss_without_header", "https://x", "", ERR_UNAUTHENTICATED, "", "", 0 },
	{ "refuses_cluster_that_no_entry_has", "https://also", "c1", ERR_UNAUTHENTICATED, "", "", 0 },
	{ "refuses_iss_by_another_spelling", "https://K", "c1", ERR_UNAUTHENTICATED, "", "", 0 },
	{ "refuses_iss_that_is_a_part", "https://", "c1", ERR_UNAUTHENTICATED, "", "", 0 },
};

static void test_entry_is_that_of_iss_and_cluster(void **state)
{
	struct fixture *f = *state;

	for (size_t i = ONE; i <= ALSO; i++) set_keys(f, i, f->jwks);
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		AUTO(identity) struct identity *id = NULL;
		struct auth_ask ask;
		struct err e = who(f, (struct auth_token){ token(f, (struct made){ .iss = entries[i].iss }),
		                                           bytes_str(entries[i].header), .now = NOW }, &ask, &id);

		if (e.code != entries[i].want) fail_msg("%s: %s", entries[i].name, e.reason);
		if ((id != NULL) != (e.code == ERR_OK)) fail_msg("%s: identity", entries[i].name);
		if (strcmp(attribute(id, "issuer"), entries[i].issuer) != 0) fail_msg("%s: by %s", entries[i].name, attribute(id, "issuer"));
		if (strcmp(attribute(id, "cluster"), entries[i].cluster) != 0) fail_msg("%s: cluster", entries[i].name);
		if (id != NULL && id->cluster != entries[i].number) fail_msg("%s: number %d", entries[i].name, id->cluster);
	}
}

/* Without a header the first entry of that iss is meant, also if it has a cluster; that cluster is then the attribute. */
static void test_no_header_is_the_first_entry_of_the_iss(void **state)
{
	struct fixture *f = *state;
	AUTO(identity) struct identity *id = NULL;
	struct auth_ask ask;

	sign_must(who(f, (struct auth_token){ token(f, (struct made){ .iss = "https://only" }), BYTES_NONE, .now = NOW }, &ask, &id));
	assert_int_equal(ask.what, AUTH_ASK_REVIEW);
	assert_int_equal(ask.issuer, ONLY);
	assert_int_equal(ask.cluster, 1);
	sign_must(who(f, (struct auth_token){ token(f, (struct made){ .iss = "https://only" }), bytes_str("c1"), .now = NOW }, &ask, &id));
	assert_int_equal(ask.issuer, NEVER);
	assert_int_equal(ask.cluster, 0);
}

/* The keys of one cluster are worth nothing at another. */
static void test_keys_are_those_of_the_entry_alone(void **state)
{
	struct fixture *f = *state;
	AUTO(heap) char *other = jwks_of(P256_B, "a");
	struct identity *id;
	struct auth_ask ask;

	set_keys(f, ONE, f->jwks);
	set_keys(f, TWO, other);
	assert_int_equal(who(f, (struct auth_token){ token(f, (struct made){ .iss = "https://k" }), bytes_str("c2"), .now = NOW }, &ask, &id).code,
	                 ERR_UNAUTHENTICATED);
	assert_int_equal(ask.what, AUTH_ASK_NOTHING);
}

/* ---- what must be asked ---- */

static const struct {
	const char *name;
	struct made token;
	const char *header;
	bool keys, looked; /* the entry has our key; the courier was asked */
	enum err_code want;
	int ask;
} asks[] = {
	{ "known_key", { .iss = "https://u" }, "", true, false, ERR_OK, AUTH_ASK_NOTHING },
	{ "unknown_key", { .iss = "https://u", .kid = "new" }, "", true, false, ERR_OK, AUTH_ASK_KEYS },
	{ "unknown_key_of_a_cluster", { .iss = "https://k", .kid = "new" }, "c1", true, false, ERR_OK, AUTH_ASK_KEYS },
	{ "no_keys_yet", { .iss = "https://u" }, "", false, false, ERR_OK, AUTH_ASK_KEYS },
	{ "no_kid_and_no_keys_yet", { .iss = "https://u", .kid = "" }, "", false, false, ERR_OK, AUTH_ASK_KEYS },
	{ "no_kid_and_one_key", { .iss = "https://u", .kid = "" }, "", true, false, ERR_OK, AUTH_ASK_NOTHING },
	{ "refuses_key_that_was_not_found", { .iss = "https://u", .kid = "new" }, "", true, true, ERR_UNAUTHENTICATED, AUTH_ASK_NOTHING },
	{ "nobody_knows_without_keys", { .iss = "https://u" }, "", false, true, ERR_UNAVAILABLE, AUTH_ASK_NOTHING },
	{ "refuses_unknown_key_of_a_file", { .iss = "https://k", .kid = "new" }, "", true, false, ERR_UNAUTHENTICATED, AUTH_ASK_NOTHING },
	{ "refuses_wrong_signature", { .iss = "https://u", .key = P256_B }, "", true, false, ERR_UNAUTHENTICATED, AUTH_ASK_NOTHING },
	{ "refuses_expired", { .iss = "https://u", .exp = NOW - 60 }, "", true, false, ERR_UNAUTHENTICATED, AUTH_ASK_NOTHING },
	{ "refuses_other_audience", { .iss = "https://u", .aud = "vault" }, "", true, false, ERR_UNAUTHENTICATED, AUTH_ASK_NOTHING },
	{ "also_reviews_what_is_good", { .iss = "https://also" }, "", true, false, ERR_OK, AUTH_ASK_REVIEW },
	{ "also_wants_keys_first", { .iss = "https://also", .kid = "new" }, "", true, false, ERR_OK, AUTH_ASK_KEYS },
	{ "also_refuses_wrong_signature", { .iss = "https://also", .key = P256_B }, "", true, false, ERR_UNAUTHENTICATED, AUTH_ASK_NOTHING },
	{ "also_refuses_unknown_key", { .iss = "https://also", .kid = "new" }, "", true, true, ERR_UNAUTHENTICATED, AUTH_ASK_NOTHING },
	{ "only_reviews", { .iss = "https://only" }, "", false, false, ERR_OK, AUTH_ASK_REVIEW },
	{ "only_reviews_whatever_the_key", { .iss = "https://only", .kid = "new", .key = P256_B }, "", false, false, ERR_OK, AUTH_ASK_REVIEW },
};

static void test_what_is_to_be_asked(void **state)
{
	struct fixture *f = *state;
	static const size_t by_courier[] = { ONE, URL, ALSO };

	for (unsigned with = 0; with < 2; with++) {
		for (size_t k = 0; with == 1 && k < ARRAY_LEN(by_courier); k++) set_keys(f, by_courier[k], f->jwks);
		for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
			AUTO(identity) struct identity *id = NULL;
			struct auth_token t = { token(f, asks[i].token), bytes_str(asks[i].header), .now = NOW,
			                        .looked = asks[i].looked };
			struct auth_ask ask;
			struct err e;

			if (asks[i].keys != (with == 1)) continue;
			e = who(f, t, &ask, &id);
			if (e.code != asks[i].want) fail_msg("%s: %s", asks[i].name, e.reason);
			if (e.code == ERR_OK && (int)ask.what != asks[i].ask) fail_msg("%s: asks %d", asks[i].name, ask.what);
			if ((id != NULL) != (e.code == ERR_OK && ask.what == AUTH_ASK_NOTHING)) fail_msg("%s: identity", asks[i].name);
		}
	}
}

static void test_not_a_token_asks_nobody(void **state)
{
	static const char *const texts[] = { "x", "a.b.c", "..", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL29ubHkifQ.AA" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct auth_ask ask;
		struct identity *id;

		assert_int_equal(who(f, (struct auth_token){ bytes_str(texts[i]), BYTES_NONE, .now = NOW }, &ask, &id).code, ERR_UNAUTHENTICATED);
		assert_int_equal(ask.what, AUTH_ASK_NOTHING);
	}
}

/* ---- reviews ---- */

static const struct {
	const char *name;
	struct made token;
	const char *ns, *account, *uid; /* what the API server says */
	enum err_code want;
} reviews[] = {
	{ "also_agrees", { .iss = "https://also" }, "web", "shop", "u1", ERR_OK },
	{ "also_says_no_pod", { .iss = "https://also" }, "web", "shop", "", ERR_OK },
	{ "also_says_a_pod_that_the_token_does_not", { .iss = "https://also", .pod = "" }, "web", "shop", "u1", ERR_OK },
	{ "also_refuses_other_namespace", { .iss = "https://also" }, "kube-system", "shop", "u1", ERR_UNAUTHENTICATED },
	{ "also_refuses_other_account", { .iss = "https://also" }, "web", "admin", "u1", ERR_UNAUTHENTICATED },
	{ "also_refuses_other_pod", { .iss = "https://also" }, "web", "shop", "u2", ERR_UNAUTHENTICATED },
	{ "also_refuses_longer_namespace", { .iss = "https://also" }, "web2", "shop", "u1", ERR_UNAUTHENTICATED },
	{ "also_refuses_key_that_went_meanwhile", { .iss = "https://also", .kid = "gone" }, "web", "shop", "u1", ERR_UNAUTHENTICATED },
	{ "also_refuses_what_has_expired_meanwhile", { .iss = "https://also", .exp = NOW - 60 }, "web", "shop", "u1", ERR_UNAUTHENTICATED },
	{ "only_believes_the_server", { .iss = "https://only", .account = "kube-system:admin", .key = P256_B }, "web", "shop", "u1", ERR_OK },
	{ "only_with_a_sub_that_is_none", { .iss = "https://only", .account = "x" }, "web", "shop", "", ERR_OK },
};

static void test_reviews(void **state)
{
	struct fixture *f = *state;

	set_keys(f, ALSO, f->jwks);
	for (size_t i = 0; i < ARRAY_LEN(reviews); i++) {
		AUTO(identity) struct identity *id = NULL;
		struct auth_token t = { token(f, reviews[i].token), BYTES_NONE, .now = NOW, .looked = true };
		struct wire_reviewed m = { .verdict = VERDICT_YES, .ns = bytes_str(reviews[i].ns), .account = bytes_str(reviews[i].account),
			                   .pod_uid = bytes_str(reviews[i].uid) };
		struct err e = auth_reviewed(f->auth, &t, &m, &id);

		if (e.code != reviews[i].want) fail_msg("%s: %s", reviews[i].name, e.reason);
		if ((id != NULL) != (e.code == ERR_OK)) fail_msg("%s: identity", reviews[i].name);
		if (id != NULL && (strcmp(attribute(id, "k8s.namespace"), "web") != 0 || strcmp(attribute(id, "k8s.service_account"), "shop") != 0))
			fail_msg("%s: is %s", reviews[i].name, caller_id(id->caller));
	}
}

static const struct {
	const char *name, *want;
} reviewed[] = {
	{ "method", "jwt" }, { "issuer", "only" }, { "trust_domain", "example.org" }, { "cluster", "c2" }, { "k8s.namespace", "web" },
	{ "k8s.service_account", "shop" }, { "k8s.pod", "shop-7" }, { "k8s.pod_uid", "u1" }, { "k8s.node", "n1" },
	{ "claim.sub", "" }, { "spiffe_id", "" },
};

/* As those of a token that is verified here (test_claims.c), but for its claims. */
static void test_attributes_of_what_only_the_server_has_read(void **state)
{
	struct fixture *f = *state;
	AUTO(identity) struct identity *id = NULL;
	struct auth_token t = { token(f, (struct made){ .iss = "https://only", .account = "x:y" }), BYTES_NONE, .now = NOW };
	struct wire_reviewed m = { .verdict = VERDICT_YES, .ns = bytes_str("web"), .account = bytes_str("shop"), .pod = bytes_str("shop-7"),
		                   .pod_uid = bytes_str("u1"), .node = bytes_str("n1"), .node_uid = bytes_str("nu"),
		                   .account_uid = bytes_str("au") };

	sign_must(auth_reviewed(f->auth, &t, &m, &id));
	assert_string_equal(caller_id(id->caller), "only:web/shop");
	assert_int_equal(caller_kind(id->caller), CALLER_JWT);
	assert_int_equal(id->cluster, 1);
	for (size_t i = 0; i < ARRAY_LEN(reviewed); i++)
		if (strcmp(attribute(id, reviewed[i].name), reviewed[i].want) != 0)
			fail_msg("%s is \"%s\"", reviewed[i].name, attribute(id, reviewed[i].name));
}

/* ---- how long ---- */

static const struct {
	const char *name, *iss, *header;
	int64_t exp, later; /* seconds after now */
	bool known;
} lives[] = {
	{ "verified_until_exp_and_leeway", "https://u", "", 100, 159, true },
	{ "verified_no_longer", "https://u", "", 100, 160, false },
	{ "also_for_review_cache", "https://also", "", HOUR, 9, true },
	{ "also_no_longer", "https://also", "", HOUR, 10, false },
	{ "also_until_exp_if_that_is_sooner", "https://also", "", 5, 4, true },
	{ "also_not_past_exp", "https://also", "", 5, 5, false },
	{ "only_for_review_cache", "https://only", "c2", HOUR, 29, true },
	{ "only_no_longer", "https://only", "c2", HOUR, 30, false },
	{ "only_until_exp_if_that_is_sooner", "https://only", "c2", 7, 6, true },
	{ "only_not_past_exp", "https://only", "c2", 7, 7, false },
	{ "never_without_a_cache", "https://only", "c1", HOUR, 0, false },
};

static void test_how_long_an_answer_is_believed(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
		AUTO(identity) struct identity *id = NULL, *again = NULL;
		struct auth_token t = { token(f, (struct made){ .iss = lives[i].iss, .exp = NOW + lives[i].exp }), bytes_str(lives[i].header),
			                .now = NOW };
		const struct wire_reviewed yes = { .verdict = VERDICT_YES, .ns = bytes_str("web"), .account = bytes_str("shop") };
		uint64_t hits;
		struct auth_ask ask;

		set_keys(f, URL, f->jwks); /* and nothing is cached */
		set_keys(f, ALSO, f->jwks);
		sign_must(who(f, t, &ask, &id));
		if (ask.what == AUTH_ASK_REVIEW) sign_must(auth_reviewed(f->auth, &t, &yes, &id));
		assert_non_null(id);
		hits = atomic_load(&f->metrics.value[M_JWT_CACHE_HIT]);
		t.now = NOW + lives[i].later;
		(void)who(f, t, &ask, &again).code;
		if ((atomic_load(&f->metrics.value[M_JWT_CACHE_HIT]) > hits) != lives[i].known) fail_msg("%s", lives[i].name);
	}
}

/* Another header is another question, for another cluster to answer. */
static void test_answer_is_for_its_cluster_alone(void **state)
{
	struct fixture *f = *state;
	AUTO(identity) struct identity *id = NULL;
	struct identity *none = NULL;
	struct auth_token t = { token(f, (struct made){ .iss = "https://only" }), bytes_str("c2"), .now = NOW };
	const struct wire_reviewed yes = { .verdict = VERDICT_YES, .ns = bytes_str("web"), .account = bytes_str("shop") };
	struct auth_ask ask;

	sign_must(auth_reviewed(f->auth, &t, &yes, &id));
	t.cluster = bytes_str("c1");
	sign_must(who(f, t, &ask, &none));
	assert_null(none);
	assert_int_equal(ask.what, AUTH_ASK_REVIEW);
	assert_int_equal(ask.issuer, NEVER);
}

/* ---- keys that change ---- */

static const struct {
	const char *name;
	int key; /* -1: text */
	const char *kid;
	enum err_code set, then; /* of auth_set_keys(); of the token that was good before */
} changes[] = {
	{ "the_same_again", P256_A, "a", ERR_OK, ERR_OK },
	{ "its_key_is_gone", P256_B, "b", ERR_OK, ERR_UNAUTHENTICATED },
	{ "another_key_of_its_name", P256_B, "a", ERR_OK, ERR_UNAUTHENTICATED },
	{ "all_keys_are_gone", -1, NO_KEYS, ERR_OK, ERR_UNAUTHENTICATED },
	{ "not_json", -1, "keys", ERR_INVALID_ARGUMENT, ERR_OK },
	{ "not_a_set", -1, "{}", ERR_INVALID_ARGUMENT, ERR_OK },
	{ "nothing", -1, "", ERR_INVALID_ARGUMENT, ERR_OK },
	{ "with_a_private_member", -1, "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", ERR_INVALID_ARGUMENT, ERR_OK },
};

/* Also for who was verified before, and is in the cache. */
static void test_keys_that_change(void **state)
{
	struct fixture *f = *state;
	struct auth_token t = { token(f, (struct made){ .iss = "https://u" }), BYTES_NONE, .now = NOW, .looked = true };

	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		AUTO(heap) char *jwks = changes[i].key < 0 ? strdup(changes[i].kid) : jwks_of(changes[i].key, changes[i].kid);
		AUTO(identity) struct identity *before = NULL, *after = NULL;
		struct auth_ask ask;
		struct err e;

		set_keys(f, URL, f->jwks);
		sign_must(who(f, t, &ask, &before));
		e = auth_set_keys(f->auth, URL, bytes_str(jwks));
		if (e.code != changes[i].set) fail_msg("%s: %s", changes[i].name, e.reason);
		e = who(f, t, &ask, &after);
		if (e.code != changes[i].then) fail_msg("%s: then %s", changes[i].name, e.reason);
	}
	assert_true(auth_has_keys(f->auth, URL));
}

static void test_unknown_key_is_found_when_it_has_come(void **state)
{
	struct fixture *f = *state;
	AUTO(heap) char *next = jwks_of(P256_B, "b");
	AUTO(identity) struct identity *id = NULL;
	struct auth_token t = { token(f, (struct made){ .iss = "https://u", .kid = "b", .key = P256_B }), BYTES_NONE, .now = NOW };
	struct auth_ask ask;

	set_keys(f, URL, f->jwks);
	sign_must(who(f, t, &ask, &id));
	assert_int_equal(ask.what, AUTH_ASK_KEYS);
	assert_int_equal(ask.issuer, URL);
	set_keys(f, URL, next);
	t.looked = true;
	sign_must(who(f, t, &ask, &id));
	assert_int_equal(ask.what, AUTH_ASK_NOTHING);
	assert_non_null(id);
}

/* Keys of a file are read at the start only, and a set that does not parse is no start. */
static void test_file_that_does_not_parse_is_named(void **state)
{
	struct fixture *f = *state;
	struct bytes jwks[CONF_ISSUERS_MAX] = { 0 };
	struct auth_options o = { .conf = f->conf, .metrics = &f->metrics, .jwks = jwks };
	struct auth *auth = NULL;
	size_t bad = 99;

	jwks[ANY] = bytes_str("{");
	assert_int_equal(auth_new(&o, &auth, &bad).code, ERR_INVALID_ARGUMENT);
	assert_null(auth);
	assert_int_equal(bad, ANY);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_entry_is_that_of_iss_and_cluster),
		TEST(test_no_header_is_the_first_entry_of_the_iss),
		TEST(test_keys_are_those_of_the_entry_alone),
		TEST(test_what_is_to_be_asked),
		TEST(test_not_a_token_asks_nobody),
		TEST(test_reviews),
		TEST(test_attributes_of_what_only_the_server_has_read),
		TEST(test_how_long_an_answer_is_believed),
		TEST(test_answer_is_for_its_cluster_alone),
		TEST(test_keys_that_change),
		TEST(test_unknown_key_is_found_when_it_has_come),
		TEST(test_file_that_does_not_parse_is_named),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
