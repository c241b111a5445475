/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function's image: what Lambda takes of it, and its files on disk. With overlays
 * each layer is unpacked once, whatever the images that use it; without, each image is
 * one folder, and an instance gets a copy of hard links.
 */
#include "lambda_internal.h"

#include "images.h"

#include "base/fs.h"
#include "oci/config.h"
#include "oci/layer_apply.h"
#include "oci/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OVERLAY_LAYERS_MAX 100

static bool layer_taken(const char *media_type)
{
	return rn_streq(media_type, MEDIA_OCI_LAYER_GZIP) || rn_streq(media_type, MEDIA_DOCKER_LAYER_GZIP);
}

static cJSON *describe(const char *uri, const char *repository, const struct image_manifest *im,
		       const struct manifest *m)
{
	cJSON *j = cJSON_CreateObject();
	/* HOST/REPOSITORY, without tag or digest */
	const char *slash = strchr(uri, '/');
	RN_AUTO(rn_freep) char *resolved =
		rn_asprintf("%.*s/%s@%s", slash ? (int)(slash - uri) : 0, uri, repository, im->digest);
	cJSON_AddStringToObject(j, "uri", uri);
	cJSON_AddStringToObject(j, "resolved", resolved);
	cJSON_AddStringToObject(j, "repository", repository);
	cJSON_AddStringToObject(j, "digest", im->digest);
	cJSON_AddStringToObject(j, "config", m->config.digest.text);
	cJSON *layers = cJSON_AddArrayToObject(j, "layers");
	for (size_t i = 0; i < m->n_layers; i++)
		cJSON_AddItemToArray(layers, cJSON_CreateString(m->layers[i].digest.text));
	return j;
}

cJSON *image_check(struct cloud *c, const char *region, const char *uri, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *repository = NULL;
	RN_AUTO(rn_freep) char *reference = NULL;
	if (images_parse_uri(c, uri, &repository, &reference, err) < 0) {
		rn_fail(err, RN_EINVAL, "Source image %s is not valid. Provide a valid source image.", uri);
		return NULL;
	}
	struct image_manifest im = { 0 };
	if (images_manifest(c, region, repository, reference, &im, err) < 0) {
		rn_fail(err, RN_ENOTFOUND, "Source image %s does not exist. Provide a valid source image.", uri);
		return NULL;
	}
	struct manifest m = { 0 };
	bool taken = manifest_parse(im.body.p, im.body.len, im.media_type, &m, err) == 0 && m.kind == MANIFEST_IMAGE &&
		     m.n_layers > 0 &&
		     (rn_streq(m.config.media_type, MEDIA_OCI_CONFIG) || rn_streq(m.config.media_type, MEDIA_DOCKER_CONFIG));
	for (size_t i = 0; taken && i < m.n_layers; i++)
		taken = layer_taken(m.layers[i].media_type);
	cJSON *image = taken ? describe(uri, repository, &im, &m) : NULL;
	if (!taken)
		rn_fail(err, RN_EUNSUPPORTED,
			"The image manifest, config or layer media type for the source image %s is not supported.", uri);
	manifest_clear(&m);
	image_manifest_clear(&im);
	return image;
}

void image_root_clear(struct image_root *r)
{
	rn_strv_clear(&r->lowers);
	free(r->folder);
	cJSON_Delete(r->config);
	*r = (struct image_root){ 0 };
}

static int read_config(struct lambda *l, const char *region, const cJSON *image, struct image_root *ret,
		       struct rn_error *err)
{
	const char *repository = rn_json_str(image, "repository");
	RN_AUTO(rn_closep) int fd =
		images_open_blob(l->cloud, region, repository, rn_json_str(image, "config"), NULL, err);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_init(&b, CONFIG_SIZE_MAX);
	if (fd < 0 || rn_read_fd(fd, &b, "the image's configuration", err) < 0)
		return -1;
	cJSON *config = config_parse(rn_buf_str(&b), b.len, err);
	if (!config)
		return -1;
	ret->config = cJSON_Duplicate(config_run(config), true);
	cJSON_Delete(config);
	return 0;
}

static int apply_layer(struct lambda *l, const char *region, const char *repository, const char *digest,
		       const char *dir, bool overlay, struct rn_error *err)
{
	bool root = geteuid() == 0;
	struct layer_apply_options o = LAYER_APPLY_INIT;
	o.owners = root;
	o.skip_devices = true;
	o.overlay = overlay;
	o.user_access = !root;
	RN_AUTO(rn_closep) int fd = images_open_blob(l->cloud, region, repository, digest, NULL, err);
	if (fd < 0)
		return -1;
	RN_AUTO(rn_closep) int to = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to < 0)
		return rn_fail(err, RN_EIO, "open %s: %m", dir);
	return layer_apply(to, fd, &o, NULL, err);
}

/* Unpacks `n` layers beside `dir` and puts them there whole. */
static int unpack(struct lambda *l, const char *region, const char *repository, const cJSON *first, size_t n,
		  const char *dir, bool overlay, struct rn_error *err)
{
	if (rn_exists(dir))
		return 0;
	RN_AUTO(rn_freep) char *parent = rn_path_dir(dir);
	if (rn_mkdirs(parent, 0755, err) < 0)
		return -1;
	RN_AUTO(rn_freep) char *temp = rn_temp_dir(parent, ".new-", err);
	if (!temp)
		return -1;
	int rc = chmod(temp, 0755) < 0 ? rn_fail(err, RN_EIO, "chmod %s: %m", temp) : 0;
	for (const cJSON *layer = first; rc == 0 && n > 0; layer = layer->next, n--)
		rc = apply_layer(l, region, repository, layer->valuestring, temp, overlay, err);
	if (rc == 0 && rename(temp, dir) < 0)
		rc = rn_fail(err, RN_EIO, "rename %s: %m", temp);
	if (rc < 0)
		rn_remove_tree(temp, NULL);
	return rc;
}

/* sha256:ab… as the name of a folder in `kind`. New string. */
static char *folder_of(const struct lambda *l, const char *kind, const char *digest)
{
	const char *hex = strchr(digest, ':');
	return rn_asprintf("%s/%s/%s", l->dir, kind, hex ? hex + 1 : digest);
}

static int prepare_layers(struct lambda *l, const char *region, const cJSON *image, struct image_root *ret,
			  struct rn_error *err)
{
	const cJSON *layers = rn_json_get(image, "layers"), *layer;
	const char *repository = rn_json_str(image, "repository");
	cJSON_ArrayForEach(layer, layers) {
		RN_AUTO(rn_freep) char *dir = folder_of(l, "layers", layer->valuestring);
		if (unpack(l, region, repository, layer, 1, dir, true, err) < 0)
			return -1;
	}
	for (int i = cJSON_GetArraySize(layers) - 1; i >= 0; i--)
		rn_strv_take(&ret->lowers, folder_of(l, "layers", cJSON_GetArrayItem(layers, i)->valuestring));
	return 0;
}

int image_prepare(struct lambda *l, const char *region, const cJSON *image, struct image_root *ret, struct rn_error *err)
{
	const struct sandbox_host *host = lambda_host(l, err);
	if (!host)
		return -1;
	const cJSON *layers = rn_json_get(image, "layers");
	struct image_root root = { 0 };
	pthread_mutex_lock(&l->prepare);
	int rc = read_config(l, region, image, &root, err);
	if (rc == 0 && host->overlay && cJSON_GetArraySize(layers) <= OVERLAY_LAYERS_MAX) {
		rc = prepare_layers(l, region, image, &root, err);
	} else if (rc == 0) {
		root.folder = folder_of(l, "roots", rn_json_str(image, "digest"));
		rc = unpack(l, region, rn_json_str(image, "repository"), layers->child,
			    (size_t)cJSON_GetArraySize(layers), root.folder, false, err);
	}
	pthread_mutex_unlock(&l->prepare);
	if (rc < 0) {
		image_root_clear(&root);
		return rn_wrap(err, "unpack %s", rn_json_str(image, "resolved"));
	}
	*ret = root;
	return 0;
}

/* ---- copies of hard links ---- */

static void dir_closep(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int clone_into(int from, int to, int depth);

static int clone_entry(int from, int to, const char *name, int depth)
{
	struct stat st;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode))
		return linkat(from, name, to, name, 0);
	if (mkdirat(to, name, 0700) < 0)
		return -1;
	int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	RN_AUTO(rn_closep) int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (in < 0 || out < 0 || clone_into(in, out, depth + 1) < 0)
		return -1;
	if (fchown(out, st.st_uid, st.st_gid) < 0 && errno != EPERM)
		return -1;
	return fchmod(out, st.st_mode & 07777);
}

/* Takes over `from`. */
static int clone_into(int from, int to, int depth)
{
	RN_AUTO(dir_closep) DIR *d = fdopendir(from);
	if (!d || depth > 512)
		return -1;
	for (struct dirent *e; (errno = 0, e = readdir(d));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && clone_entry(dirfd(d), to, e->d_name, depth) < 0)
			return -1;
	return errno ? -1 : 0;
}

int image_clone(const char *from, const char *to, struct rn_error *err)
{
	int in = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	RN_AUTO(rn_closep) int out = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (in < 0 || out < 0 || clone_into(in, out, 0) < 0 || fchmod(out, 0755) < 0)
		return rn_fail(err, RN_EIO, "make a root of links: %m");
	return 0;
}

/* ---- what nobody uses ---- */

static void collect(struct lambda *l, struct rn_strv *ret)
{
	store_begin(l->cloud->store);
	sqlite3_stmt *q = store_query(l->cloud->store, "SELECT doc FROM object WHERE kind IN (?1, ?2)", 2,
				      (const char *[]){ FUNCTION, VERSION });
	while (store_row(l->cloud->store, q)) {
		RN_AUTO(rn_json_freep) cJSON *doc = rn_json_parse_str((const char *)sqlite3_column_text(q, 0), NULL);
		const cJSON *image = rn_json_get(doc, "_image"), *layer;
		rn_strv_take(ret, folder_of(l, "roots", rn_json_str(image, "digest") ? rn_json_str(image, "digest") : ""));
		cJSON_ArrayForEach(layer, rn_json_get(image, "layers"))
			rn_strv_take(ret, folder_of(l, "layers", layer->valuestring));
	}
	store_done(q);
	store_end(l->cloud->store, false, NULL);
}

void image_sweep(struct lambda *l)
{
	static const char *const KINDS[] = { "layers", "roots", "instances" };
	RN_AUTO(rn_strv_clear) struct rn_strv used = { 0 };
	collect(l, &used);
	for (size_t i = 0; i < RN_LEN(KINDS); i++) {
		RN_AUTO(rn_freep) char *dir = rn_path_join(l->dir, KINDS[i]);
		RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
		if (rn_list_dir(dir, &names, NULL) < 0)
			continue;
		for (size_t k = 0; k < names.n; k++) {
			RN_AUTO(rn_freep) char *path = rn_path_join(dir, names.v[k]);
			if (!rn_strv_has(&used, path))
				rn_remove_tree(path, NULL);
		}
	}
}

const struct sandbox_host *lambda_host(struct lambda *l, struct rn_error *err)
{
	int rc = 0;
	pthread_mutex_lock(&l->prepare);
	if (!l->probed) {
		rc = sandbox_probe(l->dir, &l->host, err);
		l->probed = rc == 0;
		if (l->probed)
			cloud_log(l->cloud, "sandbox: %s", l->host.summary);
	}
	pthread_mutex_unlock(&l->prepare);
	return rc < 0 ? NULL : &l->host;
}
