#include "cli/report.h"

#include "cli/text.h"

static const char *const words[] = {
	[REPORT_GOOD] = "ok", [REPORT_SKIPPED] = "skipped", [REPORT_MISSING] = "MISSING", [REPORT_FAILED] = "FAILED"
};
static const char *const names[] = {
	[REPORT_GOOD] = "ok", [REPORT_SKIPPED] = "skipped", [REPORT_MISSING] = "missing", [REPORT_FAILED] = "failed"
};

void report_begin(struct report *r, const char *of)
{
	(void)snprintf(r->of, sizeof(r->of), "%s", of);
	if (!r->c->json) fprintf(r->c->out, "%s\n", of);
}

static void add(struct report *r, json_t *check)
{
	if (r->checks == NULL) r->checks = json_array();
	r->bad = json_array_append_new(r->checks, check) != 0 || r->bad; /* what is left out for want of memory is not good */
}

void report(struct report *r, enum report_state state, const char *what, const char *detail)
{
	AUTO(buf) struct buf safe = { .max = 16 * 1024 };

	r->bad = r->bad || state == REPORT_MISSING || state == REPORT_FAILED;
	if (text_put_safe(&safe, bytes_str(detail)).code != ERR_OK || buf_put(&safe, "", 1).code != ERR_OK) return;
	if (r->c->json) add(r, json_pack("{ss ss ss ss}", "of", r->of, "check", what, "state", names[state], "detail", safe.data));
	else fprintf(r->c->out, "  %-8s %s%s%s\n", words[state], what, safe.len > 1 ? ": " : "", (const char *)safe.data);
	(void)fflush(r->c->out);
}

void report_missing(struct report *r, const char *what, const char *yaml, json_t *rule)
{
	r->bad = true;
	if (r->c->json) {
		add(r, json_pack("{ss ss ss so}", "of", r->of, "check", what, "state", names[REPORT_MISSING], "rule", rule));
		return;
	}
	json_decref(rule);
	fprintf(r->c->out, "  %-8s %s\n%s", words[REPORT_MISSING], what, yaml);
	(void)fflush(r->c->out);
}
