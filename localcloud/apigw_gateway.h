/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API Gateway's data plane: /restapis/ID/STAGE/_user_request_/PATH, served from the
 * deployment that the stage points at, with keys, throttling and quotas enforced.
 */
#ifndef APIGW_GATEWAY_H
#define APIGW_GATEWAY_H

#include "apigw_limits.h"
#include "lambda.h"
#include "route.h"

#include "base/map.h"

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
	struct rn_map verdicts;   /* of authorizers, by who asked for what: struct verdict; under lock */
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
	cJSON *authorizer;                  /* what an authorizer said about the caller: {principalId, …}; owned */
	char *usage_key;                    /* its usageIdentifierKey; owned */
	char *validation_error;             /* why the body is not valid; owned */
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
	GATEWAY_UNAUTHORIZED,    /* 401 Unauthorized                 */
	GATEWAY_DENIED,          /* 403 User is not authorized …     */
	GATEWAY_DENIED_EXPLICITLY,
	GATEWAY_AUTHORIZER_FAILURE,       /* 500 null */
	GATEWAY_AUTHORIZER_CONFIGURATION, /* 500 null */
	GATEWAY_BAD_PARAMETERS,  /* 400 Missing required request parameters: […] */
	GATEWAY_BAD_BODY,        /* 400 Invalid request body         */
};
/** Answers an error, as the API's gateway responses have it; `why` goes to the cloud's log. Always -1. */
int gateway_refuse(struct gateway_call *call, enum gateway_error error, const char *why, ...) RN_PRINTF(3, 4);

/** The same with other words than the error's own. */
int gateway_refuse_as(struct gateway_call *call, enum gateway_error error, const char *message, const char *why);
/** After sigv4_verify has refused: its answer as the API's gateway responses have it. Always -1. */
int gateway_refuse_signature(struct gateway_call *call);

/** Asks the method's authorizer, or what it said not long ago; -1: answered. */
int gateway_authorize(struct gateway_call *call);
/** What an authorizer says to the call, `remember`: or said not long ago; NULL: refused, and answered. New. */
cJSON *gateway_verdict(struct gateway_call *call, const cJSON *authorizer, bool remember);
void verdict_free(void *verdict);
/** Parameters and body against the method's request validator; -1: answered. */
int gateway_validate(struct gateway_call *call);
/**
 * Invokes a function in a thread of its own. `payload` is taken. 0: *ret is its result (the caller clears it); 1: it is
 * late and left to itself; -1: it could not be started.
 */
int gateway_run(struct gateway_call *call, const char *function, const char *source, char *payload, int64_t timeout_ms,
		struct lambda_result *ret);
/** "…functions/ARN/invocations" -> ARN; NULL: there is none. New. */
char *gateway_function(const char *uri);
/** ARN of what is called, with the real path: what policies of authorizers name. New. */
char *gateway_method_arn(const struct gateway_call *call);
/** "'text'", "method.request.header.X", "context.x", "stageVariables.x" … as it is for this call. New; NULL: it has no value. */
char *gateway_mapped(const struct gateway_call *call, const char *mapping);
/** Value of $context.NAME. New; NULL: none. */
char *gateway_context(const struct gateway_call *call, const char *name);

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
