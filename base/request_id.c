#include "base/request_id.h"

#include <string.h>

bool request_id_valid(struct bytes id)
{
	if (id.len == 0 || id.len > REQUEST_ID_MAX) return false;
	for (size_t i = 0; i < id.len; i++) {
		uint8_t c = id.data[i];
		bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!word && (c == '\0' || strchr("-_.:/+=@", c) == NULL)) return false;
	}
	return true;
}
