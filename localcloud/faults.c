/* SPDX-License-Identifier: Apache-2.0 */
#include "faults.h"

#include "base/time.h"

#include <fnmatch.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RULES_MAX 1000
#define FILE_MAX_BYTES ((size_t)1 << 20)
#define TIME_MAX_MS ((int64_t)3600 * 1000)

static const char *const EFFECTS[] = {
	[FAULT_DELAY] = "delay",
	[FAULT_THROTTLE] = "throttle",
	[FAULT_ERROR] = "error",
	[FAULT_RESET_BEFORE] = "reset-before",
	[FAULT_RESET_AFTER] = "reset-after",
	[FAULT_ROLE] = "role-not-ready",
	[FAULT_SLOW] = "slow-update",
};

struct rule {
	char id[33];
	char *match;
	enum fault_effect effect;
	int64_t skip, times; /* the first calls that pass; how often it fires (0: always) */
	int64_t seen, fired;
	double probability;
	uint64_t seed, random; /* as given; state of the generator */
	int64_t time_ms;
	int status;
	char *code, *message;
	struct rule *next;
};

struct faults {
	pthread_mutex_t lock;
	pthread_cond_t interrupted;
	bool stopping;
	struct rule *rules; /* in their order */
	struct rn_strv names;
	unsigned next_number;
};

static void rule_free(struct rule *r)
{
	free(r->match);
	free(r->code);
	free(r->message);
	free(r);
}

void fault_clear(struct fault *f)
{
	free(f->code);
	free(f->message);
	*f = (struct fault){ 0 };
}

struct faults *faults_new(struct rn_strv *names)
{
	struct faults *f = rn_alloc(sizeof(*f));
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->interrupted, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&f->lock, NULL);
	f->names = *names;
	*names = (struct rn_strv){ 0 };
	return f;
}

void faults_free(struct faults *f)
{
	if (!f)
		return;
	faults_remove(f, NULL);
	rn_strv_clear(&f->names);
	pthread_cond_destroy(&f->interrupted);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

void faults_interrupt(struct faults *f)
{
	pthread_mutex_lock(&f->lock);
	f->stopping = true;
	pthread_cond_broadcast(&f->interrupted);
	pthread_mutex_unlock(&f->lock);
}

void faults_sleep(struct faults *f, int64_t ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&f->lock);
	while (!f->stopping && pthread_cond_timedwait(&f->interrupted, &f->lock, &until) == 0)
		;
	pthread_mutex_unlock(&f->lock);
}

/* ---- reading a rule ---- */

static int take_text(const cJSON *v, char **to, struct rn_error *err)
{
	if (!cJSON_IsString(v) || !v->valuestring[0])
		return rn_fail(err, RN_EINVAL, "\"%s\" must be a text", v->string);
	free(*to);
	*to = rn_strdup(v->valuestring);
	return 0;
}

static int take_count(const cJSON *v, int64_t min, int64_t max, int64_t *to, struct rn_error *err)
{
	if (!cJSON_IsNumber(v) || v->valuedouble != floor(v->valuedouble) || v->valuedouble < (double)min ||
	    v->valuedouble > (double)max)
		return rn_fail(err, RN_EINVAL, "\"%s\" must be a whole number from %lld to %lld", v->string, (long long)min,
			       (long long)max);
	*to = (int64_t)v->valuedouble;
	return 0;
}

static int take_effect(const cJSON *v, struct rule *r, struct rn_error *err)
{
	const char *name = cJSON_IsString(v) ? v->valuestring : "";
	for (size_t i = 1; i < RN_LEN(EFFECTS); i++)
		if (!strcmp(EFFECTS[i], name)) {
			r->effect = (enum fault_effect)i;
			return 0;
		}
	rn_fail(err, RN_EINVAL, "\"%s\" is no effect", name);
	return rn_hint(err, "there are delay, throttle, error, reset-before, reset-after, role-not-ready and slow-update");
}

static int take_id(const cJSON *v, struct rule *r, struct rn_error *err)
{
	const char *id = cJSON_IsString(v) ? v->valuestring : "";
	size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
	if (n == 0 || id[n] || n >= sizeof(r->id))
		return rn_fail(err, RN_EINVAL, "\"id\" must be 1 to %zu letters, digits, '-', '_' or '.'", sizeof(r->id) - 1);
	memcpy(r->id, id, n + 1);
	return 0;
}

static int take_time(const cJSON *v, struct rule *r, struct rn_error *err)
{
	if (cJSON_IsNumber(v))
		r->time_ms = (int64_t)(v->valuedouble * 1000);
	else if (!cJSON_IsString(v) || rn_parse_duration(v->valuestring, &r->time_ms, err) < 0)
		return rn_fail(err, RN_EINVAL, "\"time\" must be a duration as 500ms, 2s or 1m");
	if (r->time_ms < 0 || r->time_ms > TIME_MAX_MS)
		return rn_fail(err, RN_EINVAL, "\"time\" may be an hour at most");
	return 0;
}

static int take_member(const cJSON *v, struct rule *r, struct rn_error *err)
{
	static const char *const NAMES[] = { "id",   "match", "effect", "skip",   "nth",     "times",
					     "seed", "time",  "status", "code", "message", "probability" };
	int64_t n = 0;
	if (!strcmp(v->string, "id"))
		return take_id(v, r, err);
	if (!strcmp(v->string, "match"))
		return take_text(v, &r->match, err);
	if (!strcmp(v->string, "effect"))
		return take_effect(v, r, err);
	if (!strcmp(v->string, "skip"))
		return take_count(v, 0, 1000000000, &r->skip, err);
	if (!strcmp(v->string, "times"))
		return take_count(v, 1, 1000000000, &r->times, err);
	if (!strcmp(v->string, "nth")) { /* that one alone */
		r->times = 1;
		int rc = take_count(v, 1, 1000000000, &n, err);
		r->skip = n - 1;
		return rc;
	}
	if (!strcmp(v->string, "seed")) {
		int rc = take_count(v, 0, 9007199254740992, &n, err);
		r->seed = (uint64_t)n;
		return rc;
	}
	if (!strcmp(v->string, "time"))
		return take_time(v, r, err);
	if (!strcmp(v->string, "status")) {
		int rc = take_count(v, 400, 599, &n, err);
		r->status = (int)n;
		return rc;
	}
	if (!strcmp(v->string, "code"))
		return take_text(v, &r->code, err);
	if (!strcmp(v->string, "message"))
		return take_text(v, &r->message, err);
	if (!strcmp(v->string, "probability")) {
		r->probability = cJSON_IsNumber(v) ? v->valuedouble : -1;
		return r->probability > 0 && r->probability <= 1
			       ? 0
			       : rn_fail(err, RN_EINVAL, "\"probability\" must be above 0 and at most 1");
	}
	const char *near = rn_nearest(v->string, NAMES, RN_LEN(NAMES));
	rn_fail(err, RN_EINVAL, "a rule has no member \"%s\"", v->string);
	return near ? rn_hint(err, "did you mean \"%s\"?", near) : -1;
}

/* A rule that could never hit is a mistake of its writer. */
static int check_match(const struct faults *f, const struct rule *r, struct rn_error *err)
{
	for (size_t i = 0; i < f->names.n; i++)
		if (fnmatch(r->match, f->names.v[i], 0) == 0)
			return 0;
	rn_fail(err, RN_EINVAL, "no call of this cloud is named \"%s\"", r->match);
	const char *near = rn_nearest(r->match, (const char *const *)f->names.v, f->names.n);
	return near ? rn_hint(err, "did you mean %s?", near)
		    : rn_hint(err, "calls are named as lambda.CreateFunction, iam.*, registry.put-manifest, execute-api.Invoke");
}

static int check_rule(const struct faults *f, const struct rule *r, struct rn_error *err)
{
	bool timed = r->effect == FAULT_DELAY || r->effect == FAULT_ROLE || r->effect == FAULT_SLOW;
	if (r->effect == FAULT_NONE)
		return rn_fail(err, RN_EINVAL, "a rule needs an \"effect\"");
	if (!r->match)
		return rn_fail(err, RN_EINVAL, "a rule needs a \"match\", as \"lambda.CreateFunction\"");
	if (timed != (r->time_ms > 0))
		return rn_fail(err, RN_EINVAL, "\"time\" %s %s", timed ? "is needed by" : "means nothing to", EFFECTS[r->effect]);
	if (r->effect != FAULT_ERROR && (r->status || r->code || r->message))
		return rn_fail(err, RN_EINVAL, "\"status\", \"code\" and \"message\" belong to the effect error");
	return check_match(f, r, err);
}

static struct rule *rule_new(const struct faults *f, const cJSON *doc, struct rn_error *err)
{
	struct rule *r = rn_alloc(sizeof(*r));
	r->probability = 1;
	rn_random(&r->seed, sizeof(r->seed));
	r->seed %= 1000000; /* short enough to be given again */
	int rc = cJSON_IsObject(doc) ? 0 : rn_fail(err, RN_EINVAL, "a rule must be an object");
	for (const cJSON *v = rc == 0 ? doc->child : NULL; v && rc == 0; v = v->next)
		rc = take_member(v, r, err);
	if (rc < 0 || check_rule(f, r, err) < 0) {
		rule_free(r);
		return NULL;
	}
	r->random = r->seed;
	if (r->effect == FAULT_ERROR && !r->status)
		r->status = 500;
	return r;
}

/* ---- the list ---- */

static struct rule **find(struct faults *f, const char *id)
{
	struct rule **p = &f->rules;
	while (*p && strcmp((*p)->id, id) != 0)
		p = &(*p)->next;
	return p;
}

int faults_add(struct faults *f, const cJSON *doc, char *ret_id, struct rn_error *err)
{
	struct rule *r = rule_new(f, doc, err);
	if (!r)
		return -1;
	pthread_mutex_lock(&f->lock);
	size_t n = 0;
	for (const struct rule *other = f->rules; other; other = other->next)
		n++;
	while (!r->id[0] || (!rn_json_get(doc, "id") && *find(f, r->id)))
		snprintf(r->id, sizeof(r->id), "f%u", ++f->next_number);
	struct rule **place = find(f, r->id), *old = *place;
	bool full = !old && n >= RULES_MAX;
	if (!full) {
		r->next = old ? old->next : NULL;
		*place = r;
		snprintf(ret_id, sizeof(r->id), "%s", r->id);
	}
	pthread_mutex_unlock(&f->lock);
	if (full)
		old = r;
	if (old)
		rule_free(old);
	return full ? rn_fail(err, RN_ELIMIT, "there are %d rules already", RULES_MAX) : 0;
}

int faults_load(struct faults *f, const char *path, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *doc = rn_json_read_file(path, FILE_MAX_BYTES, err);
	if (!doc)
		return rn_wrap(err, "fault rules");
	const cJSON *list = cJSON_IsArray(doc) ? doc : rn_json_get(doc, "faults"), *one;
	if (!cJSON_IsArray(list))
		return rn_fail(err, RN_EINVAL, "%s: neither a list of rules nor an object with the list \"faults\"", path);
	int n = 0;
	cJSON_ArrayForEach(one, list) {
		char id[33];
		n++;
		if (faults_add(f, one, id, err) < 0)
			return rn_wrap(err, "%s: rule %d", path, n);
	}
	return 0;
}

size_t faults_remove(struct faults *f, const char *id)
{
	size_t n = 0;
	pthread_mutex_lock(&f->lock);
	for (struct rule **p = &f->rules; *p;) {
		struct rule *r = *p;
		if (id && strcmp(r->id, id) != 0) {
			p = &r->next;
			continue;
		}
		*p = r->next;
		rule_free(r);
		n++;
	}
	pthread_mutex_unlock(&f->lock);
	return n;
}

static cJSON *describe(const struct rule *r)
{
	cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "id", r->id);
	cJSON_AddStringToObject(j, "match", r->match);
	cJSON_AddStringToObject(j, "effect", EFFECTS[r->effect]);
	if (r->time_ms)
		cJSON_AddNumberToObject(j, "time", (double)r->time_ms / 1000);
	if (r->skip)
		cJSON_AddNumberToObject(j, "skip", (double)r->skip);
	if (r->times)
		cJSON_AddNumberToObject(j, "times", (double)r->times);
	if (r->probability < 1) {
		cJSON_AddNumberToObject(j, "probability", r->probability);
		cJSON_AddNumberToObject(j, "seed", (double)r->seed);
	}
	if (r->status)
		cJSON_AddNumberToObject(j, "status", r->status);
	if (r->code)
		cJSON_AddStringToObject(j, "code", r->code);
	if (r->message)
		cJSON_AddStringToObject(j, "message", r->message);
	cJSON_AddNumberToObject(j, "seen", (double)r->seen);
	cJSON_AddNumberToObject(j, "fired", (double)r->fired);
	return j;
}

cJSON *faults_list(struct faults *f)
{
	cJSON *list = cJSON_CreateArray();
	pthread_mutex_lock(&f->lock);
	for (const struct rule *r = f->rules; r; r = r->next)
		cJSON_AddItemToArray(list, describe(r));
	pthread_mutex_unlock(&f->lock);
	return list;
}

/* ---- a call ---- */

/* splitmix64: the same seed, the same calls that are hit. */
static double next_random(struct rule *r)
{
	uint64_t z = (r->random += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

static bool fires(struct rule *r, const char *name)
{
	if (fnmatch(r->match, name, 0) != 0)
		return false;
	r->seen++;
	if (r->seen <= r->skip || (r->times && r->fired >= r->times))
		return false;
	if (r->probability < 1 && next_random(r) >= r->probability)
		return false;
	r->fired++;
	return true;
}

void faults_pick(struct faults *f, const char *service, const char *operation, struct fault *ret)
{
	*ret = (struct fault){ 0 };
	RN_AUTO(rn_freep) char *name = rn_asprintf("%s.%s", service, operation);
	pthread_mutex_lock(&f->lock);
	for (struct rule *r = f->rules; r && ret->effect == FAULT_NONE; r = r->next) {
		if (r->effect == FAULT_ROLE || r->effect == FAULT_SLOW || !fires(r, name))
			continue;
		snprintf(ret->id, sizeof(ret->id), "%s", r->id);
		if (r->effect == FAULT_DELAY) { /* and whatever comes behind it */
			ret->delay_ms += r->time_ms;
			continue;
		}
		ret->effect = r->effect;
		ret->status = r->status;
		ret->code = rn_strdup(r->code);
		ret->message = rn_strdup(r->message);
	}
	pthread_mutex_unlock(&f->lock);
}

int64_t faults_time(struct faults *f, enum fault_effect effect, const char *service, const char *operation)
{
	int64_t ms = 0;
	RN_AUTO(rn_freep) char *name = rn_asprintf("%s.%s", service, operation);
	pthread_mutex_lock(&f->lock);
	for (struct rule *r = f->rules; r && ms == 0; r = r->next)
		if (r->effect == effect && fires(r, name))
			ms = r->time_ms;
	pthread_mutex_unlock(&f->lock);
	return ms;
}
