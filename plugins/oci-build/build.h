/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One build: what the stage's parameters ask for and what all parts of the builder share.
 * The Dockerfile becomes a graph of stages (stage_graph.h); execute.h runs
 * the stages that the target needs; output.h hands out the image.
 */
#ifndef BUILD_H
#define BUILD_H

#include "dockerfile_ast.h"
#include "dockerignore.h"
#include "file_hash.h"
#include "push_stream.h"

#include "base/map.h"
#include "oci/blob_store.h"
#include "oci/layer_index.h"
#include "oci/layer_writer.h"
#include "oci/manifest.h"
#include "oci/registry.h"

#include <runner/plugin.h>

#include <pthread.h>
#include <stdatomic.h>

/* Filled by the host, see the table in plugin.c. */
struct build_params {
	const char *context;
	const char *dockerfile;
	const char *target;
	struct runner_map build_args;
	struct runner_map build_contexts;
	const char *platform;
	struct runner_list platforms;
	struct runner_map labels;
	struct runner_map annotations;
	struct runner_list tags;
	bool push;
	const char *layout;
	const char *archive;
	bool pull;
	struct runner_list insecure_registries;
	struct runner_list registry_mirrors;
	const char *compression;
	int64_t compression_level;
	int64_t source_date_epoch;
	const char *profile;
	struct runner_list cache_from;
	const char *cache_to;
	struct runner_json no_cache;
	bool sbom;
	bool provenance;
	struct runner_json secrets;
	struct runner_map ssh;
	const char *network;
};

/* Shared by all platforms of one run of the stage. */
struct build {
	struct runner_stage *stage;
	const struct runner_host *host;
	const struct build_params *params;

	char *context;             /* absolute                                            */
	struct df_source source;
	struct dockerfile *file;
	struct ignore_list ignore;
	struct rn_map used_args;   /* names of build_args that an ARG asked for           */
	int64_t epoch;             /* seconds: no time in the image is later              */
	char created[32];          /* the same as RFC 3339                                */

	struct blob_store *store;
	struct registry_auth *auth;
	struct registry *registry;
	pthread_mutex_t tags_lock;
	struct rn_map tags;        /* what base images were found to be in this run       */
	struct rn_map origins;     /* digest -> struct origin: where a missing blob is    */
	struct rn_map materials;   /* "URI ALGORITHM:HEX": what came in from outside      */
	struct descriptor *artifacts; /* about the images: see attest.h                   */
	size_t n_artifacts;
	size_t cap_artifacts;
	struct rn_stop stop;       /* build_stopped, for what knows no build              */
	struct layer_options layer_options;
	struct push_streams *streams; /* NULL: layers are not sent while they are written */
	struct layer_options streamed; /* layer_options of those that are                 */
	struct file_hashes *hashes; /* of the build context                               */
	struct step_cache *cache;
	struct step_notes *notes;  /* what steps were keyed by, for `runner cache why`    */
	pthread_mutex_t lock;      /* of used_args, origins and the counts                */
	size_t cached, missed;     /* steps that make layers                              */
	bool only_cached;          /* plan: a step that is not in the cache ends the build */
	atomic_bool uncached;      /* that has happened                                   */
	int stop_fd;               /* raised when one of several stages failed            */
	int cancel_fd;             /* readable when the host stops the run, or for that   */
	atomic_bool stopped;
	atomic_bool cache_lost;    /* a layer that the cache of a registry promised could not be had */
	struct rootfs *rootfs;     /* where RUN runs; NULL until one does                 */
	pthread_mutex_t rootfs_lock;
	struct layer_watch unpacking; /* of rootfs_along.h                                */
	struct rn_strv secrets;    /* read for RUN, see secret_guard.h; under `lock`       */
	struct rootfs_ahead *ahead; /* threads of rootfs_ahead.h; under `lock`              */
};

/** Reads the Dockerfile and .dockerignore and opens the store. build_clear frees, also after a failure. */
int build_init(struct build *b, struct runner_stage *stage, const struct runner_host *host,
	       const struct build_params *params, struct rn_error *err);
void build_clear(struct build *b);

/** A line of the stage's log. */
void build_log(const struct build *b, unsigned level, const char *fmt, ...) RN_PRINTF(3, 4);
/** Names the step that begins in this thread; with a mark ("build 2/5", NULL: none) lines of build_log begin with it. */
void build_step(const struct build *b, const char *number, const char *text, const char *mark);
/** The mark of this thread's lines, to be given to threads that it starts; NULL: none. Borrowed. */
const char *build_mark(void);
void build_set_mark(const char *mark);
/** Makes everything that goes on end soon (one of several stages failed), and takes that back. */
void build_stop(struct build *b);
void build_unstop(struct build *b);
/** Is the run being stopped? */
bool build_stopped(const struct build *b);
/** RN_ECANCELLED once the run is being stopped. */
int build_check_cancel(const struct build *b, struct rn_error *err);
/** Value that the pipeline gives for a build argument; NULL: none. Borrowed. */
const char *build_arg(struct build *b, const char *name);
/** Path of the ssh agent's socket that the pipeline gives for an id, absolute; NULL: none. New string. */
char *build_ssh_agent(const struct build *b, const char *id);
/** Readable once the run is being stopped. */
int build_cancel_fd(const struct build *b);
/** Tells the host. Always returns -1. */
int build_fail(const struct build *b, const struct rn_error *err);

#endif
