/* SPDX-License-Identifier: Apache-2.0 */
/* URLs by RFC 3986: parsing, writing and resolving of references; no network. */
#include "url.h"

#include "base/buf.h"
#include "base/encode.h"
#include "base/str.h"

#include <string.h>
#include <strings.h>

#define URL_MAX 65536

void url_clear(struct url *u)
{
	rn_freep(&u->scheme);
	rn_freep(&u->user);
	if (u->password)
		rn_wipe(u->password, strlen(u->password));
	rn_freep(&u->password);
	rn_freep(&u->host);
	rn_freep(&u->path);
	rn_freep(&u->query);
	u->port = 0;
}

static int check_characters(const char *text, struct rn_error *err)
{
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '\\')
			return rn_fail(
				err, RN_EINVAL,
				"URL has a blank, control character or backslash at position %zu",
				(size_t)(p - text) + 1);
	return 0;
}

static int parse_port(const char *text, int *ret, struct rn_error *err)
{
	int64_t port = 0;
	if (*text && rn_parse_int(text, 1, 65535, &port, NULL) < 0)
		return rn_fail(err, RN_EINVAL, "port \"%s\" is not a number from 1 to 65535", text);
	*ret = (int)port;
	return 0;
}

static int parse_host(const char *s, size_t n, struct url *u, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *text = rn_strndup(s, n);
	char *colon;
	if (text[0] == '[') {
		char *end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return rn_fail(err, RN_EINVAL, "IPv6 address in brackets is not closed");
		colon = end[1] ? end + 1 : NULL;
	} else {
		colon = strchr(text, ':');
	}
	if (colon) {
		*colon = 0;
		if (parse_port(colon + 1, &u->port, err) < 0)
			return -1;
	}
	if (!*text)
		return rn_fail(err, RN_EINVAL, "no host in the URL");
	if (strpbrk(text, "<>\"{}|^`%@"))
		return rn_fail(err, RN_EINVAL, "host \"%s\" has characters that a host cannot have",
			       text);
	u->host = rn_strdup(rn_lower(text));
	return 0;
}

static int parse_authority(const char *s, size_t n, struct url *u, struct rn_error *err)
{
	const char *at = memrchr(s, '@', n);
	if (at) {
		RN_AUTO(rn_freep) char *info = rn_strndup(s, (size_t)(at - s));
		char *colon = strchr(info, ':');
		if (colon) {
			*colon = 0;
			u->password = rn_percent_decode(colon + 1, false);
		}
		u->user = rn_percent_decode(info, false);
		n -= (size_t)(at + 1 - s);
		s = at + 1;
	}
	return parse_host(s, n, u, err);
}

static int parse(const char *text, struct url *u, struct rn_error *err)
{
	if (strlen(text) > URL_MAX)
		return rn_fail(err, RN_EINVAL, "URL is longer than %d bytes", URL_MAX);
	if (check_characters(text, err) < 0)
		return -1;
	const char *sep = strstr(text, "://");
	if (!sep)
		return rn_fail(err, RN_EINVAL,
			       "\"%s\" is not a URL: it begins with no http:// or https://", text);
	u->scheme = rn_lower(rn_strndup(text, (size_t)(sep - text)));
	if (!rn_streq(u->scheme, "http") && !rn_streq(u->scheme, "https"))
		return rn_fail(err, RN_EINVAL,
			       "URL scheme \"%s\" is not supported, only http and https",
			       u->scheme);
	const char *authority = sep + 3;
	size_t n = strcspn(authority, "/?#");
	if (parse_authority(authority, n, u, err) < 0)
		return -1;
	const char *path = authority + n;
	size_t path_len = strcspn(path, "?#");
	u->path = path_len ? rn_strndup(path, path_len) : rn_strdup("/");
	if (path[path_len] == '?') {
		const char *query = path + path_len + 1;
		u->query = rn_strndup(query, strcspn(query, "#"));
	}
	return 0;
}

int url_parse(const char *text, struct url *ret, struct rn_error *err)
{
	struct url u = { 0 };
	if (parse(text ? text : "", &u, err) < 0) {
		url_clear(&u);
		return -1;
	}
	*ret = u;
	return 0;
}

int url_port(const struct url *u)
{
	if (u->port)
		return u->port;
	return rn_streq(u->scheme, "https") ? 443 : 80;
}

char *url_authority(const struct url *u)
{
	int usual = rn_streq(u->scheme, "https") ? 443 : 80;
	if (u->port && u->port != usual)
		return rn_asprintf("%s:%d", u->host, u->port);
	return rn_strdup(u->host);
}

char *url_format(const struct url *u)
{
	RN_AUTO(rn_freep) char *authority = url_authority(u);
	return rn_asprintf("%s://%s%s%s%s", u->scheme, authority, u->path, u->query ? "?" : "",
			   u->query ? u->query : "");
}

/* RFC 3986 §5.2.4 */
static char *remove_dots(const char *path)
{
	RN_AUTO(rn_strv_clear) struct rn_strv in = { 0 };
	RN_AUTO(rn_strv_clear) struct rn_strv out = { 0 };
	rn_strv_split(&in, path[0] == '/' ? path + 1 : path, '/');
	for (size_t i = 0; i < in.n; i++) {
		bool last = i + 1 == in.n;
		bool dot = rn_streq(in.v[i], "."), up = rn_streq(in.v[i], "..");
		if (up && out.n)
			rn_freep(&out.v[--out.n]);
		if (!dot && !up)
			rn_strv_add(&out, in.v[i]);
		else if (last)
			rn_strv_add(&out, "");
	}
	struct rn_buf b = RN_BUF_INIT;
	for (size_t i = 0; i < out.n; i++) {
		rn_buf_addc(&b, '/');
		rn_buf_adds(&b, out.v[i]);
	}
	if (!out.n)
		rn_buf_addc(&b, '/');
	return rn_buf_take(&b);
}

static char *merge(const struct url *base, const char *ref)
{
	size_t path_len = strcspn(ref, "?#");
	RN_AUTO(rn_freep) char *path = rn_strndup(ref, path_len);
	RN_AUTO(rn_freep) char *query = NULL;
	if (ref[path_len] == '?')
		query = rn_strndup(ref + path_len + 1, strcspn(ref + path_len + 1, "#"));
	RN_AUTO(rn_freep) char *whole = NULL;
	if (!path_len) {
		whole = rn_strdup(base->path);
		if (!query && base->query)
			query = rn_strdup(base->query);
	} else if (path[0] == '/') {
		whole = remove_dots(path);
	} else {
		size_t dir = strlen(base->path);
		while (dir && base->path[dir - 1] != '/')
			dir--;
		RN_AUTO(rn_freep) char *joined = rn_asprintf("%.*s%s", (int)dir, base->path, path);
		whole = remove_dots(joined);
	}
	struct url u = *base;
	u.path = whole;
	u.query = query;
	return url_format(&u);
}

static bool has_scheme(const char *ref)
{
	size_t n = strcspn(ref, ":/?#");
	return n && ref[n] == ':';
}

char *url_resolve(const char *base, const char *ref, struct rn_error *err)
{
	RN_AUTO(url_clear) struct url b = { 0 };
	RN_AUTO(url_clear) struct url whole = { 0 };
	RN_AUTO(rn_freep) char *text = NULL;
	if (url_parse(base, &b, err) < 0)
		return NULL;
	if (has_scheme(ref))
		text = rn_strdup(ref);
	else if (rn_starts(ref, "//"))
		text = rn_asprintf("%s:%s", b.scheme, ref);
	else
		text = merge(&b, ref);
	if (url_parse(text, &whole, err) < 0) {
		rn_wrap(err, "redirect from %s", base);
		return NULL;
	}
	return url_format(&whole);
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return rn_streq(a->scheme, b->scheme) && rn_streq(a->host, b->host) &&
	       url_port(a) == url_port(b);
}

bool url_is_loopback(const struct url *u)
{
	return rn_streq(u->host, "localhost") || rn_ends(u->host, ".localhost") ||
	       rn_streq(u->host, "[::1]") ||
	       (rn_starts(u->host, "127.") && strspn(u->host, "0123456789.") == strlen(u->host));
}

char *url_for_display(const char *text)
{
	RN_AUTO(url_clear) struct url u = { 0 };
	if (url_parse(text, &u, NULL) < 0)
		return rn_strndup(text, strcspn(text, "?"));
	rn_freep(&u.query);
	return url_format(&u);
}
