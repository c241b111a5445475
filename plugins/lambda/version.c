/* SPDX-License-Identifier: Apache-2.0 */
/* Published versions. */
#include "function.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS_MAX 5

/* The newest published version; NULL when there is none. Borrowed. */
static const cJSON *newest(const cJSON *versions)
{
	const cJSON *item, *best = NULL;
	long top = 0;
	cJSON_ArrayForEach(item, versions)
	{
		const char *number = rn_json_str(item, "Version");
		long n = number ? strtol(number, NULL, 10) : 0; /* "$LATEST" gives 0 */
		if (n > top) {
			top = n;
			best = item;
		}
	}
	return best;
}

/* Lists leave out members that a single read has, so what seems to differ is looked at once more. */
static int is_current(struct function *f, const cJSON *version, bool *ret, struct rn_error *err)
{
	const cJSON *latest = function_configuration(f);
	*ret = version && config_same_version(latest, version);
	if (!version || *ret || !rn_streq(rn_json_str(latest, "CodeSha256"), rn_json_str(version, "CodeSha256")))
		return 0;
	RN_AUTO(rn_json_freep) cJSON *whole = NULL;
	if (function_read_version(f, rn_json_str(version, "Version"), &whole, err) < 0)
		return -1;
	*ret = config_same_version(latest, whole);
	return 0;
}

static const cJSON *by_number(const cJSON *versions, const char *number)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, versions)
	{
		if (number && rn_streq(rn_json_str(item, "Version"), number))
			return item;
	}
	return NULL;
}

/* The newest one or, after a way back, the one that the alias serves. */
int function_same_version(struct function *f, const cJSON **ret, struct rn_error *err)
{
	if (!f->versions && function_read_versions(f, err) < 0)
		return -1;
	const cJSON *candidates[] = { newest(f->versions), by_number(f->versions, rn_json_str(f->alias, "FunctionVersion")) };
	*ret = NULL;
	for (size_t i = 0; i < RN_LEN(candidates) && !*ret; i++) {
		bool same = false;
		if (i > 0 && candidates[i] == candidates[0])
			break;
		if (is_current(f, candidates[i], &same, err) < 0)
			return -1;
		*ret = same ? candidates[i] : NULL;
	}
	return 0;
}

struct version_poll {
	struct function *f;
	const char *version;
};

static int poll_version(void *ctx, struct rn_error *err)
{
	struct version_poll *p = ctx;
	RN_AUTO(rn_json_freep) cJSON *c = NULL;
	if (function_read_version(p->f, p->version, &c, err) < 0 || function_check_state(c, err) < 0)
		return -1;
	return !rn_streq(rn_json_str(c, "State"), "Pending");
}

static int wait_for_version(struct function *f, const cJSON *published, struct rn_error *err)
{
	const char *number = rn_json_str(published, "Version");
	if (!rn_streq(rn_json_str(published, "State"), "Pending"))
		return function_check_state(published, err);
	RN_AUTO(rn_freep) char *what = rn_asprintf("version %s of function %s to be ready", number, f->p->function_name);
	const struct aws_waiter w = { .what = what, .delay_ms = 100, .max_delay_ms = 5000, .timeout_ms = 600000 };
	struct version_poll p = { f, number };
	return aws_wait(f->session, &w, poll_version, &p, err);
}

/* Publishes what the function is now. *ret stays NULL when the function moved on meanwhile. */
static int publish_once(struct function *f, char **ret, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_CreateObject(), *published = NULL;
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s/versions", f->path);
	const char *sha = rn_json_str(function_configuration(f), "CodeSha256");
	const char *revision = rn_json_str(function_configuration(f), "RevisionId");
	if (sha)
		cJSON_AddStringToObject(body, "CodeSha256", sha);
	if (revision)
		cJSON_AddStringToObject(body, "RevisionId", revision);
	struct aws_error aerr = { 0 };
	stage_step(f->s, "publish a version");
	if (function_write(f, "PublishVersion", "POST", path, body, &published, &aerr, err) < 0)
		return aws_error_is(&aerr, "PreconditionFailedException") ? 0 : -1;
	const char *number = rn_json_str(published, "Version");
	if (!number)
		return rn_fail(err, RN_EREMOTE, "PublishVersion answered without a version");
	if (wait_for_version(f, published, err) < 0)
		return -1;
	stage_change(f->s, RUNNER_CREATED, NULL, "version %s of function %s", number, f->p->function_name);
	*ret = rn_strdup(number);
	return 0;
}

static int publish(struct function *f, char **ret, struct rn_error *err)
{
	for (int round = 0; round < ROUNDS_MAX; round++) {
		const cJSON *last = NULL;
		if (function_same_version(f, &last, err) < 0)
			return -1;
		if (last) {
			*ret = rn_strdup(rn_json_str(last, "Version"));
			stage_change(f->s, RUNNER_UNCHANGED, NULL, "version %s of function %s", *ret, f->p->function_name);
			return 0;
		}
		if (publish_once(f, ret, err) < 0)
			return -1;
		if (*ret)
			return 0;
		if (function_read(f, err) < 0 || function_read_versions(f, err) < 0)
			return -1;
	}
	return rn_fail(err, RN_EREMOTE, "function %s was changed by somebody else each time a version was to be published",
		       f->p->function_name);
}

/* What publish would do. *ret_version stays NULL when a new version would come. */
static int plan_version(struct function *f, char **ret_version, struct rn_error *err)
{
	const cJSON *current = NULL;
	if (!f->changed && function_same_version(f, &current, err) < 0)
		return -1;
	if (current)
		*ret_version = rn_strdup(rn_json_str(current, "Version"));
	if (current)
		stage_change(f->s, RUNNER_UNCHANGED, NULL, "version %s of function %s", *ret_version, f->p->function_name);
	else
		stage_change(f->s, RUNNER_CREATED, NULL, "version of function %s", f->p->function_name);
	return 0;
}

int function_publish(struct function *f, char **ret_version, struct rn_error *err)
{
	bool alias = f->p->alias && *f->p->alias;
	RN_AUTO(rn_freep) char *version = NULL;
	if (f->p->publish || alias) {
		int done = f->s->mode == STAGE_PLAN ? plan_version(f, &version, err) : publish(f, &version, err);
		if (done < 0 || (alias && function_point_alias(f, version, err) < 0))
			return -1;
	} else {
		version = rn_strdup("$LATEST");
	}
	*ret_version = rn_take(&version);
	return 0;
}
