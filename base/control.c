#include "base/control.h"

#include "base/log.h"
#include "base/wire.h"

struct err control_peer_put(struct buf *out, const struct control_peer *m)
{
	TRY(wire_put_u8(out, m->role));
	return wire_put_u16(out, m->number);
}

struct err control_peer_take(struct bytes in, struct control_peer *m)
{
	struct control_peer got;

	TRY(wire_u8(&in, &got.role));
	TRY(wire_u16(&in, &got.number));
	TRY(wire_end(&in));
	if (got.role > CONTROL_COURIER) FAIL(ERR_INVALID_ARGUMENT, "control: unknown role");
	*m = got;
	return OK;
}

struct err control_log_put(struct buf *out, const struct control_log *m)
{
	TRY(wire_put_u8(out, m->role));
	TRY(wire_put_u16(out, m->number));
	TRY(wire_put_u8(out, m->level));
	return wire_put_u32(out, m->seconds);
}

struct err control_log_take(struct bytes in, struct control_log *m)
{
	struct control_log got;

	TRY(wire_u8(&in, &got.role));
	TRY(wire_u16(&in, &got.number));
	TRY(wire_u8(&in, &got.level));
	TRY(wire_u32(&in, &got.seconds));
	TRY(wire_end(&in));
	if (got.role > CONTROL_COURIER && got.role != CONTROL_EVERY_ROLE) FAIL(ERR_INVALID_ARGUMENT, "control: unknown role");
	if (got.level > LOG_DEBUG) FAIL(ERR_INVALID_ARGUMENT, "control: unknown log level");
	if (got.seconds < 1 || got.seconds > CONTROL_LOG_SECONDS_MAX) FAIL(ERR_INVALID_ARGUMENT, "control: time is out of range");
	*m = got;
	return OK;
}
