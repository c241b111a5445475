/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why API Gateway refused a request: the API, its deployment, the key, its plan and the
 * function are read back, and the cause is told with its cure. Reads only.
 */
#ifndef SMOKE_DIAGNOSE_H
#define SMOKE_DIAGNOSE_H

#include "gateway.h"
#include "http/http.h"
#include "stage/stage.h"

/**
 * Cause and cure of an answer (403, 404, 429 or 5xx) to a request with that method and key (NULL: none was
 * sent). NULL: the URL is not API Gateway's, there are no credentials, or nothing is wrong with what can be
 * read. New string.
 */
char *diagnose(struct stage *s, const char *url, const char *method, const char *key, const struct http_response *answer);

/* ---- between diagnose.c, diagnose_key.c and diagnose_function.c ---- */

struct diagnosis {
	struct stage *s;
	struct aws_session *session;
	struct aws_client *client; /* API Gateway */
	struct gateway_address at;
	const char *method;
	const char *key;
	const struct http_response *answer;
	cJSON *stage;     /* GetStage                                                  */
	cJSON *present;   /* {path: {METHOD: …}} of the API as it is                   */
	cJSON *live;      /* the same of the deployment that the stage serves          */
	const cJSON *route; /* of `present` that the path runs into; NULL: none        */
};

/** GET; *ret stays NULL on a 404. -1: it cannot be read (denied, no network). */
int diagnose_get(struct diagnosis *d, struct aws_client *c, const char *operation, const char *path, const cJSON *query,
		 cJSON **ret);
/** All items of a list; NULL: it cannot be read. The caller deletes. */
cJSON *diagnose_list(struct diagnosis *d, const char *operation, const char *path, const cJSON *query);

char *diagnose_key(struct diagnosis *d);      /* 403: is the key right, enabled, in a plan of this stage? */
char *diagnose_limits(struct diagnosis *d);   /* 429: which of quota and throttles                        */
char *diagnose_function(struct diagnosis *d); /* 5xx: does the function exist, is it ready, may it be invoked */

#endif
