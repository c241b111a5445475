/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugins as plain data: where they are looked for, which files are refused, and
 * what their descriptors say. The caller's process never loads a plugin: a
 * short-lived probe process (`runner --probe`) does, and answers with JSON.
 */
#ifndef CORE_PLUGIN_H
#define CORE_PLUGIN_H

#include "base/json.h"
#include "base/str.h"

#include <runner/plugin.h>

/** A declared parameter, as in struct runner_param. All strings are owned; those that may be NULL there may be NULL here. */
struct plugin_param {
	char *name;
	enum runner_type type;
	uint32_t flags; /* RUNNER_REQUIRED ... */
	char *def;
	char *one_of;
	char *help;
	char *example;
};

/** A declared output; name "*" accepts any. */
struct plugin_output {
	char *name;
	uint32_t flags; /* RUNNER_SECRET */
	char *help;     /* may be NULL */
};

/** A plugin's descriptor, decoded from the probe's answer. */
struct plugin_info {
	char *name;
	char *version;     /* never NULL */
	char *summary;     /* never NULL */
	char *help;        /* may be NULL */
	char *permissions; /* may be NULL */
	char *path;        /* absolute path of the .so */
	char *digest;      /* see plugin_digest; NULL until asked for */
	char *stamp;       /* state of the file that was described, see plugin_memory.h; may be NULL */
	uint32_t abi_major;
	uint32_t abi_minor;
	struct plugin_param *params;
	size_t n_params;
	struct plugin_output *outputs;
	size_t n_outputs;
	bool has_check;
	bool has_plan;
	bool has_destroy;
	bool has_rollback; /* ABI 1.1 */
};

/** The parameter or output by name, or NULL. plugin_output_find answers "*" for a name that only "*" covers. Borrowed. */
const struct plugin_param *plugin_param_find(const struct plugin_info *p, const char *name);
const struct plugin_output *plugin_output_find(const struct plugin_info *p, const char *name);
/** "string", "list" ...: the name of a type as the documentation writes it. */
const char *plugin_type_name(enum runner_type type);
/** SHA-256 of the plugin's file in hexadecimal, computed once and remembered: part of resume keys. Borrowed; NULL with `err`. */
const char *plugin_digest(struct plugin_info *p, struct rn_error *err);
/** The descriptor as JSON, as the probe prints it (also what `plugins describe --json` shows). The caller deletes. */
cJSON *plugin_info_json(const struct plugin_info *p);

/**
 * Where plugins are looked for, in this order: `dirs` (--plugin-path), the folders of
 * RUNNER_PLUGIN_PATH (':' between), PIPELINE_DIR/plugins, $XDG_DATA_HOME/runner/plugins
 * (~/.local/share/runner/plugins), PREFIX/lib/runner/plugins of this installation.
 */
struct plugin_search {
	const char *const *dirs;
	size_t n_dirs;
	const char *pipeline_dir; /* NULL: no pipeline */
	const char *runner;       /* program that probes; NULL: this one (tests are another program) */
	bool fresh;               /* ask the plugins themselves, whatever is remembered of them */
};

/** One name asked for: either `info`, or `error` says in plain words why there is none. */
struct plugin_entry {
	char *name;
	struct plugin_info *info; /* NULL: see error */
	struct rn_error error;    /* RN_ENOTFOUND: no such plugin; RN_EAUTH: refused because others can write it; else unusable */
};

struct plugin_set {
	struct plugin_entry *entries;
	size_t n;
};

/** The folders that are searched, existing or not, first one first; absolute. */
void plugin_search_dirs(const struct plugin_search *s, struct rn_strv *ret);
/** The names of all plugins that the search would find, sorted, each once. Folders that cannot be read are left out. */
void plugin_list_names(const struct plugin_search *s, struct rn_strv *ret);

/**
 * Finds, checks and probes the plugins named; a name given twice is one entry. What is remembered of an
 * unchanged file (plugin_memory.h) is taken instead of a probe. One probe process serves all others; when it dies, each file gets one of its own, so that the culprit is named.
 * What is wrong with one plugin is in its entry. -1 only when no probe can be started at all.
 */
int plugin_set_load(const char *const *names, size_t n, const struct plugin_search *s, struct plugin_set *ret,
		    struct rn_error *err);
/** The entry of a name, or NULL when it was not asked for. Borrowed. */
const struct plugin_entry *plugin_set_find(const struct plugin_set *set, const char *name);
void plugin_set_clear(struct plugin_set *set);

/** `runner --probe`: reads {"paths": {NAME: PATH}} from stdin, loads each, prints one JSON line a plugin on stdout. Returns an exit status. */
int plugin_probe_main(void);

/**
 * Why the host refuses a loaded descriptor: bad magic, another major, a newer minor, sizes that
 * cannot be, another name, a table that does not make sense. 0, or -1 with plain words. The
 * descriptor may be smaller than this host's: *ret is the host's copy, missing members zeroed.
 */
int plugin_accept(const struct runner_plugin *theirs, const char *name, const char *path, struct runner_plugin *ret,
		  struct rn_error *err);
/** Loads a plugin into this process (worker and probe only) and accepts it. The object stays loaded until exit. */
int plugin_open(const char *path, const char *name, struct runner_plugin *ret, struct rn_error *err);

#endif
