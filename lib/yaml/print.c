/* SPDX-License-Identifier: Apache-2.0 */
#include "print.h"

#include <ctype.h>
#include <string.h>

#define STEP 2

static void print_value(const cJSON *value, int depth, bool in_list, struct rn_buf *to);

/* A key that no reader takes for something else: begins with a letter, "/" or "_". */
static bool is_plain(const char *key)
{
	static const char *const words[] = { "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE", "y", "n", "yes", "no", "on", "off" };
	for (size_t i = 0; i < RN_LEN(words); i++)
		if (strcasecmp(key, words[i]) == 0)
			return false;
	if (!isalpha((unsigned char)*key) && *key != '/' && *key != '_')
		return false;
	for (const char *p = key; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("/_-.{}+$", *p))
			return false;
	return true;
}

static void print_key(const char *key, struct rn_buf *to)
{
	if (is_plain(key))
		rn_buf_adds(to, key);
	else
		rn_json_quote(to, key, strlen(key));
	rn_buf_addc(to, ':');
}

static void indent(int depth, struct rn_buf *to)
{
	for (int i = 0; i < depth * STEP; i++)
		rn_buf_addc(to, ' ');
}

/* Items stand at the column of their key. `in_list`: the first member follows a "- ". */
static void print_map(const cJSON *map, int depth, bool in_list, struct rn_buf *to)
{
	const cJSON *item;
	bool first = true;
	cJSON_ArrayForEach(item, map)
	{
		if (!first || !in_list)
			indent(depth, to);
		first = false;
		print_key(item->string, to);
		print_value(item, depth + 1, false, to);
	}
}

static void print_list(const cJSON *list, int depth, struct rn_buf *to)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, list)
	{
		indent(depth - 1, to);
		rn_buf_addc(to, '-');
		print_value(item, depth, true, to);
	}
}

static void print_value(const cJSON *value, int depth, bool in_list, struct rn_buf *to)
{
	bool block = (cJSON_IsObject(value) || cJSON_IsArray(value)) && value->child;
	if (block && cJSON_IsObject(value)) {
		rn_buf_adds(to, in_list ? " " : "\n");
		print_map(value, depth, in_list, to);
	} else if (block && in_list) { /* a list in a list: in flow form, which is JSON */
		RN_AUTO(rn_freep) char *text = rn_json_print(value);
		rn_buf_addf(to, " %s\n", text);
	} else if (block) {
		rn_buf_adds(to, "\n");
		print_list(value, depth, to);
	} else {
		RN_AUTO(rn_freep) char *text = rn_json_print(value);
		rn_buf_addf(to, " %s\n", text);
	}
}

void yaml_print(const cJSON *value, struct rn_buf *to)
{
	rn_buf_adds(to, "---");
	if (cJSON_IsArray(value) && value->child) {
		rn_buf_addc(to, '\n');
		print_list(value, 1, to);
	} else {
		print_value(value, 0, false, to);
	}
}
