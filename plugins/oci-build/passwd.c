/* SPDX-License-Identifier: Apache-2.0 */
#include "passwd.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 7

void passwd_clear(struct passwd *p)
{
	rn_freep(&p->users);
	rn_freep(&p->groups);
}

void passwd_user_clear(struct passwd_user *u)
{
	rn_freep(&u->name);
	rn_freep(&u->home);
	rn_freep(&u->groups);
}

static bool number(const char *s, uint32_t *ret)
{
	int64_t v;
	if (!*s || s[strspn(s, "0123456789")] || rn_parse_int(s, 0, UINT32_MAX - 1, &v, NULL) < 0)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* Splits the next line of *text at colons, in place. False at the end; *ret_n: number of fields. */
static bool next_line(char **text, char **fields, size_t *ret_n)
{
	char *line = *text;
	if (!line || !*line)
		return false;
	char *end = strchr(line, '\n');
	*text = end ? end + 1 : line + strlen(line);
	if (end)
		*end = '\0';
	*ret_n = 0;
	for (char *p = line; p && *ret_n < FIELDS_MAX;) {
		fields[(*ret_n)++] = p;
		p = strchr(p, ':');
		if (p)
			*p++ = '\0';
	}
	return true;
}

/* The line of a user by name or (with `by_id`) by number. */
static bool find_user(const struct passwd *p, const char *name, bool by_id, struct passwd_user *ret)
{
	RN_AUTO(rn_freep) char *copy = rn_strdup(p->users);
	char *at = copy, *f[FIELDS_MAX];
	uint32_t wanted = 0, uid, gid;
	if (by_id)
		number(name, &wanted);
	for (size_t n; next_line(&at, f, &n);) {
		if (n < 4 || !number(f[2], &uid) || !number(f[3], &gid))
			continue;
		if (by_id ? uid != wanted : !rn_streq(f[0], name))
			continue;
		*ret = (struct passwd_user){ .uid = uid, .gid = gid, .name = rn_strdup(f[0]), .home = n > 5 ? rn_strdup(f[5]) : NULL };
		return true;
	}
	return false;
}

static bool find_group(const struct passwd *p, const char *name, uint32_t *ret)
{
	RN_AUTO(rn_freep) char *copy = rn_strdup(p->groups);
	char *at = copy, *f[FIELDS_MAX];
	for (size_t n; next_line(&at, f, &n);)
		if (n >= 3 && rn_streq(f[0], name) && number(f[2], ret))
			return true;
	return false;
}

static bool member(char *list, const char *name)
{
	for (char *save = NULL, *m = strtok_r(list, ",", &save); m; m = strtok_r(NULL, ",", &save))
		if (rn_streq(m, name))
			return true;
	return false;
}

static void add_groups(const struct passwd *p, struct passwd_user *u)
{
	RN_AUTO(rn_freep) char *copy = rn_strdup(p->groups);
	char *at = copy, *f[FIELDS_MAX];
	size_t cap = 0;
	uint32_t gid;
	for (size_t n; next_line(&at, f, &n);) {
		if (n < 4 || !number(f[2], &gid) || gid == u->gid || !member(f[3], u->name))
			continue;
		u->groups = rn_grow(u->groups, &cap, u->n_groups + 1, sizeof(*u->groups));
		u->groups[u->n_groups++] = gid;
	}
}

static int find_owner(const struct passwd *p, const char *user, enum passwd_use use, struct passwd_user *ret,
		      struct rn_error *err)
{
	uint32_t uid;
	if (find_user(p, user, false, ret))
		return 0;
	if (!number(user, &uid)) {
		rn_fail(err, RN_ENOTFOUND, "the image has no user \"%s\"", user);
		return rn_hint(err, p->users ? "give a name of its /etc/passwd, or a number" :
					       "the image has no /etc/passwd: give a number");
	}
	if (find_user(p, user, true, ret)) {
		if (use == PASSWD_CHOWN)
			ret->gid = uid;
		return 0;
	}
	*ret = (struct passwd_user){ .uid = uid, .gid = use == PASSWD_CHOWN ? uid : 0 };
	return 0;
}

int passwd_find(const struct passwd *p, const char *who, enum passwd_use use, struct passwd_user *ret,
		struct rn_error *err)
{
	RN_AUTO(rn_freep) char *user = rn_strdup(who);
	char *group = strchr(user, ':');
	if (group)
		*group++ = '\0';
	RN_AUTO(passwd_user_clear) struct passwd_user u = { 0 };
	if (*user ? find_owner(p, user, use, &u, err) < 0 : !group)
		return *user ? -1 : rn_fail(err, RN_EINVAL, "no user is given");
	if (group && *group && !find_group(p, group, &u.gid) && !number(group, &u.gid)) {
		rn_fail(err, RN_ENOTFOUND, "the image has no group \"%s\"", group);
		return rn_hint(err, p->groups ? "give a name of its /etc/group, or a number" :
						"the image has no /etc/group: give a number");
	}
	if (use == PASSWD_USER && !(group && *group) && u.name)
		add_groups(p, &u);
	*ret = u;
	u = (struct passwd_user){ 0 };
	return 0;
}
