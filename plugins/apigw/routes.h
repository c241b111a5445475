/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes, key and plan that the parameters describe, checked and in one
 * form. Pure: no calls.
 */
#ifndef APIGW_ROUTES_H
#define APIGW_ROUTES_H

#include "base/json.h"
#include "params.h"

struct route {
	char *path;          /* "/", "/predict", "/items/{id}"            */
	char *method;        /* "POST", "ANY"                             */
	char *function;      /* ARN or name; NULL: not known yet (plan)   */
	char *authorization; /* "NONE", "AWS_IAM"                         */
	bool key_required;
	cJSON *cors;         /* NULL: none; else {origins, methods, headers, max_age}, all strings */
};

struct routes {
	struct route *v;
	size_t n;
	size_t cap;
};

/** `resource`/`method`/`function` and `routes` together, sorted by path and method. *ret_param names the parameter at fault. */
int routes_parse(const struct apigw_params *p, struct routes *ret, const char **ret_param, struct rn_error *err);
void routes_clear(struct routes *r);
bool routes_need_key(const struct routes *r);

/** What a usage plan limits. */
struct plan_wish {
	bool wanted;
	char *name;
	double rate; /* requests a second; 0: no throttle */
	int64_t burst;
	int64_t quota; /* 0: none */
	const char *period; /* "DAY", "WEEK", "MONTH" */
};
/** A plan is wanted when the parameter says so or a key is needed. */
int plan_parse(const struct apigw_params *p, bool key_needed, struct plan_wish *ret, struct rn_error *err);
void plan_clear(struct plan_wish *p);

struct key_wish {
	bool wanted;
	char *name;
	char *value; /* NULL: API Gateway makes one */
};
int key_parse(const struct apigw_params *p, bool key_needed, struct key_wish *ret, struct rn_error *err);
void key_clear(struct key_wish *k);

#endif
