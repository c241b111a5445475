/* SPDX-License-Identifier: Apache-2.0 */
#include "git_url.h"

#include "base/encode.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define COMMIT_PREFIX_MIN 7

void git_url_clear(struct git_url *u)
{
	rn_freep(&u->remote);
	rn_freep(&u->ref);
	rn_freep(&u->subdir);
	rn_freep(&u->checksum);
}

/* USER@HOST:PATH, as ssh and scp take it. */
static bool is_scp(const char *text)
{
	const char *at = strchr(text, '@'), *colon = strchr(text, ':'), *slash = strchr(text, '/');
	return at && colon && at > text && at < colon && colon[1] && (!slash || colon < slash);
}

bool git_url_is(const char *text)
{
	static const char *const schemes[] = { "git://", "ssh://" };
	for (size_t i = 0; i < RN_LEN(schemes); i++)
		if (rn_starts(text, schemes[i]))
			return true;
	if (!rn_starts(text, "http://") && !rn_starts(text, "https://"))
		return !strstr(text, "://") && is_scp(text);
	RN_AUTO(rn_freep) char *path = rn_strndup(text, strcspn(text, "?#"));
	return rn_ends(path, ".git");
}

static bool is_hex(const char *text)
{
	return *text && text[strspn(text, "0123456789abcdef")] == '\0';
}

bool git_is_commit(const char *text)
{
	size_t n = strlen(text);
	return (n == 40 || n == 64) && is_hex(text);
}

/* ---- parts ---------------------------------------------------------------------------- */

/* Sets a part that may be said once, or twice the same. */
static int set_once(char **part, const char *value, const char *what, struct rn_error *err)
{
	if (*part && strcmp(*part, value) != 0)
		return rn_fail(err, RN_EINVAL, "the repository's %s is given twice: \"%s\" and \"%s\"", what, *part, value);
	if (!*part)
		*part = rn_strdup(value);
	return 0;
}

static int read_flag(const char *value, const char *name, int *ret, struct rn_error *err)
{
	static const char *const yes[] = { "", "1", "t", "T", "true", "True", "TRUE" };
	static const char *const no[] = { "0", "f", "F", "false", "False", "FALSE" };
	for (size_t i = 0; i < RN_LEN(yes); i++)
		if (rn_streq(value, yes[i])) {
			*ret = 1;
			return 0;
		}
	for (size_t i = 0; i < RN_LEN(no); i++)
		if (rn_streq(value, no[i])) {
			*ret = 0;
			return 0;
		}
	return rn_fail(err, RN_EINVAL, "%s is true or false, not \"%s\"", name, value);
}

static int set_prefixed(struct git_url *u, const char *prefix, const char *value, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *ref = rn_starts(value, prefix) ? rn_strdup(value) : rn_asprintf("%s%s", prefix, value);
	return set_once(&u->ref, ref, "reference", err);
}

static int read_option(struct git_url *u, const char *name, const char *value, struct rn_error *err)
{
	if (rn_streq(name, "keep-git-dir"))
		return read_flag(value, name, &u->keep_git_dir, err);
	if (rn_streq(name, "submodules"))
		return read_flag(value, name, &u->submodules, err);
	if (!*value)
		return rn_fail(err, RN_EINVAL, "%s has no value", name);
	if (rn_streq(name, "ref"))
		return set_once(&u->ref, value, "reference", err);
	if (rn_streq(name, "tag"))
		return set_prefixed(u, "refs/tags/", value, err);
	if (rn_streq(name, "branch"))
		return set_prefixed(u, "refs/heads/", value, err);
	if (rn_streq(name, "subdir"))
		return set_once(&u->subdir, value, "subfolder", err);
	if (rn_streq(name, "checksum") || rn_streq(name, "commit"))
		return set_once(&u->checksum, value, "checksum", err);
	rn_fail(err, RN_EINVAL, "a git repository has no option \"%s\"", name);
	return rn_hint(err, "ref, tag, branch, subdir, checksum, commit, keep-git-dir and submodules are known");
}

static int read_query(struct git_url *u, const char *query, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *copy = rn_strdup(query);
	char *rest = copy;
	for (char *item; (item = strsep(&rest, "&"));) {
		char *equals = strchr(item, '=');
		if (!*item)
			continue;
		if (equals)
			*equals = '\0';
		RN_AUTO(rn_freep) char *name = rn_percent_decode(item, true);
		RN_AUTO(rn_freep) char *value = rn_percent_decode(equals ? equals + 1 : "", true);
		if (read_option(u, name, value, err) < 0)
			return -1;
	}
	return 0;
}

/* "REF:SUBDIR". */
static int read_fragment(struct git_url *u, const char *fragment, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *text = rn_percent_decode(fragment, false);
	char *colon = strchr(text, ':');
	if (colon)
		*colon = '\0';
	if (*text && set_once(&u->ref, text, "reference", err) < 0)
		return -1;
	return colon && colon[1] ? set_once(&u->subdir, colon + 1, "subfolder", err) : 0;
}

/* A password would stand in the history of every image. */
static int check_remote(const char *remote, struct rn_error *err)
{
	const char *scheme = strstr(remote, "://");
	const char *host = scheme ? scheme + 3 : remote;
	const char *at = memchr(host, '@', strcspn(host, "/"));
	bool http = rn_starts(remote, "http");
	if (*remote == '-' || *host == '-')
		return rn_fail(err, RN_EINVAL, "a repository cannot begin with '-'");
	if (!at || !scheme || (!http && !memchr(host, ':', (size_t)(at - host))))
		return 0;
	rn_fail(err, RN_EINVAL, "the repository's URL holds a user or a password, which would be in the image's history");
	return rn_hint(err, "use an ssh URL with a key in the ssh agent, or check the repository out before the build and name its folder in "
			    "`build_contexts`");
}

static int check_parts(struct git_url *u, struct rn_error *err)
{
	if (u->ref && (*u->ref == '-' || strpbrk(u->ref, " \t\n~^:?*[\\") || strstr(u->ref, "..")))
		return rn_fail(err, RN_EINVAL, "\"%s\" is not a git reference", u->ref);
	if (u->checksum && (!is_hex(u->checksum) || strlen(u->checksum) < COMMIT_PREFIX_MIN || strlen(u->checksum) > 64)) {
		rn_fail(err, RN_EINVAL, "\"%s\" is not a commit", u->checksum);
		return rn_hint(err, "the checksum of a repository is its commit in hexadecimal, at best all 40 digits");
	}
	if (!u->ref && u->checksum && git_is_commit(u->checksum))
		u->ref = rn_strdup(u->checksum);
	return 0;
}

int git_url_check(struct git_url *u, const char *checksum, struct rn_error *err)
{
	return set_once(&u->checksum, checksum, "checksum", err) < 0 ? -1 : check_parts(u, err);
}

int git_url_parse(const char *text, struct git_url *ret, struct rn_error *err)
{
	RN_AUTO(git_url_clear) struct git_url u = { .keep_git_dir = -1, .submodules = -1 };
	size_t n = strcspn(text, "?#");
	const char *query = text[n] == '?' ? text + n + 1 : NULL;
	const char *fragment = strchr(text + n, '#');
	u.remote = rn_strndup(text, n);
	if (check_remote(u.remote, err) < 0 || (fragment && read_fragment(&u, fragment + 1, err) < 0))
		return -1;
	RN_AUTO(rn_freep) char *options = query ? rn_strndup(query, strcspn(query, "#")) : NULL;
	if ((options && read_query(&u, options, err) < 0) || check_parts(&u, err) < 0)
		return -1;
	*ret = u;
	u = (struct git_url){ 0 };
	return 0;
}

/* ---- ls-remote ----------------------------------------------------------------------------- */

/* The object that `name` stands for in lines of "OBJECT<TAB>NAME"; new string or NULL. */
static char *find_line(const char *listing, const char *name)
{
	size_t n = strlen(name);
	for (const char *p = listing; *p;) {
		size_t object = strspn(p, "0123456789abcdef"), line = strcspn(p, "\n");
		if (object >= 40 && p[object] == '\t' && line == object + 1 + n && strncmp(p + object + 1, name, n) == 0)
			return rn_strndup(p, object);
		p += line + (p[line] == '\n');
	}
	return NULL;
}

int git_pick_commit(const char *listing, const char *ref, char **ret_commit, char **ret_tag, struct rn_error *err)
{
	static const char *const prefixes[] = { "", "refs/", "refs/tags/", "refs/heads/" };
	*ret_tag = NULL;
	if (!ref)
		ref = "HEAD";
	for (size_t i = 0; i < RN_LEN(prefixes); i++) {
		RN_AUTO(rn_freep) char *name = rn_asprintf("%s%s", prefixes[i], ref);
		RN_AUTO(rn_freep) char *peeled_name = rn_asprintf("%s^{}", name);
		RN_AUTO(rn_freep) char *object = find_line(listing, name);
		RN_AUTO(rn_freep) char *peeled = find_line(listing, peeled_name);
		if (!object)
			continue;
		*ret_tag = peeled ? rn_take(&object) : NULL;
		*ret_commit = peeled ? rn_take(&peeled) : rn_take(&object);
		return 0;
	}
	return rn_fail(err, RN_ENOTFOUND, "the repository has no branch or tag \"%s\"", ref);
}
