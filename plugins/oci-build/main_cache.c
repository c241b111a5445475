/* SPDX-License-Identifier: Apache-2.0 */
/* `runner cache`: what the cache of this machine holds, keeping it small, and why a step ran. */
#include "cache_disk.h"
#include "cache_why.h"
#include "step_cache.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/time.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char USAGE[] =
	"Usage: runner cache ls [--json]\n"
	"       runner cache prune [--all] [--max-size SIZE] [--older-than TIME] [--json]\n"
	"       runner cache why FILE.pipe STAGE[:STEP]\n"
	"\n"
	"The cache of this machine: blobs, results of steps of Dockerfiles, unpacked layers.\n"
	"\n"
	"ls      what it holds, the newest results of steps first\n"
	"prune   removes what was not used for the longest, until the rest fits the limit\n"
	"          --max-size SIZE   this limit instead of RUNNER_CACHE_SIZE (default 20GB)\n"
	"          --older-than TIME what was not used for so long (12h, 7d), whatever fits\n"
	"          --all             everything, the folders of cache mounts too\n"
	"why     why each step of an oci-build stage ran or was taken from the cache, in the\n"
	"        build before; with STEP (N, NAME.N in another stage, or \"line N\") all of its key\n"
	"\n"
	"Exit status: 0 done, 1 it failed, 2 wrong usage.\n";

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct options {
	bool all, json;
	bool has_size, has_age;
	uint64_t size;
	int64_t age_ms;
};

static int fail(const struct rn_error *err)
{
	fprintf(stderr, "runner cache: %s\n", err->msg);
	if (err->hint[0])
		fprintf(stderr, "  hint: %s\n", err->hint);
	return EXIT_FAILED;
}

static int bad_usage(const char *what)
{
	fprintf(stderr, "runner cache: %s\n\n%s", what, USAGE);
	return EXIT_USAGE;
}

/* ---- ls ------------------------------------------------------------------------------------ */

struct listed {
	struct cache_record r;
	int64_t used_s;
};

static int newest_first(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;
	return x->used_s != y->used_s ? (x->used_s > y->used_s ? -1 : 1) : strcmp(x->r.key.text, y->r.key.text);
}

static struct listed *list_steps(const char *cache, size_t *ret_n)
{
	RN_AUTO(rn_freep) char *store = rn_path_join(cache, "oci");
	RN_AUTO(rn_freep) char *dir = step_cache_folder(store);
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (rn_exists(dir))
		rn_list_dir(dir, &names, NULL);
	struct listed *v = rn_alloc((names.n + 1) * sizeof(*v));
	*ret_n = 0;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *path = rn_path_join(dir, names.v[i]);
		RN_AUTO(rn_json_freep) cJSON *j = rn_json_read_file(path, (size_t)1 << 20, NULL);
		struct stat st;
		if (!j || stat(path, &st) < 0 || !cache_record_from_json(j, &v[*ret_n].r))
			continue;
		v[(*ret_n)++].used_s = st.st_mtime;
	}
	qsort(v, *ret_n, sizeof(*v), newest_first);
	return v;
}

static void print_json(const char *cache, const struct cache_usage *u, uint64_t limit, const struct listed *v, size_t n)
{
	RN_AUTO(rn_json_freep) cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "folder", cache);
	cJSON_AddNumberToObject(j, "limit", (double)limit);
	for (size_t k = 0; k < CACHE_KINDS; k++) {
		cJSON *kind = cJSON_AddObjectToObject(j, cache_kind_name((enum cache_kind)k));
		cJSON_AddNumberToObject(kind, "files", (double)u->n[k]);
		cJSON_AddNumberToObject(kind, "bytes", (double)u->bytes[k]);
	}
	cJSON *steps = cJSON_AddArrayToObject(j, "results");
	for (size_t i = 0; i < n; i++) {
		char time[32];
		cJSON *r = cache_record_to_json(&v[i].r);
		cJSON_AddStringToObject(r, "used", rn_iso8601(v[i].used_s * 1000, false, time));
		cJSON_AddItemToArray(steps, r);
	}
	RN_AUTO(rn_freep) char *text = rn_json_pretty(j);
	puts(text);
}

static void print_steps(const struct listed *v, size_t n)
{
	if (n)
		puts("\nresults of steps, the last used first");
	for (size_t i = 0; i < n; i++) {
		char age[32], size[32];
		int64_t ms = rn_wall_ms() - v[i].used_s * 1000;
		int width = (int)strcspn(v[i].r.created_by, "\n");
		printf("  %10s ago  %9s  %.12s  %.*s\n", rn_format_duration(ms / 1000 * 1000, age, sizeof(age)),
		       v[i].r.has_layer ? rn_format_size(v[i].r.layer.size, size, sizeof(size)) : "no layer", digest_hex(&v[i].r.key),
		       width > 90 ? 90 : width, v[i].r.created_by);
	}
}

static int list(const char *cache, const struct options *o)
{
	struct cache_usage u;
	struct rn_error err = { 0 };
	uint64_t limit, total = 0;
	size_t n;
	char size[32], most[32];
	if (cache_disk_limit(&limit, &err) < 0)
		return fail(&err);
	cache_disk_usage(cache, &u);
	RN_AUTO(rn_freep) struct listed *v = list_steps(cache, &n);
	for (size_t k = 0; k < CACHE_KINDS; k++)
		total += u.bytes[k];
	if (o->json) {
		print_json(cache, &u, limit, v, n);
	} else {
		printf("%s: %s; blobs may grow to %s\n", cache, rn_format_size(total, size, sizeof(size)),
		       limit ? rn_format_size(limit, most, sizeof(most)) : "any size");
		for (size_t k = 0; k < CACHE_KINDS; k++)
			printf("  %-9s %7zu files  %9s  %s\n", cache_kind_name((enum cache_kind)k), u.n[k],
			       rn_format_size(u.bytes[k], size, sizeof(size)), cache_kind_help((enum cache_kind)k));
		print_steps(v, n);
	}
	for (size_t i = 0; i < n; i++)
		cache_record_clear(&v[i].r);
	return EXIT_DONE;
}

/* ---- prune ------------------------------------------------------------------------------------ */

static int prune(const char *cache, const struct options *o)
{
	struct cache_prune p = { .all = o->all, .max_age_ms = o->age_ms };
	struct rn_error err = { 0 };
	char removed[32], kept[32];
	if (o->has_size)
		p.max_bytes = o->size ? o->size : 1;
	else if (!o->has_age && cache_disk_limit(&p.max_bytes, &err) < 0)
		return fail(&err);
	if (cache_disk_prune(cache, &p, &err) < 0) {
		if (err.code == RN_EEXISTS)
			rn_hint(&err, "a build is using the cache: try again when it is done");
		return fail(&err);
	}
	if (o->json)
		printf("{\"removed\": %zu, \"removed_bytes\": %llu, \"kept_bytes\": %llu}\n", p.removed, (unsigned long long)p.removed_bytes,
		       (unsigned long long)p.kept_bytes);
	else
		printf("removed %zu, %s; %s stay\n", p.removed, rn_format_size(p.removed_bytes, removed, sizeof(removed)),
		       rn_format_size(p.kept_bytes, kept, sizeof(kept)));
	return EXIT_DONE;
}

/* ---- why ---------------------------------------------------------------------------------------- */

static int why(const char *cache, const char *file, const char *what)
{
	RN_AUTO(rn_freep) char *store = rn_path_join(cache, "oci");
	RN_AUTO(rn_freep) char *path = rn_path_abs(NULL, file);
	RN_AUTO(rn_freep) char *stage = rn_strndup(what, strcspn(what, ":"));
	RN_AUTO(step_notes_clear) struct step_notes notes = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	struct rn_error err = { 0 };
	const char *step = strchr(what, ':');
	char when[32];
	if (step_notes_load(store, path, stage, &notes, &err) < 0) {
		rn_hint(&err, "run the pipeline first; STAGE is the id of an oci-build stage");
		return fail(&err);
	}
	printf("%s, built %s\n", stage, rn_iso8601(notes.at_ms, false, when));
	if (!step)
		cache_why_all(&notes, store, &text);
	else if (cache_why_step(&notes, step + 1, store, &text, &err) < 0)
		return fail(&err);
	fputs(rn_buf_str(&text), stdout);
	return EXIT_DONE;
}

/* ---- arguments ------------------------------------------------------------------------------------- */

static int read_option(int c, struct options *o, struct rn_error *err)
{
	switch (c) {
	case 'a':
		o->all = true;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case 's':
		o->has_size = true;
		return rn_parse_size(optarg, &o->size, err) < 0 ? rn_wrap(err, "--max-size") : 0;
	case 'o':
		o->has_age = true;
		return rn_parse_duration(optarg, &o->age_ms, err) < 0 ? rn_wrap(err, "--older-than") : 0;
	default:
		return rn_fail(err, RN_EINVAL, "unknown option, or one without its value");
	}
}

/* Without a home to write to, a run keeps its cache beside its other state. New string. */
static char *find_cache(struct rn_error *err)
{
	char *cache = rn_cache_dir();
	if (!cache && rn_exists(".runner/cache"))
		cache = rn_path_abs(NULL, ".runner/cache");
	if (!cache) {
		rn_fail(err, RN_ENOTFOUND, "neither XDG_CACHE_HOME nor a HOME that can be written to says where the cache is");
		rn_hint(err, "set XDG_CACHE_HOME (the cache is in runner/ below it) or HOME to an absolute path; without both, a run keeps its cache in "
			     ".runner/cache of its working folder: go there");
	}
	return cache;
}

int main(int argc, char **argv)
{
	static const struct option OPTIONS[] = {
		{ "all", no_argument, NULL, 'a' }, { "json", no_argument, NULL, 'j' }, { "max-size", required_argument, NULL, 's' },
		{ "older-than", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	struct options o = { 0 };
	struct rn_error err = { 0 };
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, "h", OPTIONS, NULL)) != -1;) {
		if (c == 'h') {
			fputs(USAGE, stdout);
			return EXIT_DONE;
		}
		if (read_option(c, &o, &err) < 0)
			return bad_usage(err.msg);
	}
	int left = argc - optind;
	const char *command = left > 0 ? argv[optind] : NULL;
	RN_AUTO(rn_freep) char *cache = find_cache(&err);
	if (!cache)
		return fail(&err);
	if (rn_streq(command, "ls") && left == 1)
		return rn_end_output(list(cache, &o), EXIT_FAILED);
	if (rn_streq(command, "prune") && left == 1)
		return rn_end_output(prune(cache, &o), EXIT_FAILED);
	if (rn_streq(command, "why") && left == 3)
		return rn_end_output(why(cache, argv[optind + 1], argv[optind + 2]), EXIT_FAILED);
	return bad_usage(command ? "unknown command, or wrong number of arguments" : "what of it: ls, prune or why?");
}
