/* SPDX-License-Identifier: Apache-2.0 */
/* In the worker: from the resolved parameters to the plugin's own struct, by the plugin's own table. */
#include "params.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {
	[RUNNER_STRING] = "string", [RUNNER_INTEGER] = "integer", [RUNNER_NUMBER] = "number",
	[RUNNER_BOOLEAN] = "boolean", [RUNNER_DURATION] = "duration", [RUNNER_SIZE] = "size",
	[RUNNER_PATH] = "path", [RUNNER_LIST] = "list", [RUNNER_MAP] = "map", [RUNNER_JSON] = "json",
};

const char *params_type_name(uint32_t type)
{
	return type < RN_LEN(type_names) ? type_names[type] : NULL;
}

uint32_t params_type(const char *name)
{
	for (uint32_t i = RUNNER_STRING; i < RN_LEN(type_names); i++)
		if (name && strcmp(type_names[i], name) == 0)
			return i;
	return 0;
}

/* Size of the member that a type fills: what must fit behind the row's offset. */
static size_t member_size(uint32_t type)
{
	static const size_t sizes[] = {
		[RUNNER_STRING] = sizeof(char *), [RUNNER_INTEGER] = sizeof(int64_t),
		[RUNNER_NUMBER] = sizeof(double), [RUNNER_BOOLEAN] = sizeof(bool),
		[RUNNER_DURATION] = sizeof(struct runner_duration), [RUNNER_SIZE] = sizeof(struct runner_size),
		[RUNNER_PATH] = sizeof(char *), [RUNNER_LIST] = sizeof(struct runner_list),
		[RUNNER_MAP] = sizeof(struct runner_map), [RUNNER_JSON] = sizeof(struct runner_json),
	};
	return type < RN_LEN(sizes) ? sizes[type] : 0;
}

static void *own(struct params_block *b, void *p)
{
	b->owned = rn_grow(b->owned, &b->cap, b->n + 1, sizeof(*b->owned));
	return b->owned[b->n++] = p;
}

static const char *own_text(struct params_block *b, const cJSON *j)
{
	return cJSON_IsString(j) ? own(b, rn_strdup(j->valuestring)) : NULL;
}

/* A whole number, or its digits when it is too big for a JSON number. */
static int64_t whole(const cJSON *j)
{
	int64_t v = 0;
	if (cJSON_IsString(j))
		rn_parse_int(j->valuestring, INT64_MIN, INT64_MAX, &v, NULL);
	else if (cJSON_IsNumber(j))
		v = (int64_t)j->valuedouble;
	return v;
}

static struct runner_list own_list(struct params_block *b, const cJSON *j)
{
	struct runner_list l = { .n = (size_t)cJSON_GetArraySize(j) };
	const char **v = own(b, rn_alloc((l.n + 1) * sizeof(*v)));
	const cJSON *item;
	size_t i = 0;
	cJSON_ArrayForEach(item, j)
		v[i++] = own_text(b, item);
	l.v = v;
	return l;
}

static struct runner_map own_map(struct params_block *b, const cJSON *j)
{
	struct runner_map m = { .n = (size_t)cJSON_GetArraySize(j) };
	struct runner_pair *v = own(b, rn_alloc((m.n + 1) * sizeof(*v)));
	const cJSON *item;
	size_t i = 0;
	cJSON_ArrayForEach(item, j)
		v[i++] = (struct runner_pair){ own(b, rn_strdup(item->string)), own_text(b, item) };
	m.v = v;
	return m;
}

static void fill_member(struct params_block *b, uint32_t type, const cJSON *j, bool set, void *to)
{
	switch ((enum runner_type)type) {
	case RUNNER_STRING:
	case RUNNER_PATH:
		*(const char **)to = own_text(b, j);
		break;
	case RUNNER_INTEGER:
		*(int64_t *)to = whole(j);
		break;
	case RUNNER_NUMBER:
		*(double *)to = cJSON_IsNumber(j) ? j->valuedouble : 0;
		break;
	case RUNNER_BOOLEAN:
		*(bool *)to = cJSON_IsTrue(j);
		break;
	case RUNNER_DURATION:
		((struct runner_duration *)to)->ms = whole(j);
		break;
	case RUNNER_SIZE:
		((struct runner_size *)to)->bytes = (uint64_t)whole(j);
		break;
	case RUNNER_LIST:
		*(struct runner_list *)to = own_list(b, j);
		break;
	case RUNNER_MAP:
		*(struct runner_map *)to = own_map(b, j);
		break;
	case RUNNER_JSON:
		if (j && (!cJSON_IsNull(j) || set))
			((struct runner_json *)to)->text = own(b, rn_json_print(j));
		break;
	}
}

int params_fill(const cJSON *params, const struct runner_plugin *plugin, struct params_block *ret,
		struct rn_error *err)
{
	struct params_block b = { 0 };
	if (plugin->param_size == 0 || !plugin->params) {
		*ret = b;
		return 0;
	}
	b.params = rn_alloc(plugin->param_size);
	const char *row = (const char *)plugin->params;
	for (;; row += plugin->row_size) {
		struct runner_param param = { 0 };
		memcpy(&param, row, plugin->row_size < sizeof(param) ? plugin->row_size : sizeof(param));
		if (!param.name)
			break;
		size_t size = member_size(param.type);
		if (!size || param.offset > plugin->param_size || plugin->param_size - param.offset < size) {
			params_block_clear(&b);
			return rn_fail(err, RN_EINVAL, "the plugin's table is wrong: \"%s\" lies outside of its struct",
				       param.name);
		}
		const cJSON *entry = rn_json_get(params, param.name);
		fill_member(&b, param.type, rn_json_get(entry, "value"), rn_json_bool(entry, "set", false),
			    (char *)b.params + param.offset);
	}
	*ret = b;
	return 0;
}

void params_block_clear(struct params_block *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->owned[i]);
	free(b->owned);
	free(b->params);
	*b = (struct params_block){ 0 };
}
