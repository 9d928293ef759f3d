/* A channel is a table of what its peer may say; everything else ends it. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/chan.h"

enum { HELLO = 1, DATA = 2, FILE_ = 3, BYE = 4 };

struct peer {
	unsigned hello, data, files;
	size_t bytes;
};

static struct err on_hello(void *self, struct chan_msg *msg)
{
	(void)msg;
	((struct peer *)self)->hello++;
	return OK;
}

static struct err on_data(void *self, struct chan_msg *msg)
{
	struct peer *p = self;

	p->data++;
	p->bytes += msg->payload.len;
	return OK;
}

static struct err on_file(void *self, struct chan_msg *msg)
{
	struct bytes content;

	TRY(chan_memfd_map(msg->fd, 64, &content));
	((struct peer *)self)->files += bytes_is(content, "content");
	return OK;
}

static struct err on_bye(void *self, struct chan_msg *msg)
{
	(void)self;
	(void)msg;
	FAIL(ERR_ABORTED, "test: bye");
}

static const struct chan_rule rules[] = {
	{ 0, HELLO, 2, 2, false, on_hello, 1 },
	{ 1, DATA, 0, 100, false, on_data, 1 },
	{ 1, FILE_, 0, 0, true, on_file, 1 },
	{ 1, BYE, 0, 0, false, on_bye, 1 },
};

struct fixture {
	struct peer peer;
	struct chan *here;
	int there;
};

static struct fixture begin(void)
{
	static struct fixture f; /* the channel keeps a pointer to its peer */
	int fds[2];

	f = (struct fixture){ 0 };
	assert_int_equal(chan_pair(fds).code, ERR_OK);
	assert_int_equal(chan_new(fds[0], rules, ARRAY_LEN(rules), &f.peer, &f.here).code, ERR_OK);
	f.there = fds[1];
	return f;
}

#define HELLO_FRAME 0, 0, 0, 2, 0, HELLO, 0, 0, 'h', 'i'

static const struct {
	const char *name;
	uint8_t frame[40];
	size_t len;
	enum err_code want;
	unsigned data;
} frames[] = {
	{ "takes_hello", { HELLO_FRAME }, 10, ERR_OK, 0 },
	{ "takes_several_in_one_frame", { HELLO_FRAME, 0, 0, 0, 1, 0, DATA, 0, 0, 'x', 0, 0, 0, 0, 0, DATA, 0, 0 }, 27, ERR_OK, 2 },
	{ "refuses_data_before_hello", { 0, 0, 0, 1, 0, DATA, 0, 0, 'x' }, 9, ERR_INVALID_ARGUMENT, 0 },
	{ "refuses_second_hello", { HELLO_FRAME, HELLO_FRAME }, 20, ERR_INVALID_ARGUMENT, 0 },
	{ "refuses_unknown_type", { HELLO_FRAME, 0, 0, 0, 0, 0, 9, 0, 0 }, 18, ERR_INVALID_ARGUMENT, 0 },
	{ "refuses_too_short", { 0, 0, 0, 1, 0, HELLO, 0, 0, 'h' }, 9, ERR_INVALID_ARGUMENT, 0 },
	{ "refuses_too_long", { 0, 0, 0, 3, 0, HELLO, 0, 0, 'h', 'i', '!' }, 11, ERR_INVALID_ARGUMENT, 0 },
	{ "refuses_length_beyond_the_frame", { 0, 0, 0, 3, 0, HELLO, 0, 0, 'h', 'i' }, 10, ERR_INVALID_ARGUMENT, 0 },
	{ "refuses_length_that_wraps", { 0xff, 0xff, 0xff, 0xff, 0, HELLO, 0, 0, 'h', 'i' }, 10, ERR_INVALID_ARGUMENT, 0 },
	{ "refuses_cut_header", { 0, 0, 0, 2, 0, HELLO }, 6, ERR_INVALID_ARGUMENT, 0 },
	{ "refuses_header_with_a_stray_bit", { 0, 0, 0, 2, 0, HELLO, 0, 1, 'h', 'i' }, 10, ERR_INVALID_ARGUMENT, 0 },
	{ "refuses_trailing_byte", { HELLO_FRAME, 0 }, 11, ERR_INVALID_ARGUMENT, 0 },
	{ "refuses_file_without_descriptor", { HELLO_FRAME, 0, 0, 0, 0, 0, FILE_, 0, 0 }, 18, ERR_INVALID_ARGUMENT, 0 },
	{ "passes_on_the_handlers_error", { HELLO_FRAME, 0, 0, 0, 0, 0, BYE, 0, 0 }, 18, ERR_ABORTED, 0 },
};

static void test_frames(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
		struct fixture f = begin();
		unsigned n;
		struct err e;

		assert_int_equal(send(f.there, frames[i].frame, frames[i].len, 0), frames[i].len);
		e = chan_receive(f.here, 8, &n);
		if (e.code != frames[i].want) fail_msg("%s: %s", frames[i].name, e.reason);
		chan_free(f.here);
		close(f.there);
	}
}

static void test_descriptor_travels_alone_and_once(void **state)
{
	struct fixture f = begin();
	struct chan *sender;
	uint8_t hello[2] = { 0 };
	unsigned n;
	int fd;

	(void)state;
	assert_int_equal(chan_new(f.there, NULL, 0, NULL, &sender).code, ERR_OK);
	assert_int_equal(chan_memfd("test", bytes_str("content"), &fd).code, ERR_OK);
	assert_int_equal(chan_put(sender, HELLO, BYTES(hello, 2)).code, ERR_OK);
	assert_int_equal(chan_put(sender, DATA, bytes_str("abc")).code, ERR_OK);
	assert_int_equal(chan_put_fd(sender, FILE_, BYTES_NONE, fd).code, ERR_OK);
	assert_int_equal(chan_receive(f.here, 8, &n).code, ERR_OK);
	assert_int_equal(n, 2); /* hello and data in one frame, the descriptor in its own */
	assert_int_equal(chan_put_fd(sender, DATA, BYTES_NONE, fd).code, ERR_OK); /* a descriptor where none may be */
	assert_int_equal(chan_receive(f.here, 8, &n).code, ERR_INVALID_ARGUMENT);
	close(fd);
	chan_free(sender);
	assert_int_equal(chan_receive(f.here, 8, &n).code, ERR_UNAVAILABLE);
	chan_free(f.here);
}

static void test_slow_peer_is_queued_then_given_up(void **state)
{
	struct fixture f = begin();
	struct chan *sender;
	static uint8_t big[CHAN_PAYLOAD_MAX];
	struct err e = OK;
	size_t sent = 0;
	unsigned count;

	(void)state;
	assert_int_equal(chan_new(f.there, NULL, 0, NULL, &sender).code, ERR_OK);
	while (e.code == ERR_OK && sent < 4 * CHAN_QUEUE_MAX) {
		e = chan_put(sender, DATA, BYTES(big, sizeof(big)));
		sent += sizeof(big);
	}
	assert_int_equal(e.code, ERR_RESOURCE_EXHAUSTED);
	assert_true(chan_wants_write(sender));
	/* A frame is lost: nobody may go on as if it were not. */
	assert_int_equal(chan_put(sender, DATA, BYTES_NONE).code, ERR_RESOURCE_EXHAUSTED);
	assert_int_equal(chan_flush(sender).code, ERR_RESOURCE_EXHAUSTED);
	assert_int_equal(chan_receive(sender, 1, &count).code, ERR_RESOURCE_EXHAUSTED);
	chan_free(sender);
	chan_free(f.here);
}

/* Join tokens pass: once sent or handled, nothing of a frame lies in the channel's memory. */
static bool holds(const struct chan *c, const char *secret)
{
	return memmem(c, malloc_usable_size((void *)(uintptr_t)c), secret, strlen(secret)) != NULL;
}

static void test_a_frame_leaves_nothing_behind(void **state)
{
	static const char secret[] = "sgt1_what-nobody-else-may-see";
	struct fixture f = begin();
	struct peer other = { 0 };
	struct chan *there;
	unsigned n;

	(void)state;
	assert_int_equal(chan_new(f.there, rules, ARRAY_LEN(rules), &other, &there).code, ERR_OK);
	assert_int_equal(chan_put(there, HELLO, BYTES("hi", 2)).code, ERR_OK);
	assert_int_equal(chan_put(there, DATA, bytes_str(secret)).code, ERR_OK);
	assert_true(holds(there, secret));
	assert_int_equal(chan_flush(there).code, ERR_OK);
	assert_false(holds(there, secret));
	assert_int_equal(chan_receive(f.here, 1, &n).code, ERR_OK);
	assert_int_equal(n, 1);
	assert_false(holds(f.here, secret));
	chan_free(there);
	chan_free(f.here);
}

static void test_only_sealed_memory_is_mapped(void **state)
{
	struct bytes content;
	int fd = -1;
	FILE *plain = tmpfile();

	(void)state;
	assert_non_null(plain);
	(void)fputs("content", plain);
	(void)fflush(plain);
	assert_int_equal(chan_memfd_map(fileno(plain), 64, &content).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(chan_memfd("test", bytes_str("content"), &fd).code, ERR_OK);
	assert_int_equal(chan_memfd_map(fd, 6, &content).code, ERR_INVALID_ARGUMENT); /* larger than allowed */
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(chan_memfd_map(fd, 7, &content).code, ERR_OK);
	(void)fclose(plain);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_descriptor_travels_alone_and_once),
		cmocka_unit_test(test_slow_peer_is_queued_then_given_up),
		cmocka_unit_test(test_a_frame_leaves_nothing_behind),
		cmocka_unit_test(test_only_sealed_memory_is_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
