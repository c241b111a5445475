/* SPDX-License-Identifier: Apache-2.0 */
/* A Parameter Store of our own, with the past that stale reads show. Time is the caller's. */
#ifndef LEASE_SERVER_H
#define LEASE_SERVER_H

#include "aws/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WALL = 1000000, PARAMETERS_MAX = 64, HISTORY = 256, TTL = 90000 };

struct parameter {
	int64_t n, version, modified_ms;
	char value[512];
};

/* Everything that is stored, as of a time. */
struct snapshot {
	int64_t at_ms;
	size_t n;
	struct parameter v[PARAMETERS_MAX];
};

struct server {
	struct snapshot now, *past; /* past: HISTORY of them, in a ring */
	size_t changes;
};

static inline void change(struct server *s, int64_t now_ms)
{
	s->past[s->changes++ % HISTORY] = s->now;
	s->now.at_ms = now_ms;
}

static inline struct parameter *find(struct snapshot *s, int64_t n)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].n == n)
			return &s->v[i];
	return NULL;
}

static inline void put(struct server *s, int64_t now_ms, int64_t n, const char *value)
{
	struct parameter *p;
	change(s, now_ms);
	p = find(&s->now, n);
	if (!p) {
		assert_true(s->now.n < PARAMETERS_MAX);
		p = &s->now.v[s->now.n++];
		*p = (struct parameter){ .n = n };
	}
	p->version++;
	p->modified_ms = now_ms + WALL;
	assert_true(strlen(value) < sizeof(p->value));
	strcpy(p->value, value);
}

static inline void forget(struct server *s, int64_t now_ms, int64_t n)
{
	struct parameter *p = find(&s->now, n);
	if (!p)
		return;
	change(s, now_ms);
	*p = s->now.v[--s->now.n];
}

/* As it was at that time. */
static inline const struct snapshot *as_of(const struct server *s, int64_t at_ms)
{
	const struct snapshot *found = &s->now;
	for (size_t i = s->changes; found->at_ms > at_ms && i > 0 && s->changes - i < HISTORY - 1; i--)
		found = &s->past[(i - 1) % HISTORY];
	return found;
}

static inline void show(const struct snapshot *s, int64_t now_ms, struct aws_lease_look *ret)
{
	for (size_t i = 0; i < s->n; i++)
		aws_lease_look_add(ret, s->v[i].n, s->v[i].version, s->v[i].modified_ms, s->v[i].value);
	ret->now_ms = now_ms + WALL;
}

#endif
