#include "conf/conf.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "base/chan.h"
#include "conf/schema.h"

#define CONF_IMAGE_MAX (sizeof(struct conf) + CONF_POOL_MAX)

const char *conf_text(const struct conf *c, conf_str s)
{
	return s < c->pool_len ? c->pool + s : "";
}

const char *conf_item(const struct conf *c, struct conf_list list, uint32_t i)
{
	uint32_t at;
	if (i >= list.count || __builtin_add_overflow(list.first, i, &at) || at >= c->string_count) return "";
	return conf_text(c, c->strings[at]);
}

bool conf_list_has(const struct conf *c, struct conf_list list, const char *value)
{
	for (uint32_t i = 0; i < list.count; i++)
		if (strcmp(conf_item(c, list, i), value) == 0) return true;
	return false;
}

enum conf_keys conf_keys_of(const struct conf_jwt_issuer *issuer)
{
	if (issuer->token_review == CONF_REVIEW_ONLY) return CONF_KEYS_NONE;
	if (issuer->jwks_file != 0) return CONF_KEYS_FILE;
	if (issuer->jwks_url != 0) return CONF_KEYS_URL;
	if (issuer->discovery) return CONF_KEYS_DISCOVERY;
	return issuer->cluster != 0 ? CONF_KEYS_CLUSTER : CONF_KEYS_NONE;
}

bool conf_needs_courier(const struct conf *c)
{
	bool keys = false;

	for (uint32_t i = 0; i < c->issuer_count; i++)
		keys = keys || (conf_keys_of(&c->issuers[i]) != CONF_KEYS_FILE && conf_keys_of(&c->issuers[i]) != CONF_KEYS_NONE);
	return keys || c->cluster_count > 0;
}

int conf_cluster_find(const struct conf *c, const char *id)
{
	for (uint32_t i = 0; i < c->cluster_count; i++)
		if (strcmp(conf_text(c, c->clusters[i].id), id) == 0) return (int)i;
	return -1;
}

int conf_csr_issuer_find(const struct conf *c, struct bytes name)
{
	for (uint32_t i = 0; i < c->csr_issuer_count; i++)
		if (bytes_is(name, conf_text(c, c->csr_issuers[i].name))) return (int)i;
	return -1;
}

struct err conf_seal(const struct conf *c, int *fd)
{
	return chan_memfd("signet-conf", BYTES(c, c->size), fd);
}

/* ---- what conf_map() believes: nothing, until every value has been compared with the schema ---- */

static bool text_ok(const struct conf *c, conf_str s)
{
	return s < c->pool_len; /* and the pool ends in a NUL */
}

static bool list_ok(const struct conf *c, struct conf_list l)
{
	return l.first <= c->string_count && l.count <= c->string_count - l.first;
}

static bool choice_ok(const struct schema_item *item, int64_t value)
{
	for (const struct schema_choice *o = item->choices; o->text != NULL; o++)
		if (o->value == value) return true;
	return false;
}

static bool number_ok(const struct schema_item *item, const char *at)
{
	int64_t v = 0; /* little-endian or 8 bytes: an enum of 4 bytes is read by its own width */
	uint32_t narrow;
	if (item->size == sizeof(narrow)) {
		memcpy(&narrow, at, sizeof(narrow));
		v = narrow;
	} else {
		memcpy(&v, at, sizeof(v));
	}
	return item->type == SCHEMA_ENUM ? choice_ok(item, v) : v >= item->min && v <= item->max;
}

static bool value_ok(const struct conf *c, const struct schema_item *item, const char *base)
{
	const char *at = base + item->offset;
	conf_str text;
	struct conf_list list;
	switch (item->type) {
	case SCHEMA_TEXT:
	case SCHEMA_PATH:
	case SCHEMA_CHOICE:
		memcpy(&text, at, sizeof(text));
		return text_ok(c, text);
	case SCHEMA_TEXTS:
		memcpy(&list, at, sizeof(list));
		return list_ok(c, list);
	case SCHEMA_BOOL:
		return *(const unsigned char *)at <= 1; /* any other bit pattern in a bool is undefined behaviour */
	case SCHEMA_NUMBER:
	case SCHEMA_SECONDS:
	case SCHEMA_MICROS:
	case SCHEMA_ENUM:
		return number_ok(item, at);
	case SCHEMA_MATCH:
		memcpy(&list, at, sizeof(list)); /* match_first, match_count */
		return list.first <= c->match_count && list.count <= c->match_count - list.first;
	case SCHEMA_MAPS:
		break; /* elements are checked one by one */
	}
	return true;
}
_Static_assert(offsetof(struct conf_rule, match_count) == offsetof(struct conf_rule, match_first) + sizeof(uint32_t),
	       "value_ok and the loader take match_first, match_count as one range");

static bool values_ok(const struct conf *c, const struct schema_table *table, const void *base)
{
	for (size_t i = 0; i < table->count; i++)
		if (!value_ok(c, &table->items[i], base)) return false;
	return true;
}

static bool header_ok(const struct conf *c, size_t size)
{
	return size > offsetof(struct conf, pool) && c->version == CONF_VERSION && c->size == size &&
	       c->pool_len == size - offsetof(struct conf, pool) && c->pool[0] == '\0' && c->pool[c->pool_len - 1] == '\0' &&
	       c->issuer_count <= CONF_ISSUERS_MAX && c->cluster_count <= CONF_CLUSTERS_MAX &&
	       c->csr_issuer_count <= CONF_CSR_ISSUERS_MAX && c->rule_count <= CONF_RULES_MAX &&
	       c->match_count <= CONF_MATCHES_MAX && c->string_count <= CONF_STRINGS_MAX &&
	       *(const unsigned char *)&c->rules_built_in <= 1;
}

static bool elements_ok(const struct conf *c, const struct schema_item *item)
{
	const struct schema_elements *e = item->elements;
	for (uint32_t i = 0; e != NULL && i < schema_count(e, c); i++)
		if (!values_ok(c, e->table, schema_at(e, c, i))) return false;
	return true;
}

static bool image_ok(const struct conf *c, size_t size)
{
	if (!header_ok(c, size) || !values_ok(c, &schema_top, c)) return false;
	for (uint32_t i = 0; i < c->string_count; i++)
		if (!text_ok(c, c->strings[i])) return false;
	for (uint32_t i = 0; i < c->match_count; i++)
		if (!text_ok(c, c->matches[i].attribute) || !list_ok(c, c->matches[i].patterns)) return false;
	for (size_t i = 0; i < schema_top.count; i++)
		if (!elements_ok(c, &schema_top.items[i])) return false;
	return true;
}

struct err conf_map(int fd, const struct conf **out)
{
	struct bytes image;
	struct err e = chan_memfd_map(fd, CONF_IMAGE_MAX, &image);
	if (e.code != ERR_OK) return (struct err){ .code = ERR_DATA_LOSS, .reason = e.reason, .cause = e.cause };
	if (!image_ok((const void *)image.data, image.len)) {
		munmap((void *)(uintptr_t)image.data, image.len);
		FAIL(ERR_DATA_LOSS, "conf: the image is damaged");
	}
	*out = (const void *)image.data;
	return OK;
}

void conf_unmap(const struct conf *c)
{
	if (c != NULL) munmap((void *)(uintptr_t)c, c->size);
}
