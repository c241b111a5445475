/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts. Sources and targets are descriptors, named as /proc/self/fd/N: a path
 * inside the new root is resolved as in that root, so no link leads outside.
 */
#include "apply.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/mount.h and sys/mount.h of some libc versions exclude each other */
struct attributes {
	uint64_t set, clear, propagation, userns;
};
enum { ATTR_RDONLY = 1, ATTR_NOSUID = 2, ATTR_NODEV = 4, ATTR_NOEXEC = 8 };
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

struct fd_path {
	char s[32];
};

static struct fd_path fd_path(int fd)
{
	struct fd_path p;
	snprintf(p.s, sizeof(p.s), "/proc/self/fd/%d", fd);
	return p;
}

int mount_private(struct rn_error *err)
{
	/* slave, not private: what the machine unmounts goes away here too */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return rn_fail(err, RN_EIO, "detach the mounts from the machine's: %m");
	return 0;
}

static int open_target(struct apply *a, const char *target, struct rn_error *err)
{
	int fd = rn_open_in_root(a->root, target, O_PATH, 0);
	if (fd < 0)
		return rn_fail(err, RN_EIO, "open mount point %s: %m", target);
	return fd;
}

/* `fd`: the mount point. */
static void undo_mount(struct apply *a, int fd, const char *target)
{
	RN_AUTO(rn_freep) char *real = target_path(a->root, fd);
	undo_add(a, UNDO_UNMOUNT, real ? real : target, NULL);
}

int mount_at(struct apply *a, const char *target, const char *type, unsigned long flags, const char *data,
	     struct rn_error *err)
{
	RN_AUTO(rn_closep) int fd = open_target(a, target, err);
	if (fd < 0)
		return -1;
	if (mount(type, fd_path(fd).s, type, flags, data) < 0)
		return errno == ENOTDIR ? target_other_kind(target, true, err) : rn_fail(err, RN_EIO, "mount %s at %s: %m", type, target);
	undo_mount(a, fd, target);
	return 0;
}

int mount_bind(struct apply *a, int source, const char *target, struct rn_error *err)
{
	RN_AUTO(rn_closep) int fd = open_target(a, target, err);
	if (fd < 0)
		return -1;
	struct stat st;
	if (mount(fd_path(source).s, fd_path(fd).s, NULL, MS_BIND | MS_REC, NULL) < 0)
		return errno == ENOTDIR && fstat(fd, &st) == 0 ? target_other_kind(target, !S_ISDIR(st.st_mode), err) :
								 rn_fail(err, RN_EIO, "bind at %s: %m", target);
	undo_mount(a, fd, target);
	return 0;
}

/* What a mount has already must stay when it is remounted: in a user namespace it is locked. */
static unsigned long locked_flags(int fd)
{
	static const struct {
		unsigned long have, keep;
	} MAP[] = {
		{ ST_RDONLY, MS_RDONLY },     { ST_NOSUID, MS_NOSUID },       { ST_NODEV, MS_NODEV },
		{ ST_NOEXEC, MS_NOEXEC },     { ST_NOATIME, MS_NOATIME },     { ST_NODIRATIME, MS_NODIRATIME },
		{ ST_RELATIME, MS_RELATIME },
	};
	struct statvfs v;
	unsigned long flags = 0;
	if (fstatvfs(fd, &v) == 0)
		for (size_t i = 0; i < RN_LEN(MAP); i++)
			if (v.f_flag & MAP[i].have)
				flags |= MAP[i].keep;
	return flags;
}

int mount_restrict(struct apply *a, const char *target, unsigned long flags, bool recursive, struct rn_error *err)
{
	RN_AUTO(rn_closep) int fd = open_target(a, target, err);
	if (fd < 0)
		return -1;
	struct attributes at = {
		.set = (flags & MS_RDONLY ? ATTR_RDONLY : 0u) | (flags & MS_NOSUID ? ATTR_NOSUID : 0u) |
		       (flags & MS_NODEV ? ATTR_NODEV : 0u) | (flags & MS_NOEXEC ? ATTR_NOEXEC : 0u),
	};
	unsigned how = AT_EMPTY_PATH | (recursive ? 0x8000u /* AT_RECURSIVE */ : 0u);
	if (syscall(SYS_mount_setattr, fd, "", how, &at, sizeof(at)) == 0)
		return 0;
	/* before Linux 5.12: this mount alone */
	if (mount(NULL, fd_path(fd).s, NULL, MS_REMOUNT | MS_BIND | flags | locked_flags(fd), NULL) < 0)
		return rn_fail(err, RN_EIO, "restrict the mount at %s: %m", target);
	return 0;
}

int mount_proc(struct apply *a, const struct plan_op *op, int source, struct rn_error *err)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	if (mount_at(a, op->target, "proc", flags, NULL, err) == 0)
		return 0;
	/* a container that masks parts of its /proc may not mount a new one: the machine's it is */
	if (source < 0)
		return -1;
	if (mount_bind(a, source, op->target, err) < 0)
		return -1;
	return mount_restrict(a, op->target, flags, false, err);
}

int mount_sys(struct apply *a, const struct plan_op *op, int source, struct rn_error *err)
{
	const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	if (mount_at(a, op->target, "sysfs", flags, NULL, err) == 0)
		return 0;
	/* sysfs belongs to the network namespace; with the machine's network it is the machine's */
	if (source < 0 || mount_bind(a, source, op->target, err) < 0)
		return -1;
	return mount_restrict(a, op->target, flags, true, err);
}

int mount_mask(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	RN_AUTO(rn_closep) int fd = rn_open_in_root(a->root, op->target, O_PATH, 0);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		return mount_at(a, op->target, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0,mode=0555",
				err);
	RN_AUTO(rn_closep) int null = open("/dev/null", O_PATH | O_CLOEXEC);
	return mount_bind(a, null, op->target, err);
}

int mount_pivot(struct apply *a, struct rn_error *err)
{
	if (fchdir(a->root) < 0)
		return rn_fail(err, RN_EIO, "enter the new root: %m");
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		/* the old root is now mounted over the new one, at "." */
		if (umount2(".", MNT_DETACH) < 0)
			return rn_fail(err, RN_EIO, "forget the old root: %m");
	} else if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0) {
		/* EINVAL: the old root is the initial ramdisk, which cannot be pivoted away */
		return rn_fail(err, RN_EIO, "pivot_root: %m");
	}
	if (chdir("/") < 0)
		return rn_fail(err, RN_EIO, "enter the new root: %m");
	a->inside = true;
	return 0;
}

void mount_undo(struct apply *a, const char *target)
{
	if (a->inside) {
		umount2(target, MNT_DETACH);
		return;
	}
	RN_AUTO(rn_closep) int fd = rn_open_in_root(a->root, target, O_PATH, 0);
	if (fd >= 0)
		umount2(fd_path(fd).s, MNT_DETACH);
}

int network_loopback(struct rn_error *err)
{
	RN_AUTO(rn_closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = { .ifr_name = "lo" };
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &r) < 0)
		return rn_fail(err, RN_EIO, "look at the loopback interface: %m");
	r.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &r) < 0)
		return rn_fail(err, RN_EIO, "bring up the loopback interface: %m");
	return 0;
}
