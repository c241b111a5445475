/* SPDX-License-Identifier: Apache-2.0 */
/* Uses every host service once, with a parameter of every type. */
#include <runner/plugin.h>

#include <inttypes.h>
#include <stdio.h>

struct params {
	const char *text;
	int64_t count;
	double ratio;
	bool flag;
	struct runner_duration wait;
	struct runner_size limit;
	const char *file;
	struct runner_list items;
	struct runner_map pairs;
	struct runner_json data;
	const char *token;
};

static int run(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	const struct params *p = params;
	host->step(stage, "1/1 everything");
	host->log(stage, RUNNER_INFO, "text=%s count=%" PRId64 " ratio=%g flag=%d wait=%" PRId64 " limit=%" PRIu64,
		  p->text ? p->text : "(null)", p->count, p->ratio, p->flag, p->wait.ms, p->limit.bytes);
	for (size_t i = 0; i < p->items.n; i++)
		host->log(stage, RUNNER_INFO, "item %zu: %s", i, p->items.v[i]);
	for (size_t i = 0; i < p->pairs.n; i++)
		host->log(stage, RUNNER_INFO, "pair %s=%s", p->pairs.v[i].key, p->pairs.v[i].value);
	host->log(stage, RUNNER_INFO, "data %s", p->data.text ? p->data.text : "(null)");
	host->log(stage, RUNNER_WARN, "file %s", p->file ? p->file : "(null)");
	host->log(stage, RUNNER_INFO, "set: text %d, count %d", host->is_set(stage, "text"), host->is_set(stage, "count"));
	host->log(stage, RUNNER_INFO, "stage %s of %s", host->info(stage, RUNNER_INFO_STAGE),
		  host->info(stage, RUNNER_INFO_PIPELINE));
	for (uint64_t i = 0; i <= 100; i++)
		host->progress(stage, "counting", i, 100, "numbers");
	host->change(stage, RUNNER_CREATED, "thing/a", "it was not there");
	host->change(stage, RUNNER_UNCHANGED, "thing/b", NULL);
	host->output(stage, "text", p->text ? p->text : "");
	host->output_json(stage, "data", p->data.text ? p->data.text : "null");
	if (host->output(stage, "nowhere", "x") != -1 || host->output_json(stage, "data", "{") != -1)
		return -1;
	host->output(stage, "key", "generated-key-0123456789");
	printf("the key is generated-key-0123456789\n");
	host->mask(stage, "learnt-on-the-way");
	printf("masked: learnt-on-the-way\n");
	if (p->token)
		printf("token %s\n", p->token);
	return host->cancelled(stage) ? -1 : 0;
}

static int plan(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	(void)params;
	host->change(stage, RUNNER_CREATED, "thing/a", NULL);
	host->change(stage, RUNNER_UNCHANGED, "thing/b", NULL);
	host->log(stage, RUNNER_INFO, "text is %s", host->is_known(stage, "text") ? "known" : "not known");
	return 0;
}

static int destroy(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	(void)params;
	host->change(stage, RUNNER_DELETED, "thing/a", NULL);
	return 0;
}

static const struct runner_param table[] = {
	RUNNER_PARAM(struct params, text, .def = "default", .help = "text"),
	RUNNER_PARAM(struct params, count, .def = "7"),
	RUNNER_PARAM(struct params, ratio, .def = "0.5"),
	RUNNER_PARAM(struct params, flag, .def = "true"),
	RUNNER_PARAM(struct params, wait, .def = "1m30s"),
	RUNNER_PARAM(struct params, limit, .def = "64KiB"),
	RUNNER_PARAM_PATH(struct params, file),
	RUNNER_PARAM(struct params, items),
	RUNNER_PARAM(struct params, pairs),
	RUNNER_PARAM(struct params, data),
	RUNNER_PARAM(struct params, token, .flags = RUNNER_SECRET),
	{ 0 },
};

static const struct runner_output outputs[] = {
	{ .name = "text" }, { .name = "data" }, { .name = "key", .flags = RUNNER_SECRET }, { 0 },
};

RUNNER_PLUGIN(.name = "good", .version = "1.2.3", .summary = "does everything right", .param_size = sizeof(struct params),
	      .params = table, .outputs = outputs, .run = run, .plan = plan, .destroy = destroy);
