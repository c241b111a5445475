/* SPDX-License-Identifier: Apache-2.0 */
#include "attest.h"

#include "provenance.h"
#include "sbom.h"

#include <stdlib.h>
#include <string.h>

static const char *image_name(const struct build *b)
{
	return b->params->tags.n ? b->params->tags.v[0] : "image";
}

static int put(struct build *b, const char *media_type, const void *data, size_t n, struct descriptor *ret, struct rn_error *err)
{
	struct digest d;
	if (blob_store_put(b->store, data, n, &d, err) < 0)
		return -1;
	descriptor_init(ret, media_type, &d, n);
	return 0;
}

/* One artifact with one file; the empty config is the one that the image-spec names for it. */
static int make(struct build *b, const struct descriptor *subject, const char *type, const char *predicate, const struct rn_buf *text,
		struct rn_error *err)
{
	RN_AUTO(manifest_clear) struct manifest m = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf body = RN_BUF_INIT;
	struct descriptor layer = { 0 }, d = { 0 };
	manifest_init(&m, MANIFEST_IMAGE);
	if (rn_buf_check(text, type, err) < 0 || put(b, MEDIA_OCI_EMPTY, "{}", 2, &m.config, err) < 0 ||
	    put(b, type, rn_buf_str(text), text->len, &layer, err) < 0)
		return -1;
	if (predicate)
		descriptor_annotate(&layer, "in-toto.io/predicate-type", predicate);
	manifest_add(&m, &layer);
	m.artifact_type = rn_strdup(type);
	m.subject = rn_alloc(sizeof(*m.subject));
	descriptor_init(m.subject, subject->media_type, &subject->digest, subject->size);
	manifest_annotate(&m, ANNOTATION_CREATED, b->created);
	if (predicate)
		manifest_annotate(&m, "in-toto.io/predicate-type", predicate);
	manifest_print(&m, &body);
	if (rn_buf_check(&body, type, err) < 0 || put(b, MEDIA_OCI_MANIFEST, rn_buf_str(&body), body.len, &d, err) < 0)
		return -1;
	d.artifact_type = rn_strdup(type);
	b->artifacts = rn_grow(b->artifacts, &b->cap_artifacts, b->n_artifacts + 1, sizeof(*b->artifacts));
	b->artifacts[b->n_artifacts++] = d;
	return 0;
}

static int make_sbom(struct stage_graph *g, const struct built *image, struct rn_error *err)
{
	struct build *b = g->b;
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	struct packages p;
	packages_init(&p);
	b->host->step(b->stage, "list what is installed");
	int rc = sbom_survey(&g->target->state, b, &p, err);
	if (rc == 0) {
		sbom_print(&p, image_name(b), &image->descriptor.digest, b->created, &text);
		build_log(b, RUNNER_INFO, "sbom: %zu packages", p.by_purl.live);
		rc = make(b, &image->descriptor, MEDIA_SPDX, NULL, &text, err);
	}
	packages_clear(&p);
	return rc;
}

int attest_image(struct stage_graph *g, const struct built *image, struct rn_error *err)
{
	struct build *b = g->b;
	if (b->params->sbom && make_sbom(g, image, err) < 0)
		return rn_wrap(err, "sbom");
	if (!b->params->provenance)
		return 0;
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	provenance_print(g, image_name(b), &image->descriptor.digest, &text);
	return make(b, &image->descriptor, MEDIA_IN_TOTO, PROVENANCE_PREDICATE, &text, err) < 0 ? rn_wrap(err, "provenance") : 0;
}

int attest_to_layout(struct build *b, struct layout *l, struct rn_error *err)
{
	for (size_t i = 0; i < b->n_artifacts; i++)
		if (store_copy_image(b->store, layout_blobs(l), &b->artifacts[i], err) < 0 ||
		    layout_enter(l, &b->artifacts[i], NULL, err) < 0)
			return -1;
	return 0;
}

int attest_push(struct build *b, const struct reference *ref, struct rn_error *err)
{
	for (size_t i = 0; i < b->n_artifacts; i++)
		if (registry_push_referrer(b->registry, ref, b->store, &b->artifacts[i], err) < 0)
			return rn_wrap(err, "%s", b->artifacts[i].artifact_type);
	return 0;
}

void artifacts_clear(struct build *b)
{
	for (size_t i = 0; i < b->n_artifacts; i++)
		descriptor_clear(&b->artifacts[i]);
	free(b->artifacts);
	b->artifacts = NULL;
	b->n_artifacts = b->cap_artifacts = 0;
}
