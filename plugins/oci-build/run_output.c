/* SPDX-License-Identifier: Apache-2.0 */
#include "run_output.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAIL_LINE_MAX 200

/* What a terminal would show of a line that was drawn over with \r. */
static const char *shown(char *line)
{
	size_t n = strlen(line);
	while (n && line[n - 1] == '\r')
		line[--n] = '\0';
	const char *last = strrchr(line, '\r');
	return last ? last + 1 : line;
}

static void emit(struct run_output *o)
{
	RN_AUTO(rn_freep) char *line = rn_buf_take(&o->line);
	const char *text = shown(line);
	build_log(o->b, RUNNER_INFO, "%s", text);
	char **slot = &o->tail[o->n_tail++ % RUN_TAIL_LINES];
	free(*slot);
	*slot = rn_strdup(text);
}

void run_output_bytes(void *data, int stream, const char *bytes, size_t n)
{
	struct run_output *o = data;
	(void)stream;
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n' || o->line.len >= RUN_LINE_MAX)
			emit(o);
		if (bytes[i] != '\n' && bytes[i] != '\0')
			rn_buf_addc(&o->line, bytes[i]);
	}
}

void run_output_end(struct run_output *o)
{
	if (o->line.len)
		emit(o);
}

void run_output_tail(const struct run_output *o, struct rn_error *err)
{
	size_t n = o->n_tail < RUN_TAIL_LINES ? o->n_tail : RUN_TAIL_LINES;
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	if (!err || n == 0)
		return;
	rn_buf_adds(&b, "\nits last lines:");
	for (size_t i = o->n_tail - n; i < o->n_tail; i++)
		rn_buf_addf(&b, "\n  %.*s", TAIL_LINE_MAX, o->tail[i % RUN_TAIL_LINES]);
	size_t used = strlen(err->msg);
	if (used + b.len < sizeof(err->msg))
		snprintf(err->msg + used, sizeof(err->msg) - used, "%s", rn_buf_str(&b));
}

void run_output_clear(struct run_output *o)
{
	rn_buf_clear(&o->line);
	for (size_t i = 0; i < RUN_TAIL_LINES; i++)
		rn_freep(&o->tail[i]);
}
