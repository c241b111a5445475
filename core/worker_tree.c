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

static bool is_kept(struct tree_keep keep, pid_t pid)
{
	for (size_t i = 0; i < keep.n; i++)
		if (keep.v[i] == pid)
			return true;
	return false;
}

/* Numbers of what may be a child: the kernel's own list where it has one, else all processes. */
static void list(struct rn_strv *ret)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	if (rn_read_file(path, CHILDREN_MAX * 8, &b, NULL) == 0)
		rn_strv_split(ret, rn_buf_str(&b), ' ');
	else
		rn_list_dir("/proc", ret, NULL);
}

/* One pass over the children but `keep`: reaps the dead, kills the living when told to. Returns how many there were. */
static size_t pass(struct tree_keep keep, bool killing, size_t *killed, struct rn_buf *names)
{
	RN_AUTO(rn_strv_clear) struct rn_strv pids = { 0 };
	size_t others = 0;
	pid_t self = getpid();
	list(&pids);
	for (size_t i = 0; i < pids.n; i++) {
		struct process p;
		pid_t pid = (pid_t)strtol(pids.v[i], NULL, 10);
		if (pid <= 0 || is_kept(keep, pid) || !look(pids.v[i], &p) || p.parent != self)
			continue;
		if (p.state == 'Z') {
			waitpid(p.pid, NULL, WNOHANG);
			continue;
		}
		others++;
		if (killing && kill(p.pid, SIGKILL) == 0 && (*killed)++ < NAMES_MAX)
			rn_buf_addf(names, "%s%s (%d)", names->len ? ", " : "", p.name, p.pid);
	}
	return others;
}

size_t tree_count(struct tree_keep keep)
{
	return pass(keep, false, NULL, NULL);
}

size_t tree_kill(struct tree_keep keep, int64_t ms, struct rn_buf *names)
{
	int64_t end = rn_now_ms() + ms;
	size_t killed = 0, first = 0;
	while (pass(keep, true, &killed, names) && rn_now_ms() < end) {
		first = first ? first : killed;
		rn_sleep_ms(1, -1);
	}
	return first ? first : killed;
}
