/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns that come from outside: globs, and regular expressions, the part of ECMA 262 that POSIX has too, \d \w \s \D \W \S, sets with escapes,
 * and \n \t \r \f \v. Compiling takes memory by what repetitions unfold to, and stack by nesting: both have a ceiling.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdbool.h>

/** Does the text match the pattern anywhere? -1: it is not of the part that is known here, or beyond the ceilings. */
int pattern_matches(const char *pattern, const char *text);

/** Glob of the whole text with * and ?, as ArnLike and policies have it. */
bool glob_matches(const char *pattern, const char *text);

#endif
