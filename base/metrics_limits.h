/* metrics_limits.h: the limits that clients run into, as one family of counters; part of METRICS (base/metrics.h). */
#ifndef SIGNET_BASE_METRICS_LIMITS_H
#define SIGNET_BASE_METRICS_LIMITS_H

#define METRICS_LIMITS(X) \
	X(LIMIT_CONNECTIONS, COUNTER, "signet_limits_hit_total", "limit=\"connections\"", \
	  "Connections that were ended and requests that were refused, by the limit that they hit.") \
	X(LIMIT_ADDRESS_CONNECTIONS, COUNTER, "signet_limits_hit_total", "limit=\"address_connections\"", "") \
	X(LIMIT_ADDRESS_HANDSHAKES, COUNTER, "signet_limits_hit_total", "limit=\"address_handshakes\"", "") \
	X(LIMIT_ADDRESS_RATE, COUNTER, "signet_limits_hit_total", "limit=\"address_rate\"", "") \
	X(LIMIT_HANDSHAKES, COUNTER, "signet_limits_hit_total", "limit=\"handshakes\"", "") \
	X(LIMIT_HANDSHAKE_TIME, COUNTER, "signet_limits_hit_total", "limit=\"handshake_time\"", "") \
	X(LIMIT_REQUEST_TIME, COUNTER, "signet_limits_hit_total", "limit=\"request_time\"", "") \
	X(LIMIT_STALLED, COUNTER, "signet_limits_hit_total", "limit=\"stalled\"", "") \
	X(LIMIT_CONTROL, COUNTER, "signet_limits_hit_total", "limit=\"control_frames\"", "") \
	X(LIMIT_RESETS, COUNTER, "signet_limits_hit_total", "limit=\"resets\"", "") \
	X(LIMIT_HEADERS, COUNTER, "signet_limits_hit_total", "limit=\"headers\"", "") \
	X(LIMIT_HELD, COUNTER, "signet_limits_hit_total", "limit=\"held_bytes\"", "") \
	X(LIMIT_IDENTITY, COUNTER, "signet_limits_hit_total", "limit=\"identity_rate\"", "") \
	X(LIMIT_PENDING, COUNTER, "signet_limits_hit_total", "limit=\"pending\"", "")

#endif
