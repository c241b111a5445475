/* SPDX-License-Identifier: Apache-2.0 */
#include "docker_archive.h"

#include "layer.h"
#include "layer_locale.h"
#include "layer_stream.h"
#include "layout.h"
#include "libarchive.h"

#include "base/fs.h"
#include "base/str.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE ((size_t)256 << 10)

struct output {
	struct archive *a;
	const char *path;
	int fd;
	int failed;    /* errno of the first write that failed; 0: none */
	bool given_up; /* only what libarchive keeps is to be freed     */
};

/*
 * A failure is not told to libarchive, which would then keep its own state for ever; whoever writes looks at `failed`. Told it
 * is when all is given up, so that the rest of an entry is not made of zeros.
 */
static la_ssize_t on_write(struct archive *a, void *ctx, const void *data, size_t n)
{
	struct output *o = ctx;
	(void)a;
	if (o->given_up)
		return -1;
	if (!o->failed && rn_write_full(o->fd, data, n) < 0)
		o->failed = errno;
	return (la_ssize_t)n;
}

static int failed(struct output *o, struct rn_error *err)
{
	const char *why = o->failed ? strerrordesc_np(o->failed) : archive_error_string(o->a);
	return rn_fail(err, RN_EIO, "write %s: %s", o->path, why ? why : "failed");
}

static int put_header(struct output *o, const char *name, uint64_t size, struct rn_error *err)
{
	struct archive_entry *e = archive_entry_new();
	archive_entry_copy_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, (la_int64_t)size);
	archive_entry_set_mtime(e, 0, 0);
	int rc = archive_write_header(o->a, e);
	archive_entry_free(e);
	return rc < ARCHIVE_WARN || o->failed ? failed(o, err) : 0;
}

static int put_data(struct output *o, const void *data, size_t n, struct rn_error *err)
{
	return archive_write_data(o->a, data, n) != (la_ssize_t)n || o->failed ? failed(o, err) : 0;
}

static int put_bytes(struct output *o, const char *name, const void *data, size_t n, struct rn_error *err)
{
	return put_header(o, name, n, err) < 0 ? -1 : put_data(o, data, n, err);
}

/* Reads a layer to its end; with `o` its bytes go into the archive. *ret_size: what came out. */
static int pass_layer(struct blob_store *store, const struct digest *d, struct output *o, uint64_t *ret_size, struct rn_error *err)
{
	RN_AUTO(rn_closep) int fd = blob_store_open_blob(store, d, NULL, err);
	RN_AUTO(layer_stream_freep) struct layer_stream *s = fd < 0 ? NULL : layer_stream_new(fd, LAYER_BYTES_MAX, 0, err);
	RN_AUTO(rn_freep) char *piece = rn_alloc(PIECE);
	if (!s)
		return -1;
	for (ssize_t n; (n = layer_stream_read(s, piece, PIECE, err)) != 0;) {
		if (n < 0)
			return -1;
		if (o && put_data(o, piece, (size_t)n, err) < 0)
			return -1;
	}
	*ret_size = layer_stream_total(s);
	return 0;
}

/* A tar needs the size before the bytes, so a layer is read twice rather than kept. */
static int put_layer(struct output *o, struct blob_store *store, const struct digest *d, const char *name, struct rn_error *err)
{
	uint64_t size;
	return pass_layer(store, d, NULL, &size, err) < 0 || put_header(o, name, size, err) < 0 ? -1 : pass_layer(store, d, o, &size, err);
}

static int put_image(struct output *o, struct blob_store *store, const struct manifest *m, const char *const *names, size_t n_names,
		     struct rn_error *err)
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
	    put_bytes(o, config_name, rn_buf_str(&config), config.len, err) < 0)
		return -1;
	for (size_t i = 0; i < m->n_layers; i++) {
		RN_AUTO(rn_freep) char *name = rn_asprintf("%s.tar", digest_hex(&m->layers[i].digest));
		bool again = false;
		for (size_t k = 0; k < i; k++)
			again = again || digest_equal(&m->layers[k].digest, &m->layers[i].digest);
		cJSON_AddItemToArray(layers, cJSON_CreateString(name));
		if (!again && put_layer(o, store, &m->layers[i].digest, name, err) < 0)
			return -1;
	}
	RN_AUTO(rn_freep) char *text = rn_json_print(list);
	return put_bytes(o, "manifest.json", text, strlen(text), err);
}

static int write_archive(struct blob_store *store, const struct manifest *m, const char *const *names, size_t n_names, int fd,
			 const char *path, struct rn_error *err)
{
	if (oci_archive_load(err) < 0)
		return -1;
	struct output o = { .a = archive_write_new(), .path = path, .fd = fd };
	if (!o.a)
		rn_die("out of memory");
	archive_write_set_format_pax_restricted(o.a);
	int rc = archive_write_open(o.a, &o, NULL, on_write, NULL) == ARCHIVE_OK ? 0 : failed(&o, err);
	if (rc == 0)
		rc = put_image(&o, store, m, names, n_names, err);
	if (rc == 0 && (archive_write_close(o.a) < ARCHIVE_WARN || o.failed))
		rc = failed(&o, err);
	o.given_up = rc < 0;
	archive_write_free(o.a);
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
