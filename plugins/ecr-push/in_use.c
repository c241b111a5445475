/* SPDX-License-Identifier: Apache-2.0 */
#include "in_use.h"

#include <pthread.h>
#include <string.h>

#define LOOKERS 8

static bool has_text(const cJSON *list, const char *text)
{
	const cJSON *v;
	cJSON_ArrayForEach(v, list)
		if (rn_streq(v->valuestring, text))
			return true;
	return false;
}

/* Functions of which the list alone does not say the image, looked at by several threads. */
struct look {
	struct aws_client *lambda;
	const cJSON *digests;
	pthread_mutex_t lock; /* of what follows */
	const cJSON *next;
	cJSON *used;
	bool denied;
};

static void note(struct look *k, const cJSON *function, const char *digest)
{
	if (!digest || !has_text(k->digests, digest) || rn_json_get(k->used, digest))
		return;
	RN_AUTO(rn_freep) char *who = rn_asprintf("%s:%s", rn_json_str(function, "FunctionName"), rn_json_str(function, "Version"));
	cJSON_AddStringToObject(k->used, digest, who);
}

static const cJSON *take(struct look *k)
{
	pthread_mutex_lock(&k->lock);
	const cJSON *f = k->denied ? NULL : k->next;
	if (f)
		k->next = f->next;
	pthread_mutex_unlock(&k->lock);
	return f;
}

/* The digest that one version was resolved to: Code.ResolvedImageUri is URI@sha256:... */
static int look_at(struct look *k, const cJSON *function, struct rn_error *err)
{
	const char *name = rn_json_str(function, "FunctionName"), *version = rn_json_str(function, "Version");
	if (!name || !version)
		return 0;
	RN_AUTO(rn_freep) char *path = aws_path("/2015-03-31/functions/{}", name);
	RN_AUTO(rn_json_freep) cJSON *query = cJSON_CreateObject(), *answer = NULL;
	struct aws_error aerr = { 0 };
	cJSON_AddStringToObject(query, "Qualifier", version);
	int rc = aws_rest(k->lambda, "GetFunction", "GET", path, query, NULL, &answer, &aerr, err);
	bool gone = rc < 0 && aws_error_is(&aerr, "ResourceNotFoundException"), denied = rc < 0 && aws_error_is_denied(&aerr);
	const char *uri = rc == 0 ? rn_json_str(rn_json_get(answer, "Code"), "ResolvedImageUri") : NULL;
	const char *at = uri ? strrchr(uri, '@') : NULL;
	pthread_mutex_lock(&k->lock);
	k->denied = k->denied || denied;
	note(k, function, at ? at + 1 : NULL);
	pthread_mutex_unlock(&k->lock);
	if (gone || denied)
		rn_error_clear(err);
	else if (rc == 0 && !at)
		return rn_fail(err, RN_EREMOTE, "Lambda GetFunction of %s:%s does not say its image", name, version);
	return gone || denied ? 0 : rc;
}

static int looker(void *arg, struct rn_error *err)
{
	struct look *k = arg;
	for (const cJSON *f; (f = take(k));)
		if (look_at(k, f, err) < 0)
			return -1;
	return 0;
}

/* Takes from the list what needs no second look: archives, and images whose hash is a digest asked for. */
static cJSON *unclear(struct look *k, const cJSON *functions)
{
	cJSON *rest = cJSON_CreateArray();
	const cJSON *f;
	cJSON_ArrayForEach(f, functions) {
		if (!rn_streq(rn_json_str(f, "PackageType"), "Image"))
			continue;
		RN_AUTO(rn_freep) char *digest = rn_asprintf("sha256:%s", rn_json_str(f, "CodeSha256") ? rn_json_str(f, "CodeSha256") : "");
		if (has_text(k->digests, digest))
			note(k, f, digest);
		else
			cJSON_AddItemToArray(rest, cJSON_Duplicate(f, true));
	}
	return rest;
}

int images_in_use(struct aws_session *session, const cJSON *digests, cJSON **ret, bool *ret_denied, struct rn_error *err)
{
	static const struct aws_pages pages = { "Functions", "NextMarker", "Marker" };
	RN_AUTO(aws_client_freep) struct aws_client *lambda = aws_client_new(session, "lambda", err);
	RN_AUTO(rn_json_freep) cJSON *query = cJSON_CreateObject(), *functions = NULL, *rest = NULL;
	struct aws_error aerr = { 0 };
	*ret_denied = false;
	if (!lambda)
		return -1;
	cJSON_AddStringToObject(query, "FunctionVersion", "ALL");
	if (aws_rest_pages(lambda, "ListFunctions", "/2015-03-31/functions/", query, &pages, &functions, &aerr, err) < 0) {
		*ret_denied = aws_error_is_denied(&aerr);
		if (*ret_denied)
			rn_error_clear(err);
		return *ret_denied ? 0 : -1;
	}
	struct look k = { .lambda = lambda, .digests = digests, .lock = PTHREAD_MUTEX_INITIALIZER, .used = cJSON_CreateObject() };
	rest = unclear(&k, functions);
	k.next = cJSON_GetArraySize(k.used) < cJSON_GetArraySize(digests) ? rest->child : NULL;
	struct stage_task tasks[LOOKERS];
	for (size_t i = 0; i < LOOKERS; i++)
		tasks[i] = (struct stage_task){ looker, &k };
	int rc = k.next ? stage_parallel(tasks, LOOKERS, err) : 0;
	*ret_denied = k.denied;
	if (rc == 0 && !k.denied)
		*ret = k.used;
	else
		cJSON_Delete(k.used);
	return rc;
}
