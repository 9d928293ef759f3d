/* Times, durations and text for a terminal. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/own.h"
#include "base/utf8.h"
#include "cli/text.h"

#define NOW INT64_C(1795198320)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_duration(const char *text)
{
	int64_t seconds = -1, at = 0;

	if (!text_parse_duration(text, &seconds)) {
		if (seconds != -1) __builtin_trap(); /* untouched when refused */
		return;
	}
	if (seconds < 0 || seconds >= INT64_C(1) << 40) __builtin_trap();
	if (!text_parse_time(text, NOW, -1, &at) || at != NOW - seconds) __builtin_trap(); /* a duration is a time, too */
}

/* What is taken as a moment, and is of a year that can be written, reads back from how it is written. */
static void check_time(const char *text)
{
	int64_t at = INT64_MIN, again;
	char written[CLOCK_TEXT_MAX], line[TEXT_TIME_MAX];

	if (!text_parse_time(text, NOW, 1, &at)) {
		if (at != INT64_MIN) __builtin_trap();
		return;
	}
	clock_text(at, written);
	if (strlen(text_time(at, NOW, line)) >= TEXT_TIME_MAX) __builtin_trap();
	if (written[0] != '-' && (!text_parse_time(written, 0, 1, &again) || again != at)) __builtin_trap();
}

static void check_safe(struct bytes text)
{
	AUTO(buf) struct buf out = { .max = 64 * 1024 };

	if (text.len > 8192 || text_put_safe(&out, text).code != ERR_OK) return;
	if (!utf8_valid(buf_view(&out)) || out.len > text.len) __builtin_trap();
	for (size_t i = 0; i < out.len; i++) {
		bool c1 = out.data[i] == 0xc2 && i + 1 < out.len && out.data[i + 1] < 0xa0;

		if (out.data[i] < 0x20 || out.data[i] == 0x7f || c1) __builtin_trap();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(heap) char *text = strndup((const char *)data, len);

	if (text == NULL) return 0;
	check_duration(text);
	check_time(text);
	check_safe(BYTES(data, len));
	return 0;
}
