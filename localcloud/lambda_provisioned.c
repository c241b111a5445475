/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Provisioned concurrency: instances of a version that are started before anybody calls, and kept.
 *
 * A document: FunctionArn, RequestedProvisionedConcurrentExecutions, LastModified, and what the worker found:
 * AllocatedProvisionedConcurrentExecutions, Status, StatusReason, _by (the cloud that made the instances), _change.
 */
#include "lambda_internal.h"

#include "base/time.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EACH_MAX 64 /* of one configuration, on a machine that has to bear them */
#define VERSIONS_MAX 32

/* ---- the worker ---- */

struct need {
	cJSON *version; /* document; owned */
	int64_t n;
};

struct needs {
	struct need v[VERSIONS_MAX];
	size_t n;
};

static void needs_clear(struct needs *l)
{
	for (size_t i = 0; i < l->n; i++)
		cJSON_Delete(l->v[i].version);
	l->n = 0;
}

static const char *number_of(const struct need *n)
{
	return rn_json_str(n->version, "Version");
}

/* The version that the configuration is about, new: an alias's own one (the one that weights add gets none). */
static cJSON *version_of(struct cloud *c, const struct function_ref *r, const char *qualifier)
{
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	RN_AUTO(rn_json_freep) cJSON *alias = store_get(c->store, ALIAS, parent, qualifier);
	const char *number = alias ? rn_json_str(alias, "FunctionVersion") : qualifier;
	return rn_streq(number, LATEST) ? NULL : function_qualified(c, r, number);
}

static const char *qualifier_of(const cJSON *config)
{
	const char *arn = rn_json_str(config, "FunctionArn"), *colon = arn ? strrchr(arn, ':') : NULL;
	return colon ? colon + 1 : "";
}

static void read_needs(struct cloud *c, const struct function_ref *r, const cJSON *configs, struct needs *ret)
{
	const cJSON *config;
	cJSON_ArrayForEach(config, configs) {
		cJSON *version = ret->n < VERSIONS_MAX ? version_of(c, r, qualifier_of(config)) : NULL;
		if (version)
			ret->v[ret->n++] = (struct need){ version, rn_json_int(config, "RequestedProvisionedConcurrentExecutions", 0) };
	}
}

/* With the lock. */
static bool serves(const struct instance *in, const char *function, const char *version)
{
	return in->provisioned && !in->dead && !in->retired && !strcmp(in->function, function) && !strcmp(in->version, version);
}

static int64_t count(struct lambda *l, const char *function, const char *version)
{
	int64_t n = 0;
	pthread_mutex_lock(&l->lock);
	for (const struct instance *in = l->instances; in; in = in->next)
		n += serves(in, function, version);
	pthread_mutex_unlock(&l->lock);
	return n;
}

/* Lets go of those that nothing asks for: they end as idle instances do, at once when they are idle. */
static void release_surplus(struct lambda *l, const char *function, const struct needs *needs)
{
	int64_t left[VERSIONS_MAX];
	for (size_t i = 0; i < needs->n; i++)
		left[i] = needs->v[i].n;
	pthread_mutex_lock(&l->lock);
	for (struct instance *in = l->instances; in; in = in->next) {
		bool kept = false;
		if (!in->provisioned || in->dead || in->retired || strcmp(in->function, function))
			continue;
		for (size_t i = 0; i < needs->n && !kept; i++)
			kept = !strcmp(in->version, number_of(&needs->v[i])) && left[i]-- > 0;
		if (kept)
			continue;
		in->provisioned = false;
		in->retired = true;
		if (!in->owned)
			sandbox_kill(in->box);
	}
	pthread_mutex_unlock(&l->lock);
}

/* Starts what is missing of one version; NULL when all are there, else why not. */
static const char *fill(struct lambda *l, const struct function_ref *r, const struct need *need)
{
	RN_AUTO(rn_freep) char *function = function_parent(r);
	const char *why = NULL;
	while (!why && count(l, function, number_of(need)) < need->n) {
		struct instance *in = instance_provision(l, r, need->version, &why);
		if (in)
			instance_release(in);
	}
	return why;
}

/* Tells how far it is, unless the configuration was changed meanwhile: then another worker is on its way. */
static void conclude(struct lambda *l, const struct function_ref *r, const cJSON *config, const char *why)
{
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	const char *qualifier = qualifier_of(config);
	RN_AUTO(rn_json_freep) cJSON *version = version_of(l->cloud, r, qualifier);
	double there = version ? (double)count(l, parent, rn_json_str(version, "Version")) : 0;
	store_begin(l->cloud->store);
	RN_AUTO(rn_json_freep) cJSON *doc = store_get(l->cloud->store, PROVISIONED, parent, qualifier);
	if (doc && rn_streq(rn_json_str(doc, "_change"), rn_json_str(config, "_change"))) {
		json_set_str(doc, "Status", why ? "FAILED" : "READY");
		json_set_str(doc, "StatusReason", why);
		json_set(doc, "AllocatedProvisionedConcurrentExecutions",
			 cJSON_CreateNumber(fmin(there, rn_json_num(doc, "RequestedProvisionedConcurrentExecutions", 0))));
		json_set_str(doc, "_by", l->cloud->instance);
		store_put(l->cloud->store, PROVISIONED, parent, qualifier, doc, NULL);
	}
	store_end(l->cloud->store, true, NULL);
}

static void provision_now(struct lambda *l, const struct function_ref *r)
{
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	RN_AUTO(needs_clear) struct needs needs = { 0 };
	RN_AUTO(rn_json_freep) cJSON *configs = store_list(l->cloud->store, PROVISIONED, parent, NULL, 0);
	read_needs(l->cloud, r, configs, &needs);
	release_surplus(l, parent, &needs);
	const cJSON *config;
	cJSON_ArrayForEach(config, configs) {
		RN_AUTO(rn_json_freep) cJSON *version = version_of(l->cloud, r, qualifier_of(config));
		const char *why = version ? NULL : "The alias points to no published version";
		for (size_t i = 0; i < needs.n && version; i++)
			if (rn_streq(number_of(&needs.v[i]), rn_json_str(version, "Version")))
				why = fill(l, r, &needs.v[i]);
		conclude(l, r, config, why);
	}
}

struct work {
	struct lambda *lambda;
	struct function_ref ref;
};

static void *work(void *arg)
{
	struct work *w = arg;
	struct lambda *l = w->lambda;
	pthread_mutex_lock(&l->provision);
	provision_now(l, &w->ref);
	pthread_mutex_unlock(&l->provision);
	function_ref_clear(&w->ref);
	free(w);
	worker_ended(l);
	return NULL;
}

void provision(struct cloud *c, const struct function_ref *r)
{
	struct work *w = rn_alloc(sizeof(*w));
	*w = (struct work){ lambda_of(c), { rn_strdup(r->region), rn_strdup(r->name), NULL } };
	/* it reads the documents once the transaction that calls this is over: the store's lock is held until then */
	if (worker_start(w->lambda, work, w) == 0)
		return;
	function_ref_clear(&w->ref);
	free(w);
}

static void begin(cJSON *config)
{
	char uuid[37];
	json_set_str(config, "Status", "IN_PROGRESS");
	json_set_str(config, "StatusReason", NULL);
	json_set(config, "AllocatedProvisionedConcurrentExecutions", cJSON_CreateNumber(0));
	json_set_str(config, "_change", cloud_uuid(uuid));
}

void provision_alias(struct cloud *c, const struct function_ref *r, const char *alias, bool gone)
{
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	RN_AUTO(rn_json_freep) cJSON *config = store_get(c->store, PROVISIONED, parent, alias);
	if (!config)
		return;
	if (gone) {
		store_remove(c->store, PROVISIONED, parent, alias, NULL);
	} else {
		begin(config);
		store_put(c->store, PROVISIONED, parent, alias, config, NULL);
	}
	provision(c, r);
}

void provision_start(struct lambda *l)
{
	RN_AUTO(rn_strv_clear) struct rn_strv parents = { 0 };
	store_begin(l->cloud->store);
	sqlite3_stmt *s = store_query(l->cloud->store, "SELECT DISTINCT parent FROM object WHERE kind = ?1", 1, (const char *[]){ PROVISIONED });
	while (store_row(l->cloud->store, s))
		rn_strv_add(&parents, (const char *)sqlite3_column_text(s, 0));
	store_done(s);
	store_end(l->cloud->store, false, NULL);
	for (size_t i = 0; i < parents.n; i++) {
		char *slash = strchr(parents.v[i], '/');
		*slash = '\0';
		const struct function_ref r = { parents.v[i], slash + 1, NULL };
		provision(l->cloud, &r);
	}
}

/* ---- the API ---- */

/* As told: another process's instances are gone. */
static cJSON *answer(const struct request *req, const cJSON *config, bool listed)
{
	cJSON *out = function_public(config, NULL);
	const char *by = rn_json_str(config, "_by");
	if (by && strcmp(by, req->cloud->instance) != 0 && !rn_streq(rn_json_str(config, "Status"), "FAILED"))
		begin(out);
	json_set_str(out, "_change", NULL);
	json_set(out, "AvailableProvisionedConcurrentExecutions",
		 cJSON_Duplicate(rn_json_get(out, "AllocatedProvisionedConcurrentExecutions"), true));
	if (!listed)
		json_set_str(out, "FunctionArn", NULL);
	return out;
}

static int asked(struct request *req, struct response *res, struct function_ref *r, const char *latest)
{
	if (function_ref_of(req, res, r) < 0)
		return -1;
	RN_AUTO(rn_freep) char *arn = function_arn(r, r->qualifier);
	RN_AUTO(rn_json_freep) cJSON *doc = function_qualified(req->cloud, r, r->qualifier);
	if (!r->qualifier)
		answer_error(req, res, 400, "ValidationException",
			     "1 validation error detected: Value null at 'qualifier' failed to satisfy constraint: Member must not be null");
	else if (!strcmp(r->qualifier, LATEST))
		answer_error(req, res, 400, "InvalidParameterValueException", "%s", latest);
	else if (!doc)
		answer_error(req, res, 404, "ResourceNotFoundException", "Cannot find alias arn: %s", arn);
	else
		return 0;
	function_ref_clear(r);
	return -1;
}

#define NEITHER "The function resource provided must be an alias or a published version."

static int check_number(struct request *req, struct response *res, const cJSON *n, int64_t reserved)
{
	if (!cJSON_IsNumber(n) || n->valuedouble < 1 || floor(n->valuedouble) < n->valuedouble) {
		RN_AUTO(rn_freep) char *text = n ? rn_json_print(n) : rn_strdup("null");
		return answer_error(req, res, 400, "ValidationException",
				    "1 validation error detected: Value '%s' at 'provisionedConcurrentExecutions' failed to satisfy "
				    "constraint: Member must have value greater than or equal to 1",
				    text);
	}
	if (reserved >= 0 && n->valuedouble > (double)reserved)
		return answer_error(req, res, 400, "InvalidParameterValueException",
				    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function");
	if (n->valuedouble > EACH_MAX)
		return answer_error(req, res, 400, "InvalidParameterValueException",
				    "The local cloud keeps at most %d provisioned instances of an alias or a version", EACH_MAX);
	return 0;
}

/* An alias of a version that has its own configuration, or the other way round. */
static int check_twice(struct request *req, struct response *res, const struct function_ref *r)
{
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	RN_AUTO(rn_json_freep) cJSON *alias = store_get(req->cloud->store, ALIAS, parent, r->qualifier);
	if (alias)
		return store_has(req->cloud->store, PROVISIONED, parent, rn_json_str(alias, "FunctionVersion")) ?
			       answer_error(req, res, 409, "ResourceConflictException",
					    "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version") :
			       0;
	RN_AUTO(rn_json_freep) cJSON *all = store_list(req->cloud->store, ALIAS, parent, NULL, 0);
	const cJSON *a;
	cJSON_ArrayForEach(a, all)
		if (rn_streq(rn_json_str(a, "FunctionVersion"), r->qualifier) &&
		    store_has(req->cloud->store, PROVISIONED, parent, rn_json_str(a, "Name")))
			return answer_error(req, res, 409, "ResourceConflictException", "Version is pointed by a Provisioned Concurrency alias");
	return 0;
}

static void put(struct request *req, struct response *res, const struct function_ref *r, const cJSON *n)
{
	char stamp[40];
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	RN_AUTO(rn_freep) char *arn = function_arn(r, r->qualifier);
	RN_AUTO(rn_json_freep) cJSON *version = version_of(req->cloud, r, r->qualifier);
	RN_AUTO(rn_json_freep) cJSON *latest = function_load(req->cloud, r);
	if (!version) {
		answer_error(req, res, 400, "InvalidParameterValueException",
			     "Provisioned Concurrency Configs cannot be applied to unpublished function versions.");
		return;
	}
	if (check_number(req, res, n, rn_json_int(latest, "_reserved", -1)) < 0 || check_twice(req, res, r) < 0)
		return;
	RN_AUTO(rn_json_freep) cJSON *config = cJSON_CreateObject();
	cJSON_AddStringToObject(config, "FunctionArn", arn);
	cJSON_AddNumberToObject(config, "RequestedProvisionedConcurrentExecutions", n->valuedouble);
	cJSON_AddStringToObject(config, "LastModified", lambda_time(stamp));
	begin(config);
	store_put(req->cloud->store, PROVISIONED, parent, r->qualifier, config, NULL);
	provision(req->cloud, r);
	response_json(req, res, 202, answer(req, config, false));
}

void lambda_put_provisioned(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res);
	struct function_ref r = { 0 };
	if (!in || asked(req, res, &r, "Provisioned Concurrency Configs cannot be applied to unpublished function versions.") < 0)
		return;
	put(req, res, &r, rn_json_get(in, "ProvisionedConcurrentExecutions"));
	function_ref_clear(&r);
}

static void show_listed(const struct request *req, cJSON *config)
{
	cJSON *shown = answer(req, config, true), *m;
	cJSON_ArrayForEach(m, shown)
		json_set(config, m->string, cJSON_Duplicate(m, true));
	cJSON_Delete(shown);
}

void lambda_list_provisioned(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	if (function_ref_of(req, res, &r) < 0)
		return;
	RN_AUTO(rn_json_freep) cJSON *doc = function_require(req, res, &r);
	if (doc)
		lambda_answer_list(req, res, &r, PROVISIONED, "ProvisionedConcurrencyConfigs", show_listed);
	function_ref_clear(&r);
}

void lambda_get_provisioned(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	if (asked(req, res, &r, NEITHER) < 0)
		return;
	RN_AUTO(rn_freep) char *parent = function_parent(&r);
	RN_AUTO(rn_json_freep) cJSON *config = store_get(req->cloud->store, PROVISIONED, parent, r.qualifier);
	if (config)
		response_json(req, res, 200, answer(req, config, false));
	else
		answer_error(req, res, 404, "ProvisionedConcurrencyConfigNotFoundException",
			     "No Provisioned Concurrency Config found for this function");
	function_ref_clear(&r);
}

void lambda_delete_provisioned(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	if (asked(req, res, &r, NEITHER) < 0)
		return;
	RN_AUTO(rn_freep) char *parent = function_parent(&r);
	if (store_remove(req->cloud->store, PROVISIONED, parent, r.qualifier, NULL) > 0)
		provision(req->cloud, &r);
	response_json(req, res, 204, NULL); /* AWS does not mind when there is none */
	function_ref_clear(&r);
}
