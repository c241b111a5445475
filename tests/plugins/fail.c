/* SPDX-License-Identifier: Apache-2.0 */
/* Fails as it is told: class, place, hint; counts its attempts in a file and succeeds at the n-th. */
#include <runner/plugin.h>

#include <stdio.h>

struct params {
	int64_t cls;
	const char *message;
	const char *hint;
	const char *param;
	const char *source;
	int64_t line;
	bool retryable;
	const char *counter;
	int64_t until;
};

static int64_t attempts(const char *path)
{
	FILE *f = fopen(path, "a+");
	if (!f)
		return -1;
	fputc('x', f);
	fseek(f, 0, SEEK_END);
	int64_t n = ftell(f);
	fclose(f);
	return n;
}

static int run(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	const struct params *p = params;
	if (p->counter && attempts(p->counter) >= p->until)
		return 0;
	return host->fail(stage, &(struct runner_failure){ .size = sizeof(struct runner_failure), .cls = (uint32_t)p->cls,
							   .message = p->message, .hint = p->hint, .param = p->param,
							   .file = p->source, .line = p->line, .retryable = p->retryable });
}

static const struct runner_param table[] = {
	RUNNER_PARAM(struct params, cls, .def = "1"),
	RUNNER_PARAM(struct params, message, .def = "it failed as it was told"),
	RUNNER_PARAM(struct params, hint),
	RUNNER_PARAM(struct params, param),
	RUNNER_PARAM_PATH(struct params, source),
	RUNNER_PARAM(struct params, line),
	RUNNER_PARAM(struct params, retryable),
	RUNNER_PARAM_PATH(struct params, counter),
	RUNNER_PARAM(struct params, until, .def = "1000"),
	{ 0 },
};

RUNNER_PLUGIN(.name = "fail", .version = "1", .summary = "fails", .param_size = sizeof(struct params), .params = table,
	      .run = run);
