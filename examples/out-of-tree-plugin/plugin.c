/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait-for: a stage that waits until every target is there: a TCP port that
 * accepts connections ("db.internal:5432") or a file ("file:build/done").
 */
#include <runner/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Filled by the host from the pipeline's `with:`. */
struct params {
	struct runner_list targets;
	struct runner_duration deadline;
	struct runner_duration interval;
};

static const struct runner_param params[] = {
	RUNNER_PARAM(struct params, targets, .flags = RUNNER_REQUIRED, .example = "[localhost:5432, \"file:build/done\"]",
		     .help = "What to wait for: HOST:PORT, or file:PATH relative to the pipeline file."),
	RUNNER_PARAM(struct params, deadline, .def = "1m", .help = "The stage fails when a target is not there by then."),
	RUNNER_PARAM(struct params, interval, .def = "500ms", .help = "Time between two tries."),
	{ 0 },
};

static const struct runner_output outputs[] = {
	{ .name = "waited_ms", .help = "How long it took, in milliseconds." },
	{ 0 },
};

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int bad(struct runner_stage *stage, const struct runner_host *host, uint32_t cls, const char *param,
	       const char *message, const char *hint)
{
	struct runner_failure why = {
		.size = sizeof(why), .cls = cls, .message = message, .hint = hint, .param = param,
		.retryable = cls == RUNNER_FAIL_NETWORK,
	};
	return host->fail(stage, &why);
}

/* "HOST:PORT" in two; 0 when it is one. IPv6 addresses stand in brackets. */
static int split(const char *target, char *name, size_t size, const char **port)
{
	const char *colon = strrchr(target, ':');
	size_t n = colon ? (size_t)(colon - target) : 0;
	if (n >= 2 && target[0] == '[' && target[n - 1] == ']') {
		target++;
		n -= 2;
	}
	if (n == 0 || n >= size || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return -1;
	memcpy(name, target, n);
	name[n] = '\0';
	*port = colon + 1;
	return 0;
}

/* Waits for a connection under way, but not beyond a cancellation. */
static int connected(int fd, int cancel_fd, int timeout_ms)
{
	struct pollfd p[] = { { .fd = fd, .events = POLLOUT }, { .fd = cancel_fd, .events = POLLIN } };
	int error = 0;
	socklen_t n = sizeof(error);
	if (poll(p, 2, timeout_ms) <= 0 || p[1].revents || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		return 0;
	return error == 0;
}

static int port_open(const char *target, int cancel_fd)
{
	char name[256];
	const char *port;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *list = NULL;
	int open = 0;
	if (split(target, name, sizeof(name), &port) < 0 || getaddrinfo(name, port, &hints, &list) != 0)
		return 0;
	for (struct addrinfo *a = list; a && !open; a = a->ai_next) {
		int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
		if (fd < 0)
			continue;
		open = connect(fd, a->ai_addr, a->ai_addrlen) == 0 ||
		       (errno == EINPROGRESS && connected(fd, cancel_fd, 2000));
		close(fd);
	}
	freeaddrinfo(list);
	return open;
}

static int is_there(struct runner_stage *stage, const struct runner_host *host, const char *target)
{
	char path[4096];
	if (strncmp(target, "file:", 5) != 0)
		return port_open(target, host->cancel_fd(stage));
	const char *dir = target[5] == '/' ? "" : host->info(stage, RUNNER_INFO_DIR);
	int n = snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", target + 5);
	return n > 0 && (size_t)n < sizeof(path) && access(path, F_OK) == 0;
}

/* Before anything runs: parameters only, no network. */
static int check(struct runner_stage *stage, const struct runner_host *host, const void *p)
{
	const struct params *with = p;
	char name[256];
	const char *port;
	for (size_t i = 0; i < with->targets.n; i++)
		if (strncmp(with->targets.v[i], "file:", 5) != 0 &&
		    split(with->targets.v[i], name, sizeof(name), &port) < 0)
			return bad(stage, host, RUNNER_FAIL_CONFIG, "targets", "a target is neither HOST:PORT nor file:PATH",
				   "for example localhost:5432 or file:build/done");
	if (with->interval.ms < 10)
		return bad(stage, host, RUNNER_FAIL_CONFIG, "interval", "interval must be at least 10ms", NULL);
	return 0;
}

static int run(struct runner_stage *stage, const struct runner_host *host, const void *p)
{
	const struct params *with = p;
	int64_t start = now_ms();
	char text[512];
	for (size_t i = 0; i < with->targets.n; i++) {
		const char *target = with->targets.v[i];
		host->step(stage, target);
		while (!is_there(stage, host, target)) {
			struct pollfd cancel = { .fd = host->cancel_fd(stage), .events = POLLIN };
			if (now_ms() - start >= with->deadline.ms) {
				snprintf(text, sizeof(text), "%s is not there after %lld ms", target, (long long)(now_ms() - start));
				return bad(stage, host, RUNNER_FAIL_NETWORK, "targets", text, "raise `deadline` or look why");
			}
			if (poll(&cancel, 1, (int)with->interval.ms) > 0)
				return bad(stage, host, RUNNER_FAIL_CANCELLED, NULL, "stopped while waiting", NULL);
		}
		host->log(stage, RUNNER_INFO, "%s is there", target);
		host->progress(stage, "waiting", i + 1, with->targets.n, "targets");
	}
	snprintf(text, sizeof(text), "%lld", (long long)(now_ms() - start));
	return host->output(stage, "waited_ms", text);
}

/* It changes nothing, so there is nothing to show. */
static int plan(struct runner_stage *stage, const struct runner_host *host, const void *p)
{
	const struct params *with = p;
	for (size_t i = 0; i < with->targets.n; i++)
		host->log(stage, RUNNER_INFO, "would wait for %s", with->targets.v[i]);
	return 0;
}

RUNNER_PLUGIN(.name = "wait-for", .version = "1.0.0", .summary = "Waits until ports accept connections or files exist",
	      .param_size = sizeof(struct params), .params = params, .outputs = outputs,
	      .check = check, .run = run, .plan = plan);
