/* SPDX-License-Identifier: Apache-2.0 */
/* Uploads of blobs: a row and a file each, so that they survive a restart and may be resumed. */
#include "images.h"

#include "route.h"
#include "store.h"

#include "base/encode.h"
#include "base/fs.h"
#include "base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct upload {
	struct cloud *cloud;
	char *region, *repository, *id, *path;
	int fd;
	uint64_t size;
	EVP_MD_CTX *hash; /* SHA-256 of all bytes; NULL: not known, read back in the end */
};

/*
 * Hashes of uploads between two requests (cloud.service_data), so that finishing one need not
 * read it all back. One that is not here any more is read back: nothing depends on it.
 */
#define HASHES_MAX 256

struct hashes {
	pthread_mutex_t lock;
	struct rn_map by_id; /* of struct hash */
};

struct hash {
	EVP_MD_CTX *ctx;
	uint64_t size; /* bytes that are in it */
};

static void hash_free(void *data)
{
	struct hash *h = data;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void images_uploads_start(struct cloud *c)
{
	struct hashes *all = rn_alloc(sizeof(*all));
	pthread_mutex_init(&all->lock, NULL);
	rn_map_init(&all->by_id, hash_free);
	c->service_data[CLOUD_SLOT_UPLOADS] = all;
}

void images_uploads_stop(struct cloud *c)
{
	struct hashes *all = c->service_data[CLOUD_SLOT_UPLOADS];
	if (!all)
		return;
	rn_map_clear(&all->by_id);
	pthread_mutex_destroy(&all->lock);
	free(all);
	c->service_data[CLOUD_SLOT_UPLOADS] = NULL;
}

/* Keeps the hash for the next request. */
static void hash_keep(struct upload *u)
{
	struct hashes *all = u->cloud->service_data[CLOUD_SLOT_UPLOADS];
	struct hash *h = rn_alloc(sizeof(*h));
	h->ctx = rn_take(&u->hash);
	h->size = u->size;
	pthread_mutex_lock(&all->lock);
	if (all->by_id.live >= HASHES_MAX) {
		rn_map_clear(&all->by_id);
		rn_map_init(&all->by_id, hash_free);
	}
	rn_map_set(&all->by_id, u->id, h);
	pthread_mutex_unlock(&all->lock);
}

/* The hash of exactly the bytes that the file has, or NULL. */
static EVP_MD_CTX *hash_take(struct upload *u)
{
	struct hashes *all = u->cloud->service_data[CLOUD_SLOT_UPLOADS];
	EVP_MD_CTX *ctx = NULL;
	pthread_mutex_lock(&all->lock);
	struct hash *h = rn_map_get(&all->by_id, u->id);
	if (h && h->size == u->size)
		ctx = rn_take(&h->ctx);
	rn_map_remove(&all->by_id, u->id);
	pthread_mutex_unlock(&all->lock);
	if (ctx || u->size > 0)
		return ctx;
	ctx = EVP_MD_CTX_new();
	if (!ctx || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL))
		rn_die("the hash function failed");
	return ctx;
}

static char *upload_path(const struct cloud *c, const char *id)
{
	return rn_asprintf("%s/upload-%s", c->temp_dir, id);
}

int images_upload_start(struct cloud *c, const char *region, const char *repository, char *ret_id,
			struct rn_error *err)
{
	cloud_uuid(ret_id);
	RN_AUTO(rn_freep) char *path = upload_path(c, ret_id);
	RN_AUTO(rn_closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return rn_fail(err, RN_EIO, "create %s: %m", path);
	store_begin(c->store);
	sqlite3_stmt *q = store_query(
		c->store, "INSERT INTO upload(id, region, repository, started) VALUES(?,?,?,?)", 3,
		(const char *[]){ ret_id, region, repository });
	if (q)
		sqlite3_bind_double(q, 4, cloud_now());
	store_row(c->store, q);
	store_done(q);
	return store_end(c->store, true, err);
}

static bool is_known(struct cloud *c, const char *region, const char *repository, const char *id)
{
	store_begin(c->store);
	sqlite3_stmt *q = store_query(
		c->store, "SELECT 1 FROM upload WHERE id = ? AND region = ? AND repository = ?", 3,
		(const char *[]){ id, region, repository });
	bool found = store_row(c->store, q);
	store_done(q);
	store_end(c->store, true, NULL);
	return found;
}

struct upload *images_upload_open(struct cloud *c, const char *region, const char *repository,
				  const char *id, struct rn_error *err)
{
	if (!is_known(c, region, repository, id)) {
		rn_fail(err, RN_ENOTFOUND, "there is no upload %s in repository %s", id,
			repository);
		return NULL;
	}
	RN_AUTO(rn_freep) char *path = upload_path(c, id);
	RN_AUTO(rn_closep) int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		rn_fail(err, errno == ENOENT ? RN_ENOTFOUND : RN_EIO, "open upload %s: %m", id);
		return NULL;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		rn_fail(err, RN_EEXISTS, "another request writes to the upload %s", id);
		return NULL;
	}
	struct stat st;
	if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_END) < 0) {
		rn_fail(err, RN_EIO, "upload %s: %m", id);
		return NULL;
	}
	struct upload *u = rn_alloc(sizeof(*u));
	*u = (struct upload){ .cloud = c,
			      .region = rn_strdup(region),
			      .repository = rn_strdup(repository),
			      .id = rn_strdup(id),
			      .path = rn_take(&path),
			      .size = (uint64_t)st.st_size };
	u->fd = rn_take_fd(&fd);
	u->hash = hash_take(u);
	return u;
}

uint64_t images_upload_size(const struct upload *u)
{
	return u->size;
}

int images_upload_write(struct upload *u, const void *data, size_t n, struct rn_error *err)
{
	if (rn_write_full(u->fd, data, n) < 0) {
		/* keep only what is acknowledged, so that the offset stays true */
		if (ftruncate(u->fd, (off_t)u->size) == 0)
			lseek(u->fd, 0, SEEK_END);
		return rn_fail(err, RN_EIO, "store the blob: %m");
	}
	u->size += n;
	if (u->hash)
		EVP_DigestUpdate(u->hash, data, n);
	return 0;
}

static int hash_file(struct upload *u, const EVP_MD *type, unsigned char *ret, unsigned *ret_size,
		     struct rn_error *err)
{
	enum { CHUNK = 1 << 18 };
	RN_AUTO(rn_freep) unsigned char *chunk = rn_alloc(CHUNK);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	off_t at = 0;
	ssize_t n;
	if (!ctx || !EVP_DigestInit_ex(ctx, type, NULL))
		rn_die("the hash function failed");
	while ((n = pread(u->fd, chunk, CHUNK, at)) > 0) {
		EVP_DigestUpdate(ctx, chunk, (size_t)n);
		at += n;
	}
	EVP_DigestFinal_ex(ctx, ret, ret_size);
	EVP_MD_CTX_free(ctx);
	return n < 0 ? rn_fail(err, RN_EIO, "read the upload back: %m") : 0;
}

static int check_digest(struct upload *u, const char *digest, struct rn_error *err)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	bool wide = rn_starts(digest, "sha512:");
	if (!wide && u->hash)
		EVP_DigestFinal_ex(u->hash, hash, &size);
	else if (hash_file(u, wide ? EVP_sha512() : EVP_sha256(), hash, &size, err) < 0)
		return -1;
	EVP_MD_CTX_free(u->hash);
	u->hash = NULL;
	char text[2 * EVP_MAX_MD_SIZE + 1];
	rn_hex(hash, size, text);
	if (strcmp(text, digest + 7) != 0)
		return rn_fail(err, RN_EINVAL, "the content has the digest %.7s%s, not %s", digest,
			       text, digest);
	return 0;
}

/* Moves the file into place and links it, all under the store's lock: nobody sweeps it in between.
 */
static int publish(struct upload *u, const char *digest, struct rn_error *err)
{
	struct cloud *c = u->cloud;
	RN_AUTO(rn_freep) char *to = images_blob_path(c, digest);
	RN_AUTO(rn_freep) char *dir = rn_path_dir(to);
	store_begin(c->store);
	RN_AUTO(rn_closep) int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0 || rename(u->path, to) < 0 || fsync(dir_fd) < 0) {
		rn_fail(err, RN_EIO, "store blob %s: %m", digest);
		store_end(c->store, false, NULL);
		return -1;
	}
	sqlite3_stmt *q = store_query(c->store,
				      "INSERT OR IGNORE INTO blob(digest, size) VALUES(?,?)", 1,
				      (const char *[]){ digest });
	if (q)
		sqlite3_bind_int64(q, 2, (sqlite3_int64)u->size);
	store_row(c->store, q);
	store_done(q);
	q = store_query(c->store,
			"INSERT OR REPLACE INTO blob_link(region, repository, digest, linked) "
			"VALUES(?,?,?,?)",
			3, (const char *[]){ u->region, u->repository, digest });
	if (q)
		sqlite3_bind_double(q, 4, cloud_now());
	store_row(c->store, q);
	store_done(q);
	store_exec(c->store, "DELETE FROM upload WHERE id = ?", 1, (const char *[]){ u->id });
	return store_end(c->store, true, err);
}

int images_upload_finish(struct upload *u, const char *digest, struct rn_error *err)
{
	if (check_digest(u, digest, err) < 0)
		return -1;
	if (fsync(u->fd) < 0)
		return rn_fail(err, RN_EIO, "store blob %s: %m", digest);
	return publish(u, digest, err);
}

void images_upload_close(struct upload *u)
{
	if (!u)
		return;
	if (u->hash)
		hash_keep(u);
	rn_closep(&u->fd); /* and with it the lock: the next request finds the hash */
	free(u->region);
	free(u->repository);
	free(u->id);
	free(u->path);
	free(u);
}

int images_upload_abort(struct cloud *c, const char *region, const char *repository, const char *id,
			struct rn_error *err)
{
	if (!is_known(c, region, repository, id))
		return 0;
	RN_AUTO(rn_freep) char *path = upload_path(c, id);
	store_begin(c->store);
	store_exec(c->store, "DELETE FROM upload WHERE id = ?", 1, (const char *[]){ id });
	if (store_end(c->store, true, err) < 0)
		return -1;
	unlink(path);
	return 1;
}
