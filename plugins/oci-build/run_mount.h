/* SPDX-License-Identifier: Apache-2.0 */
/* RUN --mount: from its text (comma-separated options, as CSV) to checked values. Does no mounting. */
#ifndef RUN_MOUNT_H
#define RUN_MOUNT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum mount_type {
	MOUNT_BIND,
	MOUNT_CACHE,
	MOUNT_TMPFS,
	MOUNT_SECRET,
	MOUNT_SSH,
};

enum mount_sharing {
	MOUNT_SHARED,  /* several at a time        */
	MOUNT_PRIVATE, /* a second one gets another folder */
	MOUNT_LOCKED,  /* a second one waits       */
};

struct run_mount {
	enum mount_type type;
	char *target;           /* absolute or relative to WORKDIR; NULL: none (secret with env alone) */
	char *source;           /* path in `from`; NULL: its root                                       */
	char *from;             /* stage, image or named context; NULL: the build context               */
	char *id;
	char *env;              /* secret: variable that gets its value                                 */
	bool readonly;
	bool required;
	enum mount_sharing sharing;
	bool has_mode;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint64_t size;          /* tmpfs: bytes; 0: the kernel's default                                */
};

/** Resolves variables in a value: new string, NULL on error. */
typedef char *mount_expand(void *ctx, const char *value);

/**
 * Parses and checks one --mount value. RN_EINVAL names the option at fault and the nearest one. `expand` NULL: values
 * with a '$' are not checked yet (text stays as written). `from` takes no variables.
 */
int run_mount_parse(const char *text, mount_expand *expand, void *ctx, struct run_mount *ret, struct rn_error *err);
void run_mount_clear(struct run_mount *m);
const char *mount_type_name(enum mount_type type);

#endif
