/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host for unit tests of plugins: it says which parameters are set and known, and keeps
 * what the plugin reports. Included by one test program, so all of it is static.
 */
#ifndef MOCK_HOST_H
#define MOCK_HOST_H

#include <runner/plugin.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct runner_stage {
	const char *set;     /* names of the parameters that the pipeline gives, " a b " */
	const char *unknown; /* those that depend on what is not known yet               */
	char log[8192];
	char changes[4096];
	char outputs[4096];
	char message[4096];
	char hint[1024];
	char param[64];
	unsigned cls;
	bool failed;
};

__attribute__((unused)) static bool mock_named(const char *list, const char *name)
{
	char padded[128];
	snprintf(padded, sizeof(padded), " %s ", name);
	return list && strstr(list, padded);
}

static void mock_append(char *to, size_t room, const char *text)
{
	size_t used = strlen(to);
	snprintf(to + used, room - used, "%s\n", text);
}

static void mock_log(struct runner_stage *s, uint32_t level, const char *fmt, ...)
{
	char text[2048];
	va_list ap;
	(void)level;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	mock_append(s->log, sizeof(s->log), text);
}

static void mock_step(struct runner_stage *s, const char *name)
{
	mock_append(s->log, sizeof(s->log), name ? name : "");
}

static void mock_progress(struct runner_stage *s, const char *what, uint64_t done, uint64_t total, const char *unit)
{
	(void)s, (void)what, (void)done, (void)total, (void)unit;
}

static void mock_change(struct runner_stage *s, uint32_t action, const char *resource, const char *detail)
{
	char text[2048];
	snprintf(text, sizeof(text), "%u %s %s", action, resource, detail ? detail : "");
	mock_append(s->changes, sizeof(s->changes), text);
}

static int mock_output(struct runner_stage *s, const char *name, const char *value)
{
	char text[2048];
	snprintf(text, sizeof(text), "%s=%s", name, value);
	mock_append(s->outputs, sizeof(s->outputs), text);
	return 0;
}

static int mock_fail(struct runner_stage *s, const struct runner_failure *f)
{
	s->failed = true;
	s->cls = f->cls;
	snprintf(s->message, sizeof(s->message), "%s", f->message);
	snprintf(s->hint, sizeof(s->hint), "%s", f->hint ? f->hint : "");
	snprintf(s->param, sizeof(s->param), "%s", f->param ? f->param : "");
	return -1;
}

static bool mock_cancelled(struct runner_stage *s)
{
	(void)s;
	return false;
}

static int mock_cancel_fd(struct runner_stage *s)
{
	(void)s;
	return -1;
}

static const char *mock_info(struct runner_stage *s, uint32_t what)
{
	(void)s;
	return what == RUNNER_INFO_PIPELINE ? "pipe" : what == RUNNER_INFO_STAGE ? "stage" : "/nonexistent";
}

static bool mock_is_set(struct runner_stage *s, const char *param)
{
	return mock_named(s->set, param);
}

static bool mock_is_known(struct runner_stage *s, const char *param)
{
	return !mock_named(s->unknown, param);
}

static void mock_mask(struct runner_stage *s, const char *secret)
{
	(void)s, (void)secret;
}

__attribute__((unused)) static const struct runner_host mock_host = {
	.size = sizeof(struct runner_host),
	.abi_minor = RUNNER_ABI_MINOR,
	.log = mock_log,
	.step = mock_step,
	.progress = mock_progress,
	.change = mock_change,
	.output = mock_output,
	.output_json = mock_output,
	.fail = mock_fail,
	.cancelled = mock_cancelled,
	.cancel_fd = mock_cancel_fd,
	.info = mock_info,
	.is_set = mock_is_set,
	.is_known = mock_is_known,
	.mask = mock_mask,
};

#endif
