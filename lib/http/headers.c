/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of headers: names compare in any case, order and repetition are kept. */
#include "http.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void http_headers_add(struct http_headers *h, const char *name, const char *value)
{
	h->v = rn_grow(h->v, &h->cap, h->n + 1, sizeof(*h->v));
	h->v[h->n++] = (struct http_header){ rn_strdup(name), rn_strdup(value ? value : "") };
}

void http_headers_addf(struct http_headers *h, const char *name, const char *fmt, ...)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	va_list ap;
	va_start(ap, fmt);
	rn_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	http_headers_add(h, name, rn_buf_str(&b));
}

void http_headers_remove(struct http_headers *h, const char *name)
{
	size_t kept = 0;
	for (size_t i = 0; i < h->n; i++) {
		if (strcasecmp(h->v[i].name, name) != 0) {
			h->v[kept++] = h->v[i];
			continue;
		}
		rn_freep(&h->v[i].name);
		rn_freep(&h->v[i].value);
	}
	h->n = kept;
}

void http_headers_set(struct http_headers *h, const char *name, const char *value)
{
	RN_AUTO(rn_freep) char *copy = rn_strdup(value); /* may lie in the list */
	http_headers_remove(h, name);
	http_headers_add(h, name, copy);
}

const char *http_headers_get(const struct http_headers *h, const char *name)
{
	for (size_t i = 0; i < h->n; i++)
		if (!strcasecmp(h->v[i].name, name))
			return h->v[i].value;
	return NULL;
}

void http_headers_copy(struct http_headers *h, const struct http_headers *from)
{
	for (size_t i = 0; from && i < from->n; i++)
		http_headers_add(h, from->v[i].name, from->v[i].value);
}

void http_headers_clear(struct http_headers *h)
{
	for (size_t i = 0; i < h->n; i++) {
		rn_freep(&h->v[i].name);
		rn_wipe(h->v[i].value, strlen(h->v[i].value));
		rn_freep(&h->v[i].value);
	}
	free(h->v);
	*h = (struct http_headers){ 0 };
}
