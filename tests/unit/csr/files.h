/* files.h: one file of tests/data as bytes; the tests run in the root of the tree. */
#ifndef TESTS_UNIT_CSR_FILES_H
#define TESTS_UNIT_CSR_FILES_H

#include <stdio.h>

#include "base/bytes.h"

/* The file's content, or a failed test.  Freed with buf_free(). */
static inline struct buf file_read(const char *folder, const char *name)
{
	struct buf out = { .max = 1 << 20 };
	char path[256];
	uint8_t *at;
	FILE *f;

	(void)snprintf(path, sizeof(path), "tests/data/%s/%s", folder, name);
	f = fopen(path, "rb");
	if (f == NULL) fail_msg("%s cannot be opened", path);
	if (buf_reserve(&out, 64 * 1024, &at).code != ERR_OK) fail_msg("out of memory");
	out.len = fread(at, 1, 64 * 1024, f);
	(void)fclose(f);
	return out;
}

#endif
