/* SPDX-License-Identifier: Apache-2.0 */
/* profile: lambda. What Lambda refuses or cannot run is said here, before anything is pushed. */
#include "output.h"

#include "oci/config.h"

#include <string.h>

#define LAMBDA_BYTES_MAX (UINT64_C(10) * 1024 * 1024 * 1024)
#define UNREADABLE_SHOWN 3

struct survey {
	uint64_t bytes;
	size_t unreadable;
	struct rn_strv shown;
};

/* Lambda runs as a user of its own: files and folders must be readable by everybody. */
static void look(const struct layer_node *n, struct survey *s)
{
	mode_t need = n->type == LAYER_DIR ? 05 : 04;
	if (n->type == LAYER_FILE)
		s->bytes += n->size;
	if ((n->type == LAYER_FILE || n->type == LAYER_DIR) && (n->mode & need) != need && *n->name) {
		s->unreadable++;
		if (s->shown.n < UNREADABLE_SHOWN)
			rn_strv_take(&s->shown, layer_node_path(n));
	}
	for (size_t i = 0; i < n->n_children; i++)
		look(n->children[i], s);
}

static int check_layers(const struct fs_state *s, struct rn_error *err)
{
	for (size_t i = 0; i < s->n_layers; i++) {
		if (rn_streq(s->layers[i].media_type, MEDIA_OCI_LAYER_GZIP))
			continue;
		rn_fail(err, RN_EINVAL, "Lambda takes gzip layers only, and layer %zu is %s", i + 1, s->layers[i].media_type);
		return rn_hint(err, i < s->base_layers ? "choose a base image with gzip layers" : "set `compression: gzip`");
	}
	return 0;
}

static int check_platform(const struct fs_state *s, struct rn_error *err)
{
	RN_AUTO(platform_clear) struct platform p = { 0 };
	config_platform(s->config, &p);
	if (rn_streq(p.os, "linux") && (rn_streq(p.architecture, "amd64") || rn_streq(p.architecture, "arm64")))
		return 0;
	RN_AUTO(rn_freep) char *text = platform_format(&p);
	return rn_fail(err, RN_EINVAL, "Lambda runs linux/amd64 and linux/arm64, and the image is %s", text);
}

static int check_command(const struct fs_state *s, struct rn_error *err)
{
	const cJSON *run = rn_json_get(s->config, "config");
	if (cJSON_GetArraySize(rn_json_get(run, "Entrypoint")) > 0 || cJSON_GetArraySize(rn_json_get(run, "Cmd")) > 0)
		return 0;
	rn_fail(err, RN_EINVAL, "the image has neither ENTRYPOINT nor CMD, so Lambda has nothing to start");
	return rn_hint(err, "add ENTRYPOINT with the program that speaks the Lambda runtime API");
}

int lambda_check(struct stage_graph *g, struct rn_error *err)
{
	struct fs_state *s = &g->target->state;
	struct survey survey = { 0 };
	if (check_layers(s, err) < 0 || check_platform(s, err) < 0 || check_command(s, err) < 0)
		return -1;
	struct layer_tree *t = fs_state_tree(s, g->b, err);
	if (!t)
		return -1;
	look(layer_tree_root(t), &survey);
	if (survey.unreadable) {
		RN_AUTO(rn_freep) char *names = rn_strv_join(&survey.shown, ", /");
		build_log(g->b, RUNNER_WARN, "Lambda's user cannot read %zu files or folders: /%s%s", survey.unreadable, names,
			  survey.unreadable > UNREADABLE_SHOWN ? ", …" : "");
	}
	rn_strv_clear(&survey.shown);
	if (survey.bytes <= LAMBDA_BYTES_MAX)
		return 0;
	char have[32];
	rn_fail(err, RN_ELIMIT, "Lambda takes 10 GiB unpacked, and the image has %s", rn_format_size(survey.bytes, have, sizeof(have)));
	return -1;
}
