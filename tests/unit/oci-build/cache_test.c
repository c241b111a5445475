/* SPDX-License-Identifier: Apache-2.0 */
/* What caching is made of: remembered hashes of files, parts of keys, lists of files, records. */
#include "plugins/oci-build/copy_inputs.h"
#include "plugins/oci-build/file_hash.h"
#include "plugins/oci-build/key_parts.h"
#include "plugins/oci-build/step_cache_registry.h"

#include "base/fs.h"
#include "oci/config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static int make_dir(void **state)
{
	*state = rn_temp_dir("/tmp", "runner-cache-test-", NULL);
	return *state ? 0 : -1;
}

static int remove_dir(void **state)
{
	int rc = rn_remove_tree(*state, NULL);
	free(*state);
	return rc;
}

/* ---- hashes of files --------------------------------------------------------------------- */

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(rn_write_full(fd, text, strlen(text)), 0);
	close(fd);
}

/* Waits until the file's ctime is old enough to be believed; the clock decides, not a guess. */
static void grow_old(const char *path, int64_t ns)
{
	struct stat st;
	for (;;) {
		struct timespec now, nap = { 0, 20000000 };
		assert_int_equal(stat(path, &st), 0);
		clock_gettime(CLOCK_REALTIME, &now);
		int64_t age = (now.tv_sec - st.st_ctim.tv_sec) * INT64_C(1000000000) + now.tv_nsec - st.st_ctim.tv_nsec;
		if (age > ns)
			return;
		nanosleep(&nap, NULL);
	}
}

static struct digest hash_of(struct file_hashes *h, const char *path)
{
	unsigned char raw[FILE_HASH_SIZE];
	struct digest d = { 0 };
	char *at = d.text + sprintf(d.text, "sha256:");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(file_hashes_get(h, fd, raw, NULL), 0);
	close(fd);
	for (size_t i = 0; i < sizeof(raw); i++)
		at += sprintf(at, "%02x", raw[i]);
	return d;
}

static void assert_hash(struct file_hashes *h, const char *path, const char *text, size_t computed)
{
	struct digest want = digest_of(text, strlen(text)), have = hash_of(h, path);
	assert_string_equal(have.text, want.text);
	assert_int_equal(file_hashes_computed(h), computed);
}

static void an_old_file_is_read_once_and_a_changed_one_again(void **state)
{
	RN_AUTO(rn_freep) char *memory = rn_path_join(*state, "hashes");
	RN_AUTO(rn_freep) char *one = rn_path_join(*state, "one");
	RN_AUTO(rn_freep) char *young = rn_path_join(*state, "young");
	write_text(one, "content");
	grow_old(one, FILE_HASH_RACY_NS);
	struct file_hashes *h = file_hashes_open(memory, NULL);
	assert_hash(h, one, "content", 1);
	assert_hash(h, one, "content", 1);
	write_text(young, "new");
	assert_hash(h, young, "new", 2);
	file_hashes_close(h);

	h = file_hashes_open(memory, NULL); /* the next build */
	assert_hash(h, one, "content", 0);
	assert_hash(h, young, "new", 1); /* it might have changed within a tick of the clock */
	write_text(one, "CONTENT");      /* same size */
	assert_hash(h, one, "CONTENT", 2);
	file_hashes_close(h);
}

static void builds_at_the_same_time_keep_what_the_other_learnt(void **state)
{
	RN_AUTO(rn_freep) char *memory = rn_path_join(*state, "hashes");
	char *paths[40];
	for (int i = 0; i < 40; i++) {
		paths[i] = rn_asprintf("%s/f%d", (char *)*state, i);
		write_text(paths[i], paths[i]);
	}
	grow_old(paths[39], FILE_HASH_RACY_NS);
	struct file_hashes *a = file_hashes_open(memory, NULL), *b = file_hashes_open(memory, NULL);
	for (int i = 0; i < 20; i++)
		hash_of(a, paths[i]);
	for (int i = 10; i < 40; i++)
		hash_of(b, paths[i]);
	file_hashes_close(a);
	file_hashes_close(b);
	struct file_hashes *h = file_hashes_open(memory, NULL);
	for (int i = 0; i < 40; i++)
		assert_hash(h, paths[i], paths[i], 0);
	file_hashes_close(h);
	for (int i = 0; i < 40; i++)
		free(paths[i]);
}

static void a_damaged_memory_is_an_empty_one(void **state)
{
	RN_AUTO(rn_freep) char *memory = rn_path_join(*state, "hashes");
	RN_AUTO(rn_freep) char *one = rn_path_join(*state, "one");
	static const char *const damages[] = { "", "short", "rnfhash1 but then not a whole number of entries" };
	write_text(one, "content");
	for (size_t i = 0; i < RN_LEN(damages); i++) {
		write_text(memory, damages[i]);
		struct file_hashes *h = file_hashes_open(memory, NULL);
		assert_hash(h, one, "content", 1);
		file_hashes_close(h);
	}
}

/* ---- parts ------------------------------------------------------------------------------------ */

static void a_key_depends_on_names_values_and_order(void **state)
{
	(void)state;
	static const char *const cases[][4] = {
		{ "a", "1", "b", "2" }, { "a", "1", "b", "3" }, { "b", "2", "a", "1" }, { "a", "1b", "", "2" }, { "a", "", "1b", "2" },
	};
	struct digest seen[RN_LEN(cases)];
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		RN_AUTO(key_parts_clear) struct key_parts k = { 0 };
		key_add(&k, cases[i][0], cases[i][1]);
		key_add_hidden(&k, cases[i][2], cases[i][3]);
		seen[i] = key_digest(&k);
		for (size_t n = 0; n < i; n++)
			assert_false(digest_equal(&seen[n], &seen[i]));
	}
}

static void the_first_part_that_differs_is_named_and_hidden_values_stay_hidden(void **state)
{
	(void)state;
	RN_AUTO(key_parts_clear) struct key_parts before = { 0 }, now = { 0 }, back = { 0 };
	key_add(&before, "below", "x");
	key_add_hidden(&before, "env TOKEN", "hunter2");
	key_add(&before, "gone", "1");
	key_add(&now, "below", "x");
	key_add_hidden(&now, "env TOKEN", "hunter3");
	assert_string_equal(key_parts_differ(&before, &now), "env TOKEN");
	RN_AUTO(rn_json_freep) cJSON *j = key_parts_to_json(&now);
	RN_AUTO(rn_freep) char *text = rn_json_print(j);
	assert_null(strstr(text, "hunter"));
	key_parts_from_json(j, &back);
	assert_null(key_parts_differ(&now, &back));
	struct digest a = key_digest(&now), b = key_digest(&back);
	assert_true(digest_equal(&a, &b));
	key_parts_clear(&now);
	key_add(&now, "below", "x");
	key_add_hidden(&now, "env TOKEN", "hunter2");
	assert_string_equal(key_parts_differ(&before, &now), "gone");
}

static void the_first_file_that_differs_is_named(void **state)
{
	(void)state;
	static const char *const cases[][4] = {
		{ "f 1\ta\nf 1\tb\n", "f 1\ta\nf 2\tb\n", "b", "changed" }, { "f 1\ta\n", "f 1\ta\nf 1\tb\n", "b", "new" },
		{ "f 1\ta\nf 1\tb\n", "f 1\tb\n", "a", "gone" },	    { "f 1\ta\n", "", "a", "gone" },
		{ "", "f 1\tx%20y\n", "x y", "new" },			    { "f 1\ta/b\nf 1\ta.c\n", "f 1\ta.c\n", "a/b", "gone" },
	};
	const char *how = NULL;
	assert_null(copy_inputs_differ("f 1\ta\n", "f 1\ta\n", &how));
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		RN_AUTO(rn_freep) char *path = copy_inputs_differ(cases[i][0], cases[i][1], &how);
		assert_string_equal(path, cases[i][2]);
		assert_string_equal(how, cases[i][3]);
	}
}

/* ---- records -------------------------------------------------------------------------------------- */

static struct cache_record make_record(const char *key, const char *layer)
{
	struct cache_record r = { .key = digest_of(key, strlen(key)), .how = rn_strdup("gzip-0"), .created_by = rn_strdup(key),
				  .has_layer = layer != NULL };
	if (layer) {
		struct digest d = digest_of(layer, strlen(layer));
		descriptor_init(&r.layer, MEDIA_OCI_LAYER_GZIP, &d, strlen(layer));
		r.diff_id = digest_of("tar", 3);
	}
	return r;
}

static void a_record_survives_json_and_anything_else_is_none(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"{}", "[]", "null", "{\"key\":\"sha256:1\",\"how\":\"x\",\"created_by\":\"y\"}",
		"{\"key\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"how\":\"x\",\"created_by\":\"y\",\"layer\":{}}",
		"{\"key\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"how\":\"x\",\"created_by\":\"y\",\"content\":\"z\"}",
	};
	RN_AUTO(cache_record_clear) struct cache_record r = make_record("COPY a /", "layer"), back = { 0 };
	r.content = digest_of("c", 1);
	rn_strv_add(&r.searched, "npm");
	rn_strv_add(&r.searched, "token");
	RN_AUTO(rn_json_freep) cJSON *j = cache_record_to_json(&r);
	assert_true(cache_record_from_json(j, &back));
	assert_true(digest_equal(&r.key, &back.key) && digest_equal(&r.content, &back.content) && digest_equal(&r.diff_id, &back.diff_id));
	assert_true(back.has_layer && digest_equal(&r.layer.digest, &back.layer.digest) && back.layer.size == r.layer.size);
	assert_true(back.searched.n == 2 && rn_strv_has(&back.searched, "npm") && rn_strv_has(&back.searched, "token"));
	for (size_t i = 0; i < RN_LEN(bad); i++) {
		RN_AUTO(rn_json_freep) cJSON *b = rn_json_parse_str(bad[i], NULL);
		struct cache_record none = { 0 };
		assert_false(cache_record_from_json(b, &none));
	}
}

static void records_come_back_from_an_image_config(void **state)
{
	(void)state;
	struct cache_record records[] = { make_record("one", "layer"), make_record("two", NULL) };
	RN_AUTO(manifest_clear) struct manifest m = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	RN_AUTO(rn_map_clear) struct rn_map to = { 0 };
	struct descriptor d = { 0 };
	manifest_init(&m, MANIFEST_IMAGE);
	descriptor_copy(&records[0].layer, &d);
	manifest_add(&m, &d);
	cache_config_print(records, 2, &m, &records[0].diff_id, -1, &text);
	RN_AUTO(rn_json_freep) cJSON *config = config_parse(rn_buf_str(&text), text.len, NULL);
	assert_non_null(config);
	assert_int_equal(config_layers(config), 1); /* an image like any other */
	assert_true(cache_config_read(rn_buf_str(&text), text.len, &m, &to, NULL));
	assert_int_equal(to.live, 2);
	RN_MAP_EACH(&to, it) {
		struct cache_record *r = it->value;
		const struct cache_record *want = digest_equal(&r->key, &records[0].key) ? &records[0] : &records[1];
		assert_true(r->has_layer == want->has_layer);
		assert_true(digest_equal(&r->layer.digest, &want->layer.digest));
		assert_true(digest_equal(&r->diff_id, &want->diff_id));
		cache_record_clear(r);
		free(r);
	}
	assert_false(cache_config_read("{}", 2, &m, &to, NULL));
	cache_record_clear(&records[0]);
	cache_record_clear(&records[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_old_file_is_read_once_and_a_changed_one_again, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(builds_at_the_same_time_keep_what_the_other_learnt, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_damaged_memory_is_an_empty_one, make_dir, remove_dir),
		cmocka_unit_test(a_key_depends_on_names_values_and_order),
		cmocka_unit_test(the_first_part_that_differs_is_named_and_hidden_values_stay_hidden),
		cmocka_unit_test(the_first_file_that_differs_is_named),
		cmocka_unit_test(a_record_survives_json_and_anything_else_is_none),
		cmocka_unit_test(records_come_back_from_an_image_config),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
