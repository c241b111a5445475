/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image configuration (image-spec config.md) as the JSON document it is, so that what a
 * base image brings and this program does not know survives. Helpers for the
 * members that builders and runtimes need. No I/O.
 */
#ifndef OCI_CONFIG_H
#define OCI_CONFIG_H

#include "manifest.h"

/** An empty configuration for a platform: architecture, os, config {}, rootfs, history. */
cJSON *config_new(const struct platform *p);
/** Parses and checks (types of the members used here; diff_ids and history agree or history is missing). NULL on error. */
cJSON *config_parse(const void *data, size_t n, struct rn_error *err);
/** Deterministic bytes: members sorted. */
void config_print(const cJSON *config, struct rn_buf *ret);

void config_platform(const cJSON *config, struct platform *ret);
/** The "config" object (Env, Cmd, …), made when missing. Borrowed. */
cJSON *config_run(cJSON *config);
/** Number of layers. */
size_t config_layers(const cJSON *config);
int config_diff_id(const cJSON *config, size_t i, struct digest *ret, struct rn_error *err);

/** Appends a layer with its history entry; created_at "" or NULL: no time; comment may be NULL. A base without any history gets entries first, so that counts agree. */
void config_add_layer(cJSON *config, const struct digest *diff_id, const char *created_at,
		      const char *created_by, const char *comment);
/** Appends a history entry with empty_layer. */
void config_add_empty(cJSON *config, const char *created_at, const char *created_by,
		      const char *comment);

/** Value of NAME in config.Env; NULL: not set. Borrowed. */
const char *config_env(const cJSON *config, const char *name);
/** Sets NAME in config.Env, in place when there. */
void config_set_env(cJSON *config, const char *name, const char *value);

#endif
