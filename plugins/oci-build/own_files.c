/* SPDX-License-Identifier: Apache-2.0 */
#include "own_files.h"

#include "base/buf.h"
#include "base/fs.h"

#include <stdlib.h>
#include <string.h>

#define IGNORE_SIZE_MAX ((size_t)1 << 20)

/* The path with the links of its folder resolved; the last part need not exist. NULL: no such folder. */
static char *real_place(const char *path)
{
	RN_AUTO(rn_freep) char *clean = rn_path_clean(path);
	RN_AUTO(rn_freep) char *dir = rn_path_dir(clean);
	RN_AUTO(rn_freep) char *real = realpath(dir, NULL);
	return real ? rn_path_join(real, rn_path_base(clean)) : NULL;
}

/* As a pattern that means this path and no other. */
static char *literal_pattern(const char *path)
{
	struct rn_buf out = RN_BUF_INIT;
	for (; *path; path++) {
		if (strchr("*?[]\\", *path))
			rn_buf_addc(&out, '\\');
		rn_buf_addc(&out, *path);
	}
	return rn_buf_take(&out);
}

static int leave_out(struct ignore_list *l, const char *context, const char *path, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *real = real_place(path);
	size_t n = strlen(context);
	if (!real || strncmp(real, context, n) != 0 || (real[n] != '/' && !rn_streq(context, "/")))
		return 0;
	const char *below = real + n + strspn(real + n, "/");
	RN_AUTO(rn_freep) char *pattern = literal_pattern(below);
	/* '/' first: neither a leading '!' nor blanks of the name are taken for syntax */
	RN_AUTO(rn_freep) char *rooted = rn_asprintf("/%s", pattern);
	return *below ? ignore_add(l, rooted, err) : 0;
}

static int leave_out_own(struct build *b, const char *folder, struct ignore_list *l, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *context = realpath(folder, NULL);
	RN_AUTO(rn_freep) char *state = rn_strdup(b->host->info(b->stage, RUNNER_INFO_STATE));
	if (!context)
		return 0; /* what reads the context says so */
	char *end = state ? strstr(state, "/.runner/") : NULL;
	for (char *next; end && (next = strstr(end + 1, "/.runner/"));)
		end = next;
	if (end) {
		end[strlen("/.runner")] = '\0';
		if (leave_out(l, context, state, err) < 0)
			return -1;
	}
	if (b->params->layout && leave_out(l, context, b->params->layout, err) < 0)
		return -1;
	return b->params->archive ? leave_out(l, context, b->params->archive, err) : 0;
}

static int read_ignore(const char *path, struct ignore_list *l, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (rn_read_file(path, IGNORE_SIZE_MAX, &text, err) < 0)
		return -1;
	int rc = ignore_parse(l, path, rn_buf_str(&text), text.len, err);
	if (rc < 0)
		err->line = err->column = 0; /* not a line of the Dockerfile */
	return rc;
}

int context_ignore(struct build *b, const char *folder, const char *file, struct ignore_list *ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *common = rn_path_join(folder, ".dockerignore");
	const char *path = file ? file : rn_exists(common) ? common : NULL;
	if (path && read_ignore(path, ret, err) < 0)
		return -1;
	return leave_out_own(b, folder, ret, err);
}
