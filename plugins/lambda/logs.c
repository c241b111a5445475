/* SPDX-License-Identifier: Apache-2.0 */
/* The function's log group: made with its retention before Lambda makes one that keeps logs forever. */
#include "function.h"

#include <string.h>

static char *group_name(const struct function *f)
{
	if (f->p->log_group && *f->p->log_group)
		return rn_strdup(f->p->log_group);
	return rn_asprintf("/aws/lambda/%s", f->p->function_name);
}

static struct aws_client *logs_client(const struct function *f, struct rn_error *err)
{
	return aws_client_new(f->session, "logs", err);
}

int function_read_group(struct function *f, struct rn_error *err)
{
	RN_AUTO(aws_client_freep) struct aws_client *logs = logs_client(f, err);
	RN_AUTO(rn_freep) char *name = group_name(f);
	RN_AUTO(rn_json_freep) cJSON *input = cJSON_CreateObject(), *groups = NULL;
	const struct aws_pages pages = { .list = "logGroups", .out_token = "nextToken" };
	cJSON_AddStringToObject(input, "logGroupNamePrefix", name);
	if (!logs || aws_json_pages(logs, "DescribeLogGroups", input, &pages, &groups, NULL, err) < 0)
		return -1;
	const cJSON *group;
	cJSON_ArrayForEach(group, groups)
	{
		if (rn_streq(rn_json_str(group, "logGroupName"), name)) {
			rn_json_freep(&f->group);
			f->group = cJSON_Duplicate(group, true);
		}
	}
	return 0;
}

static int write_group(struct function *f, struct aws_client *logs, const char *operation, const cJSON *input,
		       struct aws_error *aerr, struct rn_error *err)
{
	return stage_may_write(f->s, operation, err) < 0 ? -1 : aws_json(logs, operation, input, NULL, aerr, err);
}

static int create_group(struct function *f, struct aws_client *logs, const char *name, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *input = cJSON_CreateObject();
	cJSON *tags = stage_tags(f->s, &f->p->tags, err);
	if (!tags)
		return -1;
	cJSON_AddStringToObject(input, "logGroupName", name);
	cJSON_AddItemToObject(input, "tags", tags);
	struct aws_error aerr = { 0 };
	if (write_group(f, logs, "CreateLogGroup", input, &aerr, err) == 0)
		return 0;
	return aws_error_is(&aerr, "ResourceAlreadyExistsException") ? 0 : -1;
}

static int put_retention(struct function *f, struct aws_client *logs, const char *name, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *input = cJSON_CreateObject();
	cJSON_AddStringToObject(input, "logGroupName", name);
	cJSON_AddNumberToObject(input, "retentionInDays", (double)f->p->log_retention);
	return write_group(f, logs, "PutRetentionPolicy", input, NULL, err);
}

int function_keep_logs(struct function *f, struct rn_error *err)
{
	if (f->p->log_retention <= 0)
		return 0;
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	RN_AUTO(aws_client_freep) struct aws_client *logs = logs_client(f, err);
	RN_AUTO(rn_freep) char *name = group_name(f);
	if (!logs)
		return -1;
	bool write = f->s->mode == STAGE_RUN;
	stage_diff_int(&d, "retention in days", rn_json_int(f->group, "retentionInDays", 0), f->p->log_retention);
	if (!f->group) {
		if (write && (create_group(f, logs, name, err) < 0 || put_retention(f, logs, name, err) < 0))
			return -1;
		stage_change(f->s, RUNNER_CREATED, NULL, "log group %s", name);
		return 0;
	}
	if (write && stage_differs(&d) && put_retention(f, logs, name, err) < 0)
		return -1;
	stage_change_diff(f->s, &d, "log group %s", name);
	return 0;
}

/* The group's ARN without the ":*" that some answers put behind it; new string. */
static char *group_arn(const cJSON *group)
{
	const char *arn = rn_json_str(group, "logGroupArn");
	if (!arn)
		arn = rn_json_str(group, "arn");
	size_t n = arn ? strlen(arn) : 0;
	return rn_strndup(arn ? arn : "", n >= 2 && rn_ends(arn, ":*") ? n - 2 : n);
}

int function_remove_logs(struct function *f, struct rn_error *err)
{
	if (f->p->log_retention <= 0 || function_read_group(f, err) < 0)
		return f->p->log_retention <= 0 ? 0 : -1;
	if (!f->group)
		return 0;
	RN_AUTO(aws_client_freep) struct aws_client *logs = logs_client(f, err);
	RN_AUTO(rn_freep) char *name = group_name(f);
	RN_AUTO(rn_freep) char *arn = group_arn(f->group);
	RN_AUTO(rn_json_freep) cJSON *input = cJSON_CreateObject(), *answer = NULL;
	cJSON_AddStringToObject(input, "resourceArn", arn);
	if (!logs || aws_json(logs, "ListTagsForResource", input, &answer, NULL, err) < 0)
		return -1;
	if (!stage_owns(f->s, rn_json_get(answer, "tags"))) {
		stage_info(f->s, "log group %s was not made by this stage: it stays", name);
		return 0;
	}
	RN_AUTO(rn_json_freep) cJSON *target = cJSON_CreateObject();
	cJSON_AddStringToObject(target, "logGroupName", name);
	struct aws_error aerr = { 0 };
	if (write_group(f, logs, "DeleteLogGroup", target, &aerr, err) < 0 &&
	    !aws_error_is(&aerr, "ResourceNotFoundException"))
		return -1;
	stage_change(f->s, RUNNER_DELETED, NULL, "log group %s", name);
	return 0;
}
