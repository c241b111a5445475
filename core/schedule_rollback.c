/* SPDX-License-Identifier: Apache-2.0 */
/* After a run that failed: what stages changed is put back, from what they remembered before. */
#include "schedule_internal.h"

#include "stage_failure.h"

#include "base/fs.h"
#include "base/time.h"

#include <stdlib.h>
#include <string.h>

/* ---- records of a run that nobody decided about ---- */

static void carry_one(struct node *n, const struct record_stage *earlier, struct rn_buf *names)
{
	struct journal *j = n->schedule->o->journal;
	const cJSON *record;
	cJSON_ArrayForEach(record, earlier->records) {
		struct rn_error err = { 0 };
		cJSON_AddItemToObject(n->records, record->string, cJSON_Duplicate(record, true));
		if (journal_remember(j, n->stage->id, record->string, record, &err) < 0)
			journal_broken(j, &err);
	}
	rn_buf_addf(names, "%s%s", names->len ? ", " : "", n->stage->id);
}

void schedule_carry(struct schedule *s)
{
	const struct schedule_options *o = s->o;
	const struct record *last = o->call == SCHEDULE_RUN && o->journal && o->earlier ? record_changed(o->earlier) : NULL;
	RN_AUTO(rn_buf_clear) struct rn_buf names = RN_BUF_INIT;
	for (size_t i = 0; last && i < s->n; i++) {
		const struct record_stage *earlier = record_stage(last, s->nodes[i].stage->id);
		if (earlier && record_open(last, earlier))
			carry_one(&s->nodes[i], earlier, &names);
	}
	if (names.len)
		schedule_notice(s, RUNNER_WARN, NULL,
				"run %s did not come to its end after it had changed %s: what was there before is still "
				"known, for `on_failure: rollback` and for `runner rollback`",
				last->id, rn_buf_str(&names));
}

/* ---- putting back ---- */

static bool wanted(const struct node *n)
{
	return n->stage->rollback && n->plugin->has_rollback && cJSON_GetArraySize(n->records);
}

static void emit_end(struct node *n, enum event_status status, const char *text)
{
	bus_emit(n->schedule->o->bus, &(struct event){ .kind = EVENT_ROLLBACK_END, .stage = n->stage->id,
						       .index = n->stage->index, .status = status, .text = text,
						       .ms = rn_now_ms() - n->rolling_ms, .rollback = true });
	cJSON_Delete(rn_take(&n->params));
	cJSON_Delete(rn_take(&n->env));
	cJSON_Delete(rn_take(&n->info));
	n->state = NODE_DONE;
}

static void emit_failure(struct node *n, const struct event_failure *f)
{
	bus_emit(n->schedule->o->bus, &(struct event){ .kind = EVENT_FAILURE, .stage = n->stage->id,
						       .index = n->stage->index, .failure = *f, .rollback = true });
	emit_end(n, EVENT_FAILED, NULL);
}

void node_rolled(struct node *n)
{
	struct stage *process = rn_take(&n->process);
	const char *scratch = rn_json_str(n->info, "scratch");
	n->schedule->running--;
	if (scratch && rn_exists(scratch))
		rn_remove_tree(scratch, NULL);
	if (stage_result(process) == STAGE_DONE)
		emit_end(n, EVENT_OK, NULL);
	else if (stage_result(process) == STAGE_CANCELLED)
		emit_end(n, EVENT_CANCELLED, "stopped");
	else
		emit_failure(n, stage_failure(process));
	stage_free(process);
}

static void begin(struct node *n)
{
	RN_AUTO(rn_json_freep) cJSON *own = NULL;
	struct event_failure why = { 0 };
	struct rn_error err = { 0 };
	n->rolling = true;
	n->rolling_ms = rn_now_ms();
	bus_emit(n->schedule->o->bus, &(struct event){ .kind = EVENT_ROLLBACK_START, .stage = n->stage->id,
						       .index = n->stage->index, .rollback = true });
	if (!node_resolve(n, &own, &why)) {
		emit_failure(n, &why);
		event_failure_clear(&why);
		return;
	}
	node_equip(n, own);
	if (node_spawn(n, &err) < 0)
		emit_failure(n, &(struct event_failure){ .cls = RUNNER_FAIL_MACHINE, .message = err.msg,
							 .hint = err.hint[0] ? err.hint : NULL });
}

void schedule_roll_back(struct schedule *s, void (*wait)(struct schedule *s))
{
	RN_AUTO(rn_freep) size_t *order = rn_alloc(sizeof(*order) * (s->n + 1));
	pipeline_order(s->o->pipeline, order);
	for (size_t i = s->n; i-- > 0;) {
		struct node *n = &s->nodes[order[i]];
		if (!wanted(n))
			continue;
		if (s->stopping) { /* whoever pressed Ctrl-C decides: go on, or `runner rollback` */
			schedule_notice(s, RUNNER_WARN, n->stage->id, "what it changed stays; `runner rollback %s` puts it back",
					s->o->pipeline->file);
			continue;
		}
		begin(n);
		while (n->state == NODE_RUNNING)
			wait(s);
	}
}
