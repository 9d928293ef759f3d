#include "cli/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/own.h"

/* errno as one of our codes; the reason stays a literal. */
static struct err failed(int error)
{
	if (error == ENOENT || error == ENOTDIR) FAIL_BY(ERR_NOT_FOUND, "files: not there", error);
	if (error == EACCES || error == EPERM || error == EROFS) FAIL_BY(ERR_PERMISSION_DENIED, "files: not allowed", error);
	if (error == EEXIST) FAIL_BY(ERR_ALREADY_EXISTS, "files: there already", error);
	FAIL_BY(ERR_UNAVAILABLE, "files: cannot be read or written", error);
}

static struct err read_all(int fd, size_t max, struct buf *out)
{
	uint8_t *at;
	size_t start = out->len;

	for (;;) {
		size_t want = max + 1 - (out->len - start);

		if (want > 64 * 1024) want = 64 * 1024;
		TRY(buf_reserve(out, want, &at));
		ssize_t n = read(fd, at, want);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) return failed(errno);
		if (n == 0) return OK;
		out->len += (size_t)n;
		if (out->len - start > max) FAIL_BY(ERR_INVALID_ARGUMENT, "files: too large", EFBIG);
	}
}

struct err cli_files_read(const char *path, size_t max, struct buf *out)
{
	AUTO(fd) int fd = -1;
	struct stat st;

	if (strcmp(path, FILES_STDIN) == 0) return read_all(STDIN_FILENO, max, out);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) != 0) return failed(errno);
	if (S_ISDIR(st.st_mode)) FAIL_BY(ERR_INVALID_ARGUMENT, "files: a directory", EISDIR);
	return read_all(fd, max, out);
}

static struct err write_all(int fd, struct bytes data)
{
	while (data.len > 0) {
		ssize_t n = write(fd, data.data, data.len);

		if (n < 0 && errno == EINTR) continue;
		if (n < 0) return failed(errno);
		data = BYTES(data.data + n, data.len - (size_t)n);
	}
	return OK;
}

static struct err write_temporary(const char *path, mode_t mode, struct bytes data)
{
	AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) return failed(errno);
	TRY(write_all(fd, data));
	return fchmod(fd, mode) == 0 && fsync(fd) == 0 ? OK : failed(errno);
}

static void sync_directory_of(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	AUTO(fd) int fd = -1;

	(void)snprintf(dir, sizeof(dir), "%.*s", slash == NULL ? 1 : (int)(slash - path + 1), slash == NULL ? "." : path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) (void)fsync(fd); /* the names; some file systems cannot, and the files are whole all the same */
}

struct err cli_files_write(const char *path, mode_t mode, struct bytes data, bool replace)
{
	char temporary[PATH_MAX];
	int n = snprintf(temporary, sizeof(temporary), "%s.%d.new", path, (int)getpid());
	struct err e;

	if (n < 0 || (size_t)n >= sizeof(temporary)) return failed(ENAMETOOLONG);
	e = write_temporary(temporary, mode, data);
	if (e.code == ERR_OK && replace && rename(temporary, path) != 0) e = failed(errno);
	if (e.code == ERR_OK && !replace && link(temporary, path) != 0) e = failed(errno);
	if (e.code != ERR_OK || !replace) (void)unlink(temporary);
	if (e.code == ERR_OK) sync_directory_of(path);
	return e;
}

bool cli_files_absolute(const char *path, char *out, size_t size)
{
	char here[PATH_MAX] = "";
	int n;

	while (path[0] == '.' && path[1] == '/') path += 2 + strspn(path + 2, "/");
	if (path[0] != '/' && getcwd(here, sizeof(here)) == NULL) return false;
	n = snprintf(out, size, path[0] == '/' ? "%s%s" : "%s/%s", here, path);
	return n > 0 && (size_t)n < size;
}
