#include "base/control.h"

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
