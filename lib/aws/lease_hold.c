/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `runner aws lease hold`: keeps a lease beside a run. Words come on stdin and go to stdout, a JSON object a line:
 *
 *   in   {"name", "wait_ms", "words": {…}}   first: whose lease, how long to wait (-1: without limit), what others are told
 *        {"run": ID}                         later: one more thing to tell
 *        {"release": true}                   gives it back and ends with 0
 *   out  {"say": TEXT}                       for people: that it waits, whom it took over from
 *        {"held": true}
 *        {"failed": TEXT, "hint": TEXT}      refused, or an error: it ends with 1
 *        {"lost": TEXT, "hint": TEXT}        the run must stop: it ends with 1
 *
 * The end of stdin without "release" means that the run was killed, and what it left may still be under way in AWS:
 * then the lease is not given back, it expires.
 */
#include "client.h"
#include "lease.h"

#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 65536, TICK_MS = 1000, ALARM_SLACK_MS = 500 };

struct hold {
	struct rn_buf in;
	bool ended; /* of stdin */
	bool release;
	char *name;
	int64_t wait_ms;
	cJSON *words;
	struct aws_lease lease;
	timer_t alarm;
};

/* ---- lines ---- */

static void tell(const char *key, const char *text, const char *hint)
{
	RN_AUTO(rn_json_freep) cJSON *j = cJSON_CreateObject();
	if (text)
		cJSON_AddStringToObject(j, key, text);
	else
		cJSON_AddBoolToObject(j, key, true);
	if (hint && *hint)
		cJSON_AddStringToObject(j, "hint", hint);
	RN_AUTO(rn_freep) char *line = rn_json_print(j);
	RN_AUTO(rn_freep) char *out = rn_asprintf("%s\n", line);
	if (rn_write_full(STDOUT_FILENO, out, strlen(out)) < 0)
		exit(1); /* nobody is there any more */
}

static void say(void *ctx, const char *text)
{
	(void)ctx;
	tell("say", text, NULL);
}

static int tell_end(const char *key, const struct rn_error *err)
{
	tell(key, err->msg, err->hint);
	return 1;
}

static void take_line(struct hold *h, const char *line)
{
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse_str(line, NULL);
	const char *name = rn_json_str(j, "name"), *run = rn_json_str(j, "run");
	if (name && !h->name) {
		h->name = rn_strdup(name);
		h->wait_ms = rn_json_int(j, "wait_ms", 0);
		cJSON *words = cJSON_DetachItemFromObjectCaseSensitive(j, "words");
		if (words) {
			cJSON_Delete(h->words);
			h->words = words;
		}
	}
	if (run && h->words) {
		cJSON_DeleteItemFromObjectCaseSensitive(h->words, "run");
		cJSON_AddStringToObject(h->words, "run", run);
	}
	h->release |= rn_json_bool(j, "release", false);
}

/* Waits so long for more of stdin and takes the lines that are whole. */
static void listen_for(struct hold *h, int64_t ms)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char chunk[4096];
	if (poll(&p, 1, (int)ms) <= 0)
		return;
	ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));
	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0 || rn_buf_add(&h->in, chunk, (size_t)n) < 0) {
		h->ended = true;
		return;
	}
	for (const char *end; (end = memchr(h->in.p, '\n', h->in.len)) != NULL;) {
		size_t length = (size_t)(end - h->in.p);
		RN_AUTO(rn_freep) char *line = rn_strndup(h->in.p, length);
		take_line(h, line);
		rn_buf_drop(&h->in, length + 1);
		if (!h->in.len)
			break;
	}
}

/* ---- the alarm: whatever this process is busy with, it does not outlive its lease ---- */

static void on_alarm(int signal)
{
	static const char line[] = "{\"lost\":\"the lease could not be renewed in time\",\"hint\":\"this run was stopped, suspended or cut off "
				   "from AWS; it ends now, before another run takes the pipeline over\"}\n";
	(void)signal;
	ssize_t n = write(STDOUT_FILENO, line, sizeof(line) - 1);
	_exit(n < 0 ? 2 : 1);
}

static int set_alarm(struct hold *h, struct rn_error *err)
{
	struct sigevent how = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	if (signal(SIGALRM, on_alarm) == SIG_ERR || timer_create(CLOCK_BOOTTIME, &how, &h->alarm) < 0)
		return rn_fail(err, RN_EIO, "a timer: %m");
	return 0;
}

static void move_alarm(const struct hold *h)
{
	int64_t at = h->lease.until_ms + ALARM_SLACK_MS;
	struct itimerspec when = { .it_value = { .tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000 } };
	timer_settime(h->alarm, TIMER_ABSTIME, &when, NULL);
}

static void stop_alarm(const struct hold *h)
{
	struct itimerspec never = { 0 };
	timer_settime(h->alarm, 0, &never, NULL);
}

/* ---- holding ---- */

static int64_t clock_ms(const struct hold *h)
{
	return h->lease.store->clock_ms(h->lease.store->ctx);
}

/* 0: go on; 1: lost, and said so. */
static int keep(struct hold *h, int64_t *due_ms)
{
	struct rn_error err = { 0 };
	int64_t now = clock_ms(h), beat = aws_lease_beat_ms(&h->lease);
	if (now < *due_ms && now < h->lease.until_ms)
		return 0;
	if (aws_lease_renew(&h->lease, &err) == 0) {
		move_alarm(h);
		*due_ms = now + beat;
		return 0;
	}
	if (err.code == RN_EEXISTS)
		return tell_end("lost", &err);
	/* the last reason is what people need when the time is over */
	*due_ms = clock_ms(h) + beat / 4;
	if (clock_ms(h) >= h->lease.until_ms) {
		rn_wrap(&err, "the lease could not be renewed in time");
		return tell_end("lost", &err);
	}
	return 0;
}

static int release(struct hold *h)
{
	struct rn_error err = { 0 };
	stop_alarm(h);
	if (aws_lease_release(&h->lease, &err) == 0)
		return 0;
	return tell_end("failed", &err);
}

static int hold_it(struct hold *h)
{
	int64_t due = clock_ms(h) + aws_lease_beat_ms(&h->lease);
	move_alarm(h);
	tell("held", NULL, NULL);
	while (!h->ended && !h->release) {
		int64_t left = due - clock_ms(h);
		listen_for(h, left < 0 ? 0 : left < TICK_MS ? left : TICK_MS);
		if (!h->release && !h->ended && keep(h, &due))
			return 1;
	}
	return h->release ? release(h) : 1;
}

static int prepare(struct hold *h, struct rn_error *err)
{
	int64_t time;
	while (!h->ended && !h->name)
		listen_for(h, TICK_MS);
	if (!h->name || !rn_json_str(h->words, "token"))
		return rn_fail(err, RN_EINVAL, "`runner aws lease hold` is started by `runner run` and told by it what to hold");
	/* for tests of what happens after a holder has died */
	if (rn_env_duration("RUNNER_LEASE_TTL", "1s", "1h", AWS_LEASE_TTL_MS, &time, err) < 0)
		return -1;
	cJSON_AddNumberToObject(h->words, "ttl_ms", (double)time);
	h->lease = (struct aws_lease){ .name = h->name, .words = h->words, .ttl_ms = time, .say = say };
	return set_alarm(h, err);
}

int aws_lease_hold(const char *region, const char *profile)
{
	struct rn_error err = { 0 };
	struct hold h = { .in = { .max = LINE_MAX_BYTES } };
	struct aws_session_options o = AWS_SESSION_INIT;
	int code = 1;
	o.region = region;
	o.profile = profile;
	RN_AUTO(aws_session_freep) struct aws_session *s = prepare(&h, &err) == 0 ? aws_session_new(&o, &err) : NULL;
	RN_AUTO(aws_lease_ssm_freep) struct aws_lease_ssm *ssm = s ? aws_lease_ssm_new(s, h.name, &err) : NULL;
	h.lease.store = ssm ? aws_lease_ssm_store(ssm) : NULL;
	if (ssm && aws_lease_take(&h.lease, h.wait_ms, &err) == 0)
		code = hold_it(&h);
	else
		tell_end("failed", &err);
	aws_lease_clear(&h.lease);
	rn_buf_clear(&h.in);
	cJSON_Delete(h.words);
	free(h.name);
	return code;
}
