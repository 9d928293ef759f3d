#include "base/utf8.h"

#include "base/own.h"

/* By lead byte: how many bytes follow, and the range of the first of them (the others are 80..BF). */
static const struct {
	uint8_t from, to, follow, low, high;
} rows[] = {
	{ 0xc2, 0xdf, 1, 0x80, 0xbf }, { 0xe0, 0xe0, 2, 0xa0, 0xbf }, { 0xe1, 0xec, 2, 0x80, 0xbf },
	{ 0xed, 0xed, 2, 0x80, 0x9f }, { 0xee, 0xef, 2, 0x80, 0xbf }, { 0xf0, 0xf0, 3, 0x90, 0xbf },
	{ 0xf1, 0xf3, 3, 0x80, 0xbf }, { 0xf4, 0xf4, 3, 0x80, 0x8f },
};

size_t utf8_sequence(struct bytes text)
{
	size_t row = 0;

	if (text.len == 0) return 0;
	if (text.data[0] < 0x80) return 1;
	while (row < ARRAY_LEN(rows) && (text.data[0] < rows[row].from || text.data[0] > rows[row].to)) row++;
	if (row == ARRAY_LEN(rows) || text.len - 1 < rows[row].follow) return 0;
	if (text.data[1] < rows[row].low || text.data[1] > rows[row].high) return 0;
	for (size_t i = 2; i <= rows[row].follow; i++)
		if ((text.data[i] & 0xc0) != 0x80) return 0;
	return 1 + (size_t)rows[row].follow;
}

bool utf8_valid(struct bytes text)
{
	size_t n;

	for (size_t i = 0; i < text.len; i += n) {
		n = text.data[i] < 0x80 ? 1 : utf8_sequence(BYTES(text.data + i, text.len - i));
		if (n == 0) return false;
	}
	return true;
}
