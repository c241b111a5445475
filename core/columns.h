/* SPDX-License-Identifier: Apache-2.0 */
/* How many columns of a terminal a text takes, whatever the locale: East Asian wide characters take two, combining ones none. */
#ifndef CORE_COLUMNS_H
#define CORE_COLUMNS_H

#include <stddef.h>

/** Bytes of the character at `p` (UTF-8; a stray byte is one character), and its columns. `*p` must not be 0. */
size_t columns_next(const char *p, size_t *ret_columns);
/** Columns of a text without control sequences. */
size_t columns_of(const char *text);

#endif
