/* SPDX-License-Identifier: Apache-2.0 */
#include "resume.h"

#include "base/encode.h"

#include <sha256.h>
#include <stdlib.h>
#include <string.h>

enum { DIGEST_BYTES = 16, TEXT_MAX = 48 };

static void add_value(cJSON *to, const char *name, const cJSON *value, const struct redact *redact)
{
	RN_AUTO(rn_freep) char *text = value ? rn_json_canonical(value) : rn_strdup("null");
	RN_AUTO(rn_freep) char *plain = cJSON_IsString(value) ? rn_strdup(value->valuestring) : NULL;
	if (redact_found(redact, text) || (plain && redact_found(redact, plain)))
		return;
	char hex[SHA256_DIGEST_STRING_LENGTH];
	SHA256Data((const uint8_t *)text, strlen(text), hex);
	hex[2 * DIGEST_BYTES] = '\0';
	cJSON *j = cJSON_AddObjectToObject(to, name);
	cJSON_AddStringToObject(j, "digest", hex);
	if (strlen(text) > TEXT_MAX) {
		size_t n = TEXT_MAX;
		while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
		text[n] = '\0';
		RN_AUTO(rn_freep) char *cut = rn_asprintf("%s…", text);
		cJSON_AddStringToObject(j, "text", cut);
	} else {
		cJSON_AddStringToObject(j, "text", text);
	}
}

cJSON *resume_key(struct plugin_info *plugin, const cJSON *params, const cJSON *env, const struct redact *redact,
		  struct rn_error *err)
{
	const char *digest = plugin_digest(plugin, err);
	if (!digest)
		return NULL;
	cJSON *key = cJSON_CreateObject();
	cJSON_AddStringToObject(key, "uses", plugin->name);
	cJSON_AddStringToObject(key, "plugin", digest);
	cJSON *to = cJSON_AddObjectToObject(key, "params");
	const cJSON *p;
	cJSON_ArrayForEach(p, params)
		if (!rn_json_bool(p, "secret", false))
			add_value(to, p->string, rn_json_get(p, "value"), redact);
	to = cJSON_AddObjectToObject(key, "env");
	cJSON_ArrayForEach(p, env)
		add_value(to, p->string, p, redact);
	return key;
}

static char *first_change(const char *what, const cJSON *before, const cJSON *now)
{
	const cJSON *n;
	cJSON_ArrayForEach(n, now) {
		const cJSON *b = rn_json_get(before, n->string);
		if (!b)
			return rn_asprintf("%s `%s` is new", what, n->string);
		if (!rn_streq(rn_json_str(b, "digest"), rn_json_str(n, "digest")))
			return rn_asprintf("%s `%s` changed: %s -> %s", what, n->string, rn_json_str(b, "text"),
					   rn_json_str(n, "text"));
	}
	cJSON_ArrayForEach(n, before)
		if (!rn_json_get(now, n->string))
			return rn_asprintf("%s `%s` is gone", what, n->string);
	return NULL;
}

char *resume_difference(const cJSON *before, const cJSON *now)
{
	if (!before)
		return rn_strdup("the earlier run did not record what it ran with");
	const char *was = rn_json_str(before, "uses"), *is = rn_json_str(now, "uses");
	if (!rn_streq(was, is))
		return rn_asprintf("it uses `%s` instead of `%s`", is, was);
	if (!rn_streq(rn_json_str(before, "plugin"), rn_json_str(now, "plugin")))
		return rn_asprintf("the plugin `%s` changed", is);
	char *change = first_change("parameter", rn_json_get(before, "params"), rn_json_get(now, "params"));
	return change ? change : first_change("variable", rn_json_get(before, "env"), rn_json_get(now, "env"));
}
