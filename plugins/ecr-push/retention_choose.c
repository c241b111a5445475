/* SPDX-License-Identifier: Apache-2.0 */
#include "retention.h"

#include <stdlib.h>
#include <string.h>

static bool has_text(const cJSON *list, const char *text)
{
	const cJSON *v;
	cJSON_ArrayForEach(v, list)
		if (cJSON_IsString(v) && rn_streq(v->valuestring, text))
			return true;
	return false;
}

/* Is it a child of any index that is not in `except` (may be NULL)? */
static bool is_child(const cJSON *children, const char *digest, const cJSON *except)
{
	const cJSON *index;
	cJSON_ArrayForEach(index, children)
		if (!has_text(except, index->string) && has_text(index, digest))
			return true;
	return false;
}

static double pushed_at(const cJSON *image)
{
	const cJSON *at = rn_json_get(image, "imagePushedAt");
	return cJSON_IsNumber(at) ? at->valuedouble : 0;
}

/* Newest first; the digest decides between equals, so that two runs choose alike. */
static int by_age(const void *a, const void *b)
{
	const cJSON *x = *(const cJSON *const *)a, *y = *(const cJSON *const *)b;
	double dx = pushed_at(x), dy = pushed_at(y);
	if (dx != dy)
		return dx > dy ? -1 : 1;
	const char *p = rn_json_str(x, "imageDigest"), *q = rn_json_str(y, "imageDigest");
	return strcmp(p ? p : "", q ? q : "");
}

cJSON *retention_choose(const cJSON *details, const cJSON *children, int64_t keep, const char *pushed, bool coming)
{
	RN_AUTO(rn_freep) const cJSON **counted = rn_alloc(((size_t)cJSON_GetArraySize(details) + 1) * sizeof(*counted));
	size_t n = 0;
	const cJSON *image;
	cJSON_ArrayForEach(image, details) {
		const char *digest = rn_json_str(image, "imageDigest");
		if (digest && !rn_json_str(image, "subjectManifestDigest") && !is_child(children, digest, NULL) &&
		    !rn_streq(digest, pushed))
			counted[n++] = image;
	}
	qsort(counted, n, sizeof(counted[0]), by_age);
	/* the image of this run has one of the places, be it new, old or only coming */
	bool has_place = coming;
	cJSON_ArrayForEach(image, details)
		has_place = has_place || rn_streq(rn_json_str(image, "imageDigest"), pushed);
	size_t stay = (size_t)keep - (has_place ? 1 : 0);
	cJSON *gone = cJSON_CreateArray();
	for (size_t i = n; i > stay; i--)
		cJSON_AddItemToArray(gone, cJSON_CreateString(rn_json_str(counted[i - 1], "imageDigest")));
	return gone;
}

cJSON *retention_followers(const cJSON *details, const cJSON *children, const cJSON *gone)
{
	cJSON *out = cJSON_CreateArray();
	const cJSON *image;
	cJSON_ArrayForEach(image, details) {
		const char *digest = rn_json_str(image, "imageDigest"), *subject = rn_json_str(image, "subjectManifestDigest");
		if (!digest || has_text(gone, digest) || rn_json_get(image, "imageTags"))
			continue;
		bool orphan = is_child(children, digest, NULL) && !is_child(children, digest, gone);
		if (orphan || (subject && has_text(gone, subject)))
			cJSON_AddItemToArray(out, cJSON_CreateString(digest));
	}
	return out;
}
