/* SPDX-License-Identifier: Apache-2.0 */
/* Files, folders and descriptors. Every descriptor is O_CLOEXEC from birth. */
#ifndef RN_FS_H
#define RN_FS_H

#include "buf.h"
#include "str.h"

#include <dirent.h>
#include <stdint.h>
#include <sys/types.h>

/** Writes or reads all of it, through EINTR and short counts. rn_read_full returns the count (short at the end), -1 on error with errno. */
int rn_write_full(int fd, const void *data, size_t n);
ssize_t rn_read_full(int fd, void *to, size_t n);
/** Reads `fd` to its end into `b` (its ceiling holds). */
int rn_read_fd(int fd, struct rn_buf *b, const char *what, struct rn_error *err);

/** Whole file into `ret`; over `max` bytes is RN_ELIMIT, a missing one RN_ENOTFOUND. */
int rn_read_file(const char *path, size_t max, struct rn_buf *ret, struct rn_error *err);
/** Atomic: temporary file beside it, write, fsync, rename, fsync of the folder. For what must be there after a power cut. */
int rn_write_file(const char *path, const void *data, size_t n, mode_t mode, struct rn_error *err);
/** As atomic for readers and whoever is killed, without the two fsyncs: a power cut may leave it torn, empty or as it was. For what is checked when it is read, or means nothing by then. */
int rn_replace_file(const char *path, const void *data, size_t n, mode_t mode, struct rn_error *err);

/** "a/b": `b` when absolute, else a + "/" + b, as written. New string. */
char *rn_path_join(const char *a, const char *b);
/** "dir/name" for paths inside a root, whose own path is "". New string. */
char *rn_path_below(const char *dir, const char *name);
/** Lexically cleaned: no "." ".." "//" and no trailing "/" ("" gives "."; ".." above "/" vanishes). New string. */
char *rn_path_clean(const char *path);
/** Cleaned absolute path of `path` against `base` (NULL: the working directory). New string. */
char *rn_path_abs(const char *base, const char *path);
/** The same for a path as people write it: "~/" is $HOME where that is set. New string. */
char *rn_path_home(const char *base, const char *path);
/**
 * The folder of this user's caches: $XDG_CACHE_HOME/runner, else $HOME/.cache/runner where that can be written to (XDG Base Directory
 * Specification). NULL: neither is set to an absolute path, or the home is a read-only or somebody else's one, as with `docker run --user`.
 * It may not exist yet. New string.
 */
char *rn_cache_dir(void);
/** Borrowed last component of a path without a trailing slash. */
const char *rn_path_base(const char *path);
/** Folder part; "." when there is none. New string. */
char *rn_path_dir(const char *path);

/** mkdir -p; existing folders are fine. */
int rn_mkdirs(const char *path, mode_t mode, struct rn_error *err);
/** rm -rf that follows no link and crosses no ".."; a missing path is fine. Makes unreadable folders of ours writable first. */
int rn_remove_tree(const char *path, struct rn_error *err);
/** New private folder "DIR/PREFIXxxxxxx" (mode 0700). New string or NULL. */
char *rn_temp_dir(const char *dir, const char *prefix, struct rn_error *err);
bool rn_exists(const char *path);
/** Names in a folder but "." and "..", sorted bytewise. */
int rn_list_dir(const char *path, struct rn_strv *ret, struct rn_error *err);
/** Whether a folder is there that has any of those; it is not read further than that. */
bool rn_dir_has_names(const char *path);

/**
 * How many of the `max` bytes from `at` on are a hole of a sparse file, which reads as zeros: then nobody needs to read them. 0: there is
 * data, or nobody knows; also where the file ends earlier. Moves the descriptor's own position.
 */
size_t rn_hole(int fd, off_t at, size_t max);
/**
 * Opens `path` below `root_fd` as if root_fd were "/" (openat2 RESOLVE_IN_ROOT, so
 * links cannot leave it). Returns a descriptor or -1 with errno.
 */
int rn_open_in_root(int root_fd, const char *path, int flags, mode_t mode);
/** The same without openat2, a component at a time and without following any link by the kernel; for kernels that do not have it. */
int rn_open_in_root_steps(int root_fd, const char *path, int flags, mode_t mode);

/** Exclusive (or shared) advisory lock on `path`, made when missing. `wait`: block, else RN_EEXISTS when held. Returns a descriptor that holds the lock until closed, or -1. */
int rn_lock_file(const char *path, bool shared, bool wait, struct rn_error *err);

/** For the end of a program: writes out stdout. Returns `code`; or says on stderr that what was printed is not all there, and returns `failed` instead of 0. A reader that went away (`| head`) is no failure. */
int rn_end_output(int code, int failed);

#endif
