/* SPDX-License-Identifier: Apache-2.0 */
#include "retention.h"

#include "in_use.h"
#include "oci/manifest.h"

#include <string.h>

#define BATCH 100 /* BatchGetImage and BatchDeleteImage take that many */

static cJSON *named(const char *name)
{
	cJSON *in = cJSON_CreateObject();
	cJSON_AddStringToObject(in, "repositoryName", name);
	return in;
}

/* {"repositoryName", "imageIds": up to BATCH digests from *at on}; moves *at on. */
static cJSON *batch(const char *name, const cJSON **at)
{
	cJSON *in = named(name), *ids = cJSON_AddArrayToObject(in, "imageIds");
	for (int i = 0; *at && i < BATCH; i++, *at = (*at)->next) {
		cJSON *id = cJSON_CreateObject();
		cJSON_AddStringToObject(id, "imageDigest", (*at)->valuestring);
		cJSON_AddItemToArray(ids, id);
	}
	return in;
}

static int describe(struct aws_client *ecr, const char *name, cJSON **ret, struct rn_error *err)
{
	static const struct aws_pages pages = { .list = "imageDetails", .out_token = "nextToken" };
	RN_AUTO(rn_json_freep) cJSON *in = named(name);
	return aws_json_pages(ecr, "DescribeImages", in, &pages, ret, NULL, err);
}

/* ---- indexes ------------------------------------------------------------------- */

static void note_children(const cJSON *image, cJSON *children)
{
	const char *digest = rn_json_str(rn_json_get(image, "imageId"), "imageDigest"), *text = rn_json_str(image, "imageManifest");
	struct manifest m = { 0 };
	if (!digest || !text || rn_json_get(children, digest) || manifest_parse(text, strlen(text), NULL, &m, NULL) < 0)
		return;
	cJSON *list = cJSON_AddArrayToObject(children, digest);
	for (size_t i = 0; m.kind == MANIFEST_INDEX && i < m.n_layers; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(m.layers[i].digest.text));
	manifest_clear(&m);
}

/* Reads the indexes among the images; *ret: digest -> digests of its children. */
static int read_children(struct aws_client *ecr, const char *name, const cJSON *details, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *indexes = cJSON_CreateArray(), *children = cJSON_CreateObject();
	const cJSON *image;
	cJSON_ArrayForEach(image, details)
		if (rn_json_str(image, "imageDigest") && manifest_kind_of(rn_json_str(image, "imageManifestMediaType")) == MANIFEST_INDEX)
			cJSON_AddItemToArray(indexes, cJSON_CreateString(rn_json_str(image, "imageDigest")));
	for (const cJSON *at = indexes->child; at;) {
		RN_AUTO(rn_json_freep) cJSON *in = batch(name, &at), *answer = NULL;
		if (aws_json(ecr, "BatchGetImage", in, &answer, NULL, err) < 0)
			return -1;
		cJSON_ArrayForEach(image, rn_json_get(answer, "images"))
			note_children(image, children);
	}
	*ret = rn_take(&children);
	return 0;
}

/* ---- removing -------------------------------------------------------------------- */

/* An image that became part of an index in between stays; one that is gone is fine. */
static int check_failures(struct stage *s, const cJSON *answer, struct rn_error *err)
{
	const cJSON *f;
	cJSON_ArrayForEach(f, rn_json_get(answer, "failures")) {
		const char *code = rn_json_str(f, "failureCode"), *why = rn_json_str(f, "failureReason");
		const char *digest = rn_json_str(rn_json_get(f, "imageId"), "imageDigest");
		if (rn_streq(code, "ImageReferencedByManifestList"))
			stage_info(s, "image %.19s stays: an index names it", digest ? digest : "?");
		else if (!rn_streq(code, "ImageNotFound"))
			return rn_fail(err, RN_EREMOTE, "ECR BatchDeleteImage of %s: %s: %s", digest ? digest : "?", code ? code : "failed",
				       why ? why : "no reason given");
	}
	return 0;
}

static int remove_all(struct stage *s, struct aws_client *ecr, const char *name, const cJSON *digests, struct rn_error *err)
{
	for (const cJSON *at = digests->child; at;) {
		RN_AUTO(rn_json_freep) cJSON *in = batch(name, &at), *answer = NULL;
		if (stage_may_write(s, "BatchDeleteImage", err) < 0 || aws_json(ecr, "BatchDeleteImage", in, &answer, NULL, err) < 0 ||
		    check_failures(s, answer, err) < 0)
			return -1;
	}
	return 0;
}

static void report(struct stage *s, const char *name, const cJSON *details, const cJSON *gone)
{
	const cJSON *g, *image;
	cJSON_ArrayForEach(g, gone) {
		RN_AUTO(rn_strv_clear) struct rn_strv tags = { 0 };
		cJSON_ArrayForEach(image, details) {
			const cJSON *t;
			if (rn_streq(rn_json_str(image, "imageDigest"), g->valuestring))
				cJSON_ArrayForEach(t, rn_json_get(image, "imageTags"))
					rn_strv_add(&tags, t->valuestring);
		}
		RN_AUTO(rn_freep) char *list = tags.n ? rn_strv_join(&tags, ", ") : rn_strdup("no tag");
		stage_change(s, RUNNER_DELETED, list, "image %s@%.19s", name, g->valuestring);
	}
}

/* Takes out of `gone` what a function uses; *ret_known is false when that cannot be seen. */
static int spare_used(struct stage *s, struct aws_session *session, cJSON *gone, bool *ret_known, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *used = NULL;
	bool denied = false;
	if (images_in_use(session, gone, &used, &denied, err) < 0)
		return rn_wrap(err, "keep: look for the images that functions use");
	*ret_known = !denied;
	if (denied) {
		stage_warn(s, "keep: no old image is removed, since lambda:ListFunctions or lambda:GetFunction is denied and so it cannot be "
			      "seen which of them functions use");
		return 0;
	}
	for (cJSON *g = gone->child, *next; g; g = next) {
		next = g->next;
		const char *who = rn_json_str(used, g->valuestring);
		if (!who)
			continue;
		stage_info(s, "image %.19s stays: function %s uses it", g->valuestring, who);
		cJSON_Delete(cJSON_DetachItemViaPointer(gone, g));
	}
	return 0;
}

int retention_converge(struct stage *s, struct aws_session *session, struct aws_client *ecr, const struct ecr_params *p,
		       const struct repository *r, const char *pushed, bool present, struct rn_error *err)
{
	if (!p->keep || !r->arn)
		return 0;
	if (!stage_owns(s, r->tags)) {
		stage_info(s, "keep: old images stay, since this stage did not make repository %s", r->name);
		return 0;
	}
	RN_AUTO(rn_json_freep) cJSON *details = NULL, *children = NULL, *gone = NULL, *followers = NULL;
	bool known = true;
	if (describe(ecr, r->name, &details, err) < 0)
		return -1;
	if (cJSON_GetArraySize(details) < p->keep + (present ? 1 : 0))
		return 0;
	if (read_children(ecr, r->name, details, &children, err) < 0)
		return -1;
	gone = retention_choose(details, children, p->keep, pushed, !present);
	if (gone->child && spare_used(s, session, gone, &known, err) < 0)
		return -1;
	if (!known || !gone->child)
		return 0;
	followers = retention_followers(details, children, gone);
	if (followers->child && spare_used(s, session, followers, &known, err) < 0)
		return -1;
	if (!known)
		return 0;
	if (s->mode != STAGE_PLAN && (remove_all(s, ecr, r->name, gone, err) < 0 || remove_all(s, ecr, r->name, followers, err) < 0))
		return -1;
	report(s, r->name, details, gone);
	return 0;
}
