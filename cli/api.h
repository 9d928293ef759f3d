/* api.h: questions to the running daemon over the admin unix socket (docs/protocols/admin.md).  One request a connection. */
#ifndef SIGNET_CLI_API_H
#define SIGNET_CLI_API_H

#include "cli/cli.h"
#include "cli/json.h"

#define CLI_API_ANSWER_MAX (96 * 1024 * 1024) /* bytes of JSON; ours: all CRLs, at their largest, as PEM */

/* Append "?name=value" or "&name=value", percent-encoded; value NULL: nothing. */
struct err cli_api_query(struct buf *path, const char *name, const char *value);
struct err cli_api_query_number(struct buf *path, const char *name, int64_t value);

struct cli_api_ask {
	const char *method;  /* "GET", "POST", "DELETE" */
	const char *path;    /* "/v1/certs?limit=1" */
	const json_t *body;  /* NULL: none */
	const char *subject; /* what was asked for, for the message when it is not found; NULL: the path */
	long timeout_s;      /* 0: a minute */
	bool may_exist;      /* that it is there already is as good: OK, *out is NULL */
};
/* OK: *out is the caller's.  Otherwise cli_fail() has said what was wrong and what to do. */
enum cli_exit cli_api_call(struct cli *c, const struct cli_api_ask *ask, json_t **out);
/* The same with GET. */
enum cli_exit cli_api_get(struct cli *c, const char *path, json_t **out);

#endif
