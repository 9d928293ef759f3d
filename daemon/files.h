/* files.h: files and directories that the monitor reads or makes for its children.  One thread. */
#ifndef SIGNET_DAEMON_FILES_H
#define SIGNET_DAEMON_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"

#define KEK_NAME "key-encryption-key"
#define KEK_LEN 32 /* bytes; AES-256 (hsm/hsm.h) */

/* A regular file of 1..max bytes, appended to out.  NOT_FOUND; INVALID_ARGUMENT: no regular file, or its size;
 * UNAVAILABLE: cause is errno. */
struct err files_read(const char *path, size_t max, struct buf *out);

/* The key-encryption key: 32 raw bytes, or 64 hex digits (and at most one LF).  The file must be regular, belong to root or
 * to `owner`, and be closed to group and others (PERMISSION_DENIED); a systemd credential (below $CREDENTIALS_DIRECTORY)
 * may be open to its group, because systemd gives access by ACL, which shows there.  A symbolic link is followed: what it
 * leads to is checked.  NOT_FOUND; INVALID_ARGUMENT: not a key.  The caller wipes. */
struct err files_kek_read(const char *path, uid_t owner, uint8_t kek[KEK_LEN]);
/* Make dir/name with 32 random bytes, mode 0400: a temporary file (O_EXCL), synced, then renamed; never over something that
 * is there (ALREADY_EXISTS). */
struct err files_kek_make(int dir, const char *name, uint8_t kek[KEK_LEN]);

/* Make a directory with this mode, of this owner, unless something is there; parents must exist. */
struct err files_make_dir(const char *path, mode_t mode, uid_t owner, gid_t group);
/* Open a directory that `owner` owns; PERMISSION_DENIED if it is another's, or (private_dir) open to group or others. */
struct err files_open_dir(const char *path, uid_t owner, bool private_dir, int *fd);

#endif
