#include "daemon/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/own.h"

int notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t len = path == NULL ? 0 : strlen(path);
	AUTO(fd) int fd = -1;

	if (len < 2 || len >= sizeof(sun.sun_path) || (path[0] != '/' && path[0] != '@')) return -1;
	memcpy(sun.sun_path, path, len);
	if (path[0] == '@') sun.sun_path[0] = '\0'; /* abstract */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&sun, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) != 0)
		return -1;
	return MOVE_FD(fd);
}

void notify_send(int fd, const char *text)
{
	if (fd >= 0) (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}
