/* files.h: files of the command line: read whole and bounded, written whole or not at all. */
#ifndef SIGNET_CLI_FILES_H
#define SIGNET_CLI_FILES_H

#include <sys/types.h>

#include "base/bytes.h"

#define FILES_STDIN "-"

/* Appended to *out, at most `max` bytes; "-" is standard input.  NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (directory,
 * larger than max), UNAVAILABLE; cause is errno. */
struct err cli_files_read(const char *path, size_t max, struct buf *out);
/* Through a temporary file beside it, synced, then renamed over what is there (`replace`) or linked only if nothing is
 * (ALREADY_EXISTS).  The mode is exact, whatever the umask. */
struct err cli_files_write(const char *path, mode_t mode, struct bytes data, bool replace);
/* out: `path` made absolute by the working directory, without "./" in front; false if it does not fit. */
bool cli_files_absolute(const char *path, char *out, size_t size);

#endif
