/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One API as this stage sees it: what the parameters want, what was found, and
 * the steps that bring one to the other. Names are not unique in API Gateway, so
 * the API, the key and the plan are known by their ownership tags.
 */
#ifndef APIGW_API_H
#define APIGW_API_H

#include "authorizer.h"
#include "policy.h"
#include "stage/stage.h"

#define API_FUNCTIONS_MAX 64

/** A function that the routes invoke, and its policy. */
struct api_function {
	struct function_ref ref;
	cJSON *policy; /* NULL: it has none */
};

struct api {
	struct stage *s;
	const struct apigw_params *p;
	struct aws_session *session;
	struct aws_client *client; /* API Gateway */
	struct aws_client *lambda;
	struct content_place at;

	struct routes routes;
	struct key_wish key;
	struct plan_wish plan;
	cJSON *authorizer; /* authorizer_parse; NULL: none is wanted */
	struct rn_strv authorizer_functions; /* that decide who may call: of the parameter or of the document */
	cJSON *tags;
	cJSON *document; /* the OpenAPI document; NULL: routes describe the API */
	cJSON *want; /* content_want */
	cJSON *binary; /* binary types wanted */

	char *id;                /* of the API; NULL: does not exist yet (plan)    */
	cJSON *found;            /* the API; NULL: does not exist                  */
	cJSON *found_key;        /* with its value                                 */
	cJSON *found_plan;
	cJSON *plan_keys;
	cJSON *own_keys;         /* those that this stage made, retired ones too   */
	cJSON *own_plans;
	cJSON *resources;        /* with embedded methods                          */
	cJSON *before;           /* the resources as the run met them              */
	cJSON *deployments;
	cJSON *found_stage;
	cJSON *found_authorizer; /* the one that the stage made                    */
	struct api_function functions[API_FUNCTIONS_MAX];
	size_t n_functions;

	bool made;               /* by this run: the API goes as a whole when it is rolled back */
	bool content_changed;    /* this run wrote resources, methods or settings that a deployment captures */
	char *key_id;
	char *plan_id;
};

/** Parses the parameters; no calls. Errors name the parameter through stage_blame. */
int api_init(struct api *a, struct stage *s, const struct apigw_params *p, struct aws_session *session,
	     struct rn_error *err);
void api_clear(struct api *a);

/* ---- survey.c: reading ---- */

int api_survey(struct api *a, struct rn_error *err);
int api_read_resources(struct api *a, struct rn_error *err);
/** Lists of all there is; the caller deletes. */
int api_list_apis(struct api *a, cJSON **ret, struct rn_error *err);
int api_list_keys(struct api *a, cJSON **ret, struct rn_error *err);
int api_list_plans(struct api *a, cJSON **ret, struct rn_error *err);
int api_list_deployments(struct api *a, const char *id, cJSON **ret, struct rn_error *err);
/** The item that this stage made (the oldest of several), else one of the same pipeline with that name. Borrowed. */
const cJSON *api_pick(const struct api *a, const cJSON *items, const char *name);
int api_list_authorizers(struct api *a, const char *id, cJSON **ret, struct rn_error *err); /* authorizer.c */
/** Reads the stage's own authorizer into a->found_authorizer; NULL when there is none. */
int api_read_authorizer(struct api *a, struct rn_error *err);
/** Reads the stage into a->found_stage; NULL when there is none. */
int api_read_stage(struct api *a, struct rn_error *err);
int api_read_policy(struct api *a, struct api_function *f, struct rn_error *err);

/* ---- call.c: writing ---- */

int api_write(struct api *a, const char *operation, const char *method, const char *path, const cJSON *body, cJSON **ret,
	      struct aws_error *aerr, struct rn_error *err);
/** PATCH with the operations; nothing when there are none. */
int api_patch(struct api *a, const char *operation, const char *path, const cJSON *ops, cJSON **ret,
	      struct rn_error *err);
/**
 * A creation that is not idempotent: when the answer is lost, `find` looks whether the thing is
 * there before it is tried again. `find` sets *ret to a new object, or leaves NULL.
 */
int api_create(struct api *a, const char *operation, const char *path, const cJSON *body,
	       int (*find)(struct api *a, cJSON **ret, struct rn_error *err), cJSON **ret, struct aws_error *aerr,
	       struct rn_error *err);
/** TagResource for what `have` lacks of the stage's tags; names of tags go to `d`. */
int api_put_tags(struct api *a, const char *kind, const char *id, const cJSON *have, struct stage_diff *d,
		 struct rn_error *err);
/** True when api_put_tags would write. */
bool api_lacks_tags(const struct api *a, const cJSON *have);
/** TagResource and UntagResource, so that the tags named in `before` ({name: value or null}) are as it says. */
int api_put_tags_back(struct api *a, const char *kind, const char *id, const cJSON *have, const cJSON *before,
		      struct stage_diff *d, struct rn_error *err);

/* ---- pace.c ---- */

/** Waits until `operation` may be called again: API Gateway's fixed quotas, on AWS itself only. */
int api_pace(struct api *a, const char *operation, struct rn_error *err);
/** Milliseconds between two calls of that operation by its quota; 0: not limited by itself. */
int64_t api_pace_interval(const char *operation, bool edge);

/* ---- the steps ---- */

int api_put_rest_api(struct api *a, struct rn_error *err);    /* rest_api.c   */
int api_put_authorizer(struct api *a, struct rn_error *err);  /* authorizer.c */
int api_put_methods(struct api *a, struct rn_error *err);     /* methods.c    */
int api_put_document(struct api *a, struct rn_error *err);    /* document.c   */
int api_put_permissions(struct api *a, struct rn_error *err); /* permission.c */
int api_put_deployment(struct api *a, struct rn_error *err);  /* deployment.c */
/** Removes our statements from functions that the content named before the run and no longer does. After the deployment. */
int api_leave_functions(struct api *a, struct rn_error *err); /* permission.c */
int api_put_key(struct api *a, struct rn_error *err);         /* key.c        */
int api_put_plan(struct api *a, struct rn_error *err);        /* plan.c       */
int api_destroy(struct api *a, struct rn_error *err);         /* destroy.c    */
int api_rollback(struct api *a, struct rn_error *err);        /* rollback.c   */

/* ---- remember.c: what is there, kept before it is changed. Each does nothing but in `run` ---- */

/* Kinds of records: what stands before the name in their keys. */
#define RECORD_NEW_API "api "         /* [ids of before]                                  */
#define RECORD_NEW_KEY "key "
#define RECORD_NEW_PLAN "plan "
#define RECORD_API "api-settings "    /* by id: what UpdateRestApi changes, tags          */
#define RECORD_CONTENT "content "     /* by path: {api, path, methods; none: no such resource} */
#define RECORD_DOCUMENT "document "   /* by API: {stage, deploymentId}                    */
#define RECORD_AUTHORIZER "authorizer " /* by API: the authorizer of before; null: none  */
#define RECORD_DEPLOYMENTS "deployments " /* by API: [ids]                                */
#define RECORD_STAGE "stage "         /* by name: {api, deployment; none: no such stage}  */
#define RECORD_PERMISSION "permission " /* by a hash of all but the last: {sid, function, qualifier, source} */
#define RECORD_KEY "key-settings "    /* by id                                            */
#define RECORD_PLAN "plan-settings "  /* by id                                            */
#define RECORD_PLAN_KEY "plan-key "   /* by plan: id of the key that came in              */

enum api_new { API_NEW_API, API_NEW_KEY, API_NEW_PLAN };
/** Before something is made that was not there. */
int api_remember_new(struct api *a, enum api_new what, struct rn_error *err);
int api_remember_api(struct api *a, struct rn_error *err);
/** The methods of one path, and of all below it. */
int api_remember_path(struct api *a, const char *path, struct rn_error *err);
int api_remember_below(struct api *a, const char *path, struct rn_error *err);
int api_remember_document(struct api *a, struct rn_error *err);
int api_remember_authorizer(struct api *a, struct rn_error *err);
int api_remember_deployments(struct api *a, struct rn_error *err);
int api_remember_stage(struct api *a, struct rn_error *err);
int api_remember_permission(struct api *a, const struct api_function *f, const char *sid, struct rn_error *err);
int api_remember_key(struct api *a, const cJSON *key, struct rn_error *err);
int api_remember_plan(struct api *a, struct rn_error *err);
int api_remember_plan_key(struct api *a, struct rn_error *err);

/** Disables the key, or takes the plan off its stages, and notes in its description that it may go in a day. */
int api_retire_key(struct api *a, const cJSON *key, struct rn_error *err);
int api_retire_plan(struct api *a, struct rn_error *err);
bool api_is_retired(const cJSON *item);
/** Deletes what was retired a day ago or more. */
int api_sweep(struct api *a, struct rn_error *err);

/* ---- rollback_settings.c: putting one resource back from its record ---- */

int api_put_api_back(struct api *a, const char *id, const cJSON *record, struct rn_error *err);
int api_put_stage_back(struct api *a, const char *name, const cJSON *record, struct rn_error *err);
int api_put_authorizer_back(struct api *a, const char *api, const cJSON *record, struct rn_error *err); /* authorizer.c */
int api_put_key_back(struct api *a, const char *id, const cJSON *record, struct rn_error *err);
int api_put_plan_back(struct api *a, const char *id, const cJSON *record, struct rn_error *err);

/** Reports what differs at one method (`have` NULL: all of it), and notes it in content_changed. */
void api_tell_method(struct api *a, const char *path, const cJSON *want, const cJSON *have);
/** True when the stage serves a deployment of just the content that is wanted. */
bool api_serves(const struct api *a);

/** Removes our statements for API `id` from a function's policy, but those whose ids are in `keep` (may be NULL). */
int api_remove_permissions(struct api *a, struct api_function *f, const char *id, const struct rn_strv *keep,
			   struct rn_error *err);
/** DeleteUsagePlan after its stages are taken off. */
int api_delete_plan(struct api *a, const cJSON *plan, struct rn_error *err);
int api_delete_key(struct api *a, const cJSON *key, struct rn_error *err);
/** DeleteRestApi, and the permissions that it had on functions. */
int api_delete(struct api *a, const cJSON *api, struct rn_error *err);
/** Calls `remove` for the items that this stage made, and counts them. */
int api_remove_own(struct api *a, const cJSON *items, int (*remove)(struct api *, const cJSON *, struct rn_error *), int *count,
		   struct rn_error *err);
int api_remove_permission(struct api *a, struct api_function *f, const char *sid, struct rn_error *err);
int api_add_permission(struct api *a, struct api_function *f, const char *sid, const char *source, struct rn_error *err);

/** URL of a path ("/predict"; "" for the stage itself); new string. */
char *api_url(const struct api *a, const char *path);

#endif
