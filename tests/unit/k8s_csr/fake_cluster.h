/* fake_cluster.h: clusters that note what they are asked, and answer when the test says so.  One source file only: it defines all
 * functions of k8s_csr/cluster.h. */
#ifndef SIGNET_TESTS_FAKE_CLUSTER_H
#define SIGNET_TESTS_FAKE_CLUSTER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "k8s_csr/cluster.h"

struct cluster {
	struct cluster_options o;
	struct cluster_request *requests; /* that are open, newest first */
	unsigned asked, cancelled;        /* in all */
	struct err refuse;                /* of cluster_start(); code 0: none */
};

struct cluster_request {
	struct cluster *c;
	struct cluster_request *next;
	struct cluster_ask ask;
	char path[256];
	struct buf body;
};

struct err cluster_new(const struct cluster_options *options, struct cluster **out)
{
	*out = calloc(1, sizeof(**out));
	(*out)->o = *options;
	return OK;
}

void cluster_free(struct cluster *c)
{
	if (c != NULL && c->requests != NULL) fail_msg("a request is left");
	free(c);
}

const char *cluster_id(const struct cluster *c) { return conf_text(c->o.conf, c->o.cluster->id); }
const struct cluster_options *cluster_options_of(const struct cluster *c) { return &c->o; }
void cluster_reload(struct cluster *c) { (void)c; }

struct err cluster_start(struct cluster *c, const struct cluster_ask *ask, struct cluster_request **out)
{
	struct cluster_request *r = calloc(1, sizeof(*r));

	c->asked++;
	if (c->refuse.code != ERR_OK) {
		free(r);
		return c->refuse;
	}
	*r = (struct cluster_request){ .c = c, .next = c->requests, .ask = *ask, .body.max = 1024 * 1024 };
	(void)snprintf(r->path, sizeof(r->path), "%s", ask->path);
	assert_int_equal(buf_put(&r->body, ask->body.data, ask->body.len).code, ERR_OK);
	c->requests = r;
	*out = r;
	return OK;
}

static void fake_unlink(struct cluster_request *r)
{
	struct cluster_request **at = &r->c->requests;

	while (*at != r) {
		if (*at == NULL) fail_msg("no such request is open");
		at = &(*at)->next;
	}
	*at = r->next;
}

static void fake_free(struct cluster_request *r)
{
	buf_free(&r->body);
	free(r);
}

void cluster_cancel(struct cluster_request *r)
{
	if (r == NULL) return;
	r->c->cancelled++;
	fake_unlink(r);
	fake_free(r);
}

/* Ends the request. */
static inline void fake_answer(struct cluster_request *r, struct err e, const struct https_answer *answer)
{
	fake_unlink(r);
	r->ask.done(r->ask.ctx, e, answer);
	fake_free(r);
}

static inline void fake_answers(struct cluster_request *r, long status, const char *body)
{
	fake_answer(r, OK, &(struct https_answer){ .status = status, .body = bytes_str(body), .text = "" });
}

#endif
