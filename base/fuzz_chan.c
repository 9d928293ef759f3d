/* A frame of any bytes: every message that reaches a handler fits its rule; everything else ends the channel. */
#include <string.h>
#include <sys/socket.h>

#include "base/chan.h"

enum { SMALL = 1, BOUNDED = 2, NEXT = 3 };

struct seen {
	size_t messages, bytes;
};

static struct err on_message(void *self, struct chan_msg *msg)
{
	struct seen *seen = self;

	if (msg->fd >= 0) __builtin_trap(); /* none was sent */
	if (msg->type == SMALL && msg->payload.len != 2) __builtin_trap();
	if (msg->type == BOUNDED && msg->payload.len > 100) __builtin_trap();
	for (size_t i = 0; i < msg->payload.len; i++) seen->bytes += msg->payload.data[i] != 0;
	seen->messages++;
	return OK;
}

static const struct chan_rule rules[] = {
	{ 0, SMALL, 2, 2, false, on_message, 0 },
	{ 0, NEXT, 0, 0, false, on_message, 1 },
	{ 1, BOUNDED, 1, 100, false, on_message, 1 },
	{ 1, NEXT, 0, 0, true, on_message, 0 },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(chan) struct chan *chan = NULL;
	struct seen seen = { 0 };
	unsigned frames = 0;
	struct err e;
	int fds[2];

	if (len == 0 || len > CHAN_FRAME_MAX || chan_pair(fds).code != ERR_OK) return 0;
	if (chan_new(fds[0], rules, ARRAY_LEN(rules), &seen, &chan).code != ERR_OK) __builtin_trap();
	if (send(fds[1], data, len, MSG_DONTWAIT) == (ssize_t)len) {
		e = chan_receive(chan, 4, &frames);
		if (e.code != ERR_OK && e.code != ERR_INVALID_ARGUMENT) __builtin_trap();
		if (e.code == ERR_OK && (frames != 1 || seen.messages == 0)) __builtin_trap();
		if (seen.messages * 8 > len) __builtin_trap();
	}
	close(fds[1]);
	return 0;
}
