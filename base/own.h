/* own.h: ownership in the declaration.
 *
 *   AUTO(csr) struct csr *csr = NULL;      released on every way out by auto_csr(struct csr **)
 *   *out = MOVE(csr);                      handed over: the local is NULL afterwards
 *
 * A folder that owns a kind defines `static inline void auto_KIND(TYPE *p)` beside its free function. */
#ifndef SIGNET_BASE_OWN_H
#define SIGNET_BASE_OWN_H

#include <stdlib.h>
#include <unistd.h>

#define AUTO(kind) __attribute__((cleanup(auto_##kind)))
#define MOVE(p)                                                                                                        \
	({                                                                                                             \
		__typeof__(p) moved_ = (p);                                                                            \
		(p) = NULL;                                                                                            \
		moved_;                                                                                                \
	})
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* AUTO(heap) TYPE *p: free(). */
static inline void auto_heap(void *p)
{
	free(*(void **)p);
}

/* AUTO(fd) int fd = -1: close() if not negative; hand over with MOVE_FD. */
static inline void auto_fd(int *fd)
{
	if (*fd >= 0) close(*fd);
}
#define MOVE_FD(fd)                                                                                                    \
	({                                                                                                             \
		int moved_ = (fd);                                                                                     \
		(fd) = -1;                                                                                             \
		moved_;                                                                                                \
	})

#endif
