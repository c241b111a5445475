/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

#include "base/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JOURNAL_MAX = 256 << 20, HEAD_MAX = 16384 };

static struct record_stage *stage_of(struct record *r, const char *id)
{
	struct record_stage *s = (struct record_stage *)record_stage(r, id);
	if (s)
		return s;
	r->stages = rn_grow(r->stages, &r->cap, r->n + 1, sizeof(*r->stages));
	r->stages[r->n] = (struct record_stage){ .id = rn_strdup(id), .outputs = cJSON_CreateObject(),
						.records = cJSON_CreateObject() };
	return &r->stages[r->n++];
}

static void take_key(struct record_stage *s, const cJSON *line)
{
	const cJSON *key = rn_json_get(line, "key");
	if (!key)
		return;
	cJSON_Delete(s->key);
	s->key = cJSON_Duplicate(key, true);
}

static void take_output(struct record_stage *s, const cJSON *line)
{
	const char *name = rn_json_str(line, "name");
	const cJSON *value = rn_json_get(line, "value");
	if (!name)
		return;
	cJSON_DeleteItemFromObjectCaseSensitive(s->outputs, name);
	if (value)
		cJSON_AddItemToObject(s->outputs, name, cJSON_Duplicate(value, true));
	else if (!rn_strv_has(&s->secrets, name))
		rn_strv_add(&s->secrets, name);
}

static enum event_status status_by_name(const char *name)
{
	for (enum event_status s = EVENT_OK; s <= EVENT_IGNORED; s++)
		if (rn_streq(event_status_name(s), name))
			return s;
	return EVENT_FAILED;
}

/* The first record of a key is the oldest state, and the one that counts. */
static void take_record(struct record_stage *s, const cJSON *line)
{
	const char *key = rn_json_str(line, "key");
	const cJSON *record = rn_json_get(line, "record");
	if (key && record && !rn_json_get(s->records, key))
		cJSON_AddItemToObject(s->records, key, cJSON_Duplicate(record, true));
}

static void take_rollback(struct record_stage *s, const cJSON *line)
{
	bool ok = status_by_name(rn_json_str(line, "status")) == EVENT_OK;
	s->put_back |= ok;
	s->back_failed = !ok;
}

static void take_line(struct record *r, const cJSON *line)
{
	if (rn_json_bool(line, "rollback", false) && !rn_streq(rn_json_str(line, "event"), "rollback-end"))
		return;
	const char *event = rn_json_str(line, "event"), *stage = rn_json_str(line, "stage");
	if (rn_streq(event, "journal") && !r->file) {
		r->id = rn_strdup(rn_json_str(line, "run"));
		r->command = rn_strdup(rn_json_str(line, "command"));
		r->pipeline = rn_strdup(rn_json_str(line, "pipeline"));
		r->file = rn_strdup(rn_json_str(line, "file"));
		r->of = rn_strdup(rn_json_str(line, "of"));
		r->pid = (int)rn_json_int(line, "pid", 0);
	} else if (rn_streq(event, "run-end")) {
		r->ended = true;
		r->status = status_by_name(rn_json_str(line, "status"));
	} else if (stage && rn_streq(event, "remember")) {
		take_record(stage_of(r, stage), line);
	} else if (stage && rn_streq(event, "rollback-end")) {
		take_rollback(stage_of(r, stage), line);
	} else if (stage && rn_streq(event, "stage-start")) {
		struct record_stage *s = stage_of(r, stage);
		s->started = true;
		s->ended = false;
		cJSON_Delete(s->outputs);
		s->outputs = cJSON_CreateObject();
		rn_strv_clear(&s->secrets);
		take_key(s, line);
	} else if (stage && rn_streq(event, "output")) {
		take_output(stage_of(r, stage), line);
	} else if (stage && rn_streq(event, "stage-end")) {
		struct record_stage *s = stage_of(r, stage);
		s->ended = true;
		s->status = status_by_name(rn_json_str(line, "status"));
		take_key(s, line);
	}
}

/* Of another pipeline than `file` (NULL: any): told by the first line, without reading the rest. */
static bool is_other(const struct record *r, const char *file)
{
	return file && r->file && !rn_streq(r->file, file);
}

char *record_file(const char *run_dir)
{
	RN_AUTO(rn_freep) char *path = rn_path_join(run_dir, "journal");
	RN_AUTO(rn_freep) char *head = rn_alloc(HEAD_MAX + 1);
	RN_AUTO(rn_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : rn_read_full(fd, head, HEAD_MAX);
	char *end = n > 0 ? memchr(head, '\n', (size_t)n) : NULL;
	RN_AUTO(rn_json_freep) cJSON *line = end ? rn_json_parse(head, (size_t)(end - head), NULL) : NULL;
	return rn_strdup(rn_json_str(line, "file"));
}

static struct record *read_run(const char *run_dir, const char *file, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = rn_path_join(run_dir, "journal");
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (rn_read_file(path, JOURNAL_MAX, &text, err) < 0)
		return NULL;
	struct record *r = rn_alloc(sizeof(*r));
	r->dir = rn_strdup(run_dir);
	char *rest = text.p, *line;
	while (rest && (line = strsep(&rest, "\n")) && rest) { /* the last line without its end is torn */
		RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse_str(line, NULL);
		if (j)
			take_line(r, j);
		if (is_other(r, file))
			break;
	}
	if (r->id && r->command && r->pipeline && r->file)
		return r;
	rn_fail(err, RN_EINVAL, "%s is no journal of a run", path);
	record_free(r);
	return NULL;
}

struct record *record_read(const char *run_dir, struct rn_error *err)
{
	return read_run(run_dir, NULL, err);
}

void record_free(struct record *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		free(r->stages[i].id);
		cJSON_Delete(r->stages[i].key);
		cJSON_Delete(r->stages[i].outputs);
		cJSON_Delete(r->stages[i].records);
		rn_strv_clear(&r->stages[i].secrets);
	}
	free(r->stages);
	free(r->id);
	free(r->dir);
	free(r->command);
	free(r->pipeline);
	free(r->file);
	free(r->of);
	free(r);
}

void record_freep(struct record **r)
{
	record_free(*r);
}

const struct record_stage *record_stage(const struct record *r, const char *id)
{
	for (size_t i = 0; i < r->n; i++)
		if (rn_streq(r->stages[i].id, id))
			return &r->stages[i];
	return NULL;
}

/* What a run of `runner rollback` did is a fact about the run that it put back. */
static void apply_rollback(const struct record *by, const struct record_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; rn_streq(l->v[i]->id, by->of) && k < by->n; k++) {
			struct record_stage *s = (struct record_stage *)record_stage(l->v[i], by->stages[k].id);
			if (!s || !by->stages[k].started)
				continue;
			bool ok = by->stages[k].ended && by->stages[k].status == EVENT_OK;
			s->put_back |= ok;
			s->back_failed = !ok && !s->put_back;
		}
}

void record_list_read(const char *root, const char *file, size_t max, struct record_list *ret)
{
	RN_AUTO(rn_freep) char *runs = rn_path_join(root, "runs");
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	size_t counted = 0;
	if (rn_list_dir(runs, &names, NULL) < 0)
		return;
	for (size_t i = names.n; i-- > 0 && (!max || counted < max);) {
		RN_AUTO(rn_freep) char *dir = rn_path_join(runs, names.v[i]);
		struct record *r = read_run(dir, file, NULL);
		if (!r || is_other(r, file)) {
			record_free(r);
			continue;
		}
		counted += !r->of;
		ret->v = rn_grow(ret->v, &ret->cap, ret->n + 1, sizeof(struct record *));
		ret->v[ret->n++] = r;
	}
	for (size_t i = ret->n; i-- > 0;)
		if (ret->v[i]->of)
			apply_rollback(ret->v[i], ret);
}

void record_list_clear(struct record_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		record_free(l->v[i]);
	free(l->v);
	*l = (struct record_list){ 0 };
}

const struct record_stage *record_find(const struct record_list *l, const char *stage, const struct record **ret_run)
{
	for (size_t i = 0; i < l->n; i++) {
		if (rn_streq(l->v[i]->command, "rollback"))
			continue; /* it stands in the run that it put back */
		if (!rn_streq(l->v[i]->command, "run"))
			return NULL;
		const struct record_stage *s = record_stage(l->v[i], stage);
		if (s && (s->started || (s->ended && s->status == EVENT_REUSED))) {
			*ret_run = l->v[i];
			return s;
		}
	}
	return NULL;
}

const struct record *record_changed(const struct record_list *l)
{
	for (size_t i = 0; i < l->n && !rn_streq(l->v[i]->command, "destroy"); i++)
		for (size_t k = 0; k < l->v[i]->n; k++)
			if (cJSON_GetArraySize(l->v[i]->stages[k].records))
				return l->v[i];
	return NULL;
}

bool record_open(const struct record *r, const struct record_stage *s)
{
	bool decided = r->ended && r->status != EVENT_CANCELLED && !s->back_failed;
	return cJSON_GetArraySize(s->records) && !s->put_back && !decided;
}
