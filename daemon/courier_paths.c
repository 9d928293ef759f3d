#include "daemon/courier_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/files.h"
#include "k8s_csr/kubeconfig.h"

/* Where names are looked up, and whom a client trusts that was told nothing.  Files that are replaced by renaming, as resolv.conf
 * may be, are reached through their directory: nothing else of /etc is. */
static const char *const system_paths[] = {
	"/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services",
	"/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/etc/ssl/certs", "/usr/share/ca-certificates",
};

struct opening {
	struct courier_paths *out;
	const struct conf *conf;
	const struct log *log;
};

static bool add(struct opening *o, const char *path)
{
	int fd;

	if (o->out->count == COURIER_PATHS_MAX) return false;
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0) return false;
	o->out->fds[o->out->count++] = fd;
	return true;
}

static void add_told(struct opening *o, const char *path)
{
	if (!add(o, path))
		log_event(o->log, LOG_WARN, "not to be read", F_STR("path", path), F_INT("errno", errno),
		          F_STR("note", "the courier does not see it until it is started again"));
}

/* ---- directories that hold what a courier may never see ---- */

/* Is it there, or below?  Both are as realpath() writes them. */
static bool is_within(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (strcmp(dir, "/") == 0) return true;
	return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static bool holds(const char *dir, const char *secret)
{
	char real[PATH_MAX];

	if (secret[0] == '\0') return false;
	return is_within(secret, dir) || (realpath(secret, real) != NULL && is_within(real, dir));
}

static bool holds_secret(const struct conf *conf, const char *dir)
{
	const char *secrets[] = { conf_text(conf, conf->data_dir), conf_text(conf, conf->tls.key_file),
		                  conf_text(conf, conf->ca.key_encryption_key_file), conf_text(conf, conf->ca.directory),
		                  conf_text(conf, conf->ca.passphrase_file) };
	char real[PATH_MAX], kek[PATH_MAX + sizeof("/" KEK_NAME)];

	if (realpath(dir, real) == NULL) return false; /* then it cannot be opened either */
	(void)snprintf(kek, sizeof(kek), "%s/" KEK_NAME, real);
	if (access(kek, F_OK) == 0) return true; /* systemd's credentials */
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
		if (holds(real, secrets[i])) return true;
	return false;
}

/* ---- directories of credentials ---- */

static void add_alone(struct opening *o, const char *path)
{
	log_event(o->log, LOG_WARN, "not to be watched", F_STR("path", path),
		  F_STR("note",
			"keys of the daemon are beside it, so the courier sees this file alone: replaced, it is not seen until "
			"the courier is started again; put it into a directory of its own"));
	add_told(o, path);
}

/* Files are replaced: the directory is what must be open.  A link's target has one of its own. */
static void add_directory_of(struct opening *o, const char *path)
{
	char text[PATH_MAX], real[PATH_MAX];
	char *slash;

	if (path == NULL || path[0] != '/' || strlen(path) >= sizeof(text)) return;
	memcpy(text, path, strlen(path) + 1);
	slash = strrchr(text, '/');
	slash[slash == text] = '\0';
	if (holds_secret(o->conf, text)) {
		add_alone(o, path);
		return;
	}
	add_told(o, text);
	if (realpath(path, real) == NULL) return;
	slash = strrchr(real, '/');
	slash[slash == real] = '\0';
	if (strcmp(real, text) == 0) return;
	if (holds_secret(o->conf, real)) add_alone(o, path);
	else (void)add(o, real);
}

static void add_files(struct opening *o, const char *dir)
{
	static const char *const names[] = { "token", "ca.crt" };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (snprintf(path, sizeof(path), "%s/%s", dir, names[i]) < (int)sizeof(path)) add_alone(o, path);
}

/* Its own directory, and those of the files that it names now. */
static void add_kubeconfig(struct opening *o, const char *path, const char *context)
{
	AUTO(buf_wipe) struct buf text = { .max = KUBECONFIG_MAX };
	AUTO(kubeconfig) struct kubeconfig k = { 0 };
	struct conf_problem problem;
	char folder[PATH_MAX];
	struct kubeconfig_options options = { .name = path, .folder = folder, .context = context[0] == '\0' ? NULL : context };

	add_directory_of(o, path);
	if (strlen(path) >= sizeof(folder)) return;
	memcpy(folder, path, strlen(path) + 1);
	*strrchr(folder, '/') = '\0';
	/* what is wrong with it is told by who uses it (k8s_csr/cluster.h) */
	if (files_read(path, KUBECONFIG_MAX, &text).code != ERR_OK) return;
	if (kubeconfig_parse(buf_view(&text), &options, &k, &problem).code != ERR_OK) return;
	add_directory_of(o, k.ca.path);
	add_directory_of(o, k.certificate.path);
	add_directory_of(o, k.key.path);
	add_directory_of(o, k.token.path);
}

void courier_paths_open(const struct conf *conf, const struct log *log, struct courier_paths *out)
{
	struct opening o = { .out = out, .conf = conf, .log = log };

	out->count = 0;
	for (size_t i = 0; i < ARRAY_LEN(system_paths); i++) (void)add(&o, system_paths[i]);
	for (uint32_t i = 0; i < conf->cluster_count; i++) {
		const struct conf_cluster *c = &conf->clusters[i];
		const char *kubeconfig = conf_text(conf, c->kubeconfig);

		if (kubeconfig[0] != '\0') add_kubeconfig(&o, kubeconfig, conf_text(conf, c->context));
		else if (!holds_secret(conf, conf_text(conf, c->service_account_dir)))
			add_told(&o, conf_text(conf, c->service_account_dir));
		else add_files(&o, conf_text(conf, c->service_account_dir));
	}
	for (uint32_t i = 0; i < conf->issuer_count; i++) add_directory_of(&o, conf_text(conf, conf->issuers[i].ca_file));
}

void courier_paths_close(struct courier_paths *p)
{
	while (p->count > 0) close(p->fds[--p->count]);
}
