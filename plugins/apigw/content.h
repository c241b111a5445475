/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content of an API as a document {path: {METHOD: {...}}}: what the routes want,
 * what API Gateway has, in one form; patches; the hash that a deployment carries.
 * Pure: no calls.
 */
#ifndef APIGW_CONTENT_H
#define APIGW_CONTENT_H

#include "routes.h"

/** Where the API and its functions live. */
struct content_place {
	const char *partition;
	const char *region;
	const char *account;
};

/** ARN of a function from an ARN or a name; new string. */
char *content_function_arn(const char *function, const struct content_place *at);
/** URI of the integration that invokes it; new string. */
char *content_function_uri(const char *function, const struct content_place *at);

/**
 * {path: {METHOD: {"apiKeyRequired", "authorizationType", "integration": {...}, "responses": {...}}}}.
 * A function that is not known yet leaves out the integration's "uri". New object.
 */
cJSON *content_want(const struct routes *r, const struct apigw_params *p, const struct content_place *at);
/** The same from the items of GetResources with embedded methods. New object. */
cJSON *content_have(const cJSON *resources);
/** The methods of one such item. New object. */
cJSON *content_methods(const cJSON *resource);

/** "runner sha256:<64 digits>" of the content and the binary types: the description of a deployment. New string. */
char *content_label(const cJSON *want, const cJSON *binary);
#define CONTENT_LABEL_PREFIX "runner sha256:"

/** True when the integrations (or responses) say the same; members that `want` lacks do not matter. */
bool content_same(const cJSON *want, const cJSON *have);

/** Adds {"op", "path", "value"} to a list; NULL value leaves it out. */
void patch_add(cJSON *ops, const char *op, const char *path, const char *value);
/** "/binaryMediaTypes/image~1png": `name` escaped as JSON pointers are (~ and /) behind `prefix`. New string. */
char *patch_path(const char *prefix, const char *name);
/** Operations that make the set of strings `have` (array) equal `want`; each under `prefix`. */
void patch_set(cJSON *ops, const char *prefix, const cJSON *have, const cJSON *want);
/** Operations that make the map `have` equal `want` (objects of strings). */
void patch_map(cJSON *ops, const char *prefix, const cJSON *have, const cJSON *want);
/** Operations for the throttles that a plan has for single methods of a stage ("API:STAGE"). */
void patch_plan_methods(cJSON *ops, const char *stage, const cJSON *have, const cJSON *want);
/** Operations that take a plan off all its stages. */
void patch_leave_stages(cJSON *ops, const cJSON *plan);
/** Operations for a plan's throttle and quota. */
void patch_plan(cJSON *ops, const cJSON *have, const struct plan_wish *want);

#endif
