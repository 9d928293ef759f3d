/* start_ca.c: the directory of a CA that is brought: read by the monitor, judged by the keeper alone (ca/brought.h).
 *
 * It travels in one pipe, as the key-encryption key does: once the keeper has read it, the private key is nowhere else. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/chan.h"
#include "base/own.h"
#include "ca/files.h"
#include "daemon/fds.h"
#include "daemon/start.h"

struct ca_dir {
	struct buf data[CA_FILE_COUNT], encoded;
	struct ca_files files;
};
static void auto_ca_dir(struct ca_dir *d)
{
	for (unsigned i = 0; i < CA_FILE_COUNT; i++) buf_wipe(&d->data[i]);
	buf_wipe(&d->encoded);
}

/* One that is not there, or empty (as in an exported Secret), is the keeper's to judge. */
static struct err read_one(struct ca_dir *d, enum ca_file file, const char *path)
{
	struct stat st;
	struct err e;

	if (stat(path, &st) != 0) {
		if (errno == ENOENT) return OK;
		FAIL_BY(errno == EACCES ? ERR_PERMISSION_DENIED : ERR_UNAVAILABLE,
			"start: cannot look at a file of ca.directory", errno);
	}
	d->files.there[file] = true;
	if (!ca_file_is_read(file) || st.st_size == 0) return OK;
	d->data[file].max = CA_FILES_MAX;
	e = files_read(path, CA_FILES_MAX, &d->data[file]);
	d->files.text[file] = buf_view(&d->data[file]);
	return e;
}

static struct err read_dir(struct start *s, struct ca_dir *d)
{
	const char *dir = conf_text(s->conf, s->conf->ca.directory);
	const char *passphrase = conf_text(s->conf, s->conf->ca.passphrase_file);
	struct stat st;

	s->at = dir;
	if (stat(dir, &st) != 0) FAIL_BY(ERR_NOT_FOUND, "start: cannot look into ca.directory", errno);
	for (unsigned i = 0; i < CA_FILE_PASSPHRASE; i++) {
		int n = snprintf(s->at_text, sizeof(s->at_text), "%s/%s", dir, ca_file_name((enum ca_file)i));

		if (n >= (int)sizeof(s->at_text))
			FAIL(ERR_INVALID_ARGUMENT, "start: the path of ca.directory is too long");
		s->at = s->at_text;
		TRY(read_one(d, (enum ca_file)i, s->at));
	}
	if (passphrase[0] == '\0') return OK;
	s->at = passphrase;
	d->files.there[CA_FILE_PASSPHRASE] = true;
	d->data[CA_FILE_PASSPHRASE].max = CA_PASSPHRASE_MAX;
	TRY(files_read(passphrase, CA_PASSPHRASE_MAX, &d->data[CA_FILE_PASSPHRASE]));
	d->files.text[CA_FILE_PASSPHRASE] = buf_view(&d->data[CA_FILE_PASSPHRASE]);
	return OK;
}

/* Not blocking: a pipe holds 64 KiB, or less when this user has too many of them. */
static struct err into_pipe(struct bytes content, int *out)
{
	AUTO(fd) int from = -1, to = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0) FAIL_BY(ERR_UNAVAILABLE, "start: no pipe", errno);
	from = ends[0];
	to = ends[1];
	if (fcntl(to, F_SETFL, O_NONBLOCK) != 0) FAIL_BY(ERR_UNAVAILABLE, "start: no pipe", errno);
	if (write(to, content.data, content.len) != (ssize_t)content.len)
		FAIL(ERR_RESOURCE_EXHAUSTED, "start: the CA's files do not fit into a pipe");
	*out = MOVE_FD(from);
	return OK;
}

struct err start_read_ca(struct start *s, int *fd)
{
	AUTO(ca_dir) struct ca_dir d = { .encoded = { .max = CA_FILES_MAX } };
	uint8_t *room;

	*fd = -1;
	if (conf_text(s->conf, s->conf->ca.directory)[0] == '\0') return OK;
	TRY(read_dir(s, &d));
	s->at = conf_text(s->conf, s->conf->ca.directory);
	TRY(buf_reserve(&d.encoded, CA_FILES_MAX, &room)); /* growing would leave a copy of the key behind */
	if (ca_files_put(&d.encoded, &d.files).code != ERR_OK)
		FAIL(ERR_INVALID_ARGUMENT, "start: the files of ca.directory are too large, 60 KiB all together");
	return into_pipe(buf_view(&d.encoded), fd);
}

static struct err read_crl(struct start *s, struct buf *text)
{
	struct stat st;

	(void)snprintf(s->at_text, sizeof(s->at_text), "%s/%s", conf_text(s->conf, s->conf->ca.directory),
		       ca_file_name(CA_FILE_CRL));
	s->at = s->at_text;
	if (stat(s->at, &st) != 0 && errno != ENOENT)
		FAIL_BY(errno == EACCES ? ERR_PERMISSION_DENIED : ERR_UNAVAILABLE, "start: cannot look at ca-crl.pem", errno);
	if (stat(s->at, &st) != 0 || st.st_size == 0) return buf_put_str(text, "\n");
	return files_read(s->at, CA_CRL_MAX, text);
}

struct err start_read_crl(struct start *s, int *fd)
{
	AUTO(buf) struct buf text = { .max = CA_CRL_MAX };

	*fd = -1;
	if (conf_text(s->conf, s->conf->ca.directory)[0] == '\0') return OK;
	TRY(read_crl(s, &text));
	return chan_memfd("signet-crl", buf_view(&text), fd);
}

/* ---- has it changed? ---- */

#define FNV_START UINT64_C(0xcbf29ce484222325)

static uint64_t mix(uint64_t mark, uint64_t v) /* FNV-1a, by words: to tell changes, not attackers */
{
	return (mark ^ v) * UINT64_C(0x100000001b3);
}

static uint64_t mark_file(uint64_t mark, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0) return mix(mark, (uint64_t)errno);
	mark = mix(mix(mark, (uint64_t)st.st_ino), (uint64_t)st.st_size);
	mark = mix(mix(mark, (uint64_t)st.st_mtim.tv_sec), (uint64_t)st.st_mtim.tv_nsec);
	/* owner and mode too: what could not be read may be readable now */
	return mix(mix(mark, (uint64_t)st.st_ctim.tv_sec), (uint64_t)st.st_ctim.tv_nsec);
}

uint64_t start_ca_mark(const struct start *s)
{
	const char *dir = conf_text(s->conf, s->conf->ca.directory);
	uint64_t mark = FNV_START;
	char path[600];

	if (dir[0] == '\0') return 0;
	for (unsigned i = 0; i < CA_FILE_PASSPHRASE; i++) {
		if (snprintf(path, sizeof(path), "%s/%s", dir, ca_file_name((enum ca_file)i)) >= (int)sizeof(path)) continue;
		mark = mark_file(mix(mark, i), path);
	}
	if (conf_text(s->conf, s->conf->ca.passphrase_file)[0] != '\0')
		mark = mark_file(mark, conf_text(s->conf, s->conf->ca.passphrase_file));
	return mark == 0 ? 1 : mark;
}

/* ---- roots of other issuers ---- */

struct err start_read_roots(struct start *s, unsigned issuer, int *fd)
{
	const char *path = conf_text(s->conf, s->conf->csr_issuers[issuer].roots_file);
	AUTO(buf) struct buf text = { .max = CHILD_FILE_MAX };

	*fd = -1;
	if (path[0] == '\0') return OK;
	s->at = path;
	TRY(files_read(path, CHILD_FILE_MAX, &text));
	return chan_memfd("signet-issuer-roots", buf_view(&text), fd);
}

uint64_t start_roots_mark(const struct start *s)
{
	uint64_t mark = FNV_START;
	bool any = false;

	for (uint32_t i = 0; i < s->conf->csr_issuer_count; i++) {
		const char *path = conf_text(s->conf, s->conf->csr_issuers[i].roots_file);

		if (path[0] == '\0') continue;
		mark = mark_file(mix(mark, i), path);
		any = true;
	}
	return !any ? 0 : mark == 0 ? 1 : mark;
}
