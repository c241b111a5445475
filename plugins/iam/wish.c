/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of the stage as a wish: defaults, short forms, and every check that needs no
 * network. */
#include "policy.h"
#include "role.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@-"
#define NAME_MAX_LEN 64
#define POLICY_NAME_MAX 128
#define DESCRIPTION_MAX 1000
#define SESSION_MIN_S 3600
#define SESSION_MAX_S 43200

void role_wish_clear(struct role_wish *w)
{
	cJSON_Delete(w->trust);
	cJSON_Delete(w->tags);
	cJSON_Delete(w->inline_policies);
	rn_strv_clear(&w->managed);
	rn_strv_clear(&w->unknown);
	*w = (struct role_wish){ 0 };
}

/* True when the pipeline gives the parameter and its value is known. */
static bool given(struct role_wish *w, const struct stage *s, const char *param)
{
	if (!s->host->is_set(s->rs, param))
		return false;
	if (s->host->is_known(s->rs, param))
		return true;
	rn_strv_add(&w->unknown, param);
	return false;
}

static int check_name(struct stage *s, const char *name, struct rn_error *err)
{
	if (*name && strlen(name) <= NAME_MAX_LEN && strspn(name, NAME_CHARS) == strlen(name))
		return 0;
	stage_blame(s, "role_name");
	return rn_fail(err, RN_EINVAL,
		       "role name \"%s\" is not 1 to %d letters, digits and _+=,.@-", name,
		       NAME_MAX_LEN);
}

static int read_path(struct role_wish *w, struct stage *s, const char *path, struct rn_error *err)
{
	if (path[0] != '/' || !rn_ends(path, "/")) {
		stage_blame(s, "path");
		return rn_fail(err, RN_EINVAL, "path \"%s\" must begin and end with /", path);
	}
	w->path = path;
	return 0;
}

static int read_session(struct role_wish *w, struct stage *s, int64_t ms, struct rn_error *err)
{
	w->session_s = ms / 1000;
	if (ms % 1000 == 0 && w->session_s >= SESSION_MIN_S && w->session_s <= SESSION_MAX_S)
		return 0;
	stage_blame(s, "max_session_duration");
	return rn_fail(err, RN_EINVAL, "max_session_duration must be whole seconds from 1h to 12h");
}

static int read_managed(struct role_wish *w, struct stage *s, const struct runner_list *list,
			const char *partition, struct rn_error *err)
{
	w->manages_managed = true;
	for (size_t i = 0; i < list->n; i++) {
		const char *v = list->v[i];
		if (!*v || strpbrk(v, " \t\"")) {
			stage_blame(s, "managed_policies");
			return rn_fail(err, RN_EINVAL,
				       "managed policy \"%s\" is neither an ARN nor the name of an "
				       "AWS policy",
				       v);
		}
		RN_AUTO(rn_freep) char *arn = rn_starts(v, "arn:")
				    ? rn_strdup(v)
				    : rn_asprintf("arn:%s:iam::aws:policy/%s", partition, v);
		if (!rn_strv_has(&w->managed, arn))
			rn_strv_add(&w->managed, arn);
	}
	return 0;
}

static int read_inline(struct role_wish *w, const char *json, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *value = rn_json_parse_str(json, err);
	if (!value)
		return -1;
	if (!cJSON_IsObject(value))
		return rn_fail(err, RN_EINVAL,
			       "inline_policies is a map: policy name to policy document");
	w->inline_policies = cJSON_CreateObject();
	for (const cJSON *m = value->child; m; m = m->next) {
		if (!*m->string || strlen(m->string) > POLICY_NAME_MAX ||
		    strspn(m->string, NAME_CHARS) != strlen(m->string))
			return rn_fail(
				err, RN_EINVAL,
				"policy name \"%s\" is not 1 to %d letters, digits and _+=,.@-",
				m->string, POLICY_NAME_MAX);
		RN_AUTO(rn_freep) char *what = rn_asprintf("inline policy %s", m->string);
		cJSON *doc = policy_document(m, what, err);
		if (!doc)
			return -1;
		cJSON_AddItemToObject(w->inline_policies, m->string, doc);
	}
	return 0;
}

static int read_trust(struct role_wish *w, struct stage *s, const char *json, struct rn_error *err)
{
	w->trust = policy_trust(json ? json : "null", err);
	return w->trust ? 0 : stage_blame(s, "trust");
}

static int read_plain(struct role_wish *w, struct stage *s, const struct iam_params *p,
		      struct rn_error *err)
{
	if (given(w, s, "description")) {
		w->description = p->description ? p->description : "";
		if (strlen(w->description) > DESCRIPTION_MAX) {
			stage_blame(s, "description");
			return rn_fail(err, RN_EINVAL, "description is longer than %d bytes",
				       DESCRIPTION_MAX);
		}
	}
	if (given(w, s, "permissions_boundary")) {
		w->boundary = p->permissions_boundary ? p->permissions_boundary : "";
		if (*w->boundary && !rn_starts(w->boundary, "arn:")) {
			stage_blame(s, "permissions_boundary");
			return rn_fail(err, RN_EINVAL,
				       "permissions_boundary \"%s\" is not the ARN of a policy",
				       w->boundary);
		}
	}
	if (given(w, s, "path") && read_path(w, s, p->path ? p->path : "/", err) < 0)
		return -1;
	if (given(w, s, "max_session_duration") &&
	    read_session(w, s, p->max_session_duration.ms, err) < 0)
		return -1;
	return 0;
}

int role_wish_init(struct role_wish *w, struct stage *s, const struct iam_params *p,
		   const char *partition, struct rn_error *err)
{
	*w = (struct role_wish){ .name = p->role_name };
	if (s->host->is_known(s->rs, "role_name") && check_name(s, p->role_name, err) < 0)
		return -1;
	if (given(w, s, "trust") && read_trust(w, s, p->trust.text, err) < 0)
		return -1;
	if (read_plain(w, s, p, err) < 0)
		return -1;
	if (given(w, s, "managed_policies") &&
	    read_managed(w, s, &p->managed_policies, partition, err) < 0)
		return -1;
	if (given(w, s, "inline_policies") && read_inline(w, p->inline_policies.text, err) < 0)
		return stage_blame(s, "inline_policies");
	struct runner_map none = { 0 };
	w->tags = stage_tags(s, given(w, s, "tags") ? &p->tags : &none, err);
	return w->tags ? 0 : -1;
}
