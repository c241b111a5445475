/* SPDX-License-Identifier: Apache-2.0 */
/* Host services since ABI 1.1: what was there before, and changes field by field. */
#include "host.h"

#include "frames.h"

#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 1000 };

/* ---- remember and recall ---- */

static bool is_call(const struct runner_stage *stage, const char *call)
{
	return rn_streq(rn_json_str(stage->spec, "call"), call);
}

/* The answer of the host: 0, or -1 with why the record is not kept. Waits for a write to disk. */
static int read_answer(struct runner_stage *stage, struct rn_error *err)
{
	struct frame_reader r;
	struct frame f;
	int rc = 0;
	frame_reader_init(&r, FRAME_EVENT_MAX);
	while ((rc = frame_reader_next(&r, &f, err)) == 0)
		if (frame_reader_fill(&r, stage->reply_fd) <= 0) {
			rc = rn_fail(err, RN_EIO, "the runner did not answer");
			break;
		}
	RN_AUTO(rn_json_freep) cJSON *j = rc > 0 ? rn_json_parse(f.data, f.n, NULL) : NULL;
	const char *error = rn_json_str(j, "error"), *hint = rn_json_str(j, "hint");
	if (error) {
		rn_fail(err, rn_json_bool(j, "machine", false) ? RN_EIO : RN_EINVAL, "%s", error);
		if (hint)
			rn_hint(err, "%s", hint);
	}
	frame_reader_clear(&r);
	return rc < 0 || error ? -1 : 0;
}

static int ask(struct runner_stage *stage, cJSON *question, struct rn_error *err)
{
	pthread_mutex_lock(&stage->asking);
	host_send(stage, question);
	int rc = read_answer(stage, err);
	pthread_mutex_unlock(&stage->asking);
	return rc;
}

/* Whoever asked usually fails with words of its own, and those would hide the reason. */
static int refuse(struct runner_stage *stage)
{
	pthread_mutex_lock(&stage->lock);
	stage->final = true;
	pthread_mutex_unlock(&stage->lock);
	return -1;
}

int host_remember(struct runner_stage *stage, const char *key, const char *json)
{
	struct rn_error err = { 0 };
	if (!is_call(stage, "run"))
		return 0;
	cJSON *record = json && strlen(json) <= HOST_RECORD_MAX ? rn_json_parse_str(json, NULL) : NULL;
	if (!key || !*key || strlen(key) > HOST_KEY_MAX || !record) {
		cJSON_Delete(record);
		host_fail(stage, RUNNER_FAIL_STAGE, "this is a defect of the plugin; nothing was changed",
				 "the plugin \"%s\" remembers \"%s\", %s", stage->plugin->name, key ? key : "",
				 !key || !*key || strlen(key) > HOST_KEY_MAX ? "which is no key of 1 to 128 bytes" :
				 json && strlen(json) > HOST_RECORD_MAX	     ? "but the record has more than 256 KiB" :
									       "but the record is not JSON");
		return refuse(stage);
	}
	cJSON *j = host_event("remember");
	host_add_text(j, "key", key);
	cJSON_AddItemToObject(j, "record", record);
	if (ask(stage, j, &err) == 0)
		return 0;
	host_fail(stage, err.code == RN_EIO ? RUNNER_FAIL_MACHINE : RUNNER_FAIL_STAGE, err.hint[0] ? err.hint : NULL,
			 "what was there before (%s) cannot be kept, so nothing is changed: %s", key, err.msg);
	return refuse(stage);
}

const char *host_recall(struct runner_stage *stage, const char *key)
{
	const cJSON *record = key ? rn_json_get(rn_json_get(stage->spec, "records"), key) : NULL;
	return record ? host_keep(stage, rn_json_print(record)) : NULL;
}

const char *host_recall_key(struct runner_stage *stage, uint32_t i)
{
	const cJSON *record = cJSON_GetArrayItem(rn_json_get(stage->spec, "records"), i > INT32_MAX ? INT32_MAX : (int)i);
	return record ? record->string : NULL;
}

/* ---- changes ---- */

static void add_value(cJSON *to, const char *name, const char *text, uint32_t flags)
{
	if (!text)
		return;
	if (flags & RUNNER_SECRET) {
		cJSON_AddStringToObject(to, name, "***");
		return;
	}
	cJSON *value = flags & RUNNER_FIELD_JSON && strlen(text) <= HOST_TEXT_MAX ? rn_json_parse_str(text, NULL) : NULL;
	if (value)
		cJSON_AddItemToObject(to, name, value);
	else
		host_add_text(to, name, text);
}

static void add_word(struct rn_buf *to, const char *text, uint32_t flags)
{
	rn_buf_adds(to, !text ? "(none)" : flags & RUNNER_SECRET ? "***" : text);
}

/* The fields as JSON, and as words behind each other for `detail`. */
static cJSON *take_fields(const struct runner_change *c, struct rn_buf *words)
{
	cJSON *list = cJSON_CreateArray();
	for (uint32_t i = 0; c->fields && i < c->n_fields && i < FIELDS_MAX; i++) {
		struct runner_field f = { 0 };
		memcpy(&f, (const char *)c->fields + (size_t)i * c->field_size, c->field_size < sizeof(f) ? c->field_size : sizeof(f));
		cJSON *j = cJSON_CreateObject();
		host_add_text(j, "name", f.name ? f.name : "?");
		add_value(j, "before", f.before, f.flags);
		add_value(j, "after", f.after, f.flags);
		if (f.flags & RUNNER_SECRET)
			cJSON_AddTrueToObject(j, "secret");
		cJSON_AddItemToArray(list, j);
		rn_buf_addf(words, "%s%s: ", words->len ? ", " : "", f.name ? f.name : "?");
		add_word(words, f.before, f.flags);
		rn_buf_adds(words, " -> ");
		add_word(words, f.after, f.flags);
	}
	return list;
}

void host_changed(struct runner_stage *stage, const struct runner_change *theirs)
{
	struct runner_change c = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf words = RN_BUF_INIT;
	if (theirs)
		memcpy(&c, theirs, theirs->size && theirs->size < sizeof(c) ? theirs->size : sizeof(c));
	cJSON *fields = take_fields(&c, &words);
	cJSON *j = host_event("change");
	cJSON_AddNumberToObject(j, "action", c.action > RUNNER_DELETED ? RUNNER_UPDATED : c.action);
	host_add_text(j, "resource", c.resource ? c.resource : "");
	host_add_text(j, "detail", c.detail ? c.detail : words.len ? rn_buf_str(&words) : NULL);
	if (cJSON_GetArraySize(fields))
		cJSON_AddItemToObject(j, "fields", fields);
	else
		cJSON_Delete(fields);
	host_send(stage, j);
}
