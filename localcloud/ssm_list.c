/* SPDX-License-Identifier: Apache-2.0 */
/* Parameter Store's lists: by path, and all that there is to know but the values. */
#include "ssm.h"

#include "store.h"

#include "base/encode.h"

#include <string.h>

enum { BY_PATH_MAX = 10, DESCRIBE_MAX = 50 };

/* ---- pages: a token is the last name of the page before ---- */

struct page {
	int64_t max;
	struct rn_buf after; /* empty: from the first */
};

static int read_page(struct request *req, struct response *res, int64_t most, struct page *ret)
{
	const char *token = rn_json_str(req->json, "NextToken");
	ret->max = rn_json_int(req->json, "MaxResults", most);
	ret->after = (struct rn_buf)RN_BUF_INIT;
	if (ret->max < 1 || ret->max > most)
		return answer_error(req, res, 400, "ValidationException",
				    "1 validation error detected: Value at 'maxResults' failed to satisfy constraint: Member must have value "
				    "between 1 and %d", (int)most);
	if (token && *token && (rn_base64_decode(token, &ret->after, NULL) < 0 || !ret->after.len)) {
		rn_buf_clear(&ret->after);
		return answer_error(req, res, 400, "InvalidNextToken", "The specified token isn't valid.");
	}
	return 0;
}

struct filters {
	bool (*fits)(const struct filters *f, const cJSON *doc);
	const char *path; /* with a slash at its end */
	bool recursive;
	const cJSON *list; /* ParameterFilters */
};

static void answer_page(struct request *req, struct response *res, struct page *p, const struct filters *f,
			cJSON *(*show)(const cJSON *doc))
{
	RN_AUTO(rn_json_freep) cJSON *all = store_list(req->cloud->store, PARAMETER, req->region,
						       p->after.len ? rn_buf_str(&p->after) : NULL, 0);
	cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "Parameters"), *doc;
	const char *last = NULL; /* name of the last one on the page */
	int64_t n = 1;
	cJSON_ArrayForEach(doc, all) {
		if (!f->fits(f, doc))
			continue;
		if (last && n++ == p->max) {
			RN_AUTO(rn_freep) char *token = rn_base64(last, strlen(last));
			cJSON_AddStringToObject(out, "NextToken", token);
			break;
		}
		last = rn_json_str(doc, "Name");
		cJSON_AddItemToArray(list, show(doc));
	}
	rn_buf_clear(&p->after);
	response_json(req, res, 200, out);
}

/* ---- GetParametersByPath ---- */

static bool is_below(const char *name, const char *path, bool recursive)
{
	size_t n = strlen(path);
	return !strncmp(name, path, n) && name[n] && (recursive || !strchr(name + n, '/'));
}

static bool fits_path(const struct filters *f, const cJSON *doc)
{
	return is_below(rn_json_str(doc, "Name"), f->path, f->recursive);
}

void ssm_get_by_path(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res);
	const char *path = rn_json_str(in, "Path");
	struct page p;
	if (!in)
		return;
	if (!path || *path != '/') {
		ssm_invalid(req, res, "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward "
				      "slash \"/\".");
		return;
	}
	if (cJSON_GetArraySize(rn_json_get(in, "ParameterFilters")) > 0) {
		answer_error(req, res, 400, "InvalidFilterKey", "this local cloud filters by path alone");
		return;
	}
	RN_AUTO(rn_freep) char *below = rn_asprintf("%s%s", path, rn_ends(path, "/") ? "" : "/");
	struct filters f = { .fits = fits_path, .path = below, .recursive = rn_json_bool(in, "Recursive", false) };
	if (read_page(req, res, BY_PATH_MAX, &p) == 0)
		answer_page(req, res, &p, &f, ssm_public);
}

/* ---- DescribeParameters ---- */

static bool text_fits(const char *have, const char *want, const char *option)
{
	if (rn_streq(option, "BeginsWith"))
		return rn_starts(have, want);
	if (rn_streq(option, "Contains"))
		return strstr(have, want) != NULL;
	return !strcmp(have, want);
}

static bool filter_fits(const cJSON *filter, const cJSON *doc)
{
	const char *key = rn_json_str(filter, "Key"), *option = rn_json_str(filter, "Option");
	const cJSON *value;
	cJSON_ArrayForEach(value, rn_json_get(filter, "Values")) {
		if (!cJSON_IsString(value))
			continue;
		RN_AUTO(rn_freep) char *below = rn_asprintf("%s%s", value->valuestring, rn_ends(value->valuestring, "/") ? "" : "/");
		if (!strcmp(key, "Path") ? is_below(rn_json_str(doc, "Name"), below, rn_streq(option, "Recursive"))
					 : text_fits(rn_json_str(doc, key), value->valuestring, option))
			return true;
	}
	return false;
}

static bool fits_all(const struct filters *f, const cJSON *doc)
{
	const cJSON *one;
	cJSON_ArrayForEach(one, f->list)
		if (!filter_fits(one, doc))
			return false;
	return true;
}

static int check_filters(struct request *req, struct response *res, const cJSON *list)
{
	static const char *const options[] = { "Equals", "BeginsWith", "Contains", "Recursive", "OneLevel" };
	const cJSON *one;
	cJSON_ArrayForEach(one, list) {
		const char *key = rn_json_str(one, "Key"), *option = rn_json_str(one, "Option");
		bool known = !option;
		if (!rn_streq(key, "Name") && !rn_streq(key, "Type") && !rn_streq(key, "Path"))
			return answer_error(req, res, 400, "InvalidFilterKey", "this local cloud filters by Name, Type and Path, not by %s",
					    key ? key : "(none)");
		for (size_t i = 0; i < RN_LEN(options); i++)
			known |= rn_streq(option, options[i]);
		if (!known)
			return answer_error(req, res, 400, "InvalidFilterOption", "The specified filter option isn't valid: %s", option);
	}
	return 0;
}

static cJSON *described(const cJSON *doc)
{
	static const char *const shown[][2] = {
		{ "Name", "Name" }, { "ARN", "ARN" }, { "Type", "Type" }, { "LastModifiedDate", "LastModifiedDate" },
		{ "_LastModifiedUser", "LastModifiedUser" }, { "_Description", "Description" },
		{ "_AllowedPattern", "AllowedPattern" }, { "Version", "Version" }, { "_Tier", "Tier" }, { "DataType", "DataType" },
	};
	cJSON *out = cJSON_CreateObject();
	for (size_t i = 0; i < RN_LEN(shown); i++) {
		const cJSON *value = rn_json_get(doc, shown[i][0]);
		if (value)
			cJSON_AddItemToObject(out, shown[i][1], cJSON_Duplicate(value, true));
	}
	cJSON_AddArrayToObject(out, "Policies");
	return out;
}

void ssm_describe(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res);
	struct page p;
	if (!in)
		return;
	if (cJSON_GetArraySize(rn_json_get(in, "Filters")) > 0) {
		answer_error(req, res, 400, "InvalidFilterKey", "this local cloud knows ParameterFilters, not the older Filters");
		return;
	}
	struct filters f = { .fits = fits_all, .list = rn_json_get(in, "ParameterFilters") };
	if (check_filters(req, res, f.list) == 0 && read_page(req, res, DESCRIBE_MAX, &p) == 0)
		answer_page(req, res, &p, &f, described);
}
