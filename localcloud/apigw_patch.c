/* SPDX-License-Identifier: Apache-2.0 */
#include "apigw_patch.h"

#include <stdlib.h>
#include <string.h>

static int refuse(struct request *req, struct response *res, const char *op, const char *path,
		  const char *why)
{
	return answer_error(req, res, 400, "BadRequestException",
			    "Invalid patch path '%s' specified for op '%s'. %s", path, op, why);
}

/* "/a/b~1c" -> "a", "b/c" */
static void split_path(const char *path, struct rn_strv *ret)
{
	RN_AUTO(rn_strv_clear) struct rn_strv raw = { 0 };
	rn_strv_split(&raw, *path == '/' ? path + 1 : path, '/');
	for (size_t i = 0; i < raw.n; i++) {
		RN_AUTO(rn_freep) char *slash = rn_replace(raw.v[i], "~1", "/");
		rn_strv_take(ret, rn_replace(slash, "~0", "~"));
	}
}

static const char *last(const struct rn_strv *segments)
{
	return segments->n ? segments->v[segments->n - 1] : "";
}

static bool fits(const char *pattern, const struct rn_strv *segments)
{
	RN_AUTO(rn_strv_clear) struct rn_strv want = { 0 };
	rn_strv_split(&want, pattern + 1, '/');
	if (want.n != segments->n)
		return false;
	for (size_t i = 0; i < want.n; i++)
		if (strcmp(want.v[i], "{}") != 0 && strcmp(want.v[i], segments->v[i]) != 0)
			return false;
	return true;
}

static bool is_one_of(const char *value, const char *list)
{
	RN_AUTO(rn_strv_clear) struct rn_strv allowed = { 0 };
	rn_strv_split(&allowed, list, '|');
	return rn_strv_has(&allowed, value);
}

/* The value as the row's type; NULL when it is not of it. */
static cJSON *convert(enum patch_type type, const char *value)
{
	int64_t n = 0;
	double d = 0;
	bool b = false;
	switch (type) {
	case PATCH_STRING:
	case PATCH_LIST:
	case PATCH_MAP:
	case PATCH_OBJECT:
		return cJSON_CreateString(value);
	case PATCH_BOOL:
	case PATCH_MAP_BOOL:
		return rn_parse_bool(value, &b, NULL) == 0 ? cJSON_CreateBool(b) : NULL;
	case PATCH_INT:
		return rn_parse_int(value, 0, INT32_MAX, &n, NULL) == 0
			       ? cJSON_CreateNumber((double)n)
			       : NULL;
	case PATCH_NUMBER:
		return rn_parse_double(value, &d, NULL) == 0 && d >= 0 ? cJSON_CreateNumber(d)
								       : NULL;
	}
	return NULL;
}

static void set_member(cJSON *object, const char *name, cJSON *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, name);
	if (value)
		cJSON_AddItemToObject(object, name, value);
}

/* The object that holds the last segment; made on the way unless `op` removes. */
static cJSON *holder(cJSON *doc, const struct rn_strv *segments, bool make)
{
	cJSON *at = doc;
	for (size_t i = 0; i + 1 < segments->n && at; i++) {
		cJSON *next = rn_json_get(at, segments->v[i]);
		if (!next && make)
			next = cJSON_AddObjectToObject(at, segments->v[i]);
		at = next;
	}
	return at;
}

static void change_list(cJSON *doc, const struct rn_strv *segments, const char *op,
			const char *value)
{
	const char *name = segments->n ? segments->v[0] : "", *member = last(segments);
	cJSON *at = doc;
	for (size_t i = 0; i + 2 < segments->n; i++, name = segments->v[i]) {
		cJSON *next = rn_json_get(at, name);
		at = next ? next : cJSON_AddObjectToObject(at, name);
	}
	cJSON *list = rn_json_get(at, name);
	if (!list)
		list = cJSON_AddArrayToObject(at, name);
	for (cJSON *one = list->child, *next; one; one = next) {
		next = one->next;
		if (rn_streq(one->valuestring, member))
			cJSON_Delete(cJSON_DetachItemViaPointer(list, one));
	}
	if (!strcmp(op, "add"))
		cJSON_AddItemToArray(list, cJSON_CreateString(member));
	else if (!strcmp(op, "replace"))
		cJSON_AddItemToArray(list, cJSON_CreateString(value));
	if (!list->child) /* an empty list is none */
		set_member(at, name, NULL);
}

static int change(struct request *req, struct response *res, cJSON *doc,
		  const struct patch_row *row, const char *op, const char *path,
		  const struct rn_strv *segments, const char *value)
{
	bool removes = !strcmp(op, "remove");
	bool keyed = row->type == PATCH_LIST || row->type == PATCH_MAP ||
		     row->type == PATCH_MAP_BOOL;
	if (row->type == PATCH_OBJECT && !removes)
		return refuse(req, res, op, path, "Only remove is supported.");
	if (strcmp(op, "add") != 0 && strcmp(op, "replace") != 0 && !removes)
		return refuse(req, res, op, path, "Must be one of: [add, remove, replace]");
	if (row->type == PATCH_LIST) {
		const char *member = !strcmp(op, "replace") ? value : last(segments);
		if (!member || (row->one_of && !is_one_of(member, row->one_of)))
			return refuse(req, res, op, path, "The value is not valid.");
		change_list(doc, segments, op, value);
		return 0;
	}
	cJSON *object = holder(doc, segments, !removes);
	if (removes) {
		if (object)
			set_member(object, last(segments), NULL);
		if (object && !object->child && keyed && segments->n == 2) /* an empty map is none */
			set_member(doc, segments->v[0], NULL);
		return 0;
	}
	if (!value && keyed)
		value = row->type == PATCH_MAP_BOOL ? "false" : "";
	cJSON *item = value ? convert(row->type, value) : NULL;
	if (!item || (row->one_of && !is_one_of(value, row->one_of))) {
		cJSON_Delete(item);
		return answer_error(req, res, 400, "BadRequestException",
				    "Invalid value '%s' specified for '%s'%s%s",
				    value ? value : "null", path, row->one_of ? ": one of " : "",
				    row->one_of ? row->one_of : "");
	}
	set_member(object, last(segments), item);
	return 0;
}

static void list_paths(const struct patch_table *table, struct rn_buf *to)
{
	for (size_t i = 0; i < table->n; i++)
		rn_buf_addf(to, "%s%s", i ? ", " : "", table->rows[i].path);
}

static int apply_one(struct request *req, struct response *res, cJSON *doc,
		     const struct patch_table *table, const cJSON *patch)
{
	const char *op = rn_json_str(patch, "op"), *path = rn_json_str(patch, "path"),
		   *value = rn_json_str(patch, "value");
	if (!op || !path)
		return answer_error(req, res, 400, "BadRequestException",
				    "A patch operation needs op and path");
	RN_AUTO(rn_strv_clear) struct rn_strv segments = { 0 };
	split_path(path, &segments);
	if (table->special) {
		int rc = table->special(req, res, doc, op, &segments, value);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
	for (size_t i = 0; i < table->n; i++)
		if (fits(table->rows[i].path, &segments))
			return change(req, res, doc, &table->rows[i], op, path, &segments, value);
	RN_AUTO(rn_buf_clearp) struct rn_buf paths = RN_BUF_INIT;
	list_paths(table, &paths);
	RN_AUTO(rn_freep) char *why = rn_asprintf("Must be one of: [%s]", rn_buf_str(&paths));
	return refuse(req, res, op, path, why);
}

int patch_apply(struct request *req, struct response *res, cJSON *doc,
		const struct patch_table *table)
{
	cJSON *in = request_json(req, res);
	const cJSON *list = in ? rn_json_get(in, "patchOperations") : NULL;
	if (!in)
		return -1;
	if (list && !cJSON_IsArray(list))
		return answer_error(req, res, 400, "BadRequestException",
				    "patchOperations must be a list");
	for (const cJSON *patch = list ? list->child : NULL; patch; patch = patch->next)
		if (apply_one(req, res, doc, table, patch) < 0)
			return -1;
	return 0;
}
