/* pages.h: the allocator that nghttp2 gets.  A session takes one buffer of 16 KiB for the frame it builds and keeps it for
 * life, but our frames mostly fill a part of its first page.  So such buffers come from page-aligned memory, where what
 * was never written costs nothing; everything else is malloc().  One thread. */
#ifndef SIGNET_NET_PAGES_H
#define SIGNET_NET_PAGES_H

#include <nghttp2/nghttp2.h>

#include "base/bytes.h"

#define PAGES_CHUNK (20 * 1024)  /* bytes, whole pages; takes PAGES_LEAST and more */
#define PAGES_LEAST (16 * 1024)  /* NGHTTP2_FRAMEBUF_CHUNKLEN is 16 394 */

struct pages {
	uint8_t *base;         /* NULL: no such memory could be had, all is malloc() */
	size_t count, used;    /* chunks: of all, of those ever handed out */
	void *spare;           /* chain of chunks given back */
	void *last;            /* the chunk handed out last, or NULL: set it to NULL, make a session, and this is its buffer */
	nghttp2_mem mem;       /* for nghttp2_session_server_new3(); points to this struct, which must not move */
};

/* Room (address space, not memory) for `count` buffers; those beyond come from malloc(). */
void pages_init(struct pages *p, size_t count);
void pages_free(struct pages *p);
/* Give the memory under a chunk back, its content with it; the chunk stays its owner's.  NULL is allowed. */
void pages_clean(void *chunk);

#endif
