/* template.c: text with {attribute} in it.  A value never leaves the place that the operator gave it. */
#include <arpa/inet.h>
#include <string.h>

#include "base/hostname.h"
#include "policy/internal.h"

#define WHOLE_ID "{spiffe_id}" /* the one template whose value holds '/': policy.h */

enum { IN_SPIFFE = 1, IN_DNS = 2, IN_DNS_WHOLE = 4, IN_IP = 8 };

/* Where a character of a value may stand. */
static unsigned places_of(uint8_t ch)
{
	if (ch >= '0' && ch <= '9') return IN_SPIFFE | IN_DNS | IN_DNS_WHOLE | IN_IP;
	if (ch >= 'a' && ch <= 'f') return IN_SPIFFE | IN_DNS | IN_DNS_WHOLE | IN_IP;
	if (ch >= 'g' && ch <= 'z') return IN_SPIFFE | IN_DNS | IN_DNS_WHOLE;
	if (ch >= 'A' && ch <= 'F') return IN_SPIFFE | IN_IP;
	if (ch >= 'G' && ch <= 'Z') return IN_SPIFFE;
	switch (ch) {
	case '.':
		return IN_SPIFFE | IN_DNS_WHOLE | IN_IP;
	case '-':
		return IN_SPIFFE | IN_DNS | IN_DNS_WHOLE;
	case '_':
		return IN_SPIFFE;
	case ':':
		return IN_IP;
	default:
		return 0;
	}
}

static bool value_fits(struct bytes value, unsigned place)
{
	for (size_t i = 0; i < value.len; i++)
		if ((places_of(value.data[i]) & place) == 0) return false;
	return value.len > 0;
}

static bool fails(struct template_failure *f, const char *why, struct bytes attribute, struct bytes value)
{
	*f = (struct template_failure){ .why = why, .attribute = attribute, .value = value };
	return false;
}

/* The one value of an attribute; with two, nobody could say which of them was meant. */
static bool value_of(const struct template_source *s, struct bytes name, struct bytes *value, struct template_failure *f)
{
	size_t cursor = 0, len = 0, len2;
	if (bytes_is(name, "trust_domain")) {
		*value = bytes_str(s->trust_domain);
		return true;
	}
	const char *first = caller_next(s->caller, name, &cursor, &len);
	*value = BYTES(first, len);
	if (first == NULL) return fails(f, "the caller has no such attribute", name, BYTES_NONE);
	if (caller_next(s->caller, name, &cursor, &len2) != NULL) return fails(f, "the attribute has several values", name, *value);
	if (len == 0) return fails(f, "the attribute is empty", name, BYTES_NONE);
	return true;
}

bool policy_template_next(const char **at, struct bytes *attribute, bool *malformed)
{
	const char *brace = *at + strcspn(*at, "{}");
	*malformed = false;
	*at = brace;
	if (*brace == '\0') return false;
	const char *end = brace + 1 + strcspn(brace + 1, "{}");
	if (*brace == '}' || *end != '}' || end == brace + 1) {
		*malformed = true;
		return false;
	}
	*attribute = BYTES(brace + 1, (size_t)(end - brace - 1));
	*at = end + 1;
	return true;
}

struct output {
	char *to;
	size_t left; /* without the NUL */
};

static bool put(struct output *o, struct bytes text)
{
	if (text.len > o->left) return false;
	if (text.len > 0) memcpy(o->to, text.data, text.len);
	o->to += text.len;
	o->left -= text.len;
	*o->to = '\0';
	return true;
}

static unsigned place_of(enum template_kind kind, bool whole)
{
	static const unsigned places[] = { [TEMPLATE_SPIFFE_ID] = IN_SPIFFE, [TEMPLATE_DNS] = IN_DNS, [TEMPLATE_IP] = IN_IP };
	return kind == TEMPLATE_DNS && whole ? IN_DNS_WHOLE : places[kind];
}

static bool put_value(const struct template_source *source, struct bytes name, unsigned place, struct output *o,
		      struct template_failure *f)
{
	struct bytes value = bytes_str((place & IN_IP) != 0 ? "1" : "a");
	bool ours = bytes_is(name, "trust_domain");
	if ((source->caller != NULL || ours) && !value_of(source, name, &value, f)) return false;
	if (!ours && !value_fits(value, place)) return fails(f, "a character of the value may not stand there", name, value);
	return put(o, value) || fails(f, "too long", name, value);
}

/* Fill a template into o, which has room for a NUL too. */
static bool fill(const struct template_source *source, enum template_kind kind, const char *text, struct output *o,
		 struct template_failure *failure)
{
	const char *at = text, *before = text;
	struct bytes name;
	bool malformed;
	*o->to = '\0';
	while (policy_template_next(&at, &name, &malformed)) {
		struct bytes literal = BYTES(before, (size_t)((const char *)name.data - 1 - before));
		bool whole = before == text && literal.len == 0 && *at == '\0';
		if (!put(o, literal)) return fails(failure, "too long", BYTES_NONE, BYTES_NONE);
		if (!put_value(source, name, place_of(kind, whole), o, failure)) return false;
		before = at;
	}
	if (malformed) return fails(failure, "a brace has no partner", BYTES_NONE, BYTES_NONE);
	return put(o, BYTES(before, (size_t)(at - before))) || fails(failure, "too long", BYTES_NONE, BYTES_NONE);
}

bool policy_is_workload(struct bytes id, const char *trust_domain)
{
	struct bytes domain;
	return id.len <= SPIFFE_ID_MAX && spiffe_workload_id_parse(id, &domain, NULL).code == ERR_OK &&
	       bytes_is(domain, trust_domain);
}

bool policy_fill_spiffe_id(const struct template_source *source, const char *text, char *out, struct template_failure *failure)
{
	struct bytes value = BYTES_NONE, whole = bytes_str("spiffe_id");
	struct output o = { out, SPIFFE_ID_MAX };
	if (strcmp(text, WHOLE_ID) != 0) {
		if (!fill(source, TEMPLATE_SPIFFE_ID, text, &o, failure)) return false;
		value = bytes_str(out);
		whole = BYTES_NONE;
	} else if (source->caller == NULL) {
		out[0] = '\0'; /* nothing to try: whatever value comes is checked then */
		return true;
	} else if (!value_of(source, whole, &value, failure)) {
		return false;
	}
	if (!policy_is_workload(value, source->trust_domain))
		return fails(failure, "not the ID of a workload in the trust domain", whole, value);
	if (whole.len > 0) {
		memcpy(out, value.data, value.len);
		out[value.len] = '\0';
	}
	return true;
}

static bool parse_ip(const char *text, struct policy_name *name, struct template_failure *f)
{
	bool v6 = strchr(text, ':') != NULL;
	name->tag = CSR_SAN_IP;
	name->len = v6 ? 16 : 4;
	return inet_pton(v6 ? AF_INET6 : AF_INET, text, name->value) == 1 || fails(f, "not an IP address", BYTES_NONE, BYTES_NONE);
}

bool policy_fill_name(const struct template_source *source, enum template_kind kind, const char *text, struct policy_name *name,
		   struct template_failure *failure)
{
	char filled[HOSTNAME_MAX + 1];
	struct output o = { filled, HOSTNAME_MAX };
	if (!fill(source, kind, text, &o, failure)) return false;
	if (kind == TEMPLATE_IP && source->caller == NULL && strchr(text, '{') != NULL) return true; /* checked when filled */
	if (kind == TEMPLATE_IP) return parse_ip(filled, name, failure);
	if (!hostname_valid(bytes_str(filled), true))
		return fails(failure, "not a host name in lower case", BYTES_NONE, BYTES_NONE);
	name->tag = CSR_SAN_DNS;
	name->len = (uint8_t)strlen(filled);
	memcpy(name->value, filled, name->len);
	return true;
}
