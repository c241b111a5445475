/* SPDX-License-Identifier: Apache-2.0 */
/* URLs and routes of API Gateway: what an address names, and which resource answers a path. Pure. */
#ifndef SMOKE_GATEWAY_H
#define SMOKE_GATEWAY_H

#include "base/json.h"

/** The parts of an API's URL. Zeroed: none. */
struct gateway_address {
	char *api;
	char *stage;
	char *path;     /* "/predict"                                      */
	char *region;   /* NULL: that of the environment                   */
	char *endpoint; /* "http://127.0.0.1:4566"; NULL: AWS itself       */
};
/** https://ID.execute-api.REGION.amazonaws.com/STAGE/PATH or ENDPOINT/restapis/ID/STAGE/_user_request_/PATH; false for others. */
bool gateway_address_parse(const char *url, struct gateway_address *ret);
void gateway_address_clear(struct gateway_address *a); /* for RN_AUTO */

/**
 * The most special of the paths (members of `paths`) that `path` runs into, as API Gateway chooses: a
 * literal part before {variable} before {rest+}. NULL: none. Borrowed from `paths`.
 */
const cJSON *gateway_route(const cJSON *paths, const char *path);
/** The member for `method`, else that for ANY; NULL: neither. Borrowed. */
const cJSON *gateway_method(const cJSON *methods, const char *method);
/** "POST /predict, GET /items/{id}" of {path: {METHOD: …}}; new string. */
char *gateway_list(const cJSON *paths);
/** True when `pattern` (an ARN with asterisks) covers `text`. */
bool gateway_covers(const char *pattern, const char *text);

#endif
