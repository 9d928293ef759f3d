#include "net/pages.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static bool ours(const struct pages *p, const void *ptr)
{
	uintptr_t at = (uintptr_t)ptr, base = (uintptr_t)p->base;

	return p->base != NULL && at >= base && at - base < p->count * PAGES_CHUNK;
}

static void *take(struct pages *p)
{
	void *chunk = p->spare;

	if (chunk != NULL) {
		memcpy(&p->spare, chunk, sizeof(p->spare));
		return chunk;
	}
	return p->used == p->count ? NULL : p->base + p->used++ * PAGES_CHUNK;
}

void pages_clean(void *chunk)
{
	if (chunk != NULL) (void)madvise(chunk, PAGES_CHUNK, MADV_DONTNEED);
}

static void give_back(struct pages *p, void *chunk)
{
	pages_clean(chunk);
	memcpy(chunk, &p->spare, sizeof(p->spare));
	p->spare = chunk;
}

static void *do_malloc(size_t size, void *user)
{
	void *chunk = size >= PAGES_LEAST && size <= PAGES_CHUNK ? take(user) : NULL;

	if (chunk == NULL) return malloc(size);
	((struct pages *)user)->last = chunk;
	return chunk;
}

static void do_free(void *ptr, void *user)
{
	if (ours(user, ptr)) give_back(user, ptr);
	else free(ptr);
}

static void *do_calloc(size_t n, size_t size, void *user)
{
	(void)user;
	return calloc(n, size);
}

static void *do_realloc(void *ptr, size_t size, void *user)
{
	void *grown;

	if (ptr == NULL) return do_malloc(size, user);
	if (!ours(user, ptr)) return realloc(ptr, size);
	if (size <= PAGES_CHUNK) return ptr;
	grown = malloc(size);
	if (grown == NULL) return NULL;
	memcpy(grown, ptr, PAGES_CHUNK);
	give_back(user, ptr);
	return grown;
}

void pages_init(struct pages *p, size_t count)
{
	void *base = MAP_FAILED;

	if (count > 0 && count < SIZE_MAX / PAGES_CHUNK)
		base = mmap(NULL, count * PAGES_CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	*p = (struct pages){ .mem = { p, do_malloc, do_free, do_calloc, do_realloc } };
	if (base == MAP_FAILED) return;
	(void)madvise(base, count * PAGES_CHUNK, MADV_NOHUGEPAGE);
	p->base = base;
	p->count = count;
}

void pages_free(struct pages *p)
{
	if (p->base != NULL) (void)munmap(p->base, p->count * PAGES_CHUNK);
	p->base = NULL;
}
