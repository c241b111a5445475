/* SPDX-License-Identifier: Apache-2.0 */
/* `runner cloud ls`, `env` and `reset`: they need no running cloud, or only its environment file. */
#include "options.h"

#include "state.h"
#include "store.h"

#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READY_MS 2000

/* Each gives: where it belongs, its name, its address, a word about it. */
static const struct {
	const char *label, *sql;
} LISTED[] = {
	{ "role", "SELECT '', json_extract(doc, '$.RoleName'), json_extract(doc, '$.Arn'), '' FROM object WHERE kind = 'iam.role'" },
	{ "policy",
	  "SELECT '', json_extract(doc, '$.PolicyName'), json_extract(doc, '$.Arn'), '' FROM object WHERE kind = 'iam.policy'" },
	{ "repository",
	  "SELECT parent, id, json_extract(doc, '$.repositoryArn'), (SELECT count(*) FROM manifest m WHERE m.region = parent AND"
	  " m.repository = object.id) || ' images' FROM object WHERE kind = 'ecr.repository'" },
	{ "image",
	  "SELECT t.region, t.repository || ':' || t.tag, t.digest, m.image_size || ' bytes' FROM tag t JOIN manifest m"
	  " USING (region, repository, digest)" },
	{ "function",
	  "SELECT parent, id, json_extract(doc, '$.FunctionArn'), (SELECT count(*) FROM object v WHERE v.kind = 'lambda.version'"
	  " AND v.parent = object.parent || '/' || object.id) || ' versions' FROM object WHERE kind = 'lambda.function'" },
	{ "alias",
	  "SELECT substr(parent, 1, instr(parent, '/') - 1), substr(parent, instr(parent, '/') + 1) || ':' || id,"
	  " json_extract(doc, '$.AliasArn'), 'version ' || json_extract(doc, '$.FunctionVersion') FROM object"
	  " WHERE kind = 'lambda.alias'" },
	{ "function url",
	  "SELECT substr(parent, 1, instr(parent, '/') - 1), substr(json_extract(doc, '$.FunctionArn'), instr(json_extract(doc,"
	  " '$.FunctionArn'), ':function:') + 10), '/lambda-url/' || substr(parent, 1, instr(parent, '/')) || id || '/',"
	  " json_extract(doc, '$.AuthType') FROM object WHERE kind = 'lambda.url'" },
	/* not those that Lambda made: nobody asked for them, and they stay, as on AWS */
	{ "log group",
	  "SELECT parent, id, json_extract(doc, '$.arn'), '' FROM object WHERE kind = 'logs.group'"
	  " AND json_extract(doc, '$._automatic') IS NULL" },
	{ "rest api", "SELECT parent, json_extract(doc, '$.name'), id, '' FROM object WHERE kind = 'apigw.api'" },
	{ "stage",
	  "SELECT a.parent, json_extract(a.doc, '$.name') || '/' || s.id, '/restapis/' || a.id || '/' || s.id ||"
	  " '/_user_request_/', 'deployment ' || json_extract(s.doc, '$.deploymentId') FROM object s JOIN object a"
	  " ON a.kind = 'apigw.api' AND a.id = s.parent WHERE s.kind = 'apigw.stage'" },
	{ "parameter",
	  "SELECT parent, id, json_extract(doc, '$.ARN'), 'version ' || json_extract(doc, '$.Version') FROM object"
	  " WHERE kind = 'ssm.parameter'" },
	{ "api key", "SELECT parent, json_extract(doc, '$.name'), id, '' FROM object WHERE kind = 'apigw.key'" },
	{ "usage plan", "SELECT parent, json_extract(doc, '$.name'), id, '' FROM object WHERE kind = 'apigw.plan'" },
};

static const char *column(sqlite3_stmt *q, int i)
{
	const char *text = (const char *)sqlite3_column_text(q, i);
	return text ? text : "";
}

static void print_text(const cJSON *all)
{
	static const char *const NAMES[] = { "type", "region", "name", "id" };
	int width[RN_LEN(NAMES)] = { 0 };
	const cJSON *one;
	cJSON_ArrayForEach(one, all)
		for (size_t i = 0; i < RN_LEN(NAMES); i++) {
			int n = (int)strlen(rn_json_str(one, NAMES[i]));
			width[i] = n > width[i] ? n : width[i];
		}
	cJSON_ArrayForEach(one, all) {
		const char *detail = rn_json_str(one, "detail");
		for (size_t i = 0; i < RN_LEN(NAMES); i++) {
			bool last = i + 1 == RN_LEN(NAMES) && !*detail; /* no blanks at the end of a line */
			printf("%s%-*s", i ? "  " : "", last ? 0 : width[i], rn_json_str(one, NAMES[i]));
		}
		printf("%s%s\n", *detail ? "  " : "", detail);
	}
}

static int collect(const struct options *o, cJSON *all, struct rn_error *err)
{
	struct store *s = store_open(o->state, err);
	if (!s)
		return -1;
	store_begin(s);
	for (size_t i = 0; i < RN_LEN(LISTED); i++) {
		RN_AUTO(rn_freep) char *sql = rn_asprintf("%s ORDER BY 1, 2", LISTED[i].sql);
		sqlite3_stmt *q = store_query(s, sql, 0, NULL);
		while (store_row(s, q)) {
			cJSON *one = cJSON_CreateObject();
			cJSON_AddStringToObject(one, "type", LISTED[i].label);
			cJSON_AddStringToObject(one, "region", column(q, 0));
			cJSON_AddStringToObject(one, "name", column(q, 1));
			cJSON_AddStringToObject(one, "id", column(q, 2));
			cJSON_AddStringToObject(one, "detail", column(q, 3));
			cJSON_AddItemToArray(all, one);
		}
		store_done(q);
	}
	int rc = store_end(s, false, err);
	store_close(s);
	return rc;
}

int command_list(const struct options *o)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *path = rn_path_join(o->state, "state.db");
	RN_AUTO(rn_json_freep) cJSON *all = cJSON_CreateArray();
	if (rn_exists(path) && collect(o, all, &err) < 0)
		return options_report(&err);
	if (o->json) {
		RN_AUTO(rn_freep) char *text = rn_json_print(all);
		puts(text);
	} else if (all->child) {
		print_text(all);
	} else {
		printf("nothing in %s\n", o->state);
	}
	return 0;
}

int command_environment(const struct options *o)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_buf_clearp) struct rn_buf lines = RN_BUF_INIT;
	if (!rn_exists(o->state) || state_read_environment(o->state, READY_MS, &lines, NULL, &err) < 0) {
		rn_fail(&err, RN_ENOTFOUND, "no local cloud serves %s", o->state);
		rn_hint(&err, "start one with: runner cloud --state %s", o->state);
		return options_report(&err);
	}
	RN_AUTO(rn_freep) char *first = rn_asprintf("the local cloud that serves %s", o->state);
	options_print_environment(o, first, rn_buf_str(&lines));
	return 0;
}

int command_reset(const struct options *o)
{
	struct rn_error err = { 0 };
	if (!rn_exists(o->state)) {
		printf("nothing in %s\n", o->state);
		return 0;
	}
	RN_AUTO(rn_freep) char *path = rn_path_join(o->state, "lock");
	if (!rn_exists(path)) {
		rn_fail(&err, RN_EINVAL, "%s is not the state folder of a local cloud", o->state);
		return options_report(&err);
	}
	RN_AUTO(rn_closep) int lock = state_lock(o->state, &err);
	if (lock < 0) {
		rn_hint(&err, "a local cloud serves %s: stop it first", o->state);
		return options_report(&err);
	}
	if (rn_remove_tree(o->state, &err) < 0)
		return options_report(&err);
	printf("removed %s\n", o->state);
	return 0;
}
