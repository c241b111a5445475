/* SPDX-License-Identifier: Apache-2.0 */
/* Resources: the tree of paths of an API. Methods are members of their resource (apigw_methods.c).
 */
#include "apigw.h"
#include "apigw_patch.h"
#include "store.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define RESOURCES_MAX 300

bool apigw_is_path_part(const char *part)
{
	size_t n = strlen(part);
	if (n > 2 && part[0] == '{' && part[n - 1] == '}') {
		size_t name = n - 2 - (part[n - 2] == '+');
		for (size_t i = 1; i <= name; i++)
			if (!isalnum((unsigned char)part[i]) && !strchr("._-", part[i]))
				return false;
		return name > 0;
	}
	for (const char *p = part; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-~%:@+,!$&'();=*", *p))
			return false;
	return n > 0;
}

cJSON *apigw_new_resource(const char *id, const cJSON *parent, const char *part)
{
	cJSON *resource = cJSON_CreateObject();
	cJSON_AddStringToObject(resource, "id", id);
	if (parent) {
		const char *above = rn_json_str(parent, "path");
		RN_AUTO(rn_freep) char *path =
			rn_asprintf("%s/%s", strcmp(above, "/") ? above : "", part);
		cJSON_AddStringToObject(resource, "parentId", rn_json_str(parent, "id"));
		cJSON_AddStringToObject(resource, "pathPart", part);
		cJSON_AddStringToObject(resource, "path", path);
	} else {
		cJSON_AddStringToObject(resource, "path", "/");
	}
	return resource;
}

/* As answered: methods in full when ?embed=methods asks for them, else their names alone. */
static cJSON *shown(const struct request *req, const cJSON *resource)
{
	cJSON *out = apigw_shown(resource);
	bool embed = false;
	for (size_t i = 0; i < req->args.n; i++)
		embed = embed || (!strcmp(req->args.v[i].name, "embed") &&
				  strstr(req->args.v[i].value, "methods"));
	cJSON *methods = rn_json_get(out, "resourceMethods");
	for (cJSON *m = methods && !embed ? methods->child : NULL; m; m = m->next)
		while (m->child)
			cJSON_Delete(cJSON_DetachItemViaPointer(m, m->child));
	return out;
}

static void answer(struct request *req, struct response *res, int status, const cJSON *resource)
{
	RN_AUTO(rn_json_freep) cJSON *out = shown(req, resource);
	apigw_answer(req, res, status, out);
}

/* Refuses a part that a sibling has, or a second variable beside one. */
static int check_siblings(struct request *req, struct response *res, const cJSON *all,
			  const char *parent_id, const char *id, const char *part)
{
	for (const cJSON *one = all->child; one; one = one->next) {
		const char *other = rn_json_str(one, "pathPart");
		if (!rn_streq(rn_json_str(one, "parentId"), parent_id) ||
		    rn_streq(rn_json_str(one, "id"), id))
			continue;
		if (rn_streq(other, part))
			return apigw_conflict(
				req, res,
				"Another resource with the same parent already has this name: %s",
				part);
		if (part[0] == '{' && other[0] == '{' && !rn_ends(part, "+}") &&
		    !rn_ends(other, "+}"))
			return apigw_bad(req, res,
					 "A sibling (%s) of this resource already has a variable "
					 "path part -- only one is allowed",
					 other);
	}
	return 0;
}

void apigw_create_resource(struct request *req, struct response *res)
{
	static const struct apigw_member WANTED[] = { { "pathPart", cJSON_String, true },
						      { NULL } };
	char id[16];
	RN_AUTO(rn_json_freep) cJSON *parent = apigw_resource(req, res);
	RN_AUTO(rn_json_freep) cJSON *in = cJSON_CreateObject();
	if (!parent || apigw_take(req, res, WANTED, in) < 0)
		return;
	const char *part = rn_json_str(in, "pathPart"), *api_id = request_param(req, "api");
	if (!apigw_is_path_part(part)) {
		apigw_bad(req, res,
			  "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path "
			  "variable and curly braces at the "
			  "beginning and the end.");
		return;
	}
	if (rn_ends(rn_json_str(parent, "path"), "+}")) {
		apigw_bad(req, res,
			  "Cannot create a child of a resource with a greedy path variable: %s",
			  rn_json_str(parent, "path"));
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *all =
		store_list(req->cloud->store, RESOURCE, api_id, NULL, 0);
	if (cJSON_GetArraySize(all) >= RESOURCES_MAX) {
		answer_error(req, res, 429, "LimitExceededException",
			     "Maximum number of Resources for this API has been reached. Please "
			     "contact AWS if you need additional Resources.");
		return;
	}
	if (check_siblings(req, res, all, rn_json_str(parent, "id"), NULL, part) < 0)
		return;
	RN_AUTO(rn_json_freep) cJSON *resource =
		apigw_new_resource(cloud_id(id, 6, false), parent, part);
	apigw_save(req, RESOURCE, api_id, id, resource);
	answer(req, res, 201, resource);
}

void apigw_get_resource(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *resource = apigw_resource(req, res);
	if (resource)
		answer(req, res, 200, resource);
}

void apigw_list_resources(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	if (!api)
		return;
	RN_AUTO(rn_json_freep) cJSON *all =
		store_list(req->cloud->store, RESOURCE, rn_json_str(api, "id"), NULL, 0);
	cJSON *list = cJSON_CreateArray();
	for (const cJSON *one = all->child; one; one = one->next)
		cJSON_AddItemToArray(list, shown(req, one));
	apigw_answer_list(req, res, list);
}

/* The children's paths follow their parent's. */
static void move_children(struct request *req, cJSON *all, const cJSON *parent)
{
	const char *above = rn_json_str(parent, "path");
	for (cJSON *one = all->child; one; one = one->next) {
		if (!rn_streq(rn_json_str(one, "parentId"), rn_json_str(parent, "id")))
			continue;
		RN_AUTO(rn_freep) char *path = rn_asprintf("%s/%s", strcmp(above, "/") ? above : "",
					 rn_json_str(one, "pathPart"));
		apigw_set(one, "path", cJSON_CreateString(path));
		apigw_save(req, RESOURCE, request_param(req, "api"), rn_json_str(one, "id"), one);
		move_children(req, all, one);
	}
}

void apigw_update_resource(struct request *req, struct response *res)
{
	static const struct patch_row ROWS[] = { { "/pathPart", PATCH_STRING },
						 { "/parentId", PATCH_STRING } };
	static const struct patch_table TABLE = { ROWS, RN_LEN(ROWS), NULL };
	RN_AUTO(rn_json_freep) cJSON *resource = apigw_resource(req, res);
	if (!resource || patch_apply(req, res, resource, &TABLE) < 0)
		return;
	const char *api_id = request_param(req, "api"), *part = rn_json_str(resource, "pathPart");
	const char *parent_id = rn_json_str(resource, "parentId"),
		   *id = rn_json_str(resource, "id");
	RN_AUTO(rn_json_freep) cJSON *parent =
		parent_id ? store_get(req->cloud->store, RESOURCE, api_id, parent_id)
				  : NULL;
	RN_AUTO(rn_json_freep) cJSON *all =
		store_list(req->cloud->store, RESOURCE, api_id, NULL, 0);
	if (!part || !parent || !apigw_is_path_part(part)) {
		apigw_bad(req, res,
			  "The root resource cannot be changed, and a resource needs a valid "
			  "parent and path part");
		return;
	}
	if (rn_starts(rn_json_str(parent, "path"), rn_json_str(resource, "path")) &&
	    !strncmp(rn_json_str(parent, "path") + strlen(rn_json_str(resource, "path")), "/", 1)) {
		apigw_bad(req, res, "A resource cannot become its own descendant");
		return;
	}
	if (rn_streq(parent_id, id) || check_siblings(req, res, all, parent_id, id, part) < 0) {
		if (res->status == 0)
			apigw_bad(req, res, "A resource cannot be its own parent");
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *moved = apigw_new_resource(id, parent, part);
	apigw_set(resource, "path", cJSON_CreateString(rn_json_str(moved, "path")));
	apigw_save(req, RESOURCE, api_id, id, resource);
	move_children(req, all, resource);
	answer(req, res, 200, resource);
}

static void delete_below(struct request *req, const cJSON *all, const char *id)
{
	for (const cJSON *one = all->child; one; one = one->next)
		if (rn_streq(rn_json_str(one, "parentId"), id))
			delete_below(req, all, rn_json_str(one, "id"));
	store_remove(req->cloud->store, RESOURCE, request_param(req, "api"), id, NULL);
}

void apigw_delete_resource(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *resource = apigw_resource(req, res);
	if (!resource)
		return;
	if (!rn_json_str(resource, "parentId")) {
		apigw_bad(req, res, "Cannot delete the root resource");
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *all =
		store_list(req->cloud->store, RESOURCE, request_param(req, "api"), NULL, 0);
	delete_below(req, all, rn_json_str(resource, "id"));
	response_body(res, 202, NULL, NULL, 0);
}
