/* SPDX-License-Identifier: Apache-2.0 */
#include "redact.h"

#include "base/encode.h"
#include "base/json.h"
#include "base/map.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ENCODED_MIN = 6, LINE_MIN = 6, SHORT_MIN = 4 };

struct pattern {
	char *text;
	size_t n;
	bool wrapped; /* line breaks may stand inside (base64 of MIME and coreutils) */
	bool mixed;   /* the next base64 character, when there is one, holds bits of it too */
};

struct redact {
	struct pattern *v;
	size_t n;
	size_t cap;
	struct rn_map known;   /* texts of patterns */
	struct rn_map secrets; /* whose forms are all there */
	uint8_t starts[65536 / 8]; /* pairs of bytes that begin a pattern */
	uint8_t heads[256 / 8];    /* first bytes of patterns             */
};

struct redact *redact_new(void)
{
	return rn_alloc(sizeof(struct redact));
}

static void wipe_keys(struct rn_map *m)
{
	RN_MAP_EACH(m, it)
		rn_wipe(it->key, strlen(it->key));
	rn_map_clear(m);
}

void redact_free(struct redact *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		rn_wipe(r->v[i].text, r->v[i].n);
		free(r->v[i].text);
	}
	free(r->v);
	wipe_keys(&r->known);
	wipe_keys(&r->secrets);
	free(r);
}

void redact_freep(struct redact **r)
{
	redact_free(*r);
}

/* ---- the forms of a secret ---- */

static void add_pattern(struct redact *r, const char *text, size_t n, bool wrapped, size_t min, bool mixed)
{
	if (n < min || n < 2)
		return;
	RN_AUTO(rn_freep) char *key = rn_strndup(text, n);
	bool known = strlen(key) == n && rn_map_has(&r->known, key);
	if (known)
		return;
	if (strlen(key) == n)
		rn_map_set(&r->known, key, r);
	r->v = rn_grow(r->v, &r->cap, r->n + 1, sizeof(*r->v));
	r->v[r->n++] = (struct pattern){ rn_memdup(text, n), n, wrapped, mixed };
	const uint8_t *p = (const uint8_t *)text;
	unsigned pair = p[0] | (unsigned)p[1] << 8;
	r->starts[pair / 8] |= (uint8_t)(1u << pair % 8);
	r->heads[p[0] / 8] |= (uint8_t)(1u << p[0] % 8);
	if (wrapped)
		for (unsigned b = 0; b < 2; b++) { /* a break right behind the first character */
			pair = p[0] | (unsigned)(b ? '\n' : '\r') << 8;
			r->starts[pair / 8] |= (uint8_t)(1u << pair % 8);
		}
}

static void url_alphabet(char *s)
{
	for (; *s; s++)
		*s = *s == '+' ? '-' : *s == '/' ? '_' : *s;
}

/*
 * The characters of base64 that depend on the secret alone when `before` unknown bytes stand in
 * front of it (mod 3), cut before the end (more bytes follow) and to the end (none do).
 */
static void add_base64(struct redact *r, const char *secret, size_t n)
{
	for (size_t before = 0; before < 3; before++) {
		RN_AUTO(rn_freep) char *padded = rn_alloc(n + before + 1);
		memcpy(padded + before, secret, n);
		size_t skip = before ? before + 1 : 0, sure = (before + n) * 8 / 6;
		for (int url = 0; url < 2; url++) {
			RN_AUTO(rn_freep) char *b64 = rn_base64(padded, n + before);
			if (url)
				url_alphabet(b64);
			size_t all = strlen(b64), bare = all;
			while (bare && b64[bare - 1] == '=')
				bare--;
			add_pattern(r, b64 + skip, sure - skip, true, ENCODED_MIN, (before + n) * 8 % 6 != 0);
			add_pattern(r, b64 + skip, bare - skip, true, ENCODED_MIN, false);
			add_pattern(r, b64 + skip, all - skip, true, ENCODED_MIN, false);
			rn_wipe(b64, all);
		}
		rn_wipe(padded, n + before);
	}
}

static void add_owned(struct redact *r, char *text)
{
	add_pattern(r, text, strlen(text), false, SHORT_MIN, false);
	rn_wipe(text, strlen(text));
	free(text);
}

static char *lower_escapes(const char *s)
{
	char *out = rn_strdup(s);
	for (char *p = out; (p = strchr(p, '%')); p++)
		for (int i = 1; i < 3 && p[i]; i++)
			if (p[i] >= 'A' && p[i] <= 'F')
				p[i] = (char)(p[i] - 'A' + 'a');
	return out;
}

static void add_percent(struct redact *r, const char *secret)
{
	/* RFC 3986, keeping "/", as encodeURIComponent and as encodeURI do it */
	static const char *const keep[] = { "", "/", "!'()*", "!'()*;/?:@&=+$,#" };
	for (size_t i = 0; i < RN_LEN(keep); i++) {
		RN_AUTO(rn_freep) char *p = rn_percent(secret, keep[i]);
		RN_AUTO(rn_freep) char *plus = rn_replace(p, "%20", "+");
		add_owned(r, lower_escapes(p));
		add_owned(r, lower_escapes(plus));
		add_owned(r, rn_take(&p));
		add_owned(r, rn_take(&plus));
	}
}

static void ascii_json(const char *s, struct rn_buf *to)
{
	for (const unsigned char *p = (const unsigned char *)s; *p;) {
		uint32_t c = *p;
		size_t more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
		c &= more ? 0x3fu >> more : 0x7fu;
		for (p++; more && (*p & 0xc0) == 0x80; p++, more--)
			c = c << 6 | (*p & 0x3f);
		if (c < 0x80)
			rn_buf_addc(to, (char)c);
		else if (c < 0x10000)
			rn_buf_addf(to, "\\u%04x", c);
		else
			rn_buf_addf(to, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + (c & 0x3ff));
	}
}

static void add_json(struct redact *r, const char *secret)
{
	RN_AUTO(rn_buf_clear) struct rn_buf quoted = RN_BUF_INIT;
	rn_json_quote(&quoted, secret, strlen(secret));
	RN_AUTO(rn_freep) char *bare = rn_strndup(quoted.p + 1, quoted.len - 2);
	RN_AUTO(rn_buf_clear) struct rn_buf ascii = RN_BUF_INIT;
	ascii_json(bare, &ascii);
	add_owned(r, rn_replace(bare, "/", "\\/"));
	RN_AUTO(rn_freep) char *lt = rn_replace(bare, "<", "\\u003c");
	RN_AUTO(rn_freep) char *gt = rn_replace(lt, ">", "\\u003e");
	add_owned(r, rn_replace(gt, "&", "\\u0026"));
	add_owned(r, rn_buf_take(&ascii));
	add_owned(r, rn_take(&bare));
}

static void add_hex(struct redact *r, const char *secret, size_t n)
{
	char *hex = rn_hex(secret, n, rn_alloc(2 * n + 1));
	char *upper = rn_strdup(hex);
	for (char *p = upper; *p; p++)
		if (*p >= 'a')
			*p = (char)(*p - 'a' + 'A');
	add_owned(r, hex);
	add_owned(r, upper);
}

static void add_forms(struct redact *r, const char *secret, size_t n)
{
	add_pattern(r, secret, n, false, REDACT_MIN, false);
	add_base64(r, secret, n);
	add_percent(r, secret);
	add_json(r, secret);
	add_hex(r, secret, n);
}

bool redact_add(struct redact *r, const char *secret)
{
	size_t n = secret ? strlen(secret) : 0;
	if (n < REDACT_MIN)
		return n == 0;
	if (rn_map_has(&r->secrets, secret))
		return true;
	rn_map_set(&r->secrets, secret, r);
	add_forms(r, secret, n);
	if (!strpbrk(secret, "\r\n"))
		return true;
	RN_AUTO(rn_strv_clear) struct rn_strv lines = { 0 };
	rn_strv_split(&lines, secret, '\n');
	for (size_t i = 0; i < lines.n; i++) {
		char *line = rn_trim(lines.v[i]);
		if (strlen(line) >= LINE_MIN)
			add_forms(r, line, strlen(line));
		rn_wipe(line, strlen(line));
	}
	return true;
}

/* ---- finding ---- */

enum { MISS = 0, PARTIAL = -1 };

/* Length of the text that the pattern covers, MISS, or PARTIAL when the text ends inside it; *ret_partial: more text could add to it. */
static ssize_t match(const struct pattern *p, const char *text, size_t n, bool *ret_partial)
{
	if (!p->wrapped) {
		size_t k = n < p->n ? n : p->n;
		if (memcmp(p->text, text, k) != 0)
			return MISS;
		return k == p->n ? (ssize_t)k : PARTIAL;
	}
	size_t at = 0;
	for (size_t i = 0; i < p->n; i++, at++) {
		if (i) { /* at most one line break, CR LF or LF */
			if (at < n && text[at] == '\r')
				at++;
			if (at < n && text[at] == '\n')
				at++;
		}
		if (at >= n)
			return PARTIAL;
		if (text[at] != p->text[i])
			return MISS;
	}
	if (p->mixed && at < n && text[at] && (isalnum((unsigned char)text[at]) || strchr("+/-_", text[at])))
		at++;
	else if (p->mixed && at == n)
		*ret_partial = true;
	return (ssize_t)at;
}

/* The longest match at text[0..n); *ret_partial when a longer one may follow with more text. */
static size_t match_any(const struct redact *r, const char *text, size_t n, bool *ret_partial)
{
	const uint8_t *t = (const uint8_t *)text;
	*ret_partial = false;
	if (n < 2) {
		*ret_partial = r->heads[t[0] / 8] >> t[0] % 8 & 1;
		return 0;
	}
	unsigned pair = t[0] | (unsigned)t[1] << 8;
	if (!(r->starts[pair / 8] >> pair % 8 & 1))
		return 0;
	size_t longest = 0;
	for (size_t i = 0; i < r->n; i++) {
		if (r->v[i].text[0] != text[0])
			continue;
		ssize_t k = match(&r->v[i], text, n, ret_partial);
		if (k == PARTIAL)
			*ret_partial = true;
		else if (k > 0 && (size_t)k > longest)
			longest = (size_t)k;
	}
	return longest;
}

/*
 * Copies text[0..n) masked; what several matches cover is one mask. Stops where a match may go
 * on behind the text (unless `final`). *covered: bytes ahead that a mask already stands for.
 * Returns the number of bytes dealt with.
 */
static size_t scan(const struct redact *r, const char *text, size_t n, bool final, size_t *covered, struct rn_buf *out)
{
	size_t plain = 0, i = 0, masked = *covered; /* text[plain..i) is not copied yet */
	for (; r->n && i < n; i++) {
		bool partial;
		size_t k = match_any(r, text + i, n - i, &partial);
		if (partial && !final)
			break;
		if (k && i >= masked) { /* not inside a mask */
			rn_buf_add(out, text + plain, i - plain);
			rn_buf_adds(out, REDACT_MASK);
		}
		if (k && i + k > masked)
			masked = i + k;
		if (i < masked)
			plain = i + 1;
	}
	if (!r->n)
		i = n;
	rn_buf_add(out, text + plain, i - plain);
	*covered = masked > i ? masked - i : 0;
	return i;
}

void redact_feed(const struct redact *r, struct redact_stream *s, const void *data, size_t n, bool flush,
		 struct rn_buf *out)
{
	if (!s->held.len && !flush) { /* the common case copies once */
		size_t done = scan(r, data, n, false, &s->covered, out);
		rn_buf_add(&s->held, (const char *)data + done, n - done);
		return;
	}
	rn_buf_add(&s->held, data, n);
	if (s->held.len)
		rn_buf_drop(&s->held, scan(r, s->held.p, s->held.len, flush, &s->covered, out));
}

void redact_stream_clear(struct redact_stream *s)
{
	rn_buf_clear(&s->held);
	s->covered = 0;
}

char *redact_text(const struct redact *r, const char *text)
{
	if (!text)
		return NULL;
	struct rn_buf out = RN_BUF_INIT;
	size_t covered = 0;
	scan(r, text, strlen(text), true, &covered, &out);
	return rn_buf_take(&out);
}

bool redact_found(const struct redact *r, const char *text)
{
	size_t n = strlen(text);
	bool partial;
	for (size_t i = 0; i < n; i++)
		if (match_any(r, text + i, n - i, &partial))
			return true;
	return false;
}
