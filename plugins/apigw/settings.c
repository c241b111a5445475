/* SPDX-License-Identifier: Apache-2.0 */
/* Method settings of a stage, and its access log. */
#include "settings.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

#define ALL "* *"
#define ACCESS_FORMAT \
	"{\"requestId\":\"$context.requestId\",\"ip\":\"$context.identity.sourceIp\",\"time\":\"$context.requestTime\"," \
	"\"method\":\"$context.httpMethod\",\"path\":\"$context.path\",\"status\":\"$context.status\"," \
	"\"latency\":\"$context.responseLatency\",\"error\":\"$context.error.message\"}"

/* Members of a setting: name on the wire, tail of its patch path, the parameter that a reader knows. */
static const struct member {
	const char *wire, *tail, *spoken;
	enum { LIMIT, FLAG, TEXT } type;
} members[] = {
	{ "throttlingRateLimit", "/throttling/rateLimit", "throttle.rate", LIMIT },
	{ "throttlingBurstLimit", "/throttling/burstLimit", "throttle.burst", LIMIT },
	{ "loggingLevel", "/logging/loglevel", "log_level", TEXT },
	{ "dataTraceEnabled", "/logging/dataTrace", "log_data", FLAG },
	{ "metricsEnabled", "/metrics/enabled", "metrics", FLAG },
	{ "cachingEnabled", "/caching/enabled", "cache", FLAG },
};

/* ---- parameters ------------------------------------------------------------------------- */

static int check_members(const cJSON *o, const char *what, const char *first, const char *second, struct rn_error *err)
{
	const char *const known[] = { first, second };
	const cJSON *item;
	if (!cJSON_IsObject(o))
		return rn_fail(err, RN_EINVAL, "%s must be a map with %s and %s", what, first, second);
	cJSON_ArrayForEach(item, o)
	{
		if (strcmp(item->string, first) == 0 || strcmp(item->string, second) == 0)
			continue;
		const char *near = rn_nearest(item->string, known, RN_LEN(known));
		rn_fail(err, RN_EINVAL, "%s has no member \"%s\"", what, item->string);
		return rn_hint(err, near ? "did you mean %s?" : "it takes %s and %s", near ? near : first, second);
	}
	return 0;
}

static int check_throttle(const char *text, struct throttle *ret, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *o = text ? rn_json_parse_str(text, err) : NULL;
	*ret = (struct throttle){ 0 };
	if (!text)
		return 0;
	if (!o || check_members(o, "throttle", "rate", "burst", err) < 0)
		return -1;
	return throttle_parse(o, "throttle", ret, err);
}

int settings_check(const struct apigw_params *p, const char **ret_param, struct rn_error *err)
{
	struct throttle t;
	*ret_param = "throttle";
	if (check_throttle(p->throttle.text, &t, err) < 0)
		return -1;
	*ret_param = "log_data";
	if (p->log_data && (!p->log_level || strcmp(p->log_level, "OFF") == 0)) {
		rn_fail(err, RN_EINVAL, "log_data logs requests and answers whole, and log_level is OFF");
		return rn_hint(err, "add log_level: INFO");
	}
	*ret_param = "access_log";
	if (p->access_log.text) {
		RN_AUTO(rn_json_freep) cJSON *o = rn_json_parse_str(p->access_log.text, err);
		if (!o || check_members(o, "access_log", "group", "format", err) < 0)
			return -1;
		if (!rn_json_str(o, "group") || (rn_json_get(o, "format") && !rn_json_str(o, "format")))
			return rn_fail(err, RN_EINVAL, "access_log needs group, the name or ARN of a log group; format is a text");
	}
	*ret_param = NULL;
	return 0;
}

/* ---- both sides -------------------------------------------------------------------------- */

static cJSON *setting(const struct apigw_params *p, const struct throttle *t)
{
	cJSON *o = cJSON_CreateObject();
	if (t->rate > 0) {
		cJSON_AddNumberToObject(o, "throttlingRateLimit", t->rate);
		cJSON_AddNumberToObject(o, "throttlingBurstLimit", (double)t->burst);
	}
	cJSON_AddStringToObject(o, "loggingLevel", p->log_level ? p->log_level : "OFF");
	cJSON_AddBoolToObject(o, "dataTraceEnabled", p->log_data);
	cJSON_AddBoolToObject(o, "metricsEnabled", p->metrics);
	cJSON_AddFalseToObject(o, "cachingEnabled");
	return o;
}

cJSON *settings_want(const struct routes *r, const struct apigw_params *p)
{
	cJSON *all = cJSON_CreateObject();
	struct throttle t = { 0 };
	check_throttle(p->throttle.text, &t, NULL);
	bool logs = p->log_level && strcmp(p->log_level, "OFF") != 0;
	if (t.rate > 0 || logs || p->metrics)
		cJSON_AddItemToObject(all, ALL, setting(p, &t));
	for (size_t i = 0; i < r->n; i++) {
		/* a setting of one method replaces the one for all, so it has to say everything */
		RN_AUTO(rn_freep) char *key = rn_asprintf("%s %s", r->v[i].path, r->v[i].method);
		if (r->v[i].throttle.rate > 0)
			cJSON_AddItemToObject(all, key, setting(p, &r->v[i].throttle));
	}
	return all;
}

/* "predict/POST", "~1predict/POST", "a~1b/GET", "~1/GET" -> "/predict POST", "/a/b GET", "/ GET"; new string. */
static char *key_of(const char *wire)
{
	const char *slash = strrchr(wire, '/');
	RN_AUTO(rn_freep) char *resource = rn_strndup(wire, slash ? (size_t)(slash - wire) : strlen(wire));
	RN_AUTO(rn_freep) char *slashes = rn_replace(resource, "~1", "/");
	RN_AUTO(rn_freep) char *path = rn_replace(slashes, "~0", "~");
	bool whole = *path == '/' || strcmp(path, "*") == 0;
	return rn_asprintf("%s%s %s", whole ? "" : "/", path, slash ? slash + 1 : "");
}

cJSON *settings_have(const cJSON *stage)
{
	cJSON *all = cJSON_CreateObject();
	const cJSON *item;
	cJSON_ArrayForEach(item, rn_json_get(stage, "methodSettings"))
	{
		RN_AUTO(rn_freep) char *key = key_of(item->string);
		if (!rn_json_get(all, key))
			cJSON_AddItemToObject(all, key, cJSON_Duplicate(item, true));
	}
	return all;
}

/* "/predict POST" -> "/predict/POST", "/a/b GET" -> "/a~1b/GET", "/ GET" -> "/~1/GET", "* *" -> "/(*)/(*)"; new string. */
static char *patch_prefix(const char *key)
{
	const char *blank = strrchr(key, ' ');
	RN_AUTO(rn_freep) char *path = rn_strndup(key, (size_t)(blank - key));
	RN_AUTO(rn_freep) char *resource = patch_path("", *path == '/' && path[1] ? path + 1 : path);
	return rn_asprintf("%s/%s", resource, blank + 1);
}

/* ---- difference ----------------------------------------------------------------------------- */

/* A member as text; what is not there has its default. NULL: no limit is told. New string. */
static char *value_of(const cJSON *o, const struct member *m)
{
	const cJSON *v = rn_json_get(o, m->wire);
	if (m->type == LIMIT)
		return cJSON_IsNumber(v) && v->valuedouble >= 0 ? rn_asprintf("%.15g", v->valuedouble) : NULL;
	if (m->type == FLAG)
		return rn_strdup(cJSON_IsTrue(v) ? "true" : "false");
	return rn_strdup(cJSON_IsString(v) ? v->valuestring : "OFF");
}

static bool is_account(const cJSON *o, const struct throttle *account)
{
	return account->rate > 0 && rn_json_num(o, "throttlingRateLimit", -1) >= account->rate &&
	       rn_json_int(o, "throttlingBurstLimit", -1) >= account->burst;
}

bool settings_need_account(const cJSON *have, const cJSON *want)
{
	const cJSON *all = rn_json_get(have, ALL);
	return rn_json_num(all, "throttlingRateLimit", -1) >= 0 && !rn_json_get(rn_json_get(want, ALL), "throttlingRateLimit");
}

static void patch_one(cJSON *ops, const char *key, const cJSON *have, const cJSON *want, const struct throttle *account,
		      struct stage_diff *d)
{
	RN_AUTO(rn_freep) char *prefix = patch_prefix(key);
	bool all = strcmp(key, ALL) == 0;
	for (size_t i = 0; i < RN_LEN(members); i++) {
		const struct member *m = &members[i];
		RN_AUTO(rn_freep) char *old = value_of(have, m);
		RN_AUTO(rn_freep) char *new = value_of(want, m);
		RN_AUTO(rn_freep) char *name = all ? rn_strdup(m->spoken) : rn_asprintf("%s of %s", m->spoken, key);
		RN_AUTO(rn_freep) char *path = rn_asprintf("%s%s", prefix, m->tail);
		if (m->type == LIMIT && !new && (!old || is_account(have, account)))
			continue;
		if (stage_diff_str(d, name, old, new))
			patch_add(ops, "replace", path, new ? new : "-1");
	}
}

void settings_patch(cJSON *ops, const cJSON *have, const cJSON *want, const struct throttle *account, struct stage_diff *d)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, want)
		patch_one(ops, item->string, rn_json_get(have, item->string), item, account, d);
	cJSON_ArrayForEach(item, have)
	{
		if (rn_json_get(want, item->string))
			continue;
		if (strcmp(item->string, ALL) == 0) {
			patch_one(ops, ALL, item, NULL, account, d);
			continue;
		}
		RN_AUTO(rn_freep) char *prefix = patch_prefix(item->string);
		stage_diff_note(d, "settings of %s: removed", item->string);
		patch_add(ops, "remove", prefix, NULL);
	}
}

/* ---- access log --------------------------------------------------------------------------------- */

cJSON *settings_access_log(const struct apigw_params *p, const struct content_place *at)
{
	RN_AUTO(rn_json_freep) cJSON *o = p->access_log.text ? rn_json_parse_str(p->access_log.text, NULL) : NULL;
	const char *group = rn_json_str(o, "group"), *format = rn_json_str(o, "format");
	if (!group)
		return NULL;
	RN_AUTO(rn_freep) char *arn = rn_starts(group, "arn:") ? rn_strdup(group) :
								 rn_asprintf("arn:%s:logs:%s:%s:log-group:%s", at->partition,
									     at->region, at->account, group);
	cJSON *want = cJSON_CreateObject();
	size_t n = strlen(arn);
	if (rn_ends(arn, ":*")) /* as CloudWatch Logs tells it; API Gateway wants it without */
		arn[n - 2] = '\0';
	cJSON_AddStringToObject(want, "destinationArn", arn);
	cJSON_AddStringToObject(want, "format", format ? format : ACCESS_FORMAT);
	return want;
}

void settings_patch_access_log(cJSON *ops, const cJSON *have, const cJSON *want, struct stage_diff *d)
{
	static const char *const names[][2] = { { "destinationArn", "/accessLogSettings/destinationArn" },
						{ "format", "/accessLogSettings/format" } };
	const char *old = rn_json_str(have, "destinationArn");
	if (!want) {
		if (stage_diff_str(d, "access_log", old, NULL))
			patch_add(ops, "remove", "/accessLogSettings", NULL);
		return;
	}
	for (size_t i = 0; i < RN_LEN(names); i++) {
		const char *new = rn_json_str(want, names[i][0]);
		RN_AUTO(rn_freep) char *field = rn_asprintf("access_log.%s", i ? "format" : "group");
		if (stage_diff_str(d, field, rn_json_str(have, names[i][0]), new))
			patch_add(ops, "replace", names[i][1], new);
	}
}
