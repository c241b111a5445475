/* SPDX-License-Identifier: Apache-2.0 */
/* `--output json`: every event as one line of JSON on stdout. */
#include "report.h"

#include "base/fs.h"

#include <stdlib.h>
#include <unistd.h>

static void on_event(struct reporter *r, const struct view *v, const struct event *e)
{
	(void)r;
	RN_AUTO(rn_json_freep) cJSON *j = event_json(e);
	if (e->kind == EVENT_RUN_START)
		cJSON_AddStringToObject(j, "command", v->command);
	RN_AUTO(rn_freep) char *text = rn_json_print(j);
	RN_AUTO(rn_buf_clear) struct rn_buf line = RN_BUF_INIT;
	rn_buf_addf(&line, "%s\n", text);
	(void)!rn_write_full(STDOUT_FILENO, rn_buf_str(&line), line.len);
}

static void on_free(struct reporter *r)
{
	free(r);
}

struct reporter *report_json_new(void)
{
	struct reporter *r = rn_alloc(sizeof(*r));
	*r = (struct reporter){ .event = on_event, .free = on_free };
	return r;
}
