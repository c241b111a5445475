/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content hashes of files of this machine, remembered from build to build by device, inode, size, mtime and
 * ctime. One file, sorted, looked up without being read as a whole; replaced atomically and merged
 * with what another build wrote meanwhile. A damaged file is an empty memory.
 */
#ifndef FILE_HASH_H
#define FILE_HASH_H

#include "base/error.h"
#include "base/stop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define FILE_HASH_SIZE 32             /* SHA-256 */
#define FILE_HASHES_MAX ((size_t)300000) /* entries that are kept; the ones not asked for the longest go first */
/** A file that changed this short a time before it was read may change again without looking different. */
#define FILE_HASH_RACY_NS ((int64_t)2000000000)

/** What a file looks like without reading it. */
struct file_look {
	uint64_t dev, ino, size;
	int64_t mtime_ns, ctime_ns;
};
struct file_look file_look_of(const struct stat *st);
bool file_look_equal(const struct file_look *a, const struct file_look *b);

struct file_hashes;
/** The memory in the file `path`, there or not. `stop` (borrowed; may be NULL) is asked while a file is read. Never NULL. */
struct file_hashes *file_hashes_open(const char *path, const struct rn_stop *stop);
/** Adds what was learnt to the file and frees. A failure to write is no error. */
void file_hashes_close(struct file_hashes *h);

/**
 * SHA-256 of the content of `fd` (from its start), remembered or computed. RN_EIO, RN_ECANCELLED. A file that
 * changes while it is read is hashed as read and not remembered. Safe from several threads.
 */
int file_hashes_get(struct file_hashes *h, int fd, unsigned char ret[FILE_HASH_SIZE], struct rn_error *err);
/** The remembered hash of a file that looks so; false: it must be read. */
bool file_hashes_known(struct file_hashes *h, const struct file_look *look, unsigned char ret[FILE_HASH_SIZE]);
/** Files read so far. */
size_t file_hashes_computed(struct file_hashes *h);

#endif
