#include "ca/brought_crl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "der/pem.h"

void brought_crls_free(struct brought_crls *b)
{
	if (b == NULL) return;
	for (size_t i = 0; i < b->count; i++) free(b->items[i].entries);
	buf_free(&b->der);
	free(b);
}

struct judging {
	const struct brought_crl_options *o;
	struct brought_report *report;
	struct brought_crls *b;
	struct key_verifier *verifier;
	unsigned number; /* of the list, from 1 */
};

static struct err refuse(struct judging *j, const char *what, const char *remedy)
{
	(void)snprintf(j->report->problem, sizeof(j->report->problem), "%s: list %u: %s; %s", ca_file_name(CA_FILE_CRL),
		       j->number, what, remedy);
	FAIL(ERR_INVALID_ARGUMENT, "ca: the revocation lists that were brought cannot be used");
}

static void warn(struct judging *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void warn(struct judging *j, const char *fmt, ...)
{
	char *to = j->report->warnings[j->report->warning_count];
	va_list args;
	int n;

	if (j->report->warning_count == BROUGHT_WARNINGS_MAX) return;
	n = snprintf(to, BROUGHT_TEXT_MAX, "%s: list %u: ", ca_file_name(CA_FILE_CRL), j->number);
	va_start(args, fmt);
	(void)vsnprintf(to + n, BROUGHT_TEXT_MAX - (size_t)n, fmt, args);
	va_end(args);
	j->report->warning_count++;
}

/* ---- who issued it? ---- */

static bool signed_by(struct judging *j, const struct crl *crl, const struct cert *ca)
{
	enum key_scheme scheme;

	return bytes_equal(crl->issuer, ca->subject) && key_scheme_parse(crl->algorithm, ca->key.type, &scheme).code == ERR_OK &&
	       key_verify(j->verifier, &ca->key, scheme, crl->tbs, crl->signature).code == ERR_OK;
}

static struct err key_id_of(const struct cert *ca, uint8_t out[KEY_SKI_LEN])
{
	if (ca->ski.len != KEY_SKI_LEN) return key_ski(ca->key.key_bits, out);
	memcpy(out, ca->ski.data, KEY_SKI_LEN);
	return OK;
}

static struct err find_issuer(struct judging *j, struct brought_crl *list)
{
	bool named = false;

	for (size_t i = 0; i < j->o->ca_count; i++) {
		struct cert ca;

		TRY(cert_parse(j->o->cas[i], &ca));
		named |= bytes_equal(list->crl.issuer, ca.subject);
		if (!signed_by(j, &list->crl, &ca)) continue;
		if (ca.has_key_usage && (ca.key_usage & CERT_KU_CRL_SIGN) == 0)
			warn(j, "its issuer's certificate lacks the key usage cRLSign: verifiers refuse it");
		list->of_signer = i == 0;
		return key_id_of(&ca, list->issuer);
	}
	if (named)
		return refuse(j, "its signature is not by the key of the CA that it names",
			      "take the list that this CA has issued");
	return refuse(j, "no CA of the chain and no root has issued it", "leave it out, or bring the CA that has");
}

/* ---- its entries, to be looked up ---- */

static int by_serial(const void *a, const void *b)
{
	const struct crl_revoked *x = a, *y = b;

	if (x->serial.len != y->serial.len) return x->serial.len < y->serial.len ? -1 : 1;
	return memcmp(x->serial.data, y->serial.data, x->serial.len);
}

static struct err sort_entries(struct brought_crl *list)
{
	struct bytes rest = list->crl.revoked;

	list->entries = calloc(list->crl.count + 1, sizeof(*list->entries));
	if (list->entries == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	for (size_t i = 0; i < list->crl.count; i++) TRY(crl_next(&rest, &list->entries[i]));
	qsort(list->entries, list->crl.count, sizeof(*list->entries), by_serial);
	return OK;
}

const struct crl_revoked *brought_crl_find(const struct brought_crl *list, struct bytes serial)
{
	const struct crl_revoked key = { .serial = serial };

	return bsearch(&key, list->entries, list->crl.count, sizeof(key), by_serial);
}

const struct brought_crl *brought_crls_of(const struct brought_crls *b, const uint8_t issuer[KEY_SKI_LEN])
{
	for (size_t i = 0; b != NULL && i < b->count; i++)
		if (memcmp(b->items[i].issuer, issuer, KEY_SKI_LEN) == 0) return &b->items[i];
	return NULL;
}

/* ---- the file ---- */

static void check_times(struct judging *j, const struct crl *crl)
{
	char when[CLOCK_TEXT_MAX];

	clock_text(crl->next_update, when);
	if (crl->next_update <= j->o->now)
		warn(j, "it ended on %s: verifiers refuse certificates of its issuer until there is a new one", when);
	clock_text(crl->this_update, when);
	if (crl->this_update > j->o->now) warn(j, "it begins on %s only", when);
}

static struct err take_list(struct judging *j, struct bytes der)
{
	struct brought_crls *b = j->b;
	struct brought_crl *list = &b->items[b->count];
	char what[BROUGHT_TEXT_MAX / 4];
	struct err e = crl_parse(der, &list->crl);

	if (e.code != ERR_OK) {
		(void)snprintf(what, sizeof(what), "it cannot be read (%s)", e.reason);
		return refuse(j, what, "look at it with: openssl crl -noout -text");
	}
	TRY(find_issuer(j, list));
	if (brought_crls_of(b, list->issuer) != NULL) /* which of them counts? */
		return refuse(j, "there is another list of the same issuer", "leave only the newest");
	check_times(j, &list->crl);
	TRY(sort_entries(list));
	b->count++;
	return OK;
}

static struct err take_all(struct judging *j, struct bytes pem)
{
	char label[PEM_LABEL_MAX];

	for (j->number = 1;; j->number++) {
		size_t before = j->b->der.len;
		struct err e = pem_take(&pem, CA_CRL_MAX, label, &j->b->der);

		if (e.code == ERR_NOT_FOUND) return OK;
		if (e.code != ERR_OK) return refuse(j, "it is no well-formed PEM", "write it anew: openssl crl -in FILE");
		if (strcmp(label, "X509 CRL") != 0)
			return refuse(j, "a PEM block that is no revocation list", "leave only X509 CRL blocks");
		if (j->number > BROUGHT_CRLS_MAX) return refuse(j, "more than 16 lists", "leave out those of other CAs");
		TRY(take_list(j, BYTES(j->b->der.data + before, j->b->der.len - before)));
	}
}

/* A CA that its own issuer has revoked: everything under it is refused by whoever reads the list. */
static struct err find_revoked_cas(struct judging *j)
{
	for (size_t i = 0; i < j->o->ca_count; i++) {
		const struct brought_crl *list;
		struct cert ca;

		TRY(cert_parse(j->o->cas[i], &ca));
		list = ca.aki.len == KEY_SKI_LEN ? brought_crls_of(j->b, ca.aki.data) : NULL;
		if (list == NULL || brought_crl_find(list, ca.serial) == NULL) continue;
		j->b->revokes_ca = true;
		j->number = (unsigned)(list - j->b->items) + 1;
		warn(j, "it revokes a CA of the chain that signs");
	}
	return OK;
}

static struct err judge(struct judging *j, struct bytes pem)
{
	uint8_t *room;

	TRY(buf_reserve(&j->b->der, pem.len + 1, &room)); /* views must not move */
	TRY(key_verifier_new(&j->verifier));
	TRY(take_all(j, pem));
	return find_revoked_cas(j);
}

struct err brought_crls_check(struct bytes pem, const struct brought_crl_options *o, struct brought_report *report,
                              struct brought_crls **out)
{
	AUTO(brought_crls) struct brought_crls *b = calloc(1, sizeof(*b));
	struct judging j = { .o = o, .report = report, .b = b };
	struct err e;

	if (b == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	*report = (struct brought_report){ .problem = "" };
	b->der.max = pem.len + 1;
	e = judge(&j, pem);
	key_verifier_free(j.verifier);
	if (e.code != ERR_OK) {
		/* the list that failed is not counted yet, and may have entries */
		if (b->count < BROUGHT_CRLS_MAX) free(MOVE(b->items[b->count].entries));
		return e;
	}
	*out = MOVE(b);
	return OK;
}
