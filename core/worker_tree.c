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

static bool is_kept(struct tree_keep keep, pid_t pid)
{
	for (size_t i = 0; i < keep.n; i++)
		if (keep.v[i] == pid)
			return true;
	return false;
}

/* One pass over the children but `keep`: reaps the dead, kills the living when told to. Returns how many there were. */
static size_t pass(struct tree_keep keep, bool killing, size_t *killed, struct rn_buf *names)
{
	struct process *all = rn_alloc(sizeof(*all) * CHILDREN_MAX);
	size_t n = children(all, CHILDREN_MAX), others = 0;
	for (size_t i = 0; i < n; i++) {
		if (is_kept(keep, all[i].pid))
			continue;
		others++;
		if (all[i].state == 'Z') {
			waitpid(all[i].pid, NULL, WNOHANG);
			others--;
		} else if (killing && kill(all[i].pid, SIGKILL) == 0 && (*killed)++ < NAMES_MAX) {
			rn_buf_addf(names, "%s%s (%d)", names->len ? ", " : "", all[i].name, all[i].pid);
		}
	}
	free(all);
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
