/* SPDX-License-Identifier: Apache-2.0 */
/* A docker archive that cannot be written to its end, wherever that is: an error, no file, nothing kept (which the sanitizers see). */
#include "oci/docker_archive.h"
#include "oci/layer_writer.h"

#include "base/fs.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <cmocka.h>

static char *scratch;
static struct blob_store *store;
static struct descriptor image;

static struct digest put(const char *text)
{
	struct digest d;
	assert_int_equal(blob_store_put(store, text, strlen(text), &d, NULL), 0);
	return d;
}

static int begin(void **state)
{
	(void)state;
	scratch = rn_temp_dir("/tmp", "runner-docker-archive-", NULL);
	store = blob_store_open(scratch, NULL);
	struct layer_options o = { .compression = LAYER_GZIP };
	struct layer_writer *w = layer_writer_new(store, &o, NULL);
	struct layer_result layer = { 0 };
	RN_AUTO(rn_freep) char *content = rn_alloc(100000);
	const struct layer_entry e = { .path = "f", .type = LAYER_FILE, .mode = 0644, .size = 100000 };
	const struct layer_source s = { .data = content, .fd = -1 };
	if (layer_writer_add(w, &e, &s, NULL) < 0 || layer_writer_finish(w, &layer, NULL) < 0)
		return -1;
	struct digest config = put("{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}");
	RN_AUTO(rn_freep) char *manifest = rn_asprintf(
		"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
		"\"digest\":\"%s\",\"size\":79},\"layers\":[{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%llu}]}", config.text,
		layer.media_type, layer.digest.text, (unsigned long long)layer.size);
	image.digest = put(manifest);
	image.size = strlen(manifest);
	image.media_type = rn_strdup("application/vnd.oci.image.manifest.v1+json");
	return 0;
}

static int end(void **state)
{
	(void)state;
	descriptor_clear(&image);
	blob_store_closep(&store);
	int rc = rn_remove_tree(scratch, NULL);
	rn_freep(&scratch);
	return rc;
}

static int write_within(rlim_t limit, const char *path, struct rn_error *err)
{
	static const char *const names[] = { "app:1" };
	struct rlimit old, new;
	getrlimit(RLIMIT_FSIZE, &old);
	new = old;
	new.rlim_cur = limit;
	setrlimit(RLIMIT_FSIZE, &new);
	int rc = docker_archive_write(store, &image, names, 1, path, err);
	setrlimit(RLIMIT_FSIZE, &old);
	return rc;
}

static void a_failure_anywhere_leaves_nothing(void **state)
{
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	RN_AUTO(rn_freep) char *folder = rn_path_join(scratch, "out"), *path = rn_path_join(folder, "image.tar");
	struct stat whole;
	assert_int_equal(rn_mkdirs(folder, 0755, NULL), 0);
	assert_int_equal(write_within(RLIM_INFINITY, path, NULL), 0);
	assert_int_equal(stat(path, &whole), 0);
	assert_true(whole.st_size > 100000);
	assert_int_equal(rn_remove_tree(path, NULL), 0);
	for (off_t limit = 0; limit < whole.st_size; limit += 5000) {
		struct rn_error err = { 0 };
		RN_AUTO(rn_strv_clear) struct rn_strv left = { 0 };
		assert_int_equal(write_within((rlim_t)limit, path, &err), -1);
		assert_int_equal(err.code, RN_EIO);
		assert_non_null(strstr(err.msg, "File too large"));
		assert_int_equal(rn_list_dir(folder, &left, NULL), 0);
		assert_int_equal(left.n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_anywhere_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
