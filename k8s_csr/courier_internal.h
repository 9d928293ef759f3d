/* courier_internal.h: what the files of the courier share; for k8s_csr/courier*.c alone. */
#ifndef SIGNET_K8S_CSR_COURIER_INTERNAL_H
#define SIGNET_K8S_CSR_COURIER_INTERNAL_H

#include <sys/queue.h>

#include "base/chan.h"
#include "base/loop.h"
#include "k8s_csr/courier.h"
#include "k8s_csr/filing.h"
#include "k8s_csr/keyring.h"
#include "k8s_csr/reviews.h"

struct line { /* a channel on the loop; what is put into it goes out at the end of the round */
	struct chan *chan;
	struct watch *watch;
	struct err end; /* not OK: it is over, which its owner sees at the end of the round */
};
struct line_rules { /* of chan.h */
	const struct chan_rule *rules;
	size_t count;
};
/* Takes fd over, also when it fails. */
struct err line_open(struct line *l, struct loop *loop, int fd, struct line_rules rules, void *self);
void line_put(struct line *l, uint16_t type, struct err encoded, const struct buf *payload);
void line_put_fd(struct line *l, uint16_t type, struct bytes payload, int fd);
void line_flush(struct line *l);
void line_close(struct line *l); /* one that was never opened, too */

struct asker { /* a front */
	LIST_ENTRY(asker) link;
	struct courier *c;
	struct line line;
	uint16_t number;
	bool greeted;
	size_t open; /* questions that are not answered */
};
LIST_HEAD(asker_list, asker);

struct courier {
	const struct courier_options *o;
	struct line control, keeper;
	struct asker_list askers;
	struct timer *drain;
	bool stopping;
	/* of each cluster, in conf's order */
	struct cluster *clusters[CONF_CLUSTERS_MAX];
	struct reviews *reviews[CONF_CLUSTERS_MAX];
	struct filings *filings[CONF_CLUSTERS_MAX]; /* NULL: no issuer is there, or the keeper has not said who we are */
	struct keyring *keyring;
};

/* ---- courier_keeper.c ---- */
/* The keeper's channel; fd is taken over. */
struct err courier_keeper_open(struct courier *c, int fd);
size_t courier_keeper_in_hand(const struct courier *c);

/* ---- courier_front.c ---- */
/* A channel to a front, instead of that to its predecessor.  fd is taken over. */
struct err courier_front_open(struct courier *c, uint16_t number, int fd);
/* Nothing that it asked is answered any more. */
void courier_front_close(struct asker *a);
/* Who answers what they ask. */
struct err courier_front_answers(struct courier *c);

#endif
