#include "base/rate.h"

#define SECOND_US 1000000

void rate_start(struct rate *r, int64_t per_second, int64_t now_us)
{
	*r = (struct rate){ .per_second = per_second, .credit_us = SECOND_US, .last_us = now_us };
}

bool rate_take(struct rate *r, int64_t now_us)
{
	int64_t passed = now_us > r->last_us ? now_us - r->last_us : 0, price = SECOND_US / r->per_second;

	if (passed > SECOND_US) passed = SECOND_US;
	r->credit_us = r->credit_us + passed > SECOND_US ? SECOND_US : r->credit_us + passed;
	r->last_us = now_us;
	if (price < 1) price = 1;
	if (r->credit_us < price) return false;
	r->credit_us -= price;
	return true;
}
