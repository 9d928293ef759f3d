#include "daemon/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/own.h"

static struct err open_failed(void)
{
	if (errno == ENOENT) FAIL_BY(ERR_NOT_FOUND, "files: no such file", errno);
	FAIL_BY(ERR_UNAVAILABLE, "files: cannot open", errno);
}

/* O_NONBLOCK: a fifo in the file's place must not hang the daemon. */
static struct err open_regular(const char *path, struct stat *st, int *out)
{
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0) return open_failed();
	if (fstat(fd, st) != 0) FAIL_BY(ERR_UNAVAILABLE, "files: cannot look", errno);
	if (!S_ISREG(st->st_mode)) FAIL(ERR_INVALID_ARGUMENT, "files: not a regular file");
	*out = MOVE_FD(fd);
	return OK;
}

/* At most `max` bytes into `data`; *len is what there was.  INVALID_ARGUMENT if there is more. */
static struct err read_upto(int fd, uint8_t *data, size_t max, size_t *len)
{
	uint8_t more;
	ssize_t n;

	for (*len = 0; *len < max; *len += (size_t)n) {
		n = read(fd, data + *len, max - *len);
		if (n < 0) FAIL_BY(ERR_UNAVAILABLE, "files: cannot read", errno);
		if (n == 0) return OK;
	}
	n = read(fd, &more, 1);
	if (n < 0) FAIL_BY(ERR_UNAVAILABLE, "files: cannot read", errno);
	if (n > 0) FAIL(ERR_INVALID_ARGUMENT, "files: too large");
	return OK;
}

struct err files_read(const char *path, size_t max, struct buf *out)
{
	AUTO(fd) int fd = -1;
	struct stat st;
	uint8_t *at;
	size_t len;

	TRY(open_regular(path, &st, &fd));
	if (st.st_size <= 0) FAIL(ERR_INVALID_ARGUMENT, "files: empty");
	if ((uint64_t)st.st_size > max) FAIL(ERR_INVALID_ARGUMENT, "files: too large");
	TRY(buf_reserve(out, (size_t)st.st_size, &at));
	TRY(read_upto(fd, at, (size_t)st.st_size, &len));
	out->len += len;
	return OK;
}

/* ---- the key-encryption key ---- */

static bool is_credential(const char *path)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	size_t len = dir == NULL ? 0 : strlen(dir);

	return len > 1 && strncmp(path, dir, len) == 0 && path[len] == '/' && strstr(path, "/../") == NULL;
}

static struct err check_kek_file(const char *path, const struct stat *st, uid_t owner)
{
	mode_t closed = is_credential(path) ? 0037 : 0077;

	if (st->st_uid != 0 && st->st_uid != owner) FAIL(ERR_PERMISSION_DENIED, "files: the key file belongs to somebody else");
	if ((st->st_mode & closed) != 0)
		FAIL(ERR_PERMISSION_DENIED, "files: the key file is open to group or others; chmod 0400");
	return OK;
}

struct err files_kek_read(const char *path, uid_t owner, uint8_t kek[KEK_LEN])
{
	uint8_t raw[2 * KEK_LEN + 1];
	AUTO(fd) int fd = -1;
	struct stat st;
	struct err e;
	size_t len;

	TRY(open_regular(path, &st, &fd));
	TRY(check_kek_file(path, &st, owner));
	e = read_upto(fd, raw, sizeof(raw), &len);
	if (e.code == ERR_OK && len == sizeof(raw) && raw[len - 1] == '\n') len--;
	if (e.code != ERR_OK) {
	} else if (len == KEK_LEN) {
		memcpy(kek, raw, KEK_LEN);
	} else if (len == 2 * KEK_LEN) {
		e = bytes_unhex(BYTES(raw, len), kek);
	} else {
		e = ERR(ERR_INVALID_ARGUMENT, "files: a key is 32 raw bytes or 64 hex digits");
	}
	explicit_bzero(raw, sizeof(raw));
	return e;
}

static struct err write_new(int dir, const char *name, const uint8_t kek[KEK_LEN])
{
	AUTO(fd) int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);

	if (fd < 0) FAIL_BY(ERR_UNAVAILABLE, "files: cannot make the key file", errno);
	if (fchmod(fd, 0400) != 0 || write(fd, kek, KEK_LEN) != KEK_LEN || fsync(fd) != 0)
		FAIL_BY(ERR_UNAVAILABLE, "files: cannot write the key file", errno);
	return OK;
}

struct err files_kek_make(int dir, const char *name, uint8_t kek[KEK_LEN])
{
	char temporary[64];
	struct err e;

	if (snprintf(temporary, sizeof(temporary), "%s.new", name) >= (int)sizeof(temporary))
		FAIL(ERR_INVALID_ARGUMENT, "files: name too long");
	if (getrandom(kek, KEK_LEN, 0) != KEK_LEN) FAIL_BY(ERR_UNAVAILABLE, "files: no random bytes", errno);
	(void)unlinkat(dir, temporary, 0); /* of a start that was cut short: never used for anything */
	e = write_new(dir, temporary, kek);
	if (e.code == ERR_OK && renameat2(dir, temporary, dir, name, RENAME_NOREPLACE) != 0)
		e = errno == EEXIST ? ERR(ERR_ALREADY_EXISTS, "files: there is a key file already")
		                    : ERR_BY(ERR_UNAVAILABLE, "files: cannot name the key file", errno);
	if (e.code != ERR_OK) {
		(void)unlinkat(dir, temporary, 0);
		return e;
	}
	if (fsync(dir) != 0) FAIL_BY(ERR_UNAVAILABLE, "files: cannot sync the directory", errno);
	return OK;
}

/* ---- directories ---- */

/* By descriptor: whoever may write the parent could put a link in the new directory's place, and we may be root. */
static struct err give_dir(const char *path, mode_t mode, uid_t owner, gid_t group)
{
	AUTO(fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) FAIL_BY(ERR_UNAVAILABLE, "files: cannot open the directory just made", errno);
	if (st.st_uid != geteuid()) FAIL(ERR_PERMISSION_DENIED, "files: another directory is in the place of the one just made");
	if (fchmod(fd, mode) != 0 || fchown(fd, owner, group) != 0)
		FAIL_BY(ERR_UNAVAILABLE, "files: cannot give the directory its owner", errno);
	return OK;
}

struct err files_make_dir(const char *path, mode_t mode, uid_t owner, gid_t group)
{
	if (mkdir(path, 0700) != 0)
		return errno == EEXIST ? OK : ERR_BY(ERR_UNAVAILABLE, "files: cannot make the directory", errno);
	return give_dir(path, mode, owner, group);
}

struct err files_open_dir(const char *path, uid_t owner, bool private_dir, int *out)
{
	AUTO(fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == EACCES && stat(path, &st) == 0 && st.st_uid != owner)
		FAIL(ERR_PERMISSION_DENIED, "files: the directory belongs to another user");
	if (fd < 0) return open_failed();
	if (fstat(fd, &st) != 0) FAIL_BY(ERR_UNAVAILABLE, "files: cannot look", errno);
	if (st.st_uid != owner) FAIL(ERR_PERMISSION_DENIED, "files: the directory belongs to another user");
	if (private_dir && (st.st_mode & 0077) != 0)
		FAIL(ERR_PERMISSION_DENIED, "files: the directory is open to group or others; chmod 0700");
	*out = MOVE_FD(fd);
	return OK;
}
