/* SPDX-License-Identifier: Apache-2.0 */
#include "lease_helper.h"

#include "self.h"

#include "base/fs.h"
#include "base/proc.h"
#include "base/time.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 65536, STOP_MS = 30000, FAILED_MS = 1000, LOOK_MS = 5, PERMISSIONS_MS = 10000 };

struct lease_helper {
	pid_t pid;
	int fd; /* its stdin and stdout */
	char *helper;
	struct rn_buf in;
	bool ended; /* it said nothing more */
	bool lost;
};

char *lease_helper_program(const char *name)
{
	RN_AUTO(rn_freep) char *libexec = self_libexec();
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s/runner-%s", libexec, name);
	return access(path, X_OK) == 0 ? rn_take(&path) : NULL;
}

char *lease_helper_permissions(const char *helper, const char *pipeline, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *program = lease_helper_program(helper);
	RN_AUTO(rn_buf_clear) struct rn_buf out = { .max = LINE_MAX_BYTES };
	const char *argv[] = { program, "lease", "permissions", pipeline, NULL };
	int code = program ? rn_run(argv, NULL, NULL, &out, NULL, PERMISSIONS_MS, err) : -1;
	if (!program)
		rn_fail(err, RN_ENOTFOUND, "there is no program runner-%s", helper);
	else if (code > 0)
		rn_fail(err, RN_EUNSUPPORTED, "`runner %s lease permissions %s` ended with %d", helper, pipeline, code);
	return code == 0 ? rn_buf_take(&out) : NULL;
}

/* ---- lines ---- */

static void tell(const struct lease_helper *h, const cJSON *j)
{
	RN_AUTO(rn_freep) char *text = rn_json_print(j);
	RN_AUTO(rn_freep) char *line = rn_asprintf("%s\n", text);
	size_t length = strlen(line), done = 0;
	while (done < length) {
		ssize_t n = send(h->fd, line + done, length - done, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return; /* it has ended: reading tells why */
		done += n > 0 ? (size_t)n : 0;
	}
}

/* More of what it says, when there is some. */
static void read_more(struct lease_helper *h)
{
	char chunk[4096];
	ssize_t n = recv(h->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0 || rn_buf_add(&h->in, chunk, (size_t)n) < 0)
		h->ended = true;
}

/* The next whole line as JSON; NULL: none, or nonsense. */
static cJSON *next_line(struct lease_helper *h)
{
	const char *end = h->in.len ? memchr(h->in.p, '\n', h->in.len) : NULL;
	if (!end)
		return NULL;
	size_t length = (size_t)(end - h->in.p);
	cJSON *j = rn_json_parse(h->in.p, length, NULL);
	rn_buf_drop(&h->in, length + 1);
	return j ? j : cJSON_CreateObject();
}

static int pass_on(const char *text, const cJSON *line, enum rn_code code, struct rn_error *err)
{
	const char *hint = rn_json_str(line, "hint");
	rn_fail(err, code, "%s", text);
	return hint ? rn_hint(err, "%s", hint) : -1;
}

static int gone(const struct lease_helper *h, struct rn_error *err)
{
	rn_fail(err, RN_EEXISTS, "the program that keeps the lease of this pipeline (runner-%s lease hold) has ended", h->helper);
	return rn_hint(err, "without it another run may begin; its own words, if any, are above");
}

/* What one line says: 1 held, 0 nothing that matters, -1 failed or lost. */
static int understand(struct lease_helper *h, const cJSON *line, struct rn_error *err)
{
	const char *said = rn_json_str(line, "say"), *failed = rn_json_str(line, "failed"), *lost = rn_json_str(line, "lost");
	if (said)
		fprintf(stderr, "runner: %s\n", said);
	h->lost |= lost != NULL;
	if (failed || lost)
		return pass_on(lost ? lost : failed, line, RN_EEXISTS, err);
	return rn_json_bool(line, "held", false);
}

static int understand_all(struct lease_helper *h, struct rn_error *err)
{
	int rc = 0;
	cJSON *line;
	while (rc == 0 && (line = next_line(h)) != NULL) {
		rc = understand(h, line, err);
		cJSON_Delete(line);
	}
	return rc;
}

/* ---- the program ---- */

static int start(struct lease_helper *h, const struct lease_helper_options *o, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *program = lease_helper_program(o->helper);
	RN_AUTO(rn_strv_clear) struct rn_strv env = { 0 };
	const cJSON *v;
	int ends[2];
	if (!program)
		return rn_fail(err, RN_ENOTFOUND, "`lease: %s` needs the program runner-%s, which is not installed", o->helper, o->helper);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return rn_fail(err, RN_EIO, "socketpair: %m");
	cJSON_ArrayForEach(v, o->env)
		rn_strv_addf(&env, "%s=%s", v->string, v->valuestring);
	const char *argv[] = { program, "lease", "hold", NULL };
	const struct rn_fd_map fds[] = { { ends[1], 0 }, { ends[1], 1 } };
	static const char *const none[] = { NULL };
	/* a group of its own: Ctrl-C is for the run, which gives the lease back when it has come to its end */
	h->pid = rn_spawn(&(struct rn_spawn){ .argv = argv, .env = env.n ? (const char *const *)env.v : none, .fds = fds,
					      .n_fds = RN_LEN(fds), .new_group = true, .keep_stdio = true,
					      .parent_death_signal = SIGKILL }, err);
	close(ends[1]);
	h->fd = ends[0];
	return h->pid > 0 ? 0 : -1;
}

static void ask(const struct lease_helper *h, const struct lease_helper_options *o)
{
	RN_AUTO(rn_json_freep) cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "name", o->name);
	cJSON_AddNumberToObject(j, "wait_ms", (double)o->wait_ms);
	cJSON_AddItemToObject(j, "words", cJSON_Duplicate(o->words, true));
	tell(h, j);
}

static int wait_until_held(struct lease_helper *h, const struct lease_helper_options *o, struct rn_error *err)
{
	int rc = 0;
	while (rc == 0 && !h->ended) {
		struct pollfd p = { .fd = h->fd, .events = POLLIN };
		if (poll(&p, 1, (int)o->tick_ms) == 0) {
			rc = o->tick(o->ctx, err);
			continue;
		}
		read_more(h);
		rc = understand_all(h, err);
	}
	return rc > 0 ? 0 : rc < 0 ? -1 : gone(h, err);
}

/* It is killed when it has not ended by then. */
static void end_it(struct lease_helper *h, int64_t end)
{
	while (h->pid > 0 && waitpid(h->pid, NULL, WNOHANG) == 0) {
		if (rn_now_ms() >= end)
			kill(h->pid, SIGKILL);
		rn_sleep_ms(LOOK_MS, -1);
	}
	rn_closep(&h->fd);
	rn_buf_clear(&h->in);
	free(h->helper);
	free(h);
}

struct lease_helper *lease_helper_start(const struct lease_helper_options *o, struct rn_error *err)
{
	struct lease_helper *h = rn_alloc(sizeof(*h));
	*h = (struct lease_helper){ .fd = -1, .helper = rn_strdup(o->helper), .in = { .max = LINE_MAX_BYTES } };
	if (start(h, o, err) == 0) {
		ask(h, o);
		if (wait_until_held(h, o, err) == 0)
			return h;
		rn_closep(&h->fd);
	}
	end_it(h, rn_now_ms() + FAILED_MS);
	return NULL;
}

void lease_helper_name_run(struct lease_helper *h, const char *run_id)
{
	RN_AUTO(rn_json_freep) cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "run", run_id);
	tell(h, j);
}

int lease_helper_fd(const struct lease_helper *h)
{
	return h->ended ? -1 : h->fd;
}

pid_t lease_helper_pid(const struct lease_helper *h)
{
	return h->pid;
}

int lease_helper_check(struct lease_helper *h, struct rn_error *err)
{
	if (!h->ended)
		read_more(h);
	int rc = understand_all(h, err);
	if (rc < 0)
		return -1;
	return h->ended ? gone(h, err) : 0;
}

void lease_helper_stop(struct lease_helper *h)
{
	struct rn_error err = { 0 };
	if (!h)
		return;
	RN_AUTO(rn_json_freep) cJSON *j = cJSON_CreateObject();
	cJSON_AddBoolToObject(j, "release", true);
	tell(h, j);
	int64_t end = rn_now_ms() + STOP_MS;
	while (!h->ended && !h->lost) {
		struct pollfd p = { .fd = h->fd, .events = POLLIN };
		int64_t left = end - rn_now_ms();
		if (left <= 0 || (poll(&p, 1, (int)left) < 0 && errno != EINTR))
			break;
		if (p.revents)
			read_more(h);
	}
	if (!h->lost && understand_all(h, &err) < 0 && !h->lost)
		fprintf(stderr, "runner: the lease is not given back, and expires by itself: %s\n", err.msg);
	end_it(h, end);
}
