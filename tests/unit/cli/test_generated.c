/* The table of commands against all that is made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cli.h"

struct text {
	char *data;
	size_t size;
};

static struct text written_by(void (*put)(FILE *out))
{
	struct text t = { 0 };
	FILE *out = open_memstream(&t.data, &t.size);
	put(out);
	fclose(out);
	return t;
}

static struct text read_file(const char *path)
{
	struct text t = { 0 };
	FILE *in = fopen(path, "r");
	if (in == NULL) fail_msg("cannot open %s (run from the top of the tree)", path);
	t.data = calloc(1, 1024 * 1024);
	t.size = fread(t.data, 1, 1024 * 1024 - 1, in);
	fclose(in);
	return t;
}

static void test_completion_file_is_fresh(void **state)
{
	(void)state;
	struct text want = written_by(cli_completion_bash), have = read_file("deploy/completion/signet.bash");
	if (strcmp(want.data, have.data) != 0) fail_msg("deploy/completion/signet.bash is stale: tools/regenerate");
	free(want.data);
	free(have.data);
}

static void test_manual_page_is_fresh(void **state)
{
	(void)state;
	static const char begin[] = ".\\\" begin of what `signet help --mdoc` writes (tools/regenerate)\n";
	static const char end[] = ".\\\" end of what `signet help --mdoc` writes\n";
	struct text want = written_by(cli_manual), have = read_file("docs/man/signet.1");
	const char *from = strstr(have.data, begin), *to = strstr(have.data, end);
	assert_non_null(from);
	assert_non_null(to);
	from += strlen(begin);
	if ((size_t)(to - from) != want.size || memcmp(from, want.data, want.size) != 0) fail_msg("docs/man/signet.1 is stale: tools/regenerate");
	free(want.data);
	free(have.data);
}

static bool has_capital(const char *s)
{
	return s[0] >= 'A' && s[0] <= 'Z';
}

static void check_options(const struct cli_command *c)
{
	for (const struct cli_option *o = c->options; o != NULL && o->name != NULL; o++) {
		assert_true(strlen(o->name) > 1);
		assert_non_null(o->help);
		assert_true(strlen(o->help) > 5 && strlen(o->help) < 80);
		if (o->choices != NULL) assert_non_null(o->value);
		for (const struct cli_option *g = cli_global_options; g->name != NULL; g++) assert_string_not_equal(o->name, g->name);
		for (const struct cli_option *p = c->options; p < o; p++) assert_string_not_equal(o->name, p->name);
	}
}

static void test_every_command_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *c = &cli_commands[i];
		assert_non_null(c->run);
		assert_true(strlen(c->summary) > 5 && !has_capital(c->summary) && c->summary[strlen(c->summary) - 1] != '.');
		assert_true(strlen(c->text) > 10 && c->text[strlen(c->text) - 1] == '\n');
		assert_true(c->min_args <= c->max_args && c->max_args <= CLI_ARGS_MAX);
		assert_int_equal(c->args != NULL, c->max_args > 0);
		if (c->group != NULL) assert_true(cli_is_group(c->group));
		assert_ptr_equal(cli_find(c->group, c->name), c); /* no two of one name */
		check_options(c);
	}
}

/* What help shows as an example must at least parse: the part before a shell's operator. */
static void test_examples_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < cli_command_count; i++) {
		char *examples = strdup(cli_commands[i].examples), *rest = examples, *line;
		bool own = false;
		assert_true(strlen(examples) > 5);
		while ((line = strsep(&rest, "\n")) != NULL) {
			char *argv[32], *word, *at = strstr(line, "signet ");
			int argc = 0;
			struct cli c = { 0 };
			char problem[CLI_PROBLEM_MAX];
			if (at == NULL) fail_msg("no signet in: %s", line);
			for (char *p = strchr(at, '\''); p != NULL; p = strchr(p, ' ')) *p = '_'; /* a quoted text is one word */
			at[strcspn(at, "|>)")] = '\0';
			while ((word = strsep(&at, " ")) != NULL)
				if (word[0] != '\0') argv[argc++] = word;
			argv[argc] = NULL;
			if (!cli_parse(argc, argv, &c, problem)) fail_msg("%s: %s", line, problem);
			own = own || c.command == &cli_commands[i];
		}
		if (!own) fail_msg("%s: no example of it", cli_commands[i].name);
		free(examples);
	}
}

static void test_help_of_every_command_names_its_options_and_examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *c = &cli_commands[i];
		struct text t = { 0 };
		FILE *out = open_memstream(&t.data, &t.size);
		char option[64];
		cli_help_command(out, c);
		fclose(out);
		assert_non_null(strstr(t.data, c->summary));
		assert_non_null(strstr(t.data, c->text));
		assert_non_null(strstr(t.data, "Example"));
		assert_non_null(strstr(t.data, "Exit status"));
		for (const struct cli_option *o = c->options; o != NULL && o->name != NULL; o++) {
			snprintf(option, sizeof(option), "--%s", o->name);
			if (strstr(t.data, option) == NULL) fail_msg("%s: help without %s", c->name, option);
		}
		free(t.data);
	}
}

static void test_help_of_all_names_every_command(void **state)
{
	(void)state;
	struct text t = written_by(cli_help);
	char line[80];
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *c = &cli_commands[i];
		snprintf(line, sizeof(line), "signet %s%s%s ", c->group ? c->group : "", c->group ? " " : "", c->name);
		if (strstr(t.data, line) == NULL) fail_msg("help without %s", line);
	}
	free(t.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_completion_file_is_fresh),
		cmocka_unit_test(test_manual_page_is_fresh),
		cmocka_unit_test(test_every_command_is_whole),
		cmocka_unit_test(test_examples_parse),
		cmocka_unit_test(test_help_of_every_command_names_its_options_and_examples),
		cmocka_unit_test(test_help_of_all_names_every_command),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
