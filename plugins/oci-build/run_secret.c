/* SPDX-License-Identifier: Apache-2.0 */
#include "run_secret.h"

#include "base/fs.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MIN 8

static const char *const forms[] = { "file", "env", "value" };

static bool is_form(const cJSON *j)
{
	const cJSON *only = cJSON_IsObject(j) && cJSON_GetArraySize(j) == 1 ? j->child : NULL;
	for (size_t i = 0; only && i < RN_LEN(forms); i++)
		if (rn_streq(only->string, forms[i]))
			return cJSON_IsString(only);
	return false;
}

int run_secrets_check(const char *text, struct rn_error *err)
{
	if (!text)
		return 0;
	RN_AUTO(rn_json_freep) cJSON *all = rn_json_parse_str(text, err);
	const cJSON *one;
	if (!all || !cJSON_IsObject(all)) {
		rn_fail(err, RN_EINVAL, "secrets is not a map");
		return rn_hint(err, "write ID: {file: PATH}, one for each secret");
	}
	cJSON_ArrayForEach(one, all)
		if (!cJSON_IsString(one) && !is_form(one)) {
			rn_fail(err, RN_EINVAL, "the secret \"%s\" is neither a text nor one of {file: …}, {env: …}, {value: …}", one->string);
			return rn_hint(err, "write %s: {file: PATH}", one->string);
		}
	return 0;
}

static int from_file(const char *dir, const char *id, const char *path, struct rn_buf *ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *full = rn_path_home(dir, path);
	if (rn_read_file(full, RUN_SECRET_MAX, ret, err) < 0)
		return rn_wrap(err, "the secret \"%s\"", id);
	return 1;
}

static int from_env(const char *id, const char *name, struct rn_buf *ret, struct rn_error *err)
{
	const char *value = getenv(name);
	if (!value) {
		rn_fail(err, RN_ENOTFOUND, "the secret \"%s\": the environment has no %s", id, name);
		return rn_hint(err, "export %s, or give the secret another way", name);
	}
	rn_buf_adds(ret, value);
	return 1;
}

/* A text alone: the path of a file if there is one. What looks like a path and is none is a mistake, not a secret. */
static int from_text(const char *dir, const char *id, const char *text, struct rn_buf *ret, struct rn_error *err)
{
	bool like_path = rn_starts(text, "/") || rn_starts(text, "./") || rn_starts(text, "../") || rn_starts(text, "~/");
	RN_AUTO(rn_freep) char *full = strlen(text) < 4096 && !strchr(text, '\n') ? rn_path_home(dir, text) : NULL;
	if (full && *text && rn_exists(full))
		return from_file(dir, id, text, ret, err);
	if (like_path && full) {
		rn_fail(err, RN_ENOTFOUND, "the secret \"%s\" looks like the path of a file, and there is no such file", id);
		return rn_hint(err, "correct the path; for a text that only looks so write {value: …}");
	}
	rn_buf_adds(ret, text);
	return 1;
}

static int find(const cJSON *all, const char *dir, const char *id, struct rn_buf *ret, struct rn_error *err)
{
	const cJSON *one = rn_json_get(all, id);
	if (!one)
		return 0;
	if (cJSON_IsString(one))
		return from_text(dir, id, one->valuestring, ret, err);
	const cJSON *form = one->child;
	if (rn_streq(form->string, "file"))
		return from_file(dir, id, form->valuestring, ret, err);
	if (rn_streq(form->string, "env"))
		return from_env(id, form->valuestring, ret, err);
	rn_buf_adds(ret, form->valuestring);
	return 1;
}

/* As it is, without the newline that files end with, and each line that is long enough to tell something. */
static void mask(const struct runner_host *host, struct runner_stage *stage, const char *secret)
{
	RN_AUTO(rn_freep) char *copy = rn_strdup(secret);
	size_t n = strlen(copy);
	host->mask(stage, secret);
	host->mask(stage, rn_trim(copy));
	for (char *save = NULL, *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strlen(line) >= LINE_MIN)
			host->mask(stage, line);
	rn_wipe(copy, n);
}

int run_secret_find(const struct runner_host *host, struct runner_stage *stage, const char *text, const char *id, struct rn_buf *ret,
		    struct rn_error *err)
{
	if (!text)
		return 0;
	RN_AUTO(rn_json_freep) cJSON *all = rn_json_parse_str(text, err);
	rn_buf_init(ret, RUN_SECRET_MAX);
	int rc = all ? find(all, host->info(stage, RUNNER_INFO_DIR), id, ret, err) : -1;
	if (rc > 0 && rn_buf_check(ret, "the secret", err) < 0)
		rc = -1;
	if (rc > 0)
		mask(host, stage, rn_buf_str(ret));
	return rc;
}
