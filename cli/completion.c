/* completion.c: bash completion from the table (deploy/completion/signet.bash is this output). */
#include <string.h>

#include "cli/cli.h"

static const char head[] =
	"# bash completion for signet; written by `signet completion bash`\n"
	"_signet()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=() w i\n"
	"\tCOMPREPLY=()\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tw=${COMP_WORDS[i]}\n"
	"\t\tcase $w in\n"
	"\t\t-o|--output|--config|--socket) ((i++)) ;;\n"
	"\t\t-*) ;;\n"
	"\t\t*) words+=(\"$w\") ;;\n"
	"\t\tesac\n"
	"\tdone\n";

static void put_choices(FILE *out, const char *choices)
{
	for (; *choices != '\0'; choices++) fputc(*choices == '|' ? ' ' : *choices, out);
}

/* What may stand behind an option: files, directories, one of a few words, or something we cannot know. */
static void put_value_case(FILE *out, const struct cli_option *o)
{
	if (o->value == NULL) return;
	fprintf(out, "\t--%s", o->name);
	if (o->letter != 0) fprintf(out, "|-%c", o->letter);
	fputs(") ", out);
	if (o->choices != NULL) {
		fputs("COMPREPLY=($(compgen -W '", out);
		put_choices(out, o->choices);
		fputs("' -- \"$cur\"))", out);
	} else if (strcmp(o->value, "FILE") == 0 || strcmp(o->value, "PATH") == 0) {
		fputs("COMPREPLY=($(compgen -f -- \"$cur\"))", out);
	} else if (strcmp(o->value, "DIR") == 0) {
		fputs("COMPREPLY=($(compgen -d -- \"$cur\"))", out);
	} else {
		fputs(":", out);
	}
	fputs("; return ;;\n", out);
}

/* The same name means the same in every command: the first one writes the case. */
static bool seen_before(size_t command, const struct cli_option *o)
{
	for (size_t i = 0; i < command; i++)
		for (const struct cli_option *p = cli_commands[i].options; p != NULL && p->name != NULL; p++)
			if (strcmp(p->name, o->name) == 0) return true;
	return false;
}

static void put_values(FILE *out)
{
	fputs("\tcase $prev in\n", out);
	for (const struct cli_option *o = cli_global_options; o->name != NULL; o++) put_value_case(out, o);
	for (size_t i = 0; i < cli_command_count; i++)
		for (const struct cli_option *o = cli_commands[i].options; o != NULL && o->name != NULL; o++)
			if (!seen_before(i, o)) put_value_case(out, o);
	fputs("\tesac\n", out);
}

static void put_options(FILE *out, const struct cli_option *options)
{
	for (const struct cli_option *o = options; o != NULL && o->name != NULL; o++) fprintf(out, " --%s", o->name);
}

static void put_commands_of(FILE *out, const char *group)
{
	for (size_t i = 0; i < cli_command_count; i++)
		if (group == NULL ? cli_commands[i].group == NULL
		                  : cli_commands[i].group != NULL && strcmp(cli_commands[i].group, group) == 0)
			fprintf(out, " %s", cli_commands[i].name);
}

/* The words that may follow those before, then the options of a command that is named whole. */
static void put_words(FILE *out)
{
	fputs("\tlocal known= options=\n\tcase \"${words[*]}\" in\n\t'') known='", out);
	put_commands_of(out, NULL);
	for (const struct cli_group *g = cli_groups; g->name != NULL; g++) fprintf(out, " %s", g->name);
	fputs("' ;;\n", out);
	for (const struct cli_group *g = cli_groups; g->name != NULL; g++) {
		fprintf(out, "\t%s|'help %s') known='", g->name, g->name);
		put_commands_of(out, g->name);
		fputs("' ;;\n", out);
	}
	fputs("\thelp) known='", out);
	put_commands_of(out, NULL);
	for (const struct cli_group *g = cli_groups; g->name != NULL; g++) fprintf(out, " %s", g->name);
	fputs("' ;;\n\tcompletion) known=bash ;;\n", out);
	fputs("\t'identity ban'|'identity unban') known='spiffe_id key caller node' ;;\n", out);
	fputs("\t'cert revoke') known='serial spiffe_id key rule caller' ;;\n\tesac\n\tcase \"${words[*]}\" in\n", out);
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *c = &cli_commands[i];

		if (c->options == NULL) continue;
		fprintf(out, "\t'%s%s%s'*) options='", c->group == NULL ? "" : c->group, c->group == NULL ? "" : " ", c->name);
		put_options(out, c->options);
		fputs("' ;;\n", out);
	}
	fputs("\tesac\n", out);
}

void cli_completion_bash(FILE *out)
{
	fputs(head, out);
	put_values(out);
	put_words(out);
	fputs("\tcase $cur in\n\t-*) COMPREPLY=($(compgen -W \"$options", out);
	put_options(out, cli_global_options);
	fputs("\" -- \"$cur\")) ;;\n"
	      "\t*)\n"
	      "\t\t[ -z \"$known\" ] || COMPREPLY=($(compgen -W \"$known\" -- \"$cur\"))\n"
	      "\t\t# no word is known: an argument, which may be a file\n"
	      "\t\t[ -n \"$known\" ] || COMPREPLY=($(compgen -f -- \"$cur\"))\n"
	      "\t\t;;\n"
	      "\tesac\n"
	      "}\n"
	      "complete -o filenames -F _signet signet\n",
	      out);
}
