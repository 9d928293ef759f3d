#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cli.h"

#define LINE(...) (char *const[]) { (char[]){ "signet" }, __VA_ARGS__, NULL }

static int count(char *const *argv)
{
	int n = 0;
	while (argv[n] != NULL) n++;
	return n;
}

/* ---- refused, and in which words ---- */
static const struct {
	const char *name;
	char *const *argv;
	const char *problem; /* part of it */
} refused[] = {
	{ "unknown command", LINE("frobnicate"), "no command frobnicate" },
	{ "near command is suggested", LINE("stats"), "did you mean status?" },
	{ "near group is suggested", LINE("tokens", "list"), "did you mean token?" },
	{ "unknown command of a group", LINE("token", "frobnicate"), "no command token frobnicate" },
	{ "near command of a group", LINE("cert", "lst"), "did you mean list?" },
	{ "group alone", LINE("token"), "token what?" },
	{ "a command of another group", LINE("token", "show"), "no command token show" },
	{ "a group's command without its group", LINE("revoke", "x"), "no command revoke" },
	{ "only options", LINE("-o", "json"), "what?" },
	{ "missing argument", LINE("token", "revoke"), "needs ID" },
	{ "one of two arguments", LINE("identity", "ban", "key"), "needs KIND SUBJECT" },
	{ "too many arguments", LINE("status", "now"), "one argument too many" },
	{ "too many arguments behind --", LINE("status", "--", "-x"), "one argument too many" },
	{ "unknown option", LINE("status", "--frobnicate"), "no option --frobnicate" },
	{ "near option is suggested", LINE("cert", "list", "--spife-id", "x"), "did you mean --spiffe-id?" },
	{ "option of another command", LINE("status", "--spiffe-id", "x"), "no option --spiffe-id" },
	{ "option before its command", LINE("--spiffe-id", "x", "cert", "list"), "stand behind it" },
	{ "abbreviated option", LINE("cert", "list", "--spiffe", "x"), "no option --spiffe" },
	{ "unknown letter", LINE("status", "-x"), "no option --x" },
	{ "letter with two dashes", LINE("status", "--o", "json"), "no option --o" },
	{ "value missing at the end", LINE("cert", "list", "--spiffe-id"), "needs a value" },
	{ "letter's value missing", LINE("status", "-o"), "needs a value" },
	{ "flag with a value", LINE("cert", "list", "--oldest-first=yes"), "takes no value" },
	{ "not one of the choices", LINE("status", "-o", "yaml"), "takes text|json, not yaml" },
	{ "a part of a choice", LINE("status", "-o", "js"), "takes text|json" },
	{ "two choices in one", LINE("status", "-o", "text|json"), "takes text|json" },
	{ "empty choice", LINE("status", "--output="), "takes text|json" },
	{ "option given twice", LINE("cert", "list", "--limit", "1", "--limit", "2"), "given twice" },
	{ "option given twice, both ways", LINE("status", "-o", "json", "--output=text"), "given twice" },
	{ "empty word", LINE(""), "no command" },
	{ "empty name of an option", LINE("status", "--=x"), "no option" },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct cli c = { 0 };
		char problem[CLI_PROBLEM_MAX];
		if (cli_parse(count(refused[i].argv), refused[i].argv, &c, problem)) fail_msg("%s: taken", refused[i].name);
		if (strstr(problem, refused[i].problem) == NULL) fail_msg("%s: %s", refused[i].name, problem);
	}
}

/* ---- taken ---- */
static const struct {
	const char *name;
	char *const *argv;
	const char *group, *command, *option, *value, *arg; /* NULL: none */
	bool json, help;
} taken[] = {
	{ "a command", LINE("status"), NULL, "status", NULL, NULL, NULL, false, false },
	{ "a group's command", LINE("token", "list"), "token", "list", NULL, NULL, NULL, false, false },
	{ "global option first", LINE("-o", "json", "status"), NULL, "status", "output", "json", NULL, true, false },
	{ "global option between", LINE("token", "-ojson", "list"), "token", "list", "output", "json", NULL, true, false },
	{ "text is the other choice", LINE("status", "-o", "text"), NULL, "status", "output", "text", NULL, false, false },
	{ "value behind an equals sign", LINE("cert", "list", "--spiffe-id=a=b"), "cert", "list", "spiffe-id", "a=b", NULL, false, false },
	{ "value that looks like an option", LINE("cert", "list", "--spiffe-id", "--x"), "cert", "list", "spiffe-id", "--x", NULL, false, false },
	{ "empty value", LINE("cert", "list", "--spiffe-id="), "cert", "list", "spiffe-id", "", NULL, false, false },
	{ "option before the argument", LINE("cert", "export", "--out", "f", "7"), "cert", "export", "out", "f", "7", false, false },
	{ "option behind the argument", LINE("cert", "export", "7", "--out", "f"), "cert", "export", "out", "f", "7", false, false },
	{ "argument behind --", LINE("cert", "show", "--", "--help"), "cert", "show", NULL, NULL, "--help", false, false },
	{ "a lone dash is an argument", LINE("cert", "show", "-"), "cert", "show", NULL, NULL, "-", false, false },
	{ "a dash as value", LINE("request", "--token-file", "-"), NULL, "request", "token-file", "-", NULL, false, false },
	{ "help asks for no argument", LINE("token", "revoke", "--help"), "token", "revoke", NULL, NULL, NULL, false, true },
	{ "flag", LINE("cert", "list", "--oldest-first"), "cert", "list", "oldest-first", "", NULL, false, false },
};

static void test_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		struct cli c = { 0 };
		char problem[CLI_PROBLEM_MAX];
		if (!cli_parse(count(taken[i].argv), taken[i].argv, &c, problem)) fail_msg("%s: %s", taken[i].name, problem);
		if (c.command != cli_find(taken[i].group, taken[i].command)) fail_msg("%s: another command", taken[i].name);
		if (c.json != taken[i].json || c.help != taken[i].help) fail_msg("%s: json or help", taken[i].name);
		if (taken[i].option != NULL) {
			assert_non_null(cli_value(&c, taken[i].option));
			assert_string_equal(cli_value(&c, taken[i].option), taken[i].value);
		}
		assert_int_equal(c.arg_count, taken[i].arg != NULL);
		if (taken[i].arg != NULL) assert_string_equal(c.args[0], taken[i].arg);
	}
}

static void test_repeated_option_keeps_all_values_in_order(void **state)
{
	(void)state;
	struct cli c = { 0 };
	char problem[CLI_PROBLEM_MAX];
	char *const *argv = LINE("policy", "test", "--attr", "a=1", "--attr=b=2", "--attr", "a=3");
	assert_true(cli_parse(count(argv), argv, &c, problem));
	assert_string_equal(cli_value_at(&c, "attr", 0), "a=1");
	assert_string_equal(cli_value_at(&c, "attr", 1), "b=2");
	assert_string_equal(cli_value_at(&c, "attr", 2), "a=3");
	assert_null(cli_value_at(&c, "attr", 3));
}

static void test_too_many_options_are_refused(void **state)
{
	(void)state;
	struct cli c = { 0 };
	char problem[CLI_PROBLEM_MAX], *argv[CLI_VALUES_MAX + 8] = { (char[]){ "signet" }, (char[]){ "policy" }, (char[]){ "test" } }, attr[] = "--attr=a=1";
	for (int i = 0; i <= CLI_VALUES_MAX; i++) argv[3 + i] = attr;
	assert_true(cli_parse(3 + CLI_VALUES_MAX, argv, &c, problem));
	c = (struct cli){ 0 };
	assert_false(cli_parse(4 + CLI_VALUES_MAX, argv, &c, problem));
}

static void test_group_with_help_names_the_group(void **state)
{
	(void)state;
	struct cli c = { 0 };
	char problem[CLI_PROBLEM_MAX];
	char *const *argv = LINE("token", "--help");
	assert_true(cli_parse(count(argv), argv, &c, problem));
	assert_null(c.command);
	assert_string_equal(c.topic, "token");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_repeated_option_keeps_all_values_in_order),
		cmocka_unit_test(test_too_many_options_are_refused),
		cmocka_unit_test(test_group_with_help_names_the_group),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
