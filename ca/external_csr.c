#include "ca/external.h"

static bool is_granted(const struct wire_issue *m, const struct csr_san *san)
{
	for (unsigned i = 0; i < m->name_count; i++)
		if (m->names[i].tag == san->kind && bytes_equal(m->names[i].value, san->value)) return true;
	return false;
}

static bool is_twice(const struct csr *csr, size_t at)
{
	struct csr_san san = csr_san(csr, at);

	for (size_t i = 0; i < at; i++)
		if (csr_san(csr, i).kind == san.kind && bytes_equal(csr_san(csr, i).value, san.value)) return true;
	return false;
}

/* The SPIFFE ID, if there is one, and every granted name, each once. */
static bool names_fit(const struct csr *csr, const struct wire_issue *m)
{
	if (csr_san_count(csr) != (m->spiffe_id.len > 0) + (size_t)m->name_count) return false;
	for (size_t i = 0; i < csr_san_count(csr); i++) {
		struct csr_san san = csr_san(csr, i);
		bool id = m->spiffe_id.len > 0 && san.kind == CSR_SAN_URI && bytes_equal(san.value, m->spiffe_id);

		if (is_twice(csr, i) || (!id && !is_granted(m, &san))) return false;
	}
	return true;
}

bool external_csr_fits(struct key_verifier *verifier, const struct wire_issue *m)
{
	AUTO(csr) struct csr *csr = NULL;

	if (csr_parse(m->csr, verifier, &csr).code != ERR_OK || !bytes_equal(csr_key(csr)->spki, m->spki)) return false;
	if (csr_subject(csr) == CSR_SUBJECT_OTHER || csr_other_extensions(csr) > 0 || csr_other_attributes(csr) > 0) return false;
	return names_fit(csr, m);
}
