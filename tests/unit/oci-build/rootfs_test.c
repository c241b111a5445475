/* SPDX-License-Identifier: Apache-2.0 */
/* A plain root before and after, unpacking with the folders that a layer implies, mounts of RUN, and secrets. */
#include "plugins/oci-build/rootfs_internal.h"
#include "plugins/oci-build/rootfs_plain.h"
#include "plugins/oci-build/rootfs_unpack.h"
#include "plugins/oci-build/run_mount.h"
#include "plugins/oci-build/run_secret.h"
#include "plugins/oci-build/step_cache_index.h"

#include "base/fs.h"
#include "oci/layer_reader.h"
#include "oci/layer_record.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char *folder;
static struct blob_store *store;

static int setup(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	folder = rn_temp_dir("/tmp", "rootfs-test-", &err);
	RN_AUTO(rn_freep) char *dir = folder ? rn_path_join(folder, "store") : NULL;
	store = dir ? blob_store_open(dir, &err) : NULL;
	return store ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	blob_store_close(store);
	rn_remove_tree(folder, NULL);
	free(folder);
	return 0;
}

static void put(const char *root, const char *name, const char *text)
{
	RN_AUTO(rn_freep) char *path = rn_path_join(root, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* "name type[=link]" of each entry of a layer, in order. */
static void describe(const struct digest *layer, struct rn_buf *ret)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_closep) int fd = blob_store_open_blob(store, layer, NULL, &err);
	RN_AUTO(layer_reader_freep) struct layer_reader *r = layer_reader_new(fd, NULL, &err);
	struct layer_entry e;
	assert_non_null(r);
	while (layer_reader_next(r, &e, &err) > 0)
		rn_buf_addf(ret, "%s %d%s%s\n", e.path, (int)e.type, e.type == LAYER_HARDLINK ? "=" : "",
			    e.type == LAYER_HARDLINK ? e.link : "");
}

static void a_plain_root_is_compared(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *root = rn_path_join(folder, "root");
	RN_AUTO(rn_freep) char *before = rn_path_join(folder, "before");
	RN_AUTO(rn_freep) char *dir = rn_path_join(root, "d");
	RN_AUTO(rn_freep) char *gone = rn_path_join(root, "gone");
	RN_AUTO(rn_freep) char *below = rn_path_join(gone, "below");
	RN_AUTO(rn_freep) char *swap = rn_path_join(root, "swap");
	RN_AUTO(rn_freep) char *one = rn_path_join(dir, "one");
	RN_AUTO(rn_freep) char *two = rn_path_join(dir, "two");
	assert_int_equal(rn_mkdirs(dir, 0755, &err) | rn_mkdirs(below, 0755, &err) | rn_mkdirs(swap, 0755, &err), 0);
	put(root, "kept", "kept");
	put(root, "changed", "old");
	put(below, "file", "x");
	put(swap, "inner", "x");
	assert_int_equal(plain_scan(root, before, &err), 0);
	RN_AUTO(layer_tree_freep) struct layer_tree *base = layer_tree_new(store, NULL);
	struct diff_job j = { .store = store, .base = base, .root = root, .before = before, .options = { .compression = LAYER_PLAIN },
			      .single_id = true };
	struct layer_result layer = { 0 };
	bool empty = false;
	assert_int_equal(chmod(root, 0755), 0);
	assert_int_equal(diff_plain(&j, &layer, &empty, &err), 0);
	assert_true(empty);

	put(root, "changed", "new and longer");
	put(dir, "one", "1");
	assert_int_equal(link(one, two), 0);
	assert_int_equal(rn_remove_tree(gone, &err) | rn_remove_tree(swap, &err), 0);
	put(root, "swap", "a file now");
	assert_int_equal(diff_plain(&j, &layer, &empty, &err), 0);
	assert_false(empty);
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	describe(&layer.digest, &text);
	/* d itself is new to the (empty) base image, whose files only this test put there */
	assert_string_equal(rn_buf_str(&text), "changed 1\nd 2\nd/one 1\nd/two 4=d/one\n.wh.gone 1\nswap 1\n");
}

static void a_name_that_means_a_whiteout_is_refused(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *root = rn_path_join(folder, "marks");
	assert_int_equal(rn_mkdirs(root, 0755, &err), 0);
	put(root, ".wh.x", "");
	RN_AUTO(layer_tree_freep) struct layer_tree *base = layer_tree_new(store, NULL);
	struct diff_job j = { .store = store, .base = base, .root = root };
	struct layer_result layer;
	bool empty;
	assert_int_equal(diff_overlay(&j, &layer, &empty, &err), -1);
	assert_int_equal(err.code, RN_EUNSUPPORTED);
	assert_non_null(strstr(err.hint, "another name"));
}

static void implied_folders_look_as_below(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	struct layer_writer *w = layer_writer_new(store, &(struct layer_options){ .compression = LAYER_PLAIN }, &err);
	const struct layer_entry e = { .path = "a/b/f", .type = LAYER_FILE, .mode = 0644, .size = 1 };
	struct layer_result layer;
	assert_int_equal(layer_writer_add(w, &e, &(struct layer_source){ .data = "x" }, &err), 0);
	assert_int_equal(layer_writer_finish(w, &layer, &err), 0);
	struct unpack_dir dirs[] = { { .path = (char *)"a", .mode = 01777, .mtime = 5 }, { .path = (char *)"a/b", .mode = 0700, .mtime = 7 } };
	RN_AUTO(rn_freep) char *to = rn_path_join(folder, "unpacked");
	RN_AUTO(rn_freep) char *a = rn_path_join(to, "fs/a");
	RN_AUTO(rn_freep) char *b = rn_path_join(a, "b");
	const struct unpack_job j = { .store = store, .layers = &layer.digest, .n_layers = 1, .to = to, .dirs = dirs, .n_dirs = 2,
				      .overlay = true, .cancel_fd = -1 };
	struct stat st;
	assert_int_equal(unpack_run(&j, &err), 0);
	assert_int_equal(stat(a, &st), 0);
	assert_int_equal(st.st_mode & 07777, 01777);
	assert_int_equal(st.st_mtim.tv_sec, 5);
	assert_int_equal(stat(b, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_mtim.tv_sec, 7);
	assert_int_equal(unpack_run(&j, &err), 0); /* it is there: nothing to do */
}

/* Whatever a list of folders says: an image's links and ".." lead nowhere else. */
static void implied_folders_stay_inside(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *outside = rn_path_join(folder, "outside");
	RN_AUTO(rn_freep) char *fs = rn_path_join(folder, "inside/fs");
	RN_AUTO(rn_freep) char *link = rn_path_join(fs, "link");
	RN_AUTO(rn_freep) char *up = rn_path_join(outside, "up");
	RN_AUTO(rn_freep) char *through = rn_path_join(outside, "through");
	assert_int_equal(rn_mkdirs(outside, 0755, &err) | rn_mkdirs(fs, 0755, &err) | symlink(outside, link), 0);
	static const char *const paths[] = { "link", "link/through", "../../outside", "../../outside/up" };
	struct stat st;
	for (size_t i = 0; i < RN_LEN(paths); i++) {
		struct unpack_dir d = { .path = (char *)paths[i], .mode = 0700, .mtime = 5 };
		const struct unpack_job j = { .dirs = &d, .n_dirs = 1, .cancel_fd = -1 };
		unpack_dirs(&j, fs, &err);
		assert_int_equal(stat(outside, &st), 0);
		assert_true((st.st_mode & 07777) == 0755 && st.st_mtim.tv_sec != 5);
		assert_false(rn_exists(up) || rn_exists(through));
	}
}

/* ---- what a registry says of a layer ---- */

static int read_index_of(const char *path)
{
	struct rn_error err = { 0 };
	struct build b = { .store = store };
	struct digest of = digest_of(path, strlen(path));
	RN_AUTO(rn_buf_clear) struct rn_buf records = RN_BUF_INIT, data = RN_BUF_INIT;
	const struct layer_entry record = { .path = path, .type = LAYER_FILE, .mode = 0644 };
	layer_record_add(&records, &record, 0);
	layer_record_store(store, &of, &of, &records);
	RN_AUTO(rn_freep) char *file = blob_store_derived(store, &of, LAYER_RECORD_KIND);
	assert_int_equal(rn_read_file(file, 4096, &data, &err) | unlink(file), 0);
	RN_AUTO(rn_freep) char *name = rn_asprintf("indexes/sha256-%s", digest_hex(&of));
	const struct layer_entry e = { .path = name, .type = LAYER_FILE, .mode = 0644, .size = data.len };
	struct layer_result layer;
	struct layer_writer *w = layer_writer_new(store, NULL, &err);
	assert_int_equal(layer_writer_add(w, &e, &(struct layer_source){ .data = data.p }, &err), 0);
	assert_int_equal(layer_writer_finish(w, &layer, &err), 0);
	int rc = cache_index_read(&b, &layer.digest, &err);
	assert_int_equal(rn_exists(file), rc == 0);
	return rc;
}

static void an_index_that_leads_out_of_the_root_is_not_taken(void **state)
{
	(void)state;
	assert_int_equal(read_index_of("etc/x"), 0);
	assert_int_equal(read_index_of("../../etc/x"), -1);
	assert_int_equal(read_index_of("/etc/x"), -1);
	assert_int_equal(read_index_of("a//x"), -1);
}

/* ---- mounts ---- */

static char *expand(void *ctx, const char *value)
{
	(void)ctx;
	return rn_replace(value, "$x", "12");
}

static void variables_of_mounts_wait_for_their_values(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	struct run_mount m = { 0 };
	const char *text = "type=cache,target=/c/$x,uid=$x,sharing=locked";
	assert_int_equal(run_mount_parse(text, NULL, NULL, &m, &err), 0);
	assert_string_equal(m.target, "/c/$x");
	run_mount_clear(&m);
	assert_int_equal(run_mount_parse(text, expand, NULL, &m, &err), 0);
	assert_string_equal(m.target, "/c/12");
	assert_int_equal(m.uid, 12);
	assert_int_equal(m.sharing, MOUNT_LOCKED);
	run_mount_clear(&m);
	assert_int_equal(run_mount_parse("type=bind,from=$x,target=/m", expand, NULL, &m, &err), -1);
	assert_non_null(strstr(err.msg, "from takes no variables"));
	assert_int_equal(run_mount_parse("type=cache,target=/c,uid=${y}z", expand, NULL, &m, &err), -1);
}

static char *secret_type(void *ctx, const char *value)
{
	(void)ctx;
	return rn_replace(value, "$t", "secret");
}

static void the_type_of_a_mount_may_be_a_variable(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	struct run_mount m = { 0 };
	const char *text = "type=$t,id=a,required,env=A";
	assert_int_equal(run_mount_parse(text, NULL, NULL, &m, &err), 0);
	assert_null(m.from);
	run_mount_clear(&m);
	assert_int_equal(run_mount_parse(text, secret_type, NULL, &m, &err), 0);
	assert_int_equal(m.type, MOUNT_SECRET);
	assert_true(m.required);
	assert_string_equal(m.env, "A");
	run_mount_clear(&m);
	assert_int_equal(run_mount_parse("from=stage,type=$t,target=/m", NULL, NULL, &m, &err), 0);
	assert_string_equal(m.from, "stage");
	run_mount_clear(&m);
	assert_int_equal(run_mount_parse("from=stage,type=$t,target=/m", secret_type, NULL, &m, &err), -1);
	assert_non_null(strstr(err.msg, "type=secret has no option \"from\""));
	assert_int_equal(run_mount_parse("type=$x,target=/m", expand, NULL, &m, &err), -1);
	assert_non_null(strstr(err.msg, "no type \"12\""));
}

static void secrets_have_four_forms(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	assert_int_equal(run_secrets_check(NULL, &err), 0);
	assert_int_equal(run_secrets_check("{\"a\":\"x\",\"b\":{\"file\":\"f\"},\"c\":{\"env\":\"E\"},\"d\":{\"value\":\"v\"}}", &err), 0);
	static const char *const wrong[] = { "[]", "\"x\"", "{\"a\":1}", "{\"a\":{}}", "{\"a\":{\"fil\":\"x\"}}", "{\"a\":{\"file\":1}}",
					     "{\"a\":{\"file\":\"x\",\"env\":\"y\"}}" };
	for (size_t i = 0; i < RN_LEN(wrong); i++) {
		assert_int_equal(run_secrets_check(wrong[i], &err), -1);
		assert_non_null(strstr(err.hint, "{file: PATH}"));
	}
}

static atomic_bool sweep_on;

/* Another build, which takes every folder without a lock for a leftover. */
static void *sweep(void *steps)
{
	while (atomic_load(&sweep_on)) {
		RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
		(void)!rn_list_dir(steps, &names, NULL);
		for (size_t i = 0; i < names.n; i++) {
			RN_AUTO(rn_freep) char *path = rn_path_join(steps, names.v[i]);
			RN_AUTO(rn_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
				rmdir(path);
		}
	}
	return NULL;
}

static void a_new_folder_survives_who_sweeps(void **state)
{
	(void)state;
	RN_AUTO(rn_freep) char *steps = rn_path_join(folder, "steps");
	pthread_t sweeper;
	assert_int_equal(mkdir(steps, 0700), 0);
	atomic_store(&sweep_on, true);
	assert_int_equal(pthread_create(&sweeper, NULL, sweep, steps), 0);
	for (int i = 0; i < 3000; i++) {
		struct rn_error err = { 0 };
		RN_AUTO(rn_freep) char *dir = NULL;
		RN_AUTO(rn_closep) int lock = rootfs_make_locked(steps, "x-", &dir, &err);
		assert_true(lock >= 0);
		assert_true(rn_exists(dir));
	}
	atomic_store(&sweep_on, false);
	pthread_join(sweeper, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_root_is_compared),
		cmocka_unit_test(a_name_that_means_a_whiteout_is_refused),
		cmocka_unit_test(implied_folders_look_as_below),
		cmocka_unit_test(implied_folders_stay_inside),
		cmocka_unit_test(an_index_that_leads_out_of_the_root_is_not_taken),
		cmocka_unit_test(variables_of_mounts_wait_for_their_values),
		cmocka_unit_test(the_type_of_a_mount_may_be_a_variable),
		cmocka_unit_test(secrets_have_four_forms),
		cmocka_unit_test(a_new_folder_survives_who_sweeps),
	};
	return cmocka_run_group_tests_name("oci-build/rootfs", tests, setup, teardown);
}
