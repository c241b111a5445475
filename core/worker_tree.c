/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_tree.h"

#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN_MAX = 4096, NAMES_MAX = 5 };

struct process {
	pid_t pid;
	pid_t parent;
	char state;
	char name[20];
};

/* /proc/PID/stat: "PID (NAME) STATE PPID ..."; the name may hold blanks and brackets. */
static bool look(const char *pid, struct process *ret)
{
	char path[64], text[512];
	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	RN_AUTO(rn_buf_clear) struct rn_buf b = { .max = sizeof(text) };
	if (rn_read_file(path, sizeof(text), &b, NULL) < 0)
		return false;
	char *open = strchr(b.p, '('), *close = strrchr(b.p, ')');
	if (!open || !close)
		return false;
	*close = '\0';
	*ret = (struct process){ .pid = (pid_t)strtol(b.p, NULL, 10) };
	snprintf(ret->name, sizeof(ret->name), "%.15s", open + 1);
	return sscanf(close + 1, " %c %d", &ret->state, &ret->parent) == 2;
}

/* The kernel's own list where it has one, else a walk through /proc. */
static size_t children(struct process *ret, size_t max)
{
	char path[64];
	size_t n = 0;
	pid_t self = getpid();
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", self);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	RN_AUTO(rn_strv_clear) struct rn_strv pids = { 0 };
	bool listed = rn_read_file(path, CHILDREN_MAX * 8, &b, NULL) == 0;
	if (listed)
		rn_strv_split(&pids, rn_buf_str(&b), ' ');
	else if (rn_list_dir("/proc", &pids, NULL) < 0)
		return 0;
	for (size_t i = 0; i < pids.n && n < max; i++)
		if (pids.v[i][0] >= '0' && pids.v[i][0] <= '9' && look(pids.v[i], &ret[n]) && ret[n].parent == self)
			n++;
	return n;
}

size_t tree_count(void)
{
	struct process *all = rn_alloc(sizeof(*all) * CHILDREN_MAX);
	size_t n = children(all, CHILDREN_MAX);
	free(all);
	return n;
}

static size_t kill_children(pid_t keep, size_t named, struct rn_buf *names)
{
	struct process *all = rn_alloc(sizeof(*all) * CHILDREN_MAX);
	size_t n = children(all, CHILDREN_MAX), killed = 0;
	for (size_t i = 0; i < n; i++) {
		if (all[i].pid == keep || all[i].state == 'Z')
			continue;
		if (kill(all[i].pid, SIGKILL) < 0 && errno == EPERM)
			continue;
		if (named + killed++ < NAMES_MAX)
			rn_buf_addf(names, "%s%s (%d)", names->len ? ", " : "", all[i].name, all[i].pid);
	}
	free(all);
	return killed;
}

/* True while there are children besides `keep`. */
static bool reap(pid_t keep)
{
	siginfo_t info;
	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
			return false;
		if (!info.si_pid)
			return true;
		if (info.si_pid == keep)
			return tree_count() > 1;
		waitpid(info.si_pid, NULL, WNOHANG);
	}
}

size_t tree_kill(pid_t keep, int64_t ms, struct rn_buf *names)
{
	int64_t end = rn_now_ms() + ms;
	size_t killed = 0;
	while (reap(keep)) {
		killed += kill_children(keep, killed, names);
		if (rn_now_ms() >= end)
			break;
		rn_sleep_ms(1, -1);
	}
	return killed;
}
