/* SPDX-License-Identifier: Apache-2.0 */
#include "buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rn_buf_init(struct rn_buf *b, size_t max)
{
	*b = (struct rn_buf){ .max = max };
}

void rn_buf_clear(struct rn_buf *b)
{
	free(b->p);
	*b = (struct rn_buf){ .max = b->max };
}

void rn_buf_reset(struct rn_buf *b)
{
	b->len = 0;
	b->overflow = false;
	if (b->p)
		b->p[0] = '\0';
}

char *rn_buf_reserve(struct rn_buf *b, size_t n)
{
	size_t max = b->max ? b->max : RN_BUF_MAX;
	if (n > max || b->len > max - n) {
		b->overflow = true;
		return NULL;
	}
	b->p = rn_grow(b->p, &b->cap, b->len + n + 1, 1);
	b->p[b->len + n] = '\0';
	return b->p + b->len;
}

int rn_buf_add(struct rn_buf *b, const void *data, size_t n)
{
	char *to = rn_buf_reserve(b, n);
	if (!to)
		return -1;
	if (n)
		memcpy(to, data, n);
	b->len += n;
	b->p[b->len] = '\0';
	return 0;
}

int rn_buf_adds(struct rn_buf *b, const char *s)
{
	return s ? rn_buf_add(b, s, strlen(s)) : 0;
}

int rn_buf_addc(struct rn_buf *b, char c)
{
	return rn_buf_add(b, &c, 1);
}

int rn_buf_vaddf(struct rn_buf *b, const char *fmt, va_list ap)
{
	size_t room = b->cap - b->len;
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(room ? b->p + b->len : NULL, room, fmt, ap); /* mostly it fits */
	char *to = n < 0 ? NULL : rn_buf_reserve(b, (size_t)n);
	if (to && (size_t)n >= room)
		vsnprintf(to, (size_t)n + 1, fmt, again);
	if (to)
		b->len += (size_t)n;
	else if (room)
		b->p[b->len] = '\0';
	va_end(again);
	return to ? 0 : -1;
}

int rn_buf_addf(struct rn_buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int rc = rn_buf_vaddf(b, fmt, ap);
	va_end(ap);
	return rc;
}

void rn_buf_drop(struct rn_buf *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
	} else {
		memmove(b->p, b->p + n, b->len - n);
		b->len -= n;
	}
	if (b->p)
		b->p[b->len] = '\0';
}

const char *rn_buf_str(const struct rn_buf *b)
{
	return b->p ? b->p : "";
}

char *rn_buf_take(struct rn_buf *b)
{
	char *p = b->p ? b->p : rn_strdup("");
	*b = (struct rn_buf){ .max = b->max };
	return p;
}

int rn_buf_check(const struct rn_buf *b, const char *what, struct rn_error *err)
{
	if (!b->overflow)
		return 0;
	return rn_fail(err, RN_ELIMIT, "%s is larger than the limit of %zu bytes", what,
		       b->max ? b->max : RN_BUF_MAX);
}
