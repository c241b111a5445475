/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner lambda-lint IMAGE: the checks of `profile: lambda` for an image that somebody else built, in a registry or in an OCI
 * layout. Exit codes: 0 Lambda takes it, 1 it does not, 2 usage, 3 the image cannot be read.
 */
#include "lambda_image.h"

#include "base/fs.h"
#include "base/json.h"
#include "oci/config.h"
#include "oci/layout.h"
#include "oci/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: runner lambda-lint IMAGE\n"
	"\n"
	"Says what AWS Lambda refuses of a container image, or cannot run. IMAGE is a name in a registry\n"
	"(REGISTRY/REPOSITORY:TAG) or the folder of an OCI layout (FOLDER, or FOLDER:TAG).\n";

struct subject {
	struct blob_store *store;   /* of this machine              */
	struct registry *registry;
	struct layout *layout;      /* a layout, or                 */
	struct registry_image image; /* an image of a registry      */
	struct manifest manifest;
	cJSON *config;
	bool warned;
};

static void subject_clear(struct subject *s)
{
	registry_image_clear(&s->image);
	manifest_clear(&s->manifest);
	cJSON_Delete(s->config);
	layout_close(s->layout);
	registry_free(s->registry);
	blob_store_close(s->store);
}

static int refuse_index(struct rn_error *err)
{
	rn_fail(err, RN_EINVAL, "Lambda takes the manifest of one image, and this is an index of several");
	return rn_hint(err, "build one platform, without attestations in the index (buildx: --provenance=false)");
}

static int open_layout(struct subject *s, const char *path, const char *name, struct rn_error *err)
{
	RN_AUTO(descriptor_clear) struct descriptor d = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	s->layout = layout_open(path, false, err);
	if (!s->layout || layout_find(s->layout, name, &d, err) < 0 || layout_manifest(s->layout, &d, &s->manifest, err) < 0)
		return -1;
	if (s->manifest.kind != MANIFEST_IMAGE)
		return refuse_index(err);
	if (blob_store_read(layout_blobs(s->layout), &s->manifest.config.digest, CONFIG_SIZE_MAX, &text, err) < 0)
		return -1;
	s->config = config_parse(rn_buf_str(&text), text.len, err);
	return s->config ? 0 : -1;
}

static int open_registry(struct subject *s, const char *name, struct rn_error *err)
{
	RN_AUTO(reference_clear) struct reference ref = { 0 };
	RN_AUTO(platform_clear) struct platform host = { 0 };
	const struct registry_options o = REGISTRY_INIT;
	s->registry = registry_new(&o);
	platform_host(&host);
	if (reference_parse(name, &ref, err) < 0 || registry_image(s->registry, &ref, &host, s->store, &s->image, err) < 0)
		return -1;
	if (!digest_equal(&s->image.top.digest, &s->image.descriptor.digest))
		return refuse_index(err);
	s->manifest = s->image.manifest;
	s->image.manifest = (struct manifest){ 0 };
	s->config = rn_take(&s->image.config);
	return 0;
}

static int need(void *ctx, const struct digest *d, struct rn_error *err)
{
	struct subject *s = ctx;
	if (blob_store_has(s->store, d, NULL))
		return 0;
	if (s->layout)
		return blob_store_import(layout_blobs(s->layout), s->store, d, err);
	for (size_t i = 0; i < s->manifest.n_layers; i++)
		if (digest_equal(&s->manifest.layers[i].digest, d))
			return registry_pull_blobs(s->registry, &s->image.ref, &s->manifest.layers[i], 1, s->store, err);
	return rn_fail(err, RN_ENOTFOUND, "no layer %s", d->text);
}

static void warn(void *ctx, const char *text)
{
	((struct subject *)ctx)->warned = true;
	printf("warning: %s\n", text);
}

/* Where layers are kept: with those of oci-build. */
static int open_store(struct subject *s, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *cache = rn_cache_dir();
	RN_AUTO(rn_freep) char *dir = rn_path_join(cache ? cache : ".runner/cache", "oci");
	s->store = blob_store_open(dir, err);
	return s->store ? 0 : -1;
}

static int open_subject(struct subject *s, const char *name, struct rn_error *err)
{
	if (open_store(s, err) < 0)
		return -1;
	RN_AUTO(rn_freep) char *path = rn_strdup(rn_starts(name, "oci-layout://") ? name + strlen("oci-layout://") : name);
	RN_AUTO(rn_freep) char *whole = rn_path_join(path, "oci-layout");
	if (rn_exists(whole))
		return open_layout(s, path, NULL, err);
	char *colon = strrchr(path, ':');
	if (colon && !strchr(colon, '/')) {
		*colon = '\0';
		RN_AUTO(rn_freep) char *file = rn_path_join(path, "oci-layout");
		if (rn_exists(file))
			return open_layout(s, path, colon + 1, err);
	}
	return open_registry(s, name, err);
}

static int check(struct subject *s, struct rn_error *err)
{
	const struct layer_tree_options o = { .need = need, .ctx = s };
	struct lambda_image i = { .config = s->config, .layers = s->manifest.layers, .n_layers = s->manifest.n_layers, .warn = warn, .ctx = s };
	if (lambda_check_config(&i, err) < 0)
		return -1;
	RN_AUTO(layer_tree_freep) struct layer_tree *t = layer_tree_new(s->store, &o);
	for (size_t k = 0; k < s->manifest.n_layers; k++) {
		struct digest diff_id;
		if (config_diff_id(s->config, k, &diff_id, err) < 0 ||
		    layer_tree_add(t, &s->manifest.layers[k].digest, &diff_id, err) < 0)
			return rn_wrap(err, "layer %zu", k + 1);
	}
	i.tree = t;
	return lambda_check_files(&i, err);
}

int main(int argc, char **argv)
{
	struct rn_error err = { 0 };
	struct subject s = { 0 };
	bool help = argc == 2 && (rn_streq(argv[1], "--help") || rn_streq(argv[1], "-h"));
	if (argc != 2 || help || *argv[1] == '-') {
		fputs(usage, help ? stdout : stderr);
		return help ? 0 : 2;
	}
	int rc = open_subject(&s, argv[1], &err);
	if (rc == 0)
		rc = check(&s, &err);
	if (rc == 0)
		printf("%s: Lambda takes it%s\n", argv[1], s.warned ? ", see the warnings" : "");
	else
		fprintf(stderr, "%s: %s\n%s%s%s", argv[1], err.msg, err.hint[0] ? "  fix   " : "", err.hint, err.hint[0] ? "\n" : "");
	subject_clear(&s);
	return rc == 0 ? 0 : err.code == RN_EINVAL || err.code == RN_ELIMIT ? 1 : 3;
}
