/* Contract: an accepted ID is exactly what the grammar of SPIFFE-ID s2 says, read here a second time and naively. */
#include <string.h>

#include "csr/spiffe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool all_of(struct bytes v, const char *chars)
{
	for (size_t i = 0; i < v.len; i++)
		if (v.data[i] == 0 || strchr(chars, v.data[i]) == NULL) return false;
	return true;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789._-"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* By state: at each '/' and at the end a segment must have ended properly. */
static bool grammar_path(struct bytes path)
{
	size_t start = 1;

	if (path.len == 0) return true;
	if (path.data[0] != '/' || !all_of(path, LOWER UPPER "/")) return false;
	for (size_t i = 1; i <= path.len; i++) {
		if (i < path.len && path.data[i] != '/') continue;
		if (i == start) return false;
		if (i - start == 1 && path.data[start] == '.') return false;
		if (i - start == 2 && path.data[start] == '.' && path.data[start + 1] == '.') return false;
		start = i + 1;
	}
	return true;
}

static bool grammar(struct bytes id)
{
	size_t end = 9;

	if (id.len > 2048 || id.len < 10 || memcmp(id.data, "spiffe://", 9) != 0) return false;
	while (end < id.len && id.data[end] != '/') end++;
	if (end == 9 || end - 9 > 255 || !all_of(BYTES(id.data + 9, end - 9), LOWER)) return false;
	return grammar_path(BYTES(id.data + end, id.len - end));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes id = BYTES(data, len), domain, path, d2, p2;
	bool ok = spiffe_id_parse(id, &domain, &path).code == ERR_OK;
	bool workload = spiffe_workload_id_parse(id, &d2, &p2).code == ERR_OK;

	if (ok != grammar(id)) __builtin_trap();
	if (ok && (domain.data != data + 9 || path.data != domain.data + domain.len || 9 + domain.len + path.len != len))
		__builtin_trap();
	if (ok && spiffe_trust_domain_check(domain).code != ERR_OK) __builtin_trap();
	if (workload != (ok && path.len > 0)) __builtin_trap();
	if (workload && (!bytes_equal(domain, d2) || !bytes_equal(path, p2))) __builtin_trap();
	(void)spiffe_trust_domain_check(id);
	return 0;
}
