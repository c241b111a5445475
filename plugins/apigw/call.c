/* SPDX-License-Identifier: Apache-2.0 */
/* Writing calls: paced, patient when throttled, and never creating a thing twice. */
#include "api.h"

#include "base/time.h"

#include <string.h>

#define PATIENCE_MS (5 * 60000)
#define FIRST_DELAY_MS 1000
#define LAST_DELAY_MS 30000
#define CREATE_TRIES 4

/* Refusals that pass by themselves: throttling, and another change of the same API at this moment. */
static bool passes(const struct aws_error *e)
{
	return aws_error_is(e, "TooManyRequestsException") ||
	       (aws_error_is(e, "ConflictException") && strstr(e->message, "concurrent modification"));
}

static int wait_again(struct api *a, const char *operation, int64_t begin, int64_t *delay, struct rn_error *err)
{
	int64_t left = begin + PATIENCE_MS - rn_now_ms();
	if (left <= 0)
		return -1;
	int64_t ms = *delay < left ? *delay : left;
	stage_info(a->s, "API Gateway is busy (%s): trying again in %lld s", operation, (long long)(ms + 999) / 1000);
	*delay = *delay * 2 < LAST_DELAY_MS ? *delay * 2 : LAST_DELAY_MS;
	if (rn_sleep_ms(ms, aws_session_cancel_fd(a->session)) < 0)
		return rn_fail(err, RN_ECANCELLED, "stopped while waiting to repeat %s", operation);
	return 0;
}

static struct aws_client *client_of(const struct api *a, const char *path)
{
	return rn_starts(path, "/2015-03-31/") ? a->lambda : a->client;
}

static int send(struct api *a, bool once, const char *operation, const char *method, const char *path, const cJSON *body,
		cJSON **ret, struct aws_error *aerr, struct rn_error *err)
{
	int64_t begin = rn_now_ms(), delay = FIRST_DELAY_MS;
	for (;;) {
		*aerr = (struct aws_error){ 0 };
		if (stage_may_write(a->s, operation, err) < 0 || api_pace(a, operation, err) < 0)
			return -1;
		int done = (once ? aws_rest_once : aws_rest)(client_of(a, path), operation, method, path, NULL, body, ret, aerr,
							     err);
		if (done == 0)
			return 0;
		if (!passes(aerr) || wait_again(a, operation, begin, &delay, err) < 0)
			return -1;
	}
}

int api_write(struct api *a, const char *operation, const char *method, const char *path, const cJSON *body, cJSON **ret,
	      struct aws_error *aerr, struct rn_error *err)
{
	struct aws_error own = { 0 };
	return send(a, false, operation, method, path, body, ret, aerr ? aerr : &own, err);
}

int api_patch(struct api *a, const char *operation, const char *path, const cJSON *ops, cJSON **ret,
	      struct rn_error *err)
{
	if (cJSON_GetArraySize(ops) == 0)
		return 0;
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_CreateObject();
	cJSON_AddItemToObject(body, "patchOperations", cJSON_Duplicate(ops, true));
	return api_write(a, operation, "PATCH", path, body, ret, NULL, err);
}

int api_create(struct api *a, const char *operation, const char *path, const cJSON *body,
	       int (*find)(struct api *a, cJSON **ret, struct rn_error *err), cJSON **ret, struct aws_error *aerr,
	       struct rn_error *err)
{
	struct aws_error own = { 0 };
	struct aws_error *e = aerr ? aerr : &own;
	for (unsigned tries = 1;; tries++) {
		if (send(a, true, operation, "POST", path, body, ret, e, err) == 0)
			return 0;
		if (!e->maybe_done)
			return -1;
		stage_debug(a->s, "the answer to %s was lost: looking whether it was done", operation);
		if (rn_sleep_ms(rn_backoff_ms(tries, 250, 4000), aws_session_cancel_fd(a->session)) < 0)
			return rn_fail(err, RN_ECANCELLED, "stopped while repeating %s", operation);
		struct rn_error lost = { 0 };
		if (find(a, ret, &lost) < 0) {
			if (err)
				*err = lost;
			return -1;
		}
		if (*ret)
			return 0;
		if (tries == CREATE_TRIES)
			return -1;
	}
}

static int tag(struct api *a, const char *kind, const char *id, cJSON *tags, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *arn = rn_asprintf("arn:%s:apigateway:%s::/%s/%s", a->at.partition, a->at.region, kind, id);
	RN_AUTO(rn_freep) char *path = aws_path("/tags/{}", arn);
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_CreateObject();
	cJSON_AddItemToObject(body, "tags", tags);
	return api_write(a, "TagResource", "PUT", path, body, NULL, NULL, err);
}

bool api_lacks_tags(const struct api *a, const cJSON *have)
{
	RN_AUTO(rn_json_freep) cJSON *present = stage_tags_object(have);
	RN_AUTO(rn_json_freep) cJSON *missing = stage_tags_missing(a->tags, present);
	return cJSON_GetArraySize(missing) > 0;
}

int api_put_tags(struct api *a, const char *kind, const char *id, const cJSON *have, struct stage_diff *d,
		 struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *present = stage_tags_object(have);
	RN_AUTO(rn_json_freep) cJSON *missing = stage_tags_missing(a->tags, present);
	const cJSON *item;
	cJSON_ArrayForEach(item, missing)
		stage_diff_str(d, item->string, rn_json_str(present, item->string), item->valuestring);
	if (cJSON_GetArraySize(missing) == 0 || a->s->mode == STAGE_PLAN)
		return 0;
	return tag(a, kind, id, rn_take(&missing), err);
}

int api_put_tags_back(struct api *a, const char *kind, const char *id, const cJSON *have, const cJSON *before,
		      struct stage_diff *d, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *present = stage_tags_object(have), *set = cJSON_CreateObject();
	RN_AUTO(rn_freep) char *arn = rn_asprintf("arn:%s:apigateway:%s::/%s/%s", a->at.partition, a->at.region, kind, id);
	RN_AUTO(rn_freep) char *base = aws_path("/tags/{}", arn);
	RN_AUTO(rn_buf_clear) struct rn_buf names = RN_BUF_INIT;
	const cJSON *item;
	cJSON_ArrayForEach(item, before)
	{
		const char *old = cJSON_GetStringValue(item);
		if (!stage_diff_str(d, item->string, rn_json_str(present, item->string), old))
			continue;
		RN_AUTO(rn_freep) char *name = aws_path("{}", item->string);
		if (old)
			cJSON_AddStringToObject(set, item->string, old);
		else
			rn_buf_addf(&names, "%ctagKeys=%s", names.len ? '&' : '?', name);
	}
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s%s", base, rn_buf_str(&names));
	if (names.len && api_write(a, "UntagResource", "DELETE", path, NULL, NULL, NULL, err) < 0)
		return -1;
	return cJSON_GetArraySize(set) ? tag(a, kind, id, rn_take(&set), err) : 0;
}
