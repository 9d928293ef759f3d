/* notify.h: the service manager's notification socket (sd_notify(3)), one datagram a message.  One thread. */
#ifndef SIGNET_DAEMON_NOTIFY_H
#define SIGNET_DAEMON_NOTIFY_H

/* Connect to $NOTIFY_SOCKET, so that nothing has to be opened later; -1 when there is none. */
int notify_open(void);
/* "READY=1", "STOPPING=1"; nothing when fd is -1.  That nobody listens is no error of ours. */
void notify_send(int fd, const char *text);

#endif
