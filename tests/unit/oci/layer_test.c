/* SPDX-License-Identifier: Apache-2.0 */
/* Layers as bytes: the same for any number of threads, one gzip member, every corner of tar, limits against bombs. */
#include "oci/layer_index.h"
#include "oci/layer_reader.h"
#include "oci/layer_record.h"
#include "oci/layer_stream.h"
#include "oci/layer_writer.h"
#include "oci/manifest.h"

#include "base/fs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static char *scratch;
static struct blob_store *store;

static int begin(void **state)
{
	(void)state;
	scratch = rn_temp_dir("/tmp", "runner-layer-", NULL);
	store = blob_store_open(scratch, NULL);
	return store ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	blob_store_closep(&store);
	int rc = rn_remove_tree(scratch, NULL);
	rn_freep(&scratch);
	return rc;
}

/* Bytes of all kinds: noise, text, runs. */
static unsigned char *sample(size_t n)
{
	unsigned char *p = malloc(n);
	uint32_t x = 12345;
	assert_non_null(p);
	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		unsigned kind = (unsigned)(i >> 16) % 4;
		p[i] = kind == 0 ? (unsigned char)(x >> 24) : kind == 1 ? (unsigned char)("the quick brown fox "[i % 20]) :
		       kind == 2 ? 0 : (unsigned char)(x >> 30);
	}
	return p;
}

static struct layer_result write_one(const struct layer_options *o, const void *data, size_t n)
{
	struct rn_error err = { 0 };
	struct layer_result r = { 0 };
	const struct layer_entry e = { .path = "f", .type = LAYER_FILE, .mode = 0644, .size = n };
	const struct layer_source s = { .data = data, .fd = -1 };
	struct layer_writer *w = layer_writer_new(store, o, &err);
	assert_non_null(w);
	assert_int_equal(layer_writer_add(w, &e, &s, &err), 0);
	assert_int_equal(layer_writer_finish(w, &r, &err), 0);
	return r;
}

/* The pipe fails while libarchive writes headers, contents or the end: an error, and nothing kept (which the sanitizers see). */
static void a_disk_that_is_full_leaves_nothing(void **state)
{
	(void)state;
	static const enum layer_compression all[] = { LAYER_GZIP, LAYER_ZSTD, LAYER_PLAIN };
	struct rlimit old, low;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	low = old;
	low.rlim_cur = 300000;
	setrlimit(RLIMIT_FSIZE, &low);
	for (size_t k = 0; k < RN_LEN(all); k++) {
		struct layer_options o = { .compression = all[k], .level = 1 };
		struct rn_error err = { 0 };
		RN_AUTO(layer_writer_abortp) struct layer_writer *w = layer_writer_new(store, &o, &err);
		unsigned x = 1;
		int rc = 0;
		for (unsigned i = 0; rc == 0 && i < 1000000; i++) {
			RN_AUTO(rn_freep) char *name = rn_asprintf("d/%08x%08x", x = x * 1664525 + 1013904223, i);
			const struct layer_entry e = { .path = name, .type = LAYER_FILE, .mode = 0644, .size = i % 2 };
			const struct layer_source s = { .data = "x", .fd = -1 };
			rc = layer_writer_add(w, &e, &s, &err);
		}
		assert_int_equal(rc, -1);
		assert_int_equal(err.code, RN_EIO);
		assert_non_null(strstr(err.msg, "File too large"));
	}
	setrlimit(RLIMIT_FSIZE, &old);
}

static void bytes_do_not_depend_on_the_number_of_threads(void **state)
{
	(void)state;
	static const enum layer_compression all[] = { LAYER_GZIP, LAYER_ZSTD, LAYER_PLAIN };
	size_t n = (size_t)5 * 1024 * 1024 + 12345;
	unsigned char *data = sample(n);
	for (size_t i = 0; i < RN_LEN(all); i++) {
		struct layer_options o = { .compression = all[i], .level = 1, .threads = 1 };
		struct layer_result first = write_one(&o, data, n);
		for (unsigned threads = 2; threads <= 9; threads += 3) {
			o.threads = threads;
			struct layer_result again = write_one(&o, data, n);
			assert_string_equal(first.digest.text, again.digest.text);
			assert_string_equal(first.diff_id.text, again.diff_id.text);
		}
	}
	free(data);
}

/* An image that calls its layer by the diff_id of another would get into the cache under the other's name. */
static void an_image_cannot_lie_about_a_layer_that_is_known(void **state)
{
	(void)state;
	const struct layer_options o = { .compression = LAYER_GZIP };
	struct layer_result honest = write_one(&o, "honest", 6), evil = write_one(&o, "hostile", 7);
	for (int known = 1; known >= 0; known--) {
		struct rn_error err = { 0 };
		RN_AUTO(rn_freep) char *record = blob_store_derived(store, &evil.digest, LAYER_RECORD_KIND);
		if (!known)
			assert_int_equal(unlink(record), 0);
		struct layer_tree *t = layer_tree_new(store, NULL);
		assert_int_equal(layer_tree_add(t, &evil.digest, &honest.diff_id, &err), -1);
		assert_non_null(strstr(err.msg, "the image says"));
		assert_int_equal(layer_tree_add(t, &evil.digest, &evil.diff_id, &err), 0);
		assert_non_null(layer_tree_find(t, "f", true, &err));
		layer_tree_free(t);
	}
}

static void levels_differ_and_each_is_one_gzip_member(void **state)
{
	(void)state;
	size_t n = (size_t)3 * 1024 * 1024 + 77;
	unsigned char *data = sample(n);
	uint64_t sizes[13] = { 0 };
	for (int level = 1; level <= 12; level++) {
		const struct layer_options o = { .level = level };
		struct layer_result r = write_one(&o, data, n);
		RN_AUTO(rn_buf_clear) struct rn_buf blob = { .max = (size_t)64 << 20 };
		assert_int_equal(blob_store_read(store, &r.digest, (size_t)64 << 20, &blob, NULL), 0);
		unsigned char *out = malloc(r.tar_size + 1);
		z_stream z = { .next_in = (unsigned char *)blob.p, .avail_in = (uInt)blob.len, .next_out = out, .avail_out = (uInt)r.tar_size + 1 };
		assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
		assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END); /* one member has it all */
		assert_int_equal(z.avail_in, 0);
		assert_int_equal(z.total_out, r.tar_size);
		struct digest d = digest_of(out, r.tar_size);
		assert_string_equal(d.text, r.diff_id.text);
		assert_memory_equal(out + 512, data, n);
		inflateEnd(&z);
		free(out);
		sizes[level] = r.size;
	}
	assert_true(sizes[12] < sizes[1]);
	free(data);
}

/* ---- corners of tar -------------------------------------------------------------------------- */

/* What a layer that is being written to the tee's file looks like, up to `n` bytes. */
struct peek {
	int fd;
	uint64_t size;
	bool ended, whole;
};

static void *peek_begin(void *ctx, int fd)
{
	struct peek *p = ctx;
	p->fd = dup(fd);
	return p;
}

static void peek_grown(void *ctx, uint64_t size)
{
	((struct peek *)ctx)->size = size;
}

static void peek_end(void *ctx, const struct layer_result *r)
{
	((struct peek *)ctx)->ended = true;
	((struct peek *)ctx)->whole = r != NULL;
}

struct zeros {
	uint64_t left;
};

static ssize_t some_zeros(void *ctx, void *to, size_t n, struct rn_error *err)
{
	struct zeros *z = ctx;
	if (!z->left)
		return rn_fail(err, RN_EIO, "that is enough");
	n = n < z->left ? n : (size_t)z->left;
	memset(to, 0, n);
	z->left -= n;
	return (ssize_t)n;
}

static void a_file_of_more_than_8_gib_has_its_size_in_a_pax_header(void **state)
{
	(void)state;
	struct peek p = { .fd = -1 };
	const struct layer_tee tee = { peek_begin, peek_grown, peek_end, &p };
	const struct layer_options o = { .compression = LAYER_PLAIN, .tee = &tee };
	struct zeros z = { (uint64_t)8 << 20 };
	const struct layer_entry e = { .path = "huge", .type = LAYER_FILE, .mode = 0644, .size = (uint64_t)9 << 30 };
	const struct layer_source s = { .fd = -1, .read = some_zeros, .ctx = &z };
	struct rn_error err = { 0 };
	struct layer_writer *w = layer_writer_new(store, &o, &err);
	assert_int_equal(layer_writer_add(w, &e, &s, &err), -1);
	assert_non_null(strstr(err.msg, "that is enough"));
	layer_writer_abort(w);
	assert_true(p.ended && !p.whole && p.size >= 1 << 20);
	char head[4096];
	assert_int_equal(pread(p.fd, head, sizeof(head), 0), sizeof(head));
	close(p.fd);
	bool found = false;
	for (size_t i = 0; i + 16 < sizeof(head); i++)
		found = found || memcmp(head + i, " size=9663676416\n", 17) == 0;
	assert_true(found);
}

static void hash_bytes(void *ctx, const void *data, size_t n)
{
	digester_update(ctx, data, n);
}

static void who_takes_the_tar_gets_all_of_it(void **state)
{
	(void)state;
	struct digester *d = digester_new(NULL);
	const struct layer_raw raw = { hash_bytes, d };
	const struct layer_options o = { .raw = &raw };
	struct zeros z = { (uint64_t)9 << 20 };
	const struct layer_entry e = { .path = "zeros", .type = LAYER_FILE, .mode = 0644, .size = z.left };
	const struct layer_source s = { .fd = -1, .read = some_zeros, .ctx = &z };
	struct rn_error err = { 0 };
	struct layer_result r;
	struct layer_writer *w = layer_writer_new(store, &o, &err);
	assert_int_equal(layer_writer_add(w, &e, &s, &err), 0);
	assert_int_equal(layer_writer_finish(w, &r, &err), 0);
	assert_string_equal(digester_peek(d).text, r.diff_id.text);
	digester_free(d);
}

static void read_back(const struct layer_result *r, struct layer_entry *want, size_t n)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_closep) int fd = blob_store_open_blob(store, &r->digest, NULL, &err);
	const struct layer_reader_options o = { .need_diff_id = true };
	RN_AUTO(layer_reader_freep) struct layer_reader *reader = layer_reader_new(fd, &o, &err);
	struct layer_entry e;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(layer_reader_next(reader, &e, &err), 1);
		assert_string_equal(e.path, want[i].path);
		assert_int_equal(e.type, want[i].type);
		assert_int_equal(e.mode, want[i].mode);
		assert_int_equal(e.uid, want[i].uid);
		assert_int_equal(e.gid, want[i].gid);
		assert_int_equal(e.mtime, want[i].mtime);
		assert_int_equal(e.size, want[i].size);
		assert_int_equal(e.dev_major, want[i].dev_major);
		assert_int_equal(e.dev_minor, want[i].dev_minor);
		if (want[i].link)
			assert_string_equal(e.link, want[i].link);
		assert_int_equal(e.n_xattrs, want[i].n_xattrs);
		if (e.n_xattrs) {
			assert_string_equal(e.xattrs[0].name, want[i].xattrs[0].name);
			assert_memory_equal(e.xattrs[0].value, want[i].xattrs[0].value, want[i].xattrs[0].size);
		}
	}
	assert_int_equal(layer_reader_next(reader, &e, &err), 0);
	struct digest diff_id;
	assert_int_equal(layer_reader_finish(reader, &diff_id, NULL, &err), 0);
	assert_string_equal(diff_id.text, r->diff_id.text);
}

static void entries_come_back_as_they_were(void **state)
{
	(void)state;
	char long_name[1200];
	memset(long_name, 'n', sizeof(long_name));
	for (size_t i = 100; i < sizeof(long_name); i += 101)
		long_name[i] = '/';
	long_name[sizeof(long_name) - 1] = '\0';
	const struct layer_xattr capability = { "security.capability", "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20 };
	struct layer_entry v[] = {
		{ .path = "d", .type = LAYER_DIR, .mode = 01777, .uid = 1, .gid = 2, .mtime = 5 },
		{ .path = "d/setuid", .type = LAYER_FILE, .mode = 06755, .mtime = INT64_C(253402300799), .size = 3 },
		{ .path = "d/linked", .type = LAYER_HARDLINK, .mode = 06755, .link = "d/setuid", .mtime = INT64_C(253402300799) },
		{ .path = "d/\xff\xfe not utf-8", .type = LAYER_FILE, .mode = 0600, .size = 3 },
		{ .path = "d/\xc3\xa4\xe2\x82\xac", .type = LAYER_SYMLINK, .mode = 0777, .link = "../\xff/\xc3\xa4" },
		{ .path = "cap", .type = LAYER_FILE, .mode = 0755, .size = 3, .xattrs = &capability, .n_xattrs = 1 },
		{ .path = "null", .type = LAYER_CHAR, .mode = 0666, .dev_major = 1, .dev_minor = 3 },
		{ .path = "disk", .type = LAYER_BLOCK, .mode = 0660, .gid = 6, .dev_major = 259, .dev_minor = 70000 },
		{ .path = "pipe", .type = LAYER_FIFO, .mode = 0644 },
		{ .path = "owned", .type = LAYER_FILE, .mode = 0644, .uid = 4000000000u, .gid = 3000000 },
		{ .path = long_name, .type = LAYER_FILE, .mode = 0644, .size = 3 },
		{ .path = "to-long", .type = LAYER_SYMLINK, .mode = 0777, .link = long_name },
	};
	const struct layer_source s = { .data = "abc", .fd = -1 };
	struct rn_error err = { 0 };
	struct layer_result r;
	struct layer_writer *w = layer_writer_new(store, NULL, &err);
	for (size_t i = 0; i < RN_LEN(v); i++)
		if (layer_writer_add(w, &v[i], &s, &err) < 0)
			fail_msg("%s: %s", v[i].path, err.msg);
	assert_int_equal(layer_writer_finish(w, &r, &err), 0);
	assert_int_equal(r.entries, RN_LEN(v));
	read_back(&r, v, RN_LEN(v));
}

static void what_no_layer_may_have_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "/a", "a/", "a//b", "./a", "a/./b", "../a", "a/..", "" };
	struct rn_error err = { 0 };
	struct layer_writer *w = layer_writer_new(store, NULL, &err);
	for (size_t i = 0; i + 1 < RN_LEN(bad); i++) {
		const struct layer_entry e = { .path = bad[i], .type = LAYER_FILE, .mode = 0644 };
		if (layer_writer_add(w, &e, NULL, &err) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
	}
	const struct layer_entry a = { .path = "a", .type = LAYER_FILE, .mode = 0644 };
	const struct layer_entry link = { .path = "l", .type = LAYER_HARDLINK, .link = "later" };
	assert_int_equal(layer_writer_add(w, &a, NULL, &err), 0);
	assert_int_equal(layer_writer_add(w, &a, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "twice"));
	assert_int_equal(layer_writer_add(w, &link, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "before its target"));
	layer_writer_abort(w);
}

static void a_file_that_no_reader_would_take_is_refused_at_once(void **state)
{
	(void)state;
	RN_AUTO(rn_closep) int fd = blob_store_scratch(store, NULL);
	struct rn_error err = { 0 };
	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	const struct layer_entry e = { .path = "var/log/lastlog", .type = LAYER_FILE, .mode = 0644, .size = (uint64_t)1 << 40 };
	struct layer_writer *w = layer_writer_new(store, NULL, &err);
	assert_int_equal(layer_writer_add(w, &e, &(struct layer_source){ .fd = fd }, &err), -1);
	assert_int_equal(err.code, RN_ELIMIT);
	assert_non_null(strstr(err.hint, "--no-log-init"));
	layer_writer_abort(w);
}

static void a_file_that_shrinks_while_it_is_read_is_an_error(void **state)
{
	(void)state;
	RN_AUTO(rn_closep) int fd = blob_store_scratch(store, NULL);
	struct rn_error err = { 0 };
	assert_int_equal(rn_write_full(fd, "abc", 3), 0);
	const struct layer_entry e = { .path = "f", .type = LAYER_FILE, .mode = 0644, .size = 10 };
	const struct layer_source s = { .fd = fd };
	struct layer_writer *w = layer_writer_new(store, NULL, &err);
	assert_int_equal(layer_writer_add(w, &e, &s, &err), -1);
	assert_non_null(strstr(err.msg, "became shorter"));
	layer_writer_abort(w);
}

/* ---- bombs --------------------------------------------------------------------------------------- */

static int64_t drain(const struct digest *d, uint64_t max_bytes, uint64_t max_ratio, struct rn_error *err)
{
	RN_AUTO(rn_closep) int fd = blob_store_open_blob(store, d, NULL, err);
	RN_AUTO(layer_stream_freep) struct layer_stream *s = layer_stream_new(fd, max_bytes, max_ratio, err);
	RN_AUTO(rn_freep) char *piece = malloc(1 << 16);
	int64_t sum = 0;
	for (ssize_t n; (n = layer_stream_read(s, piece, 1 << 16, err)) != 0; sum += n)
		if (n < 0)
			return -1;
	return sum;
}

static void bombs_stop_at_the_limit(void **state)
{
	(void)state;
	size_t n = (size_t)100 << 20;
	void *zeros = calloc(1, n);
	static const enum layer_compression all[] = { LAYER_GZIP, LAYER_ZSTD };
	for (size_t i = 0; i < RN_LEN(all); i++) {
		const struct layer_options o = { .compression = all[i], .level = 1 };
		struct layer_result r = write_one(&o, zeros, n);
		struct rn_error err = { 0 };
		assert_int_equal(drain(&r.digest, UINT64_MAX, 0, &err), r.tar_size);
		assert_int_equal(drain(&r.digest, (uint64_t)10 << 20, 0, &err), -1);
		assert_int_equal(err.code, RN_ELIMIT);
		err = (struct rn_error){ 0 };
		assert_int_equal(drain(&r.digest, UINT64_MAX, 50, &err), -1);
		assert_int_equal(err.code, RN_ELIMIT);
	}
	free(zeros);
}

static void a_layer_has_no_more_entries_than_the_limit(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	struct layer_result r;
	struct layer_writer *w = layer_writer_new(store, NULL, &err);
	for (int i = 0; i < 10; i++) {
		RN_AUTO(rn_freep) char *name = rn_asprintf("f%d", i);
		const struct layer_entry e = { .path = name, .type = LAYER_FILE, .mode = 0644 };
		assert_int_equal(layer_writer_add(w, &e, NULL, &err), 0);
	}
	assert_int_equal(layer_writer_finish(w, &r, &err), 0);
	RN_AUTO(rn_closep) int fd = blob_store_open_blob(store, &r.digest, NULL, &err);
	const struct layer_reader_options o = { .limits = { .max_entries = 9 } };
	RN_AUTO(layer_reader_freep) struct layer_reader *reader = layer_reader_new(fd, &o, &err);
	struct layer_entry e;
	int rc = 1, count = 0;
	while ((rc = layer_reader_next(reader, &e, &err)) == 1)
		count++;
	assert_int_equal(rc, -1);
	assert_int_equal(count, 9);
	assert_int_equal(err.code, RN_ELIMIT);
}

/* ---- stores --------------------------------------------------------------------------------------- */

static void a_blob_of_a_foreign_store_is_verified(void **state)
{
	(void)state;
	RN_AUTO(rn_freep) char *dir = rn_path_join(scratch, "foreign");
	struct blob_store *foreign = blob_store_open(dir, NULL);
	struct digest d, e;
	struct rn_error err = { 0 };
	assert_int_equal(blob_store_put(foreign, "true", 4, &d, NULL), 0);
	assert_int_equal(blob_store_put(foreign, "also", 4, &e, NULL), 0);
	RN_AUTO(rn_freep) char *path = blob_store_path(foreign, &d);
	assert_int_equal(rn_write_file(path, "lies", 4, 0444, NULL), 0);
	assert_int_equal(blob_store_import(foreign, store, &d, &err), -1);
	assert_false(blob_store_has(store, &d, NULL));
	assert_int_equal(blob_store_import(foreign, store, &e, &err), 0);
	assert_true(blob_store_has(store, &e, NULL));
	blob_store_close(foreign);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_that_is_full_leaves_nothing),
		cmocka_unit_test(bytes_do_not_depend_on_the_number_of_threads),
		cmocka_unit_test(levels_differ_and_each_is_one_gzip_member),
		cmocka_unit_test(a_file_of_more_than_8_gib_has_its_size_in_a_pax_header),
		cmocka_unit_test(who_takes_the_tar_gets_all_of_it),
		cmocka_unit_test(entries_come_back_as_they_were),
		cmocka_unit_test(what_no_layer_may_have_is_refused),
		cmocka_unit_test(a_file_that_no_reader_would_take_is_refused_at_once),
		cmocka_unit_test(a_file_that_shrinks_while_it_is_read_is_an_error),
		cmocka_unit_test(bombs_stop_at_the_limit),
		cmocka_unit_test(a_layer_has_no_more_entries_than_the_limit),
		cmocka_unit_test(an_image_cannot_lie_about_a_layer_that_is_known),
		cmocka_unit_test(a_blob_of_a_foreign_store_is_verified),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
