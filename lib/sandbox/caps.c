/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What container engines leave to root in a container. */
static const unsigned char USUAL[] = {
	CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP,
	CAP_NET_BIND_SERVICE, CAP_NET_RAW, CAP_SYS_CHROOT, CAP_MKNOD, CAP_AUDIT_WRITE, CAP_SETFCAP,
};

static uint64_t usual(void)
{
	uint64_t set = 0;
	for (size_t i = 0; i < sizeof(USUAL); i++)
		set |= (uint64_t)1 << USUAL[i];
	return set;
}

static int get(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	return (int)syscall(SYS_capget, &h, data);
}

bool caps_have(int capability)
{
	struct __user_cap_data_struct d[2] = { { 0 } };
	return get(d) == 0 && (d[capability >> 5].effective >> (capability & 31) & 1);
}

int caps_bound(bool keep, struct rn_error *err)
{
	uint64_t kept = keep ? usual() : 0;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int c = 0; c < 64; c++) {
		if (kept >> c & 1 || prctl(PR_CAPBSET_READ, c, 0, 0, 0) != 1)
			continue;
		/* without CAP_SETPCAP (a locked-down container) the set is small already */
		if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0 && errno != EPERM)
			return rn_fail(err, RN_EIO, "drop capability %d: %m", c);
	}
	return 0;
}

static int set(struct __user_cap_data_struct d[2], struct rn_error *err)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	if (syscall(SYS_capset, &h, d) < 0)
		return rn_fail(err, RN_EIO, "set the capabilities: %m");
	return 0;
}

int caps_raise(struct rn_error *err)
{
	struct __user_cap_data_struct d[2] = { { 0 } };
	if (get(d) < 0)
		return rn_fail(err, RN_EIO, "read the capabilities: %m");
	for (int i = 0; i < 2; i++)
		d[i].effective = d[i].permitted;
	return set(d, err);
}

int caps_set(bool keep, struct rn_error *err)
{
	struct __user_cap_data_struct d[2] = { { 0 } };
	uint64_t kept = keep ? usual() : 0;
	if (get(d) < 0)
		return rn_fail(err, RN_EIO, "read the capabilities: %m");
	for (int i = 0; i < 2; i++) {
		d[i].permitted &= (uint32_t)(kept >> (32 * i));
		d[i].effective = d[i].permitted;
		d[i].inheritable = 0;
	}
	return set(d, err);
}
