/* A good image with bytes changed as the input says, or the input itself: what conf_map() takes, every accessor may read.
 * Input: pairs of a 3-byte offset and a byte to put there; if its first byte is 0xff, the rest is the image. */
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "conf/load.h"

static volatile size_t sink; /* so that reading is not optimised away */

static void read_list(const struct conf *c, struct conf_list list)
{
	for (uint32_t i = 0; i < list.count; i++) sink += strlen(conf_item(c, list, i));
}

static void read_rules(const struct conf *c)
{
	for (uint32_t i = 0; i < c->rule_count; i++) {
		const struct conf_rule *r = &c->rules[i];
		sink += strlen(conf_text(c, r->name)) + strlen(conf_text(c, r->spiffe_id)) + r->deny;
		read_list(c, r->dns_names), read_list(c, r->ip_addresses), read_list(c, r->key_types);
		read_list(c, r->issuers), read_list(c, r->impersonate);
		for (uint32_t m = 0; m < r->match_count; m++) {
			sink += strlen(conf_text(c, c->matches[r->match_first + m].attribute));
			read_list(c, c->matches[r->match_first + m].patterns);
		}
	}
}

static void read_all(const struct conf *c)
{
	AUTO(buf) struct buf json = { .max = 64 * 1024 * 1024 };
	struct err e = conf_show_json(c, &json); /* reads every item of the schema */
	sink += e.code;
	for (uint32_t i = 0; i < c->issuer_count; i++) read_list(c, c->issuers[i].audiences);
	read_rules(c);
}

static void change(struct conf *c, const uint8_t *data, size_t len)
{
	for (; len >= 4; data += 4, len -= 4) {
		size_t at = ((size_t)data[0] << 16 | (size_t)data[1] << 8 | data[2]) % c->size;
		if (at >= offsetof(struct conf, size) && at < offsetof(struct conf, size) + sizeof(c->size)) continue; /* ours */
		((uint8_t *)c)[at] = data[3];
	}
}

static void try_image(const void *image, size_t len)
{
	AUTO(fd) int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const struct conf *mapped = NULL;
	if (fd < 0 || write(fd, image, len) != (ssize_t)len) return;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) return;
	struct err e = conf_map(fd, &mapped);
	if ((e.code == ERR_OK) != (mapped != NULL)) __builtin_trap();
	if (mapped == NULL) return;
	if (mapped->size != len) __builtin_trap();
	read_all(mapped);
	conf_unmap(mapped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char yaml[] = "trust_domain: example.org\n"
				   "jwt_issuers: [{ name: j, issuer: i, jwks_file: /j, audiences: [a] }]\n"
				   "policy: [{ name: r, match: { claim.a: [x, y] }, spiffe_id: 'spiffe://example.org/a' }]\n";
	AUTO(conf) struct conf *c = NULL;
	struct conf_problem problem;
	if (len > 0 && data[0] == 0xff) {
		try_image(data + 1, len - 1);
		return 0;
	}
	if (conf_parse(bytes_str(yaml), "fuzz", &c, &problem).code != ERR_OK) __builtin_trap();
	change(c, data, len);
	try_image(c, c->size);
	return 0;
}
