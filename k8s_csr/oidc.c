#include "k8s_csr/oidc.h"

#include <string.h>

struct err oidc_discovery_read(const json_t *document, const char *issuer, char jwks_uri[URL_MAX + 1])
{
	struct bytes said, uri;

	if (json_string_of(document, "issuer", URL_MAX, &said).code != ERR_OK)
		FAIL(ERR_INVALID_ARGUMENT, "oidc: the discovery document names no issuer");
	if (!bytes_is(said, issuer)) FAIL(ERR_INVALID_ARGUMENT, "oidc: the discovery document is of another issuer");
	if (json_string_of(document, "jwks_uri", URL_MAX, &uri).code != ERR_OK)
		FAIL(ERR_INVALID_ARGUMENT, "oidc: the discovery document has no jwks_uri");
	TRY(url_check(uri, true));
	memcpy(jwks_uri, uri.data, uri.len);
	jwks_uri[uri.len] = '\0';
	return OK;
}
