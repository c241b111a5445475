/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a spec to the ordered operations that set it up, as data: made without
 * privilege, printed and tested anywhere, executed by apply.c. Pure: it looks at
 * nothing but the spec and its host facts.
 */
#ifndef SANDBOX_PLAN_H
#define SANDBOX_PLAN_H

#include "sandbox.h"

enum plan_kind {
	/* with namespaces */
	PLAN_PRIVATE,      /* no mount of ours reaches the machine                             */
	PLAN_SCRATCH,      /* a tmpfs under the new root for given files and mount points      */
	PLAN_OVERLAY,      /* the new root: overlay of lowers [+ upper]                        */
	PLAN_ROOT_BIND,    /* the new root: a folder                                           */
	PLAN_PROC,         /* a new proc, or the machine's when that is refused                */
	PLAN_SYS,          /* a new sysfs, or the machine's, read-only                         */
	PLAN_DEVPTS,
	PLAN_TMPFS,        /* size, mode                                                       */
	PLAN_BIND,         /* source -> target                                                 */
	PLAN_BIND_DISCARD, /* source under an overlay whose upper lies in `text`               */
	PLAN_CONTENT,      /* the bytes of `file` at target                                    */
	PLAN_MASK,         /* hides a file or folder if it is there                            */
	PLAN_READ_ONLY,    /* makes a mount below read-only if it is there; "/" the root       */
	PLAN_PIVOT,        /* enters the new root and forgets the old one                      */
	PLAN_HOSTNAME,
	PLAN_LOOPBACK,     /* brings lo up                                                     */
	/* in both */
	PLAN_DIR,          /* a folder if missing, taken away at the end                       */
	PLAN_SYMLINK,      /* target -> text                                                   */
	/* without mounts */
	PLAN_NODE,         /* a device node                                                    */
	PLAN_COPY_IN,      /* a copy of source at target; what was there comes back at the end */
	PLAN_MOVE_IN,      /* source itself at target while it runs                            */
	PLAN_LINK_IN,      /* a link to `text`, where the source is already, while it runs     */
	PLAN_FRESH_DIR,    /* an empty folder at target while it runs                          */
	PLAN_WRITE,        /* the bytes of `file` at target while it runs                      */
	PLAN_CHROOT,
};

enum {
	PLAN_WRITABLE = 1,  /* of a bind                              */
	PLAN_OPTIONAL = 2,  /* a failure is no failure                */
	PLAN_DEVICE = 4,    /* a bind that must allow devices         */
	PLAN_USERXATTR = 8, /* overlay marks of user.overlay.*        */
	PLAN_VOLATILE = 16, /* overlay without syncing                */
	PLAN_NOEXEC = 32,
};

struct plan_op {
	enum plan_kind kind;
	unsigned flags;
	const char *source; /* outside; opened before anything is hidden */
	const char *target; /* inside                                    */
	const char *text;
	uint64_t size;      /* tmpfs: bytes; node: device number         */
	mode_t mode;
	const struct sandbox_file *file;
};

enum plan_ids {
	PLAN_IDS_HOST,   /* no user namespace                 */
	PLAN_IDS_SINGLE, /* the wanted uid and gid are the caller's */
	PLAN_IDS_RANGE,  /* 0 is the caller, the others subordinate; or all as root */
};

struct plan {
	int namespaces;       /* CLONE_NEW… */
	enum plan_ids ids;
	bool pid_namespace;   /* its end is the end of all */
	bool set_ids;         /* setgroups, setgid, setuid before exec */
	bool filter_fakes;    /* the seccomp filter lets chown & co. succeed */
	bool filter;          /* a seccomp filter at all */
	bool rehearsal;       /* all but the exec: what a probe does */
	const char *mount_point; /* outside: where the new root is mounted; NULL without mounts */
	struct plan_op *ops;
	size_t n_ops, cap_ops;
};

/** Makes the plan; refuses what the rung cannot do. plan_clear frees; the spec must outlive it. */
int plan_make(const struct sandbox_spec *spec, struct plan *ret, struct rn_error *err);
void plan_clear(struct plan *p);
/** One line an operation; new string. */
char *plan_print(const struct sandbox_spec *spec, const struct plan *p);

#endif
