#include "daemon/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct err take_number(int argc, char **argv, uint16_t *out)
{
	char *end;
	unsigned long n;

	if (argc != 2) FAIL(ERR_FAILED_PRECONDITION, "child: this program is started by signetd only");
	n = strtoul(argv[1], &end, 10);
	if (*end != '\0' || end == argv[1] || n > UINT16_MAX) FAIL(ERR_FAILED_PRECONDITION, "child: not a number");
	*out = (uint16_t)n;
	return OK;
}

static struct err check_control(void)
{
	int type = 0;
	socklen_t len = sizeof(type);

	if (getsockopt(FD_CONTROL, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_SEQPACKET)
		FAIL(ERR_FAILED_PRECONDITION, "child: this program is started by signetd only");
	return OK;
}

struct err child_start(struct child *c, const char *process, int argc, char **argv)
{
	*c = (struct child){ .log = { .level = LOG_INFO, .process = process } };
	TRY(take_number(argc, argv, &c->number));
	TRY(check_control());
	TRY(conf_map(FD_CONF, &c->conf));
	(void)close(FD_CONF);
	c->log.json = c->conf->log.format == CONF_LOG_JSON;
	c->log.level = (enum log_level)c->conf->log.level;
	TRY(metrics_map(FD_METRICS, true, &c->metrics));
	(void)close(FD_METRICS);
	c->log.shared = &c->metrics->log;
	return OK;
}

int child_fd(int fd)
{
	return fcntl(fd, F_GETFD) < 0 ? -1 : fd;
}

int child_end(const struct child *c, struct err e)
{
	if (e.code == ERR_OK) return EXIT_CLEAN;
	log_event(&c->log, LOG_ERROR, "process failed", F_ERR(e));
	return EXIT_RUN;
}
