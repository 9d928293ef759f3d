/* courier_keeper.c: what the keeper may say (docs/protocols/keeper.md), and what it is told. */
#include <string.h>

#include "base/wire.h"
#include "k8s_csr/courier_internal.h"

enum keeper_state { KEEPER_STATE_HELLO = 0, KEEPER_STATE_READY = 1 };

#define FAILED_ROOM (16 + WIRE_WHY_MAX)
#define FILE_LEAST 40 /* bytes: all texts as short as they may be */

static void send_failed(struct courier *c, const struct wire_failed *m)
{
	uint8_t room[FAILED_ROOM];
	struct buf out = BUF_ON(room);

	line_put(&c->keeper, COURIER_FAILED, wire_failed_put(&out, m), &out);
}

static void on_signed(void *ctx, uint64_t id, struct bytes pem)
{
	struct courier *c = ctx;
	AUTO(buf) struct buf out = { .max = CHAN_PAYLOAD_MAX };

	line_put(&c->keeper, COURIER_SIGNED, wire_signed_put(&out, &(struct wire_signed){ .id = id, .pem = pem }), &out);
}

static void on_failed(void *ctx, uint64_t id, enum wire_failure failure, const char *why)
{
	send_failed(ctx, &(struct wire_failed){ .id = id, .failure = (uint8_t)failure, .why = bytes_str(why) });
}

/* ---- messages ---- */

static size_t cluster_of(const struct conf *conf, uint8_t issuer)
{
	return (size_t)conf_cluster_find(conf, conf_text(conf, conf->csr_issuers[issuer].cluster));
}

static struct err on_instance(void *self, struct chan_msg *msg)
{
	struct courier *c = self;
	const struct conf *conf = c->o->conf;
	struct filings_options o = { .signed_pem = on_signed, .failed = on_failed, .ctx = c };

	memcpy(o.instance, msg->payload.data, sizeof(o.instance));
	for (uint8_t i = 0; i < conf->csr_issuer_count; i++) {
		size_t cluster = cluster_of(conf, i);

		if (cluster >= conf->cluster_count) FAIL(ERR_INTERNAL, "courier: an issuer without a cluster");
		if (c->filings[cluster] != NULL) continue;
		o.cluster = c->clusters[cluster];
		TRY(filings_new(&o, &c->filings[cluster]));
	}
	return OK;
}

static struct err on_file(void *self, struct chan_msg *msg)
{
	struct courier *c = self;
	struct wire_file m;
	struct err e;

	TRY(wire_file_take(msg->payload, &m));
	if (m.issuer >= c->o->conf->csr_issuer_count) FAIL(ERR_INVALID_ARGUMENT, "courier: an issuer that is not there");
	e = filings_file(c->filings[cluster_of(c->o->conf, m.issuer)], &m);
	if (e.code != ERR_RESOURCE_EXHAUSTED) return e;
	send_failed(c, &(struct wire_failed){ .id = m.id, .failure = FAILURE_UNAVAILABLE, .why = bytes_str(e.reason) });
	return OK;
}

static struct err on_done(void *self, struct chan_msg *msg)
{
	struct courier *c = self;
	struct bytes in = msg->payload;
	uint64_t id;

	TRY(wire_u64(&in, &id));
	for (size_t i = 0; i < CONF_CLUSTERS_MAX; i++)
		if (c->filings[i] != NULL) filings_done(c->filings[i], id);
	return OK;
}

static struct err on_filed_all(void *self, struct chan_msg *msg)
{
	struct courier *c = self;

	(void)msg;
	for (size_t i = 0; i < CONF_CLUSTERS_MAX; i++)
		if (c->filings[i] != NULL) filings_sweep(c->filings[i]);
	return OK;
}

static const struct chan_rule rules[] = { /* docs/protocols/keeper.md */
	{ KEEPER_STATE_HELLO, KEEPER_INSTANCE, WIRE_INSTANCE_LEN, WIRE_INSTANCE_LEN, false, on_instance, KEEPER_STATE_READY },
	{ KEEPER_STATE_READY, KEEPER_FILE, FILE_LEAST, CHAN_PAYLOAD_MAX, false, on_file, KEEPER_STATE_READY },
	{ KEEPER_STATE_READY, KEEPER_DONE, 8, 8, false, on_done, KEEPER_STATE_READY },
	{ KEEPER_STATE_READY, KEEPER_FILED_ALL, 0, 0, false, on_filed_all, KEEPER_STATE_READY },
};

struct err courier_keeper_open(struct courier *c, int fd)
{
	uint8_t room[4];
	struct buf out = BUF_ON(room);

	TRY(line_open(&c->keeper, c->o->loop, fd, (struct line_rules){ rules, ARRAY_LEN(rules) }, c));
	line_put(&c->keeper, COURIER_HELLO, wire_hello_put(&out, &(struct wire_hello){ .version = WIRE_VERSION, .number = 0 }),
		 &out);
	return c->keeper.end;
}

size_t courier_keeper_in_hand(const struct courier *c)
{
	size_t n = 0;

	for (size_t i = 0; i < CONF_CLUSTERS_MAX; i++)
		if (c->filings[i] != NULL) n += filings_count(c->filings[i]);
	return n;
}
