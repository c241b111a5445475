/* SPDX-License-Identifier: Apache-2.0 */
/* What a lease says of its holder: to a parameter, and to people. */
#include "lease.h"

#include "base/time.h"

#include <stdlib.h>
#include <string.h>

enum { VALUE_MAX = 4000 };

static const char *word(const cJSON *words, const char *name)
{
	const char *value = rn_json_str(words, name);
	return value ? value : "?";
}

/* Milliseconds as whole seconds, for people; never negative. */
static const char *seconds(int64_t ms, char *to, size_t n)
{
	return rn_format_duration(ms < 0 ? 0 : ms / 1000 * 1000, to, n);
}

char *aws_lease_who(const struct aws_lease_entry *e, int64_t now_ms)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	char since[32] = "?", age[32];
	const cJSON *w = e->words;
	const char *began = rn_json_str(w, "since"), *run = rn_json_str(w, "run"), *url = rn_json_str(w, "url");
	int64_t begun = 0;
	seconds(now_ms - e->modified_ms, age, sizeof(age));
	if (!rn_json_str(w, "token"))
		return rn_asprintf("somebody who left no word, last sign of life %s ago", age);
	if (rn_json_bool(w, "broken", false)) {
		rn_buf_addf(&b, "broken by %s@%s (runner aws lease break) %s ago, free again %s after that", word(w, "user"),
			    word(w, "host"), age, seconds(rn_json_int(w, "ttl_ms", 0), since, sizeof(since)));
		return rn_buf_take(&b);
	}
	if (began && rn_parse_iso8601(began, &begun, NULL) == 0)
		seconds(now_ms - begun, since, sizeof(since));
	rn_buf_addf(&b, "%s@%s, process %lld, `runner %s %s`%s%s, for %s, last sign of life %s ago%s%s", word(w, "user"),
		    word(w, "host"), (long long)rn_json_int(w, "pid", 0), word(w, "command"), word(w, "file"), run ? ", run " : "",
		    run ? run : "", since, age, url ? ", " : "", url ? url : "");
	return rn_buf_take(&b);
}

/* Parameter Store refuses "{{": in a flat object every brace but the first is in a string, where it may be written by number. */
static char *text_of(const cJSON *words)
{
	RN_AUTO(rn_freep) char *text = rn_json_print(words);
	RN_AUTO(rn_freep) char *rest = rn_replace(text + 1, "{", "\\u007b");
	return rn_asprintf("{%s", rest);
}

char *aws_lease_value(const cJSON *words)
{
	static const char *const expendable[] = { "url", "file", "run", "host", "user" };
	RN_AUTO(rn_json_freep) cJSON *w = cJSON_Duplicate(words, true);
	char *text = text_of(w);
	for (size_t i = 0; i < RN_LEN(expendable) && strlen(text) > VALUE_MAX; i++) {
		cJSON_DeleteItemFromObjectCaseSensitive(w, expendable[i]);
		free(text);
		text = text_of(w);
	}
	return text;
}
