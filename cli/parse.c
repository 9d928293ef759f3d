/* parse.c: a command line by the table: words name the command, options may stand anywhere behind it. */
#include <stdarg.h>
#include <string.h>

#include "base/bytes.h"
#include "cli/cli.h"

struct parse {
	int argc, at;
	char *const *argv;
	struct cli *c;
	const char *word; /* a group that waits for its command; NULL: none */
	char *problem;
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct parse *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(p->problem, CLI_PROBLEM_MAX, fmt, ap);
	va_end(ap);
	return false;
}

static const char *text_or_empty(const char *s)
{
	return s == NULL ? "" : s;
}

const struct cli_command *cli_find(const char *group, const char *name)
{
	for (size_t i = 0; i < cli_command_count; i++)
		if (strcmp(text_or_empty(cli_commands[i].group), text_or_empty(group)) == 0 &&
		    strcmp(cli_commands[i].name, name) == 0)
			return &cli_commands[i];
	return NULL;
}

bool cli_is_group(const char *word)
{
	for (const struct cli_group *g = cli_groups; g->name != NULL; g++)
		if (strcmp(g->name, word) == 0) return true;
	return false;
}

/* ---- what may have been meant ---- */

#define NEAR_MAX 24 /* letters compared */

/* Letters to change, add or drop (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
	size_t row[NEAR_MAX + 1], la = strlen(a), lb = strlen(b);

	if (la > NEAR_MAX || lb > NEAR_MAX) return NEAR_MAX;
	for (size_t j = 0; j <= lb; j++) row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			if (row[j] + 1 < best) best = row[j] + 1;
			if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

struct near {
	const char *word, *best;
	size_t distance;
};

static void near_try(struct near *n, const char *candidate)
{
	size_t d = distance(n->word, candidate);

	if (d >= n->distance || d > 1 + strlen(n->word) / 3) return;
	n->distance = d;
	n->best = candidate;
}

static bool refuse_command(struct parse *p, const char *word)
{
	struct near n = { .word = word, .distance = NEAR_MAX };

	for (size_t i = 0; i < cli_command_count; i++)
		if (p->word == NULL ? cli_commands[i].group == NULL : strcmp(text_or_empty(cli_commands[i].group), p->word) == 0)
			near_try(&n, cli_commands[i].name);
	for (const struct cli_group *g = cli_groups; p->word == NULL && g->name != NULL; g++) near_try(&n, g->name);
	if (n.best != NULL)
		return refuse(p, "there is no command %s%s%s; did you mean %s?", text_or_empty(p->word), p->word ? " " : "",
		              word, n.best);
	return refuse(p, "there is no command %s%s%s; see: signet help%s%s", text_or_empty(p->word), p->word ? " " : "", word,
	              p->word ? " " : "", text_or_empty(p->word));
}

static bool refuse_option(struct parse *p, const char *given)
{
	const struct cli_command *command = p->c->command;
	struct near n = { .word = given, .distance = NEAR_MAX };
	char near_text[64] = "";

	for (const struct cli_option *o = cli_global_options; o->name != NULL; o++) near_try(&n, o->name);
	for (const struct cli_option *o = command == NULL ? NULL : command->options; o != NULL && o->name != NULL; o++)
		near_try(&n, o->name);
	if (n.best != NULL) (void)snprintf(near_text, sizeof(near_text), "did you mean --%s?", n.best);
	if (command == NULL)
		return refuse(p, "unknown option --%s (options of a command stand behind it); %s", given,
		              n.best != NULL ? near_text : "see: signet help");
	return refuse(p, "%s%s%s has no option --%s; %s", text_or_empty(command->group), command->group ? " " : "", command->name,
	              given, n.best != NULL ? near_text : "see its --help");
}

/* ---- options ---- */

static bool option_is(const struct cli_option *o, const char *name, size_t len)
{
	return strlen(o->name) == len && memcmp(o->name, name, len) == 0;
}

static const struct cli_option *option_find(const struct cli_option *list, const char *name, size_t len)
{
	for (const struct cli_option *o = list; o != NULL && o->name != NULL; o++)
		if (len == 1 ? o->letter == name[0] : option_is(o, name, len)) return o;
	return NULL;
}

static bool is_choice(const char *choices, const char *text)
{
	size_t len = strlen(text);

	for (const char *at = choices; at != NULL; at = strchr(at, '|') == NULL ? NULL : strchr(at, '|') + 1)
		if (strcspn(at, "|") == len && memcmp(at, text, len) == 0) return true;
	return false;
}

static bool option_add(struct parse *p, const struct cli_option *o, const char *text)
{
	struct cli *c = p->c;

	if (o->choices != NULL && !is_choice(o->choices, text))
		return refuse(p, "--%s takes %s, not %s", o->name, o->choices, text);
	for (size_t i = 0; !o->repeat && i < c->value_count; i++)
		if (c->values[i].option == o) return refuse(p, "--%s is given twice", o->name);
	if (c->value_count == CLI_VALUES_MAX) return refuse(p, "more than %d options", CLI_VALUES_MAX);
	c->values[c->value_count].option = o;
	c->values[c->value_count++].text = text;
	if (strcmp(o->name, "help") == 0) c->help = true;
	if (strcmp(o->name, "output") == 0) c->json = strcmp(text, "json") == 0;
	return true;
}

/* name: without its dashes; `attached`: what followed it in the same word, or NULL. */
static bool option_take(struct parse *p, const char *name, size_t len, const char *attached)
{
	const struct cli_option *o = option_find(cli_global_options, name, len);
	char given[NEAR_MAX + 1];

	if (o == NULL && p->c->command != NULL) o = option_find(p->c->command->options, name, len);
	if (o == NULL) {
		(void)snprintf(given, sizeof(given), "%.*s", (int)(len > NEAR_MAX ? NEAR_MAX : len), name);
		return refuse_option(p, given);
	}
	if (o->value == NULL) return attached == NULL ? option_add(p, o, "") : refuse(p, "--%s takes no value", o->name);
	if (attached != NULL) return option_add(p, o, attached);
	if (p->at >= p->argc) return refuse(p, "--%s needs a value: --%s %s", o->name, o->name, o->value);
	return option_add(p, o, p->argv[p->at++]);
}

static bool take_dashed(struct parse *p, const char *word)
{
	const char *name = word + 1 + (word[1] == '-'), *equals = strchr(name, '=');

	if (word[1] != '-') return option_take(p, name, 1, name[1] == '\0' ? NULL : name + 1);
	if (strlen(name) == 1) return refuse_option(p, name); /* --o is no -o */
	return option_take(p, name, equals == NULL ? strlen(name) : (size_t)(equals - name), equals == NULL ? NULL : equals + 1);
}

/* ---- words ---- */

static bool take_word(struct parse *p, const char *word)
{
	struct cli *c = p->c;

	if (c->command != NULL) {
		if (c->arg_count >= c->command->max_args)
			return refuse(p, "%s is one argument too many; see: signet help %s%s%s", word,
			              text_or_empty(c->command->group), c->command->group ? " " : "", c->command->name);
		c->args[c->arg_count++] = word;
		return true;
	}
	if (p->word == NULL && cli_is_group(word)) {
		p->word = word;
		return true;
	}
	c->command = cli_find(p->word, word);
	return c->command != NULL || refuse_command(p, word);
}

static bool finish(struct parse *p)
{
	struct cli *c = p->c;

	if (c->command == NULL) {
		c->topic = p->word;
		return c->help || refuse(p, "%s%s what? see: signet help%s%s", "signet ", text_or_empty(p->word),
		                         p->word ? " " : "", text_or_empty(p->word));
	}
	if (c->help || c->arg_count >= c->command->min_args) return true;
	return refuse(p, "%s%s%s needs %s; see its --help", text_or_empty(c->command->group), c->command->group ? " " : "",
	              c->command->name, c->command->args);
}

bool cli_parse(int argc, char *const *argv, struct cli *c, char problem[CLI_PROBLEM_MAX])
{
	struct parse p = { .argc = argc, .at = 1, .argv = argv, .c = c, .problem = problem };
	bool only_words = false;

	problem[0] = '\0';
	while (p.at < argc) {
		const char *word = argv[p.at++];

		if (!only_words && strcmp(word, "--") == 0) {
			only_words = true;
		} else if (!only_words && word[0] == '-' && word[1] != '\0') {
			if (!take_dashed(&p, word)) return false;
		} else if (!take_word(&p, word)) {
			return false;
		}
	}
	return finish(&p);
}

const char *cli_value_at(const struct cli *c, const char *name, size_t i)
{
	for (size_t v = 0; v < c->value_count; v++)
		if (strcmp(c->values[v].option->name, name) == 0 && i-- == 0) return c->values[v].text;
	return NULL;
}

const char *cli_value(const struct cli *c, const char *name)
{
	return cli_value_at(c, name, 0); /* an option that does not repeat is there once */
}
