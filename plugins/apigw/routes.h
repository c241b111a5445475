/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes, key and plan that the parameters describe, checked and in one
 * form. Pure: no calls.
 */
#ifndef APIGW_ROUTES_H
#define APIGW_ROUTES_H

#include "base/json.h"
#include "params.h"

/** Requests a second and how many at once; rate 0: no limit given. */
struct throttle {
	double rate;
	int64_t burst;
};
/** {rate, burst}; `what` names it in messages, other members are ignored. NULL gives no limit. */
int throttle_parse(const cJSON *o, const char *what, struct throttle *ret, struct rn_error *err);

struct route {
	char *path;          /* "/", "/predict", "/items/{id}"            */
	char *method;        /* "POST", "ANY"                             */
	char *function;      /* ARN or name; NULL: not known yet (plan)   */
	char *authorization; /* "NONE", "AWS_IAM", "CUSTOM"               */
	bool key_required;
	cJSON *cors;         /* NULL: none; else {origins, methods, headers, max_age}, all strings */
	struct throttle throttle;
};

struct routes {
	struct route *v;
	size_t n;
	size_t cap;
};

/** `resource`/`method`/`function` and `routes` together, sorted by path and method. *ret_param names the parameter at fault. */
int routes_parse(const struct apigw_params *p, struct routes *ret, const char **ret_param, struct rn_error *err);
void routes_clear(struct routes *r);
/** Adds one; `path` and `method` are cleaned and checked. */
int routes_add(struct routes *to, const char *path, const char *method, const char *function, const char *authorization,
	       bool key_required, struct rn_error *err);
void routes_sort(struct routes *r);
bool routes_need_key(const struct routes *r);

/** What a usage plan limits. */
struct plan_wish {
	bool wanted;
	char *name;
	struct throttle throttle;
	cJSON *methods; /* {"/predict/POST": {rateLimit, burstLimit}}; NULL: none */
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
