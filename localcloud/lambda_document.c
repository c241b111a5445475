/* SPDX-License-Identifier: Apache-2.0 */
/* Functions as documents, and how far a change of one is. */
#include "lambda_internal.h"

#include "faults.h"

#include "base/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHANGE_MS 150 /* a change takes at least this long, so that callers meet the states they meet on AWS */

void json_set(cJSON *obj, const char *name, cJSON *value)
{
	if (rn_json_get(obj, name))
		cJSON_ReplaceItemInObjectCaseSensitive(obj, name, value);
	else
		cJSON_AddItemToObject(obj, name, value);
}

void json_set_str(cJSON *obj, const char *name, const char *s)
{
	if (s)
		json_set(obj, name, cJSON_CreateString(s));
	else
		cJSON_DeleteItemFromObjectCaseSensitive(obj, name);
}

char *lambda_time(char *to)
{
	char iso[32];
	rn_iso8601(rn_wall_ms(), true, iso);
	snprintf(to, 40, "%.23s+0000", iso);
	return to;
}

bool function_in_progress(const cJSON *doc)
{
	return rn_streq(rn_json_str(doc, "State"), "Pending") ||
	       rn_streq(rn_json_str(doc, "LastUpdateStatus"), "InProgress");
}

static void set_state(cJSON *doc, const char *state, const char *reason, const char *code)
{
	json_set_str(doc, "State", state);
	json_set_str(doc, "StateReason", reason);
	json_set_str(doc, "StateReasonCode", code);
}

static void set_update(cJSON *doc, const char *status, const char *reason, const char *code)
{
	json_set_str(doc, "LastUpdateStatus", status);
	json_set_str(doc, "LastUpdateStatusReason", reason);
	json_set_str(doc, "LastUpdateStatusReasonCode", code);
}

/* The states follow from what is stored and the clock: nothing has to happen for a change to end. */
static void bring_up_to_now(const struct cloud *c, cJSON *doc)
{
	bool creating = rn_json_bool(doc, "_creating", false);
	const char *by = rn_json_str(doc, "_preparing");
	bool busy = (by && !strcmp(by, c->instance)) || rn_wall_ms() < (int64_t)rn_json_num(doc, "_ready_at", 0);
	const char *failed = rn_json_str(doc, "_failed"), *code = rn_json_str(doc, "_failed_code");
	code = code ? code : "InvalidImage";
	if (busy && creating) {
		set_state(doc, "Pending", "The function is being created.", "Creating");
		set_update(doc, NULL, NULL, NULL);
	} else if (busy) {
		set_state(doc, "Active", NULL, NULL);
		set_update(doc, "InProgress", "The function is being created.", "Creating");
	} else if (failed && creating) {
		set_state(doc, "Failed", failed, code);
		set_update(doc, "Failed", failed, code);
	} else {
		set_state(doc, "Active", NULL, NULL);
		set_update(doc, failed ? "Failed" : "Successful", failed, failed ? code : NULL);
	}
}

cJSON *function_load(struct cloud *c, const struct function_ref *r)
{
	cJSON *doc = store_get(c->store, FUNCTION, r->region, r->name);
	if (doc)
		bring_up_to_now(c, doc);
	return doc;
}

cJSON *function_require(struct request *req, struct response *res, const struct function_ref *r)
{
	cJSON *doc = function_load(req->cloud, r);
	if (!doc) {
		RN_AUTO(rn_freep) char *arn = function_arn(r, r->qualifier);
		answer_error(req, res, 404, "ResourceNotFoundException", "Function not found: %s", arn);
	}
	return doc;
}

/* The version an alias means: its own, or another by weight. */
static char *alias_version(const cJSON *alias)
{
	const cJSON *weights = rn_json_path(alias, "RoutingConfig.AdditionalVersionWeights"), *w;
	uint32_t random;
	rn_random(&random, sizeof(random));
	double point = (double)random / 4294967296.0;
	cJSON_ArrayForEach(w, weights) {
		if (point < w->valuedouble)
			return rn_strdup(w->string);
		point -= w->valuedouble;
	}
	return rn_strdup(rn_json_str(alias, "FunctionVersion"));
}

cJSON *function_qualified(struct cloud *c, const struct function_ref *r, const char *qualifier)
{
	if (!qualifier || !strcmp(qualifier, LATEST))
		return function_load(c, r);
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	RN_AUTO(rn_freep) char *number = rn_strdup(qualifier);
	RN_AUTO(rn_json_freep) cJSON *alias = store_get(c->store, ALIAS, parent, qualifier);
	if (alias) {
		free(number);
		number = alias_version(alias);
		if (!strcmp(number, LATEST))
			return function_load(c, r);
	}
	int64_t n;
	if (rn_parse_int(number, 1, 9999999999LL, &n, NULL) < 0)
		return NULL;
	char id[24];
	snprintf(id, sizeof(id), "%010lld", (long long)n);
	return store_get(c->store, VERSION, parent, id);
}

void function_save(struct cloud *c, const struct function_ref *r, const cJSON *doc)
{
	/* inside a transaction, whose end tells of failures */
	store_put(c->store, FUNCTION, r->region, r->name, doc, NULL);
}

void function_touch(struct cloud *c, const struct function_ref *r, cJSON *doc)
{
	char uuid[37], stamp[40];
	RN_AUTO(rn_freep) char *function = function_parent(r);
	json_set_str(doc, "RevisionId", cloud_uuid(uuid));
	json_set_str(doc, "_generation", cloud_uuid(uuid));
	json_set_str(doc, "LastModified", lambda_time(stamp));
	instances_retire(lambda_of(c), function, uuid);
}

/* ---- the worker that makes an image ready ---- */

struct change {
	struct lambda *lambda;
	struct function_ref ref;
	char *generation;
};

static void change_free(struct change *ch)
{
	function_ref_clear(&ch->ref);
	free(ch->generation);
	free(ch);
}

/* The image as Lambda misses it: it was there when the function was made. */
static char *image_lost(const cJSON *doc)
{
	return rn_asprintf("The image %s was deleted from its repository.", rn_json_str(rn_json_get(doc, "_image"), "resolved"));
}

void function_image_lost(struct cloud *c, const struct function_ref *r)
{
	store_begin(c->store);
	RN_AUTO(rn_json_freep) cJSON *doc = store_get(c->store, FUNCTION, r->region, r->name);
	if (doc) {
		RN_AUTO(rn_freep) char *why = image_lost(doc);
		json_set(doc, "_creating", cJSON_CreateBool(true)); /* as one that never got ready */
		json_set_str(doc, "_failed", why);
		json_set_str(doc, "_failed_code", "ImageDeleted");
		function_save(c, r, doc);
	}
	store_end(c->store, true, NULL);
}

static void finish_change(struct change *ch, const struct rn_error *failure)
{
	struct cloud *c = ch->lambda->cloud;
	store_begin(c->store);
	RN_AUTO(rn_json_freep) cJSON *doc = store_get(c->store, FUNCTION, ch->ref.region, ch->ref.name);
	if (doc && rn_streq(rn_json_str(doc, "_generation"), ch->generation)) {
		json_set_str(doc, "_preparing", NULL);
		RN_AUTO(rn_freep) char *lost = failure && failure->code == RN_ENOTFOUND ? image_lost(doc) : NULL;
		json_set_str(doc, "_failed", lost ? lost : failure ? failure->msg : NULL);
		json_set_str(doc, "_failed_code", lost ? "ImageDeleted" : NULL);
		function_save(c, &ch->ref, doc);
	}
	store_end(c->store, true, NULL);
}

static void *change_body(void *arg)
{
	struct change *ch = arg;
	struct rn_error err = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc =
		store_get(ch->lambda->cloud->store, FUNCTION, ch->ref.region, ch->ref.name);
	if (doc) {
		struct image_root root = { 0 };
		int rc = image_prepare(ch->lambda, ch->ref.region, rn_json_get(doc, "_image"), &root, &err);
		image_root_clear(&root);
		/* what a cold start would have to write to the disk otherwise */
		cJSON_Delete(lambda_session(ch->lambda, rn_json_str(doc, "Role"), ch->ref.name));
		logs_ensure_group(ch->lambda->cloud, ch->ref.region,
				  rn_json_str(rn_json_get(doc, "LoggingConfig"), "LogGroup"));
		finish_change(ch, rc < 0 ? &err : NULL);
	}
	struct lambda *l = ch->lambda;
	change_free(ch);
	worker_ended(l);
	return NULL;
}

void function_begin_change(struct request *req, const struct function_ref *r, cJSON *doc, bool creating)
{
	struct cloud *c = req->cloud;
	int64_t slow = faults_time(c->faults, FAULT_SLOW, "lambda", req->operation);
	json_set(doc, "_creating", cJSON_CreateBool(creating));
	json_set(doc, "_ready_at", cJSON_CreateNumber((double)(rn_wall_ms() + (slow ? slow : CHANGE_MS))));
	json_set_str(doc, "_preparing", c->instance);
	json_set_str(doc, "_failed", NULL);
	json_set_str(doc, "_failed_code", NULL);
	function_touch(c, r, doc);
	bring_up_to_now(c, doc);
	struct change *ch = rn_alloc(sizeof(*ch));
	*ch = (struct change){ .lambda = lambda_of(c), .generation = rn_strdup(rn_json_str(doc, "_generation")) };
	ch->ref = (struct function_ref){ rn_strdup(r->region), rn_strdup(r->name), NULL };
	/* it reads the document once this transaction is over: the store's lock is held until then */
	if (worker_start(ch->lambda, change_body, ch) < 0) {
		json_set_str(doc, "_preparing", NULL);
		change_free(ch);
	}
}

int function_may_change(struct request *req, struct response *res, const struct function_ref *r, const cJSON *doc,
			const char *revision)
{
	RN_AUTO(rn_freep) char *arn = function_arn(r, NULL);
	if (rn_streq(rn_json_str(doc, "State"), "Pending"))
		return answer_error(req, res, 409, "ResourceConflictException",
				    "The operation cannot be performed at this time. The function is currently in the following "
				    "state: Pending");
	if (function_in_progress(doc))
		return answer_error(req, res, 409, "ResourceConflictException",
				    "The operation cannot be performed at this time. An update is in progress for resource: %s",
				    arn);
	if (revision && !rn_streq(revision, rn_json_str(doc, "RevisionId")))
		return answer_error(req, res, 412, "PreconditionFailedException",
				    "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias "
				    "API to retrieve the latest Revision Id");
	return 0;
}

cJSON *function_public(const cJSON *doc, const char *arn)
{
	cJSON *out = cJSON_CreateObject(), *m;
	cJSON_ArrayForEach(m, (cJSON *)(uintptr_t)doc)
		if (m->string[0] != '_')
			cJSON_AddItemToObject(out, m->string, cJSON_Duplicate(m, true));
	if (arn)
		json_set_str(out, "FunctionArn", arn);
	return out;
}
