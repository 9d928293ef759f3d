/* The pages that are written from the schema table are up to date.  After a change of the table:
 *     make unit; UPDATE_DOCS=1 build/release/tests/unit/conf/test_reference            (from the top folder) */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conf/load.h"

#define PAGE_MAX (256 * 1024)
#define BEGIN_MARK ".\\\" BEGIN generated"
#define END_MARK ".\\\" END generated"

static void read_page(const char *path, struct buf *out)
{
	uint8_t *at;
	FILE *f = fopen(path, "r");
	if (f == NULL) return; /* empty: stale */
	assert_int_equal(buf_reserve(out, PAGE_MAX - 1, &at).code, ERR_OK);
	out->len = fread(at, 1, PAGE_MAX - 1, f);
	at[out->len] = '\0';
	fclose(f);
}

static void compare_or_write(const char *path, const struct buf *want)
{
	AUTO(buf) struct buf have = { .max = PAGE_MAX };
	read_page(path, &have);
	if (bytes_equal(buf_view(&have), buf_view(want))) return;
	if (getenv("UPDATE_DOCS") == NULL) fail_msg("%s is stale; UPDATE_DOCS=1 writes it anew (top of this test)", path);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(want->data, 1, want->len, f), want->len);
	assert_int_equal(fclose(f), 0);
}

static void reference_page_is_up_to_date(void **state)
{
	(void)state;
	AUTO(buf) struct buf want = { .max = PAGE_MAX };
	assert_int_equal(conf_reference(&want).code, ERR_OK);
	compare_or_write("docs/configuration.md", &want);
}

static void man_page_is_up_to_date(void **state)
{
	static const char path[] = "docs/man/signet.yaml.5";
	(void)state;
	AUTO(buf) struct buf page = { .max = PAGE_MAX }, want = { .max = PAGE_MAX };
	read_page(path, &page);
	assert_true(page.len > 0);
	const char *text = (const char *)page.data, *begin = strstr(text, BEGIN_MARK), *end = strstr(text, END_MARK);
	assert_non_null(begin);
	assert_non_null(end);
	size_t head = (size_t)(begin - text) + strcspn(begin, "\n") + 1;
	assert_int_equal(buf_put(&want, text, head).code, ERR_OK);
	assert_int_equal(conf_reference_mdoc(&want).code, ERR_OK);
	assert_int_equal(buf_put_str(&want, end).code, ERR_OK);
	compare_or_write(path, &want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reference_page_is_up_to_date),
		cmocka_unit_test(man_page_is_up_to_date),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
