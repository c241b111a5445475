/* SPDX-License-Identifier: Apache-2.0 */
#include "dockerfile_check.h"

#include "base/str.h"

#include <string.h>

struct check_options {
	struct rn_strv skip;
	bool skip_all;
	bool error;
};

static int bad_option(const struct dockerfile *d, const char *text, struct rn_error *err)
{
	df_fail(d->source, d->check_at, err, RN_EINVAL, "the check directive has no option \"%s\"", text);
	return rn_hint(err, "write skip=RULE,RULE or skip=all, error=true, or both with a ';' between");
}

static void read_skip(struct check_options *o, const char *value)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	rn_strv_split(&names, value, ',');
	for (size_t i = 0; i < names.n; i++) {
		const char *name = rn_trim(names.v[i]);
		o->skip_all |= rn_streq(name, "all");
		rn_strv_add(&o->skip, name);
	}
}

/* "skip=A,B" | "error=true"; `experimental` names rules that are off by default: none here is. */
static int read_option(const struct dockerfile *d, char *text, struct check_options *o, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *whole = rn_strdup(text);
	char *value = strchr(text, '=');
	if (!value)
		return bad_option(d, whole, err);
	*value++ = '\0';
	const char *name = rn_trim(text);
	value = rn_trim(value);
	if (rn_streq(name, "skip")) {
		read_skip(o, value);
		return 0;
	}
	if (rn_streq(name, "error") && (rn_streq(value, "true") || rn_streq(value, "false"))) {
		o->error = rn_streq(value, "true");
		return 0;
	}
	return rn_streq(name, "experimental") ? 0 : bad_option(d, whole, err);
}

static void drop_skipped(struct dockerfile *d, const struct check_options *o)
{
	size_t kept = 0;
	for (size_t i = 0; i < d->n_warnings; i++) {
		if (o->skip_all || rn_strv_has(&o->skip, d->warnings[i].rule))
			rn_freep(&d->warnings[i].text);
		else
			d->warnings[kept++] = d->warnings[i];
	}
	d->n_warnings = kept;
}

static int check(struct dockerfile *d, struct check_options *o, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv parts = { 0 };
	rn_strv_split(&parts, d->check, ';');
	for (size_t i = 0; i < parts.n; i++)
		if (read_option(d, rn_trim(parts.v[i]), o, err) < 0)
			return -1;
	drop_skipped(d, o);
	if (!o->error || d->n_warnings == 0)
		return 0;
	const struct df_warning *w = &d->warnings[0];
	df_fail(d->source, w->at, err, RN_EINVAL, "%s", w->text);
	return rn_hint(err, "the directive `# check=%s` makes this an error; add skip=%s to it to allow it", d->check, w->rule);
}

/* "docker/dockerfile:1", "docker.io/docker/dockerfile-upstream:master-labs@sha256:…" */
static int check_syntax(const struct dockerfile *d, struct rn_error *err)
{
	const char *name = d->syntax;
	if (rn_starts(name, "docker.io/"))
		name += strlen("docker.io/");
	size_t n = strcspn(name, ":@");
	if ((n == strlen("docker/dockerfile") && rn_starts(name, "docker/dockerfile")) ||
	    (n == strlen("docker/dockerfile-upstream") && rn_starts(name, "docker/dockerfile-upstream")))
		return 0;
	df_fail(d->source, d->syntax_at, err, RN_EUNSUPPORTED, "the file is written for the frontend \"%s\"", d->syntax);
	return rn_hint(err, "only the language of docker/dockerfile is read here; write # syntax=docker/dockerfile:1 or leave the line out");
}

int dockerfile_check(struct dockerfile *d, struct rn_error *err)
{
	struct check_options o = { 0 };
	if (d->syntax && check_syntax(d, err) < 0)
		return -1;
	int rc = d->check ? check(d, &o, err) : 0;
	rn_strv_clear(&o.skip);
	return rc;
}
