/* serving_csr.h: the request for the front's own certificate, as another signer wants it. */
#ifndef SIGNET_RA_SERVING_CSR_H
#define SIGNET_RA_SERVING_CSR_H

#include <openssl/evp.h>

#include "conf/conf.h"

/* PKCS#10 in DER: no subject, exactly tls.names, signed by the key. */
struct err serving_csr(const struct conf *conf, EVP_PKEY *key, struct buf *out);

#endif
