/* SPDX-License-Identifier: Apache-2.0 */
/* Finding plugins, and asking the probe process about those that nobody remembers. */
#include "plugin_info.h"
#include "plugin_memory.h"
#include "plugin_trust.h"

#include "self.h"

#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROBE_MS = 20000, ANSWER_MAX = 32 << 20 };

extern char **environ;

/* ---- where ---- */

static void add_dir(struct rn_strv *to, const char *base, const char *dir)
{
	if (!*dir)
		return;
	char *abs = rn_path_abs(base, dir);
	if (rn_strv_has(to, abs))
		free(abs);
	else
		rn_strv_take(to, abs);
}

void plugin_search_dirs(const struct plugin_search *s, struct rn_strv *ret)
{
	for (size_t i = 0; i < s->n_dirs; i++)
		add_dir(ret, NULL, s->dirs[i]);
	const char *path = getenv("RUNNER_PLUGIN_PATH");
	RN_AUTO(rn_strv_clear) struct rn_strv parts = { 0 };
	if (path && *path)
		rn_strv_split(&parts, path, ':');
	for (size_t i = 0; i < parts.n; i++)
		add_dir(ret, NULL, parts.v[i]);
	if (s->pipeline_dir)
		add_dir(ret, s->pipeline_dir, "plugins");
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	if (data && data[0] == '/')
		add_dir(ret, data, "runner/plugins");
	else if (home && home[0] == '/')
		add_dir(ret, home, ".local/share/runner/plugins");
	RN_AUTO(rn_freep) char *prefix = self_prefix();
	add_dir(ret, prefix, "lib/runner/plugins");
}

void plugin_list_names(const struct plugin_search *s, struct rn_strv *ret)
{
	RN_AUTO(rn_strv_clear) struct rn_strv dirs = { 0 };
	plugin_search_dirs(s, &dirs);
	for (size_t i = 0; i < dirs.n; i++) {
		RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
		if (rn_list_dir(dirs.v[i], &names, NULL) < 0)
			continue;
		for (size_t k = 0; k < names.n; k++) {
			size_t n = strlen(names.v[k]);
			if (n <= 3 || !rn_ends(names.v[k], ".so"))
				continue;
			names.v[k][n - 3] = '\0';
			if (!rn_strv_has(ret, names.v[k]))
				rn_strv_add(ret, names.v[k]);
		}
	}
	rn_strv_sort(ret);
}

/* ---- finding ---- */

static int not_found(const char *name, const struct rn_strv *dirs, const struct plugin_search *s, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv known = { 0 };
	plugin_list_names(s, &known);
	RN_AUTO(rn_freep) char *searched = rn_strv_join(dirs, ", ");
	rn_fail(err, RN_ENOTFOUND, "there is no plugin \"%s\" (searched %s)", name, searched);
	const char *near = rn_nearest(name, (const char *const *)known.v, known.n);
	if (near)
		return rn_hint(err, "did you mean \"%s\"?", near);
	return rn_hint(err, "`runner plugins list` shows what there is; --plugin-path adds a folder");
}

/* Path of the plugin, or NULL with the error of its entry. */
static char *find(const char *name, const struct rn_strv *dirs, const struct plugin_search *s, struct rn_error *err)
{
	if (!*name || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name)) {
		rn_fail(err, RN_ENOTFOUND, "\"%s\" cannot be a plugin's name (a-z, 0-9, -)", name);
		return NULL;
	}
	for (size_t i = 0; i < dirs->n; i++) {
		RN_AUTO(rn_freep) char *path = rn_asprintf("%s/%s.so", dirs->v[i], name);
		if (access(path, F_OK) < 0)
			continue;
		return plugin_check_file(path, err) < 0 ? NULL : rn_take(&path);
	}
	not_found(name, dirs, s, err);
	return NULL;
}

/* ---- asking the probe ---- */

/* What a loader, a sanitizer or a tool needs; nothing else of the environment concerns a descriptor. */
static void probe_env(struct rn_strv *to)
{
	static const char *const keep[] = { "PATH=", "LD_", "HOME=", "TMPDIR=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=",
					    "LSAN_OPTIONS=", "GCOV_", "MALLOC_" };
	for (char **e = environ; e && *e; e++)
		for (size_t i = 0; i < RN_LEN(keep); i++)
			if (rn_starts(*e, keep[i]))
				rn_strv_add(to, *e);
	rn_strv_add(to, "LC_ALL=C.UTF-8");
}

static void take_answer(struct plugin_set *set, char *line)
{
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse_str(line, NULL);
	const char *name = j ? rn_json_str(j, "name") : NULL;
	struct plugin_entry *e = name ? (struct plugin_entry *)plugin_set_find(set, name) : NULL;
	if (!e || e->info || e->error.code)
		return;
	const cJSON *plugin = rn_json_get(j, "plugin");
	if (plugin && (e->info = plugin_info_from_json(plugin)))
		return;
	const char *error = rn_json_str(j, "error"), *hint = rn_json_str(j, "hint");
	rn_fail(&e->error, (enum rn_code)rn_json_int(j, "code", RN_EUNSUPPORTED), "%s",
		error ? error : "its descriptor cannot be read");
	if (hint && *hint)
		rn_hint(&e->error, "%s", hint);
}

/* One probe process for `paths`. Exit status as rn_run's; -1: it could not be started or hung. */
static int probe(const char *runner, const cJSON *paths, struct plugin_set *set, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *spec = cJSON_CreateObject();
	cJSON_AddItemReferenceToObject(spec, "paths", (cJSON *)paths);
	RN_AUTO(rn_freep) char *text = rn_json_print(spec);
	RN_AUTO(rn_strv_clear) struct rn_strv env = { 0 };
	probe_env(&env);
	RN_AUTO(rn_buf_clear) struct rn_buf out = { .max = ANSWER_MAX };
	const char *argv[] = { runner ? runner : self_exec(), "--probe", NULL };
	int status = rn_run(argv, (const char *const *)env.v, text, &out, NULL, PROBE_MS, err);
	char *rest = out.p, *line;
	while (rest && (line = strsep(&rest, "\n")) && rest) /* an unfinished last line is no answer */
		take_answer(set, line);
	return status;
}

static void blame(struct plugin_entry *e, const char *path, int status, const struct rn_error *why)
{
	if (status > 128)
		rn_fail(&e->error, RN_EUNSUPPORTED, "%s crashes while it is loaded (signal %d, %s)", path, status - 128,
			strsignal(status - 128));
	else if (status < 0)
		rn_fail(&e->error, RN_EUNSUPPORTED, "%s could not be probed: %s", path, why->msg);
	else
		rn_fail(&e->error, RN_EUNSUPPORTED, "%s ends the process while it is loaded (exit status %d)", path, status);
	rn_hint(&e->error, "a plugin does nothing before it is called: look at its constructors");
}

static struct plugin_entry *unanswered(struct plugin_set *set, const char *name)
{
	struct plugin_entry *e = (struct plugin_entry *)plugin_set_find(set, name);
	return e && !e->info && !e->error.code ? e : NULL;
}

static int probe_all(const struct plugin_search *s, const cJSON *paths, struct plugin_set *set, struct rn_error *err)
{
	struct rn_error why = { 0 };
	if (!cJSON_GetArraySize(paths))
		return 0;
	if (probe(s->runner, paths, set, &why) < 0 && why.code != RN_ETIMEOUT && why.code != RN_ELIMIT) {
		if (err)
			*err = why;
		return rn_wrap(err, "probe the plugins");
	}
	const cJSON *path;
	cJSON_ArrayForEach(path, paths) {
		struct plugin_entry *e = unanswered(set, path->string);
		if (!e)
			continue;
		RN_AUTO(rn_json_freep) cJSON *one = cJSON_CreateObject();
		cJSON_AddStringToObject(one, path->string, cJSON_GetStringValue(path));
		rn_error_clear(&why);
		int status = probe(s->runner, one, set, &why);
		if (unanswered(set, path->string))
			blame(e, cJSON_GetStringValue(path), status, &why);
	}
	return 0;
}

/* What is remembered of each, or else what the probe says. */
static int describe_all(const struct plugin_search *s, const cJSON *paths, struct plugin_set *set, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *unknown = cJSON_CreateObject();
	RN_AUTO(rn_json_freep) cJSON *stamps = cJSON_CreateObject();
	const cJSON *path;
	cJSON_ArrayForEach(path, paths) {
		struct plugin_entry *e = (struct plugin_entry *)plugin_set_find(set, path->string);
		RN_AUTO(rn_freep) char *stamp = plugin_stamp(path->valuestring);
		if (!s->fresh && stamp && (e->info = plugin_recall(e->name, path->valuestring, stamp)))
			continue;
		cJSON_AddStringToObject(unknown, e->name, path->valuestring);
		cJSON_AddStringToObject(stamps, e->name, stamp ? stamp : "");
	}
	if (probe_all(s, unknown, set, err) < 0)
		return -1;
	cJSON_ArrayForEach(path, unknown) {
		const struct plugin_entry *e = plugin_set_find(set, path->string);
		if (!e->info)
			continue;
		e->info->stamp = rn_strdup(rn_json_str(stamps, e->name)); /* of before: what came after is not described */
		plugin_remember(e->info);
	}
	return 0;
}

int plugin_set_load(const char *const *names, size_t n, const struct plugin_search *s, struct plugin_set *ret,
		    struct rn_error *err)
{
	struct plugin_set set = { .entries = rn_alloc(sizeof(*set.entries) * (n + 1)) };
	RN_AUTO(rn_strv_clear) struct rn_strv dirs = { 0 };
	plugin_search_dirs(s, &dirs);
	RN_AUTO(rn_json_freep) cJSON *paths = cJSON_CreateObject();
	for (size_t i = 0; i < n; i++) {
		if (plugin_set_find(&set, names[i]))
			continue;
		struct plugin_entry *e = &set.entries[set.n++];
		e->name = rn_strdup(names[i]);
		RN_AUTO(rn_freep) char *path = find(names[i], &dirs, s, &e->error);
		if (path)
			cJSON_AddStringToObject(paths, names[i], path);
	}
	if (describe_all(s, paths, &set, err) < 0) {
		plugin_set_clear(&set);
		return -1;
	}
	*ret = set;
	return 0;
}

const struct plugin_entry *plugin_set_find(const struct plugin_set *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++)
		if (rn_streq(set->entries[i].name, name))
			return &set->entries[i];
	return NULL;
}

void plugin_set_clear(struct plugin_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		free(set->entries[i].name);
		plugin_info_free(set->entries[i].info);
	}
	free(set->entries);
	*set = (struct plugin_set){ 0 };
}
