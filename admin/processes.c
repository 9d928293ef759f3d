#include "admin/processes.h"

#include <string.h>
#include <sys/mman.h>

#include "admin/fields.h"
#include "admin/health.h"

static const char *const role_names[] = {
	[CONTROL_MONITOR] = "monitor", [CONTROL_KEEPER] = "keeper",   [CONTROL_FRONT] = "front",
	[CONTROL_ADMIN] = "admin",     [CONTROL_COURIER] = "courier",
};

/* ---- from the monitor ---- */

static bool same_peer(const struct control_peer *x, const struct control_peer *y)
{
	return x->role == y->role && x->number == y->number;
}

struct err processes_on_page(struct processes *p, struct chan_msg *msg)
{
	struct page page;
	size_t i = 0;

	TRY(control_peer_take(msg->payload, &page.peer));
	TRY(metrics_map(msg->fd, false, &page.metrics));
	while (i < p->count && !same_peer(&p->pages[i].peer, &page.peer)) i++;
	if (i == PAGES_MAX) FAIL(ERR_RESOURCE_EXHAUSTED, "admin: too many metrics pages");
	if (i < p->count) (void)munmap(p->pages[i].metrics, sizeof(struct metrics));
	else p->count++;
	p->pages[i] = page;
	return OK;
}

void processes_on_status(struct processes *p, struct bytes text)
{
	memcpy(p->status, text.data, text.len);
	p->status[text.len] = '\0';
}

/* ---- metrics ---- */

_Static_assert(METRIC_OWN == CONF_CSR_ISSUERS_MAX && METRIC_SLOTS >= CONF_CLUSTERS_MAX, "a slot for each issuer and cluster");

static void name_slots(const struct conf *conf, struct metric_names *names)
{
	*names = (struct metric_names){ .name[METRIC_OF_ISSUER][METRIC_OWN] = CONF_OWN_ISSUER };
	for (uint32_t i = 0; i < conf->csr_issuer_count; i++)
		names->name[METRIC_OF_ISSUER][i] = names->name[METRIC_OF_SIGNER][i] = conf_text(conf, conf->csr_issuers[i].name);
	for (uint32_t i = 0; i < conf->cluster_count; i++)
		names->name[METRIC_OF_CLUSTER][i] = conf_text(conf, conf->clusters[i].id);
}

static struct metric_pages pages_of(const struct processes *p, struct metrics *pages[PAGES_MAX])
{
	for (size_t i = 0; i < p->count; i++) pages[i] = p->pages[i].metrics;
	return (struct metric_pages){ .pages = pages, .count = p->count };
}

struct err processes_render(const struct processes *p, struct buf *out)
{
	struct metrics *pages[PAGES_MAX];
	struct metric_pages all = pages_of(p, pages);
	struct metric_names names;

	name_slots(p->conf, &names);
	all.names = &names;
	return metrics_render(&all, out);
}

uint64_t processes_value(const struct processes *p, enum metric m)
{
	struct metrics *pages[PAGES_MAX];
	const struct metric_pages all = pages_of(p, pages);

	return metrics_total(&all, m);
}

bool processes_serve(const struct processes *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->pages[i].peer.role == CONTROL_FRONT && atomic_load(&p->pages[i].metrics->value[M_SERVING]) > 0) return true;
	return false;
}

struct err here_health(struct processes *p, const struct api_request *r, json_t **out)
{
	AUTO(heap) struct health_facts *facts = malloc(sizeof(*facts));
	AUTO(heap) struct health *health = malloc(sizeof(*health));

	(void)r;
	if (facts == NULL || health == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "admin: out of memory");
	recent_facts(&p->recent, p, facts);
	health_judge(facts, health);
	*out = json_pack("{so ss}", "health", health_json(health), "processes", p->status);
	return OK;
}

struct err here_metrics(struct processes *p, const struct api_request *r, json_t **out)
{
	AUTO(buf) struct buf text = { .max = METRICS_TEXT_MAX };

	(void)r;
	TRY(processes_render(p, &text));
	*out = json_pack("{ss% ss}", "metrics", text.data, text.len, "processes", p->status);
	return OK;
}

/* ---- log levels ---- */

struct err here_log_show(struct processes *p, const struct api_request *r, json_t **out)
{
	json_t *items = json_array();

	(void)r;
	for (size_t i = 0; i < p->count; i++) {
		struct log_shared *shared = &p->pages[i].metrics->log;
		const struct log log = { .level = (enum log_level)p->conf->log.level, .shared = shared };
		const struct control_peer *peer = &p->pages[i].peer;
		bool changed = atomic_load(&shared->level) != 0;
		json_t *item = json_pack("{ss si ss}", "process", role_names[peer->role], "number", (int)peer->number, "level",
		                         log_level_name(log_level_of(&log)));

		if (changed) (void)json_object_set_new(item, "until", field_time(atomic_load(&shared->until)));
		(void)json_array_append_new(items, item);
	}
	*out = json_pack("{ss so}", "configured", log_level_name((enum log_level)p->conf->log.level), "items", items);
	return OK;
}

/* `process` and `number`: absent, they mean every one. */
static struct err take_process(const struct api_request *r, struct control_log *want)
{
	const json_t *number = json_object_get(r->body, "number");
	struct bytes name;
	uint8_t role = 0;

	want->role = CONTROL_EVERY_ROLE;
	want->number = CONTROL_EVERY_NUMBER;
	if (number != NULL) {
		json_int_t n = json_is_integer(number) ? json_integer_value(number) : -1;

		if (n < 0 || n >= CONTROL_EVERY_NUMBER) FAIL(ERR_INVALID_ARGUMENT, "admin: number is not that of a process");
		want->number = (uint16_t)n;
	}
	if (json_object_get(r->body, "process") == NULL) {
		if (number != NULL) FAIL(ERR_INVALID_ARGUMENT, "admin: a number needs a process");
		return OK;
	}
	TRY(field_text(r->body, "process", 32, &name));
	while (role < ARRAY_LEN(role_names) && !bytes_is(name, role_names[role])) role++;
	if (role == ARRAY_LEN(role_names))
		FAIL(ERR_INVALID_ARGUMENT, "admin: process must be monitor, keeper, front, admin or courier");
	want->role = role;
	return OK;
}

static bool is_running(const struct processes *p, const struct control_log *want)
{
	if (want->role == CONTROL_EVERY_ROLE) return true;
	for (size_t i = 0; i < p->count; i++)
		if (p->pages[i].peer.role == want->role &&
		    (want->number == CONTROL_EVERY_NUMBER || p->pages[i].peer.number == want->number))
			return true;
	return false;
}

struct err here_log_set(struct processes *p, const struct api_request *r, json_t **out)
{
	uint8_t room[CONTROL_LOG_LEN];
	struct buf message = BUF_ON(room);
	struct control_log want;
	enum log_level level;
	struct bytes name;
	int64_t seconds;

	TRY(field_known(r->body, (const char *const[]){ "level", "process", "number", "seconds", NULL }));
	TRY(field_text(r->body, "level", 16, &name));
	if (!log_level_parse(name, &level)) FAIL(ERR_INVALID_ARGUMENT, "admin: level must be error, warn, info or debug");
	TRY(field_seconds(r->body, "seconds", &seconds));
	if (seconds < 1 || seconds > CONTROL_LOG_SECONDS_MAX) FAIL(ERR_INVALID_ARGUMENT, "admin: seconds must be 1 to 86400");
	TRY(take_process(r, &want));
	if (!is_running(p, &want)) FAIL(ERR_NOT_FOUND, "admin: there is no such process");
	want.level = (uint8_t)level;
	want.seconds = (uint32_t)seconds;
	TRY(control_log_put(&message, &want));
	TRY(chan_put(p->control, CONTROL_LOG, buf_view(&message)));
	TRY(chan_flush(p->control));
	log_event(p->log, LOG_WARN, "log_level", F_STR("by", r->by), F_STR("to", log_level_name(level)), F_INT("seconds", seconds));
	*out = json_object();
	return OK;
}
