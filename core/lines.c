/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include "base/str.h"

#include <string.h>

/* Bytes of the escape sequence at p[0..n) (p[0] is ESC): CSI, OSC and other strings, two-byte ones. */
static size_t escape_length(const char *p, size_t n)
{
	if (n < 2)
		return n;
	size_t i = 2;
	if (p[1] == '[') {
		while (i < n && !(p[i] >= 0x40 && p[i] <= 0x7e))
			i++;
		return i < n ? i + 1 : n;
	}
	if (strchr("]PX^_", p[1])) {
		while (i < n && p[i] != '\a' && !(p[i] == '\\' && p[i - 1] == '\033'))
			i++;
		return i < n ? i + 1 : n;
	}
	return 2;
}

static size_t utf8_length(const char *p, size_t n)
{
	unsigned char c = (unsigned char)*p;
	size_t want = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
	return want && want <= n && rn_utf8_valid(p, want) ? want : 0;
}

char *lines_clean(const char *text, size_t n)
{
	/* what stands before the last CR was overwritten */
	while (n && text[n - 1] == '\r')
		n--;
	const char *cr = memrchr(text, '\r', n);
	if (cr) {
		n -= (size_t)(cr + 1 - text);
		text = cr + 1;
	}
	struct rn_buf out = RN_BUF_INIT;
	for (size_t i = 0; i < n;) {
		size_t k = utf8_length(text + i, n - i);
		if (text[i] == '\033') {
			i += escape_length(text + i, n - i);
		} else if (!k) {
			rn_buf_adds(&out, "\xef\xbf\xbd");
			i++;
		} else {
			bool control = k == 1 && ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) && text[i] != '\t';
			if (!control)
				rn_buf_add(&out, text + i, k);
			i += k;
		}
	}
	return rn_buf_take(&out);
}

static void put(struct lines *l, bool partial, lines_fn *fn, void *ctx)
{
	size_t n = l->line.len, keep = 0;
	/* do not cut a character in two */
	while (partial && keep < 3 && keep < n && ((unsigned char)l->line.p[n - 1 - keep] & 0xc0) == 0x80)
		keep++;
	if (partial && keep < n && (unsigned char)l->line.p[n - 1 - keep] >= 0xc0)
		keep++;
	RN_AUTO(rn_freep) char *text = lines_clean(rn_buf_str(&l->line), n - keep);
	if (*text || !l->partial)
		fn(ctx, text, partial);
	l->partial = partial;
	rn_buf_drop(&l->line, n - keep);
}

void lines_feed(struct lines *l, const char *data, size_t n, lines_fn *fn, void *ctx)
{
	while (n) {
		const char *end = memchr(data, '\n', n);
		size_t k = end ? (size_t)(end - data) : n, room = LINES_MAX - l->line.len;
		bool cut = k > room;
		k = cut ? room : k;
		rn_buf_add(&l->line, data, k);
		if (cut || end)
			put(l, cut, fn, ctx);
		k += !cut && end;
		data += k;
		n -= k;
	}
}

void lines_flush(struct lines *l, lines_fn *fn, void *ctx)
{
	if (l->line.len)
		put(l, false, fn, ctx);
}

void lines_clear(struct lines *l)
{
	rn_buf_clear(&l->line);
}
