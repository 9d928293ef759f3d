#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "net/grpc_frame.h"

#define LIMIT 100

static void accepts_messages_cut_anywhere(void **state)
{
	static const uint8_t wire[] = "\0\0\0\0\3abc\0\0\0\0\0\0\0\0\0\1z";
	static const char *const want[] = { "abc", "", "z" };
	const size_t len = sizeof(wire) - 1;

	(void)state;
	for (size_t step = 1; step <= len; step++) {
		struct grpc_frame f;
		size_t seen = 0;

		grpc_frame_init(&f, LIMIT);
		for (size_t at = 0; at < len; at += step) {
			struct bytes in = BYTES(wire + at, len - at < step ? len - at : step);
			bool whole = true;

			while (in.len > 0) {
				assert_int_equal(grpc_frame_feed(&f, &in, &whole).code, ERR_OK);
				if (!whole) break;
				assert_true(seen < 3 && bytes_is(buf_view(&f.message), want[seen]));
				seen++;
				grpc_frame_next(&f);
				assert_true(grpc_frame_idle(&f));
			}
			assert_int_equal(in.len, 0);
		}
		assert_int_equal(seen, 3);
		assert_true(grpc_frame_idle(&f));
		grpc_frame_free(&f);
	}
}

static const struct { const char *name; uint8_t prefix[5]; enum err_code want; } prefixes[] = {
	{ "longest", { 0, 0, 0, 0, LIMIT }, ERR_OK },
	{ "one_too_long", { 0, 0, 0, 0, LIMIT + 1 }, ERR_RESOURCE_EXHAUSTED },
	{ "longest_there_is", { 0, 255, 255, 255, 255 }, ERR_RESOURCE_EXHAUSTED },
	{ "compressed", { 1, 0, 0, 0, 1 }, ERR_UNIMPLEMENTED },
	{ "compressed_empty", { 1, 0, 0, 0, 0 }, ERR_UNIMPLEMENTED },
	{ "flag_2", { 2, 0, 0, 0, 1 }, ERR_INTERNAL },
	{ "flag_128_of_grpc_web", { 128, 0, 0, 0, 1 }, ERR_INTERNAL },
	{ "text", { 'P', 'R', 'I', ' ', '*' }, ERR_INTERNAL },
};

static void judges_the_prefix(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		struct grpc_frame f;
		struct bytes in = BYTES(prefixes[i].prefix, 5);
		bool whole = true;

		grpc_frame_init(&f, LIMIT);
		if (grpc_frame_feed(&f, &in, &whole).code != prefixes[i].want || whole) fail_msg("%s", prefixes[i].name);
		grpc_frame_free(&f);
	}
}

static void takes_memory_for_what_came_only(void **state)
{
	static const uint8_t prefix[5] = { 0, 0, 16, 0, 0 };
	struct bytes in = BYTES(prefix, 5), more = BYTES("x", 1);
	struct grpc_frame f;
	bool whole = true;

	(void)state;
	grpc_frame_init(&f, 1 << 20);
	assert_int_equal(grpc_frame_feed(&f, &in, &whole).code, ERR_OK);
	assert_int_equal(grpc_frame_feed(&f, &more, &whole).code, ERR_OK);
	assert_false(whole);
	assert_false(grpc_frame_idle(&f));
	assert_true(f.message.cap < 1024);
	grpc_frame_free(&f);
}

static void prefix_reads_back(void **state)
{
	static const uint32_t lengths[] = { 0, 1, 255, 256, 65536, 16777216 + 5 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		uint8_t prefix[GRPC_PREFIX_BYTES];
		struct grpc_frame f;
		struct bytes in = BYTES(prefix, sizeof(prefix));
		bool whole;

		grpc_frame_prefix(lengths[i], prefix);
		grpc_frame_init(&f, UINT32_MAX);
		assert_int_equal(grpc_frame_feed(&f, &in, &whole).code, ERR_OK);
		assert_int_equal(f.message.max, lengths[i]);
		assert_int_equal(whole, lengths[i] == 0);
		grpc_frame_free(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_messages_cut_anywhere),
		cmocka_unit_test(judges_the_prefix),
		cmocka_unit_test(takes_memory_for_what_came_only),
		cmocka_unit_test(prefix_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
