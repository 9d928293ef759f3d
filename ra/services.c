#include "ra/services.h"

#include <stdlib.h>
#include <string.h>

#include "proto/grpc_health.pb-c.h"
#include "ra/reflection.h"
#include "ra/request.h"

#define WATCHERS_MAX 1024 /* ours: of one front */

/* Service names whose health we know: all of us, and the CSR API. */
static const char *const known[] = { "", "istio.v1.auth.IstioCertificateService" };

struct services {
	bool serving;
	size_t watcher_count;
	struct watcher {
		struct call *call;
		bool known;
	} watchers[WATCHERS_MAX];
};

static bool is_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i], name) == 0) return true;
	return false;
}

static struct err put_status(struct call *call, Grpc__Health__V1__HealthCheckResponse__ServingStatus status, bool last)
{
	Grpc__Health__V1__HealthCheckResponse m = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	uint8_t out[16];
	struct bytes packed;

	m.status = status;
	packed = BYTES(out, grpc__health__v1__health_check_response__pack(&m, out));
	return last ? call_reply(call, packed) : call_send(call, packed);
}

static Grpc__Health__V1__HealthCheckResponse__ServingStatus status_of(const struct services *s, bool is_ours)
{
	if (!is_ours) return GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
	return s->serving ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
	                  : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
}

/* False, and the call is finished, when the message is none. */
static bool take_request(struct call *call, struct bytes message, bool *ours)
{
	Grpc__Health__V1__HealthCheckRequest *m = grpc__health__v1__health_check_request__unpack(NULL, message.len, message.data);

	if (m == NULL) {
		call_finish(call, ERR_INVALID_ARGUMENT, "not a HealthCheckRequest");
		return false;
	}
	*ours = is_known(m->service);
	grpc__health__v1__health_check_request__free_unpacked(m, NULL);
	return true;
}

static void on_check(void *ctx, struct call *call, struct bytes message)
{
	bool ours;

	if (!take_request(call, message, &ours)) return;
	if (!ours) call_finish(call, ERR_NOT_FOUND, "unknown service");
	else (void)put_status(call, status_of(ctx, true), true); /* a client that does not read has been cut by net */
}

static void on_watch_gone(void *ctx, struct call *call)
{
	struct services *s = ctx;

	for (size_t i = 0; i < s->watcher_count; i++)
		if (s->watchers[i].call == call) s->watchers[i--] = s->watchers[--s->watcher_count];
}

static void tell(struct services *s, struct call *call, bool ours)
{
	struct err e = put_status(call, status_of(s, ours), false);

	if (e.code == ERR_OK) return;
	on_watch_gone(s, call);
	call_finish(call, e.code, "watcher does not read");
}

static void on_watch(void *ctx, struct call *call, struct bytes message)
{
	struct services *s = ctx;
	bool ours;

	if (call_user(call) != NULL) {
		on_watch_gone(s, call); /* `gone` is not told of what we finish ourselves */
		call_finish(call, ERR_INVALID_ARGUMENT, "Watch takes one request");
		return;
	}
	if (!take_request(call, message, &ours)) return;
	if (s->watcher_count == WATCHERS_MAX) {
		call_finish(call, ERR_RESOURCE_EXHAUSTED, "too many watchers");
		return;
	}
	s->watchers[s->watcher_count++] = (struct watcher){ call, ours };
	call_set_user(call, s);
	tell(s, call, ours);
}

void services_set_serving(struct services *s, bool serving)
{
	s->serving = serving;
	/* From the end: tell() may take the one it is at out of the list. */
	for (size_t i = s->watcher_count; i > 0; i--)
		if (s->watchers[i - 1].known) tell(s, s->watchers[i - 1].call, true);
}

struct err services_new(struct services **out)
{
	*out = calloc(1, sizeof(**out));
	return *out == NULL ? ERR(ERR_RESOURCE_EXHAUSTED, "front: out of memory") : OK;
}

void services_free(struct services *s)
{
	free(s);
}

void services_methods(struct services *s, struct grpc_method *methods)
{
	const struct grpc_method all[SERVICES_METHODS] = {
		{ .path = "/grpc.health.v1.Health/Check", .message = on_check, .ctx = s },
		{ .path = "/grpc.health.v1.Health/Watch", .streaming = true, .message = on_watch, .gone = on_watch_gone, .ctx = s },
		{ .path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", .streaming = true,
		  .message = reflection_message, .end = reflection_end, .ctx = s },
		{ .path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", .streaming = true,
		  .message = reflection_message, .end = reflection_end, .ctx = s },
	};

	memcpy(methods, all, sizeof(all));
}
