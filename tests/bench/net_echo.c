/* net_echo: an echo server on net/, to be measured or poked at by hand.
 *   net_echo PORT DIR [plain]   writes DIR/ca.pem, DIR/client.pem, DIR/client.key; methods /t.Echo/Unary and /t.Echo/Stream
 * On SIGTERM it drains; at its end, and on SIGUSR1, it prints calls, CPU microseconds per call and PSS. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/own.h"
#include "net/server.h"
#include "net_pki.h"

struct echo { struct loop *loop; struct server *server; uint64_t calls; int64_t cpu_mark; int signals; struct timer *poll; };
static volatile sig_atomic_t asked, stopping; /* set by the signal handler */

static void on_signal(int sig)
{
	if (sig == SIGUSR1) asked = 1;
	else stopping = 1;
}

static int64_t cpu_us(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void report(struct echo *e)
{
	char line[256];
	long pss = 0;
	FILE *f = fopen("/proc/self/smaps_rollup", "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) (void)sscanf(line, "Pss: %ld", &pss);
	if (f != NULL) (void)fclose(f);
	(void)printf("calls %llu cpu_us_per_call %.2f pss_kib %ld\n", (unsigned long long)e->calls,
	             e->calls == 0 ? 0.0 : (double)(cpu_us() - e->cpu_mark) / (double)e->calls, pss);
	(void)fflush(stdout);
	e->calls = 0;
	e->cpu_mark = cpu_us();
}

static void unary(void *ctx, struct call *call, struct bytes message)
{
	struct echo *e = ctx;

	e->calls++;
	if (bytes_is(message, "fail")) call_finish(call, ERR_PERMISSION_DENIED, "no: 100 % \xc3\xa4");
	else if (bytes_is(message, "hang")) return;
	else if (call_reply(call, message).code != ERR_OK) call_finish(call, ERR_RESOURCE_EXHAUSTED, "too much");
}

static void stream(void *ctx, struct call *call, struct bytes message)
{
	struct echo *e = ctx;

	e->calls++;
	if (call_send(call, message).code != ERR_OK) call_finish(call, ERR_RESOURCE_EXHAUSTED, "too much");
}

static void stream_end(void *ctx, struct call *call)
{
	(void)ctx;
	call_finish(call, ERR_OK, NULL);
}

static void flush(void *ctx)
{
	struct echo *e = ctx;

	server_flush(e->server);
}

static void poll_signals(void *ctx)
{
	struct echo *e = ctx;

	if (asked) report(e);
	asked = 0;
	if (stopping && e->signals++ == 0) server_drain(e->server);
	if (e->signals > 0 && (server_calls(e->server) == 0 && e->signals++ > 20)) loop_stop(e->loop);
	(void)timer_start(e->poll, 100);
}

static void save(const char *dir, const char *name, struct bytes data)
{
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wb");
	pki_must(f != NULL && fwrite(data.data, 1, data.len, f) == data.len && fclose(f) == 0, path);
}

static struct tls *make_tls(const char *dir)
{
	struct pki_ca ca = pki_ca_new("bench");
	struct pki_leaf server = pki_leaf_new(&ca, "DNS:localhost,IP:127.0.0.1", "serverAuth", 10);
	struct pki_leaf client = pki_leaf_new(&ca, "URI:spiffe://test/x", "clientAuth", 10);
	struct tls_options o = { .chain_pem = server.chain_pem, .key_pkcs8 = server.key_der, .client_ca_pem = ca.pem, .min_version = 12 };
	struct tls *tls = NULL;

	save(dir, "ca.pem", ca.pem);
	save(dir, "client.pem", client.chain_pem);
	save(dir, "client.key", client.key_pem);
	pki_must(tls_new(&o, &tls).code == ERR_OK, "tls_new");
	pki_ca_free(&ca);
	pki_leaf_free(&server);
	pki_leaf_free(&client);
	return tls;
}

static int listen_on(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	pki_must(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 4096) == 0, "listen");
	return fd;
}

int main(int argc, char **argv)
{
	static struct metrics metrics;
	static const struct server_header headers[] = { { "authorization", "" }, { NULL, NULL } };
	struct echo e = { 0 };
	const struct grpc_method methods[] = {
		{ .path = "/t.Echo/Unary", .ctx = &e, .message = unary },
		{ .path = "/t.Echo/Stream", .ctx = &e, .streaming = true, .message = stream, .end = stream_end },
	};
	struct server_options o = { .metrics = &metrics, .methods = methods, .method_count = 2, .ctx = &e, .headers = headers,
		                    .max_connections = 20000, .max_streams = 100, .handshake_ms = 10000 };
	struct tls *tls = NULL;

	if (argc < 3) return 2;
	pki_must(loop_new(&e.loop).code == ERR_OK && timer_new(e.loop, poll_signals, &e, &e.poll).code == ERR_OK, "loop");
	o.loop = e.loop;
	o.listen_fd = listen_on(atoi(argv[1]));
	tls = make_tls(argv[2]);
	pki_must(server_new(&o, &e.server).code == ERR_OK, "server");
	if (argc < 4) server_set_tls(e.server, tls);
	tls_unref(tls);
	(void)signal(SIGUSR1, on_signal);
	(void)signal(SIGTERM, on_signal);
	loop_on_flush(e.loop, flush, &e);
	pki_must(server_start(e.server).code == ERR_OK && timer_start(e.poll, 100).code == ERR_OK, "start");
	pki_must(loop_run(e.loop).code == ERR_OK, "run");
	report(&e);
	server_free(e.server);
	timer_free(e.poll);
	loop_free(e.loop);
	(void)close(o.listen_fd);
	return 0;
}
