/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Artifacts that refer to an image by `subject` (distribution-spec "Pushing Manifests with Subject"): a registry that knows the
 * referrers API says so by OCI-Subject; for any other the client keeps the list itself, under the tag sha256-HEX.
 */
#include "registry_internal.h"

#include "base/str.h"
#include "layout.h"

#include <stdlib.h>
#include <string.h>

/* The list as it stands; an empty one when there is none. */
static int read_list(struct registry *r, const struct reference *at, struct manifest *ret, struct rn_error *err)
{
	struct descriptor d = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf body = RN_BUF_INIT;
	struct rn_error own = { 0 };
	int rc = registry_manifest(r, at, &d, &body, &own);
	descriptor_clear(&d);
	if (rc < 0 && own.code == RN_ENOTFOUND) {
		manifest_init(ret, MANIFEST_INDEX);
		return 0;
	}
	if (rc == 0)
		rc = manifest_parse(rn_buf_str(&body), body.len, NULL, ret, &own);
	if (rc == 0 && ret->kind != MANIFEST_INDEX) {
		manifest_clear(ret);
		rc = rn_fail(&own, RN_EREMOTE, "the tag %s is not a list of artifacts", at->tag);
	}
	if (rc < 0 && err)
		*err = own;
	return rc;
}

/* What a list says of an artifact: its type and annotations are those of its manifest. */
static void describe(const struct manifest *m, const struct descriptor *d, struct descriptor *ret)
{
	const cJSON *one;
	descriptor_init(ret, d->media_type, &d->digest, d->size);
	ret->artifact_type = rn_strdup(m->artifact_type ? m->artifact_type : m->config.media_type);
	cJSON_ArrayForEach(one, m->annotations)
		if (cJSON_IsString(one))
			descriptor_annotate(ret, one->string, one->valuestring);
}

static int enter(struct registry *r, const struct reference *ref, const struct manifest *m, const struct descriptor *d, struct rn_error *err)
{
	const struct digest *subject = &m->subject->digest;
	RN_AUTO(reference_clear) struct reference at = { 0 };
	RN_AUTO(manifest_clear) struct manifest list = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	RN_AUTO(rn_freep) char *tag = rn_asprintf("%s-%s", digest_algorithm(subject), digest_hex(subject));
	reference_copy(ref, &at);
	free(at.tag);
	at.tag = rn_strdup(tag);
	at.digest = (struct digest){ 0 };
	if (read_list(r, &at, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < list.n_layers; i++)
		if (digest_equal(&list.layers[i].digest, &d->digest))
			return 0;
	struct descriptor copy = { 0 };
	describe(m, d, &copy);
	manifest_add(&list, &copy);
	manifest_print(&list, &text);
	if (rn_buf_check(&text, "list of artifacts", err) < 0)
		return -1;
	return registry_push_manifest(r, ref, tag, MEDIA_OCI_INDEX, rn_buf_str(&text), text.len, NULL, err);
}

int registry_push_referrer(struct registry *r, const struct reference *ref, struct blob_store *store, const struct descriptor *d,
			   struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf body = RN_BUF_INIT;
	RN_AUTO(manifest_clear) struct manifest m = { 0 };
	RN_AUTO(rn_freep) struct descriptor *blobs = NULL;
	bool known = false;
	if (blob_store_read(store, &d->digest, MANIFEST_SIZE_MAX, &body, err) < 0 ||
	    manifest_parse(rn_buf_str(&body), body.len, d->media_type, &m, err) < 0)
		return -1;
	if (m.kind != MANIFEST_IMAGE || !m.subject)
		return rn_fail(err, RN_EINVAL, "%s refers to no image", d->digest.text);
	blobs = rn_alloc((m.n_layers + 1) * sizeof(*blobs));
	for (size_t i = 0; i < m.n_layers; i++)
		blobs[i] = m.layers[i]; /* borrowed */
	blobs[m.n_layers] = m.config;
	if (registry_push_blobs(r, ref, store, blobs, m.n_layers + 1, NULL, 0, err) < 0 ||
	    registry_put_manifest(r, ref, d->digest.text, m.media_type, rn_buf_str(&body), body.len, &known, err) < 0)
		return -1;
	return known ? 0 : enter(r, ref, &m, d, err);
}
