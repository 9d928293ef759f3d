/* oidc.h: where an OIDC issuer publishes its keys (OpenID Connect Discovery 1.0 s4).  Pure; any thread. */
#ifndef SIGNET_K8S_CSR_OIDC_H
#define SIGNET_K8S_CSR_OIDC_H

#include "base/url.h"
#include "proto/json.h"

#define OIDC_DISCOVERY_MAX (64 * 1024) /* bytes of JSON; ours: large ones have 5 KiB */

/* The document of ISSUER/.well-known/openid-configuration, from json_object_parse(text, OIDC_DISCOVERY_MAX, &document), to the
 * URL of the JWK set: a url_check(), a query is allowed.
 * INVALID_ARGUMENT, *jwks_uri untouched: its issuer is not `issuer`, byte for byte (s4.3: "MUST be identical"); no such URL. */
struct err oidc_discovery_read(const json_t *document, const char *issuer, char jwks_uri[URL_MAX + 1]);

#endif
