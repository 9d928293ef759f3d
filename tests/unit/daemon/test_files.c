#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/own.h"
#include "daemon/files.h"

#define RAW "0123456789abcdefghijklmnopqrstuv" /* 32 bytes */
#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"

static char dir[64]; /* of this run; made by setup() */

static void path_in(char out[128], const char *name)
{
	(void)snprintf(out, 128, "%s/%s", dir, name);
}

static void write_file(const char *name, const void *data, size_t len, mode_t mode)
{
	char path[128];
	int fd;

	path_in(path, name);
	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* ---- the key-encryption key ---- */

static const struct kek_case {
	const char *name, *content;
	size_t len;
	mode_t mode;
	enum err_code want;
} kek_cases[] = {
	{ "32 raw bytes", RAW, 32, 0400, ERR_OK },
	{ "owner may write", RAW, 32, 0600, ERR_OK },
	{ "64 hex digits", HEX, 64, 0400, ERR_OK },
	{ "64 hex digits and LF", HEX "\n", 65, 0400, ERR_OK },
	{ "empty", "", 0, 0400, ERR_INVALID_ARGUMENT },
	{ "31 bytes", RAW, 31, 0400, ERR_INVALID_ARGUMENT },
	{ "32 bytes and LF", RAW "\n", 33, 0400, ERR_INVALID_ARGUMENT },
	{ "63 hex digits", HEX, 63, 0400, ERR_INVALID_ARGUMENT },
	{ "63 hex digits and LF", &HEX "\n"[1], 64, 0400, ERR_INVALID_ARGUMENT },
	{ "64 bytes that are not hex", RAW RAW, 64, 0400, ERR_INVALID_ARGUMENT },
	{ "64 hex digits and two LF", HEX "\n\n", 66, 0400, ERR_INVALID_ARGUMENT },
	{ "64 hex digits and CR", HEX "\r", 65, 0400, ERR_INVALID_ARGUMENT },
	{ "66 hex digits", HEX "00", 66, 0400, ERR_INVALID_ARGUMENT },
	{ "group may read", RAW, 32, 0440, ERR_PERMISSION_DENIED },
	{ "all may read", RAW, 32, 0404, ERR_PERMISSION_DENIED },
	{ "group may write", RAW, 32, 0420, ERR_PERMISSION_DENIED },
	{ "all may execute", RAW, 32, 0401, ERR_PERMISSION_DENIED },
};

static void key_files_are_judged_by_size_and_mode(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kek_cases); i++) {
		const struct kek_case *c = &kek_cases[i];
		uint8_t kek[KEK_LEN];
		char path[128];
		enum err_code got;

		write_file("kek", c->content, c->len, c->mode);
		path_in(path, "kek");
		got = files_kek_read(path, getuid(), kek).code;
		if (got != c->want) fail_msg("%s: %s", c->name, err_code_name(got));
	}
}

static void hex_and_raw_give_the_bytes(void **state)
{
	uint8_t kek[KEK_LEN];
	char path[128];

	(void)state;
	path_in(path, "kek");
	write_file("kek", RAW, 32, 0400);
	assert_int_equal(files_kek_read(path, getuid(), kek).code, ERR_OK);
	assert_memory_equal(kek, RAW, KEK_LEN);
	write_file("kek", HEX "\n", 65, 0400);
	assert_int_equal(files_kek_read(path, getuid(), kek).code, ERR_OK);
	for (size_t i = 0; i < KEK_LEN; i++) assert_int_equal(kek[i], i);
}

static void what_is_no_file_is_no_key(void **state)
{
	uint8_t kek[KEK_LEN];
	char path[128], link[128];

	(void)state;
	path_in(path, "nothing");
	assert_int_equal(files_kek_read(path, getuid(), kek).code, ERR_NOT_FOUND);
	assert_int_equal(files_kek_read(dir, getuid(), kek).code, ERR_INVALID_ARGUMENT);
	path_in(path, "fifo");
	assert_int_equal(mkfifo(path, 0400), 0);
	assert_int_equal(files_kek_read(path, getuid(), kek).code, ERR_INVALID_ARGUMENT); /* and does not wait for a writer */
	assert_int_equal(files_kek_read("/dev/zero", getuid(), kek).code, ERR_INVALID_ARGUMENT);
	path_in(link, "dangling");
	path_in(path, "nowhere");
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(files_kek_read(link, getuid(), kek).code, ERR_NOT_FOUND);
}

static void a_link_is_judged_by_what_it_leads_to(void **state)
{
	uint8_t kek[KEK_LEN];
	char path[128], link[128];

	(void)state;
	path_in(path, "target");
	path_in(link, "link");
	assert_int_equal(symlink(path, link), 0);
	write_file("target", RAW, 32, 0444);
	assert_int_equal(files_kek_read(link, getuid(), kek).code, ERR_PERMISSION_DENIED);
	write_file("target", RAW, 32, 0400);
	assert_int_equal(files_kek_read(link, getuid(), kek).code, ERR_OK);
}

static void a_systemd_credential_may_be_open_to_its_group_only(void **state)
{
	static const struct { mode_t mode; bool below; enum err_code want; } cases[] = {
		{ 0440, true, ERR_OK },
		{ 0440, false, ERR_PERMISSION_DENIED },
		{ 0444, true, ERR_PERMISSION_DENIED },
		{ 0460, true, ERR_PERMISSION_DENIED },
	};
	uint8_t kek[KEK_LEN];
	char path[256];

	(void)state;
	path_in(path, "kek");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		write_file("kek", RAW, 32, cases[i].mode);
		(void)setenv("CREDENTIALS_DIRECTORY", cases[i].below ? dir : "/run/credentials/other", 1);
		assert_int_equal(files_kek_read(path, getuid(), kek).code, cases[i].want);
	}
	write_file("kek", RAW, 32, 0440);
	(void)setenv("CREDENTIALS_DIRECTORY", dir, 1);
	(void)snprintf(path, sizeof(path), "%s/../%s/kek", dir, dir + strlen("/tmp/")); /* who knows where that leads */
	assert_int_equal(files_kek_read(path, getuid(), kek).code, ERR_PERMISSION_DENIED);
	(void)unsetenv("CREDENTIALS_DIRECTORY");
}

static void another_users_key_is_refused(void **state)
{
	uint8_t kek[KEK_LEN];
	char path[128];

	(void)state;
	if (getuid() != 0) skip();
	write_file("kek", RAW, 32, 0400);
	path_in(path, "kek");
	assert_int_equal(files_kek_read(path, 12345, kek).code, ERR_OK); /* root's */
	assert_int_equal(chown(path, 12346, 0), 0);
	assert_int_equal(files_kek_read(path, 12345, kek).code, ERR_PERMISSION_DENIED);
	assert_int_equal(files_kek_read(path, 12346, kek).code, ERR_OK);
}

static void a_key_is_made_once_and_never_over_another(void **state)
{
	AUTO(fd) int fd = open(dir, O_RDONLY | O_DIRECTORY);
	uint8_t made[KEK_LEN], again[KEK_LEN], read_back[KEK_LEN];
	char path[128];
	struct stat st;

	(void)state;
	write_file("made.new", "left behind", 11, 0400);
	assert_int_equal(files_kek_make(fd, "made", made).code, ERR_OK);
	path_in(path, "made");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	assert_int_equal(st.st_size, KEK_LEN);
	assert_int_equal(files_kek_make(fd, "made", again).code, ERR_ALREADY_EXISTS);
	assert_int_equal(files_kek_read(path, getuid(), read_back).code, ERR_OK);
	assert_memory_equal(made, read_back, KEK_LEN);
	assert_memory_not_equal(made, again, KEK_LEN);
	path_in(path, "made.new");
	assert_int_equal(access(path, F_OK), -1);
}

/* ---- other files ---- */

static void files_are_read_whole_or_not_at_all(void **state)
{
	AUTO(buf) struct buf b = { .max = 16 };
	char path[128];

	(void)state;
	path_in(path, "file");
	write_file("file", "0123456789abcdef", 16, 0644);
	assert_int_equal(files_read(path, 16, &b).code, ERR_OK);
	assert_true(bytes_is(buf_view(&b), "0123456789abcdef"));
	b.len = 0;
	assert_int_equal(files_read(path, 15, &b).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(b.len, 0);
	write_file("file", "", 0, 0644);
	assert_int_equal(files_read(path, 16, &b).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(files_read(dir, 16, &b).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(files_read("/dev/zero", 16, &b).code, ERR_INVALID_ARGUMENT);
	path_in(path, "nothing");
	assert_int_equal(files_read(path, 16, &b).code, ERR_NOT_FOUND);
}

static void directories_are_made_and_checked(void **state)
{
	char path[128];
	struct stat st;
	int fd = -1;

	(void)state;
	path_in(path, "data");
	assert_int_equal(files_open_dir(path, getuid(), true, &fd).code, ERR_NOT_FOUND);
	assert_int_equal(files_make_dir(path, 0700, getuid(), getgid()).code, ERR_OK);
	assert_int_equal(files_make_dir(path, 0755, getuid(), getgid()).code, ERR_OK); /* there: left as it is */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(files_open_dir(path, getuid(), true, &fd).code, ERR_OK);
	close(fd);
	fd = -1;
	assert_int_equal(files_open_dir(path, getuid() + 1, true, &fd).code, ERR_PERMISSION_DENIED);
	assert_int_equal(chmod(path, 0750), 0);
	assert_int_equal(files_open_dir(path, getuid(), true, &fd).code, ERR_PERMISSION_DENIED);
	assert_int_equal(fd, -1);
	assert_int_equal(files_open_dir(path, getuid(), false, &fd).code, ERR_OK);
	close(fd);
	path_in(path, "no/parent");
	assert_int_equal(files_make_dir(path, 0700, getuid(), getgid()).code, ERR_UNAVAILABLE);
}

/* mkdir() of this program: when armed, an attacker who may write the parent puts a link in the new directory's place. */
static const char *swap_for;
int mkdir(const char *path, mode_t mode)
{
	int rc = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);

	if (rc != 0 || swap_for == NULL) return rc;
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink(swap_for, path), 0);
	return 0;
}

static void a_link_in_the_place_of_a_new_directory_is_not_followed(void **state)
{
	char path[128], victim[128];
	struct stat st;

	(void)state;
	path_in(path, "new");
	path_in(victim, "victim");
	assert_int_equal(mkdir(victim, 0711), 0);
	swap_for = victim;
	assert_int_equal(files_make_dir(path, 0755, getuid(), getgid()).code, ERR_UNAVAILABLE);
	swap_for = NULL;
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(rmdir(victim), 0);
	assert_int_equal(unlink(path), 0);
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/signet-files-XXXXXX");
	(void)umask(022);
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "kek", "fifo", "dangling", "link", "target", "made", "file" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		path_in(path, names[i]);
		(void)unlink(path);
	}
	path_in(path, "data");
	(void)rmdir(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_files_are_judged_by_size_and_mode),
		cmocka_unit_test(hex_and_raw_give_the_bytes),
		cmocka_unit_test(what_is_no_file_is_no_key),
		cmocka_unit_test(a_link_is_judged_by_what_it_leads_to),
		cmocka_unit_test(a_systemd_credential_may_be_open_to_its_group_only),
		cmocka_unit_test(another_users_key_is_refused),
		cmocka_unit_test(a_key_is_made_once_and_never_over_another),
		cmocka_unit_test(files_are_read_whole_or_not_at_all),
		cmocka_unit_test(directories_are_made_and_checked),
		cmocka_unit_test(a_link_in_the_place_of_a_new_directory_is_not_followed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
