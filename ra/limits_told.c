#include "ra/limits_told.h"

#include "base/clock.h"

static const struct { const char *name, *setting; enum metric metric; } kinds[TOLD_COUNT] = {
	[LIMIT_CONNECTIONS] = { "connections", "listen.max_connections", M_LIMIT_CONNECTIONS },
	[LIMIT_ADDRESS_CONNECTIONS] = { "address_connections", "listen.max_connections_per_address", M_LIMIT_ADDRESS_CONNECTIONS },
	[LIMIT_ADDRESS_HANDSHAKES] = { "address_handshakes", "listen.max_handshakes", M_LIMIT_ADDRESS_HANDSHAKES },
	[LIMIT_ADDRESS_RATE] = { "address_rate", "listen.connect_rate_per_address", M_LIMIT_ADDRESS_RATE },
	[LIMIT_HANDSHAKES] = { "handshakes", "listen.max_handshakes", M_LIMIT_HANDSHAKES },
	[LIMIT_HANDSHAKE_TIME] = { "handshake_time", "listen.handshake_timeout", M_LIMIT_HANDSHAKE_TIME },
	[LIMIT_REQUEST_TIME] = { "request_time", "", M_LIMIT_REQUEST_TIME },
	[LIMIT_STALLED] = { "stalled", "", M_LIMIT_STALLED },
	[LIMIT_CONTROL] = { "control_frames", "", M_LIMIT_CONTROL },
	[LIMIT_RESETS] = { "resets", "", M_LIMIT_RESETS },
	[LIMIT_HEADERS] = { "headers", "", M_LIMIT_HEADERS },
	[LIMIT_HELD] = { "held_bytes", "", M_LIMIT_HELD },
	[TOLD_IDENTITY] = { "identity_rate", "listen.rate_per_identity", M_LIMIT_IDENTITY },
	[TOLD_PENDING] = { "pending", "listen.max_pending", M_LIMIT_PENDING },
};

void limits_tell(struct limits_told *t, unsigned kind, const char *who)
{
	int64_t second = clock_mono_us() / 1000000;

	metric_inc(t->metrics, kinds[kind].metric);
	if (t->kinds[kind].second == second) {
		t->kinds[kind].left_out++;
		return;
	}
	log_event(t->log, LOG_WARN, "limit_hit", F_STR("limit", kinds[kind].name), F_STR("setting", kinds[kind].setting),
	          F_STR("who", who), F_INT("left_out", (int64_t)t->kinds[kind].left_out));
	t->kinds[kind].second = second;
	t->kinds[kind].left_out = 0;
}
