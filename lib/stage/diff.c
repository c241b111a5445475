/* SPDX-License-Identifier: Apache-2.0 */
/* Changes told field by field: "memory: 128 -> 256". */
#include "stage.h"

#include <inttypes.h>
#include <stdarg.h>

void stage_diff_clear(struct stage_diff *d)
{
	rn_strv_clear(&d->lines);
	cJSON_Delete(d->fields);
	d->fields = NULL;
}

/* Takes the values. */
static void add_field(struct stage_diff *d, const char *name, cJSON *before, cJSON *after, bool secret)
{
	cJSON *f = cJSON_CreateObject();
	cJSON_AddStringToObject(f, "name", name);
	if (before)
		cJSON_AddItemToObject(f, "before", before);
	if (after)
		cJSON_AddItemToObject(f, "after", after);
	if (secret)
		cJSON_AddTrueToObject(f, "secret");
	d->fields = d->fields ? d->fields : cJSON_CreateArray();
	cJSON_AddItemToArray(d->fields, f);
}

static cJSON *text_value(const char *text)
{
	return text ? cJSON_CreateString(text) : NULL;
}

bool stage_diff_str(struct stage_diff *d, const char *field, const char *have, const char *want)
{
	if (rn_streq(have, want))
		return false;
	rn_strv_addf(&d->lines, "%s: %s -> %s", field, have ? have : "(none)", want ? want : "(none)");
	add_field(d, field, text_value(have), text_value(want), false);
	return true;
}

bool stage_diff_int(struct stage_diff *d, const char *field, int64_t have, int64_t want)
{
	if (have == want)
		return false;
	rn_strv_addf(&d->lines, "%s: %" PRId64 " -> %" PRId64, field, have, want);
	add_field(d, field, cJSON_CreateNumber((double)have), cJSON_CreateNumber((double)want), false);
	return true;
}

bool stage_diff_bool(struct stage_diff *d, const char *field, bool have, bool want)
{
	if (have == want)
		return false;
	rn_strv_addf(&d->lines, "%s: %s -> %s", field, have ? "true" : "false", want ? "true" : "false");
	add_field(d, field, cJSON_CreateBool(have), cJSON_CreateBool(want), false);
	return true;
}

bool stage_diff_json(struct stage_diff *d, const char *field, const cJSON *have, const cJSON *want)
{
	if ((!have && !want) || (have && want && rn_json_equal(have, want)))
		return false;
	RN_AUTO(rn_freep) char *old_text = have ? rn_json_print(have) : NULL;
	RN_AUTO(rn_freep) char *new_text = want ? rn_json_print(want) : NULL;
	rn_strv_addf(&d->lines, "%s: %s -> %s", field, old_text ? old_text : "(none)", new_text ? new_text : "(none)");
	add_field(d, field, have ? cJSON_Duplicate(have, true) : NULL, want ? cJSON_Duplicate(want, true) : NULL, false);
	return true;
}

static void add_secret(struct stage_diff *d, const char *field, const char *member, bool before, bool after)
{
	RN_AUTO(rn_freep) char *name = rn_asprintf("%s.%s", field, member);
	add_field(d, name, before ? cJSON_CreateString("***") : NULL, after ? cJSON_CreateString("***") : NULL, true);
}

bool stage_diff_secret(struct stage_diff *d, const char *field, const cJSON *have, const cJSON *want)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	const cJSON *item;
	cJSON_ArrayForEach(item, want)
	{
		const cJSON *old = rn_json_get(have, item->string);
		if (old && rn_json_equal(old, item))
			continue;
		rn_strv_addf(&names, "%s%s", old ? "" : "+", item->string);
		add_secret(d, field, item->string, old, true);
	}
	cJSON_ArrayForEach(item, have)
	{
		if (rn_json_get(want, item->string))
			continue;
		rn_strv_addf(&names, "-%s", item->string);
		add_secret(d, field, item->string, true, false);
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
	add_field(d, rn_buf_str(&b), NULL, NULL, false);
	return true;
}

void stage_diff_join(struct stage_diff *to, const struct stage_diff *from)
{
	const cJSON *f;
	for (size_t i = 0; i < from->lines.n; i++)
		rn_strv_add(&to->lines, from->lines.v[i]);
	cJSON_ArrayForEach(f, from->fields)
	{
		to->fields = to->fields ? to->fields : cJSON_CreateArray();
		cJSON_AddItemToArray(to->fields, cJSON_Duplicate(f, true));
	}
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

/* Text for the host, kept in `texts` until the call is over. NULL stays NULL. */
static const char *value_text(const cJSON *value, struct rn_strv *texts)
{
	if (!value)
		return NULL;
	rn_strv_take(texts, rn_json_print(value));
	return texts->v[texts->n - 1];
}

static void tell(const struct stage *s, unsigned action, const struct stage_diff *d, const char *resource)
{
	RN_AUTO(rn_freep) char *detail = stage_differs(d) ? rn_strv_join(&d->lines, ", ") : NULL;
	if (!RUNNER_HAS(s->host, changed)) {
		s->host->change(s->rs, action, resource, detail);
		return;
	}
	RN_AUTO(rn_strv_clear) struct rn_strv texts = { 0 };
	RN_AUTO(rn_freep) struct runner_field *fields = rn_alloc(((size_t)cJSON_GetArraySize(d->fields) + 1) * sizeof(*fields));
	uint32_t n = 0;
	const cJSON *f;
	cJSON_ArrayForEach(f, d->fields)
	{
		fields[n++] = (struct runner_field){
			.name = rn_json_str(f, "name"),
			.before = value_text(rn_json_get(f, "before"), &texts),
			.after = value_text(rn_json_get(f, "after"), &texts),
			.flags = RUNNER_FIELD_JSON | (rn_json_bool(f, "secret", false) ? (uint32_t)RUNNER_SECRET : 0u),
		};
	}
	s->host->changed(s->rs, &(struct runner_change){ .size = sizeof(struct runner_change), .action = action,
							 .resource = resource, .detail = detail, .fields = fields,
							 .n_fields = n, .field_size = sizeof(*fields) });
}

void stage_change_fields(const struct stage *s, unsigned action, const struct stage_diff *d, const char *fmt, ...)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	va_list ap;
	va_start(ap, fmt);
	rn_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	tell(s, action, d, rn_buf_str(&b));
}

void stage_change_diff(const struct stage *s, const struct stage_diff *d, const char *fmt, ...)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	va_list ap;
	va_start(ap, fmt);
	rn_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	tell(s, stage_differs(d) ? RUNNER_UPDATED : RUNNER_UNCHANGED, d, rn_buf_str(&b));
}
