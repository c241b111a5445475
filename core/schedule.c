/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule_internal.h"

#include "command.h"
#include "worker_tree.h"

#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { IDLE_MS = 60000 };

void schedule_notice(struct schedule *s, enum runner_level level, const char *stage, const char *fmt, ...)
{
	RN_AUTO(rn_freep) char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = rn_strdup(fmt);
	va_end(ap);
	RN_AUTO(rn_freep) char *masked = redact_text(s->o->redact, text);
	size_t index = s->n;
	for (size_t i = 0; stage && i < s->n; i++)
		if (rn_streq(s->nodes[i].stage->id, stage))
			index = i;
	bus_emit(s->o->bus, &(struct event){ .kind = EVENT_NOTICE, .level = level, .stage = stage, .index = index,
					     .text = masked });
}

/* ---- selection ---- */

static size_t place_of(const struct schedule *s, const size_t *order, const char *id)
{
	for (size_t i = 0; i < s->n; i++)
		if (rn_streq(s->nodes[order[i]].stage->id, id))
			return i;
	return s->n;
}

static int unknown_stage(const struct schedule *s, const char *option, const char *id, struct rn_error *err)
{
	const char **ids = rn_alloc(sizeof(*ids) * (s->n + 1));
	for (size_t i = 0; i < s->n; i++)
		ids[i] = s->nodes[i].stage->id;
	const char *near = rn_nearest(id, ids, s->n);
	rn_fail(err, RN_EINVAL, "--%s: there is no stage \"%s\" in %s", option, id, s->o->pipeline->name);
	if (near)
		rn_hint(err, "did you mean \"%s\"?", near);
	free(ids);
	return -1;
}

static int select_stages(struct schedule *s, struct rn_error *err)
{
	const struct schedule_options *o = s->o;
	RN_AUTO(rn_freep) size_t *order = rn_alloc(sizeof(*order) * (s->n + 1));
	pipeline_order(o->pipeline, order);
	size_t from = o->from ? place_of(s, order, o->from) : 0, until = o->until ? place_of(s, order, o->until) : s->n;
	if (o->from && from == s->n)
		return unknown_stage(s, "from", o->from, err);
	if (o->until && until == s->n)
		return unknown_stage(s, "until", o->until, err);
	if (o->until && from > until)
		return rn_fail(err, RN_EINVAL, "--from %s stands behind --until %s: nothing would run", o->from, o->until);
	size_t only = o->only ? o->only->n : 0;
	for (size_t i = 0; i < s->n; i++)
		s->nodes[order[i]].selected = i >= from && i <= until && (!only || rn_strv_has(o->only, s->nodes[order[i]].stage->id));
	for (size_t i = 0; i < only; i++)
		if (place_of(s, order, o->only->v[i]) == s->n)
			return unknown_stage(s, "only", o->only->v[i], err);
	return 0;
}

/* ---- order ---- */

static bool ready(const struct schedule *s, const struct node *n)
{
	if (n->state != NODE_WAITING)
		return false;
	if (!schedule_reversed(s)) {
		for (size_t i = 0; i < n->stage->n_deps; i++)
			if (s->nodes[n->stage->deps[i]].state != NODE_DONE)
				return false;
		return true;
	}
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->nodes[i].stage->n_deps; k++)
			if (s->nodes[i].stage->deps[k] == n->stage->index && s->nodes[i].state != NODE_DONE)
				return false;
	return true;
}

/* In the order of the file, for destroy and rollback from its end. */
static struct node *nth(struct schedule *s, size_t i)
{
	return &s->nodes[schedule_reversed(s) ? s->n - 1 - i : i];
}

static void start_ready(struct schedule *s)
{
	bool again = true;
	while (again && !s->stopping && !s->timed_out) {
		again = false;
		for (size_t i = 0; i < s->n && (int64_t)s->running < s->o->jobs && !s->broken; i++) {
			struct node *n = nth(s, i);
			if (!ready(s, n))
				continue;
			node_begin(n);
			again |= n->state != NODE_RUNNING; /* an instant end may free others */
		}
	}
}

static void wake_paused(struct schedule *s)
{
	int64_t now = rn_now_ms();
	for (size_t i = 0; i < s->n && (int64_t)s->running < s->o->jobs; i++)
		if (s->nodes[i].state == NODE_PAUSED && now >= s->nodes[i].wake_ms)
			node_launch(&s->nodes[i]);
}

/* ---- stopping ---- */

static void stop_running(struct schedule *s, enum stage_stop_reason why, int64_t grace_ms)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->nodes[i].process)
			stage_stop(s->nodes[i].process, why, grace_ms, s->o->timeout_ms);
}

static void stop_all(struct schedule *s, const char *why, int64_t grace_ms)
{
	s->stops++;
	if (s->stops == 1) {
		schedule_notice(s, RUNNER_WARN, NULL, "%s: stopping%s", why,
				s->running ? " what runs (once more: kill it)" : "");
		s->stopping = true;
		stop_running(s, STOP_CANCELLED, grace_ms);
	} else {
		stop_running(s, STOP_CANCELLED, 0);
	}
	for (size_t i = 0; i < s->n; i++)
		if (s->nodes[i].state == NODE_PAUSED)
			node_finish(&s->nodes[i], EVENT_CANCELLED, "stopped before its next attempt");
}

static void check_deadlines(struct schedule *s)
{
	int64_t now = rn_now_ms();
	for (size_t i = 0; i < s->n; i++) {
		struct node *n = &s->nodes[i];
		if (n->process && n->deadline_ms && now >= n->deadline_ms) {
			n->deadline_ms = 0;
			stage_stop(n->process, STOP_TIMEOUT, s->o->grace_ms, n->stage->timeout_ms);
		}
	}
	if (s->deadline_ms && now >= s->deadline_ms && !s->timed_out && !s->stopping) {
		char time[32];
		s->timed_out = true;
		schedule_notice(s, RUNNER_ERROR, NULL, "the run is not done after %s (--timeout)",
				rn_format_duration(s->o->timeout_ms, time, sizeof(time)));
		stop_running(s, STOP_RUN_TIMEOUT, s->o->grace_ms);
		for (size_t i = 0; i < s->n; i++)
			if (s->nodes[i].state == NODE_PAUSED)
				node_finish(&s->nodes[i], EVENT_FAILED, "the time of the run was over");
	}
}

static void check_journal(struct schedule *s)
{
	const struct rn_error *err = s->o->journal ? journal_error(s->o->journal) : NULL;
	if (!err || (s->broken && s->stopping))
		return;
	s->broken = true;
	schedule_notice(s, RUNNER_ERROR, NULL, "%s%s%s", err->msg, err->hint[0] ? "; " : "", err->hint);
	stop_all(s, "the run cannot be recorded", s->o->grace_ms);
}

/* A run that lost its lease must not go on beside the one that has it now. */
static void check_lease(struct schedule *s)
{
	struct rn_error err = { 0 };
	bool due = s->lease_news || (s->o->lease && rn_now_ms() >= lease_due_ms(s->o->lease));
	s->lease_news = false;
	if (!due || s->broken || lease_renew(s->o->lease, &err) == 0)
		return;
	s->broken = true;
	schedule_notice(s, RUNNER_ERROR, NULL, "%s%s%s", err.msg, err.hint[0] ? "; " : "", err.hint);
	stop_all(s, "the lease is lost", s->o->grace_ms < SCHEDULE_GRACE_MS ? s->o->grace_ms : SCHEDULE_GRACE_MS); /* others begin soon */
}

static void check_watched(struct schedule *s)
{
	siginfo_t info = { 0 };
	if (!s->o->watched || s->watched_ended ||
	    waitid(P_PID, (id_t)s->o->watched, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
		return;
	s->watched_ended = true;
	schedule_notice(s, RUNNER_ERROR, NULL,
			"the local cloud ended in the middle of the run (%s %d); what it had stored is kept, start again with --resume",
			info.si_code == CLD_EXITED ? "exit status" : "signal", info.si_status);
}

static bool is_ours(const struct schedule *s, pid_t pid)
{
	bool ours = pid == s->o->watched || pid == lease_keeper(s->o->lease);
	for (size_t i = 0; i < s->n && !ours; i++)
		ours = s->nodes[i].process && stage_pid(s->nodes[i].process) == pid;
	return ours;
}

/* Children that nobody waits for: what a killed supervisor watched over, or a helper's. */
static void reap_strays(struct schedule *s)
{
	siginfo_t info = { 0 };
	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid && !is_ours(s, info.si_pid)) {
		waitpid(info.si_pid, NULL, WNOHANG);
		info.si_pid = 0;
	}
}

/* When a supervisor was killed, what it watched over has become a child of this process. */
static void kill_strays(struct schedule *s)
{
	RN_AUTO(rn_freep) pid_t *keep = rn_alloc(sizeof(*keep) * (s->n + 2));
	RN_AUTO(rn_buf_clear) struct rn_buf names = RN_BUF_INIT;
	size_t n = 0;
	keep[n++] = s->o->watched;
	keep[n++] = lease_keeper(s->o->lease);
	for (size_t i = 0; i < s->n; i++)
		if (s->nodes[i].process)
			keep[n++] = stage_pid(s->nodes[i].process);
	if (tree_kill((struct tree_keep){ keep, n }, SCHEDULE_GRACE_MS, &names))
		schedule_notice(s, RUNNER_WARN, NULL, "killed what a stage left behind: %s", rn_buf_str(&names));
}

static void stage_ended(struct schedule *s, struct node *n)
{
	bool stray = stage_unsupervised(n->process);
	if (n->rolling)
		node_rolled(n);
	else
		node_ended(n);
	if (stray)
		kill_strays(s);
}

/* ---- the loop ---- */

static int next_wake(const struct schedule *s)
{
	int64_t now = rn_now_ms(), at = now + IDLE_MS;
	if (s->deadline_ms && !s->timed_out && s->deadline_ms < at)
		at = s->deadline_ms;
	if (s->o->lease && !s->broken && lease_due_ms(s->o->lease) < at)
		at = lease_due_ms(s->o->lease);
	for (size_t i = 0; i < s->n; i++) {
		const struct node *n = &s->nodes[i];
		if (n->process && n->deadline_ms && n->deadline_ms < at)
			at = n->deadline_ms;
		if (n->state == NODE_PAUSED && n->wake_ms < at)
			at = n->wake_ms;
	}
	int64_t left = at > now ? at - now : 0;
	int tick = bus_tick_ms(s->o->bus);
	return tick >= 0 && tick < left ? tick : (int)left;
}

static void wait_for_something(struct schedule *s)
{
	enum { SIGNALS, LEASE, STAGES };
	struct pollfd *p = rn_alloc(sizeof(*p) * (s->n + STAGES));
	size_t *who = rn_alloc(sizeof(*who) * (s->n + STAGES)), n = STAGES;
	p[SIGNALS] = (struct pollfd){ .fd = s->signals.fd, .events = POLLIN };
	p[LEASE] = (struct pollfd){ .fd = s->broken ? -1 : lease_news_fd(s->o->lease), .events = POLLIN };
	for (size_t i = 0; i < s->n; i++)
		if (s->nodes[i].process) {
			who[n] = i;
			p[n++] = (struct pollfd){ .fd = stage_fd(s->nodes[i].process), .events = POLLIN };
		}
	if (poll(p, n, next_wake(s)) > 0) {
		bool child = false;
		int stops = p[SIGNALS].revents ? signals_read(&s->signals, &child) : 0;
		for (int i = 0; i < stops; i++)
			stop_all(s, "interrupted", s->o->grace_ms);
		s->lease_news = p[LEASE].revents != 0;
		for (size_t i = STAGES; i < n; i++)
			if (p[i].revents && stage_read(s->nodes[who[i]].process))
				stage_ended(s, &s->nodes[who[i]]);
		if (child) {
			check_watched(s);
			reap_strays(s);
		}
	}
	free(p);
	free(who);
}

static bool busy(const struct schedule *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->nodes[i].state == NODE_RUNNING || s->nodes[i].state == NODE_PAUSED)
			return true;
	return false;
}

static void work(struct schedule *s)
{
	if (s->o->journal)
		journal_settle(s->o->journal);
	wait_for_something(s);
	check_deadlines(s);
	check_lease(s);
	bus_tick(s->o->bus);
	check_journal(s);
}

static void loop(struct schedule *s)
{
	for (;;) {
		check_journal(s);
		start_ready(s);
		wake_paused(s);
		if (!busy(s))
			break;
		work(s);
	}
	check_journal(s);
	for (size_t i = 0; i < s->n; i++) {
		struct node *n = nth(s, i);
		if (n->state != NODE_DONE)
			node_finish(n, s->stopping ? EVENT_CANCELLED : EVENT_SKIPPED,
				    s->stopping ? "not started" : "the time of the run was over");
	}
}

static int exit_code(const struct schedule *s)
{
	size_t failed = 0, machine = 0;
	if (s->broken)
		return EXIT_MACHINE;
	if (s->stopping)
		return EXIT_INTERRUPTED;
	for (size_t i = 0; i < s->n; i++) {
		failed += s->nodes[i].status == EVENT_FAILED;
		machine += s->nodes[i].status == EVENT_FAILED && s->nodes[i].machine;
	}
	if (failed)
		return machine == failed ? EXIT_MACHINE : EXIT_STAGE_FAILED;
	return s->timed_out ? EXIT_STAGE_FAILED : EXIT_DONE;
}

static void clear(struct schedule *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct node *n = &s->nodes[i];
		cJSON_Delete(n->outputs);
		cJSON_Delete(n->params);
		cJSON_Delete(n->env);
		cJSON_Delete(n->info);
		cJSON_Delete(n->records);
		rn_strv_clear(&n->secrets);
		rn_strv_clear(&n->given);
		rn_strv_clear(&n->lost);
		free(n->forced);
		free(n->reason);
		free(n->log);
	}
	free(s->nodes);
	free(s->wanted_output);
}

static int prepare(struct schedule *s, struct rn_error *err)
{
	const struct pipeline *p = s->o->pipeline;
	s->n = p->n_stages;
	s->nodes = rn_alloc(sizeof(*s->nodes) * (s->n + 1));
	for (size_t i = 0; i < s->n; i++) {
		const struct plugin_entry *e = plugin_set_find(s->o->plugins, p->stages[i].uses);
		s->nodes[i] = (struct node){ .schedule = s, .stage = &p->stages[i], .plugin = e ? e->info : NULL,
					     .outputs = cJSON_CreateObject(), .records = cJSON_CreateObject() };
		if (!e || !e->info)
			return rn_fail(err, RN_EINTERNAL, "stage \"%s\" has no plugin", p->stages[i].id);
	}
	return select_stages(s, err);
}

int schedule_run(const struct schedule_options *o, struct rn_error *err)
{
	struct schedule s = { .o = o };
	int64_t begin = rn_now_ms();
	if (prepare(&s, err) < 0 || signals_open(&s.signals, err) < 0) {
		clear(&s);
		return err && err->code == RN_EINVAL ? EXIT_USAGE : EXIT_MACHINE;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	s.deadline_ms = o->timeout_ms ? begin + o->timeout_ms : 0;
	bus_emit(o->bus, &(struct event){ .kind = EVENT_RUN_START, .text = o->pipeline->name, .total = s.n,
					  .name = o->journal ? journal_run_id(o->journal) : NULL });
	schedule_carry(&s);
	loop(&s);
	int code = exit_code(&s);
	if (code != EXIT_DONE && o->call == SCHEDULE_RUN && !o->dry_run) {
		schedule_roll_back(&s, work);
		code = exit_code(&s); /* Ctrl-C may have come meanwhile */
	}
	enum event_status status = code == EXIT_DONE ? EVENT_OK : code == EXIT_INTERRUPTED ? EVENT_CANCELLED : EVENT_FAILED;
	bus_emit(o->bus, &(struct event){ .kind = EVENT_RUN_END, .status = status, .exit_code = code,
					  .ms = rn_now_ms() - begin });
	signals_close(&s.signals);
	clear(&s);
	return code;
}
