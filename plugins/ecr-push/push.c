/* SPDX-License-Identifier: Apache-2.0 */
#include "push.h"

#include "base/encode.h"
#include "base/map.h"
#include "oci/reference.h"
#include "oci/registry.h"

#include <stdlib.h>
#include <string.h>

void push_image_clear(struct push_image *i)
{
	layout_closep(&i->layout);
	descriptor_clear(&i->descriptor);
	for (size_t k = 0; k < i->n_artifacts; k++)
		descriptor_clear(&i->artifacts[k]);
	free(i->artifacts);
	*i = (struct push_image){ 0 };
}

/* Does the entry refer to another manifest? 1, 0, -1. */
static int refers(struct layout *l, const struct descriptor *entry, struct rn_error *err)
{
	struct manifest m = { 0 };
	if (layout_manifest(l, entry, &m, err) < 0)
		return -1;
	int rc = m.subject != NULL;
	manifest_clear(&m);
	return rc;
}

/* Of several entries one is the image, the others must refer to something. */
static int find_image(struct push_image *ret, struct rn_error *err)
{
	RN_AUTO(manifest_clear) struct manifest index = { 0 };
	const struct descriptor *image = NULL;
	if (layout_index(ret->layout, &index, err) < 0)
		return -1;
	ret->artifacts = rn_alloc((index.n_layers + 1) * sizeof(ret->artifacts[0]));
	for (size_t i = 0; index.n_layers > 1 && i < index.n_layers; i++) {
		int artifact = refers(ret->layout, &index.layers[i], err);
		if (artifact < 0)
			return -1;
		if (artifact)
			descriptor_copy(&index.layers[i], &ret->artifacts[ret->n_artifacts++]);
		else if (image)
			return layout_find(ret->layout, NULL, &ret->descriptor, err); /* which says what there is */
		else
			image = &index.layers[i];
	}
	return layout_find(ret->layout, image ? image->digest.text : NULL, &ret->descriptor, err);
}

int push_image_open(struct push_image *ret, const char *layout, struct rn_error *err)
{
	ret->layout = layout_open(layout, false, err);
	if (!ret->layout || find_image(ret, err) < 0)
		return rn_wrap(err, "image layout %s", layout);
	return 0;
}

int push_tags(struct stage *s, const struct ecr_params *p, struct rn_strv *ret, struct rn_error *err)
{
	if (p->tag)
		rn_strv_add(ret, p->tag);
	for (size_t i = 0; i < p->tags.n; i++)
		if (!rn_strv_has(ret, p->tags.v[i]))
			rn_strv_add(ret, p->tags.v[i]);
	for (size_t i = 0; i < ret->n; i++) {
		if (reference_tag_valid(ret->v[i]))
			continue;
		stage_blame(s, p->tag && i == 0 ? "tag" : "tags");
		rn_fail(err, RN_EINVAL, "\"%s\" is not a tag", ret->v[i]);
		return rn_hint(err, "letters, digits, '_', '.' and '-', at most 128, not beginning with '.' or '-'");
	}
	return 0;
}

/* ---- what ECR has ------------------------------------------------------------------ */

static void add_id(cJSON *ids, const char *member, const char *value)
{
	cJSON *id = cJSON_CreateObject();
	cJSON_AddStringToObject(id, member, value);
	cJSON_AddItemToArray(ids, id);
}

static const char *digest_of_image(const cJSON *image)
{
	return rn_json_str(rn_json_get(image, "imageId"), "imageDigest");
}

/* BatchGetImage for `ids` (consumed). */
static int get_images(struct aws_client *ecr, const char *name, cJSON *ids, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *in = cJSON_CreateObject();
	cJSON_AddStringToObject(in, "repositoryName", name);
	cJSON_AddItemToObject(in, "imageIds", ids);
	return aws_json(ecr, "BatchGetImage", in, ret, NULL, err);
}

/* The image in an answer that carries this tag; NULL when there is none. */
static const cJSON *with_tag(const cJSON *list, const char *tag)
{
	const cJSON *v;
	cJSON_ArrayForEach(v, list)
		if (rn_streq(rn_json_str(rn_json_get(v, "imageId"), "imageTag"), tag))
			return v;
	return NULL;
}

/*
 * The digest that a tag stands for, new string in *ret, NULL for none. An answer for several ids need not name each of them, when they
 * are one image: a tag that is neither found nor missing there is asked for alone.
 */
static int digest_of_tag(struct aws_client *ecr, const char *name, const cJSON *answer, const char *tag, char **ret, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *alone = NULL;
	const cJSON *image = with_tag(rn_json_get(answer, "images"), tag);
	if (!image && !with_tag(rn_json_get(answer, "failures"), tag)) {
		cJSON *ids = cJSON_CreateArray();
		add_id(ids, "imageTag", tag);
		if (get_images(ecr, name, ids, &alone, err) < 0)
			return -1;
		image = cJSON_GetArrayItem(rn_json_get(alone, "images"), 0);
	}
	*ret = rn_strdup(digest_of_image(image));
	return 0;
}

/* Which tags do not stand for `digest` (all of them when ECR does not have the image); old digests go to `moved`. */
static int missing_tags(struct aws_client *ecr, const char *name, const struct digest *digest, const struct rn_strv *tags,
			struct rn_strv *ret, struct rn_strv *moved, bool *ret_present, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *answer = NULL;
	cJSON *ids = cJSON_CreateArray();
	add_id(ids, "imageDigest", digest->text);
	for (size_t i = 0; i < tags->n; i++)
		add_id(ids, "imageTag", tags->v[i]);
	if (get_images(ecr, name, ids, &answer, err) < 0)
		return -1;
	const cJSON *image = NULL;
	*ret_present = false;
	cJSON_ArrayForEach(image, rn_json_get(answer, "images"))
		*ret_present = *ret_present || rn_streq(digest_of_image(image), digest->text);
	for (size_t i = 0; i < tags->n; i++) {
		RN_AUTO(rn_freep) char *found = NULL;
		if (digest_of_tag(ecr, name, answer, tags->v[i], &found, err) < 0)
			return -1;
		if (rn_streq(found, digest->text))
			continue;
		rn_strv_add(ret, tags->v[i]);
		rn_strv_add(moved, found ? found : "");
	}
	return 0;
}

/* Which of the artifacts ECR lacks; *ret_n of them, borrowed from the image. */
static int missing_artifacts(struct aws_client *ecr, const char *name, const struct push_image *image, struct descriptor *ret,
			     size_t *ret_n, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *answer = NULL;
	if (!image->n_artifacts)
		return 0;
	cJSON *ids = cJSON_CreateArray();
	for (size_t i = 0; i < image->n_artifacts; i++)
		add_id(ids, "imageDigest", image->artifacts[i].digest.text);
	if (get_images(ecr, name, ids, &answer, err) < 0)
		return -1;
	for (size_t i = 0; i < image->n_artifacts; i++) {
		bool there = false;
		const cJSON *have;
		cJSON_ArrayForEach(have, rn_json_get(answer, "images"))
			there = there || rn_streq(digest_of_image(have), image->artifacts[i].digest.text);
		if (!there)
			ret[(*ret_n)++] = image->artifacts[i];
	}
	return 0;
}

/* ---- sending ------------------------------------------------------------------------- */

struct sending {
	struct stage *s;
	struct rn_map done; /* digest -> bytes done, as uint64_t * */
	uint64_t total;
};

static void on_event(void *ctx, const struct registry_event *e)
{
	struct sending *x = ctx;
	if (e->step == REGISTRY_RETRY) {
		stage_warn(x->s, "%s", e->text);
		return;
	}
	if (!e->blob)
		return;
	uint64_t *done = rn_map_get(&x->done, e->blob->digest.text);
	if (!done) {
		done = rn_alloc(sizeof(*done));
		rn_map_set(&x->done, e->blob->digest.text, done);
	}
	*done = e->step == REGISTRY_MOVING ? e->done : e->blob->size;
	if (e->step == REGISTRY_MOUNTED || e->step == REGISTRY_PRESENT)
		stage_debug(x->s, "%s is there already", e->blob->digest.text);
	uint64_t sum = 0;
	RN_MAP_EACH(&x->done, it)
		sum += *(const uint64_t *)it->value;
	x->s->host->progress(x->s->rs, "push", sum > x->total ? x->total : sum, x->total, "bytes");
}

static void on_warning(void *ctx, const char *text)
{
	stage_warn(((struct sending *)ctx)->s, "%s", text);
}

static void on_secret(void *ctx, const char *value)
{
	struct stage *s = ((struct sending *)ctx)->s;
	s->host->mask(s->rs, value);
}

/* Sum of what the image refers to, for the progress bar. */
static uint64_t image_size(struct layout *l, const struct descriptor *d)
{
	struct manifest m = { 0 };
	uint64_t sum = d->size;
	if (layout_manifest(l, d, &m, NULL) < 0)
		return sum;
	if (m.kind == MANIFEST_IMAGE)
		sum += m.config.size;
	for (size_t i = 0; i < m.n_layers; i++)
		sum += m.kind == MANIFEST_INDEX ? image_size(l, &m.layers[i]) : m.layers[i].size;
	manifest_clear(&m);
	return sum;
}

/* Asks ECR for a token (12 h) and gives it to `auth` for the registry that it names; *ret_host is new. */
static int log_in(struct stage *s, struct aws_client *ecr, struct registry_auth *auth, char **ret_host, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *answer = NULL;
	if (aws_json(ecr, "GetAuthorizationToken", NULL, &answer, NULL, err) < 0)
		return -1;
	const cJSON *data = cJSON_GetArrayItem(rn_json_get(answer, "authorizationData"), 0);
	const char *token = rn_json_str(data, "authorizationToken"), *endpoint = rn_json_str(data, "proxyEndpoint");
	if (!token || !endpoint)
		return rn_fail(err, RN_EREMOTE, "ecr GetAuthorizationToken: the answer has no token or no endpoint");
	s->host->mask(s->rs, token);
	RN_AUTO(rn_buf_clear) struct rn_buf pair = { .max = 65536 };
	if (rn_base64_decode(token, &pair, err) < 0 || !strchr(rn_buf_str(&pair), ':'))
		return rn_fail(err, RN_EREMOTE, "ecr GetAuthorizationToken: the token is not USER:PASSWORD in base64");
	char *colon = strchr(pair.p, ':');
	*colon = '\0';
	s->host->mask(s->rs, colon + 1);
	const char *host = strstr(endpoint, "://");
	host = host ? host + 3 : endpoint;
	*ret_host = rn_strndup(host, strcspn(host, "/"));
	registry_auth_set(auth, *ret_host, pair.p, colon + 1);
	rn_wipe(pair.p, pair.len);
	return 0;
}

/* What one push sends, and where to. */
struct parcel {
	const struct push_image *image; /* NULL: only the artifacts */
	const struct rn_strv *tags;
	const struct descriptor *artifacts;
	size_t n_artifacts;
	const struct runner_list *mount_from;
};

static int send_parcel(struct registry *registry, const struct reference *ref, struct blob_store *blobs, const struct parcel *parcel,
		       struct rn_error *err)
{
	if (parcel->image && registry_push_image(registry, ref, blobs, &parcel->image->descriptor, (const char *const *)parcel->tags->v,
						 parcel->tags->n, parcel->mount_from->v, parcel->mount_from->n, NULL, err) < 0)
		return -1;
	for (size_t i = 0; i < parcel->n_artifacts; i++)
		if (registry_push_image(registry, ref, blobs, &parcel->artifacts[i], NULL, 0, NULL, 0, NULL, err) < 0)
			return rn_wrap(err, "artifact %.19s", parcel->artifacts[i].digest.text);
	return 0;
}

static int send(struct sending *x, struct aws_client *ecr, const struct repository *r, struct blob_store *blobs,
		const struct parcel *parcel, struct rn_error *err)
{
	struct registry_auth_options ao = { .warn = on_warning, .secret = on_secret, .ctx = x };
	RN_AUTO(registry_auth_freep) struct registry_auth *auth = registry_auth_new(&ao);
	RN_AUTO(rn_freep) char *host = NULL;
	if (log_in(x->s, ecr, auth, &host, err) < 0)
		return -1;
	RN_AUTO(reference_clear) struct reference ref = { .registry = rn_strdup(host), .repository = rn_strdup(r->name) };
	struct registry_options o = REGISTRY_INIT;
	o.auth = auth;
	o.cancel_fd = x->s->host->cancel_fd(x->s->rs);
	o.event = on_event;
	o.ctx = x;
	RN_AUTO(registry_freep) struct registry *registry = registry_new(&o);
	return send_parcel(registry, &ref, blobs, parcel, err);
}

/* A tag that may not move but would have to: said before anything is sent. */
static int check_immutable(struct stage *s, const struct repository *r, const struct rn_strv *tags, const struct rn_strv *old,
			   struct rn_error *err)
{
	for (size_t i = 0; i < tags->n; i++) {
		if (!old->v[i][0] || repository_tag_moves(r, tags->v[i]))
			continue;
		stage_blame(s, "tag");
		rn_fail(err, RN_EEXISTS, "tag \"%s\" of repository \"%s\" is immutable and stands for another image, %s", tags->v[i],
			r->name, old->v[i]);
		return rn_hint(err, "push under a new tag, set \"tag_mutability: MUTABLE\", or exclude this tag: \"tag_mutability: "
				    "IMMUTABLE_WITH_EXCLUSION\" with \"tag_mutability_exclusions: [%s]\"", tags->v[i]);
	}
	return 0;
}

/* Reports each tag that was (or would be) set; `old` has as many as `tags`. */
static void report(struct stage *s, const struct repository *r, const struct digest *digest, const struct rn_strv *tags,
		   const struct rn_strv *old, bool present)
{
	for (size_t i = 0; i < old->n; i++) {
		RN_AUTO(rn_freep) char *detail = old->v[i][0] ? rn_asprintf("digest: %.19s -> %.19s", old->v[i], digest->text)
							     : rn_asprintf("%.19s", digest->text);
		stage_change(s, old->v[i][0] ? RUNNER_UPDATED : RUNNER_CREATED, detail, "image %s:%s", r->name, tags->v[i]);
	}
	if (!tags->n)
		stage_change(s, present ? RUNNER_UNCHANGED : RUNNER_CREATED, NULL, "image %s@%.19s", r->name, digest->text);
}

/* Sends what is missing; nothing in plan. */
static int send_missing(struct stage *s, struct aws_client *ecr, const struct repository *r, const struct push_image *image,
			const struct parcel *parcel, struct rn_error *err)
{
	struct sending x = { .s = s, .total = parcel->image ? image_size(image->layout, &image->descriptor) : 0 };
	if (s->mode == STAGE_PLAN)
		return 0;
	for (size_t i = 0; i < parcel->n_artifacts; i++)
		x.total += image_size(image->layout, &parcel->artifacts[i]);
	rn_map_init(&x.done, free);
	int rc = stage_may_write(s, "PutImage", err) < 0 ? -1 : send(&x, ecr, r, layout_blobs(image->layout), parcel, err);
	rn_map_clear(&x.done);
	return rc < 0 ? rn_wrap(err, "push to repository \"%s\"", r->name) : 0;
}

int push_converge(struct stage *s, struct aws_client *ecr, const struct repository *r, struct push_image *image, const struct rn_strv *tags,
		  const struct runner_list *mount_from, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv missing = { 0 }, old = { 0 };
	RN_AUTO(rn_freep) struct descriptor *artifacts = rn_alloc((image->n_artifacts + 1) * sizeof(*artifacts));
	struct parcel parcel = { .tags = &missing, .artifacts = artifacts, .mount_from = mount_from };
	const struct digest *digest = &image->descriptor.digest;
	bool present = false;
	if (r->arn && (missing_tags(ecr, r->name, digest, tags, &missing, &old, &present, err) < 0 ||
		       missing_artifacts(ecr, r->name, image, artifacts, &parcel.n_artifacts, err) < 0))
		return -1;
	for (size_t i = 0; !r->arn && i < tags->n; i++) {
		rn_strv_add(&missing, tags->v[i]);
		rn_strv_add(&old, "");
	}
	for (; !r->arn && parcel.n_artifacts < image->n_artifacts; parcel.n_artifacts++)
		artifacts[parcel.n_artifacts] = image->artifacts[parcel.n_artifacts];
	bool whole = present && !missing.n;
	parcel.image = whole ? NULL : image;
	image->present = present || s->mode != STAGE_PLAN;
	if (check_immutable(s, r, &missing, &old, err) < 0)
		return -1;
	if ((!whole || parcel.n_artifacts) && send_missing(s, ecr, r, image, &parcel, err) < 0)
		return -1;
	if (whole)
		stage_change(s, RUNNER_UNCHANGED, NULL, "image %s%s%s", r->name, tags->n ? ":" : "@", tags->n ? tags->v[0] : digest->text);
	else
		report(s, r, digest, &missing, &old, present);
	for (size_t i = 0; i < parcel.n_artifacts; i++)
		stage_change(s, RUNNER_CREATED, NULL, "artifact %s@%.19s", r->name, artifacts[i].digest.text);
	return 0;
}
