/* SPDX-License-Identifier: Apache-2.0 */
#include "key_parts.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 400

static struct key_part *add(struct key_parts *k, const char *name)
{
	k->v = rn_grow(k->v, &k->cap, k->n + 1, sizeof(*k->v));
	k->v[k->n] = (struct key_part){ .name = rn_strdup(name) };
	return &k->v[k->n++];
}

void key_add(struct key_parts *k, const char *name, const char *value)
{
	if (!value)
		return;
	struct key_part *p = add(k, name);
	p->value = digest_of(value, strlen(value));
	p->text = strlen(value) > TEXT_MAX ? rn_asprintf("%.*s…", TEXT_MAX, value) : rn_strdup(value);
}

void key_add_hidden(struct key_parts *k, const char *name, const char *value)
{
	if (value)
		add(k, name)->value = digest_of(value, strlen(value));
}

void key_add_digest(struct key_parts *k, const char *name, const struct digest *value)
{
	key_add(k, name, digest_is_set(value) ? value->text : "none");
}

const struct key_part *key_part(const struct key_parts *k, const char *name)
{
	for (size_t i = 0; i < k->n; i++)
		if (rn_streq(k->v[i].name, name))
			return &k->v[i];
	return NULL;
}

void key_parts_clear(struct key_parts *k)
{
	for (size_t i = 0; i < k->n; i++) {
		free(k->v[i].name);
		free(k->v[i].text);
	}
	free(k->v);
	*k = (struct key_parts){ 0 };
}

struct digest key_digest(const struct key_parts *k)
{
	RN_AUTO(digester_freep) struct digester *h = digester_new(NULL);
	for (size_t i = 0; i < k->n; i++) {
		digester_update(h, k->v[i].name, strlen(k->v[i].name) + 1);
		digester_update(h, k->v[i].value.text, strlen(k->v[i].value.text) + 1);
	}
	return digester_peek(h);
}

cJSON *key_parts_to_json(const struct key_parts *k)
{
	cJSON *list = cJSON_CreateArray();
	for (size_t i = 0; i < k->n; i++) {
		cJSON *p = cJSON_CreateObject();
		cJSON_AddStringToObject(p, "name", k->v[i].name);
		if (k->v[i].text)
			cJSON_AddStringToObject(p, "text", k->v[i].text);
		cJSON_AddStringToObject(p, "value", k->v[i].value.text);
		cJSON_AddItemToArray(list, p);
	}
	return list;
}

void key_parts_from_json(const cJSON *j, struct key_parts *ret)
{
	const cJSON *p;
	cJSON_ArrayForEach(p, j) {
		const char *name = rn_json_str(p, "name"), *value = rn_json_str(p, "value");
		struct digest d;
		if (!name || !value || digest_parse(value, &d, NULL) < 0)
			continue;
		struct key_part *to = add(ret, name);
		to->text = rn_strdup(rn_json_str(p, "text"));
		to->value = d;
	}
}

static bool same(const struct key_parts *k, const struct key_part *p)
{
	const struct key_part *other = key_part(k, p->name);
	return other && digest_equal(&other->value, &p->value);
}

const char *key_parts_differ(const struct key_parts *before, const struct key_parts *now)
{
	for (size_t i = 0; i < now->n; i++)
		if (!same(before, &now->v[i]))
			return now->v[i].name;
	for (size_t i = 0; i < before->n; i++)
		if (!key_part(now, before->v[i].name))
			return before->v[i].name;
	return NULL;
}
