/* SPDX-License-Identifier: Apache-2.0 */
/* What ADD takes for a git repository, as BuildKit reads it: URL, reference, subfolder and options out of one word. Pure. */
#ifndef GIT_URL_H
#define GIT_URL_H

#include "base/error.h"

#include <stdbool.h>

struct git_url {
	char *remote;     /* for git: without fragment and query                              */
	char *ref;        /* branch, tag, refs/… or commit; NULL: the remote's HEAD           */
	char *subdir;     /* folder inside the repository; NULL: all of it                    */
	char *checksum;   /* beginning of the commit that it must be; NULL: any               */
	int keep_git_dir; /* 1, 0, -1: not said                                               */
	int submodules;   /* 1, 0, -1: not said                                               */
};
void git_url_clear(struct git_url *u);

/**
 * http(s)://…​.git, git://, ssh://, USER@HOST:PATH, each with "#REF:SUBDIR" or "?ref=|tag=|branch=|subdir=|checksum=|commit=|
 * keep-git-dir=|submodules=". RN_EINVAL says what is wrong; a password in the URL is refused.
 */
int git_url_parse(const char *text, struct git_url *ret, struct rn_error *err);
/** Sets the checksum that a flag gives. */
int git_url_check(struct git_url *u, const char *checksum, struct rn_error *err);
/** Is it a git repository at all? */
bool git_url_is(const char *text);
/** Is it the whole name of a commit (40 or 64 hexadecimal digits)? */
bool git_is_commit(const char *text);

/**
 * Picks the commit that `ref` (NULL: HEAD) stands for out of what `git ls-remote` printed, by git's own order: as written, refs/X,
 * refs/tags/X, refs/heads/X. An annotated tag is peeled. *ret_commit is new; *ret_tag the tag object, new, NULL for none.
 * RN_ENOTFOUND.
 */
int git_pick_commit(const char *listing, const char *ref, char **ret_commit, char **ret_tag, struct rn_error *err);

#endif
