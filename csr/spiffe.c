#include "csr/spiffe.h"

#include <string.h>

#define SCHEME "spiffe://"
#define SCHEME_LEN (sizeof(SCHEME) - 1)

/* Which characters may stand where (SPIFFE-ID s2.1, s2.2). */
enum { IN_TRUST_DOMAIN = 1, IN_PATH = 2 };
#define BOTH (IN_TRUST_DOMAIN | IN_PATH)
static const uint8_t classes[256] = {
	['a'] = BOTH, ['b'] = BOTH, ['c'] = BOTH, ['d'] = BOTH, ['e'] = BOTH, ['f'] = BOTH, ['g'] = BOTH,
	['h'] = BOTH, ['i'] = BOTH, ['j'] = BOTH, ['k'] = BOTH, ['l'] = BOTH, ['m'] = BOTH, ['n'] = BOTH,
	['o'] = BOTH, ['p'] = BOTH, ['q'] = BOTH, ['r'] = BOTH, ['s'] = BOTH, ['t'] = BOTH, ['u'] = BOTH,
	['v'] = BOTH, ['w'] = BOTH, ['x'] = BOTH, ['y'] = BOTH, ['z'] = BOTH,
	['0'] = BOTH, ['1'] = BOTH, ['2'] = BOTH, ['3'] = BOTH, ['4'] = BOTH,
	['5'] = BOTH, ['6'] = BOTH, ['7'] = BOTH, ['8'] = BOTH, ['9'] = BOTH,
	['.'] = BOTH, ['_'] = BOTH, ['-'] = BOTH,
	['A'] = IN_PATH, ['B'] = IN_PATH, ['C'] = IN_PATH, ['D'] = IN_PATH, ['E'] = IN_PATH, ['F'] = IN_PATH,
	['G'] = IN_PATH, ['H'] = IN_PATH, ['I'] = IN_PATH, ['J'] = IN_PATH, ['K'] = IN_PATH, ['L'] = IN_PATH,
	['M'] = IN_PATH, ['N'] = IN_PATH, ['O'] = IN_PATH, ['P'] = IN_PATH, ['Q'] = IN_PATH, ['R'] = IN_PATH,
	['S'] = IN_PATH, ['T'] = IN_PATH, ['U'] = IN_PATH, ['V'] = IN_PATH, ['W'] = IN_PATH, ['X'] = IN_PATH,
	['Y'] = IN_PATH, ['Z'] = IN_PATH,
};

struct err spiffe_trust_domain_check(struct bytes name)
{
	if (name.len == 0 || name.len > SPIFFE_TRUST_DOMAIN_MAX)
		FAIL(ERR_INVALID_ARGUMENT, "spiffe: trust domain is empty or too long");
	for (size_t i = 0; i < name.len; i++)
		if ((classes[name.data[i]] & IN_TRUST_DOMAIN) == 0)
			FAIL(ERR_INVALID_ARGUMENT, "spiffe: character not allowed in a trust domain");
	return OK;
}

/* "." and ".." are relative; "..." is a name like any other (SPIFFE-ID s2.2). */
static struct err segment_check(struct bytes segment)
{
	if (segment.len == 0) FAIL(ERR_INVALID_ARGUMENT, "spiffe: empty path segment");
	if (bytes_is(segment, ".") || bytes_is(segment, ".."))
		FAIL(ERR_INVALID_ARGUMENT, "spiffe: relative path segment");
	for (size_t i = 0; i < segment.len; i++)
		if ((classes[segment.data[i]] & IN_PATH) == 0)
			FAIL(ERR_INVALID_ARGUMENT, "spiffe: character not allowed in a path");
	return OK;
}

/* Empty, or every '/' is followed by a segment. */
static struct err path_check(struct bytes path)
{
	while (path.len > 0) {
		struct bytes rest = BYTES(path.data + 1, path.len - 1);
		const uint8_t *slash = rest.len == 0 ? NULL : memchr(rest.data, '/', rest.len);
		size_t len = slash == NULL ? rest.len : (size_t)(slash - rest.data);

		TRY(segment_check(BYTES(rest.data, len)));
		path = BYTES(rest.data + len, rest.len - len);
	}
	return OK;
}

struct err spiffe_id_parse(struct bytes id, struct bytes *trust_domain, struct bytes *path)
{
	struct bytes rest, domain, tail;
	const uint8_t *slash;

	if (id.len > SPIFFE_ID_MAX) FAIL(ERR_INVALID_ARGUMENT, "spiffe: ID is too long");
	if (!bytes_has_prefix(id, BYTES(SCHEME, SCHEME_LEN)))
		FAIL(ERR_INVALID_ARGUMENT, "spiffe: ID does not start with spiffe://");
	rest = BYTES(id.data + SCHEME_LEN, id.len - SCHEME_LEN);
	slash = rest.len == 0 ? NULL : memchr(rest.data, '/', rest.len);
	domain = BYTES(rest.data, slash == NULL ? rest.len : (size_t)(slash - rest.data));
	tail = BYTES(rest.data + domain.len, rest.len - domain.len);
	TRY(spiffe_trust_domain_check(domain));
	TRY(path_check(tail));
	if (trust_domain != NULL) *trust_domain = domain;
	if (path != NULL) *path = tail;
	return OK;
}

struct err spiffe_workload_id_parse(struct bytes id, struct bytes *trust_domain, struct bytes *path)
{
	struct bytes domain, tail;

	TRY(spiffe_id_parse(id, &domain, &tail));
	if (tail.len == 0) FAIL(ERR_INVALID_ARGUMENT, "spiffe: ID of a workload has no path");
	if (trust_domain != NULL) *trust_domain = domain;
	if (path != NULL) *path = tail;
	return OK;
}
