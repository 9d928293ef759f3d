/* backoff.h: how long to wait before what failed is tried again: doubling, with jitter, so that those who failed together do not
 * come again together.  Pure: the caller brings the random number. */
#ifndef SIGNET_K8S_CSR_BACKOFF_H
#define SIGNET_K8S_CSR_BACKOFF_H

#include <stdint.h>

#define K8S_BACKOFF_RETRY_AFTER_MAX 300 /* seconds; ours: no server may silence us for longer */

struct k8s_backoff {
	int64_t first_ms, max_ms; /* the longest wait after the first failure, and after many; 2 <= first_ms <= max_ms <= 1 hour */
	unsigned failures;        /* 0 at the start and after each success */
};

/* It failed: wait so many ms, which are
 *   from half to the whole of first_ms, twice that, four times that, ... max_ms (`random` picks: 0 half, UINT32_MAX whole),
 *   but not less than what the server said (retry_after in seconds, 0: nothing; more than the bound is taken for the bound):
 *   then from that to that and half of the above. */
int64_t k8s_backoff_failed(struct k8s_backoff *b, uint32_t random, unsigned retry_after);
void k8s_backoff_succeeded(struct k8s_backoff *b);

#endif
