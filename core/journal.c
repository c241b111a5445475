/* SPDX-License-Identifier: Apache-2.0 */
#include "journal.h"

#include "record.h"

#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct journal {
	char *root;
	char *id;
	char *dir;
	char *file; /* of the pipeline */
	int fd;
	cJSON *keys;    /* stage -> key, waiting for its line */
	cJSON *outputs; /* stage -> {name: value} of the current attempt, secret ones left out */
	struct rn_error error;
	bool unsynced; /* a stage ended since the last sync */
	bool pruned;
};

struct journal_writer {
	struct reporter reporter;
	struct journal *journal;
};

int journal_explain(struct rn_error *err, const char *root)
{
	if (errno == EROFS || errno == EACCES || errno == EPERM)
		return rn_hint(err, "runner keeps the journal and the logs of a run in %s: make that folder writable, or "
				    "start from another one", root);
	if (errno == ENOSPC || errno == EDQUOT)
		return rn_hint(err, "the disk is full: make room (old runs are in %s/runs) and run again with --resume", root);
	return -1;
}

int journal_make_dir(const char *path, const char *root, struct rn_error *err)
{
	if (rn_mkdirs(path, 0755, NULL) == 0)
		return 0;
	rn_fail(err, RN_EIO, "cannot create %s: %m", path);
	return journal_explain(err, root);
}

/* The process of a run keeps its journal locked. */
static bool goes_on(const char *dir)
{
	RN_AUTO(rn_freep) char *path = rn_path_join(dir, "journal");
	RN_AUTO(rn_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/*
 * What is kept decides what can be put back: a pipeline that runs seldom must not lose its runs to one that runs often.
 * A run that goes on stays: it writes there.
 */
static void prune(const char *root, const char *file)
{
	RN_AUTO(rn_freep) char *runs = rn_path_join(root, "runs");
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	size_t own = 0;
	if (rn_list_dir(runs, &names, NULL) < 0 || names.n <= JOURNAL_KEEP_RUNS)
		return;
	for (size_t newer = 0; newer < names.n; newer++) {
		RN_AUTO(rn_freep) char *dir = rn_path_join(runs, names.v[names.n - 1 - newer]);
		RN_AUTO(rn_freep) char *of = newer < JOURNAL_KEEP_ALL ? record_file(dir) : NULL;
		own += rn_streq(of, file);
		bool old = newer >= JOURNAL_KEEP_ALL || (rn_streq(of, file) && own > JOURNAL_KEEP_RUNS);
		if (old && !goes_on(dir))
			rn_remove_tree(dir, NULL);
	}
}

/* A link is replaced in one step, so that `latest` is never missing. */
static void point_latest(const struct journal *j)
{
	RN_AUTO(rn_freep) char *link = rn_path_join(j->root, "latest");
	RN_AUTO(rn_freep) char *temp = rn_asprintf("%s.%s", link, j->id);
	RN_AUTO(rn_freep) char *target = rn_asprintf("runs/%s", j->id);
	if (symlink(target, temp) == 0 && rename(temp, link) < 0)
		unlink(temp);
}

static char *id_of_now(void)
{
	char time[32], tail[9], *id = rn_alloc(40);
	rn_iso8601(rn_wall_ms(), true, time);
	size_t n = 0;
	for (const char *p = time; *p; p++)
		if (*p >= '0' && *p <= '9') {
			id[n++] = *p;
			if (n == 8)
				id[n++] = '-';
		}
	snprintf(id + n, 40 - n, "-%s", rn_random_hex(2, tail));
	return id;
}

/* Runs are told apart in time by their names: none begins in the millisecond of another. */
static char *new_id(const char *root)
{
	RN_AUTO(rn_freep) char *runs = rn_path_join(root, "runs");
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	rn_list_dir(runs, &names, NULL);
	char *id = id_of_now();
	size_t n = strlen(id) - strlen("-0000");
	while (names.n && strncmp(names.v[names.n - 1], id, n) == 0) {
		rn_sleep_ms(1, -1);
		free(id);
		id = id_of_now();
	}
	return id;
}

static int cannot_write(struct journal *j)
{
	struct rn_error err = { 0 };
	rn_fail(&err, RN_EIO, "cannot write %s/journal: %m", j->dir);
	journal_explain(&err, j->root);
	journal_broken(j, &err);
	return -1;
}

static int write_line(struct journal *j, const cJSON *line, bool sync)
{
	if (j->error.code)
		return -1;
	RN_AUTO(rn_freep) char *text = rn_json_print(line);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_addf(&b, "%s\n", text);
	if (rn_write_full(j->fd, b.p, b.len) < 0 || (sync && fdatasync(j->fd) < 0))
		return cannot_write(j);
	j->unsynced = j->unsynced && !sync;
	return 0;
}

static int write_head(struct journal *j, const struct journal_head *head, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *line = cJSON_CreateObject();
	cJSON_AddStringToObject(line, "event", "journal");
	cJSON_AddNumberToObject(line, "format", RECORD_FORMAT);
	cJSON_AddStringToObject(line, "version", RUNNER_VERSION);
	cJSON_AddStringToObject(line, "run", j->id);
	cJSON_AddStringToObject(line, "command", head->command);
	cJSON_AddStringToObject(line, "pipeline", head->pipeline);
	cJSON_AddStringToObject(line, "file", head->file);
	cJSON_AddNumberToObject(line, "pid", getpid());
	if (head->of)
		cJSON_AddStringToObject(line, "of", head->of);
	if (write_line(j, line, false) == 0)
		return 0;
	if (err)
		*err = j->error;
	return -1;
}

struct journal *journal_create(const char *root, const struct journal_head *head, struct rn_error *err)
{
	RN_AUTO(journal_freep) struct journal *j = rn_alloc(sizeof(*j));
	j->fd = -1;
	j->root = rn_strdup(root);
	j->file = rn_strdup(head->file);
	j->id = new_id(root);
	j->dir = rn_asprintf("%s/runs/%s", root, j->id);
	j->keys = cJSON_CreateObject();
	j->outputs = cJSON_CreateObject();
	RN_AUTO(rn_freep) char *logs = rn_path_join(j->dir, "logs");
	RN_AUTO(rn_freep) char *path = rn_path_join(j->dir, "journal");
	RN_AUTO(rn_freep) char *ignore = rn_path_join(root, ".gitignore");
	if (journal_make_dir(logs, root, err) < 0)
		return NULL;
	if (!rn_exists(ignore))
		rn_replace_file(ignore, "*\n", 2, 0644, NULL);
	j->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
	if (j->fd < 0) {
		rn_fail(err, RN_EIO, "cannot create %s: %m", path);
		journal_explain(err, root);
		return NULL;
	}
	(void)!flock(j->fd, LOCK_EX | LOCK_NB); /* see prune; where there are no locks, nothing else depends on it */
	if (write_head(j, head, err) < 0)
		return NULL;
	point_latest(j);
	return rn_take(&j);
}

void journal_settle(struct journal *j)
{
	if (j->unsynced && !j->error.code && fdatasync(j->fd) < 0)
		cannot_write(j);
	j->unsynced = false;
	if (!j->pruned)
		prune(j->root, j->file);
	j->pruned = true;
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	if (!j->pruned && j->fd >= 0)
		prune(j->root, j->file);
	rn_closep(&j->fd);
	cJSON_Delete(j->keys);
	cJSON_Delete(j->outputs);
	free(j->root);
	free(j->id);
	free(j->dir);
	free(j->file);
	free(j);
}

void journal_freep(struct journal **j)
{
	journal_free(*j);
}

const char *journal_run_id(const struct journal *j)
{
	return j->id;
}

const char *journal_dir(const struct journal *j)
{
	return j->dir;
}

char *journal_log_path(const struct journal *j, const char *stage)
{
	return rn_asprintf("%s/logs/%s.log", j->dir, stage);
}

void journal_key(struct journal *j, const char *stage, cJSON *key)
{
	cJSON_DeleteItemFromObjectCaseSensitive(j->keys, stage);
	cJSON_AddItemToObject(j->keys, stage, key);
}

int journal_remember(struct journal *j, const char *stage, const char *key, const cJSON *record, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *line = cJSON_CreateObject();
	cJSON_AddStringToObject(line, "event", "remember");
	cJSON_AddStringToObject(line, "stage", stage);
	cJSON_AddStringToObject(line, "key", key);
	cJSON_AddItemToObject(line, "record", cJSON_Duplicate(record, true));
	if (write_line(j, line, true) == 0)
		return 0;
	if (err)
		*err = j->error;
	return -1;
}

void journal_broken(struct journal *j, const struct rn_error *err)
{
	if (!j->error.code)
		j->error = *err;
}

const struct rn_error *journal_error(const struct journal *j)
{
	return j->error.code ? &j->error : NULL;
}

static void note_output(struct journal *j, const struct event *e)
{
	cJSON *all = rn_json_get(j->outputs, e->stage);
	if (!all)
		all = cJSON_AddObjectToObject(j->outputs, e->stage);
	cJSON_DeleteItemFromObjectCaseSensitive(all, e->name);
	if (e->secret)
		return;
	cJSON_AddItemToObject(all, e->name,
			      e->value ? cJSON_Duplicate(e->value, true) : cJSON_CreateString(e->text ? e->text : ""));
}

/* For people and scripts; the journal is what counts. */
static void write_outputs(struct journal *j, const char *stage)
{
	const cJSON *all = rn_json_get(j->outputs, stage);
	if (!all || !cJSON_GetArraySize(all))
		return;
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *dir = rn_path_join(j->dir, "outputs");
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s/%s.json", dir, stage);
	RN_AUTO(rn_freep) char *text = rn_json_pretty(all);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_addf(&b, "%s\n", text);
	if (rn_mkdirs(dir, 0755, &err) < 0 || rn_replace_file(path, b.p, b.len, 0644, &err) < 0) {
		journal_explain(&err, j->root);
		journal_broken(j, &err);
	}
}

static void on_event(struct reporter *r, const struct view *v, const struct event *e)
{
	struct journal *j = ((struct journal_writer *)r)->journal;
	(void)v;
	bool log = e->kind == EVENT_LOG || e->kind == EVENT_STEP || e->kind == EVENT_PROGRESS;
	if (log || (e->kind == EVENT_NOTICE && e->level < RUNNER_WARN))
		return;
	if (e->rollback) { /* what it prints and does there is no part of what the stage made */
		RN_AUTO(rn_json_freep) cJSON *told = event_json(e);
		write_line(j, told, e->kind == EVENT_ROLLBACK_END);
		return;
	}
	if (e->kind == EVENT_STAGE_START)
		cJSON_DeleteItemFromObjectCaseSensitive(j->outputs, e->stage);
	if (e->kind == EVENT_OUTPUT)
		note_output(j, e);
	if (e->kind == EVENT_STAGE_END && e->status == EVENT_OK)
		write_outputs(j, e->stage);
	RN_AUTO(rn_json_freep) cJSON *line = event_json(e);
	bool state = e->kind == EVENT_STAGE_START || e->kind == EVENT_STAGE_END || e->kind == EVENT_RUN_END;
	cJSON *key = state && e->stage ? cJSON_DetachItemFromObjectCaseSensitive(j->keys, e->stage) : NULL;
	if (key)
		cJSON_AddItemToObject(line, "key", key);
	/* That a stage began protects nothing: it begins again, unless its end is known. Its end is synced once nobody waits for
	 * that (journal_settle), and what it is about to change before it does (journal_remember). */
	write_line(j, line, e->kind == EVENT_RUN_END);
	j->unsynced |= e->kind == EVENT_STAGE_END;
}

static void on_free(struct reporter *r)
{
	free(r);
}

struct reporter *journal_reporter(struct journal *j)
{
	struct journal_writer *w = rn_alloc(sizeof(*w));
	*w = (struct journal_writer){ .reporter = { .event = on_event, .free = on_free }, .journal = j };
	return &w->reporter;
}
