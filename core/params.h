/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parameters of a stage: declared by the plugin, written in the file,
 * converted to what crosses to the worker, and filled into the plugin's struct.
 */
#ifndef RN_PARAMS_H
#define RN_PARAMS_H

#include "pipeline.h"

#include <runner/plugin.h>

struct plugin_info;

/** Checks names, types of what is constant, required ones. Everything wrong goes to `diags`; 0 or -1. */
int params_check(const struct pipeline_stage *s, const struct plugin_info *plugin,
		 const struct pipeline *p, struct diags *diags);

/**
 * Evaluates and converts `with`: *ret is an object with a member for each
 * declared parameter:
 *   {"type": "duration", "value": ..., "known": true, "set": true, "secret": false, "line": 3, "column": 9}
 * value: string, path (absolute), json (any) as such; integer (string of digits
 * when beyond 2^53), number, boolean; duration = milliseconds; size = bytes;
 * list = array of strings; map = object of strings; null when there is none.
 * Unknown ones (known: false) carry the default. *ret_secrets gets each secret
 * string inside the values, for masking.
 */
int params_resolve(const struct pipeline_stage *s, const struct plugin_info *plugin,
		   const struct pipeline *p, const struct scope *scope, cJSON **ret,
		   struct rn_strv *ret_secrets, struct diags *diags);

/** Canonical text of what decides whether a stage must run again: names and values; of a secret only that there is one. New string. */
char *params_key(const cJSON *params);

/** The plugin's own struct, filled; everything in it is owned here. */
struct params_block {
	void *params; /* NULL when the plugin has none */
	void **owned;
	size_t n;
	size_t cap;
};
/** From the object of params_resolve, by the plugin's own table. Runs in the worker. */
int params_fill(const cJSON *params, const struct runner_plugin *plugin, struct params_block *ret,
		struct rn_error *err);
void params_block_clear(struct params_block *b);

/** "string", "integer" ... of enum runner_type and back; NULL / 0 when there is none. */
const char *params_type_name(uint32_t type);
uint32_t params_type(const char *name);

#endif
