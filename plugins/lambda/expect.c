/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing an answer with what is expected, and naming the first difference. */
#include "expect.h"

#include <string.h>

#define SHOWN_MAX 200

static bool match(const cJSON *want, const cJSON *have, const char *where, struct rn_buf *why);

static bool differ(const cJSON *want, const cJSON *have, const char *where, struct rn_buf *why)
{
	RN_AUTO(rn_freep) char *expected = rn_json_print(want);
	RN_AUTO(rn_freep) char *got = have ? rn_json_print(have) : rn_strdup("nothing");
	rn_buf_addf(why, "%s%sexpected %.*s, got %.*s", where, *where ? ": " : "", SHOWN_MAX, expected, SHOWN_MAX, got);
	return false;
}

static bool match_object(const cJSON *want, const cJSON *have, const char *where, struct rn_buf *why)
{
	if (!cJSON_IsObject(have))
		return differ(want, have, where, why);
	const cJSON *item;
	cJSON_ArrayForEach(item, want)
	{
		RN_AUTO(rn_freep) char *inner = rn_asprintf("%s%s%s", where, *where ? "." : "", item->string);
		if (!match(item, rn_json_get(have, item->string), inner, why))
			return false;
	}
	return true;
}

static bool match_array(const cJSON *want, const cJSON *have, const char *where, struct rn_buf *why)
{
	if (!cJSON_IsArray(have) || cJSON_GetArraySize(have) != cJSON_GetArraySize(want))
		return differ(want, have, where, why);
	const cJSON *a = want->child, *b = have->child;
	for (int i = 0; a && b; i++, a = a->next, b = b->next) {
		RN_AUTO(rn_freep) char *inner = rn_asprintf("%s[%d]", where, i);
		if (!match(a, b, inner, why))
			return false;
	}
	return true;
}

/* A document inside a string: only maps and lists count, so that "1" and "1.0" stay different strings. */
static cJSON *inner_document(const cJSON *text)
{
	cJSON *j = cJSON_IsString(text) ? rn_json_parse_str(text->valuestring, NULL) : NULL;
	if (j && !cJSON_IsArray(j) && !cJSON_IsObject(j)) {
		cJSON_Delete(j);
		return NULL;
	}
	return j;
}

static bool match_string(const cJSON *want, const cJSON *have, const char *where, struct rn_buf *why)
{
	if (cJSON_IsString(have) && strcmp(want->valuestring, have->valuestring) == 0)
		return true;
	RN_AUTO(rn_json_freep) cJSON *a = inner_document(want);
	RN_AUTO(rn_json_freep) cJSON *b = inner_document(have);
	return a && b && rn_json_equal(a, b) ? true : differ(want, have, where, why);
}

static bool match(const cJSON *want, const cJSON *have, const char *where, struct rn_buf *why)
{
	if (!have)
		return differ(want, have, where, why);
	if (cJSON_IsObject(want))
		return match_object(want, have, where, why);
	if (cJSON_IsArray(want))
		return match_array(want, have, where, why);
	if (cJSON_IsString(want))
		return match_string(want, have, where, why);
	return rn_json_equal(want, have) ? true : differ(want, have, where, why);
}

bool expect_match(const cJSON *want, const cJSON *have, struct rn_buf *why)
{
	return match(want, have, "", why);
}
