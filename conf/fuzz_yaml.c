/* What loads can be shown, and what is shown loads to the same image (but for lines); a refusal always says why. */
#include <string.h>

#include "conf/load.h"

static void check_round_trip(struct conf *c)
{
	AUTO(buf) struct buf shown = { .max = 16 * 1024 * 1024 }, json = { .max = 16 * 1024 * 1024 };
	AUTO(conf) struct conf *again = NULL;
	struct conf_problem problem;
	if (conf_show(c, &shown).code != ERR_OK || conf_show_json(c, &json).code != ERR_OK) __builtin_trap();
	if (shown.len > CONF_FILE_MAX) return; /* escapes and brackets may make it larger than a file may be */
	if (conf_parse(buf_view(&shown), "shown", &again, &problem).code != ERR_OK) __builtin_trap();
	for (uint32_t i = 0; i < c->rule_count; i++) c->rules[i].line = again->rules[i].line;
	if (c->size != again->size || memcmp(c, again, c->size) != 0) __builtin_trap();
}

static void check_map(const struct conf *c)
{
	AUTO(fd) int fd = -1;
	const struct conf *mapped = NULL;
	if (conf_seal(c, &fd).code != ERR_OK) return; /* the system's affair */
	if (conf_map(fd, &mapped).code != ERR_OK) __builtin_trap(); /* what the loader makes, the schema allows */
	conf_unmap(mapped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(conf) struct conf *c = NULL;
	struct conf_problem problem = { .text = "" };
	struct err e = conf_parse(BYTES(data, len), "fuzz", &c, &problem);
	if ((e.code == ERR_OK) != (c != NULL)) __builtin_trap();
	if ((e.code == ERR_OK) != (problem.text[0] == '\0')) __builtin_trap();
	if (memchr(problem.text, '\n', strlen(problem.text)) != NULL) __builtin_trap();
	if (c == NULL) return 0;
	check_map(c);
	check_round_trip(c);
	return 0;
}
