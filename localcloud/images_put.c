/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting a manifest: is it one, does all it mentions exist, may its tag move. */
#include "images.h"

#include "store.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static const char *const IMAGE_TYPES[] = {
	"application/vnd.docker.distribution.manifest.v2+json",
	"application/vnd.oci.image.manifest.v1+json",
};
static const char *const INDEX_TYPES[] = {
	"application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.oci.image.index.v1+json",
};

static bool is_one_of(const char *s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rn_streq(s, list[i]))
			return true;
	return false;
}

/* What a manifest says, found out while checking it. */
struct facts {
	const char *media_type;    /* borrowed from the document or the caller */
	const char *artifact_type; /* borrowed */
	const char *subject;       /* borrowed */
	uint64_t image_size;
};

static enum images_put_status check_descriptor(struct cloud *c, const struct images_put *put,
					       const cJSON *descriptor, bool is_manifest,
					       struct facts *facts, struct rn_error *err)
{
	const char *digest = rn_json_str(descriptor, "digest");
	if (!images_is_digest(digest)) {
		rn_fail(err, RN_EINVAL, "a descriptor has no valid digest");
		return IMAGES_PUT_INVALID;
	}
	if (is_manifest) {
		sqlite3_stmt *q = store_query(
			c->store,
			"SELECT image_size FROM manifest WHERE region = ? AND repository = ? AND "
			"digest = ?",
			3, (const char *[]){ put->region, put->repository, digest });
		bool found = store_row(c->store, q);
		if (found)
			facts->image_size += (uint64_t)sqlite3_column_int64(q, 0);
		store_done(q);
		if (found)
			return IMAGES_PUT_OK;
		rn_fail(err, RN_ENOTFOUND, "%s", digest);
		return IMAGES_PUT_CHILD_UNKNOWN;
	}
	uint64_t size = 0;
	if (images_has_blob(c, put->region, put->repository, digest, &size)) {
		facts->image_size += size;
		return IMAGES_PUT_OK;
	}
	if (rn_json_get(descriptor, "urls"))
		return IMAGES_PUT_OK; /* lies elsewhere by design */
	rn_fail(err, RN_ENOTFOUND, "%s", digest);
	return IMAGES_PUT_BLOB_UNKNOWN;
}

static enum images_put_status check_list(struct cloud *c, const struct images_put *put,
					 const cJSON *list, bool is_manifest, struct facts *facts,
					 struct rn_error *err)
{
	if (!cJSON_IsArray(list)) {
		rn_fail(err, RN_EINVAL, "it has no list of %s",
			is_manifest ? "manifests" : "layers");
		return IMAGES_PUT_INVALID;
	}
	for (const cJSON *one = list->child; one; one = one->next) {
		enum images_put_status status = check_descriptor(c, put, one, is_manifest, facts,
								 err);
		if (status != IMAGES_PUT_OK)
			return status;
	}
	return IMAGES_PUT_OK;
}

static enum images_put_status check(struct cloud *c, const struct images_put *put, const cJSON *doc,
				    struct facts *facts, struct rn_error *err)
{
	const char *said = rn_json_str(doc, "mediaType");
	facts->media_type = put->media_type ? put->media_type : said;
	if (!facts->media_type)
		facts->media_type = rn_json_get(doc, "manifests") ? INDEX_TYPES[1] : IMAGE_TYPES[1];
	bool is_index = is_one_of(facts->media_type, INDEX_TYPES, RN_LEN(INDEX_TYPES));
	if (!is_index && !is_one_of(facts->media_type, IMAGE_TYPES, RN_LEN(IMAGE_TYPES))) {
		rn_fail(err, RN_EINVAL, "the media type %s is not supported", facts->media_type);
		return IMAGES_PUT_INVALID;
	}
	if (said && strcmp(said, facts->media_type) != 0) {
		rn_fail(err, RN_EINVAL, "it says it is %s but was sent as %s", said,
			facts->media_type);
		return IMAGES_PUT_INVALID;
	}
	if (rn_json_int(doc, "schemaVersion", 0) != 2) {
		rn_fail(err, RN_EINVAL, "schemaVersion is not 2");
		return IMAGES_PUT_INVALID;
	}
	const cJSON *config = rn_json_get(doc, "config");
	facts->artifact_type = rn_json_str(doc, "artifactType");
	facts->subject = rn_json_str(rn_json_get(doc, "subject"), "digest");
	if (!facts->artifact_type && config)
		facts->artifact_type = rn_json_str(config, "mediaType");
	if (facts->subject && !images_is_digest(facts->subject)) {
		rn_fail(err, RN_EINVAL, "its subject has no valid digest");
		return IMAGES_PUT_INVALID;
	}
	if (is_index)
		return check_list(c, put, rn_json_get(doc, "manifests"), true, facts, err);
	enum images_put_status status = check_descriptor(c, put, config, false, facts, err);
	return status == IMAGES_PUT_OK
		       ? check_list(c, put, rn_json_get(doc, "layers"), false, facts, err)
		       : status;
}

/* May the tag move? By the repository's mutability and its exclusion filters. */
static bool may_move(struct cloud *c, const struct images_put *put)
{
	RN_AUTO(rn_json_freep) cJSON *repository =
		store_get(c->store, REPOSITORY, put->region, put->repository);
	const char *mode = rn_json_str(repository, "imageTagMutability");
	if (!mode)
		return true;
	bool movable = rn_starts(mode, "MUTABLE");
	const cJSON *filters = rn_json_get(repository, "imageTagMutabilityExclusionFilters");
	for (const cJSON *f = filters && rn_ends(mode, "_WITH_EXCLUSION") ? filters->child : NULL;
	     f; f = f->next) {
		const char *pattern = rn_json_str(f, "filter");
		if (pattern && fnmatch(pattern, put->tag, 0) == 0)
			return !movable;
	}
	return movable;
}

static void insert(struct cloud *c, const struct images_put *put, const char *digest,
		   const struct facts *facts, const cJSON *doc)
{
	const cJSON *annotations = rn_json_get(doc, "annotations");
	RN_AUTO(rn_freep) char *text = annotations ? rn_json_print(annotations) : NULL;
	sqlite3_stmt *q = store_query(c->store,
				      "INSERT OR IGNORE INTO manifest(region, repository, digest, "
				      "media_type, artifact_type,"
				      " subject, annotations, size, image_size, pushed, body) "
				      "VALUES(?,?,?,?,?,?,?,?,?,?,?)",
				      7,
				      (const char *[]){ put->region, put->repository, digest,
							facts->media_type, facts->artifact_type,
							facts->subject, text });
	if (!q)
		return;
	sqlite3_bind_int64(q, 8, (sqlite3_int64)put->n);
	sqlite3_bind_int64(q, 9, (sqlite3_int64)facts->image_size);
	sqlite3_bind_double(q, 10, cloud_now());
	sqlite3_bind_blob64(q, 11, put->body, put->n, SQLITE_STATIC);
	store_row(c->store, q);
	store_done(q);
}

static bool has_manifest(struct cloud *c, const struct images_put *put, const char *digest)
{
	struct image_manifest m;
	if (images_manifest(c, put->region, put->repository, digest, &m, NULL) < 0)
		return false;
	image_manifest_clear(&m);
	return true;
}

/* Digest that the tag names now into to[]; false: none. */
static bool tagged(struct cloud *c, const struct images_put *put, char *to)
{
	struct image_manifest m;
	if (images_manifest(c, put->region, put->repository, put->tag, &m, NULL) < 0)
		return false;
	memcpy(to, m.digest, IMAGES_DIGEST_MAX);
	image_manifest_clear(&m);
	return true;
}

enum images_put_status images_put_manifest(struct cloud *c, const struct images_put *put,
					   char *ret_digest, char **ret_subject,
					   struct rn_error *err)
{
	struct facts facts = { 0 };
	struct rn_error why = { 0 };
	char digest[IMAGES_DIGEST_MAX], old[IMAGES_DIGEST_MAX] = "";
	images_digest(put->body, put->n, put->digest, digest);
	if (put->digest && strcmp(put->digest, digest) != 0) {
		rn_fail(err, RN_EINVAL, "the content has the digest %s, not %s", digest,
			put->digest);
		return IMAGES_PUT_DIGEST_MISMATCH;
	}
	RN_AUTO(rn_json_freep) cJSON *doc = rn_json_parse(put->body, put->n, &why);
	if (!cJSON_IsObject(doc)) {
		rn_fail(err, RN_EINVAL, "it is not a JSON object%s%s", why.msg[0] ? ": " : "",
			why.msg);
		return IMAGES_PUT_INVALID;
	}
	enum images_put_status status = check(c, put, doc, &facts, err);
	if (status != IMAGES_PUT_OK)
		return status;
	bool known = has_manifest(c, put, digest);
	bool has_tag = put->tag && tagged(c, put, old);
	bool same_tag = has_tag && !strcmp(old, digest);
	if (has_tag && !same_tag && !may_move(c, put))
		return IMAGES_PUT_IMMUTABLE;
	insert(c, put, digest, &facts, doc);
	if (put->tag && !same_tag)
		store_exec(c->store,
			   "INSERT OR REPLACE INTO tag(region, repository, tag, digest) "
			   "VALUES(?,?,?,?)",
			   4, (const char *[]){ put->region, put->repository, put->tag, digest });
	memcpy(ret_digest, digest, sizeof(digest));
	if (ret_subject)
		*ret_subject = rn_strdup(facts.subject);
	return known && (same_tag || !put->tag) ? IMAGES_PUT_SAME : IMAGES_PUT_OK;
}
