/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no image to be checked: the size of layers, by their index alone. */
#include "plugins/oci-build/lambda_image.h"

#include "base/fs.h"
#include "oci/config.h"
#include "oci/layer_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void no_warning(void *ctx, const char *text)
{
	(void)ctx;
	fail_msg("%s", text);
}

/* An image of one layer of which only the index is there: a file of that size. */
static int check(uint64_t size, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *dir = rn_temp_dir("/tmp", "runner-lambda-", NULL);
	struct blob_store *store = blob_store_open(dir, NULL);
	const struct digest d = digest_of("layer", 5), unknown = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf records = RN_BUF_INIT;
	const struct layer_entry e = { .path = "huge", .type = LAYER_FILE, .mode = 0755, .size = size };
	layer_record_add(&records, &e, 0);
	layer_record_store(store, &d, &unknown, &records);
	RN_AUTO(rn_json_freep) cJSON *config = rn_json_parse_str("{\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":{\"Cmd\":[\"/none\"]}}", NULL);
	RN_AUTO(layer_tree_freep) struct layer_tree *t = layer_tree_new(store, NULL);
	assert_int_equal(layer_tree_add(t, &d, NULL, err), 0);
	assert_int_equal(layer_tree_bytes(t), size);
	const struct lambda_image i = { .config = config, .tree = t, .warn = no_warning };
	int rc = lambda_check_files(&i, err);
	layer_tree_freep(&t);
	blob_store_close(store);
	rn_remove_tree(dir, NULL);
	return rc;
}

static void ten_gib_are_the_limit(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	assert_int_equal(check((UINT64_C(10) << 30) + 1, &err), -1);
	assert_int_equal(err.code, RN_ELIMIT);
	assert_non_null(strstr(err.msg, "10 GiB"));
	err = (struct rn_error){ 0 };
	assert_int_equal(check(UINT64_C(10) << 30, &err), -1);
	assert_non_null(strstr(err.msg, "/none")); /* the size passed; the program is missing */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(ten_gib_are_the_limit) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
