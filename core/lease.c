/* SPDX-License-Identifier: Apache-2.0 */
#include "lease.h"

#include "journal.h"
#include "lease_helper.h"

#include "base/encode.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LEASE_MAX = 16384, LOOK_MS = 250 };

struct lease {
	char *root;
	char *path;  /* of NAME.lease */
	char *guard;
	char *held_path;
	int held;     /* flock of held_path */
	cJSON *words; /* what the file says */
	const char *token; /* in `words`: unique to this holder; NULL: not taken */
	int64_t due_ms;
	int64_t begun_ms; /* of taking it */
	struct lease_helper *elsewhere; /* NULL: none */
};

/* ---- who am I ---- */

static void add(cJSON *to, const char *name, const char *value)
{
	if (value && *value)
		cJSON_AddStringToObject(to, name, value);
}

/* Without "USER:TOKEN@": everybody who is refused gets to see it. New string. */
static char *without_user(const char *url)
{
	const char *host = strstr(url, "://"), *at = NULL;
	if (!host)
		return rn_strdup(url);
	host += strlen("://");
	for (const char *p = host; *p && !strchr("/?#", *p); p++)
		at = *p == '@' ? p : at;
	return at ? rn_asprintf("%.*s%s", (int)(host - url), url, at + 1) : rn_strdup(url);
}

/* Where people can look at the run: what CI systems tell their jobs. */
static void add_url(cJSON *to)
{
	const char *server = getenv("GITHUB_SERVER_URL"), *repository = getenv("GITHUB_REPOSITORY"), *run = getenv("GITHUB_RUN_ID");
	const char *gitlab = getenv("CI_JOB_URL"), *jenkins = getenv("BUILD_URL");
	bool github = server && repository && run;
	RN_AUTO(rn_freep) char *url = github ? rn_asprintf("%s/%s/actions/runs/%s", server, repository, run) :
					       rn_strdup(gitlab ? gitlab : jenkins);
	RN_AUTO(rn_freep) char *told = url ? without_user(url) : NULL;
	add(to, "url", told);
}

static char *kernel_id(void)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	if (rn_read_file("/proc/sys/kernel/random/boot_id", 256, &b, NULL) < 0)
		return rn_strdup("");
	return rn_strdup(rn_trim(b.p));
}

static cJSON *my_words(const struct lease_options *o)
{
	cJSON *j = cJSON_CreateObject();
	char token[33], time[32], host[256] = "";
	const struct passwd *user = getpwuid(geteuid());
	RN_AUTO(rn_freep) char *number = rn_asprintf("%u", (unsigned)geteuid());
	RN_AUTO(rn_freep) char *kernel = kernel_id();
	gethostname(host, sizeof(host) - 1);
	add(j, "token", rn_random_hex(16, token));
	add(j, "user", user ? user->pw_name : number);
	add(j, "host", host);
	add(j, "kernel", kernel);
	cJSON_AddNumberToObject(j, "pid", getpid());
	add(j, "command", o->command);
	add(j, "file", o->file);
	add(j, "since", rn_iso8601(rn_wall_ms(), false, time));
	add_url(j);
	return j;
}

/* ---- the files ---- */

static char *lease_file(const struct lease_options *o, const char *ending)
{
	return rn_asprintf("%s/locks/%s.%s", o->root, o->name, ending);
}

/* The file system's own clock, so that machines whose clocks differ agree on an age. */
static int64_t file_time(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 ? (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 : 0;
}

struct look {
	cJSON *words;   /* of the holder; NULL: nobody holds it, or the file cannot be read as one */
	int64_t age_ms; /* since the last sign of life */
	bool there;
};

/* Under the guard. */
static void look_at(const char *path, int guard, struct look *ret)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = { .max = LEASE_MAX };
	*ret = (struct look){ 0 };
	RN_AUTO(rn_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ret->there = true;
	futimens(guard, NULL);
	ret->age_ms = file_time(guard) - file_time(fd);
	if (rn_read_fd(fd, &text, "lease", NULL) == 0)
		ret->words = rn_json_parse_str(rn_buf_str(&text), NULL);
}

static bool is_mine(const struct lease *l, const struct look *k)
{
	return rn_streq(rn_json_str(k->words, "token"), l->token);
}

static int write_words(const struct lease *l, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *text = rn_json_pretty(l->words);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_addf(&b, "%s\n", text);
	return rn_replace_file(l->path, b.p, b.len, 0644, err); /* a power cut ends the run too */
}

/* ---- taking it ---- */

/* The file that a holder keeps locked; NULL for a token that is none. */
static char *held_file(const char *path, const char *token)
{
	bool valid = token && strlen(token) == 32 && strspn(token, "0123456789abcdef") == 32;
	return valid ? rn_asprintf("%s-%s", path, token) : NULL;
}

/* Whether the holder is dead: on this kernel its flock tells, elsewhere its silence. */
static bool is_dead(const char *path, const struct look *k)
{
	RN_AUTO(rn_freep) char *kernel = kernel_id();
	RN_AUTO(rn_freep) char *held = held_file(path, rn_json_str(k->words, "token"));
	if (!held || !*kernel || !rn_streq(rn_json_str(k->words, "kernel"), kernel))
		return k->age_ms > LEASE_TTL_MS;
	if (!rn_exists(held))
		return true;
	RN_AUTO(rn_closep) int fd = rn_lock_file(held, false, false, NULL);
	return fd >= 0;
}

static const char *word(const cJSON *words, const char *name)
{
	const char *value = rn_json_str(words, name);
	return value ? value : "?";
}

static char *holder(const struct look *k)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	char since[32], age[32];
	const cJSON *w = k->words;
	if (!w)
		return rn_strdup("a run that left no word about itself");
	int64_t begun = 0;
	const char *run = rn_json_str(w, "run"), *url = rn_json_str(w, "url"), *began = rn_json_str(w, "since");
	if (began && rn_parse_iso8601(began, &begun, NULL) == 0)
		rn_format_duration((rn_wall_ms() - begun) / 1000 * 1000, since, sizeof(since));
	else
		snprintf(since, sizeof(since), "?");
	rn_format_duration(k->age_ms < 0 ? 0 : k->age_ms / 1000 * 1000, age, sizeof(age));
	rn_buf_addf(&b, "%s@%s, process %lld, `runner %s %s`%s%s, for %s, last sign of life %s ago", word(w, "user"),
		    word(w, "host"), (long long)rn_json_int(w, "pid", 0), word(w, "command"), word(w, "file"), run ? ", run " : "", run ? run : "", since, age);
	if (url)
		rn_buf_addf(&b, ", %s", url);
	return rn_buf_take(&b);
}

static int write_lease(struct lease *l, struct rn_error *err)
{
	l->held_path = held_file(l->path, rn_json_str(l->words, "token"));
	l->held = rn_lock_file(l->held_path, false, false, err);
	if (l->held < 0 || write_words(l, err) < 0)
		return -1;
	l->token = rn_json_str(l->words, "token");
	return 1;
}

/* One try, under the guard: 1 taken, 0 somebody holds it (*ret_who), -1 error. */
static int try_take(struct lease *l, int guard, char **ret_who, struct rn_error *err)
{
	struct look k;
	int rc = 0;
	look_at(l->path, guard, &k);
	RN_AUTO(rn_freep) char *who = k.there ? holder(&k) : NULL;
	if (!k.there || is_dead(l->path, &k)) {
		RN_AUTO(rn_freep) char *theirs = held_file(l->path, rn_json_str(k.words, "token"));
		if (who)
			fprintf(stderr, "runner: took over from a run that is dead: %s\n", who);
		rc = write_lease(l, err);
		if (rc > 0 && theirs)
			unlink(theirs);
	} else {
		free(*ret_who);
		*ret_who = rn_take(&who);
	}
	cJSON_Delete(k.words);
	return rc;
}

static int attempt(struct lease *l, const struct lease_options *o, char **ret_who, struct rn_error *err)
{
	RN_AUTO(rn_closep) int guard = rn_lock_file(l->guard, false, true, err);
	int rc = guard < 0 ? -1 : try_take(l, guard, ret_who, err);
	return rc < 0 ? journal_explain(err, o->root) : rc;
}

static int refuse(const char *who, const struct lease_options *o, struct rn_error *err)
{
	char time[32];
	if (o->wait_ms > 0)
		rn_fail(err, RN_EEXISTS, "the pipeline \"%s\" is still being run after %s of waiting: %s", o->name,
			rn_format_duration(o->wait_ms, time, sizeof(time)), who);
	else
		rn_fail(err, RN_EEXISTS, "the pipeline \"%s\" is being run already: %s", o->name, who);
	return rn_hint(err, "wait for it with --lock-wait 10m; a run that died is taken over by itself, at once on the same machine, "
			    "%d s after its last sign of life on another", LEASE_TTL_MS / 1000);
}

static int take(struct lease *l, const struct lease_options *o, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *who = NULL;
	int64_t end = o->wait_ms > 0 ? rn_now_ms() + o->wait_ms : 0;
	bool told = false;
	for (;;) {
		int rc = attempt(l, o, &who, err);
		if (rc != 0)
			return rc;
		if (o->wait_ms == 0 || (end && rn_now_ms() >= end))
			return refuse(who, o, err);
		if (!told)
			fprintf(stderr, "runner: waiting for %s\n", who);
		told = true;
		rn_sleep_ms(LOOK_MS, -1);
	}
}

struct lease *lease_take(const struct lease_options *o, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *dir = rn_path_join(o->root, "locks");
	if (journal_make_dir(dir, o->root, err) < 0)
		return NULL;
	struct lease *l = rn_alloc(sizeof(*l));
	*l = (struct lease){ .root = rn_strdup(o->root), .path = lease_file(o, "lease"), .guard = lease_file(o, "guard"),
			     .held = -1, .words = my_words(o), .due_ms = rn_now_ms() + LEASE_BEAT_MS, .begun_ms = rn_now_ms() };
	if (take(l, o, err) > 0)
		return l;
	lease_release(l);
	return NULL;
}

/* ---- elsewhere ---- */

/* Waiting there, it must not look dead here. */
static int show_life(void *ctx, struct rn_error *err)
{
	return lease_renew(ctx, err);
}

int lease_take_elsewhere(struct lease *l, const struct lease_options *o, const struct lease_elsewhere *e, struct rn_error *err)
{
	int64_t left = o->wait_ms - (rn_now_ms() - l->begun_ms);
	struct lease_helper_options h = { .helper = e->helper, .name = o->name, .words = l->words, .env = e->env,
					  .wait_ms = o->wait_ms <= 0 ? o->wait_ms : left > 0 ? left : 1,
					  .tick_ms = LEASE_BEAT_MS, .tick = show_life, .ctx = l };
	l->elsewhere = lease_helper_start(&h, err);
	return l->elsewhere ? 0 : -1;
}

void lease_release_elsewhere(struct lease *l)
{
	if (l)
		lease_helper_stop(rn_take(&l->elsewhere));
}

int lease_news_fd(const struct lease *l)
{
	return l && l->elsewhere ? lease_helper_fd(l->elsewhere) : -1;
}

pid_t lease_keeper(const struct lease *l)
{
	return l && l->elsewhere ? lease_helper_pid(l->elsewhere) : 0;
}

/* ---- keeping it ---- */

void lease_name_run(struct lease *l, const char *run_id)
{
	cJSON_DeleteItemFromObjectCaseSensitive(l->words, "run");
	add(l->words, "run", run_id);
	if (l->elsewhere)
		lease_helper_name_run(l->elsewhere, run_id);
	RN_AUTO(rn_closep) int guard = rn_lock_file(l->guard, false, true, NULL);
	struct look k;
	look_at(l->path, guard, &k);
	if (guard >= 0 && is_mine(l, &k))
		write_words(l, NULL);
	cJSON_Delete(k.words);
}

int64_t lease_due_ms(const struct lease *l)
{
	return l->due_ms;
}

int lease_renew(struct lease *l, struct rn_error *err)
{
	struct look k;
	int rc = 0;
	l->due_ms = rn_now_ms() + LEASE_BEAT_MS;
	if (l->elsewhere && lease_helper_check(l->elsewhere, err) < 0)
		return -1;
	RN_AUTO(rn_closep) int guard = rn_lock_file(l->guard, false, true, NULL);
	if (guard < 0)
		return 0; /* the next beat may work; others wait for several that are missing */
	look_at(l->path, guard, &k);
	if (!k.there) {
		write_words(l, NULL); /* somebody cleaned up */
	} else if (is_mine(l, &k)) {
		utimensat(AT_FDCWD, l->path, NULL, 0);
	} else {
		RN_AUTO(rn_freep) char *who = holder(&k);
		rc = rn_fail(err, RN_EEXISTS, "another run took this pipeline over, because this one gave no sign of life: %s", who);
		rn_hint(err, "this run was stopped, suspended or cut off from %s for more than %d s; it ends now, so that both do not "
			     "meet", l->root, LEASE_TTL_MS / 1000);
	}
	cJSON_Delete(k.words);
	return rc;
}

void lease_release(struct lease *l)
{
	if (!l)
		return;
	lease_release_elsewhere(l);
	if (l->token) {
		RN_AUTO(rn_closep) int guard = rn_lock_file(l->guard, false, true, NULL);
		struct look k;
		look_at(l->path, guard, &k);
		if (is_mine(l, &k))
			unlink(l->path);
		cJSON_Delete(k.words);
	}
	if (l->held >= 0)
		unlink(l->held_path);
	rn_closep(&l->held);
	cJSON_Delete(l->words);
	free(l->root);
	free(l->path);
	free(l->guard);
	free(l->held_path);
	free(l);
}

void lease_releasep(struct lease **l)
{
	lease_release(*l);
}
