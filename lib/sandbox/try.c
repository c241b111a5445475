/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the best rung by rehearsing a sandbox on each, from the best down, and says
 * of every failure what would cure it.
 */
#include "process.h"

#include "base/fs.h"
#include "base/json.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

struct trial {
	char *dir; /* of our own, with lower, upper, work and root in it */
	struct sandbox_host host;
	cJSON *checks;
};

static void note(struct trial *t, const char *name, bool ok, const char *detail, const char *cure)
{
	cJSON *c = cJSON_CreateObject();
	cJSON_AddStringToObject(c, "name", name);
	cJSON_AddBoolToObject(c, "ok", ok);
	cJSON_AddStringToObject(c, "detail", detail);
	if (cure)
		cJSON_AddStringToObject(c, "cure", cure);
	cJSON_AddItemToArray(t->checks, c);
}

static long setting(const char *path, long otherwise)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	return rn_read_file(path, 4096, &b, NULL) < 0 ? otherwise : strtol(rn_buf_str(&b), NULL, 10);
}

/* True when a filter of somebody else (a container engine) is on us. */
static bool filtered(void)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	if (rn_read_file("/proc/self/status", 65536, &b, NULL) < 0)
		return false;
	const char *p = strstr(rn_buf_str(&b), "\nSeccomp:");
	return p && strtol(p + strlen("\nSeccomp:"), NULL, 10) == 2;
}

static const char *namespace_cure(void)
{
	if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) == 1)
		return "AppArmor forbids user namespaces to plain users: as root, "
		       "`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu 24.04 and later), or an AppArmor "
		       "profile with `userns,` for runner-sandbox";
	if (setting("/proc/sys/user/max_user_namespaces", 1) == 0)
		return "no user namespaces are allowed: as root, `sysctl -w user.max_user_namespaces=28633`";
	if (setting("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0)
		return "user namespaces are off for plain users: as root, `sysctl -w kernel.unprivileged_userns_clone=1`";
	if (filtered())
		return "the container's seccomp profile forbids it. docker run: --security-opt seccomp=unconfined "
		       "--security-opt apparmor=unconfined; Kubernetes: securityContext.seccompProfile.type: Unconfined; GitLab "
		       "runner: security_opt = [\"seccomp:unconfined\", \"apparmor:unconfined\"] under [runners.docker]";
	return "the machine forbids it: it must allow unshare and mount (as root: CAP_SYS_ADMIN; Kubernetes: "
	       "securityContext.capabilities.add: [SYS_ADMIN] or privileged: true; GitLab runner: privileged = true)";
}

static const char *overlay_cure(const char *dir)
{
	struct statfs fs;
	if (statfs(dir, &fs) < 0)
		return "see the kernel's log";
	if ((unsigned long)fs.f_type == 0x794c7630ul)
		return "this folder lies on an overlay itself: put the cache (XDG_CACHE_HOME) and the working folder on a "
		       "volume or a tmpfs";
	if ((unsigned long)fs.f_type == 0x6969ul)
		return "NFS cannot hold an overlay's upper folder: put the cache (XDG_CACHE_HOME) and the working folder on a "
		       "local disk";
	return "overlays in a user namespace need Linux 5.11 or later";
}

static void reset(struct trial *t)
{
	static const char *const PARTS[] = { "lower", "upper", "work", "root" };
	for (size_t i = 0; i < RN_LEN(PARTS); i++) {
		RN_AUTO(rn_freep) char *path = rn_path_join(t->dir, PARTS[i]);
		rn_remove_tree(path, NULL);
		rn_mkdirs(path, 0755, NULL);
	}
}

static int rehearse(struct trial *t, bool overlay, bool userxattr, bool net_none, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *lower = rn_path_join(t->dir, "lower");
	RN_AUTO(rn_freep) char *upper = rn_path_join(t->dir, "upper");
	RN_AUTO(rn_freep) char *work = rn_path_join(t->dir, "work");
	RN_AUTO(rn_freep) char *root = rn_path_join(t->dir, "root");
	const char *lowers[] = { lower, NULL }, *argv[] = { "/program", NULL }, *env[] = { NULL };
	struct sandbox_host host = t->host;
	host.overlay = overlay;
	host.userxattr = userxattr;
	host.net_none = net_none;
	host.cgroup = false;
	struct sandbox_spec s = SANDBOX_SPEC_INIT;
	s.host = &host;
	s.argv = argv;
	s.env = env;
	s.keep_caps = true;
	s.network = net_none ? SANDBOX_NET_NONE : SANDBOX_NET_HOST;
	if (overlay) {
		s.lowers = lowers;
		s.n_lowers = 1;
		s.upper = upper;
		s.work = work;
	} else {
		s.rootfs = root;
	}
	struct sandbox_status status;
	reset(t);
	rn_error_clear(err);
	if (helper_run(&s, -1, true, &status, err) < 0)
		return -1;
	if (status.code)
		return rn_fail(err, RN_EIO, "its init was killed by signal %d", status.signal);
	t->host.overlay = overlay;
	t->host.userxattr = userxattr;
	t->host.net_none = net_none;
	return 0;
}

/* The best this rung gives: overlay and network none, then without one, then without both. */
static int try_features(struct trial *t, struct rn_error *err)
{
	bool user = t->host.rung != SANDBOX_ROOT;
	struct rn_error first = { 0 };
	for (int net = 1; net >= 0; net--) {
		if (rehearse(t, true, user, net, err) == 0)
			return 0;
		if (err->code == RN_EAUTH && net == 1 && strstr(err->msg, "namespaces") == NULL)
			return -1;
		if (!first.code)
			first = *err;
		/* root of a container that is a user namespace itself */
		if (!user && rehearse(t, true, true, net, err) == 0)
			return 0;
	}
	for (int net = 1; net >= 0; net--)
		if (rehearse(t, false, user, net, err) == 0) {
			note(t, "overlay", false, first.msg, overlay_cure(t->dir));
			return 0;
		}
	*err = first;
	return -1;
}

static bool newuidmap_there(void)
{
	return access("/usr/bin/newuidmap", X_OK) == 0 || access("/bin/newuidmap", X_OK) == 0 ||
	       access("/usr/sbin/newuidmap", X_OK) == 0;
}

/* Before trying: what is known to be missing. NULL when nothing. */
static const char *missing(const struct trial *t, enum sandbox_rung rung, const char **cure, struct rn_error *err)
{
	*cure = NULL;
	(void)t;
	bool root = geteuid() == 0;
	if (rung == SANDBOX_ROOT)
		return root ? NULL : "not root";
	if (rung == SANDBOX_CHROOT)
		return root ? NULL : "not root";
	if (rung != SANDBOX_MAPPED)
		return NULL;
	if (!idmap_count(err)) {
		*cure = "as root, `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`: programs that switch "
			"users (package managers, databases) need more than one id";
		return err->msg;
	}
	if (!root && !newuidmap_there()) {
		*cure = "install newuidmap and newgidmap (Debian, Ubuntu: uidmap; Fedora: shadow-utils; Alpine: shadow-uidmap)";
		return "newuidmap is not installed";
	}
	return NULL;
}

static const char *rung_cure(enum sandbox_rung rung, const struct rn_error *err)
{
	if (rung == SANDBOX_MAPPED && strstr(err->msg, "newuidmap"))
		return "newuidmap must be set-user-id root on a file system that is not mounted nosuid, and the process must not "
		       "have no_new_privs (Kubernetes: allowPrivilegeEscalation: true)";
	if (rung == SANDBOX_CHROOT)
		return "a sandbox without namespaces needs root with CAP_SYS_CHROOT, CAP_SETUID and CAP_SETGID (the default of "
		       "container engines)";
	return namespace_cure();
}

static bool try_rung(struct trial *t, enum sandbox_rung rung)
{
	struct rn_error err = { 0 };
	const char *cure, *lacks = missing(t, rung, &cure, &err);
	if (lacks) {
		note(t, sandbox_rung_text(rung), false, lacks, cure);
		return false;
	}
	t->host = (struct sandbox_host){ .rung = rung };
	t->host.ids = rung == SANDBOX_SINGLE_ID ? 1 : rung == SANDBOX_MAPPED ? idmap_count(&err) : UINT32_MAX;
	int rc = rung == SANDBOX_CHROOT ? rehearse(t, false, false, false, &err) : try_features(t, &err);
	note(t, sandbox_rung_text(rung), rc == 0, rc == 0 ? "works" : err.msg, rc == 0 ? NULL : rung_cure(rung, &err));
	return rc == 0;
}

static void try_extras(struct trial *t)
{
	struct sandbox_host *h = &t->host;
	struct rn_error err = { 0 };
	if (h->rung == SANDBOX_NONE)
		return;
	if (h->overlay)
		note(t, "overlay", true, h->userxattr ? "native, in a user namespace" : "native", NULL);
	else if (h->rung == SANDBOX_CHROOT)
		note(t, "overlay", false, "no mounts: layers are unpacked into plain folders", NULL);
	note(t, "network namespace", h->net_none, h->net_none ? "a sandbox can be cut off the network" : "not allowed",
	     h->net_none ? NULL : namespace_cure());
	struct cgroup g;
	h->cgroup = cgroup_make((uint64_t)64 << 20, 64, &g, &err) == 0;
	if (h->cgroup)
		cgroup_end(&g);
	note(t, "control groups", h->cgroup, h->cgroup ? "limits hold for a sandbox as a whole" : err.msg,
	     h->cgroup ? NULL : "limits hold for each process alone; for the whole, delegate a cgroup (systemd: Delegate=yes)");
}

/* Why not the one above: the first failed rung that has a cure. Where nothing works it is the last: it asks for least. */
static const cJSON *better(const struct trial *t)
{
	const cJSON *c, *found = NULL;
	cJSON_ArrayForEach(c, t->checks)
		if (!rn_json_bool(c, "ok", false) && rn_json_str(c, "cure") && (!found || t->host.rung == SANDBOX_NONE))
			found = c;
	return found;
}

static cJSON *result(struct trial *t)
{
	const struct sandbox_host *h = &t->host;
	cJSON *j = cJSON_CreateObject();
	cJSON_AddNumberToObject(j, "rung", h->rung);
	cJSON_AddBoolToObject(j, "overlay", h->overlay);
	cJSON_AddBoolToObject(j, "userxattr", h->userxattr);
	cJSON_AddBoolToObject(j, "net_none", h->net_none);
	cJSON_AddBoolToObject(j, "cgroup", h->cgroup);
	cJSON_AddNumberToObject(j, "ids", (double)h->ids);
	const cJSON *why = h->rung == SANDBOX_ROOT || (h->rung == SANDBOX_MAPPED && geteuid() != 0) ? NULL : better(t);
	RN_AUTO(rn_freep) char *line =
		why ? rn_asprintf("%s (no %s: %s)", sandbox_rung_text(h->rung), rn_json_str(why, "name"),
				  rn_json_str(why, "detail"))
		    : rn_strdup(sandbox_rung_text(h->rung));
	cJSON_AddStringToObject(j, "summary", line);
	if (why)
		cJSON_AddStringToObject(j, "cure", rn_json_str(why, "cure"));
	cJSON_AddItemToObject(j, "checks", t->checks);
	return j;
}

int try_all(const char *dir, enum sandbox_rung best, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *absolute = rn_path_abs(NULL, dir);
	if (rn_mkdirs(absolute, 0755, err) < 0)
		return -1;
	struct trial t = { .dir = rn_temp_dir(absolute, ".probe-", err), .checks = cJSON_CreateArray() };
	if (!t.dir)
		return -1;
	/* the root of a mapped namespace must be able to look in */
	for (int rung = (int)best; rung > SANDBOX_NONE; rung--)
		if (try_rung(&t, (enum sandbox_rung)rung))
			break;
		else
			t.host = (struct sandbox_host){ .rung = SANDBOX_NONE };
	try_extras(&t);
	RN_AUTO(rn_json_freep) cJSON *j = result(&t);
	RN_AUTO(rn_freep) char *text = rn_json_print(j);
	rn_remove_tree(t.dir, NULL);
	free(t.dir);
	return rn_write_full(1, text, strlen(text)) < 0 ? rn_fail(err, RN_EIO, "write the result: %m") : 0;
}
