/* SPDX-License-Identifier: Apache-2.0 */
#include "run_mount.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum {
	ON_BIND = 1 << MOUNT_BIND,
	ON_CACHE = 1 << MOUNT_CACHE,
	ON_TMPFS = 1 << MOUNT_TMPFS,
	ON_SECRET = 1 << MOUNT_SECRET,
	ON_SSH = 1 << MOUNT_SSH,
	ON_ALL = ON_BIND | ON_CACHE | ON_TMPFS | ON_SECRET | ON_SSH,
};

static const char *const type_names[] = { "bind", "cache", "tmpfs", "secret", "ssh" };

const char *mount_type_name(enum mount_type type)
{
	return type_names[type];
}

void run_mount_clear(struct run_mount *m)
{
	rn_freep(&m->target);
	rn_freep(&m->source);
	rn_freep(&m->from);
	rn_freep(&m->id);
	rn_freep(&m->env);
	*m = (struct run_mount){ 0 };
}

/* ---- options -------------------------------------------------------------------------- */

struct reading {
	struct run_mount *m;
	const char *key;
	bool readonly_given;
	mount_expand *expand;
	void *ctx;
	struct rn_error *err;
};

static int bad_value(struct reading *r, const char *value, const char *want)
{
	return rn_fail(r->err, RN_EINVAL, "--mount: %s is %s, not \"%s\"", r->key, want, value);
}

static int set_text(char **to, const char *value)
{
	free(*to);
	*to = rn_strdup(value);
	return 0;
}

static int set_target(struct reading *r, const char *value)
{
	return set_text(&r->m->target, value);
}

static int set_source(struct reading *r, const char *value)
{
	return set_text(&r->m->source, value);
}

static int set_from(struct reading *r, const char *value)
{
	return set_text(&r->m->from, value);
}

static int set_id(struct reading *r, const char *value)
{
	return set_text(&r->m->id, value);
}

static int set_env(struct reading *r, const char *value)
{
	return set_text(&r->m->env, value);
}

static int read_bool(struct reading *r, const char *value, bool *ret)
{
	static const char *const yes[] = { "", "true", "1", "t", "T", "True", "TRUE" };
	static const char *const no[] = { "false", "0", "f", "F", "False", "FALSE" };
	for (size_t i = 0; i < RN_LEN(yes); i++)
		if (rn_streq(value, yes[i])) {
			*ret = true;
			return 0;
		}
	for (size_t i = 0; i < RN_LEN(no); i++)
		if (rn_streq(value, no[i])) {
			*ret = false;
			return 0;
		}
	return bad_value(r, value, "true or false");
}

static int set_readonly(struct reading *r, const char *value)
{
	r->readonly_given = true;
	return read_bool(r, value, &r->m->readonly);
}

static int set_readwrite(struct reading *r, const char *value)
{
	bool writable;
	r->readonly_given = true;
	if (read_bool(r, value, &writable) < 0)
		return -1;
	r->m->readonly = !writable;
	return 0;
}

static int set_required(struct reading *r, const char *value)
{
	return read_bool(r, value, &r->m->required);
}

static int set_sharing(struct reading *r, const char *value)
{
	static const char *const names[] = { "shared", "private", "locked" };
	for (size_t i = 0; i < RN_LEN(names); i++)
		if (strcasecmp(value, names[i]) == 0) {
			r->m->sharing = (enum mount_sharing)i;
			return 0;
		}
	return bad_value(r, value, "shared, private or locked");
}

static int set_mode(struct reading *r, const char *value)
{
	size_t n = strlen(value);
	if (n == 0 || n > 5 || value[strspn(value, "01234567")])
		return bad_value(r, value, "an octal mode");
	r->m->mode = (mode_t)strtoul(value, NULL, 8) & 07777;
	r->m->has_mode = true;
	return 0;
}

static int read_id(struct reading *r, const char *value, uint32_t *ret)
{
	int64_t id;
	if (rn_parse_int(value, 0, UINT32_MAX - 1, &id, NULL) < 0)
		return bad_value(r, value, "a number");
	*ret = (uint32_t)id;
	return 0;
}

static int set_uid(struct reading *r, const char *value)
{
	return read_id(r, value, &r->m->uid);
}

static int set_gid(struct reading *r, const char *value)
{
	return read_id(r, value, &r->m->gid);
}

static int set_size(struct reading *r, const char *value)
{
	return rn_parse_size(value, &r->m->size, NULL) < 0 ? bad_value(r, value, "a size like 64m") : 0;
}

static const struct option {
	const char *name;
	unsigned types; /* that know it */
	bool bare;      /* may stand without a value */
	int (*set)(struct reading *r, const char *value);
} options[] = {
	{ "target", ON_ALL, false, set_target },     { "dst", ON_ALL, false, set_target },
	{ "destination", ON_ALL, false, set_target }, { "source", ON_BIND | ON_CACHE, false, set_source },
	{ "src", ON_BIND | ON_CACHE, false, set_source }, { "from", ON_BIND | ON_CACHE, false, set_from },
	{ "id", ON_CACHE | ON_SECRET | ON_SSH, false, set_id }, { "env", ON_SECRET, false, set_env },
	{ "readonly", ON_BIND | ON_CACHE, true, set_readonly }, { "ro", ON_BIND | ON_CACHE, true, set_readonly },
	{ "readwrite", ON_BIND | ON_CACHE, true, set_readwrite }, { "rw", ON_BIND | ON_CACHE, true, set_readwrite },
	{ "required", ON_SECRET | ON_SSH, true, set_required }, { "sharing", ON_CACHE, false, set_sharing },
	{ "mode", ON_CACHE | ON_SECRET | ON_SSH, false, set_mode }, { "uid", ON_CACHE | ON_SECRET | ON_SSH, false, set_uid },
	{ "gid", ON_CACHE | ON_SECRET | ON_SSH, false, set_gid }, { "size", ON_TMPFS, false, set_size },
};

static int unknown_option(struct reading *r)
{
	const char *names[RN_LEN(options)];
	size_t n = 0;
	RN_AUTO(rn_buf_clear) struct rn_buf all = RN_BUF_INIT;
	for (size_t i = 0; i < RN_LEN(options); i++) {
		if (!(options[i].types & 1u << r->m->type))
			continue;
		rn_buf_addf(&all, "%s%s", n ? ", " : "", options[i].name);
		names[n++] = options[i].name;
	}
	rn_fail(r->err, RN_EINVAL, "--mount=type=%s has no option \"%s\"", type_names[r->m->type], r->key);
	const char *near = rn_nearest(r->key, names, n);
	return near ? rn_hint(r->err, "did you mean %s?", near) : rn_hint(r->err, "it has %s", rn_buf_str(&all));
}

/* Options whose text is taken as it is, and so may wait for its variables. */
static bool takes_text(const struct option *o)
{
	return o->set == set_target || o->set == set_source || o->set == set_id || o->set == set_env;
}

static int set_value(struct reading *r, const struct option *o, const char *value)
{
	if (!strchr(value, '$'))
		return o->set(r, value);
	if (o->set == set_from) {
		rn_fail(r->err, RN_EINVAL, "--mount: from takes no variables (%s)", value);
		return rn_hint(r->err, "name a stage with FROM $VARIABLE AS name, and mount from that");
	}
	if (!r->expand)
		return takes_text(o) ? o->set(r, value) : 0;
	RN_AUTO(rn_freep) char *expanded = r->expand(r->ctx, value);
	return expanded ? o->set(r, expanded) : -1;
}

static int set_option(struct reading *r, const char *value)
{
	for (size_t i = 0; i < RN_LEN(options); i++) {
		if (!rn_streq(options[i].name, r->key) || !(options[i].types & 1u << r->m->type))
			continue;
		if (!value && !options[i].bare)
			return rn_fail(r->err, RN_EINVAL, "--mount: %s needs a value", r->key);
		return set_value(r, &options[i], value ? value : "");
	}
	return unknown_option(r);
}

/* ---- the whole ---------------------------------------------------------------------------- */

/* Comma-separated fields; "a,b" in double quotes is one, "" inside is a quote. */
static int split_fields(const char *text, struct rn_strv *ret, struct rn_error *err)
{
	for (const char *p = text;; p++) {
		RN_AUTO(rn_buf_clear) struct rn_buf field = RN_BUF_INIT;
		if (*p == '"') {
			for (p++; *p && (*p != '"' || p[1] == '"'); p++) {
				if (*p == '"')
					p++;
				rn_buf_addc(&field, *p);
			}
			if (*p != '"' || (p[1] && p[1] != ','))
				return rn_fail(err, RN_EINVAL, "--mount: a quote is not closed in \"%s\"", text);
			p++;
		} else {
			for (; *p && *p != ','; p++)
				rn_buf_addc(&field, *p);
		}
		rn_strv_take(ret, rn_buf_take(&field));
		if (!*p)
			return 0;
	}
}

static int read_type(struct run_mount *m, const char *name, struct rn_error *err)
{
	for (size_t n = 0; n < RN_LEN(type_names); n++)
		if (strcasecmp(name, type_names[n]) == 0) {
			m->type = (enum mount_type)n;
			return 0;
		}
	rn_fail(err, RN_EINVAL, "--mount has no type \"%s\"", name);
	const char *near = rn_nearest(name, type_names, RN_LEN(type_names));
	return near ? rn_hint(err, "did you mean %s?", near) : rn_hint(err, "types are bind, cache, tmpfs, secret and ssh");
}

/* *ret_known: false while the type is a variable that has no value yet. */
static int find_type(const struct rn_strv *fields, const struct reading *r, bool *ret_known)
{
	struct run_mount *m = r->m;
	m->type = MOUNT_BIND;
	*ret_known = true;
	for (size_t i = 0; i < fields->n; i++) {
		RN_AUTO(rn_freep) char *field = rn_strdup(fields->v[i]);
		char *equals = strchr(field, '=');
		if (!equals || equals - field != 4 || strncasecmp(field, "type", 4) != 0)
			continue;
		bool variable = strchr(equals, '$');
		*ret_known = !variable || r->expand;
		if (!*ret_known)
			continue;
		RN_AUTO(rn_freep) char *name = variable ? r->expand(r->ctx, equals + 1) : rn_strdup(equals + 1);
		if (!name || read_type(m, name, r->err) < 0)
			return -1;
	}
	return 0;
}

/* What the options must be together, and defaults. */
static int finish(struct run_mount *m, bool readonly_given, struct rn_error *err)
{
	if (!readonly_given)
		m->readonly = m->type == MOUNT_BIND;
	bool needs_target = m->type == MOUNT_BIND || m->type == MOUNT_CACHE || m->type == MOUNT_TMPFS;
	if (needs_target && (!m->target || !*m->target))
		return rn_fail(err, RN_EINVAL, "--mount=type=%s needs a target", type_names[m->type]);
	if (m->type == MOUNT_CACHE && m->from && !m->source)
		m->source = rn_strdup("/");
	if (m->type == MOUNT_CACHE && m->source && !m->from && strcmp(m->source, "/") != 0)
		return rn_fail(err, RN_EINVAL, "--mount=type=cache: source needs from");
	if (m->type == MOUNT_SECRET && !m->id) {
		if (!m->target && !m->env)
			return rn_fail(err, RN_EINVAL, "--mount=type=secret needs an id");
		m->id = rn_strdup(m->target ? rn_path_base(m->target) : m->env);
	}
	if (m->type == MOUNT_SECRET && !m->target && !m->env)
		m->target = rn_asprintf("/run/secrets/%s", m->id);
	if (m->type == MOUNT_SSH && !m->id)
		m->id = rn_strdup("default");
	return 0;
}

int run_mount_parse(const char *text, mount_expand *expand, void *ctx, struct run_mount *ret, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv fields = { 0 };
	RN_AUTO(run_mount_clear) struct run_mount m = { 0 };
	struct reading r = { .m = &m, .expand = expand, .ctx = ctx, .err = err };
	bool known;
	if (split_fields(text, &fields, err) < 0 || find_type(&fields, &r, &known) < 0)
		return -1;
	for (size_t i = 0; i < fields.n; i++) {
		char *value = strchr(fields.v[i], '=');
		if (value)
			*value++ = '\0';
		r.key = rn_lower(fields.v[i]);
		if (!rn_streq(r.key, "type") && (known || rn_streq(r.key, "from")) && set_option(&r, value) < 0)
			return -1;
	}
	if (known && finish(&m, r.readonly_given, err) < 0)
		return -1;
	*ret = m;
	m = (struct run_mount){ 0 };
	return 0;
}
