/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin_trust.h"

#include "base/fs.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The group is the user's own: the one that user-private-group systems give each user. */
static bool own_group(gid_t gid)
{
	if (gid == 0)
		return true;
	if (gid != getegid())
		return false;
	struct group *g = getgrgid(gid);
	struct passwd *p = getpwuid(geteuid());
	return g && p && rn_streq(g->gr_name, p->pw_name) && (!g->gr_mem || !g->gr_mem[0]);
}

/* Whoever owns the running program can replace it anyway. */
static bool trusted_owner(uid_t uid)
{
	struct stat self;
	return uid == 0 || uid == geteuid() || (stat("/proc/self/exe", &self) == 0 && self.st_uid == uid);
}

static int check_writers(const char *path, const char *what, bool ancestor, struct rn_error *err)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return rn_fail(err, RN_EIO, "%s: %m", path);
	bool sticky = ancestor && (st.st_mode & S_ISVTX);
	if ((st.st_mode & S_IWOTH) && !sticky) {
		rn_fail(err, RN_EAUTH, "%s %s is refused: every user of this machine can write it (mode %04o)", what, path,
			st.st_mode & 07777);
		return rn_hint(err, "chmod o-w %s", path);
	}
	if ((st.st_mode & S_IWGRP) && !sticky && !own_group(st.st_gid)) {
		rn_fail(err, RN_EAUTH, "%s %s is refused: the group %u can write it (mode %04o)", what, path,
			(unsigned)st.st_gid, st.st_mode & 07777);
		return rn_hint(err, "chmod g-w %s", path);
	}
	if (!ancestor && !trusted_owner(st.st_uid)) {
		rn_fail(err, RN_EAUTH, "%s %s is refused: it belongs to user %u, and you are %u", what, path,
			(unsigned)st.st_uid, (unsigned)geteuid());
		return rn_hint(err, "run as its owner, or chown it to you or to root");
	}
	return 0;
}

/* The folder and every one above it. */
static int check_folders(const char *path, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *dir = rn_strdup(path);
	if (check_writers(dir, "plugin folder", false, err) < 0)
		return -1;
	while (!rn_streq(dir, "/") && !rn_streq(dir, ".")) {
		char *up = rn_path_dir(dir);
		free(dir);
		dir = up;
		if (check_writers(dir, "folder of plugins", true, err) < 0)
			return -1;
	}
	return 0;
}

int plugin_check_folder(const char *path, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *real = realpath(path, NULL);
	if (!real)
		return rn_fail(err, RN_EIO, "%s: %m", path);
	if (check_folders(real, err) < 0)
		return -1;
	return rn_streq(real, path) ? 0 : check_folders(path, err);
}

int plugin_check_file(const char *path, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *real = realpath(path, NULL);
	if (!real)
		return rn_fail(err, RN_EIO, "%s: %m", path);
	struct stat st;
	if (stat(real, &st) < 0 || !S_ISREG(st.st_mode))
		return rn_fail(err, RN_EUNSUPPORTED, "%s is not a plugin: it is no regular file", path);
	if (check_writers(real, "plugin", false, err) < 0)
		return -1;
	RN_AUTO(rn_freep) char *there = rn_path_dir(real);
	RN_AUTO(rn_freep) char *here = rn_path_dir(path);
	if (check_folders(there, err) < 0)
		return -1;
	return rn_streq(there, here) ? 0 : check_folders(here, err);
}
