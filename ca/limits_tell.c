/* limits_tell.c: what this process holds every request to, as it read it itself, and how often each limit was met since its
 * start. */
#include <stdio.h>

#include "base/clock.h"
#include "ca/clerk.h"
#include "ca/wire_root.h"

struct telling {
	struct keeper *k;
	struct buf items, value; /* of one */
};

static struct err put(struct telling *t, const char *name, enum keeper_reason reason)
{
	struct wire_limit m = { .name = bytes_str(name), .value = buf_view(&t->value) };

	for (size_t slot = 0; reason != REASON_NONE && slot < METRIC_SLOTS; slot++)
		m.refused += metric_get_of(t->k->metrics, keeper_reason_metric(reason), slot);
	TRY(wire_limit_put(&t->items, &m));
	t->value.len = 0;
	return OK;
}

static struct err put_list(struct telling *t, const char *name, struct conf_list list, enum keeper_reason reason)
{
	for (uint32_t i = 0; i < list.count; i++)
		TRY(buf_printf(&t->value, "%s%s", i == 0 ? "" : ", ", conf_item(t->k->conf, list, i)));
	return put(t, name, reason);
}

static struct err put_lists(struct telling *t)
{
	const struct conf *conf = t->k->conf;

	TRY(buf_put_str(&t->value, conf_text(conf, conf->trust_domain)));
	TRY(put(t, "trust_domain", REASON_NONE));
	TRY(put_list(t, "ca.allow_spiffe_ids", conf->ca.allow_spiffe_ids, REASON_LIMIT_SPIFFE_ID));
	TRY(put_list(t, "ca.allow_dns_names", conf->ca.allow_dns_names, REASON_LIMIT_NAME));
	TRY(put_list(t, "ca.allow_ip_ranges", conf->ca.allow_ip_ranges, REASON_LIMIT_NAME));
	TRY(put_list(t, "ca.reserved_names", conf->ca.reserved_names, REASON_RESERVED_NAME));
	TRY(put_list(t, "tls.names", conf->tls.names, REASON_RESERVED_NAME));
	return put_list(t, "cert.key_types", conf->cert.key_types, REASON_KEY_TYPE);
}

static struct err put_ends(struct telling *t)
{
	char when[CLOCK_TEXT_MAX];
	int64_t end;

	pthread_mutex_lock(&t->k->roots_lock);
	end = t->k->signer->not_after;
	pthread_mutex_unlock(&t->k->roots_lock);
	clock_text(end, when);
	TRY(buf_put_str(&t->value, when));
	return put(t, "end of the CA", REASON_CHAIN_EXPIRED);
}

static struct err put_numbers(struct telling *t)
{
	const struct conf *conf = t->k->conf;

	TRY(buf_printf(&t->value, "%llds", (long long)conf->cert.max_lifetime));
	TRY(put(t, "cert.max_lifetime", REASON_LIFETIME));
	TRY(buf_printf(&t->value, "%lld", (long long)conf->ca.rate_per_front));
	TRY(put(t, "ca.rate_per_front", REASON_RATE));
	TRY(put_ends(t));
	TRY(buf_printf(&t->value, "%zu", bans_count(t->k->bans)));
	return put(t, "bans", REASON_BANNED);
}

/* No limits, but reasons all the same: so that all that was refused is in one place. */
static struct err put_states(struct telling *t)
{
	static const struct { const char *name; enum keeper_reason reason;
	} states[] = {
		{ "revoked certificates", REASON_REVOKED },
		{ "join tokens", REASON_TOKEN },
		{ "certificate profile", REASON_PROFILE },
		{ "signer", REASON_SIGNER },
		{ "store", REASON_STORE },
		{ "full store", REASON_FULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(states); i++) TRY(put(t, states[i].name, states[i].reason));
	return OK;
}

void clerk_limits(struct keeper *k, struct job *job)
{
	struct telling t = { .k = k, .items = { .max = WIRE_LIST_MAX - 128 }, .value = { .max = WIRE_LIST_MAX / 2 } };
	struct wire_list list = { .next = UINT64_MAX };
	struct err e = put_lists(&t);

	if (e.code == ERR_OK) e = put_numbers(&t);
	if (e.code == ERR_OK) e = put_states(&t);
	list.items = buf_view(&t.items);
	clerk_answer_list(job, e, &list);
	buf_free(&t.items);
	buf_free(&t.value);
}
