/* SPDX-License-Identifier: Apache-2.0 */
/* Host services since ABI 1.1: secrets that must not get into what a stage publishes. */
#include "host.h"

#include <string.h>

enum { SECRET_MIN = 6 }; /* a shorter text stands in files by chance */

static size_t text_length(const cJSON *secret)
{
	const char *text = cJSON_GetStringValue(secret);
	size_t n = text ? strlen(text) : 0;
	while (n && strchr(" \t\r\n", text[n - 1])) /* the newline that files end with is no part of it */
		n--;
	return n < SECRET_MIN ? 0 : n;
}

uint64_t host_longest_secret(struct runner_stage *stage)
{
	size_t longest = 0;
	const cJSON *secret;
	cJSON_ArrayForEach(secret, rn_json_get(stage->spec, "secrets")) {
		size_t n = text_length(secret);
		longest = n > longest ? n : longest;
	}
	return longest;
}

bool host_reveals(struct runner_stage *stage, const void *data, uint64_t n)
{
	const cJSON *secret;
	cJSON_ArrayForEach(secret, rn_json_get(stage->spec, "secrets")) {
		size_t k = text_length(secret);
		if (k && n >= k && memmem(data, n, secret->valuestring, k))
			return true;
	}
	return false;
}
