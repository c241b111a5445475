/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox.h"

#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#define GRACE_MS 5000

struct run {
	struct sandbox *sandbox;
	const struct sandbox_io *io;
	int out[2]; /* our ends of stdout and stderr; -1 once at their end */
	bool ended;
	enum rn_code stopped; /* why we ended it; RN_OK: not */
	int64_t deadline;     /* of the run, then of the grace; 0: none */
};

/* Hands on what is there. */
static void relay(struct run *r, int stream)
{
	char chunk[16384];
	ssize_t n;
	while ((n = read(r->out[stream], chunk, sizeof(chunk))) > 0)
		if (r->io->output)
			r->io->output(r->io->data, stream + 1, chunk, (size_t)n);
	if (n == 0 || (errno != EINTR && errno != EAGAIN))
		rn_closep(&r->out[stream]);
}

static void stop(struct run *r, enum rn_code why)
{
	if (r->stopped) {
		sandbox_kill(r->sandbox);
		r->deadline = 0;
		return;
	}
	r->stopped = why;
	r->deadline = rn_now_ms() + (r->io->grace_ms ? r->io->grace_ms : GRACE_MS);
	sandbox_signal(r->sandbox, SIGTERM);
}

static int follow(struct run *r, struct sandbox_status *status, struct rn_error *err)
{
	while (!r->ended) {
		struct pollfd p[4] = {
			{ .fd = sandbox_fd(r->sandbox), .events = POLLIN },
			{ .fd = r->out[0], .events = POLLIN },
			{ .fd = r->out[1], .events = POLLIN },
			{ .fd = r->stopped ? -1 : r->io->cancel_fd, .events = POLLIN },
		};
		int64_t left = r->deadline ? r->deadline - rn_now_ms() : 60000;
		if (r->deadline && left <= 0) {
			stop(r, RN_ETIMEOUT);
			continue;
		}
		if (poll(p, 4, left > 60000 ? 60000 : (int)left) < 0 && errno != EINTR)
			return rn_fail(err, RN_EIO, "poll: %m");
		for (int i = 0; i < 2; i++)
			if (r->out[i] >= 0 && p[i + 1].revents)
				relay(r, i);
		if (p[3].revents)
			stop(r, RN_ECANCELLED);
		if (p[0].revents && sandbox_wait(r->sandbox, 0, status, NULL) == 0)
			r->ended = true;
	}
	/* all writers are gone: what is left in the pipes is the end of the output */
	for (int i = 0; i < 2; i++)
		if (r->out[i] >= 0)
			relay(r, i);
	return 0;
}

int sandbox_run(const struct sandbox_spec *spec, const struct sandbox_io *io, struct sandbox_status *ret,
		struct rn_error *err)
{
	RN_AUTO(rn_closep) int out = -1, errors = -1, in_out = -1, in_errors = -1;
	int pair[2];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return rn_fail(err, RN_EIO, "pipe: %m");
	out = pair[0];
	in_out = pair[1];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return rn_fail(err, RN_EIO, "pipe: %m");
	errors = pair[0];
	in_errors = pair[1];
	fcntl(out, F_SETFL, O_NONBLOCK);
	fcntl(errors, F_SETFL, O_NONBLOCK);
	struct sandbox_spec s = *spec;
	s.stdout_fd = in_out;
	s.stderr_fd = io->together ? in_out : in_errors;
	RN_AUTO(sandbox_freep) struct sandbox *sandbox = NULL;
	if (sandbox_start(&s, &sandbox, err) < 0)
		return -1;
	rn_closep(&in_out);
	rn_closep(&in_errors);
	struct run r = { .sandbox = sandbox, .io = io, .out = { rn_take_fd(&out), rn_take_fd(&errors) } };
	r.deadline = io->timeout_ms ? rn_now_ms() + io->timeout_ms : 0;
	struct sandbox_status status = { 0 };
	int rc = follow(&r, &status, err);
	rn_closep(&r.out[0]);
	rn_closep(&r.out[1]);
	if (rc < 0)
		return -1;
	if (r.stopped == RN_ETIMEOUT)
		return rn_fail(err, RN_ETIMEOUT, "no end after %lld ms", (long long)io->timeout_ms);
	if (r.stopped)
		return rn_fail(err, RN_ECANCELLED, "cancelled");
	*ret = status;
	return 0;
}
