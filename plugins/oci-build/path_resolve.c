/* SPDX-License-Identifier: Apache-2.0 */
#include "path_resolve.h"

#include "base/buf.h"
#include "base/str.h"

#include <string.h>

#define LINKS_MAX 40
#define PATH_LENGTH_MAX 65536

struct walk {
	struct rn_buf done;     /* resolved so far               */
	char *rest;             /* still to walk                 */
	enum layer_type type;   /* of what `done` names; 0: none */
	unsigned links;
};

static void up(struct rn_buf *done)
{
	while (done->len > 0 && done->p[done->len - 1] != '/')
		done->len--;
	if (done->len > 0)
		done->len--;
	if (done->p)
		done->p[done->len] = '\0';
}

static char *next_part(struct walk *w)
{
	char *p = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(p, "/");
	char *part = n ? rn_strndup(p, n) : NULL;
	char *rest = rn_strdup(p + n);
	rn_freep(&w->rest);
	w->rest = rest;
	return part;
}

/* The link's target takes the place of the last part. */
static int enter_link(struct walk *w, const char *link, const char *path, struct rn_error *err)
{
	if (++w->links > LINKS_MAX)
		return rn_fail(err, RN_EINVAL, "too many links on the way to \"%s\"", path);
	if (*link == '/')
		w->done.len = 0;
	else
		up(&w->done);
	char *rest = rn_asprintf("%s/%s", link, w->rest);
	rn_freep(&w->rest);
	w->rest = rest;
	if (w->done.p)
		w->done.p[w->done.len] = '\0';
	w->type = LAYER_DIR;
	return strlen(rest) > PATH_LENGTH_MAX ? rn_fail(err, RN_EINVAL, "the path \"%.200s…\" is too long", path) : 0;
}

/* After "..": the folder above exists when what was left did, else it has to be looked at. */
static int above(struct walk *w, path_look *look, void *ctx, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *link = NULL;
	if (w->type || w->done.len == 0) {
		w->type = LAYER_DIR;
		return 0;
	}
	return look(ctx, rn_buf_str(&w->done), &w->type, &link, err) < 0 ? -1 : 0;
}

static int step(struct walk *w, const char *part, bool follow, path_look *look, void *ctx, const char *path,
		struct rn_error *err)
{
	if (rn_streq(part, "."))
		return 0;
	if (rn_streq(part, "..")) {
		up(&w->done);
		return above(w, look, ctx, err);
	}
	if (w->type && w->type != LAYER_DIR)
		return rn_fail(err, RN_EINVAL, "\"%s\" is not a folder, on the way to \"%s\"", rn_buf_str(&w->done), path);
	bool known = w->type != 0;
	rn_buf_addf(&w->done, "%s%s", w->done.len ? "/" : "", part);
	w->type = 0;
	if (!known)
		return 0;
	RN_AUTO(rn_freep) char *link = NULL;
	if (look(ctx, rn_buf_str(&w->done), &w->type, &link, err) < 0)
		return -1;
	bool last = w->rest[strspn(w->rest, "/")] == '\0';
	if (w->type == LAYER_SYMLINK && (!last || follow))
		return enter_link(w, link, path, err);
	return 0;
}

int path_resolve(const char *path, bool follow, path_look *look, void *ctx, char **ret, enum layer_type *ret_type,
		 struct rn_error *err)
{
	struct walk w = { .rest = rn_strdup(path), .type = LAYER_DIR };
	int rc = 0;
	for (;;) {
		RN_AUTO(rn_freep) char *part = next_part(&w);
		if (!part)
			break;
		rc = step(&w, part, follow, look, ctx, path, err);
		if (rc < 0)
			break;
	}
	if (rc == 0) {
		*ret = rn_buf_take(&w.done);
		*ret_type = w.type;
	}
	rn_buf_clear(&w.done);
	rn_freep(&w.rest);
	return rc;
}
