/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API Gateway's data plane: /restapis/ID/STAGE/_user_request_/PATH, served from the
 * deployment that the stage points at, with keys, throttling and quotas enforced.
 */
#ifndef APIGW_GATEWAY_H
#define APIGW_GATEWAY_H

#include "apigw_limits.h"
#include "route.h"

#include <pthread.h>

/** Is the request a call of a deployed API (not of the control plane)? */
bool gateway_is_call(const struct request *req);
void gateway_handle(struct request *req, struct response *res);

/* ---- between the files of the data plane ---- */

/** Lives from start to stop of the service. */
struct gateway {
	struct limits *limits;
	struct http_client *http; /* of HTTP_PROXY integrations */
	pthread_mutex_t lock;
	pthread_cond_t idle;
	unsigned running;         /* invocations in threads of their own */
};
struct gateway *gateway_new(void);
/** Waits for invocations that outlived their caller. */
void gateway_free(struct gateway *g);

/** One call on its way through. Documents are borrowed from `stage` and `deployment` unless said. */
struct gateway_call {
	struct request *req;
	struct response *res;
	struct gateway *gateway;
	char *region, *api_id, *stage_name; /* owned */
	char *path;                         /* below the stage, as sent, starts with '/'; owned */
	cJSON *stage, *deployment;          /* owned */
	const cJSON *snapshot, *resource, *method, *integration;
	struct pairs path_params;
	char *key_id, *key_value;           /* of the key that was let in; owned */
	const char *verb;
};
void gateway_call_clear(struct gateway_call *call);

enum gateway_error {
	GATEWAY_NO_METHOD,       /* 403 Missing Authentication Token */
	GATEWAY_BAD_KEY,         /* 403 Forbidden                    */
	GATEWAY_THROTTLED,       /* 429 Too Many Requests            */
	GATEWAY_QUOTA,           /* 429 Limit Exceeded               */
	GATEWAY_TOO_LARGE,       /* 413 Request Too Long             */
	GATEWAY_CONFIGURATION,   /* 500 Internal server error        */
	GATEWAY_BAD_ANSWER,      /* 502 Internal server error        */
	GATEWAY_FAILURE,         /* 504 by AWS's default: the backend could not be reached */
	GATEWAY_TIMEOUT,         /* 504 Endpoint request timed out   */
};
/** Answers an error, as the API's gateway responses have it; `why` goes to the cloud's log. Always -1. */
int gateway_refuse(struct gateway_call *call, enum gateway_error error, const char *why, ...) RN_PRINTF(3, 4);

/** Finds the resource and method of call->path in the snapshot; -1: answered. */
int gateway_match(struct gateway_call *call);
/** Runs the integration and answers. */
void gateway_integrate(struct gateway_call *call);
void gateway_invoke_lambda(struct gateway_call *call);
void gateway_call_http(struct gateway_call *call);
void gateway_mock(struct gateway_call *call);

/** Is a media type in the API's binaryMediaTypes? NULL: none is not. */
bool gateway_is_binary(const struct gateway_call *call, const char *type);
/** Adds a header of a backend's answer, renamed where API Gateway keeps the name for itself. */
void gateway_add_header(struct gateway_call *call, const char *name, const char *value);
/** The integration's uri with ${stageVariables.x} put in. New. */
char *gateway_uri(const struct gateway_call *call);

#endif
