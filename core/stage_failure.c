/* SPDX-License-Identifier: Apache-2.0 */
#include "stage_failure.h"

#include "base/str.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

void event_failure_clear(struct event_failure *f)
{
	free((char *)f->message);
	free((char *)f->hint);
	free((char *)f->param);
	free((char *)f->file);
	*f = (struct event_failure){ 0 };
}

void stage_ending_init(struct stage_ending *e, const struct stage_spec *spec)
{
	*e = (struct stage_ending){ .plugin = rn_strdup(spec->plugin->name), .plugin_path = rn_strdup(spec->plugin->path),
				    .file = rn_strdup(spec->file), .line = spec->line, .column = spec->column,
				    .places = cJSON_CreateObject() };
	const cJSON *p;
	cJSON_ArrayForEach(p, spec->params) {
		cJSON *at = cJSON_AddObjectToObject(e->places, p->string);
		cJSON_AddNumberToObject(at, "line", rn_json_num(p, "line", 0));
		cJSON_AddNumberToObject(at, "column", rn_json_num(p, "column", 0));
	}
}

void stage_ending_clear(struct stage_ending *e)
{
	free(e->plugin);
	free(e->plugin_path);
	free(e->file);
	free(e->names);
	cJSON_Delete(e->places);
	cJSON_Delete(e->fail);
	*e = (struct stage_ending){ 0 };
}

void stage_ending_take(struct stage_ending *e, const char *type, const cJSON *j)
{
	if (rn_streq(type, "fail")) {
		cJSON_Delete(e->fail);
		e->fail = cJSON_Duplicate(j, true);
	} else if (rn_streq(type, "result")) {
		e->result = true;
		e->code = (int)rn_json_int(j, "code", -1);
	} else if (rn_streq(type, "exit")) {
		e->exited = true;
		e->status = (int)rn_json_int(j, "status", -1);
		e->signal = (int)rn_json_int(j, "signal", 0);
		e->killed = (size_t)rn_json_int(j, "killed", 0);
		free(e->names);
		e->names = rn_strdup(rn_json_str(j, "names"));
	} else if (rn_streq(type, "garbled")) {
		e->garbled = true;
	}
}

static const char *signal_word(int sig)
{
	const char *name = sigabbrev_np(sig);
	return name ? name : "?";
}

static void judge_signal(const struct stage_ending *e, struct event_failure *f)
{
	f->message = rn_asprintf("the plugin \"%s\" crashed: signal %d (SIG%s, %s)", e->plugin, e->signal,
				 signal_word(e->signal), strsignal(e->signal));
	f->retryable = true;
	if (e->signal == SIGKILL)
		f->hint = rn_strdup("somebody killed it from outside; when it was the kernel for want of memory, `dmesg` says so");
	else
		f->hint = rn_asprintf("this is a defect of %s; its log may say more", e->plugin_path);
}

static void judge_fail(const struct stage_ending *e, struct event_failure *f)
{
	const char *param = rn_json_str(e->fail, "param"), *file = rn_json_str(e->fail, "file");
	f->cls = (enum runner_class)rn_json_int(e->fail, "class", RUNNER_FAIL_STAGE);
	f->message = rn_strdup(rn_json_str(e->fail, "message"));
	f->hint = rn_strdup(rn_json_str(e->fail, "hint"));
	f->param = rn_strdup(param);
	f->retryable = rn_json_bool(e->fail, "retryable", false);
	const cJSON *at = param ? rn_json_get(e->places, param) : NULL;
	if (file) {
		free((char *)f->file);
		f->file = rn_strdup(file);
		f->line = (int)rn_json_int(e->fail, "line", 0);
		f->column = (int)rn_json_int(e->fail, "column", 0);
	} else if (rn_json_int(at, "line", 0)) {
		f->line = (int)rn_json_int(at, "line", 0);
		f->column = (int)rn_json_int(at, "column", 0);
	}
}

static void judge_timeout(const struct stage_ending *e, struct event_failure *f)
{
	char time[32];
	rn_format_duration(e->stopped_after_ms, time, sizeof(time));
	f->retryable = true;
	if (e->stopped == STOP_TIMEOUT) {
		f->message = rn_asprintf("did not end within its timeout of %s and was stopped", time);
		f->hint = rn_strdup("look at where the log ends; when it only needs longer, raise `timeout:` of the stage");
	} else {
		f->message = rn_asprintf("the time of the run (--timeout %s) was over and the stage was stopped", time);
		f->hint = rn_strdup("give the run more time with --timeout");
	}
}

static bool judged_by_process(const struct stage_ending *e, struct event_failure *f)
{
	f->hint = NULL;
	if (e->garbled)
		f->message = rn_asprintf("the plugin \"%s\" wrote into the runner's own descriptor", e->plugin);
	else if (!e->exited)
		f->message = rn_asprintf("the process that supervises the stage ended%s%s", e->supervisor_signal ? ": SIG" : "",
					 e->supervisor_signal ? signal_word(e->supervisor_signal) : "");
	else if (!e->result)
		f->message = rn_asprintf("the plugin \"%s\" ended its process with exit status %d instead of returning",
					 e->plugin, e->status);
	return f->message != NULL;
}

enum stage_end stage_ending_judge(const struct stage_ending *e, struct event_failure *ret)
{
	bool good = e->exited && e->result && !e->code && !e->signal && !e->garbled;
	if (good)
		return STAGE_DONE;
	if (e->stopped == STOP_CANCELLED)
		return STAGE_CANCELLED;
	struct event_failure f = { .cls = RUNNER_FAIL_STAGE, .file = rn_strdup(e->file), .line = e->line, .column = e->column };
	if (e->stopped)
		judge_timeout(e, &f);
	else if (e->signal)
		judge_signal(e, &f);
	else if (!judged_by_process(e, &f) && e->fail)
		judge_fail(e, &f);
	if (!f.message)
		f.message = rn_asprintf("the plugin \"%s\" returned %d without a reason", e->plugin, e->code);
	*ret = f;
	return STAGE_FAILED;
}
