/* SPDX-License-Identifier: Apache-2.0 */
/* Platforms: "os/architecture/variant", normalised as containerd and docker do. */
#include "manifest.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

static const struct alias {
	const char *from, *architecture, *variant;
} aliases[] = {
	{ "x86_64", "amd64", NULL },  { "x86-64", "amd64", NULL },   { "i386", "386", NULL },
	{ "i486", "386", NULL },      { "i586", "386", NULL },       { "i686", "386", NULL },
	{ "aarch64", "arm64", NULL }, { "arm64v8", "arm64", NULL },  { "armhf", "arm", "v7" },
	{ "armv7l", "arm", "v7" },    { "arm32v7", "arm", "v7" },    { "armel", "arm", "v6" },
	{ "armv6l", "arm", "v6" },    { "arm32v6", "arm", "v6" },    { "arm32v5", "arm", "v5" },
	{ "ppc64el", "ppc64le", NULL },
};

static void set(char **to, const char *value)
{
	char *copy = rn_strdup(value);
	free(*to);
	*to = copy;
}

static void normalise(struct platform *p)
{
	for (size_t i = 0; i < RN_LEN(aliases); i++)
		if (!strcmp(p->architecture, aliases[i].from)) {
			set(&p->architecture, aliases[i].architecture);
			if (aliases[i].variant && !p->variant)
				set(&p->variant, aliases[i].variant);
			break;
		}
	if (!strcmp(p->architecture, "arm64") && p->variant &&
	    (!strcmp(p->variant, "v8") || !strcmp(p->variant, "8")))
		set(&p->variant, NULL);
	if (!strcmp(p->architecture, "amd64") && p->variant && !strcmp(p->variant, "v1"))
		set(&p->variant, NULL);
	if (!strcmp(p->architecture, "arm") && !p->variant)
		set(&p->variant, "v7");
}

static bool word_valid(const char *s)
{
	return *s && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == strlen(s);
}

int platform_parse(const char *text, struct platform *ret, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv words = { 0 };
	RN_AUTO(rn_freep) char *lower = rn_lower(rn_strdup(text));
	rn_strv_split(&words, lower, '/');
	bool good = words.n <= 3;
	for (size_t i = 0; i < words.n; i++)
		good = good && word_valid(words.v[i]);
	if (!good)
		return rn_fail(err, RN_EINVAL,
			       "\"%.100s\" is not a platform: OS/ARCHITECTURE[/VARIANT] is wanted, "
			       "as in linux/amd64",
			       text);
	struct platform p = { 0 };
	p.os = rn_strdup(words.n > 1 ? words.v[0] : "linux");
	p.architecture = rn_strdup(words.n > 1 ? words.v[1] : words.v[0]);
	p.variant = words.n > 2 ? rn_strdup(words.v[2]) : NULL;
	normalise(&p);
	*ret = p;
	return 0;
}

void platform_host(struct platform *ret)
{
	struct utsname u;
	struct platform p = { 0 };
	p.os = rn_strdup("linux");
	p.architecture = rn_strdup(uname(&u) == 0 ? u.machine : "amd64");
	normalise(&p);
	*ret = p;
}

void platform_clear(struct platform *p)
{
	free(p->os);
	free(p->architecture);
	free(p->variant);
	free(p->os_version);
	memset(p, 0, sizeof(*p));
}

void platform_copy(const struct platform *from, struct platform *ret)
{
	ret->os = rn_strdup(from->os);
	ret->architecture = rn_strdup(from->architecture);
	ret->variant = rn_strdup(from->variant);
	ret->os_version = rn_strdup(from->os_version);
}

char *platform_format(const struct platform *p)
{
	return rn_asprintf("%s/%s%s%s", p->os ? p->os : "any",
			   p->architecture ? p->architecture : "any", p->variant ? "/" : "",
			   p->variant ? p->variant : "");
}

static int variant_number(const struct platform *p)
{
	const char *v = p->variant;
	if (!v || !*v) {
		if (p->architecture && !strcmp(p->architecture, "arm"))
			return 7;
		return p->architecture && !strcmp(p->architecture, "arm64") ? 8 : 1;
	}
	int64_t n = 0;
	return rn_parse_int(*v == 'v' ? v + 1 : v, 0, 1000, &n, NULL) == 0 ? (int)n : 0;
}

bool platform_matches(const struct platform *want, const struct platform *have)
{
	if (want->os && !rn_streq(want->os, have->os))
		return false;
	if (want->architecture && !rn_streq(want->architecture, have->architecture))
		return false;
	if (want->os_version && have->os_version && strcmp(want->os_version, have->os_version))
		return false;
	if (!want->architecture)
		return true;
	return variant_number(have) <= variant_number(want);
}

bool platform_equal(const struct platform *a, const struct platform *b)
{
	return rn_streq(a->os, b->os) && rn_streq(a->architecture, b->architecture) &&
	       (!a->architecture || variant_number(a) == variant_number(b));
}

const struct descriptor *manifest_choose(const struct manifest *index, const struct platform *want,
					 struct rn_error *err)
{
	const struct descriptor *best = NULL;
	RN_AUTO(rn_strv_clear) struct rn_strv offered = { 0 };
	for (size_t i = 0; i < index->n_layers; i++) {
		const struct descriptor *d = &index->layers[i];
		const char *kind = descriptor_annotation(d, "vnd.docker.reference.type");
		if (kind && !strcmp(kind, "attestation-manifest"))
			continue;
		if (!manifest_kind_of(d->media_type))
			continue;
		if (!d->platform.os) { /* a child that does not say: taken when it is the only one */
			if (index->n_layers == 1)
				return d;
			continue;
		}
		rn_strv_take(&offered, platform_format(&d->platform));
		if (platform_matches(want, &d->platform) &&
		    (!best || variant_number(&d->platform) > variant_number(&best->platform)))
			best = d;
	}
	if (best)
		return best;
	RN_AUTO(rn_freep) char *wanted = platform_format(want);
	RN_AUTO(rn_freep) char *list = rn_strv_join(&offered, ", ");
	rn_fail(err, RN_ENOTFOUND, "the image has no %s; it has: %s", wanted,
		offered.n ? list : "no platform at all");
	return NULL;
}
