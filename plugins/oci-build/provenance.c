/* SPDX-License-Identifier: Apache-2.0 */
#include "provenance.h"

#include "base/fs.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define BUILD_TYPE "urn:runner:oci-build:v1"
#define BUILDER "urn:runner:oci-build"

/* One URI may stand for several things (two commits of a repository), so the digest is part of the key. */
void build_material(struct build *b, const char *uri, const char *algorithm, const char *hex)
{
	RN_AUTO(rn_freep) char *key = rn_asprintf("%s %s:%s", uri, algorithm, hex);
	pthread_mutex_lock(&b->lock);
	rn_map_set(&b->materials, key, rn_strdup(""));
	pthread_mutex_unlock(&b->lock);
}

void build_materials_clear(struct build *b)
{
	pthread_mutex_lock(&b->lock);
	rn_map_clear(&b->materials);
	rn_map_init(&b->materials, free);
	pthread_mutex_unlock(&b->lock);
}

static void add_digest(cJSON *o, const char *text)
{
	RN_AUTO(rn_freep) char *algorithm = rn_strndup(text, strcspn(text, ":"));
	cJSON_AddStringToObject(cJSON_AddObjectToObject(o, "digest"), algorithm, text + strlen(algorithm) + 1);
}

/* The commit that the run was started for, as GitHub or GitLab say it. False: neither does. */
static bool find_source(char **ret_uri, const char **ret_commit)
{
	const char *server = getenv("GITHUB_SERVER_URL"), *repository = getenv("GITHUB_REPOSITORY"), *ref = getenv("GITHUB_REF");
	const char *commit = getenv("GITHUB_SHA"), *project = getenv("CI_PROJECT_URL"), *tag = getenv("CI_COMMIT_TAG");
	if (server && repository && ref && commit) {
		*ret_uri = rn_asprintf("git+%s/%s@%s", server, repository, ref);
		*ret_commit = commit;
		return true;
	}
	ref = getenv("CI_COMMIT_REF_NAME");
	*ret_commit = getenv("CI_COMMIT_SHA");
	if (!project || !ref || !*ret_commit)
		return false;
	*ret_uri = rn_asprintf("git+%s@refs/%s/%s", project, tag && *tag ? "tags" : "heads", ref);
	return true;
}

static cJSON *add_dependency(cJSON *list, const char *name, const char *uri, const char *digest)
{
	cJSON *o = cJSON_CreateObject();
	if (name)
		cJSON_AddStringToObject(o, "name", name);
	if (uri)
		cJSON_AddStringToObject(o, "uri", uri);
	add_digest(o, digest);
	cJSON_AddItemToArray(list, o);
	return o;
}

static void add_materials(const struct build *b, cJSON *list)
{
	RN_AUTO(rn_strv_clear) struct rn_strv all = { 0 };
	RN_AUTO(rn_freep) char *source = NULL;
	const char *commit;
	struct digest d = digest_of(b->source.text, b->source.size);
	add_dependency(list, "dockerfile", NULL, d.text);
	if (find_source(&source, &commit)) {
		RN_AUTO(rn_freep) char *digest = rn_asprintf("gitCommit:%s", commit);
		add_dependency(list, "source", source, digest);
	}
	RN_MAP_EACH(&b->materials, it)
		rn_strv_add(&all, it->key);
	rn_strv_sort(&all);
	for (size_t i = 0; i < all.n; i++) {
		char *digest = strrchr(all.v[i], ' ');
		*digest = '\0';
		add_dependency(list, NULL, all.v[i], digest + 1);
	}
}

/* Their names, sorted: what they stand for may be secret, or a path of this machine. */
static void add_names(cJSON *o, const char *key, const struct runner_map *m)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	for (size_t i = 0; i < m->n; i++)
		rn_strv_add(&names, m->v[i].key);
	rn_strv_sort(&names);
	cJSON *list = names.n ? cJSON_AddArrayToObject(o, key) : NULL;
	for (size_t i = 0; i < names.n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(names.v[i]));
}

static void add_secret_names(cJSON *o, const char *text)
{
	RN_AUTO(rn_json_freep) cJSON *all = text ? rn_json_parse_str(text, NULL) : NULL;
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	const cJSON *one;
	cJSON_ArrayForEach(one, all)
		rn_strv_add(&names, one->string);
	rn_strv_sort(&names);
	cJSON *list = names.n ? cJSON_AddArrayToObject(o, "secretNames") : NULL;
	for (size_t i = 0; i < names.n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(names.v[i]));
}

static void add_text(cJSON *o, const char *key, const char *value)
{
	if (value && *value)
		cJSON_AddStringToObject(o, key, value);
}

/* What is not there has its default. Labels and annotations stand in the image for all to read, so here too. */
static void add_map(cJSON *o, const char *key, const struct runner_map *m)
{
	cJSON *all = m->n ? cJSON_AddObjectToObject(o, key) : NULL;
	for (size_t i = 0; i < m->n; i++)
		cJSON_AddStringToObject(all, m->v[i].key, m->v[i].value);
}

static void add_parameters(struct stage_graph *g, cJSON *o)
{
	const struct build_params *p = g->b->params;
	RN_AUTO(rn_freep) char *platform = platform_format(&g->target_platform);
	cJSON_AddStringToObject(o, "dockerfile", p->dockerfile ? rn_path_base(p->dockerfile) : "Dockerfile");
	cJSON_AddStringToObject(o, "platform", platform);
	add_text(o, "target", p->target);
	add_names(o, "buildArgNames", &p->build_args);
	add_names(o, "buildContextNames", &p->build_contexts);
	add_secret_names(o, p->secrets.text);
	add_names(o, "sshNames", &p->ssh);
	add_map(o, "labels", &p->labels);
	add_map(o, "annotations", &p->annotations);
	add_text(o, "network", rn_streq(p->network, "default") ? NULL : p->network);
	add_text(o, "compression", p->compression);
	if (p->compression_level)
		cJSON_AddNumberToObject(o, "compressionLevel", (double)p->compression_level);
	cJSON_AddNumberToObject(o, "sourceDateEpoch", (double)g->b->epoch);
}

void provenance_print(struct stage_graph *g, const char *name, const struct digest *subject, struct rn_buf *ret)
{
	struct build *b = g->b;
	RN_AUTO(rn_json_freep) cJSON *doc = cJSON_CreateObject();
	cJSON_AddStringToObject(doc, "_type", "https://in-toto.io/Statement/v1");
	cJSON *about = cJSON_CreateObject();
	cJSON_AddStringToObject(about, "name", name);
	add_digest(about, subject->text);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(doc, "subject"), about);
	cJSON_AddStringToObject(doc, "predicateType", PROVENANCE_PREDICATE);
	cJSON *predicate = cJSON_AddObjectToObject(doc, "predicate");
	cJSON *definition = cJSON_AddObjectToObject(predicate, "buildDefinition");
	cJSON_AddStringToObject(definition, "buildType", BUILD_TYPE);
	add_parameters(g, cJSON_AddObjectToObject(definition, "externalParameters"));
	add_materials(b, cJSON_AddArrayToObject(definition, "resolvedDependencies"));
	cJSON *details = cJSON_AddObjectToObject(predicate, "runDetails");
	cJSON *builder = cJSON_AddObjectToObject(details, "builder");
	cJSON_AddStringToObject(builder, "id", BUILDER);
	cJSON_AddStringToObject(cJSON_AddObjectToObject(builder, "version"), "runner", RUNNER_VERSION);
	RN_AUTO(rn_freep) char *text = rn_json_print(doc);
	rn_buf_adds(ret, text);
}
