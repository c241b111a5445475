/* SPDX-License-Identifier: Apache-2.0 */
#include "file_hash.h"

#include "base/encode.h"
#include "base/fs.h"
#include "oci/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MAGIC "rnfhash1"
#define PIECE ((size_t)256 << 10)
/* Within one run a file that stood still for some ticks of the kernel's clock is believed at once. */
#define TICKS_NS ((int64_t)50000000)

/* As it stands in the file, in the byte order of the machine: the memory never leaves it. */
struct entry {
	struct file_look look;
	int64_t used; /* day since 1970; negative: of this run alone, the file is too young */
	unsigned char hash[FILE_HASH_SIZE];
};

struct file_hashes {
	char *path;
	const struct rn_stop *stop;
	void *map; /* the file */
	size_t map_size;
	const struct entry *old; /* in it, sorted */
	size_t n_old;
	pthread_mutex_t lock;
	struct entry *added;     /* open addressing by inode; used 0: free */
	size_t n_added, slots;
	size_t computed;
	bool dirty;
};

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t today(void)
{
	return now_ns() / 1000000000 / 86400;
}

struct file_look file_look_of(const struct stat *st)
{
	return (struct file_look){
		.dev = st->st_dev, .ino = st->st_ino, .size = (uint64_t)st->st_size,
		.mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
		.ctime_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec,
	};
}

bool file_look_equal(const struct file_look *a, const struct file_look *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static int compare_looks(const struct file_look *a, const struct file_look *b)
{
	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return a->ino < b->ino ? -1 : a->ino > b->ino;
}

static int by_look(const void *a, const void *b)
{
	return compare_looks(&((const struct entry *)a)->look, &((const struct entry *)b)->look);
}

/* ---- the file --------------------------------------------------------------------------------- */

static void map_file(struct file_hashes *h)
{
	RN_AUTO(rn_closep) int fd = open(h->path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t head = sizeof(struct entry);
	if (fd < 0 || fstat(fd, &st) < 0 || (size_t)st.st_size < head || (size_t)st.st_size % sizeof(struct entry) != 0)
		return;
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return;
	if (memcmp(p, MAGIC, strlen(MAGIC)) != 0) {
		munmap(p, (size_t)st.st_size);
		return;
	}
	h->map = p;
	h->map_size = (size_t)st.st_size;
	h->old = (const struct entry *)p + 1;
	h->n_old = h->map_size / sizeof(struct entry) - 1;
}

static void unmap_file(struct file_hashes *h)
{
	if (h->map)
		munmap(h->map, h->map_size);
	h->map = NULL;
	h->old = NULL;
	h->n_old = 0;
}

struct file_hashes *file_hashes_open(const char *path, const struct rn_stop *stop)
{
	struct file_hashes *h = rn_alloc(sizeof(*h));
	h->stop = stop;
	h->path = rn_strdup(path);
	pthread_mutex_init(&h->lock, NULL);
	map_file(h);
	return h;
}

static int newest_first(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	return x->used != y->used ? (x->used > y->used ? -1 : 1) : by_look(a, b);
}

/* What the file has now with our entries over it, sorted; at most FILE_HASHES_MAX. */
static struct entry *merge(struct file_hashes *h, size_t *ret_n)
{
	struct entry *v = rn_alloc((h->n_old + h->n_added + 1) * sizeof(*v)), *own = v + 1, *out = v + 1;
	size_t n = 0;
	for (size_t i = 0; i < h->slots; i++)
		if (h->added[i].used > 0)
			own[n++] = h->added[i];
	qsort(own, n, sizeof(*own), by_look);
	for (size_t i = 0, total = n; i < h->n_old; i++)
		if (!bsearch(&h->old[i], own, total, sizeof(*own), by_look))
			out[n++] = h->old[i];
	if (n > FILE_HASHES_MAX) {
		qsort(out, n, sizeof(*out), newest_first);
		n = FILE_HASHES_MAX;
	}
	qsort(out, n, sizeof(*out), by_look);
	memcpy(v, MAGIC, strlen(MAGIC));
	*ret_n = n + 1;
	return v;
}

/* Aside and renamed, without waiting for the disk: a torn file after a power cut is an empty memory. */
static void replace_file(const char *path, const void *data, size_t n)
{
	RN_AUTO(rn_freep) char *template = rn_asprintf("%s.XXXXXX", path);
	RN_AUTO(rn_closep) int fd = mkostemp(template, O_CLOEXEC);
	if (fd < 0)
		return;
	if (rn_write_full(fd, data, n) < 0 || rename(template, path) < 0)
		unlink(template);
}

static void save(struct file_hashes *h)
{
	struct rn_error ignored = { 0 };
	RN_AUTO(rn_freep) char *lock_path = rn_asprintf("%s.lock", h->path);
	RN_AUTO(rn_closep) int lock = rn_lock_file(lock_path, false, true, &ignored);
	if (lock < 0)
		return;
	unmap_file(h);
	map_file(h); /* another build may have written since */
	size_t n;
	RN_AUTO(rn_freep) struct entry *all = merge(h, &n);
	replace_file(h->path, all, n * sizeof(*all));
}

void file_hashes_close(struct file_hashes *h)
{
	if (!h)
		return;
	if (h->dirty)
		save(h);
	unmap_file(h);
	pthread_mutex_destroy(&h->lock);
	free(h->added);
	free(h->path);
	free(h);
}

/* ---- looking up ---------------------------------------------------------------------------------- */

/* The slot of a file among the added ones: its own, or a free one. */
static struct entry *slot_of(struct entry *v, size_t slots, const struct file_look *look)
{
	size_t i = (size_t)((look->ino ^ look->dev << 7) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (slots - 1);
	while (v[i].used && compare_looks(&v[i].look, look) != 0)
		i = (i + 1) & (slots - 1);
	return &v[i];
}

static void make_room(struct file_hashes *h)
{
	if (h->n_added * 2 < h->slots)
		return;
	size_t slots = h->slots ? h->slots * 2 : 1024;
	struct entry *v = rn_alloc(slots * sizeof(*v));
	for (size_t i = 0; i < h->slots; i++)
		if (h->added[i].used)
			*slot_of(v, slots, &h->added[i].look) = h->added[i];
	free(h->added);
	h->added = v;
	h->slots = slots;
}

static void put(struct file_hashes *h, const struct entry *e)
{
	make_room(h);
	struct entry *to = slot_of(h->added, h->slots, &e->look);
	h->n_added += !to->used;
	*to = *e;
}

static const struct entry *find_old(const struct file_hashes *h, const struct file_look *look)
{
	const struct entry want = { .look = *look };
	const struct entry *e = h->n_old ? bsearch(&want, h->old, h->n_old, sizeof(want), by_look) : NULL;
	return e && file_look_equal(&e->look, look) ? e : NULL;
}

/* Matters only once entries have to go. */
static void mark_used(struct file_hashes *h, const struct entry *e)
{
	if (h->n_old < FILE_HASHES_MAX / 2 || e->used == today())
		return;
	struct entry fresh = *e;
	fresh.used = today();
	pthread_mutex_lock(&h->lock);
	put(h, &fresh);
	h->dirty = true;
	pthread_mutex_unlock(&h->lock);
}

bool file_hashes_known(struct file_hashes *h, const struct file_look *look, unsigned char ret[FILE_HASH_SIZE])
{
	const struct entry *e = find_old(h, look); /* the file does not change while it is mapped */
	if (e) {
		memcpy(ret, e->hash, FILE_HASH_SIZE);
		mark_used(h, e);
		return true;
	}
	pthread_mutex_lock(&h->lock);
	e = h->slots ? slot_of(h->added, h->slots, look) : NULL;
	bool known = e && e->used && file_look_equal(&e->look, look);
	if (known)
		memcpy(ret, e->hash, FILE_HASH_SIZE);
	pthread_mutex_unlock(&h->lock);
	return known;
}

static int hash_fd(const struct rn_stop *stop, int fd, uint64_t size, unsigned char ret[FILE_HASH_SIZE], struct rn_error *err)
{
	size_t room = size < PIECE ? (size_t)size + 1 : PIECE;
	RN_AUTO(rn_freep) char *piece = rn_alloc(room);
	RN_AUTO(digester_freep) struct digester *d = digester_new(NULL);
	for (off_t at = 0;;) {
		if (rn_stop_check(stop, err) < 0)
			return -1;
		size_t hole = room == PIECE ? rn_hole(fd, at, room) : 0;
		if (hole)
			memset(piece, 0, hole);
		ssize_t n = hole ? (ssize_t)hole : pread(fd, piece, room, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return rn_fail(err, RN_EIO, "read: %m");
		if (n == 0)
			break;
		digester_update(d, piece, (size_t)n);
		at += n;
	}
	struct digest digest = digester_peek(d);
	rn_unhex(digest_hex(&digest), ret, FILE_HASH_SIZE);
	return 0;
}

static void remember(struct file_hashes *h, const struct file_look *look, int64_t began_ns, const unsigned char *hash)
{
	int64_t changed = look->mtime_ns > look->ctime_ns ? look->mtime_ns : look->ctime_ns;
	struct entry e = { .look = *look, .used = today() };
	if (changed > began_ns - TICKS_NS)
		return;
	if (changed > began_ns - FILE_HASH_RACY_NS)
		e.used = -e.used;
	memcpy(e.hash, hash, FILE_HASH_SIZE);
	pthread_mutex_lock(&h->lock);
	put(h, &e);
	h->dirty |= e.used > 0;
	pthread_mutex_unlock(&h->lock);
}

int file_hashes_get(struct file_hashes *h, int fd, unsigned char ret[FILE_HASH_SIZE], struct rn_error *err)
{
	struct stat st;
	int64_t began = now_ns();
	if (fstat(fd, &st) < 0)
		return rn_fail(err, RN_EIO, "look at the file: %m");
	struct file_look before = file_look_of(&st);
	if (file_hashes_known(h, &before, ret))
		return 0;
	if (hash_fd(h->stop, fd, before.size, ret, err) < 0 || fstat(fd, &st) < 0)
		return -1;
	struct file_look after = file_look_of(&st);
	pthread_mutex_lock(&h->lock);
	h->computed++;
	pthread_mutex_unlock(&h->lock);
	if (file_look_equal(&before, &after))
		remember(h, &after, began, ret);
	return 0;
}

size_t file_hashes_computed(struct file_hashes *h)
{
	pthread_mutex_lock(&h->lock);
	size_t n = h->computed;
	pthread_mutex_unlock(&h->lock);
	return n;
}
