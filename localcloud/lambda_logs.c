/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CloudWatch Logs as far as functions need it: groups with retention and tags, streams,
 * and their events, read from the files that lambda_stream.c writes.
 */
#include "lambda_logs.h"

#include "base/fs.h"
#include "base/time.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP "logs.group" /* by region and name */
#define STREAM_BYTES_MAX ((size_t)256 << 20)

char *logs_group_dir(const struct cloud *c, const char *region, const char *group)
{
	RN_AUTO(rn_freep) char *name = rn_replace(group, "/", "~");
	return rn_asprintf("%s/lambda/logs/%s/%s", c->dir, region, name);
}

static cJSON *new_group(const char *region, const char *name)
{
	cJSON *g = cJSON_CreateObject();
	RN_AUTO(rn_freep) char *arn = cloud_arn("logs", region, "log-group:%s:*", name);
	RN_AUTO(rn_freep) char *plain = cloud_arn("logs", region, "log-group:%s", name);
	cJSON_AddStringToObject(g, "logGroupName", name);
	cJSON_AddNumberToObject(g, "creationTime", (double)rn_wall_ms());
	cJSON_AddNumberToObject(g, "metricFilterCount", 0);
	cJSON_AddStringToObject(g, "arn", arn);
	cJSON_AddStringToObject(g, "logGroupArn", plain);
	cJSON_AddNumberToObject(g, "storedBytes", 0);
	cJSON_AddStringToObject(g, "logGroupClass", "STANDARD");
	cJSON_AddItemToObject(g, "_tags", cJSON_CreateObject());
	return g;
}

void logs_ensure_group(struct cloud *c, const char *region, const char *group)
{
	if (!group || store_has(c->store, GROUP, region, group))
		return;
	RN_AUTO(rn_json_freep) cJSON *g = new_group(region, group);
	cJSON_AddBoolToObject(g, "_automatic", true);
	store_put(c->store, GROUP, region, group, g, NULL);
}

/* It becomes the name of a folder. */
bool logs_name_valid(const char *name)
{
	static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/#-";
	size_t n = strlen(name);
	return n > 0 && n <= 512 && strspn(name, ALLOWED) == n && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

char *logs_group_name(struct request *req, struct response *res, const char *member)
{
	const cJSON *in = request_json(req, res);
	const char *text = in ? rn_json_str(in, member) : NULL;
	const char *mark = text ? strstr(text, ":log-group:") : NULL;
	char *name = rn_strdup(mark ? mark + strlen(":log-group:") : text);
	if (name && rn_ends(name, ":*"))
		name[strlen(name) - 2] = '\0';
	if (in && !name)
		answer_error(req, res, 400, "InvalidParameterException",
			     "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be "
			     "null",
			     member);
	bool valid = name && logs_name_valid(name);
	if (!name || (valid && strlen(name) <= NAME_MAX))
		return name;
	if (valid) {
		answer_error(req, res, 400, "InvalidParameterException", "The local cloud keeps log groups in folders: a name has at most %d characters here", NAME_MAX);
		free(name);
		return NULL;
	}
	answer_error(req, res, 400, "InvalidParameterException",
		     "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression "
		     "pattern: [\\.\\-_/#A-Za-z0-9]+",
		     name, member);
	free(name);
	return NULL;
}

cJSON *logs_require(struct request *req, struct response *res, const char *name)
{
	cJSON *g = store_get(req->cloud->store, GROUP, req->region, name);
	if (!g)
		answer_error(req, res, 400, "ResourceNotFoundException", "The specified log group does not exist.");
	return g;
}

void logs_answer_empty(struct request *req, struct response *res)
{
	response_json(req, res, 200, cJSON_CreateObject());
}

/* ---- groups ---- */

static void create_group(struct request *req, struct response *res)
{
	RN_AUTO(rn_freep) char *name = logs_group_name(req, res, "logGroupName");
	if (!name)
		return;
	if (store_has(req->cloud->store, GROUP, req->region, name)) {
		answer_error(req, res, 400, "ResourceAlreadyExistsException", "The specified log group already exists");
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *g = new_group(req->region, name);
	const cJSON *tags = rn_json_get(req->json, "tags");
	if (cJSON_IsObject(tags))
		json_set(g, "_tags", cJSON_Duplicate(tags, true));
	store_put(req->cloud->store, GROUP, req->region, name, g, NULL);
	logs_answer_empty(req, res);
}

static void delete_group(struct request *req, struct response *res)
{
	RN_AUTO(rn_freep) char *name = logs_group_name(req, res, "logGroupName");
	RN_AUTO(rn_json_freep) cJSON *g = name ? logs_require(req, res, name) : NULL;
	if (!g)
		return;
	RN_AUTO(rn_freep) char *dir = logs_group_dir(req->cloud, req->region, name);
	store_remove(req->cloud->store, GROUP, req->region, name, NULL);
	rn_remove_tree(dir, NULL);
	logs_answer_empty(req, res);
}

static void describe_groups(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res), *g;
	if (!in)
		return;
	const char *prefix = rn_json_str(in, "logGroupNamePrefix"), *pattern = rn_json_str(in, "logGroupNamePattern");
	RN_AUTO(rn_json_freep) cJSON *docs = store_list(req->cloud->store, GROUP, req->region, NULL, 0);
	cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "logGroups");
	cJSON_ArrayForEach(g, docs) {
		const char *name = rn_json_str(g, "logGroupName");
		if ((!prefix || rn_starts(name, prefix)) && (!pattern || strstr(name, pattern)))
			cJSON_AddItemToArray(list, function_public(g, NULL));
	}
	response_json(req, res, 200, out);
}

/* The retentions that there are. */
static bool days_valid(const cJSON *days)
{
	static const int DAYS[] = { 1,	 3,   5,   7,	14,  30,   60,	 90,   120,  150,  180,
				    365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653 };
	for (size_t i = 0; cJSON_IsNumber(days) && i < RN_LEN(DAYS); i++)
		if (days->valuedouble == DAYS[i])
			return true;
	return false;
}

/* Removes the group's streams that nothing was written to for so long. */
static void expire(const struct cloud *c, const char *region, const char *group, double days)
{
	RN_AUTO(rn_freep) char *dir = logs_group_dir(c, region, group);
	RN_AUTO(rn_strv_clear) struct rn_strv files = { 0 };
	if (rn_list_dir(dir, &files, NULL) < 0)
		return;
	for (size_t i = 0; i < files.n; i++) {
		struct stat st;
		RN_AUTO(rn_freep) char *path = rn_path_join(dir, files.v[i]);
		if (stat(path, &st) == 0 && cloud_now() - (double)st.st_mtime > days * 86400)
			unlink(path);
	}
}

static int start(struct cloud *c, const struct service *self, struct rn_error *err)
{
	(void)self;
	store_begin(c->store);
	sqlite3_stmt *q = store_query(c->store,
				      "SELECT parent, id, json_extract(doc, '$.retentionInDays') FROM object WHERE kind = ?1"
				      " AND json_extract(doc, '$.retentionInDays') > 0",
				      1, (const char *[]){ GROUP });
	while (store_row(c->store, q))
		expire(c, (const char *)sqlite3_column_text(q, 0), (const char *)sqlite3_column_text(q, 1),
		       sqlite3_column_double(q, 2));
	store_done(q);
	return store_end(c->store, false, err);
}

static void put_retention(struct request *req, struct response *res)
{
	RN_AUTO(rn_freep) char *name = logs_group_name(req, res, "logGroupName");
	RN_AUTO(rn_json_freep) cJSON *g = name ? logs_require(req, res, name) : NULL;
	const cJSON *days = rn_json_get(req->json, "retentionInDays");
	if (!g)
		return;
	if (!days_valid(days)) {
		RN_AUTO(rn_freep) char *text = days ? rn_json_print(days) : rn_strdup("null");
		answer_error(req, res, 400, "InvalidParameterException",
			     "1 validation error detected: Value '%s' at 'retentionInDays' failed to satisfy constraint: Member must "
			     "satisfy enum value set: [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, "
			     "2192, 2557, 2922, 3288, 3653]",
			     text);
		return;
	}
	expire(req->cloud, req->region, name, days->valuedouble);
	json_set(g, "retentionInDays", cJSON_CreateNumber(days->valuedouble));
	store_put(req->cloud->store, GROUP, req->region, name, g, NULL);
	logs_answer_empty(req, res);
}

static void delete_retention(struct request *req, struct response *res)
{
	RN_AUTO(rn_freep) char *name = logs_group_name(req, res, "logGroupName");
	RN_AUTO(rn_json_freep) cJSON *g = name ? logs_require(req, res, name) : NULL;
	if (!g)
		return;
	json_set_str(g, "retentionInDays", NULL);
	store_put(req->cloud->store, GROUP, req->region, name, g, NULL);
	logs_answer_empty(req, res);
}

/* ---- tags: both generations of the API ---- */

static const char *tag_member(const struct request *req)
{
	return strstr(req->operation, "LogGroup") ? "logGroupName" : "resourceArn";
}

static void list_tags(struct request *req, struct response *res)
{
	RN_AUTO(rn_freep) char *name = logs_group_name(req, res, tag_member(req));
	RN_AUTO(rn_json_freep) cJSON *g = name ? logs_require(req, res, name) : NULL;
	if (!g)
		return;
	cJSON *out = cJSON_CreateObject();
	cJSON_AddItemToObject(out, "tags", cJSON_Duplicate(rn_json_get(g, "_tags"), true));
	response_json(req, res, 200, out);
}

static void set_tags(struct request *req, struct response *res)
{
	RN_AUTO(rn_freep) char *name = logs_group_name(req, res, tag_member(req));
	RN_AUTO(rn_json_freep) cJSON *g = name ? logs_require(req, res, name) : NULL;
	const cJSON *t;
	if (!g)
		return;
	cJSON *tags = rn_json_get(g, "_tags");
	cJSON_ArrayForEach(t, rn_json_get(req->json, "tags"))
		json_set_str(tags, t->string, cJSON_IsString(t) ? t->valuestring : "");
	store_put(req->cloud->store, GROUP, req->region, name, g, NULL);
	logs_answer_empty(req, res);
}

static void remove_tags(struct request *req, struct response *res)
{
	RN_AUTO(rn_freep) char *name = logs_group_name(req, res, tag_member(req));
	RN_AUTO(rn_json_freep) cJSON *g = name ? logs_require(req, res, name) : NULL;
	const cJSON *t;
	if (!g)
		return;
	const cJSON *keys = rn_json_get(req->json, strstr(req->operation, "LogGroup") ? "tags" : "tagKeys");
	cJSON_ArrayForEach(t, keys)
		if (cJSON_IsString(t))
			json_set_str(rn_json_get(g, "_tags"), t->valuestring, NULL);
	store_put(req->cloud->store, GROUP, req->region, name, g, NULL);
	logs_answer_empty(req, res);
}

/* ---- streams and events ---- */

struct event {
	int64_t time;
	char *text;
	const char *stream;
	size_t index;
};

struct events {
	struct event *v;
	size_t n, cap;
};

static void events_clear(struct events *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->v[i].text);
	free(e->v);
	*e = (struct events){ 0 };
}

static void read_stream(const char *dir, const char *file, struct events *ret)
{
	RN_AUTO(rn_freep) char *path = rn_path_join(dir, file);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	if (rn_read_file(path, STREAM_BYTES_MAX, &b, NULL) < 0)
		return;
	char *save = NULL;
	size_t index = 0;
	for (char *l = b.p ? strtok_r(b.p, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save)) {
		RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse_str(l, NULL);
		if (!j)
			continue; /* a line cut by a crash */
		ret->v = rn_grow(ret->v, &ret->cap, ret->n + 1, sizeof(*ret->v));
		ret->v[ret->n++] = (struct event){ rn_json_int(j, "t", 0), rn_strdup(rn_json_str(j, "m")), file, index++ };
	}
}

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	int c = strcmp(x->stream, y->stream);
	return c ? c : x->index < y->index ? -1 : x->index > y->index;
}

static void describe_streams(struct request *req, struct response *res)
{
	RN_AUTO(rn_freep) char *name = logs_group_name(
		req, res, request_json(req, res) && rn_json_str(req->json, "logGroupIdentifier") ? "logGroupIdentifier"
											  : "logGroupName");
	RN_AUTO(rn_json_freep) cJSON *g = name ? logs_require(req, res, name) : NULL;
	if (!g)
		return;
	const char *prefix = rn_json_str(req->json, "logStreamNamePrefix");
	int64_t limit = rn_json_int(req->json, "limit", 50);
	bool descending = rn_json_bool(req->json, "descending", false);
	RN_AUTO(rn_freep) char *dir = logs_group_dir(req->cloud, req->region, name);
	RN_AUTO(rn_strv_clear) struct rn_strv files = { 0 };
	rn_list_dir(dir, &files, NULL);
	cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "logStreams");
	for (size_t i = 0; i < files.n && limit > 0; i++) {
		const char *file = files.v[descending ? files.n - 1 - i : i];
		RN_AUTO(rn_freep) char *stream = rn_replace(file, "~", "/");
		struct events e = { 0 };
		if (prefix && !rn_starts(stream, prefix))
			continue;
		limit--;
		read_stream(dir, file, &e);
		cJSON *s = cJSON_CreateObject();
		cJSON_AddStringToObject(s, "logStreamName", stream);
		if (e.n) {
			cJSON_AddNumberToObject(s, "creationTime", (double)e.v[0].time);
			cJSON_AddNumberToObject(s, "firstEventTimestamp", (double)e.v[0].time);
			cJSON_AddNumberToObject(s, "lastEventTimestamp", (double)e.v[e.n - 1].time);
			cJSON_AddNumberToObject(s, "lastIngestionTime", (double)e.v[e.n - 1].time);
		}
		RN_AUTO(rn_freep) char *arn =
			cloud_arn("logs", req->region, "log-group:%s:log-stream:%s", name, stream);
		cJSON_AddStringToObject(s, "arn", arn);
		cJSON_AddNumberToObject(s, "storedBytes", 0);
		cJSON_AddItemToArray(list, s);
		events_clear(&e);
	}
	response_json(req, res, 200, out);
}

static cJSON *event_json(const struct event *e)
{
	cJSON *j = cJSON_CreateObject();
	cJSON_AddNumberToObject(j, "timestamp", (double)e->time);
	cJSON_AddStringToObject(j, "message", e->text ? e->text : "");
	cJSON_AddNumberToObject(j, "ingestionTime", (double)e->time);
	return j;
}

static void get_events(struct request *req, struct response *res)
{
	RN_AUTO(rn_freep) char *name = logs_group_name(req, res, "logGroupName");
	RN_AUTO(rn_json_freep) cJSON *g = name ? logs_require(req, res, name) : NULL;
	const char *stream = rn_json_str(req->json, "logStreamName");
	if (!g)
		return;
	RN_AUTO(rn_freep) char *dir = logs_group_dir(req->cloud, req->region, name);
	RN_AUTO(rn_freep) char *file = rn_replace(stream ? stream : "", "/", "~");
	RN_AUTO(rn_freep) char *path = rn_path_join(dir, file);
	if (!stream || !rn_exists(path)) {
		answer_error(req, res, 400, "ResourceNotFoundException", "The specified log stream does not exist.");
		return;
	}
	struct events e = { 0 };
	read_stream(dir, file, &e);
	int64_t limit = rn_json_int(req->json, "limit", LOG_EVENTS_MAX), from = rn_json_int(req->json, "startTime", 0),
		to = rn_json_int(req->json, "endTime", INT64_MAX);
	const char *token = rn_json_str(req->json, "nextToken");
	size_t first = 0, shown = 0;
	if (token && rn_starts(token, "f/"))
		first = strtoul(token + 2, NULL, 10);
	else if (!rn_json_bool(req->json, "startFromHead", false) && e.n > (size_t)limit)
		first = e.n - (size_t)limit;
	cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "events");
	size_t i = first;
	for (; i < e.n && (int64_t)shown < limit; i++)
		if (e.v[i].time >= from && e.v[i].time < to) {
			cJSON_AddItemToArray(list, event_json(&e.v[i]));
			shown++;
		}
	char forward[32], backward[32];
	snprintf(forward, sizeof(forward), "f/%zu", i);
	snprintf(backward, sizeof(backward), "b/%zu", first);
	cJSON_AddStringToObject(out, "nextForwardToken", forward);
	cJSON_AddStringToObject(out, "nextBackwardToken", backward);
	events_clear(&e);
	response_json(req, res, 200, out);
}

/* Plain patterns: every word (or "quoted phrase") must be in the line; ?word means any of them. */
static bool pattern_matches(const char *pattern, const char *text)
{
	RN_AUTO(rn_freep) char *copy = rn_strdup(pattern ? pattern : "");
	bool any_asked = false, any_found = false;
	for (char *p = copy; *p;) {
		while (*p == ' ')
			p++;
		bool any = *p == '?';
		p += any;
		char close = *p == '"' ? '"' : ' ';
		p += close == '"';
		char *word = p;
		while (*p && *p != close)
			p++;
		if (*p)
			*p++ = '\0';
		if (!*word)
			continue;
		bool found = strstr(text, word) != NULL;
		any_asked = any_asked || any;
		any_found = any_found || (any && found);
		if (!any && !found)
			return false;
	}
	return !any_asked || any_found;
}

/* No list: all are. */
static bool is_listed(const cJSON *list, const char *name)
{
	const cJSON *item;
	if (!cJSON_IsArray(list) || !list->child)
		return true;
	cJSON_ArrayForEach(item, list)
		if (rn_streq(cJSON_GetStringValue(item), name))
			return true;
	return false;
}

static void filter_events(struct request *req, struct response *res)
{
	RN_AUTO(rn_freep) char *name = logs_group_name(
		req, res, request_json(req, res) && rn_json_str(req->json, "logGroupIdentifier") ? "logGroupIdentifier"
												  : "logGroupName");
	RN_AUTO(rn_json_freep) cJSON *g = name ? logs_require(req, res, name) : NULL;
	if (!g)
		return;
	RN_AUTO(rn_freep) char *dir = logs_group_dir(req->cloud, req->region, name);
	RN_AUTO(rn_strv_clear) struct rn_strv files = { 0 };
	struct events e = { 0 };
	const char *pattern = rn_json_str(req->json, "filterPattern"), *token = rn_json_str(req->json, "nextToken"),
		   *prefix = rn_json_str(req->json, "logStreamNamePrefix");
	const cJSON *streams = rn_json_get(req->json, "logStreamNames");
	rn_list_dir(dir, &files, NULL);
	for (size_t i = 0; i < files.n; i++) {
		RN_AUTO(rn_freep) char *stream = rn_replace(files.v[i], "~", "/");
		if ((!prefix || rn_starts(stream, prefix)) && is_listed(streams, stream))
			read_stream(dir, files.v[i], &e);
	}
	if (e.n)
		qsort(e.v, e.n, sizeof(*e.v), by_time);
	int64_t limit = rn_json_int(req->json, "limit", LOG_EVENTS_MAX), from = rn_json_int(req->json, "startTime", 0),
		to = rn_json_int(req->json, "endTime", INT64_MAX);
	cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "events");
	size_t i = token ? strtoul(token, NULL, 10) : 0;
	for (; i < e.n && limit > 0; i++) {
		const char *text = e.v[i].text ? e.v[i].text : "";
		if (e.v[i].time < from || e.v[i].time > to || !pattern_matches(pattern, text))
			continue;
		RN_AUTO(rn_freep) char *stream = rn_replace(e.v[i].stream, "~", "/");
		RN_AUTO(rn_freep) char *id = rn_asprintf("%s#%zu", stream, e.v[i].index);
		cJSON *j = event_json(&e.v[i]);
		cJSON_AddStringToObject(j, "logStreamName", stream);
		cJSON_AddStringToObject(j, "eventId", id);
		cJSON_AddItemToArray(list, j);
		limit--;
	}
	cJSON_AddArrayToObject(out, "searchedLogStreams");
	if (i < e.n) {
		char next[24];
		snprintf(next, sizeof(next), "%zu", i);
		cJSON_AddStringToObject(out, "nextToken", next);
	}
	events_clear(&e);
	response_json(req, res, 200, out);
}

static const struct route ROUTES[] = {
	{ .operation = "CreateLogGroup", .handle = create_group },
	{ .operation = "DeleteLogGroup", .handle = delete_group },
	{ .operation = "DescribeLogGroups", .handle = describe_groups },
	{ .operation = "PutRetentionPolicy", .handle = put_retention },
	{ .operation = "DeleteRetentionPolicy", .handle = delete_retention },
	{ .operation = "ListTagsForResource", .handle = list_tags },
	{ .operation = "TagResource", .handle = set_tags },
	{ .operation = "UntagResource", .handle = remove_tags },
	{ .operation = "ListTagsLogGroup", .handle = list_tags },
	{ .operation = "TagLogGroup", .handle = set_tags },
	{ .operation = "UntagLogGroup", .handle = remove_tags },
	{ .operation = "CreateLogStream", .handle = logs_create_stream },
	{ .operation = "DeleteLogStream", .handle = logs_delete_stream },
	{ .operation = "PutLogEvents", .handle = logs_put_events, .blocks = true },
	{ .operation = "DescribeLogStreams", .handle = describe_streams, .blocks = true },
	{ .operation = "GetLogEvents", .handle = get_events, .blocks = true },
	{ .operation = "FilterLogEvents", .handle = filter_events, .blocks = true },
};

const struct service logs_service = {
	.name = "logs",
	.protocol = PROTOCOL_JSON,
	.target = "Logs_20140328",
	.transaction = true,
	.routes = ROUTES,
	.n_routes = RN_LEN(ROUTES),
	.start = start,
};
