#include "ca/import.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ca/clerk.h"
#include "ca/rotate.h"
#include "ca/takeover.h"
#include "der/der.h"

#define BLOB_MAX (HSM_PKCS8_MAX + HSM_WRAP_OVERHEAD)
#define REQUEST_MAX 4096 /* bytes of the PKCS#10; ours */
#define OID(s) BYTES(s, sizeof(s) - 1)

static struct err refuse(struct peer *p, struct job *job, struct err e)
{
	admin_answer(job, e, BYTES_NONE);
	job_free(p->keeper, job);
	p->dirty = true;
	return OK;
}

static struct err pending_read(struct keeper *k, struct buf *blob)
{
	AUTO(store_view) struct store_view *view = NULL;

	TRY(store_view_open(k->store, &view));
	return store_view_get(view, ROOTS_PENDING, blob);
}

/* ---- the request (PKCS#10, RFC 2986 s4) ---- */

/* Basic constraints (CA, path length 0) and key usage (keyCertSign, cRLSign), both critical: RFC 5280 s4.2.1.9, s4.2.1.3. */
static const char extensions[] = "\x30\x12\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x08\x30\x06\x01\x01\xff\x02\x01\x00"
				 "\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x01\x06";

static struct err put_san(const char *uri, struct buf *out)
{
	struct der_open extension, octets, names;

	TRY(der_open(out, DER_SEQUENCE, &extension));
	TRY(der_put(out, DER_OID, OID("\x55\x1d\x11")));
	TRY(der_open(out, DER_OCTET_STRING, &octets));
	TRY(der_open(out, DER_SEQUENCE, &names));
	TRY(der_put(out, DER_CONTEXT(6), bytes_str(uri)));
	TRY(der_close(out, &names));
	TRY(der_close(out, &octets));
	return der_close(out, &extension);
}

static struct err put_attributes(const char *uri, struct buf *out)
{
	struct der_open attributes, attribute, set, list;

	TRY(der_open(out, DER_CONTEXT_CONSTRUCTED(0), &attributes));
	TRY(der_open(out, DER_SEQUENCE, &attribute));
	TRY(der_put(out, DER_OID, OID("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"))); /* extensionRequest, RFC 2985 s5.4.2 */
	TRY(der_open(out, DER_SET, &set));
	TRY(der_open(out, DER_SEQUENCE, &list));
	TRY(buf_put(out, extensions, sizeof(extensions) - 1));
	TRY(put_san(uri, out));
	TRY(der_close(out, &list));
	TRY(der_close(out, &set));
	TRY(der_close(out, &attribute));
	return der_close(out, &attributes);
}

static struct err put_info(const struct keeper *k, const struct key_info *key, struct buf *out)
{
	const char *domain = conf_text(k->conf, k->conf->trust_domain);
	char uri[sizeof("spiffe://") + SPIFFE_TRUST_DOMAIN_MAX];
	uint8_t ski[KEY_SKI_LEN];
	struct der_open info;

	(void)snprintf(uri, sizeof(uri), "spiffe://%s", domain);
	TRY(key_ski(key->key_bits, ski));
	TRY(der_open(out, DER_SEQUENCE, &info));
	TRY(der_put_uint(out, 0));
	TRY(template_intermediate_name(domain, ski, out));
	TRY(buf_put(out, key->spki.data, key->spki.len));
	TRY(put_attributes(uri, out));
	return der_close(out, &info);
}

static struct err request_make(const struct keeper *k, struct bytes pkcs8, struct buf *out)
{
	AUTO(hsm_key) struct hsm_key *key = NULL;
	AUTO(buf) struct buf info = { .max = REQUEST_MAX };
	struct der_open request;
	struct key_info public;
	struct hsm_job sig;
	struct bytes algorithm;

	TRY(hsm_key_load(pkcs8, 1, &key));
	TRY(key_info_parse(hsm_key_spki(key), &public));
	TRY(put_info(k, &public, &info));
	TRY(roots_sign(key, buf_view(&info), &sig));
	algorithm = key_scheme_der(hsm_key_scheme(key));
	TRY(der_open(out, DER_SEQUENCE, &request));
	TRY(buf_put(out, info.data, info.len));
	TRY(buf_put(out, algorithm.data, algorithm.len));
	TRY(der_put_octet_bits(out, BYTES(sig.sig, sig.sig_len)));
	return der_close(out, &request);
}

/* ---- signet ca csr: the clerk makes key and request, the commit thread stores the key, then it is answered ---- */

static struct err key_make(const struct keeper *k, struct buf *pkcs8, struct buf *blob)
{
	enum key_type type;
	unsigned bits;

	TRY(hsm_key_spec(conf_text(k->conf, k->conf->ca.key_type), &type, &bits));
	TRY(hsm_key_generate(type, bits, pkcs8));
	return hsm_wrap(&k->ca_kek, ROOTS_IMPORT_LABEL, buf_view(pkcs8), blob);
}

/* job->cert: the request; job->tbs: the wrapped key. */
static struct err csr_make(struct keeper *k, struct job *job, bool *fresh)
{
	AUTO(buf_wipe) struct buf pkcs8 = { .max = 2 * HSM_PKCS8_MAX };
	struct err e = pending_read(k, &job->tbs);

	*fresh = e.code == ERR_NOT_FOUND;
	if (*fresh) e = key_make(k, &pkcs8, &job->tbs);
	else if (e.code == ERR_OK) e = hsm_unwrap(&k->ca_kek, ROOTS_IMPORT_LABEL, buf_view(&job->tbs), &pkcs8);
	return e.code == ERR_OK ? request_make(k, buf_view(&pkcs8), &job->cert) : e;
}

/* Two who ask at once, when there was no key yet, get requests for one: that which is stored. */
static struct err csr_again(struct keeper *k, struct job *job)
{
	AUTO(buf_wipe) struct buf pkcs8 = { .max = 2 * HSM_PKCS8_MAX };

	TRY(hsm_unwrap(&k->ca_kek, ROOTS_IMPORT_LABEL, buf_view(&job->tbs), &pkcs8));
	job->cert.len = 0;
	return request_make(k, buf_view(&pkcs8), &job->cert);
}

static struct err csr_apply(struct keeper *k, struct job *job, struct store_batch *batch)
{
	AUTO(buf) struct buf there = { .max = BLOB_MAX };
	struct err e = store_batch_get(batch, ROOTS_PENDING, &there);

	if (e.code == ERR_OK) {
		job->tbs.len = 0;
		e = buf_put(&job->tbs, there.data, there.len);
		if (e.code == ERR_OK) e = csr_again(k, job);
		job->result = e;
		return OK;
	}
	if (e.code != ERR_NOT_FOUND) return e;
	job->result = store_batch_put(batch, ROOTS_PENDING, buf_view(&job->tbs));
	return job->result;
}

static void csr_answer(struct keeper *k, struct job *job)
{
	admin_answer(job, job->result, buf_view(&job->cert));
	if (job->result.code == ERR_OK) log_event(k->log, LOG_INFO, "ca_request", F_INT("bytes", (int64_t)job->cert.len));
}

static bool csr_search(struct keeper *k, struct job *job)
{
	bool fresh = false;

	job->result = csr_make(k, job, &fresh);
	if (job->result.code != ERR_OK || !fresh) {
		csr_answer(k, job);
		return false;
	}
	queue_push(&k->queue, job);
	return true;
}

static struct err not_from_directory(const struct keeper *k)
{
	if (conf_text(k->conf, k->conf->ca.directory)[0] == '\0') return OK;
	FAIL(ERR_FAILED_PRECONDITION, "keeper: ca.directory is configured: the CA is changed by the files there");
}

struct err import_on_csr(void *self, struct chan_msg *msg)
{
	struct peer *p = self;
	struct wire_get ask;
	struct job *job;
	struct err e;

	TRY(wire_get_take(msg->payload, &ask));
	job = job_new(p->keeper, p, msg->payload);
	if (job == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keeper: no room for admin's request");
	job->id = ask.id;
	job->urgent = true;
	e = not_from_directory(p->keeper);
	if (e.code != ERR_OK) return refuse(p, job, e);
	job->apply = csr_apply;
	job->search = csr_search;
	job->answer = csr_answer;
	queue_push(&p->keeper->clerk_queue, job);
	return OK;
}

/* ---- signet ca import ---- */

static struct err chain_judge(struct keeper *k, const struct wire_ca_import *ask, struct brought_report *report,
                              struct brought **out)
{
	AUTO(brought) struct brought *brought = NULL;
	AUTO(buf) struct buf blob = { .max = BLOB_MAX };
	AUTO(buf_wipe) struct buf pkcs8 = { .max = 2 * HSM_PKCS8_MAX };
	struct brought_options o = { .now = clock_wall(), .threads = roots_signer_threads(k->conf),
				     .trust_domain = conf_text(k->conf, k->conf->trust_domain) };
	struct ca_files files = { .there = { [CA_FILE_IMPORTED] = true, [CA_FILE_IMPORTED_ROOTS] = true } };
	struct err e = pending_read(k, &blob);

	if (e.code == ERR_NOT_FOUND)
		FAIL(ERR_FAILED_PRECONDITION, "keeper: there is no request that this could answer (signet ca csr)");
	TRY(e);
	TRY(hsm_unwrap(&k->ca_kek, ROOTS_IMPORT_LABEL, buf_view(&blob), &pkcs8));
	o.pkcs8 = buf_view(&pkcs8);
	files.text[CA_FILE_IMPORTED] = ask->chain;
	files.text[CA_FILE_IMPORTED_ROOTS] = ask->roots;
	TRY(brought_check(&files, &o, report, &brought));
	if (brought->self_signed) FAIL(ERR_INVALID_ARGUMENT, "keeper: the certificate is self-signed; a parent must sign");
	brought->blob = blob;
	blob = (struct buf){ .max = 0 };
	*out = MOVE(brought);
	return OK;
}

struct err import_on_chain(void *self, struct chan_msg *msg)
{
	struct peer *p = self;
	struct keeper *k = p->keeper;
	struct brought_report report = { .problem = "" };
	struct wire_ca_import ask;
	struct rotate_import import;
	struct job *job;
	struct err e;

	TRY(wire_ca_import_take(msg->payload, &ask));
	import = (struct rotate_import){ .by = ask.by, .force = ask.force, .dry_run = ask.dry_run };
	job = job_new(k, p, BYTES_NONE);
	if (job == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keeper: no room for admin's request");
	job->id = ask.id;
	e = not_from_directory(k);
	if (e.code == ERR_OK) e = chain_judge(k, &ask, &report, &import.brought);
	takeover_tell(k, &report, OK);
	log_event(k->log, LOG_INFO, "ca_import", F_BYTES("by", ask.by), F_ERR(e), F_STR("what", report.problem));
	if (e.code == ERR_OK) {
		import.job = job;
		e = rotate_import(k, &import);
		if (e.code == ERR_OK) return OK;
	}
	report.problem[WIRE_REASON_MAX - 1] = '\0';
	if (report.problem[0] != '\0') e.reason = report.problem; /* certificates of the operator, for the operator */
	return refuse(p, job, e);
}
