/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The call that the host makes, as an object: words for its log, library errors
 * as its failures, and the AWS session of a stage.
 */
#include "stage.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void stage_init(struct stage *s, struct runner_stage *rs, const struct runner_host *host, enum stage_mode mode)
{
	const char *pipeline = host->info(rs, RUNNER_INFO_PIPELINE);
	const char *id = host->info(rs, RUNNER_INFO_STAGE);
	*s = (struct stage){
		.rs = rs,
		.host = host,
		.mode = mode,
		.pipeline = pipeline ? pipeline : "",
		.id = id ? id : "",
	};
}

/* ---- words -------------------------------------------------------------------- */

static void say(const struct stage *s, unsigned level, const char *fmt, va_list ap)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_vaddf(&b, fmt, ap);
	s->host->log(s->rs, level, "%s", rn_buf_str(&b));
}

void stage_debug(const struct stage *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(s, RUNNER_DEBUG, fmt, ap);
	va_end(ap);
}

void stage_info(const struct stage *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(s, RUNNER_INFO, fmt, ap);
	va_end(ap);
}

void stage_warn(const struct stage *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(s, RUNNER_WARN, fmt, ap);
	va_end(ap);
}

void stage_step(const struct stage *s, const char *fmt, ...)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	va_list ap;
	va_start(ap, fmt);
	rn_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	s->host->step(s->rs, rn_buf_str(&b));
}

int stage_output(const struct stage *s, const char *name, const char *value, struct rn_error *err)
{
	if (s->host->output(s->rs, name, value) < 0)
		return rn_fail(err, RN_EINTERNAL, "the plugin sets the output %s, which it does not declare", name);
	return 0;
}

/* ---- failures ------------------------------------------------------------------ */

int stage_about(struct rn_error *err, const char *kind, const char *name)
{
	RN_AUTO(rn_freep) char *plain = rn_asprintf("%s %s", kind, name);
	RN_AUTO(rn_freep) char *quoted = rn_asprintf("%s \"%s\"", kind, name);
	return strstr(err->msg, plain) || strstr(err->msg, quoted) ? -1 : rn_wrap(err, "%s", plain);
}

unsigned stage_class(enum rn_code code)
{
	switch (code) {
	case RN_EINVAL:
		return RUNNER_FAIL_CONFIG;
	case RN_EAUTH:
		return RUNNER_FAIL_AUTH;
	case RN_ENET:
	case RN_ETIMEOUT:
		return RUNNER_FAIL_NETWORK;
	case RN_ENOTFOUND:
	case RN_EEXISTS:
	case RN_EREMOTE:
		return RUNNER_FAIL_REMOTE;
	case RN_EIO:
		return RUNNER_FAIL_MACHINE;
	case RN_EUNSUPPORTED:
		return RUNNER_FAIL_UNSUPPORTED;
	case RN_ECANCELLED:
		return RUNNER_FAIL_CANCELLED;
	case RN_OK:
	case RN_ELIMIT:
	case RN_EINTERNAL:
		break;
	}
	return RUNNER_FAIL_STAGE;
}

int stage_blame(struct stage *s, const char *param)
{
	s->param = param;
	return -1;
}

int stage_fail(const struct stage *s, const struct rn_error *err, const char *param)
{
	const struct runner_failure failure = {
		.size = sizeof failure,
		.cls = stage_class(err->code),
		.message = err->msg[0] ? err->msg : "the stage failed without saying why (a defect of the plugin)",
		.hint = err->hint[0] ? err->hint : NULL,
		.param = param ? param : s->param,
		.retryable = err->retryable,
	};
	return s->host->fail(s->rs, &failure);
}

/* ---- AWS ----------------------------------------------------------------------- */

static void session_log(void *ctx, const char *line)
{
	const struct stage *s = ctx;
	s->host->log(s->rs, RUNNER_DEBUG, "%s", line);
}

static void session_secret(void *ctx, const char *value)
{
	const struct stage *s = ctx;
	s->host->mask(s->rs, value);
}

struct aws_session *stage_session(struct stage *s, const char *region, struct rn_error *err)
{
	struct aws_session_options o = AWS_SESSION_INIT;
	o.region = region && *region ? region : NULL;
	o.cancel_fd = s->host->cancel_fd(s->rs);
	o.log = session_log;
	o.secret = session_secret;
	o.ctx = s;
	return aws_session_new(&o, err);
}

int stage_may_write(const struct stage *s, const char *operation, struct rn_error *err)
{
	if (s->mode == STAGE_PLAN)
		return rn_fail(err, RN_EINTERNAL, "plan must not write, but was about to call %s", operation);
	if (s->host->cancelled(s->rs))
		return rn_fail(err, RN_ECANCELLED, "stopped before %s", operation);
	return 0;
}

/* ---- what was there before ------------------------------------------------------ */

int stage_remember(const struct stage *s, const char *key, const cJSON *record, struct rn_error *err)
{
	if (s->mode != STAGE_RUN || !RUNNER_HAS(s->host, remember))
		return 0;
	RN_AUTO(rn_freep) char *text = record ? rn_json_print(record) : rn_strdup("null");
	if (s->host->remember(s->rs, key, text) == 0)
		return 0;
	return rn_fail(err, RN_EIO, "what was there before (%s) cannot be kept, so nothing is changed", key);
}

cJSON *stage_recall(const struct stage *s, const char *key)
{
	const char *text = RUNNER_HAS(s->host, recall) ? s->host->recall(s->rs, key) : NULL;
	return text ? rn_json_parse_str(text, NULL) : NULL;
}

const char *stage_recall_key(const struct stage *s, size_t i)
{
	return RUNNER_HAS(s->host, recall_key) ? s->host->recall_key(s->rs, (uint32_t)i) : NULL;
}
