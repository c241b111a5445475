/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .dockerignore and --exclude: an ordered list of patterns, the last one that
 * matches a path or a folder above it decides, ! brings back. Knows no files.
 */
#ifndef DOCKERIGNORE_H
#define DOCKERIGNORE_H

#include "base/str.h"

struct ignore_pattern {
	char *text;   /* cleaned, without '!' */
	bool keep;    /* began with '!'       */
};

/** Zeroed: nothing is ignored. */
struct ignore_list {
	struct ignore_pattern *v;
	size_t n;
	size_t cap;
	bool has_keep;
};

/** Reads the text of a .dockerignore; `name` is for messages. err->line says the line at fault. */
int ignore_parse(struct ignore_list *l, const char *name, const char *text, size_t n, struct rn_error *err);
/** Adds one pattern, as --exclude gives it. */
int ignore_add(struct ignore_list *l, const char *pattern, struct rn_error *err);
void ignore_clear(struct ignore_list *l);

/** Is `path` (relative, cleaned, not empty) left out? */
bool ignore_matches(const struct ignore_list *l, const char *path);
/** Can anything below the ignored folder `dir` be brought back by a '!'? */
bool ignore_may_keep_below(const struct ignore_list *l, const char *dir);

#endif
