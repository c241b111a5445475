/* SPDX-License-Identifier: Apache-2.0 */
#include "step_notes.h"

#include "dockerfile_parser.h"

#include "base/fs.h"
#include "base/time.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTES_SIZE_MAX ((size_t)16 << 20)
#define FILES_SIZE_MAX ((size_t)16 << 20) /* a longer list is not kept: `why` names no file then */

static void clear_time(struct step_note_time *t)
{
	key_parts_clear(&t->parts);
	key_parts_clear(&t->content);
}

static void clear_note(struct step_note *n)
{
	free(n->platform);
	free(n->stage);
	free(n->text);
	clear_time(&n->now);
	clear_time(&n->before);
}

void step_notes_clear(struct step_notes *n)
{
	for (size_t i = 0; i < n->n; i++)
		clear_note(&n->v[i]);
	free(n->v);
	free(n->file);
	free(n->id);
	*n = (struct step_notes){ 0 };
}

static struct step_note *add(struct step_notes *n)
{
	n->v = rn_grow(n->v, &n->cap, n->n + 1, sizeof(*n->v));
	n->v[n->n] = (struct step_note){ 0 };
	return &n->v[n->n++];
}

/* ---- files -------------------------------------------------------------------------------------- */

static char *notes_path(const char *dir, const char *file, const char *id)
{
	RN_AUTO(rn_freep) char *text = rn_asprintf("%s\n%s", file, id);
	struct digest d = digest_of(text, strlen(text));
	return rn_asprintf("%s/why/%s", dir, digest_hex(&d));
}

static char *files_path(const char *dir, const char *digest)
{
	const char *hex = strchr(digest, ':');
	return rn_asprintf("%s/inputs/%s", dir, hex ? hex + 1 : digest);
}

/* Aside and renamed, without waiting for the disk. */
static void write_aside(const char *dir, const char *path, const char *text, size_t n)
{
	char id[25];
	struct rn_error ignored = { 0 };
	RN_AUTO(rn_freep) char *folder = rn_path_dir(path);
	RN_AUTO(rn_freep) char *temp = rn_asprintf("%s/.tmp/%s", dir, rn_random_hex(12, id));
	if (rn_mkdirs(folder, 0700, &ignored) < 0)
		return;
	RN_AUTO(rn_closep) int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0 && (rn_write_full(fd, text, n) < 0 || rename(temp, path) < 0))
		unlink(temp);
}

void step_notes_keep_files(const char *dir, const struct digest *d, const struct rn_buf *files)
{
	RN_AUTO(rn_freep) char *path = files_path(dir, d->text);
	if (files->len > 0 && files->len <= FILES_SIZE_MAX && !rn_exists(path))
		write_aside(dir, path, rn_buf_str(files), files->len);
}

char *step_notes_files(const char *dir, const char *digest)
{
	RN_AUTO(rn_freep) char *path = files_path(dir, digest);
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	return rn_read_file(path, FILES_SIZE_MAX, &text, NULL) < 0 ? NULL : rn_buf_take(&text);
}

/* ---- JSON ------------------------------------------------------------------------------------------ */

static cJSON *time_to_json(const struct step_note_time *t)
{
	cJSON *j = cJSON_CreateObject();
	cJSON_AddBoolToObject(j, "cached", t->cached);
	cJSON_AddItemToObject(j, "parts", key_parts_to_json(&t->parts));
	if (t->content.n)
		cJSON_AddItemToObject(j, "content", key_parts_to_json(&t->content));
	return j;
}

static void time_from_json(const cJSON *j, struct step_note_time *ret)
{
	ret->cached = rn_json_bool(j, "cached", false);
	key_parts_from_json(rn_json_get(j, "parts"), &ret->parts);
	key_parts_from_json(rn_json_get(j, "content"), &ret->content);
}

static cJSON *note_to_json(const struct step_note *n)
{
	cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "platform", n->platform);
	cJSON_AddStringToObject(j, "stage", n->stage);
	cJSON_AddBoolToObject(j, "target", n->target);
	cJSON_AddNumberToObject(j, "number", (double)n->number);
	cJSON_AddNumberToObject(j, "total", (double)n->total);
	cJSON_AddNumberToObject(j, "line", (double)n->line);
	cJSON_AddStringToObject(j, "text", n->text);
	cJSON_AddItemToObject(j, "now", time_to_json(&n->now));
	if (n->has_before)
		cJSON_AddItemToObject(j, "before", time_to_json(&n->before));
	return j;
}

static void note_from_json(const cJSON *j, struct step_notes *to)
{
	const char *platform = rn_json_str(j, "platform"), *stage = rn_json_str(j, "stage"), *text = rn_json_str(j, "text");
	if (!platform || !stage || !text)
		return;
	struct step_note *n = add(to);
	n->platform = rn_strdup(platform);
	n->stage = rn_strdup(stage);
	n->text = rn_strdup(text);
	n->target = rn_json_bool(j, "target", false);
	n->number = rn_json_int(j, "number", 0);
	n->total = rn_json_int(j, "total", 0);
	n->line = rn_json_int(j, "line", 0);
	n->has_before = rn_json_get(j, "before") != NULL;
	time_from_json(rn_json_get(j, "now"), &n->now);
	time_from_json(rn_json_get(j, "before"), &n->before);
}

int step_notes_load(const char *dir, const char *file, const char *id, struct step_notes *ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = notes_path(dir, file, id);
	RN_AUTO(rn_json_freep) cJSON *j = rn_exists(path) ? rn_json_read_file(path, NOTES_SIZE_MAX, NULL) : NULL;
	const cJSON *item;
	if (!j)
		return rn_fail(err, RN_ENOTFOUND, "no build of stage \"%s\" of %s is remembered", id, file);
	*ret = (struct step_notes){ .at_ms = rn_json_int(j, "at_ms", 0), .file = rn_strdup(file), .id = rn_strdup(id) };
	cJSON_ArrayForEach(item, rn_json_get(j, "steps"))
		note_from_json(item, ret);
	return 0;
}

/* ---- noting -------------------------------------------------------------------------------------------- */

static void copy_parts(const struct key_parts *from, struct key_parts *ret)
{
	RN_AUTO(rn_json_freep) cJSON *j = key_parts_to_json(from);
	key_parts_from_json(j, ret);
}

/* The first line of the instruction, blanks joined. */
static char *title(const struct df_instruction *i)
{
	RN_AUTO(rn_freep) char *text = rn_strndup(i->original, 200);
	for (char *p = text; *p; p++)
		if (*p == '\n' || *p == '\t')
			*p = ' ';
	return rn_strdup(rn_trim(text));
}

void step_notes_add(const struct step *s, const struct step_key *key, const struct step_key *content, bool cached)
{
	struct build *b = s->b;
	pthread_mutex_lock(&b->lock);
	struct step_note *n = add(b->notes);
	n->platform = platform_format(&s->graph->target_platform);
	n->stage = s->stage->name ? rn_strdup(s->stage->name) : rn_asprintf("%zu", s->stage->index);
	n->target = s->stage == s->graph->target;
	n->number = (int64_t)s->stage->step;
	n->total = (int64_t)s->stage->total;
	n->line = s->trigger ? (int64_t)s->stage->from->at.line : (int64_t)s->i->at.line;
	n->text = title(s->i);
	n->now.cached = cached;
	copy_parts(&key->parts, &n->now.parts);
	if (content)
		copy_parts(&content->parts, &n->now.content);
	pthread_mutex_unlock(&b->lock);
}

/* ---- then and now ---------------------------------------------------------------------------------------- */

static bool same_stage(const struct step_note *a, const struct step_note *b)
{
	return rn_streq(a->platform, b->platform) && rn_streq(a->stage, b->stage);
}

/* What the step was the time before: by its text (the nearest place), else by its number. NULL: it is new. */
static struct step_note *find_old(const struct step_notes *old, const struct step_note *n, const bool *taken)
{
	struct step_note *best = NULL;
	for (size_t i = 0; i < old->n; i++) {
		struct step_note *o = &old->v[i];
		if (taken[i] || !same_stage(o, n) || !rn_streq(o->text, n->text))
			continue;
		if (!best || llabs(o->number - n->number) < llabs(best->number - n->number))
			best = o;
	}
	for (size_t i = 0; i < old->n && !best; i++)
		if (!taken[i] && same_stage(&old->v[i], n) && old->v[i].number == n->number)
			best = &old->v[i];
	return best;
}

/* A hit by the source as a whole leaves the key by content unmade: it is what it was. */
static void inherit(struct step_note *n)
{
	if (n->now.content.n == 0 && n->now.cached && !key_parts_differ(&n->before.parts, &n->now.parts))
		copy_parts(&n->before.content, &n->now.content);
}

static void take_old(struct step_notes *notes, struct step_notes *old, bool failed)
{
	RN_AUTO(rn_freep) bool *taken = rn_alloc(old->n + 1);
	size_t reached = notes->n;
	for (size_t i = 0; i < reached; i++) {
		struct step_note *n = &notes->v[i], *o = find_old(old, n, taken);
		if (!o)
			continue;
		taken[o - old->v] = true;
		n->has_before = true;
		n->before = o->now;
		o->now = (struct step_note_time){ 0 };
		inherit(n);
	}
	for (size_t i = 0; i < old->n && failed; i++) {
		if (taken[i])
			continue;
		*add(notes) = old->v[i];
		old->v[i] = (struct step_note){ 0 };
	}
}

static int by_place(const void *a, const void *b)
{
	const struct step_note *x = a, *y = b;
	int c = strcmp(x->platform, y->platform);
	return c ? c : x->line != y->line ? (x->line < y->line ? -1 : 1) : x->number < y->number ? -1 : x->number > y->number;
}

void step_notes_save(struct build *b, bool failed)
{
	struct step_notes *notes = b->notes;
	const char *dir = blob_store_dir(b->store), *file = b->host->info(b->stage, RUNNER_INFO_FILE), *id = b->host->info(b->stage, RUNNER_INFO_STAGE);
	RN_AUTO(step_notes_clear) struct step_notes old = { 0 };
	if (!file || !id || notes->n == 0)
		return;
	step_notes_load(dir, file, id, &old, NULL);
	take_old(notes, &old, failed);
	qsort(notes->v, notes->n, sizeof(*notes->v), by_place);
	RN_AUTO(rn_json_freep) cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "file", file);
	cJSON_AddStringToObject(j, "stage", id);
	cJSON_AddNumberToObject(j, "at_ms", (double)rn_wall_ms());
	cJSON *steps = cJSON_AddArrayToObject(j, "steps");
	for (size_t i = 0; i < notes->n; i++)
		cJSON_AddItemToArray(steps, note_to_json(&notes->v[i]));
	RN_AUTO(rn_freep) char *text = rn_json_print(j);
	RN_AUTO(rn_freep) char *path = notes_path(dir, file, id);
	write_aside(dir, path, text, strlen(text));
}

/* By content when both times have that: the source as a whole may differ and be equal in what counts. */
static bool by_content(const struct step_note *n)
{
	return n->now.content.n > 0 && n->before.content.n > 0;
}

const char *step_note_reason(const struct step_note *n)
{
	if (!n->has_before)
		return NULL;
	return by_content(n) ? key_parts_differ(&n->before.content, &n->now.content) : key_parts_differ(&n->before.parts, &n->now.parts);
}

void step_note_part(const struct step_note *n, const char *reason, const struct key_part **ret_now, const struct key_part **ret_before)
{
	*ret_now = key_part(by_content(n) ? &n->now.content : &n->now.parts, reason);
	*ret_before = key_part(by_content(n) ? &n->before.content : &n->before.parts, reason);
}
