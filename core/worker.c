/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor of one stage: relays, stops, kills, reaps. Runs no plugin code, so it always has the last word. */
#include "worker.h"

#include "frames.h"
#include "worker_stage.h"
#include "worker_tree.h"

#include "base/fs.h"
#include "base/proc.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	OUTPUT_CHUNK = 65536,
	EVENT_READS = 4, /* of 64 KiB each: more than a pipe holds */
	LINGER_MS = 300, /* for `exec > >(tee log)` and the like to finish by themselves */
	UNDO_MS = 1000,  /* for a sandbox, whose stage was killed, to put back what it moved */
	REAP_MS = 10000,
	DRAIN_MS = 2000,
};

struct supervisor {
	pid_t stage;
	int out_fd;    /* stdout and stderr of the stage; -1 at its end */
	int event_fd;  /* frames of the stage; -1 at its end            */
	int reply_fd;  /* the host's answers, to the stage              */
	int signal_fd;
	bool ended;    /* the stage process has ended (not yet reaped)  */
	bool orphaned; /* the host is gone                              */
	bool stopping; /* cancel was asked for                          */
	bool garbled;  /* the stage wrote nonsense into its event pipe  */
	int64_t kill_at; /* when TERM becomes KILL; 0: not               */
	struct frame_reader control;
	struct frame_reader events;
};

static _Noreturn void become_stage(const cJSON *spec, pid_t parent, int out, int events, int reply)
{
	sigset_t none;
	sigemptyset(&none);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(125);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int kept = fcntl(events, F_DUPFD_CLOEXEC, 10), answers = fcntl(reply, F_DUPFD_CLOEXEC, 10);
	if (null < 0 || kept < 0 || answers < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ||
	    dup3(kept, 3, O_CLOEXEC) < 0 || dup3(answers, 4, O_CLOEXEC) < 0)
		_exit(125);
	rn_close_range(5, ~0u, false);
	worker_stage(spec, 3, 4);
}

static int start_stage(struct supervisor *s, const cJSON *spec)
{
	int out[2], events[2], reply[2];
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(events, O_CLOEXEC) < 0 || pipe2(reply, O_CLOEXEC) < 0)
		return -1;
	pid_t parent = getpid();
	s->stage = fork();
	if (s->stage == 0)
		become_stage(spec, parent, out[1], events[1], reply[0]);
	close(out[1]);
	close(events[1]);
	close(reply[0]);
	s->out_fd = out[0];
	s->event_fd = events[0];
	s->reply_fd = reply[1];
	if (s->stage < 0)
		return -1;
	setpgid(s->stage, s->stage); /* whoever of both comes first */
	fcntl(s->out_fd, F_SETFL, O_NONBLOCK);
	fcntl(s->event_fd, F_SETFL, O_NONBLOCK);
	return 0;
}

static void forward(struct supervisor *s, enum frame_kind kind, const void *data, size_t n)
{
	if (!s->orphaned && frame_write(WORKER_EVENT_FD, kind, data, n) < 0)
		s->orphaned = true;
}

static void forward_json(struct supervisor *s, cJSON *j)
{
	RN_AUTO(rn_freep) char *text = rn_json_print(j);
	cJSON_Delete(j);
	forward(s, FRAME_JSON, text, strlen(text));
}

/*
 * All that can be in the event pipe now, and a bit of what comes meanwhile. Counted in reads, not by what the reader
 * holds: a frame may be larger than any such limit, and handed-out bytes leave only with the next read.
 */
static void fill_events(struct supervisor *s)
{
	ssize_t n = 1;
	for (int i = 0; i < EVENT_READS && s->event_fd >= 0 && n > 0; i++)
		n = frame_reader_fill(&s->events, s->event_fd);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EOVERFLOW)) /* full: there is room again once frames have been handed out */
		rn_closep(&s->event_fd);
}

static bool is_mask(const struct frame *f)
{
	static const char head[] = "{\"type\":\"mask\",";
	return f->n > sizeof(head) && memcmp(f->data, head, sizeof(head) - 1) == 0;
}

static void forward_events(struct supervisor *s, bool masks)
{
	struct frame f;
	struct rn_error err = { 0 };
	size_t begin = s->events.at;
	int rc = 0;
	while (!s->garbled && (rc = frame_reader_next(&s->events, &f, &err)) > 0)
		if (is_mask(&f) == masks)
			forward(s, f.kind, f.data, f.n);
	if (masks)
		s->events.at = begin; /* the others follow in the second pass */
	else if (rc < 0) {
		s->garbled = true;
		cJSON *j = cJSON_CreateObject();
		cJSON_AddStringToObject(j, "type", "garbled");
		cJSON_AddStringToObject(j, "message", err.msg);
		forward_json(s, j);
	}
	if (s->garbled)
		rn_buf_reset(&s->events.buf), s->events.at = 0;
}

/*
 * What a stage prints behind a `mask` may hold the secret. Both pipes are separate, so: read the
 * text, then all events that can have been sent before it, and forward the masks among them first.
 */
static void relay(struct supervisor *s)
{
	char chunk[OUTPUT_CHUNK];
	ssize_t n = s->out_fd >= 0 ? read(s->out_fd, chunk, sizeof(chunk)) : -1;
	if (s->out_fd >= 0 && (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)))
		rn_closep(&s->out_fd);
	fill_events(s);
	forward_events(s, true);
	if (n > 0)
		forward(s, FRAME_OUTPUT, chunk, (size_t)n);
	forward_events(s, false);
}

static void stop(struct supervisor *s, int64_t grace_ms)
{
	if (s->ended)
		return;
	s->stopping = true;
	if (grace_ms > 0) {
		kill(-s->stage, SIGTERM);
		s->kill_at = rn_now_ms() + grace_ms;
	} else {
		kill(-s->stage, SIGKILL);
		s->kill_at = 0;
	}
}

static void take_control(struct supervisor *s)
{
	struct frame f;
	ssize_t n = frame_reader_fill(&s->control, WORKER_SPEC_FD);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		s->orphaned = true;
	while (frame_reader_next(&s->control, &f, NULL) > 0) {
		RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse(f.data, f.n, NULL);
		if (rn_streq(rn_json_str(j, "type"), "stop"))
			stop(s, rn_json_int(j, "grace_ms", 0));
		else if (rn_streq(rn_json_str(j, "type"), "kept")) /* small, and one at a time: cannot block */
			(void)!frame_write(s->reply_fd, FRAME_JSON, f.data, f.n);
	}
}

static void take_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;
	while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			s->orphaned = true; /* the death signal of the host */
	siginfo_t end = { 0 };
	if (!s->ended && waitid(P_PID, (id_t)s->stage, &end, WEXITED | WNOHANG | WNOWAIT) == 0 && end.si_pid == s->stage)
		s->ended = true;
}

static void wait_some(struct supervisor *s, int64_t until)
{
	int64_t left = until ? until - rn_now_ms() : 60000;
	struct pollfd p[] = { { .fd = s->out_fd, .events = POLLIN },
			      { .fd = s->event_fd, .events = POLLIN },
			      { .fd = s->signal_fd, .events = POLLIN },
			      { .fd = s->orphaned ? -1 : WORKER_SPEC_FD, .events = POLLIN } };
	if (poll(p, RN_LEN(p), left < 0 ? 0 : left > 60000 ? 60000 : (int)left) < 0)
		return;
	if (p[3].revents)
		take_control(s);
	relay(s);
	take_signals(s);
}

/* Until the stage process has ended, or there is nobody left to work for. */
static void supervise(struct supervisor *s)
{
	while (!s->ended && !s->orphaned) {
		wait_some(s, s->kill_at);
		if (s->kill_at && rn_now_ms() >= s->kill_at)
			stop(s, 0);
	}
}

/* A killed stage's sandboxes see its end, and put back what would be lost (caches) or stay (secrets) without mounts. */
static void let_undo(struct supervisor *s, struct tree_keep stage)
{
	int64_t end = rn_now_ms() + UNDO_MS;
	kill(-s->stage, SIGKILL); /* not reaped yet, so the number is still ours */
	while ((!s->ended || tree_count(stage) > 0) && rn_now_ms() < end)
		wait_some(s, rn_now_ms() + 20);
}

static void clean_up(struct supervisor *s, struct rn_buf *names, size_t *ret_killed)
{
	struct tree_keep stage = { &s->stage, 1 };
	siginfo_t end = { 0 };
	bool exited = s->ended && waitid(P_PID, (id_t)s->stage, &end, WEXITED | WNOWAIT) == 0 && end.si_code == CLD_EXITED;
	bool clean = exited && !s->stopping && !s->orphaned;
	int64_t linger = rn_now_ms() + LINGER_MS;
	while (clean && !s->orphaned && rn_now_ms() < linger && tree_count(stage) > 0)
		wait_some(s, rn_now_ms() + 20);
	if (!exited)
		let_undo(s, stage);
	*ret_killed = tree_kill(stage, REAP_MS, names);
	kill(-s->stage, SIGKILL); /* not reaped yet, so the number is still ours */
	*ret_killed += tree_kill(s->ended ? stage : (struct tree_keep){ 0 }, REAP_MS, names);
	int64_t drain = rn_now_ms() + DRAIN_MS;
	while (!s->orphaned && (s->out_fd >= 0 || s->event_fd >= 0) && rn_now_ms() < drain)
		relay(s);
}

static int report_exit(struct supervisor *s, size_t killed, const char *names)
{
	int sig = 0, status = rn_wait(s->stage, &sig);
	cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "type", "exit");
	cJSON_AddNumberToObject(j, "status", status);
	cJSON_AddNumberToObject(j, "signal", sig);
	cJSON_AddNumberToObject(j, "killed", (double)killed);
	cJSON_AddStringToObject(j, "names", names);
	forward_json(s, j);
	return s->orphaned ? 1 : 0;
}

static cJSON *read_spec(struct supervisor *s)
{
	struct frame f;
	for (;;) {
		int rc = frame_reader_next(&s->control, &f, NULL);
		if (rc > 0)
			return rn_json_parse(f.data, f.n, NULL);
		if (rc < 0 || frame_reader_fill(&s->control, WORKER_SPEC_FD) <= 0)
			return NULL;
	}
}

static int watch_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int worker_main(void)
{
	struct supervisor s = { .out_fd = -1, .event_fd = -1, .reply_fd = -1, .signal_fd = watch_signals() };
	fcntl(WORKER_SPEC_FD, F_SETFD, FD_CLOEXEC);
	fcntl(WORKER_EVENT_FD, F_SETFD, FD_CLOEXEC);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	frame_reader_init(&s.control, FRAME_SPEC_MAX);
	frame_reader_init(&s.events, FRAME_EVENT_MAX);
	cJSON *spec = read_spec(&s);
	if (!spec || s.signal_fd < 0 || start_stage(&s, spec) < 0)
		return 3;
	cJSON_Delete(spec);
	fcntl(WORKER_SPEC_FD, F_SETFL, O_NONBLOCK);
	supervise(&s);
	RN_AUTO(rn_buf_clear) struct rn_buf names = RN_BUF_INIT;
	size_t killed = 0;
	clean_up(&s, &names, &killed);
	int code = report_exit(&s, killed, rn_buf_str(&names));
	frame_reader_clear(&s.control);
	frame_reader_clear(&s.events);
	return code;
}
