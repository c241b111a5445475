/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is who in a user namespace: one id, a range by newuidmap and newgidmap
 * (/etc/subuid, /etc/subgid), or everything when root writes the map itself.
 */
#include "process.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RANGES_MAX 32

struct range {
	uint64_t inside, outside, count;
};

static int write_map(pid_t pid, const char *file, const char *text, struct rn_error *err)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	RN_AUTO(rn_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return rn_fail(err, errno == EPERM ? RN_EAUTH : RN_EIO, "write %s: %m", file);
	return 0;
}

/* Subordinate ranges of this user: lines "NAME-or-UID:FIRST:COUNT". */
static size_t subordinate(const char *file, uint64_t next, struct range *ret)
{
	struct passwd *pw = getpwuid(getuid());
	FILE *f = fopen(file, "re");
	if (!f)
		return 0;
	char line[512], id[24];
	snprintf(id, sizeof(id), "%u", getuid());
	size_t n = 0;
	while (n < RANGES_MAX && fgets(line, sizeof(line), f)) {
		char *save = NULL, *who = strtok_r(line, ":", &save), *first = strtok_r(NULL, ":", &save),
		     *count = strtok_r(NULL, ":\n", &save);
		if (!who || !first || !count || (strcmp(who, id) && !(pw && !strcmp(who, pw->pw_name))))
			continue;
		ret[n] = (struct range){ next, strtoull(first, NULL, 10), strtoull(count, NULL, 10) };
		next += ret[n].count;
		n += ret[n].count > 0;
	}
	fclose(f);
	return n;
}

/* All ids that exist where we are: what root maps. */
static size_t own_ranges(const char *file, struct range *ret)
{
	FILE *f = fopen(file, "re");
	unsigned long long inside, outside, count;
	size_t n = 0;
	while (f && n < RANGES_MAX && fscanf(f, "%llu %llu %llu", &inside, &outside, &count) == 3)
		ret[n++] = (struct range){ inside, inside, count };
	if (f)
		fclose(f);
	return n;
}

static bool writes_itself(void)
{
	return geteuid() == 0 && caps_have(CAP_SETUID) && caps_have(CAP_SETGID);
}

static size_t ranges(bool group, struct range *to)
{
	if (writes_itself())
		return own_ranges(group ? "/proc/self/gid_map" : "/proc/self/uid_map", to);
	to[0] = (struct range){ 0, group ? getgid() : getuid(), 1 };
	size_t n = subordinate(group ? "/etc/subgid" : "/etc/subuid", 1, to + 1);
	return n ? n + 1 : 0;
}

static uint64_t total(const struct range *r, size_t n)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += r[i].count;
	return sum;
}

uint64_t idmap_count(struct rn_error *err)
{
	struct range r[RANGES_MAX + 1] = { 0 };
	uint64_t uids = total(r, ranges(false, r)), gids = total(r, ranges(true, r));
	if (uids && gids)
		return uids < gids ? uids : gids;
	rn_fail(err, RN_ENOTFOUND, "no subordinate ids for uid %u in /etc/subuid and /etc/subgid", getuid());
	return 0;
}

static int map_with_helper(const char *program, pid_t pid, const struct range *r, size_t n, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv argv = { 0 };
	rn_strv_add(&argv, program);
	rn_strv_addf(&argv, "%d", (int)pid);
	for (size_t i = 0; i < n; i++) {
		rn_strv_addf(&argv, "%llu", (unsigned long long)r[i].inside);
		rn_strv_addf(&argv, "%llu", (unsigned long long)r[i].outside);
		rn_strv_addf(&argv, "%llu", (unsigned long long)r[i].count);
	}
	RN_AUTO(rn_buf_clear) struct rn_buf out = RN_BUF_INIT, errors = RN_BUF_INIT;
	int rc = rn_run((const char *const *)argv.v, NULL, NULL, &out, &errors, 10000, err);
	if (rc < 0)
		return -1;
	if (rc > 0)
		return rn_fail(err, RN_EAUTH, "%s failed: %s", program, rn_trim(errors.len ? errors.p : (char[1]){ 0 }));
	return 0;
}

static int map_range(pid_t pid, bool group, struct rn_error *err)
{
	struct range r[RANGES_MAX + 1];
	size_t n = ranges(group, r);
	if (!n)
		return idmap_count(err) ? 0 : -1;
	if (!writes_itself())
		return map_with_helper(group ? "newgidmap" : "newuidmap", pid, r, n, err);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	for (size_t i = 0; i < n; i++)
		rn_buf_addf(&b, "%llu %llu %llu\n", (unsigned long long)r[i].inside,
			    (unsigned long long)r[i].outside, (unsigned long long)r[i].count);
	return write_map(pid, group ? "gid_map" : "uid_map", rn_buf_str(&b), err);
}

int idmap_write(pid_t pid, const struct sandbox_spec *spec, const struct plan *plan, struct rn_error *err)
{
	if (plan->ids == PLAN_IDS_RANGE)
		return map_range(pid, false, err) < 0 || map_range(pid, true, err) < 0 ? -1 : 0;
	if (plan->ids == PLAN_IDS_HOST)
		return 0;
	char text[64];
	if (write_map(pid, "setgroups", "deny", err) < 0)
		return -1;
	snprintf(text, sizeof(text), "%u %u 1\n", spec->gid, getegid());
	if (write_map(pid, "gid_map", text, err) < 0)
		return -1;
	snprintf(text, sizeof(text), "%u %u 1\n", spec->uid, geteuid());
	return write_map(pid, "uid_map", text, err);
}
