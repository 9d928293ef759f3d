#include "ra/request_id.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

struct err request_ids_start(struct request_ids *ids, uint16_t front)
{
	uint8_t random[6]; /* another start has another name: 2^48 is enough for what only helps to find */
	char hex[2 * sizeof(random) + 1];

	if (getrandom(random, sizeof(random), 0) != sizeof(random)) FAIL_BY(ERR_UNAVAILABLE, "front: no randomness", errno);
	bytes_hex(BYTES(random, sizeof(random)), hex);
	(void)snprintf(ids->prefix, sizeof(ids->prefix), "f%u-%s", front, hex);
	ids->last = 0;
	return OK;
}

void request_id_for(struct request_ids *ids, struct bytes said, char out[REQUEST_ID_MAX + 1])
{
	if (request_id_valid(said)) {
		memcpy(out, said.data, said.len);
		out[said.len] = '\0';
		return;
	}
	(void)snprintf(out, REQUEST_ID_MAX + 1, "%s-%llx", ids->prefix, (unsigned long long)++ids->last);
}
