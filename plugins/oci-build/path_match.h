/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two kinds of patterns for paths: wildcards of COPY and ADD sources (Go's
 * filepath.Match: * ? [a-z] [^a] \x, never across '/'), and .dockerignore patterns
 * (the same and ** across levels). No files are looked at.
 */
#ifndef PATH_MATCH_H
#define PATH_MATCH_H

#include <stdbool.h>
#include <stddef.h>

/** True when the pattern has a wildcard (an escape alone is none). */
bool path_has_wildcard(const char *pattern);
/** New string: the pattern with its escapes resolved, for one without wildcards. */
char *path_unescape(const char *pattern);
/** Is it well formed: classes closed, no lone backslash at the end? */
bool path_pattern_valid(const char *pattern);
/** Does the whole name match? Malformed patterns match nothing. */
bool path_match(const char *pattern, const char *name);
/** The same with ** for any text across '/' ("**" + '/' also for nothing). */
bool path_match_deep(const char *pattern, const char *path);

#endif
