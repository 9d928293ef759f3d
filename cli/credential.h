/* credential.h: with what `signet request` proves who it is: a bearer token, or a certificate with its key. */
#ifndef SIGNET_CLI_CREDENTIAL_H
#define SIGNET_CLI_CREDENTIAL_H

#include "cli/cli.h"

struct credential {
	struct buf bearer;             /* "Bearer TOKEN"; empty: none */
	struct buf chain_pem, key_pem; /* both or none */
};
void cli_credential_wipe(struct credential *c);

/* From exactly one of --token-file, --token, --jwt-file, --cert with --key, $SIGNET_TOKEN, standard input if it is no
 * terminal; named options go before the last two. */
enum cli_exit cli_credential_read(struct cli *c, struct credential *out);

#endif
