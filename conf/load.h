/* load.h: YAML file in, checked configuration out, by one schema table (conf/schema.c).  Monitor and command line only.
 *
 * Refused, with file, line, key and what was expected: unknown key, duplicate key, wrong type, out of range, missing
 * required key, a file that is missing or over CONF_FILE_MAX, aliases and tags, more than one document. */
#ifndef SIGNET_CONF_LOAD_H
#define SIGNET_CONF_LOAD_H

#include <stdio.h>

#include "base/own.h"
#include "conf/conf.h"

#define CONF_PROBLEM_MAX 1024
struct conf_problem { /* what the operator reads: "signet.yaml:12: cert.default_lifetime: 5y is not a duration; ..." */
	char text[CONF_PROBLEM_MAX];
};

/* OK: *out is the caller's, conf_free().  INVALID_ARGUMENT / NOT_FOUND: problem->text says what to mend. */
struct err conf_load(const char *path, struct conf **out, struct conf_problem *problem);
/* The same from memory; `name` stands for the file in messages. */
struct err conf_parse(struct bytes yaml, const char *name, struct conf **out, struct conf_problem *problem);
void conf_free(struct conf *c); /* NULL is allowed */
static inline void auto_conf(struct conf **p) { conf_free(*p); }

/* The effective values as YAML that conf_parse() reads back to the same image; defaults are marked `# default`. */
struct err conf_show(const struct conf *c, struct buf *out);
/* The same as one JSON object, for `-o json`. */
struct err conf_show_json(const struct conf *c, struct buf *out);
/* The reference page (Markdown), and the man page's table (mdoc), from the table. */
struct err conf_reference(struct buf *out);
struct err conf_reference_mdoc(struct buf *out);
/* A commented starter file for `signet init`; data_dir and run_dir may be NULL (the default).  INVALID_ARGUMENT: a value
 * that could not be loaded. */
struct err conf_starter(const char *trust_domain, const char *data_dir, const char *run_dir, struct buf *out);

#endif
