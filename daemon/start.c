#include "daemon/start.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/chan.h"
#include "base/own.h"
#include "daemon/access.h"
#include "daemon/fds.h"
#include "daemon/listen.h"
#include "daemon/notify.h"
#include "daemon/sandbox.h"

#define OWN_FILES 256 /* descriptors beside connections: channels, memfds, listening sockets; ours */

static const char *at(struct start *s, conf_str text)
{
	return s->at = conf_text(s->conf, text);
}

/* ---- steps that may need root ---- */

static struct err start_user(struct start *s)
{
	TRY(user_resolve(at(s, s->conf->user), &s->user));
	if (s->user.uid == 0)
		log_event(s->log, LOG_WARN, "running as root",
		          F_STR("why", "user: root; every process drops its capabilities all the same"));
	return OK;
}

/* Where our own program is, the others are.  /proc/self/exe is past symbolic links: /usr/sbin/signetd may be one. */
static struct err start_programs(struct start *s)
{
	ssize_t n = readlink("/proc/self/exe", s->at_text, sizeof(s->at_text) - 1);
	char *slash;

	s->at = "/proc/self/exe";
	if (n <= 0) FAIL_BY(ERR_UNAVAILABLE, "start: cannot find our own program", errno);
	s->at_text[n] = '\0';
	slash = strrchr(s->at_text, '/');
	if (slash != NULL) *slash = '\0';
	s->at = s->at_text;
	s->bin_dir = open(s->at_text[0] == '\0' ? "/" : s->at_text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->bin_dir < 0) FAIL_BY(ERR_UNAVAILABLE, "start: no directory of programs", errno);
	return OK;
}

static struct err start_limits(struct start *s)
{
	rlim_t want = (rlim_t)s->conf->listen.max_connections + OWN_FILES;
	struct rlimit now;

	s->at = "descriptors";
	if (getrlimit(RLIMIT_NOFILE, &now) != 0) FAIL_BY(ERR_UNAVAILABLE, "start: cannot read the limit", errno);
	if (now.rlim_max < want) { /* root may raise it; others get on with what there is, and the front says so */
		struct rlimit more = { .rlim_cur = want, .rlim_max = want };

		if (setrlimit(RLIMIT_NOFILE, &more) == 0) return OK;
	}
	now.rlim_cur = now.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &now) != 0) FAIL_BY(ERR_UNAVAILABLE, "start: cannot set the limit", errno);
	return OK;
}

static struct err start_notify(struct start *s)
{
	s->notify = notify_open();
	return OK;
}

static struct err start_sockets(struct start *s)
{
	struct listen_inherited got;

	s->at = "LISTEN_FDS";
	TRY(listen_inherit(&got));
	s->listen = got.front;
	s->metrics = got.metrics;
	s->admin = got.admin;
	if (s->listen < 0) TRY(listen_tcp(at(s, s->conf->listen.address), &s->listen));
	if (s->metrics < 0 && at(s, s->conf->metrics.address)[0] != '\0') TRY(listen_tcp(s->at, &s->metrics));
	return OK;
}

static struct err start_directories(struct start *s)
{
	TRY(files_make_dir(at(s, s->conf->data_dir), 0700, s->user.uid, s->user.gid));
	return files_make_dir(at(s, s->conf->run_dir), 0755, s->user.uid, s->user.gid);
}

static struct err start_access(struct start *s)
{
	AUTO(buf) struct buf b = { .max = ACCESS_WIRE_MAX };
	struct access_list list;
	gid_t group;

	TRY(access_resolve(s->conf, &list, &s->at));
	TRY(access_put(&b, &list));
	s->at = "admin.users";
	TRY(chan_memfd("signet-access", buf_view(&b), &s->access));
	if (s->admin >= 0) return OK;
	/* (uid_t)-1 leaves it as it is: only root can give a file away, only a member can give it a group */
	group = list.has_group ? list.group : s->user.change ? s->user.gid : (gid_t)-1;
	TRY(listen_unix(at(s, s->conf->admin.socket), s->user.change ? s->user.uid : (uid_t)-1, group, &s->admin));
	(void)snprintf(s->at_text, sizeof(s->at_text), "%s", s->at);
	*strrchr(s->at_text, '/') = '\0'; /* a path of the configuration is absolute */
	(void)snprintf(s->admin_name, sizeof(s->admin_name), "%s", s->at + strlen(s->at_text) + 1);
	s->admin_dir = open(s->at_text[0] == '\0' ? "/" : s->at_text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->admin_dir < 0 ? ERR_BY(ERR_UNAVAILABLE, "start: cannot open the socket's directory", errno) : OK;
}

/* ---- files ---- */

static struct err read_into_memfd(struct start *s, const char *path, const char *name, int *fd)
{
	AUTO(buf_wipe) struct buf b = { .max = CHILD_FILE_MAX };

	s->at = path;
	TRY(files_read(path, CHILD_FILE_MAX, &b));
	return chan_memfd(name, buf_view(&b), fd);
}

void start_no_files(struct start_files *f)
{
	for (size_t i = 0; i < ARRAY_LEN(f->jwks); i++) f->jwks[i] = -1;
	f->tls_cert = f->tls_key = -1;
}

static struct err read_files(struct start *s, struct start_files *f)
{
	const char *cert = conf_text(s->conf, s->conf->tls.cert_file), *key = conf_text(s->conf, s->conf->tls.key_file);

	for (uint32_t i = 0; i < s->conf->issuer_count; i++) {
		const char *path = conf_text(s->conf, s->conf->issuers[i].jwks_file);

		if (path[0] != '\0') TRY(read_into_memfd(s, path, "signet-jwks", &f->jwks[i]));
	}
	if (cert[0] != '\0') TRY(read_into_memfd(s, cert, "signet-tls-cert", &f->tls_cert));
	if (key[0] != '\0') TRY(read_into_memfd(s, key, "signet-tls-key", &f->tls_key));
	return OK;
}

void start_close_files(struct start_files *f)
{
	for (size_t i = 0; i < ARRAY_LEN(f->jwks); i++) auto_fd(&f->jwks[i]);
	auto_fd(&f->tls_cert);
	auto_fd(&f->tls_key);
	start_no_files(f);
}

struct err start_read_files(struct start *s, struct start_files *files)
{
	struct start_files fresh;
	struct err e;

	start_no_files(&fresh);
	e = read_files(s, &fresh);
	if (e.code != ERR_OK) {
		start_close_files(&fresh);
		return e;
	}
	*files = fresh;
	return OK;
}

struct start_files start_move_files(struct start_files *files)
{
	struct start_files moved = *files;

	start_no_files(files);
	return moved;
}

static bool same_content(int a, int b)
{
	struct bytes x, y;
	bool same;

	if (a < 0 || b < 0) return a == b;
	if (chan_memfd_map(a, CHILD_FILE_MAX, &x).code != ERR_OK) return false;
	same = chan_memfd_map(b, CHILD_FILE_MAX, &y).code == ERR_OK;
	if (same) {
		same = bytes_equal(x, y);
		(void)munmap((void *)(uintptr_t)y.data, y.len);
	}
	(void)munmap((void *)(uintptr_t)x.data, x.len);
	return same;
}

bool start_same_files(const struct start_files *a, const struct start_files *b)
{
	for (size_t i = 0; i < ARRAY_LEN(a->jwks); i++)
		if (!same_content(a->jwks[i], b->jwks[i])) return false;
	return same_content(a->tls_cert, b->tls_cert) && same_content(a->tls_key, b->tls_key);
}

static struct err start_files(struct start *s)
{
	TRY(start_read_files(s, &s->files));
	for (uint32_t i = 0; i < s->conf->csr_issuer_count; i++) TRY(start_read_roots(s, i, &s->issuer_roots[i]));
	TRY(start_read_ca(s, &s->ca));
	return start_read_crl(s, &s->crl);
}

static struct err start_conf(struct start *s)
{
	s->at = "configuration";
	return conf_seal(s->conf, &s->conf_fd);
}

/* A key that is named, by the configuration or as systemd credential KEK_NAME, is read while we still may. */
static struct err start_named_kek(struct start *s)
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");

	if (at(s, s->conf->ca.key_encryption_key_file)[0] == '\0') {
		if (credentials == NULL) return OK;
		(void)snprintf(s->at_text, sizeof(s->at_text), "%s/" KEK_NAME, credentials);
		s->at = s->at_text;
		if (access(s->at, F_OK) != 0) return OK;
	}
	TRY(files_kek_read(s->at, s->user.uid, s->kek));
	log_event(s->log, LOG_INFO, "key-encryption key", F_STR("file", s->at));
	s->has_kek = true;
	return OK;
}

static struct err start_become(struct start *s)
{
	s->at = s->user.name;
	TRY(sandbox_drop_bounding());
	return user_become(&s->user);
}

/* ---- steps as the user ---- */

static struct err start_data_dir(struct start *s)
{
	return files_open_dir(at(s, s->conf->data_dir), s->user.uid, true, &s->data_dir);
}

/* Is there a store already?  Then a new key would open nothing in it, and the lost one must be found. */
static bool has_store(const char *dir)
{
	DIR *d = opendir(dir);
	bool found = false;

	if (d == NULL) return true; /* not known: make no key */
	for (const struct dirent *e = readdir(d); e != NULL && !found; e = readdir(d)) {
		size_t len = strlen(e->d_name);

		found = len > 4 && strcmp(e->d_name + len - 4, ".mdb") == 0;
	}
	closedir(d);
	return found;
}

static struct err start_own_kek(struct start *s)
{
	const char *dir = conf_text(s->conf, s->conf->data_dir);
	struct err e;

	if (s->has_kek) return OK;
	(void)snprintf(s->at_text, sizeof(s->at_text), "%s/" KEK_NAME, dir);
	s->at = s->at_text;
	e = files_kek_read(s->at, s->user.uid, s->kek);
	if (e.code != ERR_NOT_FOUND) return e;
	if (has_store(dir))
		FAIL(ERR_FAILED_PRECONDITION,
		     "start: data_dir holds a CA, but its key-encryption key is not here; restore it or name it");
	TRY(files_kek_make(s->data_dir, KEK_NAME, s->kek));
	log_event(s->log, LOG_WARN, "key-encryption key made", F_STR("file", s->at),
	          F_STR("note", "the CA key is encrypted under it; keep a copy elsewhere, or name another with "
	                        "ca.key_encryption_key_file"));
	return OK;
}

/* ---- the order of it all ---- */

static struct err (*const steps[])(struct start *s) = {
	start_user, start_programs, start_limits, start_notify, start_sockets, start_directories, start_access, start_files,
	start_conf, start_named_kek,
	start_become, /* from here on an ordinary user */
	start_data_dir, start_own_kek,
};

struct err start_all(struct start *s, const struct conf *conf, const struct log *log)
{
	*s = (struct start){ .conf = conf, .log = log, .at = "", .bin_dir = -1, .notify = -1, .conf_fd = -1, .access = -1,
		             .listen = -1, .metrics = -1, .admin = -1, .admin_dir = -1, .data_dir = -1, .ca = -1, .crl = -1 };
	start_no_files(&s->files);
	for (size_t i = 0; i < ARRAY_LEN(s->issuer_roots); i++) s->issuer_roots[i] = -1;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) TRY(steps[i](s));
	return OK;
}

void start_close(struct start *s)
{
	int *const fds[] = { &s->bin_dir, &s->notify, &s->conf_fd,   &s->access,  &s->listen,
		             &s->metrics, &s->admin,  &s->admin_dir, &s->data_dir, &s->ca, &s->crl };

	if (s->admin_dir >= 0 && s->admin_name[0] != '\0') (void)unlinkat(s->admin_dir, s->admin_name, 0);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		auto_fd(fds[i]);
		*fds[i] = -1;
	}
	start_close_files(&s->files);
	for (size_t i = 0; i < ARRAY_LEN(s->issuer_roots); i++) auto_fd(&s->issuer_roots[i]);
	explicit_bzero(s->kek, sizeof(s->kek));
}

uint16_t start_front_count(const struct conf *conf)
{
	cpu_set_t set;

	if (conf->listen.fronts > 0) return (uint16_t)conf->listen.fronts;
	if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
	return (uint16_t)(CPU_COUNT(&set) > 64 ? 64 : CPU_COUNT(&set));
}
