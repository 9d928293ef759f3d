/* monitor_inside.h: what the files of the monitor share; nobody else includes it.  One thread. */
#ifndef SIGNET_DAEMON_MONITOR_INSIDE_H
#define SIGNET_DAEMON_MONITOR_INSIDE_H

#include "daemon/monitor.h"
#include "daemon/proc.h"
#include "daemon/watch.h"

#define FRONTS_MAX 64 /* conf listen.fronts */
#define KEEPER 0
#define ADMIN 1
#define FRONTS 2
#define PROCS_MAX (FRONTS + FRONTS_MAX + 1)

struct monitor {
	struct start *s;
	struct log own_log;      /* as start's, and its level may change */
	const struct log *log;   /* that one */
	struct metrics *metrics; /* our own page */
	int metrics_fd, signals;
	struct proc procs[PROCS_MAX];
	size_t count, fronts_end; /* the fronts are FRONTS .. fronts_end - 1; behind them the courier, if there is one */
	bool up;       /* all were ready once */
	bool stopping;
	bool reloading;
	struct ca_watch ca;
	struct { uint64_t mark; int64_t look_ms; bool changed; } roots; /* of other issuers; mark 0: none to look at */
	struct start_files previous; /* while reloading: what to go back to */
	int status;    /* exit status of the daemon */
	int64_t log_until_ms; /* of our own log, as struct proc's */
};

/* Of two times to wait, where -1 is for ever. */
static inline int sooner(int a, int b) { return a < 0 ? b : b < 0 || a < b ? a : b; }

/* monitor_courier.c */
/* Every front that is ready has a channel to the courier that is. */
void courier_join(struct monitor *m);
/* The files with other issuers' roots: once to the keeper when it is ready, then when they change.  The keeper judges them. */
void roots_first(struct monitor *m);
void roots_reload(struct monitor *m);
/* Milliseconds until the next look; -1: there is nothing to look at. */
int roots_watch(struct monitor *m);

/* monitor_log.c: log levels at run time, by a word in the page of each process. */
void log_level_ask(void *monitor, const struct control_log *want);
/* Take back what is over; milliseconds until the next is, -1: none. */
int log_level_due(struct monitor *m);

#endif
