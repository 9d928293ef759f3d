/* seccomp_gen ROLE: the role's allow-list (tools/seccomp_lists.h) as BPF in a C header on standard output.
 * Runs at build time, so that no process that handles secrets links libseccomp. */
#include <linux/filter.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/seccomp_lists.h"

#define PROGRAM_MAX 4096 /* instructions; BPF_MAXINSNS */

/* Has an earlier entry of the role allowed this call whatever its arguments?  Then a narrower rule says nothing. */
static bool already_any(const struct group *groups, const struct call *until)
{
	for (const struct group *g = groups; g->calls != NULL; g++)
		for (size_t i = 0; i < g->count; i++) {
			const struct call *c = &g->calls[i];

			if (c == until) return false;
			if (c->how == ANY && strcmp(c->name, until->name) == 0) return true;
		}
	return false;
}

static int add_call(scmp_filter_ctx ctx, const struct call *c)
{
	int number = seccomp_syscall_resolve_name(c->name);
	struct scmp_arg_cmp cmp[] = {
		{ .arg = c->arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = c->mask, .datum_b = c->want },
		{ .arg = c->also, .op = SCMP_CMP_MASKED_EQ, .datum_a = LOW, .datum_b = c->also_want },
	};

	/* this libseccomp does not know it, or this architecture does not have it */
	if (number == __NR_SCMP_ERROR || number < 0) return 0;
	if (c->how == ARG) return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, number, c->also != 0 ? 2 : 1, cmp);
	if (c->how == REFUSE_ARG) return seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO((uint32_t)c->error), number, 1, cmp);
	if (c->how == REFUSE) return seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)c->error), number, 0);
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 0);
}

static int add_groups(scmp_filter_ctx ctx, const struct group *groups)
{
	for (const struct group *g = groups; g->calls != NULL; g++)
		for (size_t i = 0; i < g->count; i++) {
			int rc = already_any(groups, &g->calls[i]) ? 0 : add_call(ctx, &g->calls[i]);

			if (rc < 0) {
				fprintf(stderr, "seccomp_gen: %s: %s\n", g->calls[i].name, strerror(-rc));
				return rc;
			}
		}
	return 0;
}

static int export_filter(scmp_filter_ctx ctx, struct sock_filter *program, size_t *count)
{
	FILE *f = tmpfile();
	int rc = f == NULL ? -1 : seccomp_export_bpf(ctx, fileno(f));

	if (f == NULL) return -1;
	rewind(f);
	*count = rc < 0 ? 0 : fread(program, sizeof(*program), PROGRAM_MAX, f);
	fclose(f);
	return *count == 0 || *count == PROGRAM_MAX ? -1 : 0;
}

static int generate(const char *name, const struct group *groups)
{
	static struct sock_filter program[PROGRAM_MAX];
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	size_t count;

	if (ctx == NULL) return 1;
	/* a foreign architecture (32-bit, x32) is killed, not passed on */
	if (seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0 || add_groups(ctx, groups) < 0 ||
	    export_filter(ctx, program, &count) < 0) {
		fprintf(stderr, "seccomp_gen: cannot make the filter of %s\n", name);
		return 1;
	}
	seccomp_release(ctx);
	printf("/* made by tools/seccomp_gen.c from tools/seccomp_lists.h */\nstatic const struct sock_filter seccomp_%s[] = {\n",
	       name);
	for (size_t i = 0; i < count; i++)
		printf("\t{ 0x%04x, %u, %u, 0x%08x },\n", program[i].code, program[i].jt, program[i].jf, program[i].k);
	printf("};\n");
	return ferror(stdout) != 0;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i].name, argv[1]) == 0) return generate(roles[i].name, roles[i].groups);
	fprintf(stderr, "usage: seccomp_gen keeper|front|admin|courier|monitor|monitor_courier\n");
	return 2;
}
