/* root_make.h: the self-signed root that the keeper makes when there is none; inside ca/ only. */
#ifndef SIGNET_CA_ROOT_MAKE_H
#define SIGNET_CA_ROOT_MAKE_H

#include "ca/roots.h"

#define ROOT_BLOB_MAX 4096 /* bytes: an RSA-4096 key wrapped is about 2 500 */
#define ROOT_LABEL_MAX (sizeof("ca-root-key/") + 2 * KEY_SKI_LEN)
/* What binds a wrapped key to its root. */
void root_key_label(const uint8_t ski[KEY_SKI_LEN], char label[ROOT_LABEL_MAX]);
/* Key (wrapped) and certificate, appended. */
struct err root_make(const struct roots_options *o, struct buf *cert, struct buf *blob);

#endif
