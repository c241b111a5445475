/* SPDX-License-Identifier: Apache-2.0 */
/* What a layer is made of: entries of a tar stream, compression, and limits on both. */
#ifndef OCI_LAYER_H
#define OCI_LAYER_H

#include "digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum layer_compression {
	LAYER_GZIP = 0, /* one gzip member; what Lambda takes */
	LAYER_ZSTD,
	LAYER_PLAIN,
};
/** Media type of a layer in the OCI dialect. */
const char *layer_media_type(enum layer_compression c);
/** The level that is meant: `level` itself, or the default for 0, which is 1 for gzip, 3 for zstd, and 0 where nothing is compressed. */
int layer_level(enum layer_compression c, int level);

enum layer_type {
	LAYER_FILE = 1,
	LAYER_DIR,
	LAYER_SYMLINK,
	LAYER_HARDLINK, /* `link` is the path of an earlier entry of the same layer */
	LAYER_CHAR,
	LAYER_BLOCK,
	LAYER_FIFO,
};

struct layer_xattr {
	const char *name; /* "security.capability" */
	const void *value;
	size_t size;
};

/** One entry. Strings are borrowed from whoever hands it out. */
struct layer_entry {
	const char *path; /* relative, no leading or trailing '/', no "." or ".." component; any bytes but NUL; "": the root folder */
	enum layer_type type;
	mode_t mode; /* permission bits with setuid, setgid, sticky */
	uint32_t uid, gid;
	int64_t mtime; /* seconds since 1970 */
	uint64_t size; /* LAYER_FILE */
	const char *link; /* target of symlinks (as is) and hardlinks (a path like `path`) */
	uint32_t dev_major, dev_minor;
	const struct layer_xattr *xattrs;
	size_t n_xattrs;
};

/** ".wh." files of the image-spec: `path` of the entry that deletes a name / marks a folder opaque. */
#define LAYER_WHITEOUT ".wh."
#define LAYER_OPAQUE ".wh..wh..opq"
/** True when the last component starts with ".wh.". */
bool layer_is_whiteout(const char *path);
/**
 * The path that a whiteout hides ("a/.wh.b" -> "a/b"), or the opaque folder itself; *ret_opaque tells which. New
 * string, or NULL for one that hides nothing (".wh..wh.plnk" of aufs, ".wh.", ".wh...").
 */
char *layer_whiteout_target(const char *path, bool *ret_opaque);
/** Order of entries in layers we write: a folder before what is in it, siblings bytewise ('/' sorts lowest). */
int layer_path_compare(const char *a, const char *b);

/** Cleans a name of a tar entry to such a path ("./a//b/" -> "a/b"). -1: absolute, or with "..", unless `clamp` cuts those. New string. */
int layer_path_clean(const char *name, bool clamp, char **ret);

/** Somebody who takes the tar of a layer while it is written or read. Called by the thread that does; must not fail it. */
struct layer_raw {
	void (*bytes)(void *ctx, const void *data, size_t n);
	void *ctx;
};

/** Bytes of a layer's tar beyond which nothing here reads it, and so nothing here writes it: 64 GiB. */
#define LAYER_BYTES_MAX ((uint64_t)64 << 30)

/** Ceilings against bombs; zero members mean the defaults. */
struct layer_limits {
	uint64_t max_bytes;   /* uncompressed tar; default LAYER_BYTES_MAX */
	uint64_t max_entries; /* default 4 million                        */
	uint64_t max_ratio;   /* uncompressed : compressed, beyond the first 64 MiB; 0: none (a layer of zeros is no crime) */
	size_t max_path;      /* default 4096 bytes                       */
	size_t max_xattrs;    /* bytes of all xattrs of one entry; default 1 MiB */
};

/** `l` with the defaults filled in. */
struct layer_limits layer_limits_effective(const struct layer_limits *l);

#endif
