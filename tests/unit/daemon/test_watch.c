/* When ca.directory is read again: after a change that has settled, and while what was read last was refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "conf/load.h"
#include "daemon/watch.h"

struct place {
	char dir[64], passphrase[96];
	struct conf *conf;
	struct start start;
	struct ca_watch watch;
	int64_t now;
};

static void put(const struct place *p, const char *name, const char *text)
{
	char path[160];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void place_open(struct place *p)
{
	struct conf_problem problem = { "" };
	char yaml[512];

	memset(p, 0, sizeof(*p));
	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/signet-watch-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	(void)snprintf(p->passphrase, sizeof(p->passphrase), "%s/passphrase", p->dir);
	(void)snprintf(yaml, sizeof(yaml), "trust_domain: a.test\nca: { directory: %s, passphrase_file: %s }\n", p->dir, p->passphrase);
	if (conf_parse(bytes_str(yaml), "test", &p->conf, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	p->start.conf = p->conf;
	put(p, "ca-cert.pem", "one");
	p->now = 1000000;
	ca_watch_start(&p->watch, &p->start);
}

static void place_close(struct place *p)
{
	char command[128];

	conf_free(p->conf);
	(void)snprintf(command, sizeof(command), "rm -rf %s", p->dir);
	assert_int_equal(system(command), 0);
}

/* The number of looks, a second apart, until it is due; 0: not in so many. */
static int looks(struct place *p, int most)
{
	for (int i = 1; i <= most; i++) {
		int wait;

		p->now += WATCH_LOOK_MS;
		if (ca_watch_due(&p->watch, &p->start, p->now, &wait)) return i;
		assert_true(wait > 0);
	}
	return 0;
}

static void taken(struct place *p)
{
	ca_watch_reading(&p->watch, &p->start);
	ca_watch_result(&p->watch, true, p->now);
}

static void test_it_is_read_once_at_first_and_then_after_each_change_that_has_settled(void **state)
{
	struct place p;

	(void)state;
	place_open(&p);
	assert_int_equal(looks(&p, 3), 1); /* what changed while the daemon started */
	taken(&p);
	assert_int_equal(looks(&p, 20), 0);
	put(&p, "ca-key.pem", "key");
	assert_int_equal(looks(&p, 3), 2);
	taken(&p);
	put(&p, "passphrase", "secret");
	assert_int_equal(looks(&p, 3), 2);
	taken(&p);
	assert_int_equal(chmod(p.passphrase, 0600), 0);
	assert_int_equal(looks(&p, 3), 2); /* who may read it has changed */
	taken(&p);
	assert_int_equal(looks(&p, 20), 0);
	place_close(&p);
}

static void test_while_it_changes_nobody_reads(void **state)
{
	struct place p;

	(void)state;
	place_open(&p);
	taken(&p);
	for (int i = 0; i < 5; i++) {
		put(&p, "ca-cert.pem", i % 2 == 0 ? "even, longer" : "odd");
		assert_int_equal(looks(&p, 1), 0);
	}
	assert_int_equal(looks(&p, 1), 1);
	place_close(&p);
}

static void test_what_was_refused_is_tried_again_less_and_less_often(void **state)
{
	static const int delays[] = { 2, 4, 8, 16, 32, 64, 128, 256, 300, 300 };
	struct place p;

	(void)state;
	place_open(&p);
	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		ca_watch_reading(&p.watch, &p.start);
		ca_watch_result(&p.watch, false, p.now);
		assert_int_equal(looks(&p, 400), delays[i]);
	}
	put(&p, "ca-cert.pem", "mended");
	assert_int_equal(looks(&p, 3), 2);
	ca_watch_reading(&p.watch, &p.start);
	ca_watch_result(&p.watch, false, p.now);
	assert_int_equal(looks(&p, 400), 2); /* a change begins anew */
	taken(&p);
	assert_int_equal(looks(&p, 400), 0);
	place_close(&p);
}

static void test_without_a_directory_there_is_nothing_to_look_at(void **state)
{
	struct conf_problem problem = { "" };
	struct start s = { 0 };
	struct ca_watch w;
	struct conf *conf;
	int wait = 0;

	(void)state;
	assert_int_equal(conf_parse(bytes_str("trust_domain: a.test\n"), "test", &conf, &problem).code, ERR_OK);
	s.conf = conf;
	ca_watch_start(&w, &s);
	assert_false(ca_watch_due(&w, &s, 5000, &wait));
	assert_int_equal(wait, -1);
	conf_free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_read_once_at_first_and_then_after_each_change_that_has_settled),
		cmocka_unit_test(test_while_it_changes_nobody_reads),
		cmocka_unit_test(test_what_was_refused_is_tried_again_less_and_less_often),
		cmocka_unit_test(test_without_a_directory_there_is_nothing_to_look_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
