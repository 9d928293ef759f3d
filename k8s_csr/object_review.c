#include "k8s_csr/object_review.h"

#include <string.h>

#include "k8s_csr/members.h"

#define TOKEN_API "authentication.k8s.io/v1"
#define TOKEN_KIND "TokenReview"
#define SELF_KIND "SelfSubjectReview"
#define ACCESS_API "authorization.k8s.io/v1"
#define ACCESS_KIND "SelfSubjectAccessReview"

/* ---- TokenReview ---- */

/* jansson does not wipe what it frees. */
static void wipe_string(json_t *text)
{
	if (text != NULL) explicit_bzero((void *)(uintptr_t)json_string_value(text), json_string_length(text));
	json_decref(text);
}

struct err kube_token_review_body(struct bytes token, struct kube_audiences audiences, struct buf *out)
{
	AUTO(json) json_t *list = json_array();
	json_t *text;
	struct err e;

	if (token.len == 0 || token.len > KUBE_TOKEN_MAX)
		FAIL(ERR_INVALID_ARGUMENT, "token_review: length of the token is out of range");
	for (size_t i = 0; i < token.len; i++)
		if (token.data[i] <= ' ' || token.data[i] > '~')
			FAIL(ERR_INVALID_ARGUMENT, "token_review: the token holds other characters than a token may");
	if (audiences.count == 0) FAIL(ERR_INVALID_ARGUMENT, "token_review: no audience");
	for (size_t i = 0; i < audiences.count; i++)
		if (json_array_append_new(list, json_string(audiences.list[i])) != 0)
			FAIL(ERR_RESOURCE_EXHAUSTED, "token_review: out of memory");
	text = json_stringn((const char *)token.data, token.len);
	e = members_put(json_pack("{ss ss s{sO sO}}", "apiVersion", TOKEN_API, "kind", TOKEN_KIND, "spec", "token", text,
				  "audiences", list),
			out);
	wipe_string(text);
	return e;
}

/* Is one of the `count` wanted in `list` (NULL: empty)?  Its elements must be strings. */
static struct err list_has(const json_t *list, const char *const *wanted, size_t count, bool *has)
{
	const json_t *element;
	size_t i;

	*has = false;
	json_array_foreach(list, i, element) {
		if (!json_is_string(element)) FAIL(ERR_INVALID_ARGUMENT, "token_review: a list holds something else than strings");
		for (size_t j = 0; j < count; j++) *has |= strcmp(json_string_value(element), wanted[j]) == 0;
	}
	return OK;
}

/* Values of user.extra are lists; those that we know have exactly one element. */
static struct err read_extra(const json_t *extra, const char *key, char *out, size_t size)
{
	const json_t *list;

	out[0] = '\0';
	TRY(member_array(extra, key, &list));
	if (list == NULL) return OK;
	if (json_array_size(list) != 1) FAIL(ERR_INVALID_ARGUMENT, "token_review: an attribute of the user has not one value");
	return member_word_of(json_array_get(list, 0), out, size);
}

static struct err read_extras(const json_t *user, struct kube_token *token)
{
	const json_t *extra;

	TRY(member_object(user, "extra", &extra));
#define READ(key, member) TRY(read_extra(extra, "authentication.kubernetes.io/" key, token->member, sizeof(token->member)))
	READ("credential-id", credential_id);
	READ("pod-name", pod_name);
	READ("pod-uid", pod_uid);
	READ("node-name", node_name);
	READ("node-uid", node_uid);
#undef READ
	if ((token->pod_name[0] != '\0' && !kube_name_valid(bytes_str(token->pod_name))) ||
	    (token->node_name[0] != '\0' && !kube_name_valid(bytes_str(token->node_name))))
		FAIL(ERR_INVALID_ARGUMENT, "token_review: the name of a pod or node is malformed");
	return OK;
}

/* user: a service account of any namespace, in the group that the API server puts each of them in. */
static struct err read_user(const json_t *user, struct kube_token *token)
{
	static const char *const group[] = { "system:serviceaccounts" };
	struct bytes username, ns, account;
	const json_t *groups;
	bool member;

	if (json_string_of(user, "username", KUBE_ANSWER_MAX, &username).code != ERR_OK)
		FAIL(ERR_INVALID_ARGUMENT, "token_review: no user name");
	if (kube_account_split(username, &ns, &account).code != ERR_OK)
		FAIL(ERR_UNAUTHENTICATED, "token_review: not the token of a service account");
	memcpy(token->ns, ns.data, ns.len);
	memcpy(token->account, account.data, account.len);
	TRY(member_needed_word(user, "uid", token->uid, sizeof(token->uid)));
	TRY(member_array(user, "groups", &groups));
	TRY(list_has(groups, group, ARRAY_LEN(group), &member));
	if (!member) FAIL(ERR_UNAUTHENTICATED, "token_review: not in the group system:serviceaccounts");
	return read_extras(user, token);
}

struct err kube_token_review_read(const json_t *review, struct kube_audiences audiences, struct kube_token *out, kube_text said)
{
	struct kube_token token = { .uid = "" };
	const json_t *status, *user, *verified_for;
	bool authenticated, ours;

	said[0] = '\0';
	TRY(member_kind(review, TOKEN_API, TOKEN_KIND));
	TRY(member_needed_object(review, "status", &status));
	TRY(member_text(status, "error", said));
	TRY(member_flag(status, "authenticated", &authenticated));
	if (!authenticated || said[0] != '\0') FAIL(ERR_UNAUTHENTICATED, "token_review: the API server does not accept the token");
	TRY(member_array(status, "audiences", &verified_for));
	TRY(list_has(verified_for, audiences.list, audiences.count, &ours));
	if (!ours) FAIL(ERR_UNAUTHENTICATED, "token_review: not for an audience that is wanted");
	TRY(member_needed_object(status, "user", &user));
	TRY(read_user(user, &token));
	*out = token;
	return OK;
}

/* ---- SelfSubjectAccessReview ---- */

static json_t *access_attributes(const struct kube_access *a)
{
	if (a->url != NULL) return json_pack("{s{ss* ss}}", "nonResourceAttributes", "verb", a->verb, "path", a->url);
	return json_pack("{s{ss* ss* ss* ss* ss* ss*}}", "resourceAttributes", "verb", a->verb, "group", a->group, "resource",
	                 a->resource, "subresource", a->subresource, "name", a->name, "namespace", a->ns);
}

struct err kube_access_review_body(const struct kube_access *access, struct buf *out)
{
	return members_put(
		json_pack("{ss ss so}", "apiVersion", ACCESS_API, "kind", ACCESS_KIND, "spec", access_attributes(access)), out);
}

struct err kube_access_review_read(const json_t *review, bool *allowed, kube_text reason)
{
	const json_t *status;
	bool yes, no;

	TRY(member_kind(review, ACCESS_API, ACCESS_KIND));
	TRY(member_needed_object(review, "status", &status));
	if (!json_is_boolean(json_object_get(status, "allowed")))
		FAIL(ERR_INVALID_ARGUMENT, "access_review: does not say whether it is allowed");
	TRY(member_flag(status, "allowed", &yes));
	TRY(member_flag(status, "denied", &no));
	TRY(member_text(status, "reason", reason));
	*allowed = yes && !no;
	return OK;
}

/* ---- SelfSubjectReview ---- */

struct err kube_self_review_body(struct buf *out)
{
	return members_put(json_pack("{ss ss}", "apiVersion", TOKEN_API, "kind", SELF_KIND), out);
}

struct err kube_self_review_read(const json_t *review, kube_text user)
{
	const json_t *status, *info;

	TRY(member_kind(review, TOKEN_API, SELF_KIND));
	TRY(member_needed_object(review, "status", &status));
	TRY(member_needed_object(status, "userInfo", &info));
	return member_text(info, "username", user);
}
