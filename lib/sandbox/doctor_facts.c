/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor_facts.h"

#include "process.h"

#include "base/fs.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static void add(cJSON *list, const char *name, const char *value, const char *cure)
{
	cJSON *o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "name", name);
	cJSON_AddStringToObject(o, "value", value);
	if (cure)
		cJSON_AddStringToObject(o, "cure", cure);
	cJSON_AddItemToArray(list, o);
}

/* A setting below /proc/sys; those that this kernel does not have are left out. */
static void add_setting(cJSON *list, const char *name, const char *bad, const char *cure)
{
	RN_AUTO(rn_freep) char *path = rn_replace(name, ".", "/");
	RN_AUTO(rn_freep) char *full = rn_asprintf("/proc/sys/%s", path);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	if (rn_read_file(full, 4096, &b, NULL) < 0 || b.len == 0)
		return;
	const char *value = rn_trim(b.p);
	add(list, name, value, rn_streq(value, bad) ? cure : NULL);
}

/* The value of a line of /proc/self/status; new string or NULL. */
static char *status_line(const char *name)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	RN_AUTO(rn_freep) char *start = rn_asprintf("\n%s:", name);
	if (rn_read_file("/proc/self/status", 65536, &b, NULL) < 0)
		return NULL;
	const char *at = strstr(rn_buf_str(&b), start);
	if (!at)
		return NULL;
	at += strlen(start);
	RN_AUTO(rn_freep) char *value = rn_strndup(at, strcspn(at, "\n"));
	return rn_strdup(rn_trim(value));
}

static void add_container(cJSON *list)
{
	RN_AUTO(rn_freep) char *seccomp = status_line("Seccomp");
	RN_AUTO(rn_freep) char *no_new = status_line("NoNewPrivs");
	bool filtered = rn_streq(seccomp, "2"), stopped = rn_streq(no_new, "1");
	add(list, "seccomp filter of a container", filtered ? "yes" : "no",
	    filtered ? "if it refuses unshare or mount: Kubernetes securityContext.seccompProfile.type: Unconfined; docker run "
		       "--security-opt seccomp=unconfined; GitLab runner [runners.docker] security_opt = [\"seccomp:unconfined\"]" :
		       NULL);
	add(list, "no_new_privs", stopped ? "yes" : "no",
	    stopped ? "newuidmap has no effect with it: Kubernetes securityContext.allowPrivilegeEscalation: true" : NULL);
	bool admin = caps_have(21 /* CAP_SYS_ADMIN */);
	if (geteuid() == 0)
		add(list, "CAP_SYS_ADMIN", admin ? "yes" : "no",
		    admin ? NULL : "Kubernetes securityContext.capabilities.add: [SYS_ADMIN] or privileged: true; docker run --cap-add SYS_ADMIN; "
				   "GitLab runner privileged = true, or a plain user with user namespaces");
}

static void add_ids(cJSON *list)
{
	struct rn_error err = { 0 };
	char text[32];
	uint64_t n = idmap_count(&err);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	if (geteuid() != 0)
		add(list, "ids of this user (/etc/subuid, /etc/subgid)", text,
		    n > 1 ? NULL : "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER");
}

cJSON *doctor_facts(void)
{
	cJSON *list = cJSON_CreateArray();
	struct statvfs fs;
	char size[32];
	add_setting(list, "user.max_user_namespaces", "0", "as root: sysctl -w user.max_user_namespaces=28633 (for ever: a file in /etc/sysctl.d)");
	add_setting(list, "kernel.apparmor_restrict_unprivileged_userns", "1",
		    "as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with `userns,` for runner-sandbox");
	add_setting(list, "kernel.unprivileged_userns_clone", "0", "as root: sysctl -w kernel.unprivileged_userns_clone=1");
	add_container(list);
	add_ids(list);
	if (statvfs("/dev/shm", &fs) == 0)
		add(list, "/dev/shm", rn_format_size((uint64_t)fs.f_blocks * fs.f_frsize, size, sizeof(size)), NULL);
	return list;
}
