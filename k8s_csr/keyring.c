#include "k8s_csr/keyring.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/chan.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/own.h"
#include "k8s_csr/backoff.h"
#include "k8s_csr/jwks_fetch.h"

#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS (60 * 1000)
#define REFRESH_JITTER 8 /* up to one in so many of keys_refresh earlier */

struct looker {
	struct looker *next;
	void *asker;
	uint64_t id;
};

struct source { /* of one issuer's keys */
	struct keyring *k;
	unsigned issuer;
	struct jwks_fetch *fetch; /* NULL: none runs */
	struct timer *next;       /* the next fetch; stopped while one runs */
	struct timer *tell;       /* looked(), from the loop */
	struct k8s_backoff backoff;
	struct looker *lookers;
	struct buf set; /* as fetched last */
	int fd;         /* sealed memory with it; -1: none yet */
	int64_t ended_us; /* of the last fetch */
	bool fetched;     /* there was one */
	bool away;        /* the log has heard that fetching fails */
};

struct keyring {
	struct keyring_options o;
	size_t lookers;
	struct source *sources[CONF_ISSUERS_MAX]; /* NULL: that issuer's keys are not fetched */
};

static uint32_t random32(void)
{
	uint32_t r;

	return getrandom(&r, sizeof(r), 0) == (ssize_t)sizeof(r) ? r : UINT32_MAX; /* jitter, not secrecy */
}

static const struct conf_jwt_issuer *conf_of(const struct source *s)
{
	return &s->k->o.conf->issuers[s->issuer];
}

static const char *name_of(const struct source *s)
{
	return conf_text(s->k->o.conf, conf_of(s)->name);
}

/* ---- what a fetch brought ---- */

static int64_t refresh_ms(const struct source *s)
{
	int64_t whole = conf_of(s)->keys_refresh * 1000;

	return whole - (int64_t)((uint64_t)(whole / REFRESH_JITTER) * random32() / UINT32_MAX);
}

static struct err replace(struct source *s, const struct jwks_fetched *got)
{
	AUTO(buf) struct buf copy = { .max = WIRE_JWKS_MAX };
	AUTO(fd) int fd = -1;

	if (s->fd >= 0 && bytes_equal(buf_view(&s->set), got->set)) return OK;
	TRY(buf_put(&copy, got->set.data, got->set.len));
	TRY(chan_memfd("signet-keys", got->set, &fd));
	if (s->fd >= 0) close(s->fd);
	buf_free(&s->set);
	s->fd = MOVE_FD(fd);
	s->set = copy;
	copy = (struct buf){ .max = 0 };
	log_event(s->k->o.log, LOG_INFO, "keys_changed", F_STR("issuer", name_of(s)), F_INT("keys", got->count));
	s->k->o.changed(s->k->o.ctx, s->issuer, s->fd);
	return OK;
}

static int64_t succeeded(struct source *s)
{
	metric_inc(s->k->o.metrics, M_KEYS_FETCHED);
	if (s->away) log_event(s->k->o.log, LOG_INFO, "keys_back", F_STR("issuer", name_of(s)));
	s->away = false;
	k8s_backoff_succeeded(&s->backoff);
	return refresh_ms(s);
}

static int64_t failed(struct source *s, struct err e, const struct jwks_fetched *got)
{
	metric_inc(s->k->o.metrics, M_KEYS_FAILED);
	if (!s->away)
		log_event(s->k->o.log, LOG_WARN, "keys_failed", F_STR("issuer", name_of(s)), F_ERR(e), F_STR("text", got->text),
		          F_STR("ca_file", conf_text(s->k->o.conf, conf_of(s)->ca_file)),
		          F_STR("meanwhile", s->fd >= 0 ? "the keys fetched last" : "no keys: its tokens are refused"));
	s->away = true;
	return k8s_backoff_failed(&s->backoff, random32(), got->retry_after);
}

static void on_fetched(void *ctx, const struct jwks_fetched *got)
{
	struct source *s = ctx;
	struct err e = got->e;

	s->fetch = NULL;
	s->fetched = true;
	s->ended_us = clock_mono_us();
	if (e.code == ERR_OK) e = replace(s, got);
	(void)timer_start(s->next, e.code == ERR_OK ? succeeded(s) : failed(s, e, got));
	(void)timer_start(s->tell, 0);
}

/* From the loop, or keyring_look(). */
static void fetch(void *ctx)
{
	struct source *s = ctx;
	struct jwks_fetch_options o = { .https = s->k->o.https,
		                        .conf = s->k->o.conf,
		                        .issuer = s->issuer,
		                        .done = on_fetched,
		                        .ctx = s };
	struct err e;

	if (conf_keys_of(conf_of(s)) == CONF_KEYS_CLUSTER)
		o.cluster = s->k->o.clusters[conf_cluster_find(o.conf, conf_text(o.conf, conf_of(s)->cluster))];
	timer_stop(s->next);
	e = jwks_fetch_start(&o, &s->fetch);
	if (e.code != ERR_OK) on_fetched(s, &(struct jwks_fetched){ .e = e, .text = "cannot ask" });
}

/* ---- those who wait ---- */

static void on_tell(void *ctx)
{
	struct source *s = ctx;

	while (s->fetch == NULL && s->lookers != NULL) { /* who is told may begin a fetch: that one's end tells the rest */
		AUTO(heap) struct looker *l = s->lookers;

		s->lookers = l->next;
		s->k->lookers--;
		s->k->o.looked(s->k->o.ctx, l->asker, l->id);
	}
}

static bool was_just_fetched(const struct source *s)
{
	return s->fetched && clock_mono_us() - s->ended_us < KEYRING_LEAST_S * INT64_C(1000000);
}

struct err keyring_look(struct keyring *k, void *asker, uint64_t id, unsigned issuer)
{
	struct source *s = issuer < CONF_ISSUERS_MAX ? k->sources[issuer] : NULL;
	struct looker *l;

	if (s == NULL) FAIL(ERR_INVALID_ARGUMENT, "keys: of that issuer they are not fetched");
	if (k->lookers >= KEYRING_LOOKERS_MAX) FAIL(ERR_RESOURCE_EXHAUSTED, "keys: too many wait for them");
	l = malloc(sizeof(*l));
	if (l == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keys: out of memory");
	*l = (struct looker){ .next = s->lookers, .asker = asker, .id = id };
	s->lookers = l;
	k->lookers++;
	if (s->fetch != NULL) return OK;
	if (!was_just_fetched(s)) fetch(s);
	else (void)timer_start(s->tell, 0);
	return OK;
}

static void forget(struct source *s, const void *asker)
{
	for (struct looker **at = &s->lookers, *l; (l = *at) != NULL;) {
		if (asker != NULL && l->asker != asker) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		s->k->lookers--;
		free(l);
	}
}

void keyring_forget(struct keyring *k, const void *asker)
{
	for (size_t i = 0; i < CONF_ISSUERS_MAX; i++)
		if (k->sources[i] != NULL) forget(k->sources[i], asker);
}

int keyring_fd(const struct keyring *k, unsigned issuer)
{
	return issuer < CONF_ISSUERS_MAX && k->sources[issuer] != NULL ? k->sources[issuer]->fd : -1;
}

/* ---- all of them ---- */

static void source_free(struct source *s)
{
	if (s == NULL) return;
	forget(s, NULL);
	jwks_fetch_cancel(s->fetch);
	timer_free(s->next);
	timer_free(s->tell);
	auto_fd(&s->fd);
	buf_free(&s->set);
	free(s);
}
static inline void auto_source(struct source **p) { source_free(*p); }

static struct err source_new(struct keyring *k, unsigned issuer, struct source **out)
{
	AUTO(source) struct source *s = calloc(1, sizeof(*s));

	if (s == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keys: out of memory");
	s->k = k;
	s->issuer = issuer;
	s->fd = -1;
	s->backoff = (struct k8s_backoff){ .first_ms = RETRY_FIRST_MS, .max_ms = RETRY_MAX_MS };
	TRY(timer_new(k->o.loop, fetch, s, &s->next));
	TRY(timer_new(k->o.loop, on_tell, s, &s->tell));
	TRY(timer_start(s->next, 0)); /* callbacks never come from within keyring_new() */
	*out = MOVE(s);
	return OK;
}

static bool is_fetched(enum conf_keys from)
{
	return from == CONF_KEYS_URL || from == CONF_KEYS_DISCOVERY || from == CONF_KEYS_CLUSTER;
}

static inline void auto_keyring(struct keyring **p) { keyring_free(*p); }
struct err keyring_new(const struct keyring_options *options, struct keyring **out)
{
	AUTO(keyring) struct keyring *k = calloc(1, sizeof(*k));

	if (k == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keys: out of memory");
	k->o = *options;
	for (unsigned i = 0; i < options->conf->issuer_count; i++)
		if (is_fetched(conf_keys_of(&options->conf->issuers[i]))) TRY(source_new(k, i, &k->sources[i]));
	*out = MOVE(k);
	return OK;
}

void keyring_free(struct keyring *k)
{
	if (k == NULL) return;
	for (size_t i = 0; i < CONF_ISSUERS_MAX; i++) source_free(k->sources[i]);
	free(k);
}
