/* world.h: the keeper as a whole, in a thread, spoken to over socket pairs as the monitor, fronts and admin do. */
#ifndef SIGNET_TESTS_CA_WORLD_H
#define SIGNET_TESTS_CA_WORLD_H

#include "ca/support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <sys/wait.h>

#include <openssl/pem.h>

#include "base/control.h"
#include "ca/keeper.h"
#include "ca/wire_admin.h"
#include "csr/cert.h"

#pragma GCC diagnostic ignored "-Wunused-function" /* not every test asks everything */

#define WAIT_US 5000000 /* the longest that a test waits for an answer */

struct answer { /* the newest message of each kind that a peer was sent */
	unsigned ready, roots, serving, token, issued, chain, refused, admin, list;
	uint64_t id, index;
	uint16_t reason;
	uint32_t seq;
	uint8_t state, code;
	uint8_t cert[STORE_CERT_MAX], body[65536];
	size_t cert_len, body_len;
	char text[512];
};

struct side { /* our end of a channel */
	struct chan *chan;
	struct answer got;
};

struct world {
	char dir[64];
	struct conf *conf;
	struct hsm_kek kek;
	struct log log;
	struct metrics *metrics;
	struct keeper_options options;
	struct side control, front, admin;
	pthread_t thread;
	struct err result;
	bool running;
	atomic_uint held; /* 1: the hook stops the commit thread before its answers, until 0 */
	atomic_uint stopped;
	const char *_Atomic hold_at;
	const char *die_at; /* in a child process: it kills itself there, the fourth time (or die_nth) */
	unsigned die_nth;
	atomic_uint passed;
	struct key key, other;
};

/* ---- our ends ---- */

static struct err got_ca_result(void *self, struct chan_msg *m) { (void)self; (void)m; return OK; }
static struct err got_ready(void *self, struct chan_msg *m) { (void)m; ((struct side *)self)->got.ready++; return OK; }

static struct err got_roots(void *self, struct chan_msg *m)
{
	struct answer *a = &((struct side *)self)->got;
	struct wire_roots roots;
	struct bytes content;

	TRY(chan_memfd_map(m->fd, WIRE_ROOTS_MAX, &content));
	MUST(wire_roots_take(content, &roots));
	a->seq = roots.seq;
	a->body_len = roots.roots_pem.len;
	memcpy(a->body, roots.roots_pem.data, a->body_len);
	(void)munmap((void *)(uintptr_t)content.data, content.len);
	a->roots++;
	return OK;
}

static struct err got_serving(void *self, struct chan_msg *m)
{
	struct answer *a = &((struct side *)self)->got;
	struct wire_serving s;

	MUST(wire_serving_take(m->payload, &s));
	memcpy(a->cert, s.cert.data, a->cert_len = s.cert.len);
	a->serving++;
	return OK;
}

static struct err got_token(void *self, struct chan_msg *m)
{
	struct answer *a = &((struct side *)self)->got;
	struct wire_token_state s;

	MUST(wire_token_take(m->payload, &s));
	a->state = s.state;
	a->id = s.id;
	(void)snprintf(a->text, sizeof(a->text), "%.*s", (int)s.spiffe_id.len, (const char *)s.spiffe_id.data);
	a->token++;
	return OK;
}

static struct err got_issued(void *self, struct chan_msg *m)
{
	struct answer *a = &((struct side *)self)->got;
	struct wire_issued s;

	MUST(wire_issued_take(m->payload, &s));
	a->id = s.id;
	a->index = s.index;
	memcpy(a->cert, s.cert.data, a->cert_len = s.cert.len);
	a->issued++;
	return OK;
}

static struct err got_chain(void *self, struct chan_msg *m)
{
	struct answer *a = &((struct side *)self)->got;
	struct wire_issued_chain s;

	MUST(wire_issued_chain_take(m->payload, &s));
	a->id = s.id;
	a->index = s.index;
	memcpy(a->cert, s.cert.data, a->cert_len = s.cert.len);
	if (s.chain_pem.len > 0) memcpy(a->body, s.chain_pem.data, s.chain_pem.len);
	a->body_len = s.chain_pem.len;
	a->chain++;
	return OK;
}

static struct err got_refused(void *self, struct chan_msg *m)
{
	struct answer *a = &((struct side *)self)->got;
	struct wire_refused s;

	MUST(wire_refused_take(m->payload, &s));
	a->id = s.id;
	a->reason = s.reason;
	a->refused++;
	return OK;
}

static struct err got_answer(void *self, struct chan_msg *m)
{
	struct answer *a = &((struct side *)self)->got;
	struct wire_answer s;

	MUST(wire_answer_take(m->payload, &s));
	a->id = s.id;
	a->code = s.code;
	(void)snprintf(a->text, sizeof(a->text), "%.*s", (int)s.reason.len, (const char *)s.reason.data);
	a->body_len = s.body.len;
	if (s.body.len > 0) memcpy(a->body, s.body.data, s.body.len);
	a->admin++;
	return OK;
}

static struct err got_list(void *self, struct chan_msg *m)
{
	struct answer *a = &((struct side *)self)->got;
	struct bytes content;

	TRY(got_answer(self, m));
	TRY(chan_memfd_map(m->fd, WIRE_MEMFD_MAX, &content));
	assert_true(content.len <= sizeof(a->body));
	memcpy(a->body, content.data, a->body_len = content.len);
	(void)munmap((void *)(uintptr_t)content.data, content.len);
	a->list++;
	return OK;
}

static const struct chan_rule side_rules[] = {
	{ 0, CONTROL_READY, 0, 0, false, got_ready, 0 },
	{ 0, CONTROL_CA_RESULT, 1, 1, false, got_ca_result, 0 },
	{ 0, KEEPER_ROOTS, 0, 64, true, got_roots, 0 },
	{ 0, KEEPER_SERVING, 9, CHAN_PAYLOAD_MAX, false, got_serving, 0 },
	{ 0, KEEPER_TOKEN, 12, CHAN_PAYLOAD_MAX, false, got_token, 0 },
	{ 0, KEEPER_ISSUED, 17, CHAN_PAYLOAD_MAX, false, got_issued, 0 },
	{ 0, KEEPER_ISSUED_CHAIN, 23, CHAN_PAYLOAD_MAX, false, got_chain, 0 },
	{ 0, KEEPER_REFUSED, 10, 10, false, got_refused, 0 },
	{ 0, KEEPER_ANSWER, 11, CHAN_PAYLOAD_MAX, false, got_answer, 0 },
	{ 0, KEEPER_ANSWER_MEMFD, 11, CHAN_PAYLOAD_MAX, true, got_list, 0 },
};

static void side_open(struct side *s, int *theirs)
{
	int fds[2];

	MUST(chan_pair(fds));
	memset(&s->got, 0, sizeof(s->got));
	MUST(chan_new(fds[0], side_rules, ARRAY_LEN(side_rules), s, &s->chan));
	*theirs = fds[1];
}

/* Until *counter reaches `want`; false: it does not, or the keeper closed the channel (*closed). */
static bool wait_for(struct side *s, const unsigned *counter, unsigned want, bool *closed)
{
	int64_t end = clock_mono_us() + WAIT_US;
	unsigned frames;

	while (*counter < want && clock_mono_us() < end) {
		struct err e = chan_receive(s->chan, 64, &frames);

		if (e.code != ERR_OK) {
			if (closed != NULL) *closed = e.code == ERR_UNAVAILABLE;
			break; /* maybe after the answer */
		}
		if (frames == 0) usleep(200);
	}
	return *counter >= want;
}

static void expect(struct side *s, const unsigned *counter, unsigned want, const char *what)
{
	if (!wait_for(s, counter, want, NULL))
		fail_msg("no answer: %s (refused %u, reason %u, %s)", what, s->got.refused, s->got.reason, s->got.text);
}
#define EXPECT(side, member, want) expect(side, &(side)->got.member, want, #member)

static void expect_closed(struct side *s)
{
	unsigned never = 0;
	bool closed = false;

	assert_false(wait_for(s, &never, 1, &closed));
	assert_true(closed);
}

/* ---- the world ---- */

static void hook(const char *point, void *ctx)
{
	struct world *w = ctx;

	const char *at = atomic_load(&w->hold_at);

	if (w->die_at != NULL && strcmp(point, w->die_at) == 0 && atomic_fetch_add(&w->passed, 1) + 1 == w->die_nth) (void)raise(SIGKILL);
	if (at == NULL || strcmp(point, at) != 0) return;
	while (atomic_load(&w->held) != 0) {
		atomic_store(&w->stopped, 1);
		usleep(200);
	}
	atomic_store(&w->stopped, 0);
}

static void *run(void *arg)
{
	struct world *w = arg;

	w->result = keeper_run(&w->options);
	return NULL;
}

static void give_channel(struct world *w, struct side *s, uint8_t role, uint16_t number)
{
	uint8_t room[8];
	struct buf out = BUF_ON(room);
	int fd;

	side_open(s, &fd);
	MUST(control_peer_put(&out, &(struct control_peer){ .role = role, .number = number }));
	MUST(chan_put_fd(w->control.chan, CONTROL_CHANNEL, buf_view(&out), fd));
	MUST(chan_flush(w->control.chan));
	close(fd);
}

static void hello(struct side *s, uint16_t type, uint16_t version, uint16_t number)
{
	AUTO(buf) struct buf out = { .max = 64 };

	MUST(wire_hello_put(&out, &(struct wire_hello){ version, number }));
	MUST(chan_put(s->chan, type, buf_view(&out)));
	MUST(chan_flush(s->chan));
}

static void greet(struct world *w)
{
	EXPECT(&w->control, ready, 1);
	give_channel(w, &w->front, CONTROL_FRONT, 0);
	hello(&w->front, FRONT_HELLO, WIRE_VERSION, 0);
	EXPECT(&w->front, roots, 1);
	give_channel(w, &w->admin, CONTROL_ADMIN, 0);
	hello(&w->admin, ADMIN_HELLO, WIRE_VERSION, 0);
}

static void prepare(struct world *w)
{
	int control, metrics;

	memset(w->kek.bytes, 7, sizeof(w->kek.bytes));
	w->log = (struct log){ .level = LOG_ERROR, .process = "keeper" };
	if (w->metrics == NULL) {
		MUST(metrics_create(&metrics));
		MUST(metrics_map(metrics, true, &w->metrics));
		close(metrics);
	}
	side_open(&w->control, &control);
	w->options = (struct keeper_options){ .conf = w->conf, .kek = &w->kek, .control_fd = control, .data_dir = w->dir,
					      .metrics = w->metrics, .log = &w->log, .at_point = hook, .at_point_ctx = w };
}

static void start(struct world *w)
{
	prepare(w);
	assert_int_equal(pthread_create(&w->thread, NULL, run, w), 0);
	w->running = true;
	greet(w);
	for (size_t i = 0; i < sizeof(w->kek.bytes); i++) assert_int_equal(w->kek.bytes[i], 0);
}

static void stop(struct world *w)
{
	if (!w->running) return;
	(void)chan_put(w->control.chan, CONTROL_STOP, BYTES_NONE);
	(void)chan_flush(w->control.chan);
	pthread_join(w->thread, NULL);
	w->running = false;
	chan_free(w->control.chan);
	chan_free(w->front.chan);
	chan_free(w->admin.chan);
	if (w->result.code != ERR_OK) fail_msg("keeper: %s", w->result.reason);
}

#define CONF "trust_domain: " TRUST_DOMAIN "\n"
static void world_open(struct world *w, const char *yaml)
{
	memset(w, 0, sizeof(*w));
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/signet-keeper-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->conf = conf_of(yaml);
	w->die_nth = 4;
	w->key = key_make("p256");
	w->other = key_make("p256");
	start(w);
}

static void world_close(struct world *w)
{
	char command[128];

	stop(w);
	conf_free(w->conf);
	hsm_key_free(w->key.key);
	hsm_key_free(w->other.key);
	(void)munmap(w->metrics, sizeof(*w->metrics));
	(void)snprintf(command, sizeof(command), "rm -rf %s", w->dir);
	assert_int_equal(system(command), 0);
}

/* ---- asking ---- */

static struct wire_issue request(struct world *w, uint64_t id)
{
	return (struct wire_issue){ .id = id,
				    .flags = WIRE_ISSUE_LAST,
				    .evidence = STORE_BY_JWT,
				    .lifetime = 3600,
				    .spiffe_id = TEXT(WORKLOAD),
				    .caller = TEXT("caller"),
				    .rule = TEXT("rule"),
				    .issuer = TEXT("default"),
				    .spki = w->key.info.spki };
}

static void put_issue(struct side *s, const struct wire_issue *m)
{
	AUTO(buf) struct buf out = { .max = 65536 };

	MUST(wire_issue_put(&out, m));
	MUST(chan_put(s->chan, FRONT_ISSUE, buf_view(&out)));
}

static void ask(struct side *s, const struct wire_issue *m)
{
	put_issue(s, m);
	MUST(chan_flush(s->chan));
}

static void issue_refused(struct world *w, const struct wire_issue *m, enum keeper_reason reason)
{
	unsigned before = w->front.got.refused;

	ask(&w->front, m);
	EXPECT(&w->front, refused, before + 1);
	assert_int_equal(w->front.got.reason, reason);
	assert_int_equal(w->front.got.id, m->id);
}

static void issue_ok(struct world *w, const struct wire_issue *m)
{
	unsigned before = w->front.got.issued;

	ask(&w->front, m);
	EXPECT(&w->front, issued, before + 1);
	assert_int_equal(w->front.got.id, m->id);
}

static void admin_put(struct world *w, uint16_t type, const struct buf *m)
{
	MUST(chan_put(w->admin.chan, type, buf_view(m)));
	MUST(chan_flush(w->admin.chan));
}

static uint8_t admin_ask(struct world *w, uint16_t type, const struct buf *m)
{
	unsigned before = w->admin.got.admin;

	admin_put(w, type, m);
	EXPECT(&w->admin, admin, before + 1);
	return w->admin.got.code;
}

static void ban_message(struct buf *out, enum store_ban_kind kind, struct bytes subject)
{
	MUST(wire_ban_put(out, &(struct wire_ban){ .id = 1, .kind = (uint8_t)kind, .subject = subject, .by = TEXT("uid:0") }));
}

static uint8_t ban(struct world *w, enum store_ban_kind kind, struct bytes subject)
{
	AUTO(buf) struct buf m = { .max = 8192 };

	ban_message(&m, kind, subject);
	return admin_ask(w, ADMIN_BAN_ADD, &m);
}

static uint8_t unban(struct world *w, enum store_ban_kind kind, struct bytes subject)
{
	AUTO(buf) struct buf m = { .max = 8192 };

	MUST(wire_subject_put(&m, &(struct wire_subject){ .id = 2, .kind = (uint8_t)kind, .subject = subject,
							.by = TEXT("uid:0") }));
	return admin_ask(w, ADMIN_BAN_REMOVE, &m);
}

static uint8_t token_create(struct world *w, const char *id, int64_t lifetime, uint8_t hash[32], char token_id[33])
{
	AUTO(buf) struct buf m = { .max = 8192 };
	struct wire_token_created made;
	uint8_t code;

	MUST(wire_token_create_put(&m, &(struct wire_token_create){ 3, bytes_str(id), TEXT("uid:0"), lifetime }));
	code = admin_ask(w, ADMIN_TOKEN_CREATE, &m);
	if (code != ERR_OK) return code;
	MUST(wire_token_created_take(BYTES(w->admin.got.body, w->admin.got.body_len), &made));
	assert_true(made.token.len == 48 && memcmp(made.token.data, "sgt1_", 5) == 0);
	MUST(key_sha256(made.token, hash)); /* SHA-256 of the whole text */
	(void)snprintf(token_id, 33, "%.*s", (int)made.token_id.len, (const char *)made.token_id.data);
	return code;
}

static uint64_t records(struct world *w)
{
	AUTO(buf) struct buf m = { .max = 64 };
	struct wire_status status;

	MUST(wire_get_put(&m, &(struct wire_get){ 9, 0 }));
	assert_int_equal(admin_ask(w, ADMIN_STATUS, &m), ERR_OK);
	MUST(wire_status_take(BYTES(w->admin.got.body, w->admin.got.body_len), &status));
	return status.store.records_end;
}

static void record_of(struct world *w, uint64_t index, struct store_record *r)
{
	AUTO(buf) struct buf m = { .max = 64 };
	struct bytes in;

	MUST(wire_get_put(&m, &(struct wire_get){ 9, index }));
	assert_int_equal(admin_ask(w, ADMIN_CERT_GET, &m), ERR_OK);
	in = BYTES(w->admin.got.body, w->admin.got.body_len);
	MUST(wire_record_take(&in, r));
	assert_int_equal(in.len, 0);
}

static uint8_t token_state(struct world *w, const uint8_t hash[32])
{
	AUTO(buf) struct buf m = { .max = 64 };
	struct wire_token_ask a = { .id = 5 };
	unsigned before = w->front.got.token;

	memcpy(a.hash, hash, 32);
	MUST(wire_token_ask_put(&m, &a));
	MUST(chan_put(w->front.chan, FRONT_TOKEN, buf_view(&m)));
	MUST(chan_flush(w->front.chan));
	EXPECT(&w->front, token, before + 1);
	return w->front.got.state;
}

static pid_t start_process(struct world *w, const char *die_at)
{
	pid_t pid;

	prepare(w);
	w->die_at = die_at;
	atomic_store(&w->passed, 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(chan_fd(w->control.chan)); /* ours alone: so that its end is seen */
		_exit(keeper_run(&w->options).code == ERR_OK ? 0 : 1);
	}
	w->die_at = NULL;
	close(w->options.control_fd);
	greet(w);
	return pid;
}

#endif
