/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of this machine as a whole: what it holds, and keeping it within limits. For builds and for `runner cache`. */
#ifndef CACHE_DISK_H
#define CACHE_DISK_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define CACHE_SIZE_DEFAULT UINT64_C(20000000000)

/** RUNNER_CACHE_SIZE in bytes, else the default; 0: no limit. RN_EINVAL. */
int cache_disk_limit(uint64_t *ret, struct rn_error *err);

enum cache_kind {
	CACHE_BLOBS,    /* layers, configs, manifests              */
	CACHE_STEPS,    /* results of steps                        */
	CACHE_INDEXES,  /* names in layers                         */
	CACHE_LISTS,    /* what steps read, and what they were keyed by */
	CACHE_UNPACKED, /* layers that RUN stood on                */
	CACHE_MOUNTS,   /* --mount=type=cache                      */
	CACHE_KINDS,
};
const char *cache_kind_name(enum cache_kind k);
const char *cache_kind_help(enum cache_kind k);

struct cache_usage {
	size_t n[CACHE_KINDS];
	uint64_t bytes[CACHE_KINDS];
};
/** Adds everything up; `cache` need not exist. Files that vanish meanwhile do not count. */
void cache_disk_usage(const char *cache, struct cache_usage *ret);

struct cache_prune {
	bool all;             /* everything                                                   */
	uint64_t max_bytes;   /* blobs not used for the longest go until the rest fits; 0: no limit */
	int64_t max_age_ms;   /* what was not used for longer goes; 0: no limit               */
	bool wait;            /* for builds that use the cache; else RN_EEXISTS               */
	bool light;           /* blobs and what belongs to them alone: the end of a build     */
	/* results */
	size_t removed;
	uint64_t removed_bytes, kept_bytes; /* of blobs and folders                           */
};
int cache_disk_prune(const char *cache, struct cache_prune *p, struct rn_error *err);

/** After a build: keeps the blobs within RUNNER_CACHE_SIZE, unless somebody else uses them. Silent. */
void cache_disk_trim(const char *cache);

#endif
