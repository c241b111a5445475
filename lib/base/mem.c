/* SPDX-License-Identifier: Apache-2.0 */
#include "mem.h"

#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *rn_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);
	if (!p)
		rn_die("out of memory (%zu bytes)", size);
	return p;
}

void *rn_realloc(void *p, size_t size)
{
	void *q = realloc(p, size ? size : 1);
	if (!q)
		rn_die("out of memory (%zu bytes)", size);
	return q;
}

void *rn_grow(void *p, size_t *cap, size_t want, size_t item)
{
	if (want <= *cap)
		return p;
	size_t n = *cap ? *cap : 8;
	while (n < want) {
		if (n > (size_t)-1 / 2 / item)
			rn_die("array too large");
		n *= 2;
	}
	*cap = n;
	return rn_realloc(p, n * item);
}

char *rn_strdup(const char *s)
{
	return s ? rn_memdup(s, strlen(s) + 1) : NULL;
}

char *rn_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = rn_alloc(len + 1);
	memcpy(p, s, len);
	return p;
}

void *rn_memdup(const void *p, size_t n)
{
	void *q = rn_alloc(n);
	if (n)
		memcpy(q, p, n);
	return q;
}

void rn_freep(void *pp)
{
	void *p;
	memcpy(&p, pp, sizeof(p));
	free(p);
	p = NULL;
	memcpy(pp, &p, sizeof(p));
}

void rn_closep(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;
		close(*fd);
		errno = saved;
	}
	*fd = -1;
}

int rn_take_fd(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}

void rn_wipe(void *p, size_t n)
{
	if (p)
		explicit_bzero(p, n);
}
