#include "k8s_csr/backoff.h"

int64_t k8s_backoff_failed(struct k8s_backoff *b, uint32_t random, unsigned retry_after)
{
	int64_t whole = b->first_ms, least, jitter;

	for (unsigned i = 0; i < b->failures && whole < b->max_ms; i++) whole *= 2;
	if (whole > b->max_ms) whole = b->max_ms;
	if (b->failures < UINT32_MAX) b->failures++;
	least = whole / 2;
	jitter = (int64_t)((uint64_t)(whole - least) * random / UINT32_MAX);
	if (retry_after > K8S_BACKOFF_RETRY_AFTER_MAX) retry_after = K8S_BACKOFF_RETRY_AFTER_MAX;
	if (least < retry_after * INT64_C(1000)) least = retry_after * INT64_C(1000);
	return least + jitter;
}

void k8s_backoff_succeeded(struct k8s_backoff *b)
{
	b->failures = 0;
}
