#include "base/hostname.h"

#include <string.h>

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool label_valid(struct bytes label, bool lower)
{
	if (label.len == 0 || label.len > 63 || label.data[0] == '-' || label.data[label.len - 1] == '-') return false;
	for (size_t i = 0; i < label.len; i++) {
		uint8_t c = label.data[i];
		bool capital = c >= 'A' && c <= 'Z';

		if (!((c >= 'a' && c <= 'z') || (capital && !lower) || is_digit(c) || c == '-')) return false;
	}
	return true;
}

static bool all_digits(struct bytes label)
{
	for (size_t i = 0; i < label.len; i++)
		if (!is_digit(label.data[i])) return false;
	return true;
}

bool hostname_valid(struct bytes name, bool lower)
{
	if (name.len == 0 || name.len > HOSTNAME_MAX) return false;
	for (;;) {
		const uint8_t *dot = name.len == 0 ? NULL : memchr(name.data, '.', name.len);
		struct bytes label = BYTES(name.data, dot == NULL ? name.len : (size_t)(dot - name.data));

		if (!label_valid(label, lower)) return false;
		if (dot == NULL) return !all_digits(label);
		name = BYTES(dot + 1, name.len - label.len - 1);
	}
}
