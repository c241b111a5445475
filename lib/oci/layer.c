/* SPDX-License-Identifier: Apache-2.0 */
/* Names of entries: cleaning, whiteouts, order. */
#include "layer.h"

#include "manifest.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define GZIP_LEVEL 1 /* a third less time than level 4, 2 to 4 % more than what others push; figures in plugins/oci-build/README.md */
#define ZSTD_LEVEL 3

const char *layer_media_type(enum layer_compression c)
{
	switch (c) {
	case LAYER_ZSTD:
		return MEDIA_OCI_LAYER_ZSTD;
	case LAYER_PLAIN:
		return MEDIA_OCI_LAYER;
	case LAYER_GZIP:
		break;
	}
	return MEDIA_OCI_LAYER_GZIP;
}

int layer_level(enum layer_compression c, int level)
{
	static const int defaults[] = { [LAYER_GZIP] = GZIP_LEVEL, [LAYER_ZSTD] = ZSTD_LEVEL, [LAYER_PLAIN] = 0 };
	return level ? level : defaults[c];
}

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

bool layer_is_whiteout(const char *path)
{
	return rn_starts(last_component(path), LAYER_WHITEOUT);
}

char *layer_whiteout_target(const char *path, bool *ret_opaque)
{
	const char *name = last_component(path);
	size_t dir = (size_t)(name - path);
	*ret_opaque = !strcmp(name, LAYER_OPAQUE);
	if (*ret_opaque)
		return rn_strndup(path, dir ? dir - 1 : 0);
	const char *hidden = name + strlen(LAYER_WHITEOUT);
	if (!*hidden || !strcmp(hidden, ".") || !strcmp(hidden, "..") ||
	    rn_starts(hidden, LAYER_WHITEOUT))
		return NULL;
	return rn_asprintf("%.*s%s", (int)dir, path, hidden);
}

int layer_path_compare(const char *a, const char *b)
{
	for (;; a++, b++) {
		/* the end, then '/', sort before every other byte */
		int x = *a == 0 ? -2 : *a == '/' ? -1 : (unsigned char)*a;
		int y = *b == 0 ? -2 : *b == '/' ? -1 : (unsigned char)*b;
		if (x != y)
			return x < y ? -1 : 1;
		if (x == -2)
			return 0;
	}
}

int layer_path_clean(const char *name, bool clamp, char **ret)
{
	/* "/" alone is how some builders write the root folder */
	if (*name == '/' && !clamp && name[strspn(name, "/")])
		return -1;
	char *out = rn_alloc(strlen(name) + 1);
	size_t n = 0;
	for (const char *p = name; *p;) {
		size_t length = strcspn(p, "/");
		bool up = length == 2 && !strncmp(p, "..", 2);
		if (up && !clamp) {
			free(out);
			return -1;
		}
		if (up) {
			while (n && out[--n] != '/')
				;
		} else if (length && !(length == 1 && *p == '.')) {
			if (n)
				out[n++] = '/';
			memcpy(out + n, p, length);
			n += length;
		}
		p += length;
		p += strspn(p, "/");
	}
	out[n] = 0;
	*ret = out;
	return 0;
}

struct layer_limits layer_limits_effective(const struct layer_limits *l)
{
	struct layer_limits e = l ? *l : (struct layer_limits){ 0 };
	if (!e.max_bytes)
		e.max_bytes = LAYER_BYTES_MAX;
	if (!e.max_entries)
		e.max_entries = 4000000;
	if (!e.max_path)
		e.max_path = 4096;
	if (!e.max_xattrs)
		e.max_xattrs = 1 << 20;
	return e;
}
