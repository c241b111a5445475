/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signs each line of stdin, a JSON object {method, path, query, headers: [[name, value]], payload,
 * access_key, secret_key, region, service, timestamp}, and prints {canonical_request, authorization}.
 */
#include "aws/sigv4.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cJSON *sign(const cJSON *j, struct rn_error *err)
{
	struct sigv4_header headers[64];
	size_t n = 0;
	const cJSON *pair;
	cJSON_ArrayForEach(pair, rn_json_get(j, "headers"))
		if (n < RN_LEN(headers))
			headers[n++] = (struct sigv4_header){ cJSON_GetArrayItem(pair, 0)->valuestring,
							      cJSON_GetArrayItem(pair, 1)->valuestring };
	const char *payload = rn_json_str(j, "payload");
	char hash[SIGV4_HASH_LEN + 1];
	struct sigv4_request q = {
		.method = rn_json_str(j, "method"),
		.path = rn_json_str(j, "path"),
		.query = rn_json_str(j, "query"),
		.headers = headers,
		.n_headers = n,
		.payload_hash = sigv4_hash(payload, strlen(payload), hash),
	};
	struct sigv4_key key = {
		.access_key = rn_json_str(j, "access_key"),
		.secret_key = rn_json_str(j, "secret_key"),
		.region = rn_json_str(j, "region"),
		.service = rn_json_str(j, "service"),
		.timestamp = rn_json_str(j, "timestamp"),
	};
	RN_AUTO(sigv4_result_clear) struct sigv4_result r = { 0 };
	if (sigv4_sign(&q, &key, &r, err) < 0)
		return NULL;
	cJSON *o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "canonical_request", r.canonical_request);
	cJSON_AddStringToObject(o, "authorization", r.authorization);
	return o;
}

int main(void)
{
	char *line = NULL;
	size_t room = 0;
	while (getline(&line, &room, stdin) > 0) {
		struct rn_error err = { 0 };
		RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse_str(line, &err);
		RN_AUTO(rn_json_freep) cJSON *o = j ? sign(j, &err) : NULL;
		RN_AUTO(rn_freep) char *text = o ? rn_json_print(o) : NULL;
		if (!text) {
			fprintf(stderr, "%s\n", err.msg);
			return 1;
		}
		puts(text);
	}
	free(line);
	return 0;
}
