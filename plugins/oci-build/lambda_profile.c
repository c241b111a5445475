/* SPDX-License-Identifier: Apache-2.0 */
/* profile: lambda. What Lambda refuses or cannot run is said here, before the image is pushed. */
#include "output.h"

#include "lambda_image.h"

#include "base/fs.h"
#include "oci/config.h"

#include <string.h>

struct check {
	struct build *b;
	bool warned;
};

static void warn(void *ctx, const char *text)
{
	struct check *c = ctx;
	c->warned = true;
	build_log(c->b, RUNNER_WARN, "%s", text);
}

/* Path of the note that an image with this configuration was found good; its layers are named in it. New string. */
static char *note_path(struct build *b, const cJSON *config)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	config_print(config, &text);
	struct digest d = digest_of(rn_buf_str(&text), text.len);
	return blob_store_derived(b->store, &d, "lambda-1");
}

int lambda_check(struct stage_graph *g, struct rn_error *err)
{
	struct fs_state *s = &g->target->state;
	struct check c = { .b = g->b };
	struct lambda_image i = { .config = s->config, .layers = s->layers, .n_layers = s->n_layers, .base_layers = s->base_layers,
				  .warn = warn, .ctx = &c };
	if (lambda_check_config(&i, err) < 0)
		return -1;
	RN_AUTO(rn_freep) char *note = note_path(g->b, s->config);
	if (rn_exists(note)) /* so that an unchanged image need not be looked into again */
		return 0;
	i.tree = fs_state_tree(s, g->b, err);
	if (!i.tree || lambda_check_files(&i, err) < 0)
		return -1;
	struct rn_error ignored = { 0 };
	if (!c.warned)
		rn_write_file(note, "", 0, 0644, &ignored);
	return 0;
}
