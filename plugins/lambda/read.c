/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: the function, its versions, its alias, at the same time. */
#include "function.h"

int function_init(struct function *f, struct stage *s, const struct lambda_params *p, struct aws_session *session,
		  struct rn_error *err)
{
	*f = (struct function){
		.s = s,
		.p = p,
		.session = session,
		.path = aws_path("/2015-03-31/functions/{}", p->function_name),
	};
	f->client = aws_client_new(session, "lambda", err);
	return f->client ? 0 : -1;
}

void function_clear(struct function *f)
{
	aws_client_free(f->client);
	rn_freep(&f->path);
	rn_freep(&f->image);
	rn_json_freep(&f->found);
	rn_json_freep(&f->versions);
	rn_json_freep(&f->alias);
	rn_json_freep(&f->group);
	for (size_t i = 0; i < EXTRA_N; i++)
		rn_json_freep(&f->extras[i]);
	rn_freep(&f->url);
}

const cJSON *function_configuration(const struct function *f)
{
	return rn_json_get(f->found, "Configuration");
}

const char *function_arn(const struct function *f)
{
	return rn_json_str(function_configuration(f), "FunctionArn");
}

/* A GET whose 404 is an answer: *ret becomes NULL. */
static int read_one(struct function *f, const char *operation, const char *path, cJSON **ret, struct rn_error *err)
{
	struct aws_error aerr = { 0 };
	cJSON *answer = NULL;
	struct rn_error own = { 0 };
	if (aws_rest(f->client, operation, "GET", path, NULL, NULL, &answer, &aerr, &own) < 0) {
		if (!aws_error_is(&aerr, "ResourceNotFoundException")) {
			if (err)
				*err = own;
			return -1;
		}
		answer = NULL;
	}
	cJSON_Delete(*ret);
	*ret = answer;
	return 0;
}

int function_read(struct function *f, struct rn_error *err)
{
	return read_one(f, "GetFunction", f->path, &f->found, err);
}

static int task_function(void *arg, struct rn_error *err)
{
	return function_read(arg, err);
}

int function_read_versions(struct function *f, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s/versions", f->path);
	const struct aws_pages pages = { .list = "Versions", .out_token = "NextMarker", .in_token = "Marker" };
	struct aws_error aerr = { 0 };
	struct rn_error own = { 0 };
	rn_json_freep(&f->versions);
	if (aws_rest_pages(f->client, "ListVersionsByFunction", path, NULL, &pages, &f->versions, &aerr, &own) == 0)
		return 0;
	if (aws_error_is(&aerr, "ResourceNotFoundException"))
		return 0;
	if (err)
		*err = own;
	return -1;
}

int function_read_version(struct function *f, const char *version, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s/configuration", f->path);
	RN_AUTO(rn_json_freep) cJSON *query = cJSON_CreateObject();
	cJSON_AddStringToObject(query, "Qualifier", version);
	return aws_rest(f->client, "GetFunctionConfiguration", "GET", path, query, NULL, ret, NULL, err);
}

int function_read_alias(struct function *f, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *tail = aws_path("/aliases/{}", f->p->alias);
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s%s", f->path, tail);
	return read_one(f, "GetAlias", path, &f->alias, err);
}

static int task_versions(void *arg, struct rn_error *err)
{
	return function_read_versions(arg, err);
}

static int task_alias(void *arg, struct rn_error *err)
{
	return function_read_alias(arg, err);
}

static int task_image(void *arg, struct rn_error *err)
{
	return function_resolve_image(arg, err);
}

static int task_group(void *arg, struct rn_error *err)
{
	return function_read_group(arg, err);
}

struct extra_task {
	struct function *f;
	enum extra e;
};

static int task_extra(void *arg, struct rn_error *err)
{
	struct extra_task *t = arg;
	return function_read_extra(t->f, t->e, err);
}

int function_survey(struct function *f, struct rn_error *err)
{
	struct stage_task tasks[5 + EXTRA_N];
	struct extra_task extras[EXTRA_N];
	size_t n = 0;
	bool alias = f->p->alias && *f->p->alias;
	tasks[n++] = (struct stage_task){ task_image, f };
	if (f->p->publish || alias)
		tasks[n++] = (struct stage_task){ task_versions, f };
	if (alias)
		tasks[n++] = (struct stage_task){ task_alias, f };
	if (f->p->log_retention > 0)
		tasks[n++] = (struct stage_task){ task_group, f };
	for (enum extra e = 0; e < EXTRA_N; e++) {
		extras[e] = (struct extra_task){ f, e };
		if (function_wants_extra(f, e))
			tasks[n++] = (struct stage_task){ task_extra, &extras[e] };
	}
	tasks[n++] = (struct stage_task){ task_function, f };
	return stage_parallel(tasks, n, err);
}
