/* courier.c: what the courier may say (docs/protocols/keeper.md). */
#include "base/chan.h"
#include "ca/external.h"

enum courier_state { COURIER_STATE_START = 0, COURIER_STATE_READY = 1 };

static struct err on_hello(void *self, struct chan_msg *msg)
{
	struct peer *p = self;
	struct wire_hello hello;

	TRY(wire_hello_take(msg->payload, &hello));
	if (hello.version != WIRE_VERSION) FAIL(ERR_INVALID_ARGUMENT, "keeper: a courier of another version");
	external_hello(p->keeper, p);
	return OK;
}

static struct err on_signed(void *self, struct chan_msg *msg)
{
	struct wire_signed m;

	TRY(wire_signed_take(msg->payload, &m));
	external_signed(((struct peer *)self)->keeper, &m);
	return OK;
}

static struct err on_failed(void *self, struct chan_msg *msg)
{
	struct wire_failed m;

	TRY(wire_failed_take(msg->payload, &m));
	external_failed(((struct peer *)self)->keeper, &m);
	return OK;
}

static const struct chan_rule rules[] = { /* docs/protocols/keeper.md */
	{ COURIER_STATE_START, COURIER_HELLO, 4, 4, false, on_hello, COURIER_STATE_READY },
	{ COURIER_STATE_READY, COURIER_SIGNED, 13, 12 + SIGNED_PEM_MAX, false, on_signed, COURIER_STATE_READY },
	{ COURIER_STATE_READY, COURIER_FAILED, 11, 11 + WIRE_WHY_MAX, false, on_failed, COURIER_STATE_READY },
};

struct err courier_channel(struct peer *p, int fd)
{
	return chan_new(fd, rules, ARRAY_LEN(rules), p, &p->chan);
}
