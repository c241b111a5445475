/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing what the stage made: plan, key, permissions, API, in that order. Each is found by
 * its tags and may be gone already, so a destroy that was cut off is simply run again.
 */
#include "api.h"

#include <string.h>

static int read_lists(struct api *a, cJSON **apis, cJSON **keys, cJSON **plans, struct rn_error *err)
{
	a->client = aws_client_new(a->session, "apigateway", err);
	a->lambda = a->client ? aws_client_new(a->session, "lambda", err) : NULL;
	if (!a->lambda)
		return -1;
	return api_list_apis(a, apis, err) < 0 || api_list_keys(a, keys, err) < 0 || api_list_plans(a, plans, err) < 0 ? -1 : 0;
}

static int remove_from(struct api *a, const char *arn, const char *id, struct rn_error *err)
{
	struct api_function f = { 0 };
	function_ref_parse(arn, &f.ref);
	int done = api_read_policy(a, &f, err) < 0 ? -1 : api_remove_permissions(a, &f, id, NULL, err);
	function_ref_clear(&f.ref);
	rn_json_freep(&f.policy);
	return done;
}

/* Of the function that the method's integration names; another kind of integration has none. */
static int remove_permission(struct api *a, const cJSON *method, const char *id, struct rn_error *err)
{
	const char *uri = rn_json_str(rn_json_get(method, "methodIntegration"), "uri");
	const char *begin = uri ? strstr(uri, "/functions/") : NULL;
	if (!begin)
		return 0;
	begin += strlen("/functions/");
	RN_AUTO(rn_freep) char *arn = rn_strndup(begin, strcspn(begin, "/"));
	return remove_from(a, arn, id, err);
}

static int remove_of_authorizers(struct api *a, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *all = NULL;
	const cJSON *one;
	if (api_list_authorizers(a, a->id, &all, err) < 0)
		return -1;
	cJSON_ArrayForEach(one, all)
	{
		RN_AUTO(rn_freep) char *arn = authorizer_function(one);
		if (arn && remove_from(a, arn, a->id, err) < 0)
			return -1;
	}
	return 0;
}

static int remove_permissions(struct api *a, struct rn_error *err)
{
	const cJSON *resource, *method;
	if (api_read_resources(a, err) < 0)
		return -1;
	cJSON_ArrayForEach(resource, a->resources)
	{
		cJSON_ArrayForEach(method, rn_json_get(resource, "resourceMethods"))
		{
			if (remove_permission(a, method, a->id, err) < 0)
				return -1;
		}
	}
	return remove_of_authorizers(a, err); /* also of one that no route asks any more */
}

int api_delete(struct api *a, const cJSON *api, struct rn_error *err)
{
	rn_freep(&a->id);
	a->id = rn_strdup(rn_json_str(api, "id"));
	if (remove_permissions(a, err) < 0)
		return -1;
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}", a->id);
	struct aws_error aerr = { 0 };
	if (api_write(a, "DeleteRestApi", "DELETE", path, NULL, NULL, &aerr, err) < 0 && aerr.http_status != 404)
		return -1;
	stage_change(a->s, RUNNER_DELETED, "with its stages and deployments", "API %s (%s)", rn_json_str(api, "name"), a->id);
	return 0;
}

int api_remove_own(struct api *a, const cJSON *items, int (*remove)(struct api *, const cJSON *, struct rn_error *), int *count,
		   struct rn_error *err)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, items)
	{
		if (!stage_owns(a->s, rn_json_get(item, "tags")))
			continue;
		++*count;
		if (remove(a, item, err) < 0)
			return -1;
	}
	return 0;
}

int api_destroy(struct api *a, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *apis = NULL, *keys = NULL, *plans = NULL;
	int count = 0;
	if (read_lists(a, &apis, &keys, &plans, err) < 0 || api_remove_own(a, plans, api_delete_plan, &count, err) < 0 ||
	    api_remove_own(a, keys, api_delete_key, &count, err) < 0 || api_remove_own(a, apis, api_delete, &count, err) < 0)
		return -1;
	if (count == 0)
		stage_info(a->s, "nothing in API Gateway was made by this stage");
	return 0;
}
