/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int put(const char *dir, const char *file, const char *text)
{
	RN_AUTO(rn_freep) char *path = rn_path_join(dir, file);
	RN_AUTO(rn_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

static char *get(const char *dir, const char *file)
{
	RN_AUTO(rn_freep) char *path = rn_path_join(dir, file);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	return rn_read_file(path, 65536, &b, NULL) < 0 ? NULL : rn_buf_take(&b);
}

static bool has_word(const char *list, const char *word, const char *separators)
{
	size_t n = strlen(word);
	for (const char *p = list; (p = strstr(p, word)); p += n)
		if ((p == list || strchr(separators, p[-1])) && (!p[n] || strchr(separators, p[n])))
			return true;
	return false;
}

/* Our own path in a hierarchy: lines "ID:CONTROLLERS:PATH", v2 has no controllers. New string or NULL. */
static char *own_path(const char *controller)
{
	RN_AUTO(rn_freep) char *text = get("/proc/self", "cgroup");
	char *save = NULL;
	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save)) {
		char *names = strchr(l, ':'), *path = names ? strchr(names + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = '\0';
		names++;
		if (controller ? has_word(names, controller, ",") : !*names)
			return rn_strdup(path);
	}
	return NULL;
}

/* Where a hierarchy is mounted, and which of its folders lies there. */
static char *mount_point(const char *controller, char **ret_root)
{
	RN_AUTO(rn_freep) char *text = get("/proc/self", "mountinfo");
	char *save = NULL;
	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save)) {
		char root[1024], at[1024], type[64], options[1024];
		char *tail = strstr(l, " - ");
		if (!tail || sscanf(l, "%*s %*s %*s %1023s %1023s", root, at) != 2 ||
		    sscanf(tail, " - %63s %*s %1023s", type, options) != 2)
			continue;
		if (controller ? strcmp(type, "cgroup") || !has_word(options, controller, ",")
			       : strcmp(type, "cgroup2") != 0)
			continue;
		*ret_root = rn_strdup(root);
		return rn_strdup(at);
	}
	return NULL;
}

/* Makes a group below our own or the first ancestor where `limit` can be set. New path or NULL. */
static char *make_below(const char *controller, const char *limit)
{
	RN_AUTO(rn_freep) char *root = NULL;
	RN_AUTO(rn_freep) char *at = mount_point(controller, &root);
	RN_AUTO(rn_freep) char *own = own_path(controller);
	if (!at || !own)
		return NULL;
	size_t skip = strcmp(root, "/") && rn_starts(own, root) ? strlen(root) : 0;
	RN_AUTO(rn_freep) char *dir = rn_asprintf("%s%s", at, own + skip);
	char random[17];
	rn_random_hex(8, random);
	while (strlen(dir) >= strlen(at)) {
		char *made = rn_asprintf("%s/runner-%s", dir, random);
		if (mkdir(made, 0755) == 0) {
			RN_AUTO(rn_freep) char *file = rn_path_join(made, limit);
			if (rn_exists(file))
				return made;
			rmdir(made);
		}
		free(made);
		char *slash = strrchr(dir, '/');
		if (!slash || slash == dir)
			break;
		*slash = '\0';
	}
	return NULL;
}

static int make_v2(uint64_t memory, uint64_t pids, struct cgroup *g)
{
	char *dir = make_below(NULL, memory ? "memory.max" : "pids.max");
	if (!dir)
		return -1;
	char number[32];
	g->dirs[0] = dir;
	g->v2 = true;
	snprintf(number, sizeof(number), "%llu", (unsigned long long)memory);
	if (memory && (put(dir, "memory.max", number) < 0))
		return -1;
	if (memory) {
		put(dir, "memory.swap.max", "0");
		put(dir, "memory.oom.group", "1");
	}
	snprintf(number, sizeof(number), "%llu", (unsigned long long)pids);
	return pids && put(dir, "pids.max", number) < 0 ? -1 : 0;
}

static int make_v1(uint64_t memory, uint64_t pids, struct cgroup *g)
{
	char number[32];
	if (memory) {
		g->dirs[0] = make_below("memory", "memory.limit_in_bytes");
		snprintf(number, sizeof(number), "%llu", (unsigned long long)memory);
		if (!g->dirs[0] || put(g->dirs[0], "memory.limit_in_bytes", number) < 0)
			return -1;
		put(g->dirs[0], "memory.memsw.limit_in_bytes", number);
	}
	if (pids) {
		g->dirs[1] = make_below("pids", "pids.max");
		snprintf(number, sizeof(number), "%llu", (unsigned long long)pids);
		if (!g->dirs[1] || put(g->dirs[1], "pids.max", number) < 0)
			return -1;
	}
	return 0;
}

int cgroup_make(uint64_t memory, uint64_t pids, struct cgroup *ret, struct rn_error *err)
{
	*ret = (struct cgroup){ 0 };
	if (!memory && !pids)
		return 0;
	if (make_v2(memory, pids, ret) == 0)
		return 0;
	cgroup_end(ret);
	if (make_v1(memory, pids, ret) == 0)
		return 0;
	cgroup_end(ret);
	return rn_fail(err, RN_EAUTH, "no control group for memory and processes can be made");
}

int cgroup_add(const struct cgroup *g, pid_t pid, struct rn_error *err)
{
	char number[16];
	snprintf(number, sizeof(number), "%d", (int)pid);
	for (size_t i = 0; i < RN_LEN(g->dirs); i++)
		if (g->dirs[i] && put(g->dirs[i], "cgroup.procs", number) < 0)
			return rn_fail(err, RN_EIO, "enter the control group: %m");
	return 0;
}

static uint64_t number_after(const char *text, const char *word)
{
	const char *p = text ? strstr(text, word) : NULL;
	return p ? strtoull(p + strlen(word), NULL, 10) : 0;
}

uint64_t cgroup_memory(const struct cgroup *g, uint64_t interesting)
{
	if (!g->dirs[0])
		return 0;
	RN_AUTO(rn_freep) char *all = get(g->dirs[0], g->v2 ? "memory.current" : "memory.usage_in_bytes");
	uint64_t used = all ? strtoull(all, NULL, 10) : 0;
	if (used <= interesting)
		return used;
	RN_AUTO(rn_freep) char *stat = get(g->dirs[0], "memory.stat");
	uint64_t files = number_after(stat, g->v2 ? "\nfile " : "cache ");
	return used > files ? used - files : 0;
}

bool cgroup_out_of_memory(const struct cgroup *g)
{
	if (!g->dirs[0])
		return false;
	RN_AUTO(rn_freep) char *text = get(g->dirs[0], g->v2 ? "memory.events" : "memory.oom_control");
	const char *p = text ? strstr(text, "oom_kill ") : NULL;
	return p && strtol(p + strlen("oom_kill "), NULL, 10) > 0;
}

void cgroup_end(struct cgroup *g)
{
	for (size_t i = 0; i < RN_LEN(g->dirs); i++) {
		if (!g->dirs[i])
			continue;
		put(g->dirs[i], "cgroup.kill", "1");
		/* the last process may still be on its way out */
		for (int tries = 0; rmdir(g->dirs[i]) < 0 && errno == EBUSY && tries < 50; tries++)
			rn_sleep_ms(2, -1);
		free(g->dirs[i]);
		g->dirs[i] = NULL;
	}
}
