/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs, tags and reading of manifests. Writing of manifests: images_put.c; uploads:
 * images_upload.c. */
#include "images.h"

#include "store.h"

#include "base/encode.h"
#include "base/fs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNUSED_LINK_SECONDS (24 * 3600) /* a push may take that long between blob and manifest */

void image_manifest_clear(struct image_manifest *m)
{
	free(m->media_type);
	rn_buf_clear(&m->body);
	*m = (struct image_manifest){ 0 };
}

/* ---- names ---- */

bool images_is_digest(const char *s)
{
	size_t digits = 0;
	if (s && rn_starts(s, "sha256:"))
		digits = 64;
	else if (s && rn_starts(s, "sha512:"))
		digits = 128;
	return digits && strlen(s) == 7 + digits && strspn(s + 7, "0123456789abcdef") == digits;
}

bool images_is_tag(const char *s)
{
	if (!*s || strlen(s) > 128 || *s == '.' || *s == '-')
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("_.-", *s))
			return false;
	return true;
}

void images_digest(const void *data, size_t n, const char *like, char *to)
{
	bool wide = like && rn_starts(like, "sha512:");
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	if (!EVP_Digest(data, n, hash, &size, wide ? EVP_sha512() : EVP_sha256(), NULL))
		rn_die("the hash function failed");
	memcpy(to, wide ? "sha512:" : "sha256:", 7);
	rn_hex(hash, size, to + 7);
}

char *images_blob_path(const struct cloud *c, const char *digest)
{
	return rn_asprintf("%s/%.6s/%s", c->blob_dir, digest, digest + 7);
}

/* ---- start: what a killed process or a deleted repository left behind ---- */

static int sweep_folder(struct cloud *c, const char *algorithm, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *dir = rn_path_join(c->blob_dir, algorithm);
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (rn_mkdirs(dir, 0700, err) < 0 || rn_list_dir(dir, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *digest = rn_asprintf("%s:%s", algorithm, names.v[i]);
		sqlite3_stmt *q = store_query(c->store, "SELECT 1 FROM blob WHERE digest = ?", 1,
					      (const char *[]){ digest });
		bool known = !q || store_row(c->store, q);
		store_done(q);
		RN_AUTO(rn_freep) char *path = rn_path_join(dir, names.v[i]);
		if (!known)
			unlink(path);
	}
	return 0;
}

/* Removes the files and rows of blobs without a repository. */
static void drop_unlinked(struct cloud *c)
{
	RN_AUTO(rn_strv_clear) struct rn_strv gone = { 0 };
	sqlite3_stmt *q = store_query(c->store,
				      "SELECT digest FROM blob b WHERE NOT EXISTS"
				      " (SELECT 1 FROM blob_link l WHERE l.digest = b.digest)",
				      0, NULL);
	while (store_row(c->store, q))
		rn_strv_add(&gone, (const char *)sqlite3_column_text(q, 0));
	store_done(q);
	for (size_t i = 0; i < gone.n; i++) {
		store_exec(c->store, "DELETE FROM blob WHERE digest = ?", 1,
			   (const char *[]){ gone.v[i] });
		RN_AUTO(rn_freep) char *path = images_blob_path(c, gone.v[i]);
		unlink(path);
	}
}

/* Old links to blobs that no manifest of the repository mentions: pushes that never ended. */
static void drop_stale_links(struct cloud *c)
{
	sqlite3_stmt *q = store_query(c->store,
				      "DELETE FROM blob_link AS l WHERE linked < ? AND NOT EXISTS"
				      " (SELECT 1 FROM manifest m WHERE m.region = l.region AND "
				      "m.repository = l.repository"
				      " AND instr(m.body, CAST(l.digest AS BLOB)) > 0)",
				      0, NULL);
	if (q)
		sqlite3_bind_double(q, 1, cloud_now() - UNUSED_LINK_SECONDS);
	store_row(c->store, q);
	store_done(q);
}

/* Uploads that nobody has gone on with for a week, and files whose upload is over. */
static int sweep_uploads(struct cloud *c, struct rn_error *err)
{
	sqlite3_stmt *q = store_query(c->store, "DELETE FROM upload WHERE started < ?", 0, NULL);
	if (q)
		sqlite3_bind_double(q, 1, cloud_now() - 7 * 24 * 3600);
	store_row(c->store, q);
	store_done(q);
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (rn_list_dir(c->temp_dir, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		const char *id = rn_starts(names.v[i], "upload-") ? names.v[i] + strlen("upload-")
								  : NULL;
		if (!id)
			continue;
		q = store_query(c->store, "SELECT 1 FROM upload WHERE id = ?", 1,
				(const char *[]){ id });
		bool known = !q || store_row(c->store, q);
		store_done(q);
		RN_AUTO(rn_freep) char *path = rn_path_join(c->temp_dir, names.v[i]);
		if (!known)
			unlink(path);
	}
	return 0;
}

int images_start(struct cloud *c, struct rn_error *err)
{
	store_begin(c->store);
	drop_stale_links(c);
	drop_unlinked(c);
	int rc = sweep_folder(c, "sha256", err) < 0 || sweep_folder(c, "sha512", err) < 0 ||
				 sweep_uploads(c, err) < 0
			 ? -1
			 : 0;
	return store_end(c->store, rc == 0, rc == 0 ? err : NULL) < 0 ? -1 : rc;
}

/* ---- blobs ---- */

bool images_has_blob(struct cloud *c, const char *region, const char *repository,
		     const char *digest, uint64_t *ret_size)
{
	store_begin(c->store);
	sqlite3_stmt *q = store_query(c->store,
				      "SELECT b.size FROM blob_link l JOIN blob b USING(digest)"
				      " WHERE l.region = ? AND l.repository = ? AND l.digest = ?",
				      3, (const char *[]){ region, repository, digest });
	bool found = store_row(c->store, q);
	if (found && ret_size)
		*ret_size = (uint64_t)sqlite3_column_int64(q, 0);
	store_done(q);
	store_end(c->store, true, NULL);
	return found;
}

int images_open_blob(struct cloud *c, const char *region, const char *repository,
		     const char *digest, uint64_t *ret_size, struct rn_error *err)
{
	uint64_t size = 0;
	if (!images_is_digest(digest) || !images_has_blob(c, region, repository, digest, &size))
		return rn_fail(err, RN_ENOTFOUND, "repository %s has no blob %s", repository,
			       digest);
	RN_AUTO(rn_freep) char *path = images_blob_path(c, digest);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return rn_fail(err, errno == ENOENT ? RN_ENOTFOUND : RN_EIO, "open blob %s: %m",
			       digest);
	if (ret_size)
		*ret_size = size;
	return fd;
}

bool images_mount_blob(struct cloud *c, const char *region, const char *from, const char *to,
		       const char *digest)
{
	sqlite3_stmt *q = store_query(
		c->store,
		"INSERT OR REPLACE INTO blob_link(region, repository, digest, linked)"
		" SELECT region, ?, digest, ? FROM blob_link WHERE region = ?"
		" AND repository = ifnull(?, repository) AND digest = ? LIMIT 1",
		5, (const char *[]){ to, NULL, region, from, digest });
	if (q)
		sqlite3_bind_double(q, 2, cloud_now());
	store_row(c->store, q);
	store_done(q);
	return q && images_has_blob(c, region, to, digest, NULL);
}

void images_unlink_blob(struct cloud *c, const char *region, const char *repository,
			const char *digest)
{
	store_exec(c->store,
		   "DELETE FROM blob_link WHERE region = ? AND repository = ? AND digest = ?", 3,
		   (const char *[]){ region, repository, digest });
	drop_unlinked(c);
}

/* ---- manifests and tags ---- */

int images_manifest(struct cloud *c, const char *region, const char *repository,
		    const char *reference, struct image_manifest *ret, struct rn_error *err)
{
	bool by_digest = images_is_digest(reference);
	const char *args[] = { region, repository, reference };
	store_begin(c->store);
	sqlite3_stmt *q = store_query(
		c->store,
		by_digest ? "SELECT digest, media_type, body FROM manifest"
			    " WHERE region = ? AND repository = ? AND digest = ?"
			  : "SELECT m.digest, m.media_type, m.body FROM tag t"
			    " JOIN manifest m USING(region, repository, digest)"
			    " WHERE t.region = ? AND t.repository = ? AND t.tag = ?",
		3, args);
	bool found = store_row(c->store, q);
	if (found) {
		*ret = (struct image_manifest){ 0 };
		snprintf(ret->digest, sizeof(ret->digest), "%s",
			 (const char *)sqlite3_column_text(q, 0));
		ret->media_type = rn_strdup((const char *)sqlite3_column_text(q, 1));
		rn_buf_add(&ret->body, sqlite3_column_blob(q, 2),
			   (size_t)sqlite3_column_bytes(q, 2));
	}
	store_done(q);
	if (store_end(c->store, true, err) < 0)
		return -1;
	if (!found)
		return rn_fail(err, RN_ENOTFOUND, "repository %s has no image %s", repository,
			       reference);
	return 0;
}

bool images_remove_tag(struct cloud *c, const char *region, const char *repository, const char *tag)
{
	return store_exec(c->store,
			  "DELETE FROM tag WHERE region = ? AND repository = ? AND tag = ?", 3,
			  (const char *[]){ region, repository, tag }) > 0;
}

bool images_remove_manifest(struct cloud *c, const char *region, const char *repository,
			    const char *digest)
{
	const char *args[] = { region, repository, digest };
	store_exec(c->store, "DELETE FROM tag WHERE region = ? AND repository = ? AND digest = ?",
		   3, args);
	return store_exec(c->store,
			  "DELETE FROM manifest WHERE region = ? AND repository = ? AND digest = ?",
			  3, args) > 0;
}

bool images_is_referenced(struct cloud *c, const char *region, const char *repository,
			  const char *digest)
{
	sqlite3_stmt *q = store_query(
		c->store,
		"SELECT 1 FROM manifest WHERE region = ? AND repository = ? AND digest <> ?3"
		" AND (media_type LIKE '%.index.v1+json' OR media_type LIKE '%.list.v2+json')"
		" AND instr(body, CAST(?3 AS BLOB)) > 0",
		3, (const char *[]){ region, repository, digest });
	bool found = store_row(c->store, q);
	store_done(q);
	return found;
}

void images_remove_all(struct cloud *c, const char *region, const char *repository)
{
	static const char *const SQL[] = {
		"DELETE FROM tag WHERE region = ? AND repository = ?",
		"DELETE FROM manifest WHERE region = ? AND repository = ?",
		"DELETE FROM blob_link WHERE region = ? AND repository = ?",
	};
	for (size_t i = 0; i < RN_LEN(SQL); i++)
		store_exec(c->store, SQL[i], 2, (const char *[]){ region, repository });
	drop_unlinked(c);
}

void images_tags(struct cloud *c, const char *region, const char *repository, const char *after,
		 size_t n, struct rn_strv *ret)
{
	store_begin(c->store);
	sqlite3_stmt *q = store_query(c->store,
				      "SELECT tag FROM tag WHERE region = ? AND repository = ? AND "
				      "tag > ? ORDER BY tag LIMIT ?",
				      3,
				      (const char *[]){ region, repository, after ? after : "" });
	if (q)
		sqlite3_bind_int64(q, 4, n ? (sqlite3_int64)n : -1);
	while (store_row(c->store, q))
		rn_strv_add(ret, (const char *)sqlite3_column_text(q, 0));
	store_done(q);
	store_end(c->store, true, NULL);
}

static void add_text(cJSON *object, const char *name, sqlite3_stmt *q, int column)
{
	const char *text = (const char *)sqlite3_column_text(q, column);
	if (text && *text)
		cJSON_AddStringToObject(object, name, text);
}

cJSON *images_list(struct cloud *c, const char *region, const char *repository)
{
	cJSON *list = cJSON_CreateArray();
	store_begin(c->store);
	sqlite3_stmt *q = store_query(
		c->store,
		"SELECT m.digest, m.media_type, m.size, m.image_size, m.pushed, m.artifact_type, "
		"m.subject, m.annotations,"
		" (SELECT json_group_array(tag) FROM (SELECT t.tag FROM tag t WHERE t.region = "
		"m.region"
		" AND t.repository = m.repository AND t.digest = m.digest ORDER BY t.tag))"
		" FROM manifest m WHERE m.region = ? AND m.repository = ? ORDER BY m.pushed DESC, "
		"m.digest",
		2, (const char *[]){ region, repository });
	while (store_row(c->store, q)) {
		cJSON *one = cJSON_CreateObject();
		add_text(one, "imageDigest", q, 0);
		add_text(one, "mediaType", q, 1);
		cJSON_AddNumberToObject(one, "size", sqlite3_column_double(q, 2));
		cJSON_AddNumberToObject(one, "imageSize", sqlite3_column_double(q, 3));
		cJSON_AddNumberToObject(one, "pushed", sqlite3_column_double(q, 4));
		add_text(one, "artifactType", q, 5);
		add_text(one, "subject", q, 6);
		const char *annotations = (const char *)sqlite3_column_text(q, 7);
		cJSON *parsed = annotations ? cJSON_Parse(annotations) : NULL;
		if (parsed)
			cJSON_AddItemToObject(one, "annotations", parsed);
		cJSON *tags = cJSON_Parse((const char *)sqlite3_column_text(q, 8));
		cJSON_AddItemToObject(one, "imageTags", tags ? tags : cJSON_CreateArray());
		cJSON_AddItemToArray(list, one);
	}
	store_done(q);
	store_end(c->store, true, NULL);
	return list;
}

/* ---- image addresses ---- */

static const char *strip_host(const struct cloud *c, const char *uri)
{
	size_t n = strcspn(uri, "/");
	if (!uri[n])
		return NULL;
	RN_AUTO(rn_freep) char *host = rn_strndup(uri, n);
	RN_AUTO(rn_freep) char *local = rn_asprintf("localhost:%d", c->port);
	bool aws = rn_starts(host, CLOUD_ACCOUNT ".dkr.ecr.") && strstr(host, ".amazonaws.com");
	return aws || rn_streq(host, c->host) || rn_streq(host, local) ? uri + n + 1 : NULL;
}

int images_parse_uri(const struct cloud *c, const char *uri, char **ret_repository,
		     char **ret_reference, struct rn_error *err)
{
	const char *name = strip_host(c, uri);
	if (!name)
		return rn_fail(err, RN_EINVAL, "%s is not an image of this cloud's registry %s",
			       uri, c->host);
	const char *at = strchr(name, '@');
	size_t n = at ? (size_t)(at - name) : strlen(name);
	RN_AUTO(rn_freep) char *repository = rn_strndup(name, n);
	char *colon = strchr(repository, ':');
	RN_AUTO(rn_freep) char *reference = rn_strdup(at ? at + 1 : colon ? colon + 1 : "latest");
	if (colon)
		*colon = '\0';
	if (!*repository || (at ? !images_is_digest(reference) : !images_is_tag(reference)))
		return rn_fail(err, RN_EINVAL, "%s is not a valid image address", uri);
	*ret_repository = rn_take(&repository);
	*ret_reference = rn_take(&reference);
	return 0;
}
