/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAPI documents from files: JSON or YAML into the same object, and what is refused early. */
#include "openapi.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "yaml/document.h"

#include <string.h>

#define MAX_BYTES ((size_t)6 * 1024 * 1024) /* of an import ("Amazon API Gateway quotas") */
#define INTRINSICS "!Sub, !Ref and Fn::… are replaced by CloudFormation, not by API Gateway: leave " \
	"x-amazon-apigateway-integration out and give `function`, or write the ARN itself"

/* ---- notation -------------------------------------------------------------------------- */

/* A name that does not tell is settled by the text: a JSON document begins with a brace. */
static bool is_yaml(const char *path, const char *text)
{
	if (rn_ends(path, ".yaml") || rn_ends(path, ".yml"))
		return true;
	return !rn_ends(path, ".json") && text[strspn(text, " \t\r\n")] != '{';
}

/* All that is wrong, each with its line and a caret. */
static int fail_yaml(struct diags *d, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf words = RN_BUF_INIT;
	diags_print(d, false, &words);
	while (words.len && words.p[words.len - 1] == '\n')
		words.len--;
	const struct diag_at at = d->n ? d->v[0].at : (struct diag_at){ 0 };
	rn_fail(err, RN_EINVAL, "the OpenAPI document cannot be read (line %d, column %d):\n%.*s", at.line, at.column, (int)words.len, words.p);
	rn_at(err, (unsigned)at.line, (unsigned)at.column);
	return strstr(err->msg, "the tag \"!") ? rn_hint(err, INTRINSICS) : -1;
}

/*
 * What the specification calls a string and people write like a number: `version: 1.0` is "1.0",
 * as it stands in the file, not 1.
 */
static void keep_text(cJSON *o, const struct doc_node *map, const char *name)
{
	const struct doc_node *value = doc_get(map, name);
	if (value && (value->kind == DOC_NUMBER || value->kind == DOC_BOOL))
		cJSON_ReplaceItemInObjectCaseSensitive(o, name, cJSON_CreateString(value->text));
}

static cJSON *parse_yaml(const char *path, const char *text, size_t n, struct rn_error *err)
{
	struct diags d;
	cJSON *doc = NULL;
	diags_init(&d, path, text);
	RN_AUTO(doc_freep) struct doc_node *root = document_parse(text, n, &d);
	if (d.errors) {
		fail_yaml(&d, err);
	} else if (!root || root->kind != DOC_MAP) {
		rn_fail(err, RN_EINVAL, "%s holds %s, and an OpenAPI document is a map", path, doc_kind_name(root));
	} else {
		doc = doc_to_json(root);
		keep_text(doc, root, "swagger");
		keep_text(doc, root, "openapi");
		keep_text(rn_json_get(doc, "info"), doc_get(root, "info"), "version");
		keep_text(rn_json_get(doc, "info"), doc_get(root, "info"), "title");
	}
	diags_clear(&d);
	return doc;
}

/* ---- checks ------------------------------------------------------------------------------ */

static int check_version(const cJSON *doc, const char *path, struct rn_error *err)
{
	const char *version = rn_json_str(doc, "openapi");
	if (rn_streq(rn_json_str(doc, "swagger"), "2.0") || (version && rn_starts(version, "3.0")))
		return 0;
	rn_fail(err, version ? RN_EUNSUPPORTED : RN_EINVAL, "%s %s%s", path,
		version ? "is OpenAPI " : "says neither \"openapi\": \"3.0.x\" nor \"swagger\": \"2.0\"", version ? version : "");
	return rn_hint(err, "API Gateway imports OpenAPI 3.0 and Swagger 2.0");
}

/* {"Fn::Sub": …} in place of a value: API Gateway would say that the integration is invalid. */
static int check_intrinsics(const cJSON *value, const char *where, struct rn_error *err)
{
	const cJSON *item;
	size_t i = 0;
	cJSON_ArrayForEach(item, value)
	{
		RN_AUTO(rn_freep) char *at = item->string ? rn_asprintf("%s%s%s", where, *where ? "." : "", item->string) :
							    rn_asprintf("%s[%zu]", where, i);
		i++;
		if (item->string && rn_starts(item->string, "Fn::")) {
			rn_fail(err, RN_EUNSUPPORTED, "the OpenAPI document has %s, which API Gateway does not know", at);
			return rn_hint(err, INTRINSICS);
		}
		if (check_intrinsics(item, at, err) < 0)
			return -1;
	}
	return 0;
}

cJSON *openapi_parse(const char *path, const char *text, size_t n, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *doc = is_yaml(path, text) ? parse_yaml(path, text, n, err) : rn_json_parse(text, n, err);
	if (!doc) {
		if (!strstr(err->msg, path))
			rn_wrap(err, "%s", path);
		return NULL;
	}
	if (check_version(doc, path, err) < 0 || check_intrinsics(doc, "", err) < 0)
		return NULL;
	if (!cJSON_IsObject(rn_json_get(doc, "info"))) {
		cJSON_DeleteItemFromObjectCaseSensitive(doc, "info");
		cJSON_AddStringToObject(cJSON_AddObjectToObject(doc, "info"), "version", "1");
	}
	if (openapi_count(doc) == 0) {
		rn_fail(err, RN_EINVAL, "%s describes no operation", path);
		return NULL;
	}
	return rn_take(&doc);
}

cJSON *openapi_read(const char *path, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (rn_read_file(path, MAX_BYTES, &text, err) < 0)
		return NULL;
	return openapi_parse(path, rn_buf_str(&text), text.len, err);
}
