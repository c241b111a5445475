/* SPDX-License-Identifier: Apache-2.0 */
#include "provenance.h"

#include "base/fs.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define BUILD_TYPE "urn:runner:oci-build:v1"
#define BUILDER "urn:runner:oci-build"

void build_material(struct build *b, const char *uri, const char *algorithm, const char *hex)
{
	RN_AUTO(rn_freep) char *text = rn_asprintf("%s:%s", algorithm, hex);
	pthread_mutex_lock(&b->lock);
	rn_map_set(&b->materials, uri, rn_strdup(text));
	pthread_mutex_unlock(&b->lock);
}

static void add_digest(cJSON *o, const char *text)
{
	RN_AUTO(rn_freep) char *algorithm = rn_strndup(text, strcspn(text, ":"));
	cJSON_AddStringToObject(cJSON_AddObjectToObject(o, "digest"), algorithm, text + strlen(algorithm) + 1);
}

static void add_materials(const struct build *b, cJSON *list)
{
	RN_AUTO(rn_strv_clear) struct rn_strv uris = { 0 };
	RN_MAP_EACH(&b->materials, it)
		rn_strv_add(&uris, it->key);
	rn_strv_sort(&uris);
	for (size_t i = 0; i < uris.n; i++) {
		cJSON *o = cJSON_CreateObject();
		cJSON_AddStringToObject(o, "uri", uris.v[i]);
		add_digest(o, rn_map_get(&b->materials, uris.v[i]));
		cJSON_AddItemToArray(list, o);
	}
}

static void add_parameters(struct stage_graph *g, cJSON *o)
{
	const struct build_params *p = g->b->params;
	RN_AUTO(rn_freep) char *platform = platform_format(&g->target_platform);
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	cJSON_AddStringToObject(o, "dockerfile", p->dockerfile ? rn_path_base(p->dockerfile) : "Dockerfile");
	cJSON_AddStringToObject(o, "platform", platform);
	if (p->target)
		cJSON_AddStringToObject(o, "target", p->target);
	for (size_t i = 0; i < p->build_args.n; i++)
		rn_strv_add(&names, p->build_args.v[i].key);
	rn_strv_sort(&names);
	cJSON *args = cJSON_AddArrayToObject(o, "buildArgNames");
	for (size_t i = 0; i < names.n; i++)
		cJSON_AddItemToArray(args, cJSON_CreateString(names.v[i]));
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
	cJSON *inside = cJSON_AddObjectToObject(definition, "internalParameters");
	cJSON_AddStringToObject(inside, "compression", b->params->compression ? b->params->compression : "gzip");
	cJSON_AddNumberToObject(inside, "compressionLevel", (double)b->params->compression_level);
	add_materials(b, cJSON_AddArrayToObject(definition, "resolvedDependencies"));
	cJSON *details = cJSON_AddObjectToObject(predicate, "runDetails");
	cJSON *builder = cJSON_AddObjectToObject(details, "builder");
	cJSON_AddStringToObject(builder, "id", BUILDER);
	cJSON_AddStringToObject(cJSON_AddObjectToObject(builder, "version"), "runner", RUNNER_VERSION);
	RN_AUTO(rn_freep) char *text = rn_json_print(doc);
	rn_buf_adds(ret, text);
}
