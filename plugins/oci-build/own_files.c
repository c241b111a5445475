/* SPDX-License-Identifier: Apache-2.0 */
#include "own_files.h"

#include "base/buf.h"
#include "base/fs.h"

#include <stdlib.h>
#include <string.h>

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

static int leave_out(struct build *b, const char *context, const char *path, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *real = real_place(path);
	size_t n = strlen(context);
	if (!real || strncmp(real, context, n) != 0 || (real[n] != '/' && !rn_streq(context, "/")))
		return 0;
	const char *below = real + n + strspn(real + n, "/");
	RN_AUTO(rn_freep) char *pattern = literal_pattern(below);
	/* '/' first: neither a leading '!' nor blanks of the name are taken for syntax */
	RN_AUTO(rn_freep) char *rooted = rn_asprintf("/%s", pattern);
	return *below ? ignore_add(&b->ignore, rooted, err) : 0;
}

int own_files_ignore(struct build *b, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *context = realpath(b->context, NULL);
	RN_AUTO(rn_freep) char *state = rn_strdup(b->host->info(b->stage, RUNNER_INFO_STATE));
	if (!context)
		return 0; /* what reads the context says so */
	char *end = state ? strstr(state, "/.runner/") : NULL;
	for (char *next; end && (next = strstr(end + 1, "/.runner/"));)
		end = next;
	if (end) {
		end[strlen("/.runner")] = '\0';
		if (leave_out(b, context, state, err) < 0)
			return -1;
	}
	if (b->params->layout && leave_out(b, context, b->params->layout, err) < 0)
		return -1;
	return b->params->archive ? leave_out(b, context, b->params->archive, err) : 0;
}
