/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable byte string with a ceiling, always NUL-terminated behind `len`.
 * Adding beyond the ceiling fails, leaves the content as it was and sets
 * `overflow`, so a writer may add many pieces and ask once at the end.
 */
#ifndef RN_BUF_H
#define RN_BUF_H

#include "error.h"
#include "mem.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct rn_buf {
	char *p;       /* NULL while empty: use rn_buf_str */
	size_t len;
	size_t cap;
	size_t max;    /* ceiling in bytes; 0: RN_BUF_MAX */
	bool overflow; /* something did not fit */
};

#define RN_BUF_MAX ((size_t)1 << 30)
#define RN_BUF_INIT { 0 }

/** Starts empty with a ceiling of `max` bytes (0: RN_BUF_MAX). A zeroed struct is valid too. */
void rn_buf_init(struct rn_buf *b, size_t max);
/** Frees the content; the struct is empty and usable again. */
void rn_buf_clear(struct rn_buf *b);
#define rn_buf_clearp rn_buf_clear /* RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT; */
/** Empties without freeing. */
void rn_buf_reset(struct rn_buf *b);

int rn_buf_add(struct rn_buf *b, const void *data, size_t n);
int rn_buf_adds(struct rn_buf *b, const char *s); /* NULL adds nothing */
int rn_buf_addc(struct rn_buf *b, char c);
int rn_buf_addf(struct rn_buf *b, const char *fmt, ...) RN_PRINTF(2, 3);
int rn_buf_vaddf(struct rn_buf *b, const char *fmt, va_list ap) RN_PRINTF(2, 0);
/** Room for `n` more bytes at the end; NULL over the ceiling. Then `len` is the caller's to raise. */
char *rn_buf_reserve(struct rn_buf *b, size_t n);
/** Removes the first `n` bytes. */
void rn_buf_drop(struct rn_buf *b, size_t n);
/** Content as a string, "" when empty; owned by the buffer. */
const char *rn_buf_str(const struct rn_buf *b);
/** Hands the string to the caller (never NULL; free it) and leaves the buffer empty. */
char *rn_buf_take(struct rn_buf *b);
/** RN_ELIMIT with `what` when something did not fit; 0 otherwise. */
int rn_buf_check(const struct rn_buf *b, const char *what, struct rn_error *err);

#endif
