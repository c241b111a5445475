/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors, manifests and indexes: JSON in, structs out, and back. */
#include "manifest.h"

#include "base/str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct media_kind {
	const char *type;
	enum manifest_kind kind;
} media_kinds[] = {
	{ MEDIA_OCI_MANIFEST, MANIFEST_IMAGE },
	{ MEDIA_DOCKER_MANIFEST, MANIFEST_IMAGE },
	{ MEDIA_OCI_INDEX, MANIFEST_INDEX },
	{ MEDIA_DOCKER_LIST, MANIFEST_INDEX },
};

enum manifest_kind manifest_kind_of(const char *media_type)
{
	for (size_t i = 0; media_type && i < RN_LEN(media_kinds); i++)
		if (!strcmp(media_type, media_kinds[i].type))
			return media_kinds[i].kind;
	return 0;
}

bool media_is_layer(const char *t)
{
	return rn_starts(t, MEDIA_OCI_LAYER) ||
	       rn_starts(t, "application/vnd.oci.image.layer.nondistributable.v1.tar") ||
	       rn_starts(t, "application/vnd.docker.image.rootfs.");
}

bool media_is_foreign(const char *t)
{
	return rn_starts(t, "application/vnd.oci.image.layer.nondistributable.") ||
	       rn_starts(t, "application/vnd.docker.image.rootfs.foreign.");
}

/* ---- descriptors ---- */

void descriptor_init(struct descriptor *ret, const char *media_type, const struct digest *digest,
		     uint64_t size)
{
	memset(ret, 0, sizeof(*ret));
	ret->media_type = rn_strdup(media_type);
	ret->digest = *digest;
	ret->size = size;
}

void descriptor_clear(struct descriptor *d)
{
	free(d->media_type);
	free(d->artifact_type);
	platform_clear(&d->platform);
	cJSON_Delete(d->annotations);
	cJSON_Delete(d->urls);
	memset(d, 0, sizeof(*d));
}

void descriptor_copy(const struct descriptor *from, struct descriptor *ret)
{
	descriptor_init(ret, from->media_type, &from->digest, from->size);
	platform_copy(&from->platform, &ret->platform);
	ret->artifact_type = rn_strdup(from->artifact_type);
	ret->annotations = from->annotations ? cJSON_Duplicate(from->annotations, true) : NULL;
	ret->urls = from->urls ? cJSON_Duplicate(from->urls, true) : NULL;
}

static int string_member(const cJSON *j, const char *name, char **ret, struct rn_error *err)
{
	const cJSON *m = rn_json_get(j, name);
	if (!m || cJSON_IsNull(m))
		return 0;
	if (!cJSON_IsString(m))
		return rn_fail(err, RN_EINVAL, "%s is not a string", name);
	*ret = rn_strdup(m->valuestring);
	return 0;
}

/* A member that is an object of strings (annotations) or an array (urls). */
static int json_member(const cJSON *j, const char *name, bool object, cJSON **ret,
		       struct rn_error *err)
{
	const cJSON *m = rn_json_get(j, name);
	if (!m || cJSON_IsNull(m))
		return 0;
	if (object ? !cJSON_IsObject(m) : !cJSON_IsArray(m))
		return rn_fail(err, RN_EINVAL, "%s is not %s", name,
			       object ? "an object" : "a list");
	const cJSON *item;
	cJSON_ArrayForEach(item, m) if (!cJSON_IsString(item)) return rn_fail(
		err, RN_EINVAL, "%s has a value that is not a string", name);
	*ret = cJSON_Duplicate(m, true);
	return 0;
}

static int parse_platform(const cJSON *j, struct platform *ret, struct rn_error *err)
{
	const cJSON *p = rn_json_get(j, "platform");
	if (!cJSON_IsObject(p))
		return 0;
	if (string_member(p, "os", &ret->os, err) < 0 ||
	    string_member(p, "architecture", &ret->architecture, err) < 0 ||
	    string_member(p, "variant", &ret->variant, err) < 0 ||
	    string_member(p, "os.version", &ret->os_version, err) < 0)
		return rn_wrap(err, "platform");
	if (!ret->os || !ret->architecture)
		return rn_fail(err, RN_EINVAL, "platform has no os or no architecture");
	return 0;
}

static int parse_descriptor(const cJSON *j, struct descriptor *d, struct rn_error *err)
{
	if (!cJSON_IsObject(j))
		return rn_fail(err, RN_EINVAL, "a descriptor is not an object");
	if (string_member(j, "mediaType", &d->media_type, err) < 0)
		return -1;
	if (!d->media_type)
		return rn_fail(err, RN_EINVAL, "a descriptor has no mediaType");
	const cJSON *size = rn_json_get(j, "size");
	if (!cJSON_IsNumber(size) || size->valuedouble < 0 || size->valuedouble > 9007199254740992.0 ||
	    floor(size->valuedouble) != size->valuedouble)
		return rn_fail(err, RN_EINVAL, "a descriptor's size is not a natural number");
	d->size = (uint64_t)size->valuedouble;
	if (digest_parse(rn_json_str(j, "digest"), &d->digest, err) < 0)
		return -1;
	if (string_member(j, "artifactType", &d->artifact_type, err) < 0 ||
	    json_member(j, "annotations", true, &d->annotations, err) < 0 ||
	    json_member(j, "urls", false, &d->urls, err) < 0)
		return -1;
	return parse_platform(j, &d->platform, err);
}

int descriptor_parse(const cJSON *j, struct descriptor *ret, struct rn_error *err)
{
	struct descriptor d = { 0 };
	if (parse_descriptor(j, &d, err) < 0) {
		descriptor_clear(&d);
		return -1;
	}
	*ret = d;
	return 0;
}

static void add_string(cJSON *j, const char *name, const char *value)
{
	if (value)
		cJSON_AddStringToObject(j, name, value);
}

cJSON *descriptor_to_json(const struct descriptor *d)
{
	cJSON *j = cJSON_CreateObject();
	add_string(j, "mediaType", d->media_type);
	add_string(j, "digest", d->digest.text);
	cJSON_AddNumberToObject(j, "size", (double)d->size);
	if (d->platform.os) {
		cJSON *p = cJSON_AddObjectToObject(j, "platform");
		add_string(p, "architecture", d->platform.architecture);
		add_string(p, "os", d->platform.os);
		add_string(p, "os.version", d->platform.os_version);
		add_string(p, "variant", d->platform.variant);
	}
	add_string(j, "artifactType", d->artifact_type);
	if (d->urls)
		cJSON_AddItemToObject(j, "urls", cJSON_Duplicate(d->urls, true));
	if (d->annotations && d->annotations->child)
		cJSON_AddItemToObject(j, "annotations", cJSON_Duplicate(d->annotations, true));
	return j;
}

static void annotate(cJSON **annotations, const char *key, const char *value)
{
	if (!*annotations)
		*annotations = cJSON_CreateObject();
	cJSON_DeleteItemFromObjectCaseSensitive(*annotations, key);
	if (value)
		cJSON_AddStringToObject(*annotations, key, value);
}

void descriptor_annotate(struct descriptor *d, const char *key, const char *value)
{
	annotate(&d->annotations, key, value);
}

const char *descriptor_annotation(const struct descriptor *d, const char *key)
{
	return d->annotations ? rn_json_str(d->annotations, key) : NULL;
}

/* ---- manifests ---- */

void manifest_init(struct manifest *m, enum manifest_kind kind)
{
	memset(m, 0, sizeof(*m));
	m->kind = kind;
	m->media_type = rn_strdup(kind == MANIFEST_INDEX ? MEDIA_OCI_INDEX : MEDIA_OCI_MANIFEST);
}

void manifest_clear(struct manifest *m)
{
	free(m->media_type);
	descriptor_clear(&m->config);
	for (size_t i = 0; i < m->n_layers; i++)
		descriptor_clear(&m->layers[i]);
	free(m->layers);
	free(m->artifact_type);
	if (m->subject)
		descriptor_clear(m->subject);
	free(m->subject);
	cJSON_Delete(m->annotations);
	memset(m, 0, sizeof(*m));
}

void manifest_add(struct manifest *m, struct descriptor *d)
{
	m->layers = rn_grow(m->layers, &m->cap_layers, m->n_layers + 1, sizeof(*m->layers));
	m->layers[m->n_layers++] = *d;
	memset(d, 0, sizeof(*d));
}

void manifest_annotate(struct manifest *m, const char *key, const char *value)
{
	annotate(&m->annotations, key, value);
}

/* The list of layers or of children. */
static int parse_list(const cJSON *doc, const char *name, int max, struct manifest *m,
		      struct rn_error *err)
{
	const cJSON *list = rn_json_get(doc, name);
	if (!cJSON_IsArray(list))
		return rn_fail(err, RN_EINVAL, "the manifest has no list \"%s\"", name);
	if (cJSON_GetArraySize(list) > max)
		return rn_fail(err, RN_ELIMIT, "the manifest lists more than %d %s", max, name);
	const cJSON *item;
	cJSON_ArrayForEach(item, list)
	{
		struct descriptor d = { 0 };
		if (descriptor_parse(item, &d, err) < 0)
			return rn_wrap(err, "%s[%zu]", name, m->n_layers);
		manifest_add(m, &d);
	}
	return 0;
}

/* What the document is: by its mediaType, the transport's word, or its members. */
static int find_type(const cJSON *doc, const char *transport, struct manifest *m,
		     struct rn_error *err)
{
	const char *own = rn_json_str(doc, "mediaType");
	const char *type = own ? own : transport;
	if (rn_json_int(doc, "schemaVersion", 2) == 1)
		return rn_fail(err, RN_EUNSUPPORTED,
			       "the image has a Docker schema 1 manifest, which is obsolete; pull and "
			       "push it again with a current docker to convert it");
	if (!manifest_kind_of(type)) {
		if (own)
			return rn_fail(err, RN_EUNSUPPORTED,
				       "\"%.200s\" is not an image manifest or index", own);
		if (rn_json_get(doc, "manifests"))
			type = MEDIA_OCI_INDEX;
		else if (rn_json_get(doc, "config"))
			type = MEDIA_OCI_MANIFEST;
		else
			return rn_fail(err, RN_EINVAL,
				       "the document is neither an image manifest nor an index");
	}
	/* one document must not be read in two ways (image-spec: CVE-2021-41190) */
	if (rn_json_get(doc, "manifests") && rn_json_get(doc, "layers"))
		return rn_fail(err, RN_EINVAL, "the manifest has both \"layers\" and \"manifests\"");
	m->media_type = rn_strdup(type);
	m->kind = manifest_kind_of(type);
	return 0;
}

static int parse_manifest(const cJSON *doc, const char *media_type, struct manifest *m,
			  struct rn_error *err)
{
	if (!cJSON_IsObject(doc))
		return rn_fail(err, RN_EINVAL, "the manifest is not a JSON object");
	if (find_type(doc, media_type, m, err) < 0)
		return -1;
	if (m->kind == MANIFEST_INDEX) {
		if (parse_list(doc, "manifests", MANIFEST_CHILDREN_MAX, m, err) < 0)
			return -1;
	} else {
		if (descriptor_parse(rn_json_get(doc, "config"), &m->config, err) < 0)
			return rn_wrap(err, "config");
		if (parse_list(doc, "layers", MANIFEST_LAYERS_MAX, m, err) < 0)
			return -1;
	}
	const cJSON *subject = rn_json_get(doc, "subject");
	if (subject && !cJSON_IsNull(subject)) {
		m->subject = rn_alloc(sizeof(*m->subject));
		if (descriptor_parse(subject, m->subject, err) < 0)
			return rn_wrap(err, "subject");
	}
	if (string_member(doc, "artifactType", &m->artifact_type, err) < 0)
		return -1;
	return json_member(doc, "annotations", true, &m->annotations, err);
}

int manifest_parse(const void *data, size_t n, const char *media_type, struct manifest *ret,
		   struct rn_error *err)
{
	if (n > MANIFEST_SIZE_MAX)
		return rn_fail(err, RN_ELIMIT, "the manifest has more than %zu bytes",
			       MANIFEST_SIZE_MAX);
	RN_AUTO(rn_json_freep) cJSON *doc = rn_json_parse(data, n, err);
	if (!doc)
		return rn_wrap(err, "manifest");
	RN_AUTO(manifest_clear) struct manifest m = { 0 };
	if (parse_manifest(doc, media_type, &m, err) < 0)
		return -1;
	*ret = m;
	memset(&m, 0, sizeof(m));
	return 0;
}

void manifest_print(const struct manifest *m, struct rn_buf *ret)
{
	RN_AUTO(rn_json_freep) cJSON *doc = cJSON_CreateObject();
	cJSON_AddNumberToObject(doc, "schemaVersion", 2);
	cJSON_AddStringToObject(doc, "mediaType", m->media_type);
	add_string(doc, "artifactType", m->artifact_type);
	if (m->kind == MANIFEST_IMAGE)
		cJSON_AddItemToObject(doc, "config", descriptor_to_json(&m->config));
	cJSON *list = cJSON_AddArrayToObject(doc,
					     m->kind == MANIFEST_INDEX ? "manifests" : "layers");
	for (size_t i = 0; i < m->n_layers; i++)
		cJSON_AddItemToArray(list, descriptor_to_json(&m->layers[i]));
	if (m->subject)
		cJSON_AddItemToObject(doc, "subject", descriptor_to_json(m->subject));
	if (m->annotations && m->annotations->child)
		cJSON_AddItemToObject(doc, "annotations", cJSON_Duplicate(m->annotations, true));
	RN_AUTO(rn_freep) char *text = rn_json_print(doc);
	rn_buf_adds(ret, text);
}
