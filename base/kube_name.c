#include "base/kube_name.h"

#include <string.h>

static bool is_lower_or_digit(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_letter_or_digit(uint8_t c)
{
	return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

/* 1..max bytes of parts joined by dots, each [a-z0-9]([-a-z0-9]*[a-z0-9])?; *parts is how many. */
static bool parts_valid(struct bytes name, size_t max, size_t *parts)
{
	*parts = 1;
	if (name.len == 0 || name.len > max) return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t before = i == 0 ? '.' : name.data[i - 1], after = i + 1 == name.len ? '.' : name.data[i + 1];

		if (is_lower_or_digit(name.data[i])) continue;
		if (name.data[i] == '.') (*parts)++;
		else if (name.data[i] != '-') return false;
		if (before == '.' || after == '.') return false; /* an empty part, or one with a hyphen at its end */
	}
	return true;
}

bool kube_namespace_valid(struct bytes name)
{
	size_t parts;

	return parts_valid(name, KUBE_NAMESPACE_MAX, &parts) && parts == 1;
}

bool kube_name_valid(struct bytes name)
{
	size_t parts;

	return parts_valid(name, KUBE_NAME_MAX, &parts);
}

/* What stands before and after the first `c`; false if there is none. */
static bool split(struct bytes text, char c, struct bytes *before, struct bytes *after)
{
	const uint8_t *at = text.len == 0 ? NULL : memchr(text.data, c, text.len);

	if (at == NULL) return false;
	*before = BYTES(text.data, (size_t)(at - text.data));
	*after = BYTES(at + 1, text.len - before->len - 1);
	return true;
}

bool kube_signer_valid(struct bytes name)
{
	struct bytes domain, path;
	size_t parts;

	if (!split(name, '/', &domain, &path) || bytes_is(name, "kubernetes.io/legacy-unknown")) return false;
	if (!parts_valid(domain, KUBE_NAME_MAX, &parts) || parts < 2) return false;
	return parts_valid(path, KUBE_SIGNER_MAX - KUBE_NAME_MAX - 1, &parts);
}

bool kube_label_value_valid(struct bytes value)
{
	if (value.len == 0) return true;
	if (value.len > 63 || !is_letter_or_digit(value.data[0]) || !is_letter_or_digit(value.data[value.len - 1])) return false;
	for (size_t i = 0; i < value.len; i++)
		if (!is_letter_or_digit(value.data[i]) && memchr("-_.", value.data[i], 3) == NULL) return false;
	return true;
}

bool kube_label_key_valid(struct bytes key)
{
	struct bytes prefix, name = key;

	if (split(key, '/', &prefix, &name) && !kube_name_valid(prefix)) return false;
	return name.len > 0 && kube_label_value_valid(name);
}

struct err kube_account_split(struct bytes username, struct bytes *ns, struct bytes *name)
{
	struct bytes prefix = bytes_str("system:serviceaccount:"), first, second;

	if (!bytes_has_prefix(username, prefix)) FAIL(ERR_INVALID_ARGUMENT, "kube_name: not a service account");
	username = BYTES(username.data + prefix.len, username.len - prefix.len);
	if (!split(username, ':', &first, &second) || !kube_namespace_valid(first) || !kube_name_valid(second))
		FAIL(ERR_INVALID_ARGUMENT, "kube_name: not system:serviceaccount:NAMESPACE:NAME");
	*ns = first;
	*name = second;
	return OK;
}
