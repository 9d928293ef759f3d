/* json.h: what commands print with -o json, and what they read of the daemon's answers. */
#ifndef SIGNET_CLI_JSON_H
#define SIGNET_CLI_JSON_H

#include "cli/cli.h"
#include "proto/json.h"

/* Pretty, with a newline; NULL (no memory) fails. */
enum cli_exit cli_print_json(const struct cli *c, const json_t *value);
/* Member as text, "" if it is not there. */
const char *cli_member(const json_t *object, const char *name);
/* Member that is an RFC 3339 time as Unix seconds; false if it is none. */
bool cli_member_time(const json_t *object, const char *name, int64_t *out);

#endif
