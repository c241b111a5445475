/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that callers make and write themselves. */
#include "lambda_logs.h"

#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY_MS ((int64_t)24 * 3600 * 1000)
#define OLDEST_MS (14 * DAY_MS)
#define NEWEST_MS ((int64_t)2 * 3600 * 1000)
#define BATCH_BYTES 1048576
#define EVENT_BYTES 26 /* that each event counts beside its text */

/* Name of the stream; NULL when answered. A '~' stands for '/' in the names of files. */
static const char *stream_name(struct request *req, struct response *res)
{
	const char *name = rn_json_str(req->json, "logStreamName");
	bool fits = name && *name && strlen(name) <= 512 && !strpbrk(name, ":*~\n") && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
	if (fits && strlen(name) > NAME_MAX) {
		answer_error(req, res, 400, "InvalidParameterException", "The local cloud keeps log streams in files: a name has at most %d characters here", NAME_MAX);
		return NULL;
	}
	if (fits)
		return name;
	answer_error(req, res, 400, "InvalidParameterException",
		     "1 validation error detected: Value '%s' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular "
		     "expression pattern: [^:*]*",
		     name ? name : "null");
	return NULL;
}

/* The file of the stream that the request names; NULL when answered. New. */
static char *stream_path(struct request *req, struct response *res)
{
	RN_AUTO(rn_freep) char *group = logs_group_name(req, res, "logGroupName");
	RN_AUTO(rn_json_freep) cJSON *doc = group ? logs_require(req, res, group) : NULL;
	const char *name = doc ? stream_name(req, res) : NULL;
	if (!name)
		return NULL;
	RN_AUTO(rn_freep) char *dir = logs_group_dir(req->cloud, req->region, group);
	RN_AUTO(rn_freep) char *file = rn_replace(name, "/", "~");
	return rn_path_join(dir, file);
}

void logs_create_stream(struct request *req, struct response *res)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *path = stream_path(req, res);
	if (!path)
		return;
	RN_AUTO(rn_freep) char *dir = rn_path_dir(path);
	if (rn_mkdirs(dir, 0755, &err) < 0) {
		answer_failure(req, res, &err);
		return;
	}
	RN_AUTO(rn_closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd >= 0) {
		logs_answer_empty(req, res);
	} else if (errno == EEXIST) {
		answer_error(req, res, 400, "ResourceAlreadyExistsException", "The specified log stream already exists");
	} else {
		rn_fail(&err, RN_EIO, "create %s: %m", path);
		answer_failure(req, res, &err);
	}
}

static int no_stream(struct request *req, struct response *res)
{
	return answer_error(req, res, 400, "ResourceNotFoundException", "The specified log stream does not exist.");
}

void logs_delete_stream(struct request *req, struct response *res)
{
	RN_AUTO(rn_freep) char *path = stream_path(req, res);
	if (path && unlink(path) == 0)
		logs_answer_empty(req, res);
	else if (path)
		no_stream(req, res);
}

/* ---- events ---- */

/* Events that are too old or too far in the future are left out and told; they are in the order of their time. */
struct batch {
	struct rn_buf lines;
	int64_t old_end, new_start; /* -1: none */
};

static int refuse_batch(struct request *req, struct response *res, const char *message)
{
	return answer_error(req, res, 400, "InvalidParameterException", "%s", message);
}

static int read_batch(struct request *req, struct response *res, struct batch *ret)
{
	const cJSON *events = rn_json_get(req->json, "logEvents"), *e;
	int64_t now = rn_wall_ms(), last = 0, first = 0, index = 0;
	size_t bytes = 0;
	if (!cJSON_IsArray(events) || !events->child || cJSON_GetArraySize(events) > LOG_EVENTS_MAX)
		return refuse_batch(req, res,
				    "1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length between 1 "
				    "and 10000");
	cJSON_ArrayForEach(e, events) {
		const char *text = rn_json_str(e, "message");
		int64_t t = rn_json_int(e, "timestamp", -1);
		if (!text || t < 0)
			return refuse_batch(req, res, "1 validation error detected: a log event has a timestamp and a message");
		first = index ? first : t;
		if (t < last)
			return refuse_batch(req, res, "Log events in a single PutLogEvents request must be in chronological order.");
		if (t - first > DAY_MS)
			return refuse_batch(req, res, "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.");
		last = t;
		bytes += strlen(text) + EVENT_BYTES;
		if (t < now - OLDEST_MS) {
			ret->old_end = index + 1;
		} else if (t > now + NEWEST_MS) {
			ret->new_start = ret->new_start < 0 ? index : ret->new_start;
		} else {
			rn_buf_addf(&ret->lines, "{\"t\":%lld,\"m\":", (long long)t);
			rn_json_quote(&ret->lines, text, strlen(text));
			rn_buf_adds(&ret->lines, "}\n");
		}
		index++;
	}
	return bytes <= BATCH_BYTES ? 0 : refuse_batch(req, res, "Upload too large: a batch of log events has at most 1048576 bytes.");
}

static void answer_batch(struct request *req, struct response *res, const struct batch *b)
{
	cJSON *out = cJSON_CreateObject();
	char token[37];
	cJSON_AddStringToObject(out, "nextSequenceToken", cloud_uuid(token)); /* asked for no more, but given */
	if (b->old_end >= 0 || b->new_start >= 0) {
		cJSON *rejected = cJSON_AddObjectToObject(out, "rejectedLogEventsInfo");
		if (b->old_end >= 0)
			cJSON_AddNumberToObject(rejected, "tooOldLogEventEndIndex", (double)b->old_end);
		if (b->new_start >= 0)
			cJSON_AddNumberToObject(rejected, "tooNewLogEventStartIndex", (double)b->new_start);
	}
	response_json(req, res, 200, out);
}

void logs_put_events(struct request *req, struct response *res)
{
	RN_AUTO(rn_freep) char *path = stream_path(req, res);
	struct batch b = { .old_end = -1, .new_start = -1 };
	struct rn_error err = { 0 };
	if (!path)
		return;
	RN_AUTO(rn_closep) int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0) {
		no_stream(req, res);
	} else if (read_batch(req, res, &b) == 0) {
		if (b.lines.len && rn_write_full(fd, b.lines.p, b.lines.len) < 0) {
			rn_fail(&err, RN_EIO, "write %s: %m", path);
			answer_failure(req, res, &err);
		} else {
			answer_batch(req, res, &b);
		}
	}
	rn_buf_clear(&b.lines);
}
