#include "ca/limits.h"

#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/hostname.h"
#include "base/kube_name.h"
#include "csr/spiffe.h"
#include "policy/policy.h"

#define RANGES_MAX 256 /* ca.allow_ip_ranges; conf/schema.c */

struct range {
	uint8_t address[16], len; /* 4 or 16 octets */
	unsigned bits;
};
struct limits {
	const struct conf *conf;
	const char *trust_domain;
	bool key_types[KEY_RSA + 1];
	size_t range_count, name_count;
	struct range ranges[RANGES_MAX];
	struct wire_name names[LIMITS_NAMES_MAX];
	uint8_t addresses[LIMITS_NAMES_MAX][16]; /* of the names that are addresses */
};

/* ---- making ---- */

static struct err range_parse(const char *text, struct range *out)
{
	const char *slash = strchr(text, '/');
	char address[64];
	int end = 0;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(address)) FAIL(ERR_INVALID_ARGUMENT, "ca: not a network");
	(void)snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	out->len = address_octets(address, out->address);
	if (out->len == 0 || sscanf(slash + 1, "%3u%n", &out->bits, &end) != 1) FAIL(ERR_INVALID_ARGUMENT, "ca: not a network");
	if (slash[1 + end] != '\0' || out->bits > out->len * 8u) FAIL(ERR_INVALID_ARGUMENT, "ca: not a network");
	return OK;
}

static void add_serving_name(struct limits *l, const char *text)
{
	uint8_t *address = l->addresses[l->name_count];
	uint8_t n = address_octets(text, address);

	l->names[l->name_count++] = n > 0 ? (struct wire_name){ WIRE_TAG_IP, BYTES(address, n) } :
					    (struct wire_name){ WIRE_TAG_DNS, bytes_str(text) };
}

static void set_key_types(struct limits *l)
{
	for (size_t i = 0; i < ARRAY_LEN(l->key_types); i++)
		l->key_types[i] = conf_list_has(l->conf, l->conf->cert.key_types, key_type_conf_name((enum key_type)i));
}

struct err limits_new(const struct conf *conf, struct limits **out)
{
	AUTO(limits) struct limits *l = calloc(1, sizeof(*l));

	if (l == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	if (conf->ca.allow_ip_ranges.count > RANGES_MAX || conf->tls.names.count > LIMITS_NAMES_MAX)
		FAIL(ERR_INVALID_ARGUMENT, "ca: too many networks or names");
	l->conf = conf;
	l->trust_domain = conf_text(conf, conf->trust_domain);
	set_key_types(l);
	for (uint32_t i = 0; i < conf->ca.allow_ip_ranges.count; i++)
		TRY(range_parse(conf_item(conf, conf->ca.allow_ip_ranges, i), &l->ranges[l->range_count++]));
	for (uint32_t i = 0; i < conf->tls.names.count; i++) add_serving_name(l, conf_item(conf, conf->tls.names, i));
	*out = MOVE(l);
	return OK;
}

void limits_free(struct limits *l)
{
	free(l);
}

const struct wire_name *limits_serving_names(const struct limits *l, size_t *count)
{
	*count = l->name_count;
	return l->names;
}

/* ---- checking ---- */

static bool matches_any(const struct conf *conf, struct conf_list patterns, struct bytes text, char separator)
{
	for (uint32_t i = 0; i < patterns.count; i++)
		if (policy_glob(conf_item(conf, patterns, i), text, separator)) return true;
	return false;
}

enum keeper_reason limits_check_spiffe_id(const struct limits *l, struct bytes id)
{
	struct bytes domain;

	if (spiffe_workload_id_parse(id, &domain, NULL).code != ERR_OK) return REASON_LIMIT_SPIFFE_ID;
	if (!bytes_is(domain, l->trust_domain)) return REASON_LIMIT_SPIFFE_ID;
	return matches_any(l->conf, l->conf->ca.allow_spiffe_ids, id, '/') ? REASON_NONE : REASON_LIMIT_SPIFFE_ID;
}

/* tls.names may be written in upper case; DNS does not tell (RFC 4343). */
static bool same_dns(struct bytes a, struct bytes b)
{
	return a.len == b.len && strncasecmp((const char *)a.data, (const char *)b.data, a.len) == 0;
}

static bool is_serving_name(const struct limits *l, const struct wire_name *name)
{
	for (size_t i = 0; i < l->name_count; i++) {
		const struct wire_name *ours = &l->names[i];

		if (ours->tag != name->tag) continue;
		if (bytes_equal(ours->value, name->value)) return true;
		if (name->tag == WIRE_TAG_DNS && same_dns(ours->value, name->value)) return true;
	}
	return false;
}

static bool in_range(const struct range *r, struct bytes address)
{
	unsigned whole = r->bits / 8, rest = r->bits % 8;

	if (address.len != r->len || memcmp(r->address, address.data, whole) != 0) return false;
	return rest == 0 || ((r->address[whole] ^ address.data[whole]) >> (8 - rest)) == 0;
}

static bool in_any_range(const struct limits *l, struct bytes address)
{
	for (size_t i = 0; i < l->range_count; i++)
		if (in_range(&l->ranges[i], address)) return true;
	return false;
}

/* ::ffff:0:0/96 (RFC 4291 s2.5.5.2).  Verifiers take such an address for the IPv4 one (Go's net.IP.Equal does), so as IPv6 it
 * would pass by every limit and reservation of IPv4 addresses. */
static bool is_ipv4_mapped(struct bytes address)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return address.len == 16 && memcmp(address.data, prefix, sizeof(prefix)) == 0;
}

enum keeper_reason limits_check_name(const struct limits *l, const struct wire_name *name)
{
	const struct conf *conf = l->conf;

	if (is_serving_name(l, name)) return REASON_RESERVED_NAME;
	if (name->tag == WIRE_TAG_IP && is_ipv4_mapped(name->value)) return REASON_LIMIT_NAME;
	if (name->tag == WIRE_TAG_IP) return in_any_range(l, name->value) ? REASON_NONE : REASON_LIMIT_NAME;
	if (name->tag != WIRE_TAG_DNS || !hostname_valid(name->value, true)) return REASON_LIMIT_NAME;
	if (matches_any(conf, conf->ca.reserved_names, name->value, '.')) return REASON_RESERVED_NAME;
	return matches_any(conf, conf->ca.allow_dns_names, name->value, '.') ? REASON_NONE : REASON_LIMIT_NAME;
}

/* Our own CA; or another issuer, by its own name or by one under its domain, which is given the CSR. */
static bool is_issuer(const struct conf *conf, const struct wire_issue *m)
{
	bool own = m->issuer.len == 0 || bytes_is(m->issuer, CONF_OWN_ISSUER);
	int at = own ? -1 : conf_csr_issuer_find(conf, m->issuer);
	const char *domain = at < 0 ? "" : conf_text(conf, conf->csr_issuers[at].signer_domain);
	size_t n = strlen(domain);

	if (own) return m->csr.len == 0 && m->signer_name.len == 0;
	if (at < 0 || m->csr.len == 0) return false;
	if (m->signer_name.len == 0) return conf->csr_issuers[at].signer_name != 0;
	return n > 0 && kube_signer_valid(m->signer_name) && bytes_has_prefix(m->signer_name, bytes_str(domain)) &&
	       m->signer_name.data[n] == '/';
}

enum keeper_reason limits_check(const struct limits *l, const struct wire_issue *m, const struct key_info *key)
{
	enum keeper_reason reason = limits_check_spiffe_id(l, m->spiffe_id);

	if (reason != REASON_NONE) return reason;
	if (!is_issuer(l->conf, m)) return REASON_PROFILE;
	if (key->type > KEY_RSA || !l->key_types[key->type]) return REASON_KEY_TYPE;
	if (m->lifetime == 0 || (int64_t)m->lifetime > l->conf->cert.max_lifetime) return REASON_LIFETIME;
	for (unsigned i = 0; i < m->name_count; i++) {
		reason = limits_check_name(l, &m->names[i]);
		if (reason != REASON_NONE) return reason;
	}
	return REASON_NONE;
}

/* ---- rate ---- */

#define SECOND_US 1000000

void rate_start(struct rate *r, int64_t per_second, int64_t now_us)
{
	*r = (struct rate){ .per_second = per_second, .credit_us = SECOND_US, .last_us = now_us };
}

bool rate_take(struct rate *r, int64_t now_us)
{
	int64_t passed = now_us > r->last_us ? now_us - r->last_us : 0, price = SECOND_US / r->per_second;

	if (passed > SECOND_US) passed = SECOND_US;
	r->credit_us = r->credit_us + passed > SECOND_US ? SECOND_US : r->credit_us + passed;
	r->last_us = now_us;
	if (price < 1) price = 1;
	if (r->credit_us < price) return false;
	r->credit_us -= price;
	return true;
}
