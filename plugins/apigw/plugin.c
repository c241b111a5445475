/* SPDX-License-Identifier: Apache-2.0 */
/* The apigw stage: a REST API before functions, with key and usage plan. */
#include "api.h"
#include "settings.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

static const struct runner_param params[] = {
	RUNNER_PARAM(struct apigw_params, api_name, .flags = RUNNER_REQUIRED, .help = "Name of the API.",
		     .example = "squares"),
	RUNNER_PARAM(struct apigw_params, description, .help = "Description of the API."),
	RUNNER_PARAM(struct apigw_params, endpoint_type, .def = "REGIONAL", .one_of = "REGIONAL|EDGE|PRIVATE",
		     .help = "Where the API's endpoint is.", .example = "EDGE"),
	RUNNER_PARAM(struct apigw_params, binary_media_types,
		     .help = "Content types that reach the function as base64 and come back as bytes.",
		     .example = "[\"*/*\"]"),
	RUNNER_PARAM(struct apigw_params, resource,
		     .help = "Path of the one route; variables as {name}, the last part may be {name+}. For several: routes.",
		     .example = "predict"),
	RUNNER_PARAM(struct apigw_params, method, .def = "ANY", .help = "Method of the one route.", .example = "POST"),
	RUNNER_PARAM(struct apigw_params, function, .help = "Function that answers: ARN (may name a version or alias) or name.",
		     .example = "${{ stages.function.arn }}"),
	RUNNER_PARAM(struct apigw_params, routes,
		     .help = "List of routes: path, method (ANY), function, api_key_required, authorization, cors, throttle {rate, burst}; what "
			     "a route leaves out is as the parameters of the same name say.",
		     .example = "[{path: items, method: GET}, {path: \"items/{id}\", method: PUT, api_key_required: true}]"),
	RUNNER_PARAM_PATH(struct apigw_params, openapi,
			  .help = "OpenAPI 3.0 or Swagger 2.0 document (JSON or YAML) that describes the API, instead of resource or routes. "
				  "Operations without x-amazon-apigateway-integration are answered by `function`.",
			  .example = "api.yaml"),
	RUNNER_PARAM(struct apigw_params, authorization, .def = "NONE", .one_of = "NONE|AWS_IAM|CUSTOM",
		     .help = "Who may call: anybody, callers that sign as an IAM identity, or those that `authorizer` lets in.",
		     .example = "AWS_IAM"),
	RUNNER_PARAM(struct apigw_params, authorizer,
		     .help = "Function that decides about calls of routes with authorization CUSTOM: function, type (TOKEN or REQUEST), identity (header of "
			     "the token, Authorization; for REQUEST also a list of sources), ttl (seconds that a decision counts, 300), pattern (of tokens).",
		     .example = "{function: \"${{ stages.auth.arn }}\", identity: X-Token, ttl: 60}"),
	RUNNER_PARAM(struct apigw_params, cors,
		     .help = "Answer OPTIONS for browsers: true, or a map with origins, methods, headers, max_age. The function's own "
			     "answers must carry Access-Control-Allow-Origin too.",
		     .example = "{origins: \"https://example.com\", max_age: 600}"),
	RUNNER_PARAM(struct apigw_params, integration_timeout, .def = "29s",
		     .help = "How long API Gateway waits for the function, 50ms to 29s.", .example = "10s"),
	RUNNER_PARAM(struct apigw_params, stage, .def = "prod", .help = "Stage to deploy to: the first part of the URL's path.",
		     .example = "test"),
	RUNNER_PARAM(struct apigw_params, stage_variables, .help = "Variables of the stage; not for secrets, which are refused.", .example = "{mode: fast}"),
	RUNNER_PARAM(struct apigw_params, tracing, .def = "false", .help = "X-Ray tracing of the stage.", .example = "true"),
	RUNNER_PARAM(struct apigw_params, throttle,
		     .help = "What all callers together may send to the stage: rate (requests a second) and burst (at once). A route may have "
			     "its own.",
		     .example = "{rate: 100, burst: 200}"),
	RUNNER_PARAM(struct apigw_params, log_level, .def = "OFF", .one_of = "OFF|ERROR|INFO",
		     .help = "What API Gateway writes to CloudWatch Logs about executions.", .example = "ERROR"),
	RUNNER_PARAM(struct apigw_params, log_data, .def = "false",
		     .help = "Log requests and answers whole, with what callers send in them.", .example = "true"),
	RUNNER_PARAM(struct apigw_params, metrics, .def = "false", .help = "CloudWatch metrics for each method.", .example = "true"),
	RUNNER_PARAM(struct apigw_params, access_log,
		     .help = "A line for each request: group (name or ARN of a log group that exists) and format (default: JSON).",
		     .example = "{group: /aws/apigw/squares}"),
	RUNNER_PARAM(struct apigw_params, api_key_required, .def = "false",
		     .help = "Callers must send x-api-key. A key and a usage plan are made for it.", .example = "true"),
	RUNNER_PARAM(struct apigw_params, api_key,
		     .help = "The key: name (default: the API's) and value (20 to 128 characters; default: API Gateway makes one).",
		     .example = "{name: customer-1}"),
	RUNNER_PARAM(struct apigw_params, usage_plan,
		     .help = "What each key may use: name, rate (requests a second) with burst (at once), quota (100/day, /week, /month), and "
			     "methods: limits for one method, {\"POST /predict\": {rate, burst}}.",
		     .example = "{burst: 10, rate: 10, quota: 100/day}"),
	RUNNER_PARAM(struct apigw_params, keep_deployments, .def = "3",
		     .help = "How many deployments to keep, the present one included. 1 leaves none for a rollback to go back to.",
		     .example = "5"),
	RUNNER_PARAM(struct apigw_params, tags,
		     .help = "Tags to set on API, stage, key and plan. Tags that others set are left alone; runner adds two of its own.",
		     .example = "{team: data}"),
	RUNNER_PARAM(struct apigw_params, region, .help = "Region; default: that of the environment or the profile.",
		     .example = "eu-central-1"),
	{ 0 },
};

static const struct runner_output outputs[] = {
	{ .name = "url", .help = "URL of the (first) route." },
	{ .name = "base_url", .help = "URL of the stage, without a route's path." },
	{ .name = "api_id", .help = "Id of the API." },
	{ .name = "api_key", .flags = RUNNER_SECRET, .help = "Value of the key, when there is one." },
	{ .name = "api_key_id", .help = "Id of the key, when there is one." },
	{ .name = "usage_plan_id", .help = "Id of the usage plan, when there is one." },
	{ 0 },
};

#define AT(path) " arn:*:apigateway:*::/" path
#define ON_APIS(verb) "apigateway:" verb AT("restapis") AT("restapis/*") AT("apikeys") AT("apikeys/*") AT("usageplans") \
	AT("usageplans/*") AT("tags/*") AT("account") "\n"
static const char permissions[] =
	ON_APIS("GET") ON_APIS("POST") ON_APIS("PUT") ON_APIS("PATCH") ON_APIS("DELETE")
	"lambda:GetPolicy\nlambda:AddPermission\nlambda:RemovePermission\nsts:GetCallerIdentity";

static const char help[] =
	"Names are not unique in API Gateway, so API, key and plan are found by the tags that this stage gives them. It reads, "
	"compares, and writes only what differs; a second run writes nothing. What was changed by hand is set right.\n\n"
	"Changes are live only when deployed: a deployment is made when the content differs from what the stage serves, which its "
	"description tells by a hash. Old deployments are removed after the stage has moved.\n\n"
	"Each route has a statement of its own in the function's policy, for this API, stage, method and path alone.\n\n"
	"With `on_failure: rollback`, all that the run's apigw stage changed is as before when a later stage fails: deployment, resources and methods, "
	"permissions, the API's, stage's, key's and plan's settings and tags; what the run made is deleted. A key or plan that is no longer wanted "
	"is first disabled, or taken off its stages, and deleted by the first run a day later, since neither a key's value nor a plan's use comes back.\n\n"
	"API Gateway allows some calls only once in 3, 5 or 30 seconds; the stage waits for its turn and says so.";

static int set_outputs(struct api *a, struct rn_error *err)
{
	const char *path = a->routes.v[0].path;
	RN_AUTO(rn_freep) char *first = a->p->resource ? rn_strdup(a->p->resource) : NULL;
	for (size_t i = 0; first && i < a->routes.n; i++) /* the short form's route is the one that people mean */
		if (rn_streq(a->routes.v[i].path + 1, rn_trim(first)) || rn_streq(a->routes.v[i].path, first))
			path = a->routes.v[i].path;
	RN_AUTO(rn_freep) char *url = api_url(a, path);
	RN_AUTO(rn_freep) char *base = api_url(a, "");
	const char *value = rn_json_str(a->found_key, "value");
	if (stage_output(a->s, "url", url, err) < 0 || stage_output(a->s, "base_url", base, err) < 0 ||
	    stage_output(a->s, "api_id", a->id, err) < 0)
		return -1;
	if (a->key_id && stage_output(a->s, "api_key_id", a->key_id, err) < 0)
		return -1;
	if (a->key_id && value && stage_output(a->s, "api_key", value, err) < 0)
		return -1;
	return a->plan_id ? stage_output(a->s, "usage_plan_id", a->plan_id, err) : 0;
}

static int put_content(struct api *a, struct rn_error *err)
{
	if (a->document)
		return api_put_document(a, err);
	return api_put_authorizer(a, err) < 0 ? -1 : api_put_methods(a, err);
}

static int deploy(struct api *a, struct rn_error *err)
{
	if (api_survey(a, err) < 0 || api_put_rest_api(a, err) < 0 || put_content(a, err) < 0 ||
	    api_put_permissions(a, err) < 0 || api_put_deployment(a, err) < 0 || api_leave_functions(a, err) < 0 || api_put_key(a, err) < 0 ||
	    api_put_plan(a, err) < 0)
		return -1;
	return a->id ? set_outputs(a, err) : 0;
}

static int check_variables(struct api *a, struct rn_error *err)
{
	const struct runner_host *host = a->s->host;
	for (size_t i = 0; i < a->p->stage_variables.n && RUNNER_HAS(host, reveals); i++) {
		const char *value = a->p->stage_variables.v[i].value;
		if (!value || !host->reveals(a->s->rs, value, strlen(value)))
			continue;
		stage_blame(a->s, "stage_variables");
		rn_fail(err, RN_EINVAL, "the stage variable %s holds a secret, and API Gateway shows stage variables to all who may read the API",
			a->p->stage_variables.v[i].key);
		return rn_hint(err, "give it to the function's environment (lambda: environment), or have the function fetch it");
	}
	return 0;
}

static int check_routes(struct api *a, struct rn_error *err)
{
	if (a->p->integration_timeout.ms < 50 || a->p->integration_timeout.ms > 29000) {
		stage_blame(a->s, "integration_timeout");
		return rn_fail(err, RN_EINVAL, "API Gateway waits 50ms to 29s for a function");
	}
	if (a->p->keep_deployments < 1) {
		stage_blame(a->s, "keep_deployments");
		return rn_fail(err, RN_EINVAL, "keep_deployments must be 1 or more: the stage serves one");
	}
	const struct runner_host *host = a->s->host;
	const char *param = NULL;
	if (rn_streq(a->p->endpoint_type, "PRIVATE") && !a->p->openapi) {
		stage_blame(a->s, "endpoint_type");
		rn_fail(err, RN_EUNSUPPORTED, "API Gateway deploys a private API only with a resource policy, which routes cannot give");
		return rn_hint(err, "describe the API with openapi, and its policy there with x-amazon-apigateway-policy");
	}
	if (settings_check(a->p, &param, err) < 0)
		return stage_blame(a->s, param);
	if (check_variables(a, err) < 0)
		return -1;
	for (size_t i = 0; i < a->routes.n && !a->p->openapi; i++) {
		if (a->routes.v[i].function || !host->is_known(a->s->rs, "function") || !host->is_known(a->s->rs, "routes"))
			continue;
		stage_blame(a->s, a->p->routes.text ? "routes" : "function");
		rn_fail(err, RN_EINVAL, "no function answers %s %s", a->routes.v[i].method, a->routes.v[i].path);
		return rn_hint(err, "give `function`, for example ${{ stages.ID.arn }} of a lambda stage");
	}
	return 0;
}

static int with_api(struct runner_stage *rs, const struct runner_host *host, const struct apigw_params *p,
		    enum stage_mode mode)
{
	struct stage s;
	struct rn_error err = { 0 };
	stage_init(&s, rs, host, mode);
	if (mode == STAGE_PLAN && (!host->is_known(rs, "api_name") || !host->is_known(rs, "routes"))) {
		stage_info(&s, "the API depends on what another stage makes and is not known yet");
		return 0;
	}
	RN_AUTO(aws_session_freep) struct aws_session *session = stage_session(&s, p->region, &err);
	RN_AUTO(api_clear) struct api a = { 0 };
	if (!session)
		return stage_fail(&s, &err, NULL);
	if (mode == STAGE_DESTROY || mode == STAGE_ROLLBACK) {
		a = (struct api){ .s = &s, .p = p, .session = session };
		return (mode == STAGE_DESTROY ? api_destroy : api_rollback)(&a, &err) < 0 ? stage_fail(&s, &err, NULL) : 0;
	}
	if (api_init(&a, &s, p, session, &err) < 0 || check_routes(&a, &err) < 0 || deploy(&a, &err) < 0)
		return stage_fail(&s, &err, NULL);
	return 0;
}

static int check(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	struct stage s;
	struct rn_error err = { 0 };
	RN_AUTO(api_clear) struct api a = { 0 };
	stage_init(&s, rs, host, STAGE_PLAN);
	if (api_init(&a, &s, p, NULL, &err) < 0 || check_routes(&a, &err) < 0)
		return stage_fail(&s, &err, NULL);
	return 0;
}

static int run(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	return with_api(rs, host, p, STAGE_RUN);
}

static int plan(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	return with_api(rs, host, p, STAGE_PLAN);
}

static int destroy(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	return with_api(rs, host, p, STAGE_DESTROY);
}

static int rollback(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	return with_api(rs, host, p, STAGE_ROLLBACK);
}

RUNNER_PLUGIN(.name = "apigw", .version = RUNNER_VERSION, .summary = "Puts a REST API with keys and limits before functions",
	      .param_size = sizeof(struct apigw_params), .params = params, .outputs = outputs, .check = check, .run = run,
	      .plan = plan, .destroy = destroy, .rollback = rollback, .help = help, .permissions = permissions);
