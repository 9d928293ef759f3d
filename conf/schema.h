/* schema.h: the one table of what may be configured; the loader, the printer, the reference page and conf_map() walk it.
 *
 * Inside conf/ only.  Data and pure functions; needs libc alone, because the keeper links it. */
#ifndef SIGNET_CONF_SCHEMA_H
#define SIGNET_CONF_SCHEMA_H

#include "conf/conf.h"

enum schema_type {
	SCHEMA_TEXT,    /* conf_str; min..max bytes */
	SCHEMA_PATH,    /* conf_str; absolute after loading */
	SCHEMA_CHOICE,  /* conf_str; one of `choices` */
	SCHEMA_ENUM,    /* integer of `size` bytes; the value of one of `choices` */
	SCHEMA_BOOL,
	SCHEMA_NUMBER,  /* int64_t */
	SCHEMA_SECONDS, /* int64_t; written 90s, 15m, 24h, 90d */
	SCHEMA_MICROS,  /* int64_t; written 500us, 2ms */
	SCHEMA_TEXTS,   /* conf_list; min..max elements of 1..SCHEMA_ELEMENT_MAX bytes, each one of `choices` if there are any */
	SCHEMA_MATCH,   /* map of attribute -> pattern or patterns: a range of conf.matches */
	SCHEMA_MAPS,    /* list of maps, each by `elements` */
};

#define SCHEMA_ELEMENT_MAX 2048 /* bytes of a list's element; ours: a SPIFFE ID fits (SPIFFE-ID s2.3) */

struct schema_choice {
	const char *text; /* NULL ends the list */
	int64_t value;
};

/* What is wrong with a text, as "what was expected" (a literal); NULL if nothing is. */
typedef const char *schema_check(const char *text);

struct schema_elements { /* of a list of maps */
	const struct schema_table *table;
	uint32_t first, stride, count; /* where the array is, the size of one, where their number is */
};

struct schema_item {
	const char *key; /* dotted from the top, or from the list's element */
	enum schema_type type;
	int64_t min, max;
	const char *fallback; /* default as one writes it (lists: comma-separated); NULL: required.  TRUST_DOMAIN, DATA_DIR
	                         and RUN_DIR stand for those values */
	uint32_t offset, size;
	const struct schema_choice *choices;
	schema_check *check;
	const struct schema_elements *elements;
	const char *help;
};

struct schema_table {
	const struct schema_item *items;
	size_t count;
};

extern const struct schema_table schema_top;
extern const struct schema_elements schema_rules; /* the one list with built-in elements */

/* What each section is for; NULL if there is no section of that name. */
const char *schema_section_help(const char *section);
/* How many elements a list of maps has, and where the i-th is. */
uint32_t schema_count(const struct schema_elements *e, const struct conf *c);
const void *schema_at(const struct schema_elements *e, const struct conf *c, uint32_t i);

/* Numbers with a unit.  false: not of that form, or over INT64_MAX. */
bool schema_parse_seconds(const char *text, int64_t *out);
bool schema_parse_micros(const char *text, int64_t *out);
bool schema_parse_number(const char *text, int64_t *out);
#define SCHEMA_NUMBER_MAX 32
/* A value of a NUMBER, SECONDS or MICROS item as one writes it. */
void schema_print_number(enum schema_type type, int64_t value, char out[SCHEMA_NUMBER_MAX]);

/* Checks (conf/check.c). */
schema_check schema_check_trust_domain, schema_check_address, schema_check_user, schema_check_cidr, schema_check_pattern,
	schema_check_dns_name_or_ip, schema_check_label, schema_check_url, schema_check_fetched_url, schema_check_cluster,
	schema_check_signer, schema_check_signer_domain;

#endif
