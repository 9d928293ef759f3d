/* cli.h: the operator's command `signet`: one table of commands drives parsing, help, completion and the manual page.
 *
 * A command is a function from a parsed line (struct cli) to an exit status; what went wrong is said once, on c->err, by
 * cli_fail().  One thread. */
#ifndef SIGNET_CLI_CLI_H
#define SIGNET_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/own.h"
#include "conf/conf.h"

/* Documented in signet(1). */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,      /* refused, denied or failed */
	CLI_USAGE = 2,       /* the command line itself is wrong */
	CLI_UNREACHABLE = 3, /* cannot reach the daemon */
	CLI_NOT_FOUND = 4,
	CLI_FORBIDDEN = 5,   /* the daemon does not let this user */
};

struct cli;

struct cli_option {
	const char *name;    /* "spiffe-id"; NULL ends a list */
	char letter;         /* 'o'; 0: none */
	const char *value;   /* what stands for the value in help: "FILE", "DIR", "ID"; NULL: a flag */
	const char *choices; /* "text|json": one of these; NULL: any text */
	bool repeat;         /* may come several times */
	const char *help;    /* one line */
};

struct cli_command {
	const char *group, *name; /* "token", "create"; group NULL: `signet status` */
	const char *args;         /* "KIND SUBJECT"; NULL: none */
	uint8_t min_args, max_args;
	const struct cli_option *options; /* NULL: only the global ones */
	enum cli_exit (*run)(struct cli *c);
	const char *summary;      /* one line, begins in lower case, no full stop */
	const char *text;         /* paragraphs of help, lines at most 80 columns */
	const char *examples;     /* one command a line */
};

extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;
extern const struct cli_option cli_global_options[]; /* ends with name NULL */

struct cli_group {
	const char *name, *summary;
};
extern const struct cli_group cli_groups[]; /* ends with name NULL */

#define CLI_ARGS_MAX 4
#define CLI_VALUES_MAX 96 /* options given in one line; ours: POLICY_ATTRIBUTES_MAX and some */

struct cli {
	const struct cli_command *command;
	const char *topic; /* group named without a command of it, for help; else NULL */
	bool help, json;
	const char *args[CLI_ARGS_MAX];
	size_t arg_count;
	struct {
		const struct cli_option *option;
		const char *text;
	} values[CLI_VALUES_MAX];
	size_t value_count;
	FILE *out, *err;
	int64_t now;       /* Unix seconds, read once */
	struct conf *conf; /* by cli_conf() */
};

/* ---- parse.c ---- */
#define CLI_PROBLEM_MAX 512
/* Fill command, args and values (borrowed from argv) of a zeroed *c.  false: `problem` says what is wrong and what to do. */
bool cli_parse(int argc, char *const *argv, struct cli *c, char problem[CLI_PROBLEM_MAX]);
/* Value of an option: NULL if it was not given (a flag: not NULL if given). */
const char *cli_value(const struct cli *c, const char *name);
/* The i-th value of an option that repeats; NULL past the last. */
const char *cli_value_at(const struct cli *c, const char *name, size_t i);
/* NULL if there is no such command; group may be NULL. */
const struct cli_command *cli_find(const char *group, const char *name);
bool cli_is_group(const char *word);

/* ---- help.c, completion.c: written from the table ---- */
void cli_help(FILE *out);                                          /* of everything */
void cli_help_group(FILE *out, const char *group);
void cli_help_command(FILE *out, const struct cli_command *command);
void cli_manual(FILE *out);                                        /* the part of signet(1) in mdoc */
void cli_completion_bash(FILE *out);

/* ---- main's other half ---- */
/* The whole program but for what only a main can do.  Returns the exit status. */
int cli_main(int argc, char *const *argv, FILE *out, FILE *err);

/* ---- setting.c ---- */
#define CLI_CONFIG "/etc/signet/signet.yaml"
#define CLI_SOCKET "/run/signet/admin.sock"
/* --config, $SIGNET_CONFIG or CLI_CONFIG. */
const char *cli_conf_path(const struct cli *c);
/* Load and check it (also its rules); said by cli_fail() otherwise. */
enum cli_exit cli_conf_load(struct cli *c, const char *path, struct conf **out);
/* The configuration, if there is one to read: c->conf, NULL otherwise.  Fails only for a file that was named. */
enum cli_exit cli_conf(struct cli *c);
/* --socket, $SIGNET_SOCKET, the configuration's, or CLI_SOCKET. */
enum cli_exit cli_socket(struct cli *c, const char **out);

/* ---- errors ---- */
/* "signet: ..." on c->err (with -o json an object with "error" and "exit"); returns `status`. */
enum cli_exit cli_fail(const struct cli *c, enum cli_exit status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#define CLI_TRY(call)                                                                                                  \
	do {                                                                                                           \
		enum cli_exit try_ = (call);                                                                           \
		if (try_ != CLI_OK) return try_;                                                                       \
	} while (0)

#endif
