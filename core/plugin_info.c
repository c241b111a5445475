/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin's descriptor as plain data: from the ABI's structs to JSON and back. */
#include "plugin_info.h"
#include "plugin_memory.h"

#include "base/encode.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const type_names[] = { NULL,	     "string", "integer", "number", "boolean", "duration",
					  "size",    "path",   "list",	  "map",    "json" };

const char *plugin_type_name(enum runner_type type)
{
	return (unsigned)type < RN_LEN(type_names) && type_names[type] ? type_names[type] : "unknown";
}

static enum runner_type type_by_name(const char *name)
{
	for (unsigned i = 1; i < RN_LEN(type_names); i++)
		if (rn_streq(type_names[i], name))
			return (enum runner_type)i;
	return 0;
}

const struct plugin_param *plugin_param_find(const struct plugin_info *p, const char *name)
{
	for (size_t i = 0; i < p->n_params; i++)
		if (rn_streq(p->params[i].name, name))
			return &p->params[i];
	return NULL;
}

const struct plugin_output *plugin_output_find(const struct plugin_info *p, const char *name)
{
	const struct plugin_output *any = NULL;
	for (size_t i = 0; i < p->n_outputs; i++) {
		if (rn_streq(p->outputs[i].name, name))
			return &p->outputs[i];
		if (rn_streq(p->outputs[i].name, "*"))
			any = &p->outputs[i];
	}
	return any;
}

/* ---- to JSON ---- */

static void add_str(cJSON *j, const char *name, const char *value)
{
	if (value)
		cJSON_AddStringToObject(j, name, value);
}

static cJSON *head_json(const char *name, const char *version, const char *summary, uint32_t major, uint32_t minor)
{
	cJSON *j = cJSON_CreateObject();
	add_str(j, "name", name);
	add_str(j, "version", version ? version : "");
	add_str(j, "summary", summary ? summary : "");
	char abi[32];
	snprintf(abi, sizeof(abi), "%u.%u", major, minor);
	add_str(j, "abi", abi);
	return j;
}

static cJSON *param_json(const char *name, uint32_t type, uint32_t flags, const char *def, const char *one_of,
			 const char *help, const char *example)
{
	cJSON *j = cJSON_CreateObject();
	add_str(j, "name", name);
	add_str(j, "type", plugin_type_name(type));
	cJSON_AddBoolToObject(j, "required", flags & RUNNER_REQUIRED);
	cJSON_AddBoolToObject(j, "secret", flags & RUNNER_SECRET);
	cJSON_AddBoolToObject(j, "deprecated", flags & RUNNER_DEPRECATED);
	add_str(j, "default", def);
	add_str(j, "one_of", one_of);
	add_str(j, "help", help);
	add_str(j, "example", example);
	return j;
}

static cJSON *output_json(const char *name, uint32_t flags, const char *help)
{
	cJSON *j = cJSON_CreateObject();
	add_str(j, "name", name);
	cJSON_AddBoolToObject(j, "secret", flags & RUNNER_SECRET);
	add_str(j, "help", help);
	return j;
}

cJSON *plugin_info_json(const struct plugin_info *p)
{
	cJSON *j = head_json(p->name, p->version, p->summary, p->abi_major, p->abi_minor);
	add_str(j, "path", p->path);
	add_str(j, "help", p->help);
	add_str(j, "permissions", p->permissions);
	cJSON *params = cJSON_AddArrayToObject(j, "params");
	for (size_t i = 0; i < p->n_params; i++) {
		const struct plugin_param *q = &p->params[i];
		cJSON_AddItemToArray(params, param_json(q->name, q->type, q->flags, q->def, q->one_of, q->help,
							q->example));
	}
	cJSON *outputs = cJSON_AddArrayToObject(j, "outputs");
	for (size_t i = 0; i < p->n_outputs; i++)
		cJSON_AddItemToArray(outputs, output_json(p->outputs[i].name, p->outputs[i].flags,
							  p->outputs[i].help));
	cJSON_AddBoolToObject(j, "check", p->has_check);
	cJSON_AddBoolToObject(j, "plan", p->has_plan);
	cJSON_AddBoolToObject(j, "destroy", p->has_destroy);
	cJSON_AddBoolToObject(j, "rollback", p->has_rollback);
	return j;
}

cJSON *plugin_descriptor_json(const struct runner_plugin *p, const char *path)
{
	cJSON *j = head_json(p->name, p->version, p->summary, p->abi_major, p->abi_minor);
	add_str(j, "path", path);
	add_str(j, "help", p->help);
	add_str(j, "permissions", p->permissions);
	cJSON *params = cJSON_AddArrayToObject(j, "params");
	struct runner_param q;
	for (size_t i = 0; plugin_param_row(p, i, &q); i++)
		cJSON_AddItemToArray(params, param_json(q.name, q.type, q.flags, q.def, q.one_of, q.help, q.example));
	cJSON *outputs = cJSON_AddArrayToObject(j, "outputs");
	struct runner_output o;
	for (size_t i = 0; plugin_output_row(p, i, &o); i++)
		cJSON_AddItemToArray(outputs, output_json(o.name, o.flags, o.help));
	cJSON_AddBoolToObject(j, "check", p->check != NULL);
	cJSON_AddBoolToObject(j, "plan", p->plan != NULL);
	cJSON_AddBoolToObject(j, "destroy", p->destroy != NULL);
	cJSON_AddBoolToObject(j, "rollback", p->rollback != NULL);
	return j;
}

/* ---- rows of the ABI's tables: stepped by the author's row size ---- */

static bool row_at(const void *table, size_t row_size, size_t i, void *ret, size_t size)
{
	memset(ret, 0, size);
	if (!table)
		return false;
	memcpy(ret, (const char *)table + i * row_size, row_size < size ? row_size : size);
	return *(char *const *)ret != NULL; /* `name` is the first member of every row */
}

bool plugin_param_row(const struct runner_plugin *p, size_t i, struct runner_param *ret)
{
	return row_at(p->params, p->row_size, i, ret, sizeof(*ret));
}

bool plugin_output_row(const struct runner_plugin *p, size_t i, struct runner_output *ret)
{
	return row_at(p->outputs, p->output_row_size, i, ret, sizeof(*ret));
}

/* ---- from JSON ---- */

static char *dup_str(const cJSON *j, const char *name)
{
	return rn_strdup(rn_json_str(j, name));
}

static uint32_t flags_of(const cJSON *j)
{
	return (rn_json_bool(j, "required", false) ? RUNNER_REQUIRED : 0u) |
	       (rn_json_bool(j, "secret", false) ? RUNNER_SECRET : 0u) |
	       (rn_json_bool(j, "deprecated", false) ? RUNNER_DEPRECATED : 0u);
}

static void params_from_json(struct plugin_info *p, const cJSON *list)
{
	const cJSON *j;
	p->params = rn_alloc(sizeof(*p->params) * ((size_t)cJSON_GetArraySize(list) + 1));
	cJSON_ArrayForEach(j, list) {
		p->params[p->n_params++] = (struct plugin_param){
			.name = dup_str(j, "name"),
			.type = type_by_name(rn_json_str(j, "type")),
			.flags = flags_of(j),
			.def = dup_str(j, "default"),
			.one_of = dup_str(j, "one_of"),
			.help = dup_str(j, "help"),
			.example = dup_str(j, "example"),
		};
	}
}

static void outputs_from_json(struct plugin_info *p, const cJSON *list)
{
	const cJSON *j;
	p->outputs = rn_alloc(sizeof(*p->outputs) * ((size_t)cJSON_GetArraySize(list) + 1));
	cJSON_ArrayForEach(j, list) {
		p->outputs[p->n_outputs++] = (struct plugin_output){
			.name = dup_str(j, "name"),
			.flags = flags_of(j),
			.help = dup_str(j, "help"),
		};
	}
}

struct plugin_info *plugin_info_from_json(const cJSON *j)
{
	const char *name = rn_json_str(j, "name"), *abi = rn_json_str(j, "abi"), *path = rn_json_str(j, "path");
	unsigned major = 0, minor = 0;
	if (!name || !path || !abi || sscanf(abi, "%u.%u", &major, &minor) != 2)
		return NULL;
	struct plugin_info *p = rn_alloc(sizeof(*p));
	*p = (struct plugin_info){
		.name = rn_strdup(name),
		.version = dup_str(j, "version"),
		.summary = dup_str(j, "summary"),
		.help = dup_str(j, "help"),
		.permissions = dup_str(j, "permissions"),
		.path = rn_strdup(path),
		.abi_major = major,
		.abi_minor = minor,
		.has_check = rn_json_bool(j, "check", false),
		.has_plan = rn_json_bool(j, "plan", false),
		.has_destroy = rn_json_bool(j, "destroy", false),
		.has_rollback = rn_json_bool(j, "rollback", false),
	};
	params_from_json(p, rn_json_get(j, "params"));
	outputs_from_json(p, rn_json_get(j, "outputs"));
	return p;
}

void plugin_info_free(struct plugin_info *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_params; i++) {
		struct plugin_param *q = &p->params[i];
		free(q->name);
		free(q->def);
		free(q->one_of);
		free(q->help);
		free(q->example);
	}
	for (size_t i = 0; i < p->n_outputs; i++) {
		free(p->outputs[i].name);
		free(p->outputs[i].help);
	}
	free(p->params);
	free(p->outputs);
	free(p->name);
	free(p->version);
	free(p->summary);
	free(p->help);
	free(p->permissions);
	free(p->path);
	free(p->digest);
	free(p->stamp);
	free(p);
}

const char *plugin_digest(struct plugin_info *p, struct rn_error *err)
{
	if (p->digest)
		return p->digest;
	RN_AUTO(rn_closep) int fd = open(p->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		rn_fail(err, RN_EIO, "open %s: %m", p->path);
		return NULL;
	}
	SHA2_CTX ctx;
	SHA256Init(&ctx);
	uint8_t chunk[65536], sum[SHA256_DIGEST_LENGTH];
	ssize_t n;
	while ((n = rn_read_full(fd, chunk, sizeof(chunk))) > 0)
		SHA256Update(&ctx, chunk, (size_t)n);
	if (n < 0) {
		rn_fail(err, RN_EIO, "read %s: %m", p->path);
		return NULL;
	}
	SHA256Final(sum, &ctx);
	p->digest = rn_alloc(2 * sizeof(sum) + 1);
	rn_hex(sum, sizeof(sum), p->digest);
	plugin_remember(p);
	return p->digest;
}
