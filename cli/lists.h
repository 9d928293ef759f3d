/* lists.h: pages of a list of the admin API, as a table or as JSON. */
#ifndef SIGNET_CLI_LISTS_H
#define SIGNET_CLI_LISTS_H

#include "cli/api.h"
#include "cli/text.h"

/* One column: the member, or how it is made of the item. */
struct list_column {
	const char *head, *member;
	bool time; /* an RFC 3339 member: shown as "in 23h" behind it */
};
/* Ask for `path` (with its query), print; `nothing` when there is no item. */
enum cli_exit cli_list(struct cli *c, const char *path, const struct list_column *columns, const char *nothing);
/* --limit N, checked, into the query. */
enum cli_exit cli_list_limit(struct cli *c, struct buf *path);
/* NUL-terminate and return the path. */
const char *cli_list_path(struct buf *path);

#endif
