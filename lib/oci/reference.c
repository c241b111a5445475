/* SPDX-License-Identifier: Apache-2.0 */
/* Names of images, by the grammar of distribution/reference. */
#include "reference.h"

#include "base/buf.h"
#include "base/str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LENGTH 255
#define TAG_MAX_LENGTH 128

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool reference_tag_valid(const char *tag)
{
	size_t n = strlen(tag);
	if (!n || n > TAG_MAX_LENGTH || !(is_alnum(tag[0]) || tag[0] == '_'))
		return false;
	for (size_t i = 1; i < n; i++)
		if (!is_alnum(tag[i]) && !strchr("_.-", tag[i]))
			return false;
	return true;
}

/* path-component: alphanumerics joined by one '.', one or two '_', or any number of '-' */
static bool component_valid(const char *s, size_t n)
{
	size_t i = 0;
	while (i < n) {
		size_t run = i;
		while (i < n && is_lower_alnum(s[i]))
			i++;
		if (i == run)
			return false;
		if (i == n)
			return true;
		size_t sep = i;
		while (i < n && s[i] == s[sep] && strchr("._-", s[i]))
			i++;
		size_t length = i - sep;
		if (!length || (s[sep] == '.' && length > 1) || (s[sep] == '_' && length > 2))
			return false;
	}
	return false;
}

bool reference_repository_valid(const char *path)
{
	size_t n = strlen(path);
	if (!n || n > NAME_MAX_LENGTH)
		return false;
	for (const char *p = path;;) {
		size_t length = strcspn(p, "/");
		if (!component_valid(p, length))
			return false;
		if (!p[length])
			return true;
		p += length + 1;
	}
}

/* host[:port], host being names joined by dots or an IPv6 address in brackets */
static bool registry_valid(const char *s)
{
	const char *p = s;
	if (*p == '[') {
		size_t n = strspn(p + 1, "0123456789abcdefABCDEF:.");
		if (!n || p[n + 1] != ']')
			return false;
		p += n + 2;
	} else {
		for (;;) {
			const char *label = p;
			while (is_alnum(*p) || *p == '-')
				p++;
			if (p == label || *label == '-' || p[-1] == '-')
				return false;
			if (*p != '.')
				break;
			p++;
		}
	}
	if (!*p)
		return true;
	size_t digits = strspn(p + 1, "0123456789");
	return *p == ':' && digits && digits <= 5 && !p[digits + 1];
}

static bool looks_like_registry(const char *first)
{
	if (strpbrk(first, ".:[") || !strcmp(first, "localhost"))
		return true;
	for (const char *p = first; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			return true;
	return false;
}

/* Cuts "@digest" and ":tag" off `name` into `ret`. */
static int cut_suffixes(char *name, const char *text, struct reference *ret, struct rn_error *err)
{
	char *at = strchr(name, '@');
	if (at) {
		*at = 0;
		if (digest_parse(at + 1, &ret->digest, err) < 0)
			return rn_wrap(err, "image name \"%.300s\"", text);
	}
	char *slash = strrchr(name, '/');
	char *colon = strrchr(slash ? slash : name, ':');
	/* "host:5000" alone: the part behind the colon can only be a tag */
	if (colon) {
		*colon = 0;
		if (!reference_tag_valid(colon + 1))
			return rn_fail(err, RN_EINVAL,
				       "image name \"%.300s\": \"%.140s\" is not a tag (letters, "
				       "digits, '_', '.', '-'; 128 at most)",
				       text, colon + 1);
		ret->tag = rn_strdup(colon + 1);
	}
	return 0;
}

static int split_name(const char *name, const char *text, struct reference *ret,
		      struct rn_error *err)
{
	const char *slash = strchr(name, '/');
	RN_AUTO(rn_freep) char *first = slash ? rn_strndup(name, (size_t)(slash - name)) : NULL;
	const char *path = name;
	if (first && looks_like_registry(first)) {
		if (!registry_valid(first))
			return rn_fail(err, RN_EINVAL,
				       "image name \"%.300s\": \"%.200s\" is not a registry host",
				       text, first);
		ret->registry = rn_strdup(first);
		path = slash + 1;
	} else {
		ret->registry = rn_strdup("docker.io");
	}
	if (!strcmp(ret->registry, "index.docker.io") ||
	    !strcmp(ret->registry, "registry-1.docker.io")) {
		free(ret->registry);
		ret->registry = rn_strdup("docker.io");
	}
	bool official = !strcmp(ret->registry, "docker.io") && !strchr(path, '/');
	ret->repository = rn_asprintf("%s%s", official ? "library/" : "", path);
	if (reference_repository_valid(ret->repository))
		return 0;
	for (const char *p = path; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			return rn_fail(err, RN_EINVAL,
				       "image name \"%.300s\": repository names are lower case",
				       text);
	return rn_fail(err, RN_EINVAL, "\"%.300s\" is not an image name", text);
}

int reference_parse(const char *text, struct reference *ret, struct rn_error *err)
{
	RN_AUTO(reference_clear) struct reference r = { 0 };
	if (strlen(text) > 1024)
		return rn_fail(err, RN_EINVAL, "the image name is longer than 1024 characters");
	RN_AUTO(rn_freep) char *name = rn_strdup(text);
	if (cut_suffixes(name, text, &r, err) < 0 || split_name(name, text, &r, err) < 0)
		return -1;
	*ret = r;
	memset(&r, 0, sizeof(r));
	return 0;
}

void reference_clear(struct reference *r)
{
	free(r->registry);
	free(r->repository);
	free(r->tag);
	memset(r, 0, sizeof(*r));
}

void reference_copy(const struct reference *from, struct reference *ret)
{
	ret->registry = rn_strdup(from->registry);
	ret->repository = rn_strdup(from->repository);
	ret->tag = rn_strdup(from->tag);
	ret->digest = from->digest;
}

static char *format(const struct reference *r, const char *registry, const char *repository)
{
	return rn_asprintf("%s%s%s%s%s%s%s", registry, *registry ? "/" : "", repository,
			   r->tag ? ":" : "", r->tag ? r->tag : "",
			   digest_is_set(&r->digest) ? "@" : "", r->digest.text);
}

char *reference_format(const struct reference *r)
{
	return format(r, r->registry, r->repository);
}

char *reference_familiar(const struct reference *r)
{
	if (strcmp(r->registry, "docker.io"))
		return reference_format(r);
	const char *path = r->repository;
	if (rn_starts(path, "library/") && !strchr(path + strlen("library/"), '/'))
		path += strlen("library/");
	return format(r, "", path);
}

const char *reference_target(const struct reference *r)
{
	if (digest_is_set(&r->digest))
		return r->digest.text;
	return r->tag ? r->tag : "latest";
}

const char *reference_api_host(const struct reference *r)
{
	return strcmp(r->registry, "docker.io") ? r->registry : "registry-1.docker.io";
}
