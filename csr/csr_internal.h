/* csr_internal.h: for csr.c, its tests and its fuzz target only. */
#ifndef SIGNET_CSR_CSR_INTERNAL_H
#define SIGNET_CSR_CSR_INTERNAL_H

#include "csr/csr.h"

/* As csr_parse(), but the signature is NOT checked: a fuzzer cannot sign what it has changed.  csr_parse() is this and
 * csr_verify(). */
struct err csr_decode(struct bytes der, struct csr **out);
struct err csr_verify(const struct csr *csr, struct key_verifier *verifier);

#endif
