/* help.c: help and the generated part of signet(1), from the table. */
#include <string.h>

#include "cli/cli.h"

#define MARGIN 26 /* columns before an option's help */

static const char exit_codes[] =
	"Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 cannot reach the daemon,\n"
	"4 not found, 5 not allowed to you.\n";

static bool in_group(const struct cli_command *c, const char *group)
{
	return c->group == group || (c->group != NULL && group != NULL && strcmp(c->group, group) == 0);
}

static void put_name(FILE *out, const struct cli_command *c)
{
	fprintf(out, "%s%s%s", c->group == NULL ? "" : c->group, c->group == NULL ? "" : " ", c->name);
}

static void put_list(FILE *out, const char *group)
{
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *c = &cli_commands[i];

		if (!in_group(c, group)) continue;
		int width = (int)(strlen(c->name) + (group == NULL ? 0 : strlen(group) + 1));

		fprintf(out, "  signet ");
		put_name(out, c);
		fprintf(out, "%*s  %s\n", width < 18 ? 18 - width : 0, "", c->summary);
	}
}

static void put_options(FILE *out, const struct cli_option *options)
{
	for (const struct cli_option *o = options; o != NULL && o->name != NULL; o++) {
		char letter[8] = "    ", left[80];

		if (o->letter != 0) (void)snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		int n = snprintf(left, sizeof(left), "  %s--%s%s%s", letter, o->name, o->value == NULL ? "" : " ",
		                 o->value == NULL ? "" : o->value);

		if (n > MARGIN - 2) fprintf(out, "%s\n%*s%s", left, MARGIN, "", o->help);
		else fprintf(out, "%-*s%s", MARGIN, left, o->help);
		fprintf(out, "%s\n", o->repeat ? " (may be repeated)" : "");
	}
}

void cli_help(FILE *out)
{
	fputs("signet: the command of the operator of Signet, a certificate authority for SPIFFE.\n\n"
	      "usage: signet COMMAND [ARGUMENTS] [OPTIONS]\n",
	      out);
	fputs("\nOn this machine:\n", out);
	put_list(out, NULL);
	for (const struct cli_group *g = cli_groups; g->name != NULL; g++) {
		fprintf(out, "\n%s:\n", g->summary);
		put_list(out, g->name);
	}
	fputs("\nEverywhere:\n", out);
	put_options(out, cli_global_options);
	fprintf(out, "\n%s\n`signet help COMMAND` or `signet COMMAND --help` shows more, with examples.\n", exit_codes);
}

void cli_help_group(FILE *out, const char *group)
{
	for (const struct cli_group *g = cli_groups; g->name != NULL; g++)
		if (strcmp(g->name, group) == 0) fprintf(out, "%s:\n", g->summary);
	put_list(out, group);
	fprintf(out, "\n`signet help %s COMMAND` shows more, with examples.\n", group);
}

static void put_indented(FILE *out, const char *text)
{
	while (*text != '\0') {
		int n = (int)strcspn(text, "\n");

		fprintf(out, "  %.*s\n", n, text);
		text += n + (text[n] == '\n');
	}
}

void cli_help_command(FILE *out, const struct cli_command *c)
{
	fputs("signet ", out);
	put_name(out, c);
	fprintf(out, ": %s\n\nusage: signet ", c->summary);
	put_name(out, c);
	if (c->args != NULL) fprintf(out, c->min_args == 0 ? " [%s]" : " %s", c->args);
	fprintf(out, "%s\n\n%s\n", c->options == NULL ? "" : " [OPTIONS]", c->text);
	if (c->options != NULL) fputs("Options:\n", out);
	put_options(out, c->options);
	fputs(c->options == NULL ? "Everywhere:\n" : "\nEverywhere:\n", out);
	put_options(out, cli_global_options);
	fputs(strchr(c->examples, '\n') == NULL ? "\nExample:\n" : "\nExamples:\n", out);
	put_indented(out, c->examples);
	fprintf(out, "\n%s", exit_codes);
}

/* ---- mdoc ---- */

/* Text for a line of mdoc: a backslash and a leading dot or quote mean something there, and a sentence begins a line. */
static void put_mdoc(FILE *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const char *at = text + i;
		bool line_begins = i == 0 || at[-1] == '\n', more = i + 2 < len;

		if ((*at == '.' || *at == '\'') && line_begins) fputs("\\&", out);
		if (*at == '\\') {
			fputs("\\e", out);
		} else if (more && memcmp(at, "--", 2) == 0) {
			fputs("\\-", out);
		} else if (more && i > 0 && at[-1] == '.' && memcmp(at, "  ", 2) == 0) {
			fputs("\n", out);
			i++;
		} else {
			fputc(*at, out);
		}
	}
}

static void put_mdoc_options(FILE *out, const struct cli_option *options)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (const struct cli_option *o = options; o->name != NULL; o++) {
		fputs(".It ", out);
		if (o->letter != 0)
			fprintf(out, "Fl %c%s%s , ", o->letter, o->value == NULL ? "" : " Ar ",
			        o->value == NULL ? "" : o->value);
		fprintf(out, "Fl Fl %s%s%s\n", o->name, o->value == NULL ? "" : " Ar ", o->value == NULL ? "" : o->value);
		put_mdoc(out, o->help, strlen(o->help));
		fputs(o->repeat ? " (may be repeated)\n" : "\n", out);
	}
	fputs(".El\n", out);
}

/* Paragraphs: an empty line between two becomes .Pp. */
static void put_mdoc_text(FILE *out, const char *text)
{
	while (*text != '\0') {
		const char *gap = strstr(text, "\n\n");
		size_t len = gap == NULL ? strlen(text) : (size_t)(gap - text);

		while (len > 0 && text[len - 1] == '\n') len--;
		put_mdoc(out, text, len);
		fputs("\n", out);
		if (gap == NULL) return;
		fputs(".Pp\n", out);
		text = gap + 2;
	}
}

static void put_mdoc_command(FILE *out, const struct cli_command *c)
{
	fputs(".Ss signet ", out);
	put_name(out, c);
	if (c->args != NULL) fprintf(out, c->min_args == 0 ? " [%s]" : " %s", c->args);
	fputs("\n", out);
	put_mdoc_text(out, c->text);
	if (c->options != NULL) put_mdoc_options(out, c->options);
	fputs(".Bd -literal -offset indent\n", out);
	put_mdoc(out, c->examples, strlen(c->examples));
	fputs("\n.Ed\n", out);
}

void cli_manual(FILE *out)
{
	fputs(".Sh OPTIONS\nThese may stand in every command line:\n", out);
	put_mdoc_options(out, cli_global_options);
	fputs(".Sh COMMANDS\n", out);
	for (size_t i = 0; i < cli_command_count; i++) put_mdoc_command(out, &cli_commands[i]);
}
