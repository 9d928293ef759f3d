/* crypto.h: OpenSSL made ready before the sandbox, for the processes that hold keys.  Once, in main(). */
#ifndef SIGNET_DAEMON_CRYPTO_H
#define SIGNET_DAEMON_CRYPTO_H

#include "base/err.h"

/* No openssl.cnf (nothing of the machine's changes what we do, and no file is opened later), the secure heap for private
 * keys (locked, guarded, wiped), and the random generator seeded. */
struct err crypto_start(void);

#endif
