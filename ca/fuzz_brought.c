/* Whatever the files say, a CA is either refused with a text for the operator, or whole. */
#include "ca/brought.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool ends_together(const struct brought *b)
{
	if (b->root_count == 0 || b->root_count > BROUGHT_ROOTS_MAX || b->chain_count > BROUGHT_CHAIN_MAX) return false;
	if (b->self_signed != (b->chain_count == 0) || b->not_after > b->signer.not_after || b->not_after > b->root_not_after)
		return false;
	return bytes_equal(b->signer.der, b->self_signed ? b->roots[0] : b->chain[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(brought) struct brought *b = NULL;
	struct brought_options o = { .now = INT64_C(1893456000), .threads = 1, .trust_domain = "example.org" };
	struct brought_report report;
	struct ca_files files;
	struct err e;

	if (len > CA_FILES_MAX || ca_files_take(BYTES(data, len), &files).code != ERR_OK) return 0;
	files.text[CA_FILE_PASSPHRASE] = BYTES_NONE; /* deriving a key takes as long as the file says */
	e = brought_check(&files, &o, &report, &b);
	if ((e.code == ERR_OK) != (b != NULL)) __builtin_trap();
	if (e.code == ERR_INVALID_ARGUMENT && report.problem[0] == '\0') __builtin_trap();
	if (b == NULL) return 0;
	if (report.problem[0] != '\0' || report.warning_count > BROUGHT_WARNINGS_MAX) __builtin_trap();
	if (!ends_together(b) || b->not_after <= o.now || !b->signer.ca || b->key == NULL) __builtin_trap();
	if (!bytes_equal(hsm_key_spki(b->key), b->signer.key.spki)) __builtin_trap();
	return 0;
}
