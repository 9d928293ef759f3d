/* openssl.h: an OpenSSL failure as a struct err. */
#ifndef SIGNET_KEY_OPENSSL_H
#define SIGNET_KEY_OPENSSL_H

#include "base/err.h"

/* The cause is OpenSSL's last error; its queue is left empty (TLS on the same thread reads that queue).  `reason` is a
 * literal. */
struct err key_openssl_err(enum err_code code, const char *reason);

#endif
