/* SPDX-License-Identifier: Apache-2.0 */
/* Is there such an API, stage and route, and is it deployed? */
#include "diagnose.h"

#include "base/mem.h"

#include <string.h>

/* ---- reading ----------------------------------------------------------------------------- */

int diagnose_get(struct diagnosis *d, struct aws_client *c, const char *operation, const char *path, const cJSON *query,
		 cJSON **ret)
{
	struct aws_error aerr = { 0 };
	struct rn_error err = { 0 };
	*ret = NULL;
	if (aws_rest(c, operation, "GET", path, query, NULL, ret, &aerr, &err) == 0 || aerr.http_status == 404)
		return 0;
	stage_debug(d->s, "cannot look for the cause: %s", err.msg);
	return -1;
}

cJSON *diagnose_list(struct diagnosis *d, const char *operation, const char *path, const cJSON *query)
{
	const struct aws_pages pages = { .list = "item", .out_token = "position" };
	RN_AUTO(rn_json_freep) cJSON *all = query ? cJSON_Duplicate(query, true) : cJSON_CreateObject();
	cJSON *items = NULL;
	struct rn_error err = { 0 };
	cJSON_AddStringToObject(all, "limit", "500");
	if (aws_rest_pages(d->client, operation, path, all, &pages, &items, NULL, &err) == 0)
		return items;
	stage_debug(d->s, "cannot look for the cause: %s", err.msg);
	return NULL;
}

static int read_present(struct diagnosis *d)
{
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/resources", d->at.api);
	RN_AUTO(rn_json_freep) cJSON *query = cJSON_CreateObject();
	cJSON_AddStringToObject(query, "embed", "methods");
	RN_AUTO(rn_json_freep) cJSON *items = diagnose_list(d, "GetResources", path, query);
	const cJSON *item;
	if (!items)
		return -1;
	d->present = cJSON_CreateObject();
	cJSON_ArrayForEach(item, items)
	{
		const cJSON *methods = rn_json_get(item, "resourceMethods");
		if (methods && methods->child && rn_json_str(item, "path"))
			cJSON_AddItemToObject(d->present, rn_json_str(item, "path"), cJSON_Duplicate(methods, true));
	}
	d->route = gateway_route(d->present, d->at.path);
	return 0;
}

static int read_live(struct diagnosis *d)
{
	const char *id = rn_json_str(d->stage, "deploymentId");
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/deployments/{}", d->at.api, id ? id : "");
	RN_AUTO(rn_json_freep) cJSON *query = cJSON_CreateObject(), *deployment = NULL;
	cJSON_AddStringToObject(query, "embed", "apisummary");
	if (diagnose_get(d, d->client, "GetDeployment", path, query, &deployment) < 0)
		return -1;
	d->live = cJSON_Duplicate(rn_json_get(deployment, "apiSummary"), true);
	return 0;
}

/* ---- causes --------------------------------------------------------------------------------- */

static char *no_stage(struct diagnosis *d)
{
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/stages", d->at.api);
	RN_AUTO(rn_json_freep) cJSON *answer = NULL;
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	const cJSON *item;
	if (diagnose_get(d, d->client, "GetStages", path, NULL, &answer) < 0)
		return NULL;
	cJSON_ArrayForEach(item, rn_json_get(answer, "item"))
		rn_strv_add(&names, rn_json_str(item, "stageName"));
	RN_AUTO(rn_freep) char *all = names.n ? rn_strv_join(&names, ", ") : rn_strdup("none");
	return rn_asprintf("API %s has no stage \"%s\" (it has: %s): correct the URL, or deploy to that stage", d->at.api,
			   d->at.stage, all);
}

static char *no_route(const struct diagnosis *d)
{
	RN_AUTO(rn_freep) char *all = gateway_list(d->present);
	if (!d->route)
		return rn_asprintf("API %s has no route for the path %s: correct the URL, or add the route; it has: %s", d->at.api,
				   d->at.path, all);
	if (gateway_method(d->route, d->method))
		return NULL;
	return rn_asprintf("the path %s of API %s has no method %s: correct the method, or add the route; it has: %s", d->route->string,
			   d->at.api, d->method, all);
}

static char *not_deployed(const struct diagnosis *d)
{
	const cJSON *live = d->live ? rn_json_get(d->live, d->route->string) : NULL;
	if (!d->live || gateway_method(live, d->method))
		return NULL;
	return rn_asprintf("%s %s is in API %s but not in deployment %s, which the stage %s serves: deploy the API (the apigw stage does "
			   "when it is run)",
			   d->method, d->route->string, d->at.api, rn_json_str(d->stage, "deploymentId"), d->at.stage);
}

static const cJSON *live_method(const struct diagnosis *d)
{
	const cJSON *deployed = d->live ? gateway_method(rn_json_get(d->live, d->route->string), d->method) : NULL;
	return deployed ? deployed : gateway_method(d->route, d->method);
}

static char *refused(struct diagnosis *d)
{
	const cJSON *m = live_method(d);
	const char *authorization = rn_json_str(m, "authorizationType");
	if (authorization && strcmp(authorization, "NONE") != 0) {
		bool iam = strcmp(authorization, "AWS_IAM") == 0;
		return rn_asprintf("%s %s wants %s (authorization %s): %s", d->method, d->route->string,
				   iam ? "requests that are signed as an IAM identity" : "an authorizer's consent", authorization,
				   iam ? "a smoke-test cannot sign; expect this 403, or test with a route of authorization NONE" :
					 "send the header that the authorizer reads");
	}
	if (rn_json_bool(m, "apiKeyRequired", false))
		return diagnose_key(d);
	if (d->at.endpoint)
		return NULL;
	return rn_asprintf("route, deployment and stage are right, and no key is wanted: a resource policy of API %s refuses the caller, "
			   "or the change has not spread yet (allow a minute)",
			   d->at.api);
}

static char *cause_of(struct diagnosis *d)
{
	RN_AUTO(rn_freep) char *api_path = aws_path("/restapis/{}", d->at.api);
	RN_AUTO(rn_freep) char *stage_path = aws_path("/restapis/{}/stages/{}", d->at.api, d->at.stage);
	RN_AUTO(rn_json_freep) cJSON *api = NULL;
	if (diagnose_get(d, d->client, "GetRestApi", api_path, NULL, &api) < 0)
		return NULL;
	if (!api)
		return rn_asprintf("there is no API %s in %s: correct the URL, or run the apigw stage", d->at.api,
				   aws_client_region(d->client));
	if (diagnose_get(d, d->client, "GetStage", stage_path, NULL, &d->stage) < 0)
		return NULL;
	if (!d->stage)
		return no_stage(d);
	if (read_present(d) < 0 || read_live(d) < 0)
		return NULL;
	char *cause = no_route(d);
	if (!cause && d->route)
		cause = not_deployed(d);
	if (cause)
		return cause;
	int status = d->answer->status;
	if (status == 403)
		return refused(d);
	return status == 429 ? diagnose_limits(d) : status >= 500 ? diagnose_function(d) : NULL;
}

/* ---- the whole --------------------------------------------------------------------------------- */

/* Only a local endpoint's own settings lead to it: an id of there means nothing on AWS. */
static bool reachable(const struct diagnosis *d)
{
	bool custom = aws_session_custom_endpoint(d->session, "apigateway");
	if (!d->at.endpoint)
		return !custom;
	return custom && rn_starts(aws_client_endpoint(d->client), d->at.endpoint);
}

char *diagnose(struct stage *s, const char *url, const char *method, const char *key, const struct http_response *answer)
{
	RN_AUTO(gateway_address_clear) struct gateway_address at = { 0 };
	struct rn_error err = { 0 };
	if (!gateway_address_parse(url, &at))
		return NULL;
	RN_AUTO(aws_session_freep) struct aws_session *session = stage_session(s, at.region, &err);
	RN_AUTO(aws_client_freep) struct aws_client *client = session ? aws_client_new(session, "apigateway", &err) : NULL;
	struct diagnosis d = { .s = s, .session = session, .client = client, .at = at, .method = method, .key = key, .answer = answer };
	char *cause = client && reachable(&d) ? cause_of(&d) : NULL;
	rn_json_freep(&d.stage);
	rn_json_freep(&d.present);
	rn_json_freep(&d.live);
	return cause;
}
