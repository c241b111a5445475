/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacking: a tar in pieces, holes, what takes the place of something else, many files at once; and a layer that is shown while it is read for its index. */
#include "oci/layer_apply.h"
#include "oci/layer_index.h"
#include "oci/layer_reader.h"
#include "oci/layer_record.h"
#include "oci/layer_writer.h"

#include "base/fs.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#define HOLE ((size_t)1 << 20)

static char *folder;
static struct blob_store *store;

static int begin(void **state)
{
	(void)state;
	folder = rn_temp_dir("/tmp", "runner-apply-", NULL);
	RN_AUTO(rn_freep) char *dir = rn_path_join(folder, "store");
	store = blob_store_open(dir, NULL);
	return store ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	blob_store_closep(&store);
	int rc = rn_remove_tree(folder, NULL);
	rn_freep(&folder);
	return rc;
}

/* What a layer is made of: the content of a file is `text`; "a/" is a folder. */
struct item {
	const char *path, *text, *symlink, *hardlink;
};

static struct layer_result write_layer(const struct item *v, size_t n, const struct layer_raw *raw)
{
	struct rn_error err = { 0 };
	struct layer_result r = { 0 };
	const struct layer_options o = { .compression = LAYER_PLAIN, .raw = raw };
	struct layer_writer *w = layer_writer_new(store, &o, &err);
	assert_non_null(w);
	for (size_t i = 0; i < n; i++) {
		RN_AUTO(rn_freep) char *path = rn_strdup(v[i].path);
		bool dir = path[strlen(path) - 1] == '/';
		path[strlen(path) - dir] = '\0';
		const struct layer_entry e = {
			.path = path,
			.type = dir ? LAYER_DIR : v[i].symlink ? LAYER_SYMLINK : v[i].hardlink ? LAYER_HARDLINK : LAYER_FILE,
			.link = v[i].symlink ? v[i].symlink : v[i].hardlink,
			.mode = 0755,
			.size = v[i].text ? strlen(v[i].text) : 0,
		};
		assert_int_equal(layer_writer_add(w, &e, &(struct layer_source){ .data = v[i].text, .fd = -1 }, &err), 0);
	}
	assert_int_equal(layer_writer_finish(w, &r, &err), 0);
	return r;
}

static void forget_index(const struct layer_result *r)
{
	RN_AUTO(rn_freep) char *path = blob_store_derived(store, &r->digest, LAYER_RECORD_KIND);
	assert_int_equal(unlink(path), 0);
}

static int open_folder(const char *name)
{
	RN_AUTO(rn_freep) char *path = rn_path_join(folder, name);
	assert_true(rn_mkdirs(path, 0755, NULL) == 0);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int apply(int root, const struct layer_result *layer, struct rn_error *err)
{
	const struct layer_apply_options o = LAYER_APPLY_INIT;
	RN_AUTO(rn_closep) int fd = blob_store_open_blob(store, &layer->digest, NULL, err);
	assert_true(fd >= 0);
	return layer_apply(root, fd, &o, NULL, err);
}

static void assert_file(const char *in, const char *name, const char *text)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s/%s/%s", folder, in, name);
	assert_int_equal(rn_read_file(path, 4096, &b, NULL), 0);
	assert_string_equal(rn_buf_str(&b), text);
}

static void what_comes_later_takes_the_place(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	static const struct item below[] = { { "d/" }, { "d/f", "old" }, { "e/" }, { "h", "old" }, { "l", .symlink = "h" }, { "w/" }, { "w/d/" } };
	/* twice the folder that was just written to goes: by a link, and by a whiteout */
	static const struct item above[] = { { "a", "a" },		  { "d/f", "new" }, { "d", .symlink = "e" }, { "d/g", "through" },
					     { "h", .hardlink = "a" }, { "l", "file" },
					      { "w/d/f", "gone" },     { "w/.wh.d" },	 { "w/d/g", "again" } };
	RN_AUTO(rn_closep) int root = open_folder("place");
	struct layer_result one = write_layer(below, RN_LEN(below), NULL), two = write_layer(above, RN_LEN(above), NULL);
	assert_int_equal(apply(root, &one, &err), 0);
	assert_int_equal(apply(root, &two, &err), 0);
	assert_file("place", "e/g", "through");
	assert_file("place", "h", "a");
	assert_file("place", "l", "file");
	assert_file("place", "w/d/g", "again");
	struct stat st;
	assert_int_equal(fstatat(root, "e/f", &st, 0), -1);
	assert_int_equal(fstatat(root, "h", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(fstatat(root, "l", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
}

/* ---- in pieces --------------------------------------------------------------------------------- */

struct cut {
	struct rn_buf tar;
	size_t at;
	char *piece; /* of its own, so that whoever looks at an old one is seen by a sanitizer */
};

static void keep(void *ctx, const void *data, size_t n)
{
	struct cut *c = ctx;
	rn_buf_add(&c->tar, data, n);
}

static size_t odd_piece(void *ctx, const void **ret)
{
	struct cut *c = ctx;
	size_t n = 1 + c->at % 7919;
	if (n > c->tar.len - c->at)
		n = c->tar.len - c->at;
	free(c->piece);
	c->piece = rn_memdup(c->tar.p + c->at, n ? n : 1);
	c->at += n;
	*ret = c->piece;
	return n;
}

/* Something, a hole, something, and zeros up to the end. */
static void add_holes(struct layer_writer *w, const char *name)
{
	struct rn_error err = { 0 };
	char *data = rn_alloc(3 * HOLE);
	memcpy(data, "begin", 5);
	memcpy(data + HOLE, "middle", 6);
	const struct layer_entry e = { .path = name, .type = LAYER_FILE, .mode = 0644, .size = 3 * HOLE };
	assert_int_equal(layer_writer_add(w, &e, &(struct layer_source){ .data = data, .fd = -1 }, &err), 0);
	free(data);
}

static void a_tar_in_pieces_becomes_the_same_files(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	struct layer_result r;
	struct cut c = { .tar = { .max = SIZE_MAX } };
	const struct layer_raw raw = { keep, &c };
	const struct layer_options lo = { .raw = &raw };
	struct layer_writer *w = layer_writer_new(store, &lo, &err);
	add_holes(w, "holes");
	const struct layer_entry small = { .path = "small", .type = LAYER_FILE, .mode = 0600, .size = 5 };
	assert_int_equal(layer_writer_add(w, &small, &(struct layer_source){ .data = "hello", .fd = -1 }, &err), 0);
	assert_int_equal(layer_writer_finish(w, &r, &err), 0);
	const struct layer_pieces pieces = { odd_piece, &c };
	struct layer_apply_options o = LAYER_APPLY_INIT;
	struct digest diff_id;
	RN_AUTO(rn_closep) int root = open_folder("pieces");
	o.pieces = &pieces;
	assert_int_equal(layer_apply(root, -1, &o, &diff_id, &err), 0);
	assert_string_equal(diff_id.text, r.diff_id.text);
	assert_file("pieces", "small", "hello");
	RN_AUTO(rn_closep) int fd = openat(root, "holes", O_RDONLY | O_CLOEXEC);
	char got[6];
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 3 * HOLE);
	assert_int_equal(pread(fd, got, 5, 0), 5);
	assert_memory_equal(got, "begin", 5);
	assert_int_equal(pread(fd, got, 6, HOLE), 6);
	assert_memory_equal(got, "middle", 6);
	/* cut off: an error, not fewer files */
	c.at = 0;
	c.tar.len = HOLE;
	assert_int_equal(layer_apply(root, -1, &o, NULL, &err), -1);
	free(c.piece);
	rn_buf_clear(&c.tar);
}

/* A file on disk, half of whose pieces lie in a hole, gives the same layer as its bytes in memory; the holes are holes again. */
static void a_sparse_file_gets_into_a_layer_as_it_reads(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	struct layer_result from_memory, from_file;
	struct layer_writer *w = layer_writer_new(store, NULL, &err);
	add_holes(w, "large");
	assert_int_equal(layer_writer_finish(w, &from_memory, &err), 0);
	RN_AUTO(rn_freep) char *path = rn_path_join(folder, "holes");
	RN_AUTO(rn_closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(pwrite(fd, "begin", 5, 0), 5);
	assert_int_equal(pwrite(fd, "middle", 6, HOLE), 6);
	assert_int_equal(ftruncate(fd, 3 * HOLE), 0);
	w = layer_writer_new(store, NULL, &err);
	const struct layer_entry e = { .path = "large", .type = LAYER_FILE, .mode = 0644, .size = 3 * HOLE };
	assert_int_equal(layer_writer_add(w, &e, &(struct layer_source){ .fd = fd }, &err), 0);
	assert_int_equal(layer_writer_finish(w, &from_file, &err), 0);
	assert_string_equal(from_file.digest.text, from_memory.digest.text);
	/* one that ends within its last hole is no longer what it was */
	assert_int_equal(ftruncate(fd, 2 * HOLE), 0);
	w = layer_writer_new(store, NULL, &err);
	assert_int_equal(layer_writer_add(w, &e, &(struct layer_source){ .fd = fd }, &err), -1);
	assert_non_null(strstr(err.msg, "became shorter"));
	layer_writer_abort(w);

	RN_AUTO(rn_closep) int root = open_folder("again");
	assert_int_equal(apply(root, &from_file, &err), 0);
	RN_AUTO(rn_closep) int again = openat(root, "large", O_RDONLY | O_CLOEXEC);
	struct stat st;
	assert_int_equal(fstat(again, &st), 0);
	assert_int_equal(st.st_size, 3 * HOLE);
	assert_true(st.st_blocks * 512 < (blkcnt_t)HOLE);
	assert_true(rn_hole(again, 2 * HOLE, HOLE) == HOLE && rn_hole(again, 2 * HOLE, HOLE + 1) == 0 && rn_hole(again, HOLE, 1) == 0);
}

/* A sparse file as GNU tar and libarchive describe it: a few bytes, and nothing up to its end. */
static void a_hole_at_the_end_counts(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	struct cut c = { .tar = { .max = SIZE_MAX } };
	char *room = rn_alloc(HOLE);
	size_t used = 0;
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	archive_write_set_format_pax(a);
	assert_int_equal(archive_write_open_memory(a, room, HOLE, &used), ARCHIVE_OK);
	archive_entry_set_pathname(e, "sparse");
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, 3 * HOLE);
	archive_entry_sparse_add_entry(e, HOLE, 4);
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	char *data = rn_alloc(3 * HOLE);
	memcpy(data + HOLE, "data", 4);
	assert_int_equal(archive_write_data(a, data, 3 * HOLE), 3 * HOLE);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	rn_buf_add(&c.tar, room, used);
	const struct layer_pieces pieces = { odd_piece, &c };
	struct layer_apply_options o = LAYER_APPLY_INIT;
	RN_AUTO(rn_closep) int root = open_folder("sparse");
	o.pieces = &pieces;
	assert_int_equal(layer_apply(root, -1, &o, NULL, &err), 0);
	RN_AUTO(rn_closep) int fd = openat(root, "sparse", O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, room, 5, HOLE), 5);
	assert_memory_equal(room, "data", 5);
	assert_int_equal(lseek(fd, 0, SEEK_END), 3 * HOLE);
	archive_entry_free(e);
	archive_write_free(a);
	free(data);
	free(room);
	free(c.piece);
	/* also for who wants it out of the layer */
	struct digest d;
	assert_int_equal(blob_store_put(store, c.tar.p, c.tar.len, &d, &err), 0);
	RN_AUTO(layer_tree_freep) struct layer_tree *t = layer_tree_new(store, NULL);
	assert_int_equal(layer_tree_add(t, &d, NULL, &err), 0);
	RN_AUTO(rn_buf_clear) struct rn_buf text = { .max = SIZE_MAX };
	struct layer_node *n = layer_tree_find(t, "sparse", false, &err);
	off_t at;
	int scratch;
	assert_int_equal(layer_tree_read(t, n, SIZE_MAX, &text, &err), 0);
	assert_true(text.len == 3 * HOLE && memcmp(text.p + HOLE, "data", 5) == 0 && text.p[3 * HOLE - 1] == 0);
	assert_int_equal(layer_tree_content(t, n, &scratch, &at, &err), 0);
	assert_true(rn_hole(scratch, at + 2 * (off_t)HOLE, HOLE) == HOLE);
	rn_buf_clear(&c.tar);
}

/* ---- as a folder of an overlay ------------------------------------------------------------------- */

static bool is_opaque(int root, const char *name)
{
	char value[4];
	RN_AUTO(rn_closep) int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fgetxattr(fd, "user.overlay.opaque", value, sizeof(value)) == 1;
}

/* A whiteout speaks of what is below, wherever it stands in the layer: the tree of headers sees it so, and RUN has to. */
static void a_whiteout_spares_its_own_layer_also_in_an_overlay(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	static const struct item items[] = { { ".wh.before" }, { "before/" }, { "before/f", "new" }, { "after/" }, { "after/f", "new" }, { ".wh.after" },
					     { "file", "new" }, { ".wh.file" }, { "plain/" }, { ".wh.gone" } };
	struct layer_result r = write_layer(items, RN_LEN(items), NULL);
	RN_AUTO(rn_closep) int root = open_folder("overlay");
	struct layer_apply_options o = LAYER_APPLY_INIT;
	o.overlay = o.user_marks = true;
	RN_AUTO(rn_closep) int fd = blob_store_open_blob(store, &r.digest, NULL, &err);
	if (layer_apply(root, fd, &o, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	assert_file("overlay", "before/f", "new");
	assert_file("overlay", "after/f", "new");
	assert_file("overlay", "file", "new");
	assert_true(is_opaque(root, "before") && is_opaque(root, "after") && !is_opaque(root, "plain"));
	struct stat st;
	assert_int_equal(fstatat(root, "gone", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
}

/* ---- stopped --------------------------------------------------------------------------------------- */

static bool after_some(void *ctx)
{
	unsigned *left = ctx;
	return *left == 0 || --*left == 0;
}

/* ---- files that threads write ---------------------------------------------------------------------- */

#define MANY 3000
#define MANY_SIZE_MAX (((size_t)1 << 20) + 1) /* of one of them, in bytes */

static size_t size_of(size_t i)
{
	static const size_t sizes[] = { 0, 1, 100, 4000, 33000, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 1 << 20, (1 << 20) + 1 };
	return i % 50 ? (i * 37) % 5000 : sizes[i / 50 % RN_LEN(sizes)];
}

static char *name_of(size_t i, const char *suffix)
{
	return rn_asprintf("d%02zu/f%04zu%s", i * 20 / MANY, i, suffix);
}

/* A layer of many files. Every eleventh has a hard link right behind it. */
static struct layer_result write_many(void)
{
	RN_AUTO(rn_freep) char *content = rn_alloc(MANY_SIZE_MAX);
	struct rn_error err = { 0 };
	struct layer_result r;
	struct layer_writer *w = layer_writer_new(store, &(struct layer_options){ .compression = LAYER_GZIP }, &err);
	for (size_t i = 0; i < MANY; i++) {
		RN_AUTO(rn_freep) char *path = name_of(i, ""), *link = name_of(i, "-link");
		struct layer_entry e = { .path = path, .type = LAYER_FILE, .mode = 0640 + (mode_t)(i % 8), .mtime = (int64_t)i, .size = size_of(i) };
		memset(content, (int)('a' + i % 26), e.size);
		assert_int_equal(layer_writer_add(w, &e, &(struct layer_source){ .data = content, .fd = -1 }, &err), 0);
		e = (struct layer_entry){ .path = link, .type = LAYER_HARDLINK, .link = path };
		if (i % 11 == 0)
			assert_int_equal(layer_writer_add(w, &e, &(struct layer_source){ .fd = -1 }, &err), 0);
	}
	assert_int_equal(layer_writer_finish(w, &r, &err), 0);
	return r;
}

static void assert_many(int root)
{
	RN_AUTO(rn_freep) char *content = rn_alloc(MANY_SIZE_MAX);
	for (size_t i = 0; i < MANY; i++) {
		RN_AUTO(rn_freep) char *path = name_of(i, "");
		RN_AUTO(rn_closep) int fd = openat(root, path, O_RDONLY | O_CLOEXEC);
		struct stat st;
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_size, size_of(i));
		assert_int_equal(st.st_mode & 07777, 0640 + i % 8);
		assert_int_equal(st.st_mtime, i);
		assert_int_equal(st.st_nlink, i % 11 ? 1 : 2);
		assert_int_equal(rn_read_full(fd, content, size_of(i)), size_of(i));
		for (size_t k = 0; k < size_of(i); k++)
			if (content[k] != (char)('a' + i % 26))
				fail_msg("%s differs at %zu", path, k);
	}
}

static size_t open_files(void)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	assert_int_equal(rn_list_dir("/proc/self/fd", &names, NULL), 0);
	return names.n;
}

static void many_files_are_written_behind_the_reader(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	const struct layer_result r = write_many();
	size_t before = open_files();
	{
		RN_AUTO(rn_closep) int root = open_folder("many");
		if (apply(root, &r, &err) < 0)
			fail_msg("%s", err.msg);
		assert_many(root);
		assert_int_equal(apply(root, &r, &err), 0); /* over itself */
		assert_many(root);
	}
	assert_int_equal(open_files(), before);
}

/* Unpacks a layer while so much of a resource may be used. */
static int apply_limited(int root, const struct layer_result *r, int resource, rlim_t most, struct rn_error *err)
{
	struct rlimit old;
	assert_int_equal(getrlimit(resource, &old), 0);
	const struct rlimit few = { .rlim_cur = most, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(resource, &few), 0);
	int rc = apply(root, r, err);
	assert_int_equal(setrlimit(resource, &old), 0);
	return rc;
}

/* Few descriptors are enough: files to be written wait for no more than there are. */
static void many_files_with_few_descriptors(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	const struct layer_result r = write_many();
	RN_AUTO(rn_closep) int root = open_folder("few");
	if (apply_limited(root, &r, RLIMIT_NOFILE, open_files() + 8, &err) < 0)
		fail_msg("%s", err.msg);
	assert_many(root);
}

/* What a thread could not write is an error of the whole, and no descriptor stays open. */
static void a_file_that_cannot_be_written_fails_the_layer(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	const struct layer_result r = write_many();
	size_t before = open_files();
	RN_AUTO(rn_closep) int root = open_folder("small");
	void (*was)(int) = signal(SIGXFSZ, SIG_IGN);
	int rc = apply_limited(root, &r, RLIMIT_FSIZE, 30000, &err);
	signal(SIGXFSZ, was);
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, RN_EIO);
	assert_non_null(strstr(err.msg, "write \"d"));
	assert_non_null(strstr(err.msg, strerror(EFBIG)));
	assert_int_equal(open_files(), before + 1);
}

/* Also inside of one large file: nobody waits for the end of it. */
static void who_reads_a_layer_can_be_stopped(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	struct layer_result r;
	unsigned left = 3;
	const struct rn_stop stop = { after_some, &left };
	struct layer_writer *w = layer_writer_new(store, &(struct layer_options){ .compression = LAYER_PLAIN }, &err);
	add_holes(w, "large");
	assert_int_equal(layer_writer_finish(w, &r, &err), 0);
	forget_index(&r);
	const struct layer_tree_options o = { .stop = &stop };
	RN_AUTO(layer_tree_freep) struct layer_tree *t = layer_tree_new(store, &o);
	assert_int_equal(layer_tree_add(t, &r.digest, &r.diff_id, &err), -1);
	assert_int_equal(err.code, RN_ECANCELLED);
	left = 1000;
	assert_int_equal(layer_tree_add(t, &r.digest, &r.diff_id, &err), 0);
	assert_true(left < 1000 - 3);

	int ends[2];
	struct layer_apply_options ao = LAYER_APPLY_INIT;
	RN_AUTO(rn_closep) int root = open_folder("stopped");
	RN_AUTO(rn_closep) int fd = blob_store_open_blob(store, &r.digest, NULL, &err);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "", 1), 1);
	ao.cancel_fd = ends[0];
	err = (struct rn_error){ 0 };
	assert_int_equal(layer_apply(root, fd, &ao, NULL, &err), -1);
	assert_int_equal(err.code, RN_ECANCELLED);
	close(ends[0]);
	close(ends[1]);
}

/* ---- who watches while a layer is read ------------------------------------------------------------ */

struct seen {
	unsigned begun, ended, failed;
	struct digester *tar;
	struct layer_raw raw;
	struct digest top;
};

static void hash(void *ctx, const void *data, size_t n)
{
	digester_update(ctx, data, n);
}

static void *on_begin(void *ctx, const struct digest *layer, const struct layer_raw **ret)
{
	struct seen *s = ctx;
	(void)layer;
	s->begun++;
	digester_free(s->tar);
	s->tar = digester_new(NULL);
	s->raw = (struct layer_raw){ hash, s->tar };
	*ret = &s->raw;
	return s;
}

static void on_end(void *reading, struct layer_tree *t)
{
	struct seen *s = reading;
	const struct digest *diff_id, *layer = t ? layer_tree_layer(t, 0, &diff_id) : NULL;
	s->ended++;
	s->failed += !t;
	if (layer)
		s->top = *layer;
	if (t)
		assert_non_null(layer_tree_find(t, "d/f", false, NULL));
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	(void)ctx;
	assert_true(done <= total);
}

static int add_to_new_tree(struct seen *s, const struct layer_result *r, const struct digest *diff_id, struct rn_error *err)
{
	const struct layer_watch watch = { on_begin, on_end, on_progress, s };
	const struct layer_tree_options o = { .watch = &watch };
	RN_AUTO(layer_tree_freep) struct layer_tree *t = layer_tree_new(store, &o);
	return layer_tree_add(t, &r->digest, diff_id, err);
}

static void a_layer_is_shown_the_one_time_that_it_is_read(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	struct seen s = { 0 };
	static const struct item items[] = { { "d/" }, { "d/f", "text" } };
	struct layer_result r = write_layer(items, RN_LEN(items), NULL);
	assert_int_equal(add_to_new_tree(&s, &r, &r.diff_id, &err), 0); /* who wrote it kept its index */
	assert_int_equal(s.begun, 0);
	forget_index(&r);
	assert_int_equal(add_to_new_tree(&s, &r, &r.diff_id, &err), 0);
	assert_int_equal(add_to_new_tree(&s, &r, &r.diff_id, &err), 0);
	assert_int_equal(s.begun, 1);
	assert_int_equal(s.ended, 1);
	assert_int_equal(s.failed, 0);
	assert_string_equal(s.top.text, r.digest.text);
	assert_string_equal(digester_peek(s.tar).text, r.diff_id.text);
	digester_free(s.tar);
}

static void a_layer_that_is_not_what_the_image_says_ends_without_a_tree(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	struct seen s = { 0 };
	static const struct item items[] = { { "d/" }, { "d/f", "other" } };
	struct layer_result r = write_layer(items, RN_LEN(items), NULL);
	struct digest wrong = digest_of("wrong", 5);
	forget_index(&r);
	assert_int_equal(add_to_new_tree(&s, &r, &wrong, &err), -1);
	assert_int_equal(s.ended, 1);
	assert_int_equal(s.failed, 1);
	assert_non_null(strstr(err.msg, "the image says"));
	digester_free(s.tar);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_later_takes_the_place),
		cmocka_unit_test(a_tar_in_pieces_becomes_the_same_files),
		cmocka_unit_test(a_hole_at_the_end_counts),
		cmocka_unit_test(a_sparse_file_gets_into_a_layer_as_it_reads),
		cmocka_unit_test(a_whiteout_spares_its_own_layer_also_in_an_overlay),
		cmocka_unit_test(many_files_are_written_behind_the_reader),
		cmocka_unit_test(many_files_with_few_descriptors),
		cmocka_unit_test(a_file_that_cannot_be_written_fails_the_layer),
		cmocka_unit_test(who_reads_a_layer_can_be_stopped),
		cmocka_unit_test(a_layer_is_shown_the_one_time_that_it_is_read),
		cmocka_unit_test(a_layer_that_is_not_what_the_image_says_ends_without_a_tree),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
