/* proc.h: one child of the monitor: started, told, ended, started again.  One thread. */
#ifndef SIGNET_DAEMON_PROC_H
#define SIGNET_DAEMON_PROC_H

#include <sys/types.h>

#include "base/chan.h"
#include "base/control.h"
#include "base/metrics.h"
#include "daemon/backoff.h"
#include "daemon/start.h"

#define STOP_MS 10000 /* ours: from CONTROL_STOP until SIGKILL; a front gives its open calls half of it */

struct proc {
	enum control_role role;
	uint16_t number;
	pid_t pid;             /* 0: not running */
	struct chan *control;  /* NULL: not running, or it closed its end */
	int metrics;           /* its page's descriptor, for all its lives */
	struct metrics *page;  /* by proc_page() */
	bool ready;            /* CONTROL_READY was heard */
	bool news;             /* ready, ended or started since the owner last looked */
	bool reload;           /* to be started again at once when it has ended */
	enum { CA_RESULT_NONE, CA_RESULT_REFUSED, CA_RESULT_TAKEN } ca_result; /* the keeper: heard since the owner last looked */
	struct backoff backoff;
	int64_t started_ms;    /* monotonic */
	int64_t due_ms;        /* when to start it again; 0: not due */
	int64_t kill_ms;       /* when to kill it; 0: not told to stop */
	uint32_t restarts;
	pid_t joined;          /* a front: the courier that it has a channel to; 0: none */
	int64_t joined_ms;     /* since when, monotonic */
	int64_t log_until_ms;  /* until when another log level than the configured one holds; 0: it does not */
	/* admin: it wants another log level. */
	void (*on_log)(void *ctx, const struct control_log *want);
	void *on_log_ctx;
};

const char *proc_name(enum control_role role); /* "keeper", "front", "admin", "courier" */
int64_t proc_now_ms(void);

/* Start it; keeper (NULL when p is the keeper) is told of its new peer.  UNAVAILABLE: not started. */
struct err proc_start(struct proc *p, const struct start *s, struct proc *keeper);
/* Its control channel, for proc_start(): fd is the channel's if that is OK. */
struct err proc_control(struct proc *p, int fd);
/* Hear and send what there is.  A child that breaks the table is killed. */
void proc_serve(struct proc *p, const struct log *log);
/* Ask it to end; it has STOP_MS.  Nothing if it does not run. */
void proc_stop(struct proc *p);
void proc_kill(struct proc *p);
/* Its exit status arrived: forget the process, log how it ended. */
void proc_ended(struct proc *p, int status, const struct log *log);
/* Its metrics page, writable; NULL: it cannot be mapped. */
struct metrics *proc_page(struct proc *p);
void proc_free(struct proc *p);

#endif
