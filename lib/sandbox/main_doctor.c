/* SPDX-License-Identifier: Apache-2.0 */
/* runner doctor: what this machine allows, and what would make it allow more. */
#include "sandbox.h"

#include "doctor_facts.h"
#include "foreign.h"

#include "base/fs.h"
#include "base/json.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char USAGE[] =
	"Usage: runner doctor [--dir DIR] [--json]\n"
	"\n"
	"Tries what running programs of an image needs (RUN in a Dockerfile, functions of\n"
	"the local cloud) and says, for each thing that is not allowed, what allows it.\n"
	"Building images without RUN and deploying need none of it.\n"
	"\n"
	"  --dir DIR  where images are unpacked (default: .runner in the working directory)\n"
	"  --json     for programs\n"
	"\n"
	"Exit status: 0 programs can be run, 3 they cannot.\n";

static void print_text(const struct sandbox_host *h, const char *dir)
{
	struct utsname u;
	struct statvfs fs;
	char size[32];
	if (uname(&u) == 0)
		printf("machine   %s %s, %s, uid %u\n", u.sysname, u.release, u.machine, geteuid());
	if (statvfs(dir, &fs) == 0)
		printf("folder    %s, %s free\n", dir,
		       rn_format_size((uint64_t)fs.f_bavail * fs.f_frsize, size, sizeof(size)));
	printf("sandbox   %s\n\n", h->summary);
	for (size_t i = 0; i < h->n_checks; i++) {
		const struct sandbox_check *c = &h->checks[i];
		printf("  %-4s %s: %s\n", c->ok ? "ok" : "no", c->name, c->detail);
		if (c->cure)
			printf("       cure: %s\n", c->cure);
	}
	RN_AUTO(rn_json_freep) cJSON *facts = doctor_facts();
	const cJSON *f;
	putchar('\n');
	cJSON_ArrayForEach(f, facts) {
		printf("  %-4s %s: %s\n", rn_json_str(f, "cure") ? "see" : "", rn_json_str(f, "name"), rn_json_str(f, "value"));
		if (rn_json_str(f, "cure"))
			printf("       cure: %s\n", rn_json_str(f, "cure"));
	}
}

/* {"name", "runs", "reason", "cure"} of each architecture that RUN of a Dockerfile may be asked for. */
static cJSON *architectures(const struct sandbox_host *h, const char *dir)
{
	cJSON *list = cJSON_CreateArray();
	for (const char *const *name = sandbox_machines(); *name; name++) {
		struct sandbox_foreign f = { 0 };
		if (sandbox_foreign(h, dir, *name, &f, NULL) < 0)
			continue;
		cJSON *o = cJSON_CreateObject();
		cJSON_AddStringToObject(o, "name", *name);
		cJSON_AddBoolToObject(o, "runs", f.runs);
		if (f.reason)
			cJSON_AddStringToObject(o, "reason", f.reason);
		if (f.cure)
			cJSON_AddStringToObject(o, "cure", f.cure);
		cJSON_AddItemToArray(list, o);
		sandbox_foreign_clear(&f);
	}
	return list;
}

/* Takes those out of the list that `first` speaks for too, and prints their names. */
static void print_names_like(cJSON *list, const cJSON *first)
{
	RN_AUTO(rn_freep) char *reason = rn_strdup(rn_json_str(first, "reason"));
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	for (cJSON *a = list->child, *next; a; a = next) {
		next = a->next;
		if (!rn_streq(rn_json_str(a, "reason"), reason))
			continue;
		rn_strv_addf(&names, "linux/%s", rn_json_str(a, "name"));
		cJSON_Delete(cJSON_DetachItemViaPointer(list, a));
	}
	RN_AUTO(rn_freep) char *joined = rn_strv_join(&names, ", ");
	fputs(joined, stdout);
}

static void print_architectures(const struct sandbox_host *h, const char *dir)
{
	RN_AUTO(rn_json_freep) cJSON *list = architectures(h, dir);
	puts("\nprograms in an image, by platform (RUN)");
	while (list->child) {
		RN_AUTO(rn_freep) char *reason = rn_strdup(rn_json_str(list->child, "reason")), *cure = rn_strdup(rn_json_str(list->child, "cure"));
		printf("  %-4s ", reason ? "no" : "ok");
		print_names_like(list, list->child);
		printf("%s%s\n", reason ? ": " : "", reason ? reason : "");
		if (cure)
			printf("       cure: %s\n", cure);
	}
}

/* RUN unpacks images below the cache, which may lie on another file system. */
static void print_cache(const char *cache)
{
	struct sandbox_host h;
	if (sandbox_probe(cache, &h, NULL) < 0)
		return;
	printf("\ncache     %s: %s\n", cache, h.overlay ? "overlays work" : "no overlays; RUN looks for another place");
	for (size_t i = 0; i < h.n_checks; i++)
		if (!h.checks[i].ok && h.checks[i].cure && !strcmp(h.checks[i].name, "overlay"))
			printf("       cure: %s\n", h.checks[i].cure);
	sandbox_host_clear(&h);
}

static char *cache_dir(void)
{
	RN_AUTO(rn_freep) char *cache = rn_cache_dir();
	return cache ? rn_path_join(cache, "rootfs") : NULL;
}

static void print_json(const struct sandbox_host *h, const char *dir)
{
	RN_AUTO(rn_json_freep) cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "rung", sandbox_rung_name(h->rung));
	cJSON_AddStringToObject(j, "summary", h->summary);
	if (h->cure)
		cJSON_AddStringToObject(j, "cure", h->cure);
	cJSON_AddBoolToObject(j, "overlay", h->overlay);
	cJSON_AddBoolToObject(j, "network_none", h->net_none);
	cJSON_AddBoolToObject(j, "control_groups", h->cgroup);
	cJSON_AddNumberToObject(j, "ids", (double)h->ids);
	cJSON_AddItemToObject(j, "facts", doctor_facts());
	if (h->rung != SANDBOX_NONE)
		cJSON_AddItemToObject(j, "architectures", architectures(h, dir));
	cJSON *checks = cJSON_AddArrayToObject(j, "checks");
	for (size_t i = 0; i < h->n_checks; i++) {
		const struct sandbox_check *c = &h->checks[i];
		cJSON *item = cJSON_CreateObject();
		cJSON_AddStringToObject(item, "name", c->name);
		cJSON_AddBoolToObject(item, "ok", c->ok);
		cJSON_AddStringToObject(item, "detail", c->detail);
		if (c->cure)
			cJSON_AddStringToObject(item, "cure", c->cure);
		cJSON_AddItemToArray(checks, item);
	}
	RN_AUTO(rn_freep) char *text = rn_json_pretty(j);
	puts(text);
}

int main(int argc, char **argv)
{
	static const struct option OPTIONS[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *dir = ".runner";
	bool json = false;
	for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
		if (c == 'h')
			return fputs(USAGE, stdout) < 0;
		if (c == '?')
			return fputs(USAGE, stderr), 2;
		if (c == 'd')
			dir = optarg;
		else
			json = true;
	}
	if (optind < argc)
		return fputs(USAGE, stderr), 2;
	struct rn_error err = { 0 };
	struct sandbox_host host;
	if (sandbox_probe(dir, &host, &err) < 0) {
		fprintf(stderr, "runner doctor: %s\n%s%s", err.msg, err.hint, err.hint[0] ? "\n" : "");
		return 3;
	}
	if (json)
		print_json(&host, dir);
	else
		print_text(&host, dir);
	if (!json && host.rung != SANDBOX_NONE)
		print_architectures(&host, dir);
	RN_AUTO(rn_freep) char *cache = json ? NULL : cache_dir();
	if (cache && host.rung > SANDBOX_CHROOT)
		print_cache(cache);
	int rc = host.rung == SANDBOX_NONE ? 3 : 0;
	sandbox_host_clear(&host);
	return rn_end_output(rc, 3);
}
