/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes of this process what a locked-down container gives: lockdown COMMAND...
 * runs COMMAND with the capabilities of a default container (no CAP_SYS_ADMIN) and a
 * seccomp filter that refuses unshare, namespaces by clone, mount and its kin.
 * lockdown --old-kernel COMMAND...
 * runs COMMAND without the system calls that came after Linux 5.0, nothing else.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const int KEPT[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_SETGID, CAP_SETUID,
			    CAP_SETPCAP, CAP_NET_BIND_SERVICE, CAP_NET_RAW, CAP_SYS_CHROOT, CAP_MKNOD, CAP_AUDIT_WRITE,
			    CAP_SETFCAP };

static const char *const REFUSED[] = { "unshare", "mount",   "umount2",  "pivot_root", "setns",      "open_tree",
				       "fsopen",  "fsmount", "fspick", "move_mount", "mount_setattr" };

static const char *const NEW[] = { "pidfd_send_signal", "io_uring_setup", "open_tree",	 "move_mount",		    "fsopen",	      "fsconfig",
				   "fsmount",		"fspick",	  "pidfd_open",	 "clone3",		    "close_range",    "openat2",
				   "pidfd_getfd",	"faccessat2",	  "epoll_pwait2", "landlock_create_ruleset", "mount_setattr", "fchmodat2" };

static int filter_new(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = ctx ? 0 : -1;
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	for (size_t i = 0; rc == 0 && i < sizeof(NEW) / sizeof(*NEW); i++) {
		int number = seccomp_syscall_resolve_name(NEW[i]);
		if (number != __NR_SCMP_ERROR) /* newer than this libseccomp */
			rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), number, 0);
	}
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}

static int filter(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = ctx ? 0 : -1;
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	for (size_t i = 0; rc == 0 && i < sizeof(REFUSED) / sizeof(*REFUSED); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), seccomp_syscall_resolve_name(REFUSED[i]), 0);
	const unsigned long long spaces[] = { CLONE_NEWNS,  CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET,
					      CLONE_NEWIPC, CLONE_NEWUTS };
	for (size_t i = 0; rc == 0 && i < sizeof(spaces) / sizeof(*spaces); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				      SCMP_A0(SCMP_CMP_MASKED_EQ, spaces[i], spaces[i]));
	if (rc == 0) /* its flags lie in memory: libc falls back to clone */
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}

int main(int argc, char **argv)
{
	bool old = argc > 1 && strcmp(argv[1], "--old-kernel") == 0;
	argv += old;
	if (argc < (old ? 3 : 2) || (old ? filter_new() : filter()) < 0) {
		fprintf(stderr, "lockdown: cannot\n");
		return 125;
	}
	unsigned long long kept = old ? ~0ull : 0;
	for (size_t i = 0; i < sizeof(KEPT) / sizeof(*KEPT); i++)
		kept |= 1ull << KEPT[i];
	for (int c = 0; c < 64; c++)
		if (!(kept >> c & 1))
			prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 125;
}
