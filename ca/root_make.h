/* root_make.h: roots that the keeper makes itself, and one signed by another; inside ca/ only. */
#ifndef SIGNET_CA_ROOT_MAKE_H
#define SIGNET_CA_ROOT_MAKE_H

#include "ca/roots.h"

#define ROOT_LABEL_MAX (sizeof("ca-root-key/") + 2 * KEY_SKI_LEN)
/* What binds a wrapped key to its root. */
void root_key_label(const uint8_t ski[KEY_SKI_LEN], char label[ROOT_LABEL_MAX]);
/* A self-signed root with a new key: its certificate, and the key wrapped under o->ca_kek; both appended.  An RSA key takes
 * seconds. */
struct err root_make(const struct roots_options *o, struct buf *cert, struct buf *blob);
/* The root `next`, signed by `by` as well: appended.  The caller is the submitter of by->key. */
struct err root_cross(const struct roots_options *o, const struct root_signer *by, struct bytes next, struct buf *cert);

#endif
