/* SPDX-License-Identifier: Apache-2.0 */
#include "loaded.h"

#include "command.h"

#include <stdio.h>
#include <unistd.h>

int loaded_read(struct loaded *ret, const char *path, const struct rn_strv *sets, const struct rn_strv *plugin_path,
		unsigned flags, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv uses = { 0 };
	ret->pipeline = pipeline_load(path, sets, &ret->diags);
	if (!ret->pipeline)
		return 0;
	struct plugin_search search = { .dirs = (const char *const *)plugin_path->v, .n_dirs = plugin_path->n,
					.pipeline_dir = ret->pipeline->dir };
	pipeline_uses(ret->pipeline, &uses);
	if (plugin_set_load((const char *const *)uses.v, uses.n, &search, &ret->plugins, err) < 0)
		return -1;
	pipeline_check(ret->pipeline, &ret->plugins, flags, &ret->diags);
	return 0;
}

void loaded_clear(struct loaded *l)
{
	plugin_set_clear(&l->plugins);
	pipeline_free(l->pipeline);
	diags_clear(&l->diags);
	*l = (struct loaded){ 0 };
}

int loaded_print(struct loaded *l, const char *path)
{
	char summary[64];
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	diags_print(&l->diags, command_color(STDERR_FILENO), &b);
	fputs(rn_buf_str(&b), stderr);
	if (!l->diags.errors)
		return EXIT_DONE;
	fprintf(stderr, "%s: %s\n", path, diags_summary(&l->diags, summary));
	return diags_exit_code(&l->diags);
}
