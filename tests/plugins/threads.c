/* SPDX-License-Identifier: Apache-2.0 */
/* Calls the host from many threads at once. */
#include <runner/plugin.h>

#include <pthread.h>

struct call {
	struct runner_stage *stage;
	const struct runner_host *host;
};

static void *work(void *p)
{
	struct call *c = p;
	for (int i = 0; i < 500; i++) {
		c->host->log(c->stage, RUNNER_INFO, "line %d of a thread, long enough to be torn by a careless writer", i);
		c->host->progress(c->stage, "work", (uint64_t)i, 500, "steps");
		c->host->change(c->stage, RUNNER_UPDATED, "thing", "detail");
		const char *const argv[] = { "true", NULL };
		struct runner_command cmd = { .size = sizeof(cmd), .argv = argv };
		if (i % 100 == 0 && (c->host->command(c->stage, &cmd) < 0 || cmd.exit_code))
			c->host->log(c->stage, RUNNER_ERROR, "command failed");
	}
	return NULL;
}

static int run(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	(void)stage, (void)host, (void)params;
	struct call call = { stage, host };
	pthread_t threads[8];
	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, work, &call);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

RUNNER_PLUGIN(.name = "threads", .version = "1", .summary = "many threads", .run = run);
