/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API Gateway (REST APIs, v1), control plane: what its files share.
 * Documents have the shape of the API's answers; members that start with "_" stay inside.
 */
#ifndef APIGW_H
#define APIGW_H

#include "route.h"

/* Kinds in the store; parent in brackets. */
#define API "apigw.api"                   /* [region]  */
#define RESOURCE "apigw.resource"         /* [api id]  with resourceMethods inside */
#define DEPLOYMENT "apigw.deployment"     /* [api id]  with "_snapshot"            */
#define STAGE "apigw.stage"               /* [api id]  by name                     */
#define GATEWAY_RESPONSE "apigw.response" /* [api id]  by type                     */
#define MODEL "apigw.model"               /* [api id]  by name                     */
#define VALIDATOR "apigw.validator"       /* [api id]  */
#define AUTHORIZER "apigw.authorizer"     /* [api id]  */
#define KEY "apigw.key"                   /* [region]  */
#define PLAN "apigw.plan"                 /* [region]  */
#define PLAN_KEY "apigw.plankey"          /* [plan id] by key id                   */
#define USAGE "apigw.usage"               /* [plan id] by key id: {days: {"2026-11-24": n}, extra} */

/* ---- answers ---- */

int apigw_bad(struct request *req, struct response *res, const char *fmt, ...) RN_PRINTF(3, 4);
int apigw_not_found(struct request *req, struct response *res, const char *what);
int apigw_conflict(struct request *req, struct response *res, const char *fmt, ...) RN_PRINTF(3, 4);
/** Answers a document (copied) without its private members. */
void apigw_answer(struct request *req, struct response *res, int status, const cJSON *doc);
/** Answers a list by ?limit and ?position. Deletes `items`. */
void apigw_answer_list(struct request *req, struct response *res, cJSON *items);
/** Copy without private members, at any depth. New. */
cJSON *apigw_shown(const cJSON *doc);

/* ---- named things; each NULL when the 404 is answered; new documents ---- */

cJSON *apigw_api(struct request *req, struct response *res);
cJSON *apigw_resource(struct request *req, struct response *res);
cJSON *apigw_named(struct request *req, struct response *res, const char *kind, const char *parent, const char *param,
		   const char *what);
/** The same of the API in the path, which must exist, too. */
cJSON *apigw_of_api(struct request *req, struct response *res, const char *kind, const char *param, const char *what);

/* ---- documents ---- */

/** Copies members from the input when they are there and of the right type; -1: 400 answered. Ends with a NULL name. */
struct apigw_member {
	const char *name;
	int type;      /* cJSON_String, cJSON_Number, cJSON_True (a boolean), cJSON_Object, cJSON_Array */
	bool required;
};
int apigw_take(struct request *req, struct response *res, const struct apigw_member *members, cJSON *to);
void apigw_set(cJSON *object, const char *name, cJSON *value);
cJSON *apigw_object(cJSON *object, const char *name); /* member, made when missing */
int apigw_save(struct request *req, const char *kind, const char *parent, const char *id, const cJSON *doc);
/** Merges input.tags into the document's; -1: answered. */
int apigw_take_tags(struct request *req, struct response *res, cJSON *doc);

/** One resource's document and its "path" under a parent. New. */
cJSON *apigw_new_resource(const char *id, const cJSON *parent, const char *part);
/** All of an API as a deployment keeps it: {api, resources, responses, models, validators, authorizers}. New. */
cJSON *apigw_snapshot(struct request *req, const cJSON *api);
/** Valid integration? -1: answered. Also sets what AWS defaults. */
int apigw_check_integration(struct request *req, struct response *res, cJSON *integration);
/** A gateway response of a type that there is, with a status that can be sent? -1: answered. */
int apigw_check_response(struct request *req, struct response *res, const char *type, const cJSON *doc);
int apigw_check_method(struct request *req, struct response *res, const char *verb, cJSON *method);
bool apigw_is_path_part(const char *part);
bool apigw_is_status(const char *text); /* three digits, of HTTP */
/** Reads an OpenAPI document into the API's resources; -1: answered. */
int apigw_import(struct request *req, struct response *res, cJSON *api, bool merge);
void apigw_remove_children(struct request *req, const char *api_id);

/* ---- operations, by file ---- */

handler_fn apigw_create_api, apigw_get_api, apigw_list_apis, apigw_update_api, apigw_delete_api, apigw_put_api,
	apigw_get_account, apigw_get_tags, apigw_tag, apigw_untag;
handler_fn apigw_put_response, apigw_get_response, apigw_list_responses, apigw_update_response, apigw_delete_response;
handler_fn apigw_create_resource, apigw_get_resource, apigw_list_resources, apigw_update_resource,
	apigw_delete_resource;
handler_fn apigw_put_method, apigw_get_method, apigw_update_method, apigw_delete_method, apigw_put_method_response,
	apigw_get_method_response, apigw_update_method_response, apigw_delete_method_response;
handler_fn apigw_put_integration, apigw_get_integration, apigw_update_integration, apigw_delete_integration,
	apigw_put_integration_response, apigw_get_integration_response, apigw_update_integration_response,
	apigw_delete_integration_response;
handler_fn apigw_create_deployment, apigw_get_deployment, apigw_list_deployments, apigw_update_deployment,
	apigw_delete_deployment, apigw_create_stage, apigw_get_stage, apigw_list_stages, apigw_update_stage,
	apigw_delete_stage;
handler_fn apigw_create_model, apigw_get_model, apigw_get_model_template, apigw_list_models, apigw_update_model,
	apigw_delete_model, apigw_create_validator, apigw_get_validator, apigw_list_validators, apigw_update_validator,
	apigw_delete_validator, apigw_create_authorizer, apigw_get_authorizer, apigw_list_authorizers,
	apigw_update_authorizer, apigw_delete_authorizer;
handler_fn apigw_export;
handler_fn apigw_create_key, apigw_get_key, apigw_list_keys, apigw_update_key, apigw_delete_key;
handler_fn apigw_create_plan, apigw_get_plan, apigw_list_plans, apigw_update_plan, apigw_delete_plan,
	apigw_create_plan_key, apigw_get_plan_key, apigw_list_plan_keys, apigw_delete_plan_key, apigw_get_usage,
	apigw_update_usage;
handler_fn apigw_test_invoke, apigw_test_authorizer;

#endif
