/* external_serving.c: the fronts' own certificates, when tls.issuer names another signer.  Their names are tls.names as this
 * process read them; what the front wrote into its CSR must equal them, as for every other request (external_csr.c). */
#include <string.h>

#include "ca/external_inside.h"

bool external_serves(const struct keeper *k)
{
	return k->external != NULL && conf_csr_issuer_find(k->conf, bytes_str(conf_text(k->conf, k->conf->tls.issuer))) >= 0;
}

struct err external_serving(struct keeper *k, struct bytes der, struct buf *out)
{
	struct wire_issue m = { .id = WIRE_ID_SERVING, .evidence = STORE_BY_DAEMON, .lifetime = (uint32_t)k->conf->tls.lifetime,
				.caller = bytes_str("signet"), .issuer = bytes_str(conf_text(k->conf, k->conf->tls.issuer)),
				.csr = der };
	AUTO(csr) struct csr *csr = NULL;
	const struct wire_name *names;
	size_t count;

	TRY(csr_parse(der, k->external->verifier, &csr));
	names = limits_serving_names(k->limits, &count);
	if (count > WIRE_NAMES_MAX) FAIL(ERR_INTERNAL, "keeper: too many names for another signer"); /* conf sees to it */
	memcpy(m.names, names, count * sizeof(*names));
	m.name_count = (uint8_t)count;
	m.spki = csr_key(csr)->spki;
	return wire_issue_put(out, &m);
}
