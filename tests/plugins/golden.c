/* SPDX-License-Identifier: Apache-2.0 */
/* Declares a parameter of every type, for tests of the language; run gives its parameters back as outputs. */
#include <runner/plugin.h>

#include <stdio.h>

struct params {
	const char *text, *choice, *token, *old, *place;
	int64_t count;
	double ratio;
	bool enabled;
	struct runner_duration wait;
	struct runner_size room;
	struct runner_list items;
	struct runner_map labels;
	struct runner_json data;
};

static const struct runner_param params[] = {
	RUNNER_PARAM(struct params, text, .flags = RUNNER_REQUIRED, .help = "Any text."),
	RUNNER_PARAM(struct params, choice, .def = "blue", .one_of = "red|green|blue"),
	RUNNER_PARAM(struct params, token, .flags = RUNNER_SECRET),
	RUNNER_PARAM(struct params, old, .flags = RUNNER_DEPRECATED, .help = "Use `text`."),
	RUNNER_PARAM_PATH(struct params, place),
	RUNNER_PARAM(struct params, count, .def = "3"),
	RUNNER_PARAM(struct params, ratio),
	RUNNER_PARAM(struct params, enabled, .def = "true"),
	RUNNER_PARAM(struct params, wait, .def = "1m"),
	RUNNER_PARAM(struct params, room, .def = "64KiB"),
	RUNNER_PARAM(struct params, items, .def = "[a, b]"),
	RUNNER_PARAM(struct params, labels),
	RUNNER_PARAM(struct params, data),
	{ 0 },
};

static const struct runner_output outputs[] = {
	{ .name = "text", .help = "The text." },
	{ .name = "data", .help = "The data." },
	{ .name = "token", .flags = RUNNER_SECRET, .help = "The token." },
	{ 0 },
};

static int run(struct runner_stage *stage, const struct runner_host *host, const void *p)
{
	const struct params *with = p;
	host->log(stage, RUNNER_INFO, "count=%lld wait=%lld room=%llu items=%zu labels=%zu place=%s",
		  (long long)with->count, (long long)with->wait.ms, (unsigned long long)with->room.bytes,
		  with->items.n, with->labels.n, with->place ? with->place : "-");
	host->output(stage, "text", with->text);
	if (with->data.text)
		host->output_json(stage, "data", with->data.text);
	if (with->token)
		host->output(stage, "token", with->token);
	return 0;
}

RUNNER_PLUGIN(.name = "golden", .version = "1.0.0", .summary = "Every type of parameter",
	      .param_size = sizeof(struct params), .params = params, .outputs = outputs, .run = run);
