/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp filter. Not a wall of its own (see SECURITY.md): it takes away calls that
 * change the machine or are known for kernel holes, and, where one id exists, lets
 * package managers believe that they changed owners.
 */
#include "process.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/stat.h>

static const char *const REFUSED[] = {
	"acct", "add_key", "bpf", "clock_settime", "delete_module", "finit_module", "init_module", "ioperm", "iopl",
	"kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "nfsservctl", "open_by_handle_at",
	"perf_event_open", "quotactl", "quotactl_fd", "reboot", "request_key", "settimeofday", "stime", "swapoff",
	"swapon", "userfaultfd", "vhangup",
};

static const char *const FAKED[] = {
	"chown", "chown32", "fchown", "fchown32", "fchownat", "lchown", "lchown32", "setfsgid", "setfsgid32",
	"setfsuid", "setfsuid32", "setgid", "setgid32", "setgroups", "setgroups32", "setregid", "setregid32",
	"setresgid", "setresgid32", "setresuid", "setresuid32", "setreuid", "setreuid32", "setuid", "setuid32",
};

static int add_all(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);
		if (nr == __NR_SCMP_ERROR)
			continue; /* older libseccomp */
		int rc = seccomp_rule_add(ctx, action, nr, 0);
		if (rc < 0 && rc != -EDOM) /* EDOM: no such call on this architecture */
			return rc;
	}
	return 0;
}

/* Device nodes cannot be made; pipes and sockets can. */
static int add_mknod(scmp_filter_ctx ctx)
{
	static const uint64_t KINDS[] = { S_IFCHR, S_IFBLK };
	for (size_t i = 0; i < 2; i++) {
		int rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(0), SCMP_SYS(mknodat), 1,
					  SCMP_A2(SCMP_CMP_MASKED_EQ, S_IFMT, KINDS[i]));
		if (rc < 0)
			return rc;
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(0), SCMP_SYS(mknod), 1,
				      SCMP_A1(SCMP_CMP_MASKED_EQ, S_IFMT, KINDS[i]));
		if (rc < 0 && rc != -EDOM)
			return rc;
	}
	return 0;
}

/* 32-bit programs of the same machine see the same filter; any other ABI is let through. */
static void add_architectures(scmp_filter_ctx ctx)
{
	seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
#if defined(__x86_64__)
	seccomp_arch_add(ctx, SCMP_ARCH_X86);
	seccomp_arch_add(ctx, SCMP_ARCH_X32);
#elif defined(__aarch64__)
	seccomp_arch_add(ctx, SCMP_ARCH_ARM);
#endif
}

int filter_load(bool fakes, struct rn_error *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (!ctx)
		return rn_fail(err, RN_EIO, "make the seccomp filter");
	add_architectures(ctx);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0); /* set-user-id programs of RUN keep working */
	int rc = add_all(ctx, SCMP_ACT_ERRNO(EPERM), REFUSED, RN_LEN(REFUSED));
	if (rc == 0 && fakes)
		rc = add_all(ctx, SCMP_ACT_ERRNO(0), FAKED, RN_LEN(FAKED));
	if (rc == 0 && fakes)
		rc = add_mknod(ctx);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	if (rc < 0) {
		errno = -rc;
		return rn_fail(err, RN_EIO, "load the seccomp filter: %m");
	}
	return 0;
}
