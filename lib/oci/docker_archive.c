/* SPDX-License-Identifier: Apache-2.0 */
#include "docker_archive.h"

#include "layer_locale.h"
#include "layer_stream.h"
#include "layout.h"

#include "base/fs.h"
#include "base/str.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE ((size_t)256 << 10)

static int failed(struct archive *a, const char *path, struct rn_error *err)
{
	return rn_fail(err, RN_EIO, "write %s: %s", path, archive_error_string(a) ? archive_error_string(a) : "failed");
}

static int put_header(struct archive *a, const char *name, uint64_t size)
{
	struct archive_entry *e = archive_entry_new();
	archive_entry_copy_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, (la_int64_t)size);
	archive_entry_set_mtime(e, 0, 0);
	int rc = archive_write_header(a, e);
	archive_entry_free(e);
	return rc < ARCHIVE_WARN ? -1 : 0;
}

static int put_bytes(struct archive *a, const char *path, const char *name, const void *data, size_t n, struct rn_error *err)
{
	if (put_header(a, name, n) < 0 || archive_write_data(a, data, n) != (la_ssize_t)n)
		return failed(a, path, err);
	return 0;
}

/* Reads a layer to its end; with `a` its bytes go into the archive. *ret_size: what came out. */
static int pass_layer(struct blob_store *store, const struct digest *d, struct archive *a, const char *path, uint64_t *ret_size,
		      struct rn_error *err)
{
	RN_AUTO(rn_closep) int fd = blob_store_open_blob(store, d, NULL, err);
	RN_AUTO(layer_stream_freep) struct layer_stream *s = fd < 0 ? NULL : layer_stream_new(fd, (uint64_t)64 << 30, 0, err);
	RN_AUTO(rn_freep) char *piece = rn_alloc(PIECE);
	if (!s)
		return -1;
	for (ssize_t n; (n = layer_stream_read(s, piece, PIECE, err)) != 0;) {
		if (n < 0)
			return -1;
		if (a && archive_write_data(a, piece, (size_t)n) != n)
			return failed(a, path, err);
	}
	*ret_size = layer_stream_total(s);
	return 0;
}

/* A tar needs the size before the bytes, so a layer is read twice rather than kept. */
static int put_layer(struct archive *a, struct blob_store *store, const struct digest *d, const char *name, const char *path, struct rn_error *err)
{
	uint64_t size;
	if (pass_layer(store, d, NULL, path, &size, err) < 0)
		return -1;
	return put_header(a, name, size) < 0 ? failed(a, path, err) : pass_layer(store, d, a, path, &size, err);
}

static int put_image(struct archive *a, struct blob_store *store, const struct manifest *m, const char *const *names, size_t n_names,
		     const char *path, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf config = RN_BUF_INIT;
	RN_AUTO(rn_json_freep) cJSON *list = cJSON_CreateArray();
	cJSON *image = cJSON_CreateObject(), *tags, *layers;
	cJSON_AddItemToArray(list, image);
	RN_AUTO(rn_freep) char *config_name = rn_asprintf("%s.json", digest_hex(&m->config.digest));
	cJSON_AddStringToObject(image, "Config", config_name);
	tags = cJSON_AddArrayToObject(image, "RepoTags");
	layers = cJSON_AddArrayToObject(image, "Layers");
	for (size_t i = 0; i < n_names; i++)
		cJSON_AddItemToArray(tags, cJSON_CreateString(names[i]));
	if (blob_store_read(store, &m->config.digest, CONFIG_SIZE_MAX, &config, err) < 0 ||
	    put_bytes(a, path, config_name, rn_buf_str(&config), config.len, err) < 0)
		return -1;
	for (size_t i = 0; i < m->n_layers; i++) {
		RN_AUTO(rn_freep) char *name = rn_asprintf("%s.tar", digest_hex(&m->layers[i].digest));
		bool again = false;
		for (size_t k = 0; k < i; k++)
			again = again || digest_equal(&m->layers[k].digest, &m->layers[i].digest);
		cJSON_AddItemToArray(layers, cJSON_CreateString(name));
		if (!again && put_layer(a, store, &m->layers[i].digest, name, path, err) < 0)
			return -1;
	}
	RN_AUTO(rn_freep) char *text = rn_json_print(list);
	return put_bytes(a, path, "manifest.json", text, strlen(text), err);
}

static int write_archive(struct blob_store *store, const struct manifest *m, const char *const *names, size_t n_names, int fd,
			 const char *path, struct rn_error *err)
{
	struct archive *a = archive_write_new();
	if (!a)
		rn_die("out of memory");
	archive_write_set_format_pax_restricted(a);
	int rc = archive_write_open_fd(a, fd) == ARCHIVE_OK ? 0 : failed(a, path, err);
	if (rc == 0)
		rc = put_image(a, store, m, names, n_names, path, err);
	if (rc < 0)
		archive_write_fail(a);
	else if (archive_write_close(a) < ARCHIVE_WARN)
		rc = failed(a, path, err);
	archive_write_free(a);
	return rc;
}

int docker_archive_write(struct blob_store *store, const struct descriptor *d, const char *const *names, size_t n_names, const char *path,
			 struct rn_error *err)
{
	struct manifest m = { 0 };
	if (store_manifest(store, d, &m, err) < 0)
		return -1;
	RN_AUTO(rn_freep) char *tmp = rn_asprintf("%s.XXXXXX", path);
	RN_AUTO(rn_closep) int fd = -1;
	int rc = m.kind == MANIFEST_IMAGE ? 0 : rn_fail(err, RN_EUNSUPPORTED, "a docker archive holds one platform, this is an index of several");
	if (rc == 0 && (fd = mkostemp(tmp, O_CLOEXEC)) < 0)
		rc = rn_fail(err, RN_EIO, "create %s: %m", tmp);
	if (rc == 0) {
		locale_t old = layer_locale_enter();
		rc = write_archive(store, &m, names, n_names, fd, path, err);
		layer_locale_leave(old);
		if (rc == 0 && (fchmod(fd, 0644) < 0 || fsync(fd) < 0 || rename(tmp, path) < 0))
			rc = rn_fail(err, RN_EIO, "write %s: %m", path);
		if (rc < 0)
			unlink(tmp);
	}
	manifest_clear(&m);
	return rc;
}
