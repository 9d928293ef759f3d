#include "daemon/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "daemon/fds.h"
#include "daemon/spawn.h"

#define FRAMES_MAX 16 /* of one child before the others are looked at */
#define REJOIN_MS 500 /* ours: half of what a front waits (ra/front.c) */

static const struct { const char *name, *program; } roles[] = {
	[CONTROL_MONITOR] = { "monitor", "signetd" },
	[CONTROL_KEEPER] = { "keeper", "signet-keeper" },
	[CONTROL_FRONT] = { "front", "signet-front" },
	[CONTROL_ADMIN] = { "admin", "signet-admin" },
	[CONTROL_COURIER] = { "courier", "signet-courier" },
};

const char *proc_name(enum control_role role)
{
	return roles[role].name;
}

int64_t proc_now_ms(void)
{
	return clock_mono_us() / 1000;
}

/* ---- starting ---- */

/* The key in a pipe: gone from memory once it has been read. */
static struct err kek_pipe(const struct start *s, int *out)
{
	int ends[2];
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC) != 0) FAIL_BY(ERR_UNAVAILABLE, "monitor: no pipe", errno);
	n = write(ends[1], s->kek, KEK_LEN);
	close(ends[1]);
	*out = ends[0];
	if (n == KEK_LEN) return OK;
	close(ends[0]);
	FAIL(ERR_UNAVAILABLE, "monitor: cannot pass the key");
}

struct fd_map { /* under construction */
	struct spawn_fd fds[CHILD_FD_END];
	size_t count;
};

static void map_put(struct fd_map *m, int to, int from)
{
	m->fds[m->count++] = (struct spawn_fd){ .from = from, .to = to };
}

static void map_role(struct fd_map *m, enum control_role role, const struct start *s, int peer)
{
	switch (role) {
	case CONTROL_KEEPER:
		map_put(m, KEEPER_FD_KEK, peer);
		map_put(m, KEEPER_FD_DATA, s->data_dir);
		map_put(m, KEEPER_FD_CA, s->ca);
		map_put(m, KEEPER_FD_CRL, s->crl);
		break;
	case CONTROL_FRONT:
		map_put(m, FRONT_FD_KEEPER, peer);
		map_put(m, FRONT_FD_LISTEN, s->listen);
		map_put(m, FRONT_FD_TLS_CERT, s->files.tls_cert);
		map_put(m, FRONT_FD_TLS_KEY, s->files.tls_key);
		for (uint32_t i = 0; i < s->conf->issuer_count; i++) map_put(m, FRONT_FD_JWKS + (int)i, s->files.jwks[i]);
		break;
	case CONTROL_ADMIN:
		map_put(m, ADMIN_FD_KEEPER, peer);
		map_put(m, ADMIN_FD_SOCKET, s->admin);
		map_put(m, ADMIN_FD_ACCESS, s->access);
		map_put(m, ADMIN_FD_METRICS, s->metrics);
		break;
	case CONTROL_COURIER:
		map_put(m, COURIER_FD_KEEPER, peer);
		break;
	case CONTROL_MONITOR:
		break; /* never started by us */
	}
}

/* The child's end of what joins it to the keeper; the other end is sent to the keeper.  For the keeper: the key. */
static struct err make_peer(const struct proc *p, const struct start *s, struct proc *keeper, int *child_end)
{
	const struct control_peer peer = { .role = (uint8_t)p->role, .number = p->number };
	AUTO(buf) struct buf b = { .max = CONTROL_PEER_LEN };
	AUTO(fd) int ours = -1, theirs = -1;
	int ends[2];

	if (p->role == CONTROL_KEEPER) return kek_pipe(s, child_end);
	if (p->role == CONTROL_COURIER && s->conf->csr_issuer_count == 0) return OK; /* it has nothing to say to the keeper */
	if (keeper == NULL || keeper->control == NULL) FAIL(ERR_UNAVAILABLE, "monitor: no keeper");
	TRY(chan_pair(ends));
	ours = ends[0];
	theirs = ends[1];
	TRY(control_peer_put(&b, &peer));
	TRY(chan_put_fd(keeper->control, CONTROL_CHANNEL, buf_view(&b), ours));
	TRY(chan_flush(keeper->control));
	*child_end = MOVE_FD(theirs);
	return OK;
}

static struct err on_ready(void *self, struct chan_msg *msg)
{
	struct proc *p = self;

	(void)msg;
	p->ready = p->news = true;
	return OK;
}

static struct err on_ca_result(void *self, struct chan_msg *msg)
{
	struct proc *p = self;

	p->ca_result = msg->payload.data[0] == 1 ? CA_RESULT_TAKEN : CA_RESULT_REFUSED;
	return OK;
}

/* A front waits before it says so: sooner it is about the channel before, or from one that would keep us and the courier busy. */
static struct err on_no_courier(void *self, struct chan_msg *msg)
{
	struct proc *p = self;

	(void)msg;
	if (p->joined == 0 || proc_now_ms() < p->joined_ms + REJOIN_MS) return OK;
	p->joined = 0;
	p->news = true;
	return OK;
}

static struct err on_log(void *self, struct chan_msg *msg)
{
	struct proc *p = self;
	struct control_log want;

	TRY(control_log_take(msg->payload, &want));
	if (p->on_log != NULL) p->on_log(p->on_log_ctx, &want);
	return OK;
}

/* What a child may say to us: once, that it is ready; the keeper also what became of a CA, admin what to log, a front that it
 * needs the courier. */
static const struct chan_rule control_rules[] = { { 0, CONTROL_READY, 0, 0, false, on_ready, 1 } };
static const struct chan_rule keeper_rules[] = {
	{ 0, CONTROL_READY, 0, 0, false, on_ready, 1 },
	{ 1, CONTROL_CA_RESULT, 1, 1, false, on_ca_result, 1 },
};
static const struct chan_rule front_rules[] = {
	{ 0, CONTROL_READY, 0, 0, false, on_ready, 1 },
	{ 1, CONTROL_NO_COURIER, 0, 0, false, on_no_courier, 1 },
};
static const struct chan_rule admin_rules[] = {
	{ 0, CONTROL_READY, 0, 0, false, on_ready, 1 },
	{ 1, CONTROL_LOG, CONTROL_LOG_LEN, CONTROL_LOG_LEN, false, on_log, 1 },
};

struct err proc_control(struct proc *p, int fd)
{
	if (p->role == CONTROL_KEEPER) return chan_new(fd, keeper_rules, ARRAY_LEN(keeper_rules), p, &p->control);
	if (p->role == CONTROL_FRONT) return chan_new(fd, front_rules, ARRAY_LEN(front_rules), p, &p->control);
	if (p->role == CONTROL_ADMIN) return chan_new(fd, admin_rules, ARRAY_LEN(admin_rules), p, &p->control);
	return chan_new(fd, control_rules, ARRAY_LEN(control_rules), p, &p->control);
}

static void drop_control(struct proc *p)
{
	chan_free(p->control);
	p->control = NULL;
}

struct err proc_start(struct proc *p, const struct start *s, struct proc *keeper)
{
	struct fd_map map = { .count = 0 };
	struct err e;
	AUTO(fd) int ours = -1, theirs = -1, peer = -1;
	int ends[2];

	p->due_ms = 0;
	if (p->metrics < 0) TRY(metrics_create(&p->metrics));
	TRY(make_peer(p, s, keeper, &peer));
	TRY(chan_pair(ends));
	ours = ends[0];
	theirs = ends[1];
	map_put(&map, FD_CONTROL, theirs);
	map_put(&map, FD_CONF, s->conf_fd);
	map_put(&map, FD_METRICS, p->metrics);
	map_role(&map, p->role, s, peer);
	TRY(proc_control(p, ours));
	ours = -1; /* the channel's now */
	p->started_ms = proc_now_ms();
	p->kill_ms = 0;
	p->joined = 0;
	p->ready = p->reload = false;
	p->news = true;
	e = spawn(&(struct spawn){ .dir = s->bin_dir, .program = roles[p->role].program, .number = p->number,
	                           .pod_environment = p->role == CONTROL_COURIER,
	                           .fds = map.fds, .fd_count = map.count },
	          &p->pid);
	if (e.code != ERR_OK) drop_control(p); /* its end of file would be taken for that of a process to be waited for */
	return e;
}

/* ---- running ---- */

void proc_kill(struct proc *p)
{
	if (p->pid > 0) (void)kill(p->pid, SIGKILL);
}

void proc_serve(struct proc *p, const struct log *log)
{
	unsigned frames;
	struct err e;

	if (p->control == NULL) return;
	e = chan_receive(p->control, FRAMES_MAX, &frames);
	if (e.code == ERR_OK) e = chan_flush(p->control);
	if (e.code == ERR_OK) return;
	drop_control(p);
	if (e.code == ERR_UNAVAILABLE) { /* it ends: let it, for a while */
		if (p->kill_ms == 0) p->kill_ms = proc_now_ms() + STOP_MS;
		return;
	}
	log_event(log, LOG_ERROR, "process broke its channel", F_STR("child", proc_name(p->role)), F_INT("number", p->number),
	          F_ERR(e));
	proc_kill(p);
}

void proc_stop(struct proc *p)
{
	if (p->pid <= 0 || p->kill_ms != 0) return;
	p->kill_ms = proc_now_ms() + STOP_MS;
	if (p->control == NULL) return;
	if (chan_put(p->control, CONTROL_STOP, BYTES_NONE).code != ERR_OK || chan_flush(p->control).code != ERR_OK) proc_kill(p);
}

void proc_ended(struct proc *p, int status, const struct log *log)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0, code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	bool expected = p->kill_ms != 0 && code == 0;
	const char *note = sig == SIGSYS ? "made a system call that its sandbox forbids, or aborted (the kernel log tells the call)"
	                   : code == SPAWN_NO_PROGRAM ? "the program is not there, or cannot be executed" : "";

	log_event(log, expected ? LOG_INFO : LOG_ERROR, "process ended", F_STR("child", proc_name(p->role)),
	          F_INT("number", p->number), F_INT("pid", p->pid), F_INT("status", code), F_INT("signal", sig),
	          F_STR("note", note));
	if (proc_page(p) != NULL) metrics_let_go(p->page); /* else it shows too much */
	drop_control(p);
	p->pid = 0;
	p->kill_ms = 0;
	p->ready = false;
	p->news = true;
}

struct metrics *proc_page(struct proc *p)
{
	if (p->page == NULL && p->metrics >= 0) (void)metrics_map(p->metrics, true, &p->page);
	return p->page;
}

void proc_free(struct proc *p)
{
	drop_control(p);
	auto_fd(&p->metrics);
	p->metrics = -1;
}
