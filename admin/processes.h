/* processes.h: what admin knows of the processes: their metrics pages and the monitor's word on them; and what it can have the
 * monitor do.  The operations of the API that need no keeper (docs/protocols/admin.md).  One thread. */
#ifndef SIGNET_ADMIN_PROCESSES_H
#define SIGNET_ADMIN_PROCESSES_H

#include "admin/api.h"
#include "admin/recent.h"
#include "base/control.h"
#include "base/metrics.h"

#define PAGES_MAX 128 /* processes whose metrics are shown: fronts and the rest */
#define METRICS_TEXT_MAX (256 * 1024)

struct processes {
	const struct conf *conf;
	const struct log *log;
	struct chan *control;       /* to the monitor */
	struct page {
		struct control_peer peer;
		struct metrics *metrics;
	} pages[PAGES_MAX];
	size_t count;
	char status[CONTROL_STATUS_MAX + 1]; /* as the monitor tells it */
	struct recent recent;
};

/* CONTROL_METRICS and CONTROL_STATUS. */
struct err processes_on_page(struct processes *p, struct chan_msg *msg);
void processes_on_status(struct processes *p, struct bytes text);
struct err processes_render(const struct processes *p, struct buf *out); /* metrics_render() */
uint64_t processes_value(const struct processes *p, enum metric m); /* of all together, as it is shown */
bool processes_serve(const struct processes *p); /* does some front? */

/* For the table in admin/api.c. */
struct err here_log_show(struct processes *p, const struct api_request *r, json_t **out);
struct err here_log_set(struct processes *p, const struct api_request *r, json_t **out);
struct err here_health(struct processes *p, const struct api_request *r, json_t **out);
struct err here_metrics(struct processes *p, const struct api_request *r, json_t **out);

#endif
