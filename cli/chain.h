/* chain.h: is a certificate that came back the one that was asked for?  Any thread; no I/O. */
#ifndef SIGNET_CLI_CHAIN_H
#define SIGNET_CLI_CHAIN_H

#include "base/bytes.h"
#include "cli/keys.h"
#include "csr/cert.h"

#define CHAIN_MAX 8                /* certificates of an answer; ours */
#define CHAIN_PEM_MAX (256 * 1024) /* bytes of roots; ours */

struct chain_check {
	EVP_PKEY *key;           /* the one it must certify */
	struct bytes roots_pem;  /* trusted */
	const char *spiffe_id;   /* that it must name; NULL: any */
	int64_t now;
};
/* pem[0]: the leaf; pem[1..count-1]: intermediates; one certificate each.  OK: *leaf borrows *der, which the caller frees.
 * INVALID_ARGUMENT: the reason says which rule it breaks. */
struct err cli_chain_check(const struct chain_check *check, const struct bytes *pem, size_t count, struct buf *der,
                           struct cert *leaf);

#endif
