/* SPDX-License-Identifier: Apache-2.0 */
/* Changes told field by field: "memory: 128 -> 256". */
#include "stage.h"

#include <inttypes.h>
#include <stdarg.h>

void stage_diff_clear(struct stage_diff *d)
{
	rn_strv_clear(&d->lines);
}

bool stage_diff_str(struct stage_diff *d, const char *field, const char *have, const char *want)
{
	if (rn_streq(have, want))
		return false;
	rn_strv_addf(&d->lines, "%s: %s -> %s", field, have ? have : "(none)", want ? want : "(none)");
	return true;
}

bool stage_diff_int(struct stage_diff *d, const char *field, int64_t have, int64_t want)
{
	if (have == want)
		return false;
	rn_strv_addf(&d->lines, "%s: %" PRId64 " -> %" PRId64, field, have, want);
	return true;
}

bool stage_diff_bool(struct stage_diff *d, const char *field, bool have, bool want)
{
	return stage_diff_str(d, field, have ? "true" : "false", want ? "true" : "false");
}

bool stage_diff_json(struct stage_diff *d, const char *field, const cJSON *have, const cJSON *want)
{
	if ((!have && !want) || (have && want && rn_json_equal(have, want)))
		return false;
	RN_AUTO(rn_freep) char *old_text = have ? rn_json_print(have) : NULL;
	RN_AUTO(rn_freep) char *new_text = want ? rn_json_print(want) : NULL;
	rn_strv_addf(&d->lines, "%s: %s -> %s", field, old_text ? old_text : "(none)", new_text ? new_text : "(none)");
	return true;
}

bool stage_diff_secret(struct stage_diff *d, const char *field, const cJSON *have, const cJSON *want)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	const cJSON *item;
	cJSON_ArrayForEach(item, want)
	{
		const cJSON *old = rn_json_get(have, item->string);
		if (!old || !rn_json_equal(old, item))
			rn_strv_addf(&names, "%s%s", old ? "" : "+", item->string);
	}
	cJSON_ArrayForEach(item, have)
	{
		if (!rn_json_get(want, item->string))
			rn_strv_addf(&names, "-%s", item->string);
	}
	if (names.n == 0)
		return false;
	RN_AUTO(rn_freep) char *joined = rn_strv_join(&names, " ");
	rn_strv_addf(&d->lines, "%s: %s", field, joined);
	return true;
}

bool stage_diff_note(struct stage_diff *d, const char *fmt, ...)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	va_list ap;
	va_start(ap, fmt);
	rn_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	rn_strv_add(&d->lines, rn_buf_str(&b));
	return true;
}

void stage_change(const struct stage *s, unsigned action, const char *detail, const char *fmt, ...)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	va_list ap;
	va_start(ap, fmt);
	rn_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	s->host->change(s->rs, action, rn_buf_str(&b), detail);
}

void stage_change_diff(const struct stage *s, const struct stage_diff *d, const char *fmt, ...)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	va_list ap;
	va_start(ap, fmt);
	rn_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	RN_AUTO(rn_freep) char *detail = stage_differs(d) ? rn_strv_join(&d->lines, ", ") : NULL;
	s->host->change(s->rs, detail ? RUNNER_UPDATED : RUNNER_UNCHANGED, rn_buf_str(&b), detail);
}
