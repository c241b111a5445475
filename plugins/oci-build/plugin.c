/* SPDX-License-Identifier: Apache-2.0 */
/* The oci-build stage: an image from a Dockerfile, without a daemon and without privilege. */
#include "attest.h"
#include "cache_disk.h"
#include "execute.h"
#include "output.h"
#include "provenance.h"
#include "run_platform.h"
#include "run_secret.h"
#include "step_cache_registry.h"
#include "step_notes.h"

#include "base/fs.h"
#include "http/http.h"
#include "http/url.h"

#include <stdlib.h>
#include <string.h>

#define PLATFORMS_MAX 16

static const struct runner_param params[] = {
	RUNNER_PARAM_PATH(struct build_params, context,
			  .help = "Folder that COPY and ADD take files from. Default: the folder of the pipeline file.",
			  .example = "../examples/squares"),
	RUNNER_PARAM(struct build_params, dockerfile, .def = "Dockerfile",
		     .help = "Path of the Dockerfile, inside the context or absolute. A file NAME.dockerignore beside it beats .dockerignore.",
		     .example = "docker/app.Dockerfile"),
	RUNNER_PARAM(struct build_params, target, .help = "Stage to build, by name or number. Default: the last one.",
		     .example = "release"),
	RUNNER_PARAM(struct build_params, build_args, .help = "Values for ARG.", .example = "{VERSION: '1.2'}"),
	RUNNER_PARAM(struct build_params, build_contexts,
		     .help = "Named contexts for FROM and COPY --from: a folder (relative to the pipeline file), docker-image://NAME or "
			     "oci-layout://PATH[:TAG].",
		     .example = "{assets: ../assets, base: 'docker-image://debian:12-slim'}"),
	RUNNER_PARAM(struct build_params, platform, .help = "Platform to build for. Default: this machine's.",
		     .example = "linux/arm64"),
	RUNNER_PARAM(struct build_params, platforms,
		     .help = "Several platforms: the result is an index. One: the same as `platform`. RUN for another than this machine's needs an emulator that is "
			     "registered with the kernel; `runner doctor` shows what runs here.",
		     .example = "[linux/amd64, linux/arm64]"),
	RUNNER_PARAM(struct build_params, labels, .help = "Labels for the image, over those of the Dockerfile.",
		     .example = "{org.opencontainers.image.source: 'https://example.com/app'}"),
	RUNNER_PARAM(struct build_params, annotations, .help = "Annotations for the manifest.", .example = "{team: data}"),
	RUNNER_PARAM(struct build_params, tags, .help = "Names of the image, REGISTRY/REPOSITORY:TAG; `push` sends it to each.",
		     .example = "['registry.example.com/app:latest']"),
	RUNNER_PARAM(struct build_params, push, .help = "Push to the registries that `tags` name.", .example = "true"),
	RUNNER_PARAM_PATH(struct build_params, layout,
			  .help = "Folder for the image as an OCI layout. Default: a folder below .runner/; with `push` none.",
			  .example = "build/image"),
	RUNNER_PARAM_PATH(struct build_params, archive, .help = "File for the image as `docker load` reads it.",
			  .example = "build/image.tar"),
	RUNNER_PARAM(struct build_params, pull, .def = "true",
		     .help = "Ask the registry what a tag stands for now. False: take what was found the last time, if it is still cached."),
	RUNNER_PARAM(struct build_params, cache_from,
		     .help = "Images in registries whose steps may be taken, as `cache_to` wrote them. Asked only when this machine lacks a step; one that "
			     "cannot be read is a warning.",
		     .example = "['registry.example.com/app:cache']"),
	RUNNER_PARAM(struct build_params, cache_to,
		     .help = "Where to keep the results of the steps for other machines: one plain image manifest under this tag, which any registry "
			     "takes. A failure is a warning.",
		     .example = "registry.example.com/app:cache"),
	RUNNER_PARAM(struct build_params, no_cache,
		     .help = "true: no step is taken from the cache (results are still remembered). A list of stages of the Dockerfile, by name or "
			     "number: none of theirs.",
		     .example = "[build]"),
	RUNNER_PARAM(struct build_params, insecure_registries,
		     .help = "Registries HOST:PORT that may speak http or have a certificate that nobody signed. Loopback always may.",
		     .example = "['registry.lan:5000']"),
	RUNNER_PARAM(struct build_params, registry_mirrors,
		     .help = "Registries to ask first for base images, in this order: HOST=URL. What a mirror does not have, or not give, comes from HOST itself.",
		     .example = "['docker.io=https://mirror.gcr.io']"),
	RUNNER_PARAM(struct build_params, compression, .def = "gzip", .one_of = "gzip|zstd|none",
		     .help = "Compression of the layers that are built. Lambda takes gzip only."),
	RUNNER_PARAM(struct build_params, compression_level,
		     .help = "1 to 12 for gzip, 1 to 19 for zstd; 0: the default, which is 1 for gzip and 3 for zstd. Level 4 makes gzip layers 5 % "
			     "smaller and takes half as long again."),
	RUNNER_PARAM(struct build_params, source_date_epoch,
		     .help = "Seconds since 1970: no time in the image is later. Default: the build argument or environment variable "
			     "SOURCE_DATE_EPOCH, else 0. The same input gives the same digest anywhere.",
		     .example = "1700000000"),
	RUNNER_PARAM(struct build_params, sbom,
		     .help = "List what is installed (packages of dpkg, apk, rpm, Python, npm, Ruby, Go programs and Maven) as an SPDX document, in "
			     "an artifact that refers to the image: in the layout, and with `push` in the registry."),
	RUNNER_PARAM(struct build_params, provenance,
		     .help = "Say how the image was built (in-toto statement, SLSA 1) in an artifact that refers to it. Values of build "
			     "arguments and secrets are not in it."),
	RUNNER_PARAM(struct build_params, profile, .one_of = "lambda",
		     .help = "lambda: refuse what AWS Lambda refuses or cannot run, before the image is pushed. `runner lambda-lint IMAGE` checks "
			     "any other image."),
	RUNNER_PARAM(struct build_params, secrets,
		     .help = "Secrets for RUN --mount=type=secret, by id: {file: PATH}, {env: NAME}, {value: TEXT}, or a text, which is the "
			     "path of a file if there is one and else the secret. They enter neither a layer nor the history nor a log; a TEXT that stands in the "
			     "pipeline file itself, instead of ${{ secrets.NAME }}, is in the journal of the run. GIT_AUTH_TOKEN and "
			     "GIT_AUTH_HEADER, or the same with .HOST[:PORT], are what ADD of a private git repository gives its host.",
		     .example = "{pip: {file: ~/.netrc}, token: '${{ secrets.token }}'}"),
	RUNNER_PARAM(struct build_params, ssh,
		     .help = "Agents for RUN --mount=type=ssh, by id (default): the path of an agent's socket. ADD of a git repository over ssh takes "
			     "default, else SSH_AUTH_SOCK of the environment.",
		     .example = "{default: '${{ env.SSH_AUTH_SOCK }}'}"),
	RUNNER_PARAM(struct build_params, network, .def = "default", .one_of = "default|none|host",
		     .help = "Network of RUN steps that have no --network of their own. default is the network of this machine, as host is."),
	{ 0 },
};

static const struct runner_output outputs[] = {
	{ .name = "digest", .help = "Digest of the image's manifest (of the index, with several platforms)." },
	{ .name = "layout", .help = "Folder of the OCI layout, for ecr-push." },
	{ .name = "image", .help = "The pushed image, REPOSITORY@DIGEST; without push the first tag, or the digest." },
	{ .name = "size", .help = "Bytes of config and layers as they are stored." },
	{ 0 },
};

static const char help[] =
	"Reads the Dockerfile, and writes layers straight from the files that COPY and ADD name: base layers are never unpacked "
	"before a RUN needs them, and no daemon, container or privilege is needed. Only the stages that the target needs are built. Every time in the image "
	"is that of `source_date_epoch`, entries are sorted, owners are numbers: the same input gives the same digest on any machine.\n\n"
	"RUN executes in a sandbox: as root with namespaces, as a plain user in a user namespace, or as root in a locked-down container. The log "
	"names which and why, and `runner doctor` says what would allow a better one. A failed RUN can be entered with `runner shell`.\n\n"
	"What is not supported is an error at its line, never skipped.";

/* ---- parameters without looking at anything ------------------------------------------------ */

static int config_error(struct runner_stage *rs, const struct runner_host *host, const char *param, const char *message,
			const char *hint)
{
	const struct runner_failure f = { .size = sizeof(f), .cls = RUNNER_FAIL_CONFIG, .message = message, .hint = hint,
					  .param = param };
	return host->fail(rs, &f);
}

static int check_mirrors(struct runner_stage *rs, const struct runner_host *host, const struct build_params *p)
{
	for (size_t i = 0; i < p->registry_mirrors.n; i++) {
		const char *equals = strchr(p->registry_mirrors.v[i], '=');
		RN_AUTO(url_clear) struct url u = { 0 };
		struct rn_error err = { 0 };
		if (!equals || equals == p->registry_mirrors.v[i])
			return config_error(rs, host, "registry_mirrors", "a mirror without the registry that it stands for", "write HOST=URL");
		if (url_parse(equals + 1, &u, &err) < 0)
			return config_error(rs, host, "registry_mirrors", err.msg, "write HOST=https://MIRROR");
		if (u.password)
			return config_error(rs, host, "registry_mirrors", "a mirror's URL holds a password", "put it into docker's config.json");
	}
	return 0;
}

static int check_platforms(struct runner_stage *rs, const struct runner_host *host, const struct build_params *p)
{
	struct rn_error err = { 0 };
	if (p->platform && p->platforms.n)
		return config_error(rs, host, "platforms", "both platform and platforms are given", "give one of them");
	if (p->platforms.n > PLATFORMS_MAX)
		return config_error(rs, host, "platforms", "too many platforms", NULL);
	for (size_t i = 0; i < p->platforms.n + (p->platform != NULL); i++) {
		struct platform parsed = { 0 };
		const char *text = p->platform ? p->platform : p->platforms.v[i];
		if (platform_parse(text, &parsed, &err) < 0)
			return config_error(rs, host, p->platform ? "platform" : "platforms", err.msg, "write linux/amd64 or linux/arm64");
		platform_clear(&parsed);
	}
	if (p->platforms.n > 1 && p->profile)
		return config_error(rs, host, "platforms", "Lambda takes an image of one platform, not an index", "give one platform");
	if (p->platforms.n > 1 && p->archive)
		return config_error(rs, host, "archive", "an archive holds one platform", "give one platform, or use `layout`");
	return 0;
}

static int check_tag(struct runner_stage *rs, const struct runner_host *host, const char *param, const char *text)
{
	struct reference ref = { 0 };
	struct rn_error err = { 0 };
	if (reference_parse(text, &ref, &err) < 0)
		return config_error(rs, host, param, err.msg, "write REGISTRY/REPOSITORY:TAG");
	bool digest = digest_is_set(&ref.digest);
	reference_clear(&ref);
	return digest ? config_error(rs, host, param, "a tag cannot have a digest", "write REGISTRY/REPOSITORY:TAG") : 0;
}

static int check_no_cache(const char *text)
{
	RN_AUTO(rn_json_freep) cJSON *j = text ? rn_json_parse_str(text, NULL) : NULL;
	const cJSON *item;
	if (text && !cJSON_IsBool(j) && !cJSON_IsNull(j) && !cJSON_IsArray(j))
		return -1;
	if (cJSON_IsArray(j))
		cJSON_ArrayForEach(item, j)
			if (!cJSON_IsString(item))
				return -1;
	return 0;
}

/* A kind of context that other builders have would else be taken for the name of a folder. */
static int check_contexts(struct runner_stage *rs, const struct runner_host *host, const struct runner_map *contexts)
{
	for (size_t i = 0; i < contexts->n; i++) {
		const char *value = contexts->v[i].value;
		bool image = rn_starts(value, "docker-image://") || rn_starts(value, "oci-layout://");
		if (image || (!strstr(value, "://") && !rn_starts(value, "target:") && !rn_starts(value, "input:") && !rn_starts(value, "git@")))
			continue;
		RN_AUTO(rn_freep) char *text = rn_asprintf("the named context %s is neither a folder nor an image", contexts->v[i].key);
		return config_error(rs, host, "build_contexts", text,
				    "give a folder, docker-image://NAME or oci-layout://PATH; a repository or a URL is a source of ADD");
	}
	return 0;
}

static int check(struct runner_stage *rs, const struct runner_host *host, const void *params_)
{
	const struct build_params *p = params_;
	struct rn_error err = { 0 };
	for (size_t i = 0; i < p->tags.n; i++)
		if (check_tag(rs, host, "tags", p->tags.v[i]) < 0)
			return -1;
	if (p->cache_to && check_tag(rs, host, "cache_to", p->cache_to) < 0)
		return -1;
	for (size_t i = 0; i < p->cache_from.n; i++) {
		struct reference ref = { 0 };
		if (reference_parse(p->cache_from.v[i], &ref, &err) < 0)
			return config_error(rs, host, "cache_from", err.msg, "write REGISTRY/REPOSITORY:TAG");
		reference_clear(&ref);
	}
	if (p->push && p->tags.n == 0 && host->is_known(rs, "tags"))
		return config_error(rs, host, "push", "push is true, but tags names no image", "add tags: [REGISTRY/REPOSITORY:TAG]");
	if (check_no_cache(p->no_cache.text) < 0)
		return config_error(rs, host, "no_cache", "no_cache is neither true, false nor a list of names of stages", "write true, or [build, test]");
	if (p->profile && p->compression && !rn_streq(p->compression, "gzip"))
		return config_error(rs, host, "compression", "Lambda takes gzip layers only", "leave compression out");
	if (host->is_known(rs, "secrets") && run_secrets_check(p->secrets.text, &err) < 0)
		return config_error(rs, host, "secrets", err.msg, err.hint);
	if (check_contexts(rs, host, &p->build_contexts) < 0 || check_mirrors(rs, host, p) < 0)
		return -1;
	return check_platforms(rs, host, p);
}

/* ---- run, plan, destroy ------------------------------------------------------------------------ */

static int check_no_cache_stages(const struct stage_graph *g, struct rn_error *err)
{
	RN_AUTO(rn_freep) const char **names = rn_alloc((g->n + 1) * sizeof(char *));
	for (size_t i = 0; i < g->n; i++)
		names[i] = g->v[i].name;
	return step_cache_check(g->b->cache, names, g->n, err);
}

/* Whose names another machine may want to know without having them. */
static void note_layers(const struct stage_graph *g)
{
	for (size_t i = 0; g->b->params->cache_to && i < g->n; i++)
		for (size_t k = 0; k < g->v[i].state.n_layers; k++)
			step_cache_note_layer(g->b->cache, &g->v[i].state.layers[k].digest);
}

static void warn_unused(struct build *b)
{
	for (size_t i = 0; i < b->params->build_args.n; i++)
		if (!rn_map_has(&b->used_args, b->params->build_args.v[i].key))
			build_log(b, RUNNER_WARN, "build_args: no ARG asks for %s", b->params->build_args.v[i].key);
}

static int pick_platform(const struct build_params *p, size_t i, struct platform *ret, struct rn_error *err)
{
	const char *text = p->platform ? p->platform : p->platforms.n ? p->platforms.v[i] : NULL;
	if (text)
		return platform_parse(text, ret, err);
	platform_host(ret);
	return 0;
}

/* One platform on its way from the graph to the image. */
struct work {
	struct platform platform;
	struct stage_graph graph;
	bool doubtful; /* a RUN does not execute here: it is built first, so that little is in vain */
	struct built image;
};

/* The graphs of all platforms, and what can be told before anything is built. */
static int prepare(struct build *b, struct work *v, size_t n, struct rn_error *err)
{
	for (size_t i = 0; i < n; i++)
		if (pick_platform(b->params, i, &v[i].platform, err) < 0 || stage_graph_init(&v[i].graph, b, &v[i].platform, err) < 0 ||
		    check_no_cache_stages(&v[i].graph, err) < 0)
			return -1;
	for (size_t i = 0; !b->only_cached && i < n; i++)
		if (run_platform_foresee(&v[i].graph, &v[i].doubtful, err) < 0)
			return -1;
	return 0;
}

static int build_platform(struct build *b, struct work *w, bool several, struct rn_error *err)
{
	struct stage_graph *g = &w->graph;
	RN_AUTO(rn_freep) char *name = platform_format(&w->platform);
	if (several)
		build_log(b, RUNNER_INFO, "the image for %s", name);
	build_materials_clear(b);
	if (execute(g, err) < 0)
		return -1;
	note_layers(g);
	if ((b->params->profile && lambda_check(g, err) < 0) || output_image(g, &w->image, err) < 0 || attest_image(g, &w->image, err) < 0)
		return -1;
	stage_graph_clear(g);
	return 0;
}

static int build_each(struct build *b, struct work *v, size_t n, struct rn_error *err)
{
	for (int doubtful = 1; doubtful >= 0; doubtful--)
		for (size_t i = 0; i < n; i++)
			if (v[i].doubtful == doubtful && build_platform(b, &v[i], n > 1, err) < 0)
				return -1;
	return 0;
}

typedef int deliver_fn(struct build *b, const struct built *image, struct rn_error *err);

static int hand_out(struct build *b, const struct work *v, size_t n, deliver_fn *deliver, struct rn_error *err)
{
	struct built images[PLATFORMS_MAX], index = { 0 };
	for (size_t i = 0; i < n; i++)
		images[i] = v[i].image; /* borrowed */
	int rc = n > 1 ? output_index(b, images, n, &index, err) : 0;
	if (rc == 0) {
		warn_unused(b);
		rc = deliver(b, n > 1 ? &index : &images[0], err);
	}
	built_clear(&index);
	return rc;
}

static int build_all(struct build *b, deliver_fn *deliver, struct rn_error *err)
{
	size_t n = b->params->platforms.n > 1 ? b->params->platforms.n : 1;
	RN_AUTO(rn_freep) struct work *v = rn_alloc(n * sizeof(*v));
	int rc = prepare(b, v, n, err);
	if (rc == 0)
		rc = build_each(b, v, n, err);
	if (rc == 0)
		rc = hand_out(b, v, n, deliver, err);
	for (size_t i = 0; i < n; i++) {
		built_clear(&v[i].image);
		stage_graph_clear(&v[i].graph);
		platform_clear(&v[i].platform);
	}
	return rc;
}

static int run(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	struct rn_error err = { 0 };
	struct build b;
	if (((const struct build_params *)p)->push)
		http_prepare();
	int rc = build_init(&b, rs, host, p, &err);
	if (rc == 0)
		rc = build_all(&b, output_deliver, &err);
	if (rc < 0 && b.cache_lost && !host->cancelled(rs)) {
		build_log(&b, RUNNER_WARN, "cache_from promised a layer that could not be had (%s): building without it", err.msg);
		step_cache_distrust(b.cache);
		rn_error_clear(&err);
		rc = build_all(&b, output_deliver, &err);
	}
	if (rc == 0 && b.cached + b.missed > 0)
		build_log(&b, RUNNER_INFO, "%zu of %zu steps that make layers came from the cache", b.cached, b.cached + b.missed);
	if (rc == 0)
		cache_registry_save(&b);
	if (rc < 0)
		build_fail(&b, &err);
	if (b.notes)
		step_notes_save(&b, rc < 0);
	build_clear(&b);
	if (host->info(rs, RUNNER_INFO_CACHE))
		cache_disk_trim(host->info(rs, RUNNER_INFO_CACHE));
	return rc;
}

/* Reads the Dockerfile and says how much would be built. */
static int plan_steps(struct build *b, struct rn_error *err)
{
	struct platform platform = { 0 };
	struct stage_graph g = { 0 };
	int rc = pick_platform(b->params, 0, &platform, err);
	if (rc == 0)
		rc = stage_graph_init(&g, b, &platform, err);
	if (rc == 0)
		build_log(b, RUNNER_INFO, "would build %s: %zu steps", g.target->name ? g.target->name : "the last stage",
			  stage_graph_steps(&g));
	stage_graph_clear(&g);
	platform_clear(&platform);
	return rc;
}

/*
 * When the cache knows every step, the image is known: the build goes through without running or copying anything,
 * and the stages behind can be planned with its digest. Else the steps are all that can be told.
 */
static int plan(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	struct rn_error err = { 0 };
	struct build b;
	int rc = build_init(&b, rs, host, p, &err);
	if (rc == 0)
		rc = plan_steps(&b, &err);
	b.only_cached = true;
	if (rc == 0 && build_all(&b, output_foresee, &err) < 0) {
		bool later = b.uncached || err.code == RN_ENET || err.code == RN_ETIMEOUT || err.code == RN_EAUTH || err.code == RN_EREMOTE;
		rc = later ? 0 : -1;
		if (later) {
			build_log(&b, RUNNER_INFO, "what comes out is known when it is built: %s",
				  b.uncached ? "not all steps are in the cache" : err.msg);
			output_unforeseen(&b);
		}
	}
	if (rc < 0)
		build_fail(&b, &err);
	build_clear(&b);
	return rc;
}

/* The layout that run made below .runner/ goes; one that the pipeline names, and pushed images, stay. */
static int destroy(struct runner_stage *rs, const struct runner_host *host, const void *params_)
{
	const struct build_params *p = params_;
	struct rn_error err = { 0 };
	struct build b = { .stage = rs, .host = host, .params = p };
	RN_AUTO(rn_freep) char *path = output_default_layout(&b);
	if (p->layout) {
		host->log(rs, RUNNER_INFO, "%s stays: it was named by the pipeline", p->layout);
		return 0;
	}
	if (!rn_exists(path))
		return 0;
	if (rn_remove_tree(path, &err) < 0)
		return build_fail(&b, &err);
	host->change(rs, RUNNER_DELETED, path, NULL);
	return 0;
}

RUNNER_PLUGIN(.name = "oci-build", .version = RUNNER_VERSION, .summary = "Builds an image from a Dockerfile, without a daemon",
	      .param_size = sizeof(struct build_params), .params = params, .outputs = outputs, .check = check, .run = run,
	      .plan = plan, .destroy = destroy, .help = help);
