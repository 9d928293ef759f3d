/* node.h: on which node was a certificate obtained?  As storage/store.h: the writer thread only. */
#ifndef SIGNET_STORAGE_NODE_H
#define SIGNET_STORAGE_NODE_H

#include "storage/store.h"

/* The node in the record of the certificate with this serial, as a string; NOT_FOUND: it has none, or the record is gone. */
struct err store_batch_node(struct store_batch *b, struct bytes serial, char out[STORE_NODE_MAX + 1]);

#endif
