/* SPDX-License-Identifier: Apache-2.0 */
/* Generations of a lease as parameters of SSM Parameter Store (API version 2014-11-06). */
#include "client.h"
#include "lease.h"

#include "base/time.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 10, BATCH = 10, PAGES_MAX = 100, TRY_MS = 10000 };

struct aws_lease_ssm {
	struct aws_client *client;
	char *name; /* of the pipeline */
	char *path; /* /runner/lease/NAME */
	struct aws_lease_store store;
};

static char *parameter(const struct aws_lease_ssm *s, int64_t n)
{
	return rn_asprintf("%s/%lld", s->path, (long long)n);
}

/* With what may be missing, when it is a permission. */
static int failed(const struct aws_lease_ssm *s, const struct aws_error *e, struct rn_error *err)
{
	rn_wrap(err, "the lease of the pipeline \"%s\"", s->name);
	if (aws_error_is_denied(e))
		rn_hint(err, "it needs ssm:%s on parameter%s/*; `runner plan --iam-policy FILE` prints all that a pipeline needs", e->operation,
			s->path);
	return -1;
}

/* *ret_date_ms (may be NULL): the answer's Date. */
static int call(const struct aws_lease_ssm *s, const char *operation, const cJSON *input, cJSON **ret, int64_t *ret_date_ms,
		struct aws_error *aerr, struct rn_error *err)
{
	RN_AUTO(aws_reply_clear) struct aws_reply r = { 0 };
	struct aws_call c = { .operation = operation, .body = input, .timeout_ms = TRY_MS };
	if (aws_send(s->client, &c, &r, aerr, err) < 0)
		return -1;
	const char *date = http_headers_get(&r.headers, "Date");
	if (ret_date_ms && (!date || rn_parse_http_date(date, ret_date_ms, NULL) < 0))
		return rn_fail(err, RN_EREMOTE, "SSM %s answered without a Date, and the age of a lease goes by nothing else", operation);
	if (ret && !r.json)
		return rn_fail(err, RN_EREMOTE, "SSM %s answered with something that is no JSON", operation);
	if (ret)
		*ret = rn_take(&r.json);
	return 0;
}

/* ---- looking ---- */

static void add_page(const struct aws_lease_ssm *s, const cJSON *page, struct aws_lease_look *to)
{
	const cJSON *p;
	size_t skip = strlen(s->path) + 1;
	cJSON_ArrayForEach(p, rn_json_get(page, "Parameters")) {
		const char *name = rn_json_str(p, "Name");
		int64_t n;
		if (!name || strlen(name) <= skip || rn_parse_int(name + skip, 1, INT64_MAX - 1, &n, NULL) < 0)
			continue; /* not one of ours */
		double modified = rn_json_num(p, "LastModifiedDate", 0);
		aws_lease_look_add(to, n, rn_json_int(p, "Version", 0), (int64_t)floor(modified * 1000), rn_json_str(p, "Value"));
	}
}

static int look(void *ctx, struct aws_lease_look *ret, struct rn_error *err)
{
	const struct aws_lease_ssm *s = ctx;
	RN_AUTO(rn_json_freep) cJSON *input = cJSON_CreateObject();
	cJSON_AddStringToObject(input, "Path", s->path);
	cJSON_AddNumberToObject(input, "MaxResults", PAGE);
	for (int page = 0; page < PAGES_MAX; page++) {
		RN_AUTO(rn_json_freep) cJSON *answer = NULL;
		struct aws_error e = { 0 };
		if (call(s, "GetParametersByPath", input, &answer, &ret->now_ms, &e, err) < 0)
			return failed(s, &e, err);
		add_page(s, answer, ret);
		const char *token = rn_json_str(answer, "NextToken");
		if (!token || !*token)
			return 0;
		cJSON_DeleteItemFromObjectCaseSensitive(input, "NextToken");
		cJSON_AddStringToObject(input, "NextToken", token);
	}
	return rn_fail(err, RN_ELIMIT, "there are more than %d parameters below %s", PAGES_MAX * PAGE, s->path);
}

/* ---- writing ---- */

static cJSON *put_input(const struct aws_lease_ssm *s, int64_t n, const char *value, bool overwrite)
{
	RN_AUTO(rn_freep) char *name = parameter(s, n);
	cJSON *input = cJSON_CreateObject();
	cJSON_AddStringToObject(input, "Name", name);
	cJSON_AddStringToObject(input, "Value", value);
	cJSON_AddStringToObject(input, "Type", "String");
	cJSON_AddBoolToObject(input, "Overwrite", overwrite);
	return input;
}

static int create(void *ctx, int64_t n, const char *value, bool *ret_exists, struct rn_error *err)
{
	const struct aws_lease_ssm *s = ctx;
	RN_AUTO(rn_json_freep) cJSON *input = put_input(s, n, value, false);
	struct aws_error e = { 0 };
	RN_AUTO(rn_freep) char *description = rn_asprintf("Who runs the pipeline %s now (runner aws lease show %s)", s->name, s->name);
	cJSON_AddStringToObject(input, "Description", description);
	cJSON *tag = cJSON_CreateObject();
	cJSON_AddStringToObject(tag, "Key", "runner:pipeline");
	cJSON_AddStringToObject(tag, "Value", s->name);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(input, "Tags"), tag);
	*ret_exists = false;
	if (call(s, "PutParameter", input, NULL, NULL, &e, err) == 0)
		return 0;
	if (!aws_error_is(&e, "ParameterAlreadyExists"))
		return failed(s, &e, err);
	rn_error_clear(err);
	*ret_exists = true;
	return 0;
}

static int write_again(void *ctx, int64_t n, const char *value, struct rn_error *err)
{
	const struct aws_lease_ssm *s = ctx;
	RN_AUTO(rn_json_freep) cJSON *input = put_input(s, n, value, true);
	struct aws_error e = { 0 };
	return call(s, "PutParameter", input, NULL, NULL, &e, err) < 0 ? failed(s, &e, err) : 0;
}

static int remove_all(void *ctx, const int64_t *n, size_t count, struct rn_error *err)
{
	const struct aws_lease_ssm *s = ctx;
	for (size_t i = 0; i < count; i += BATCH) {
		RN_AUTO(rn_json_freep) cJSON *input = cJSON_CreateObject();
		cJSON *names = cJSON_AddArrayToObject(input, "Names");
		for (size_t k = i; k < count && k < i + BATCH; k++) {
			RN_AUTO(rn_freep) char *name = parameter(s, n[k]);
			cJSON_AddItemToArray(names, cJSON_CreateString(name));
		}
		struct aws_error e = { 0 };
		if (call(s, "DeleteParameters", input, NULL, NULL, &e, err) < 0)
			return failed(s, &e, err);
	}
	return 0;
}

/* ---- time ---- */

static int64_t boot_clock(void *ctx)
{
	struct timespec t;
	(void)ctx;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_for(void *ctx, int64_t ms)
{
	(void)ctx;
	rn_sleep_ms(ms, -1);
}

/* ---- the store ---- */

struct aws_lease_ssm *aws_lease_ssm_new(struct aws_session *session, const char *name, struct rn_error *err)
{
	RN_AUTO(aws_lease_ssm_freep) struct aws_lease_ssm *s = rn_alloc(sizeof(*s));
	s->name = rn_strdup(name);
	s->path = rn_asprintf("/runner/lease/%s", name);
	s->store = (struct aws_lease_store){ s, look, create, write_again, remove_all, boot_clock, pause_for };
	s->client = aws_client_new(session, "ssm", err);
	return s->client ? rn_take(&s) : NULL;
}

const struct aws_lease_store *aws_lease_ssm_store(const struct aws_lease_ssm *s)
{
	return &s->store;
}

void aws_lease_ssm_free(struct aws_lease_ssm *s)
{
	if (!s)
		return;
	aws_client_free(s->client);
	free(s->name);
	free(s->path);
	free(s);
}

void aws_lease_ssm_freep(struct aws_lease_ssm **s)
{
	aws_lease_ssm_free(*s);
	*s = NULL;
}

char *aws_lease_permissions(const char *name)
{
	static const char *const actions[] = { "PutParameter", "AddTagsToResource", "DeleteParameters" };
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	/* it is asked for the path, and for what is below */
	rn_buf_addf(&b, "ssm:GetParametersByPath arn:*:ssm:*:*:parameter/runner/lease/%s arn:*:ssm:*:*:parameter/runner/lease/%s/*\n", name,
		    name);
	for (size_t i = 0; i < RN_LEN(actions); i++)
		rn_buf_addf(&b, "ssm:%s arn:*:ssm:*:*:parameter/runner/lease/%s/*\n", actions[i], name);
	return rn_buf_take(&b);
}
