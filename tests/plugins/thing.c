/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps a file as it should be: a resource with plan, run and destroy; its token is a secret output. */
#include <runner/plugin.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct params {
	const char *path;
	const char *content;
	bool stuck;
};

static uint32_t compare(const struct params *p)
{
	char now[4096] = { 0 };
	FILE *f = fopen(p->path, "r");
	if (!f)
		return RUNNER_CREATED;
	size_t n = fread(now, 1, sizeof(now) - 1, f);
	fclose(f);
	return n == strlen(p->content) && memcmp(now, p->content, n) == 0 ? RUNNER_UNCHANGED : RUNNER_UPDATED;
}

static int plan(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	const struct params *p = params;
	host->change(stage, compare(p), p->path, host->is_known(stage, "content") ? p->content : "content not known yet");
	return 0;
}

static int run(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	const struct params *p = params;
	uint32_t action = compare(p);
	FILE *f = action == RUNNER_UNCHANGED ? NULL : fopen(p->path, "w");
	if (f) {
		fputs(p->content, f);
		fclose(f);
	}
	host->change(stage, action, p->path, NULL);
	host->output(stage, "path", p->path);
	host->output(stage, "token", "token-of-the-thing-42");
	return 0;
}

static int destroy(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	const struct params *p = params;
	if (p->stuck)
		return host->fail(stage, &(struct runner_failure){ .size = sizeof(struct runner_failure),
								   .cls = RUNNER_FAIL_REMOTE, .message = "it is stuck" });
	host->change(stage, unlink(p->path) == 0 ? RUNNER_DELETED : RUNNER_UNCHANGED, p->path, NULL);
	return 0;
}

static const struct runner_param table[] = {
	RUNNER_PARAM_PATH(struct params, path, .flags = RUNNER_REQUIRED),
	RUNNER_PARAM(struct params, content, .def = "content"),
	RUNNER_PARAM(struct params, stuck),
	{ 0 },
};

static const struct runner_output outputs[] = {
	{ .name = "path" }, { .name = "token", .flags = RUNNER_SECRET }, { 0 },
};

RUNNER_PLUGIN(.name = "thing", .version = "1", .summary = "a file", .param_size = sizeof(struct params), .params = table,
	      .outputs = outputs, .run = run, .plan = plan, .destroy = destroy);
