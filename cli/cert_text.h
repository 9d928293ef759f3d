/* cert_text.h: a certificate for people, and as JSON.  Pure. */
#ifndef SIGNET_CLI_CERT_TEXT_H
#define SIGNET_CLI_CERT_TEXT_H

#include <jansson.h>

#include "cli/cli.h"
#include "csr/cert.h"

/* Aligned lines, each behind `margin`. */
void cli_cert_text(FILE *out, const struct cert *cert, int64_t now, const char *margin);
struct err cli_cert_json(const struct cert *cert, json_t **out);
/* Every certificate of a PEM text, or the one of a DER text, told one after the other.  INVALID_ARGUMENT: none, malformed. */
struct err cli_cert_each(struct bytes text, struct err (*one)(void *ctx, const struct cert *cert), void *ctx);

#endif
