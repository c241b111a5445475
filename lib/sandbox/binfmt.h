/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel is told to start for programs that it cannot run itself (binfmt_misc), as far as it shows: the cause when one
 * does not start. Nothing here decides whether it does. Source: Documentation/admin-guide/binfmt-misc.rst of Linux.
 */
#ifndef SANDBOX_BINFMT_H
#define SANDBOX_BINFMT_H

#include <stdbool.h>
#include <stddef.h>

#define BINFMT_DIR "/proc/sys/fs/binfmt_misc"

enum binfmt_found {
	BINFMT_UNSEEN,   /* it is not mounted here, so entries cannot be seen        */
	BINFMT_NONE,     /* no entry is for such a program                           */
	BINFMT_ALL_OFF,  /* there is one, but all of them are switched off           */
	BINFMT_OFF,      /* there is one, and it is switched off                     */
	BINFMT_ON,
};

struct binfmt_entry {
	char *name;        /* of its file; NULL: none          */
	char *interpreter; /* absolute                         */
	bool fixed;        /* opened once, when it was registered (F): works in any root */
	bool on;
};
void binfmt_entry_clear(struct binfmt_entry *e);

/** Looks in `dir` (BINFMT_DIR) for an entry, one that is on if there is, whose magic `head`, the first `n` bytes of a program, has. */
enum binfmt_found binfmt_find(const char *dir, const void *head, size_t n, struct binfmt_entry *ret);

#endif
