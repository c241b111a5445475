/* SPDX-License-Identifier: Apache-2.0 */
/* Names of users and groups of an image: its /etc/passwd and /etc/group, as text. */
#ifndef PASSWD_H
#define PASSWD_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The two files of an image; NULL: it has none. Strings are owned. */
struct passwd {
	char *users;
	char *groups;
};
void passwd_clear(struct passwd *p);

/** A user as USER and --chown mean it. */
struct passwd_user {
	uint32_t uid, gid;
	char *name;          /* NULL: only a number is known        */
	char *home;          /* NULL: no line in /etc/passwd        */
	uint32_t *groups;    /* supplementary, without gid          */
	size_t n_groups;
};
void passwd_user_clear(struct passwd_user *u);

enum passwd_use {
	PASSWD_CHOWN, /* a uid without group: gid is the same number              */
	PASSWD_USER,  /* a uid without group: gid of its passwd line, else 0      */
};

/**
 * "name", "uid", "name:group", "uid:gid" … A name without group takes the group of its passwd
 * line, and supplementary groups come along for USER. RN_ENOTFOUND names what the image lacks.
 */
int passwd_find(const struct passwd *p, const char *who, enum passwd_use use, struct passwd_user *ret,
		struct rn_error *err);

#endif
