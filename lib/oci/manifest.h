/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors, platforms, image manifests and indexes in both dialects (OCI 1.x,
 * Docker v2 schema 2): parse with limits, build, choose by platform. No I/O.
 */
#ifndef OCI_MANIFEST_H
#define OCI_MANIFEST_H

#include "base/buf.h"
#include "base/json.h"
#include "digest.h"

#define MEDIA_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define MEDIA_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define MEDIA_OCI_LAYER "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_OCI_LAYER_GZIP "application/vnd.oci.image.layer.v1.tar+gzip"
#define MEDIA_OCI_LAYER_ZSTD "application/vnd.oci.image.layer.v1.tar+zstd"
#define MEDIA_OCI_EMPTY "application/vnd.oci.empty.v1+json"
#define MEDIA_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define MEDIA_DOCKER_LAYER_GZIP "application/vnd.docker.image.rootfs.diff.tar.gzip"
#define MEDIA_DOCKER_LAYER "application/vnd.docker.image.rootfs.diff.tar"

#define ANNOTATION_REF_NAME "org.opencontainers.image.ref.name"
#define ANNOTATION_CREATED "org.opencontainers.image.created"
#define ANNOTATION_BASE_NAME "org.opencontainers.image.base.name"
#define ANNOTATION_BASE_DIGEST "org.opencontainers.image.base.digest"

/** Ceilings for what comes from outside. */
#define MANIFEST_SIZE_MAX ((size_t)4 << 20)
#define CONFIG_SIZE_MAX ((size_t)8 << 20)
#define MANIFEST_LAYERS_MAX 1000
#define MANIFEST_CHILDREN_MAX 1000

/** os/architecture[/variant]; members NULL: any. */
struct platform {
	char *os;
	char *architecture;
	char *variant;
	char *os_version;
};
/** "linux/arm64/v8", "linux/amd64", "amd64"; normalised (x86_64 -> amd64, aarch64 -> arm64, arm64/v8 -> arm64, arm -> arm/v7). */
int platform_parse(const char *text, struct platform *ret, struct rn_error *err);
/** This machine's. */
void platform_host(struct platform *ret);
void platform_clear(struct platform *p);
void platform_copy(const struct platform *from, struct platform *ret);
/** "linux/arm64/v8". New string. */
char *platform_format(const struct platform *p);
/** Can an image of `have` run as `want`? os and architecture equal, variant equal or lower (arm/v6 runs as arm/v7). */
bool platform_matches(const struct platform *want, const struct platform *have);
bool platform_equal(const struct platform *a, const struct platform *b);

struct descriptor {
	char *media_type;
	struct digest digest;
	uint64_t size;
	struct platform platform; /* in indexes; os NULL: not given */
	char *artifact_type;      /* NULL: none                     */
	cJSON *annotations;       /* object of strings, or NULL     */
	cJSON *urls;              /* foreign layers, or NULL        */
};
void descriptor_clear(struct descriptor *d);
void descriptor_copy(const struct descriptor *from, struct descriptor *ret);
/** A new descriptor in `ret` (which is overwritten, not cleared). */
void descriptor_init(struct descriptor *ret, const char *media_type, const struct digest *digest,
		     uint64_t size);
int descriptor_parse(const cJSON *j, struct descriptor *ret, struct rn_error *err);
cJSON *descriptor_to_json(const struct descriptor *d);
/** Sets an annotation; value NULL removes it. */
void descriptor_annotate(struct descriptor *d, const char *key, const char *value);
const char *descriptor_annotation(const struct descriptor *d, const char *key);

enum manifest_kind {
	MANIFEST_IMAGE = 1, /* config + layers (an artifact too) */
	MANIFEST_INDEX,     /* children: manifests or indexes    */
};

struct manifest {
	enum manifest_kind kind;
	char *media_type;           /* MEDIA_OCI_MANIFEST …                                */
	struct descriptor config;   /* image                                               */
	struct descriptor *layers;  /* image: layers, bottom first; index: the children    */
	size_t n_layers;
	size_t cap_layers;
	char *artifact_type;        /* OCI 1.1; NULL: none                                 */
	struct descriptor *subject; /* OCI 1.1 referrer; NULL: none                        */
	cJSON *annotations;         /* or NULL                                             */
};
/** Parses the exact bytes; media_type: what the transport said, or NULL (then the document decides). Schema 1 is refused in words. */
int manifest_parse(const void *data, size_t n, const char *media_type, struct manifest *ret,
		   struct rn_error *err);
/** An empty OCI manifest or index. */
void manifest_init(struct manifest *m, enum manifest_kind kind);
void manifest_clear(struct manifest *m);
/** Adds a layer (image) or child (index); takes over what `d` owns and empties it. */
void manifest_add(struct manifest *m, struct descriptor *d);
void manifest_annotate(struct manifest *m, const char *key, const char *value);
/** Deterministic bytes as they are hashed and stored. */
void manifest_print(const struct manifest *m, struct rn_buf *ret);
/** Child of an index for `want`: best match, attestations skipped; NULL when none (the error lists what there is). Borrowed. */
const struct descriptor *manifest_choose(const struct manifest *index, const struct platform *want,
					 struct rn_error *err);
/** Kind by media type; 0 when it is neither. */
enum manifest_kind manifest_kind_of(const char *media_type);
bool media_is_layer(const char *media_type);
/** True for layers that are never pushed or pulled from the registry (non-distributable). */
bool media_is_foreign(const char *media_type);

#endif
