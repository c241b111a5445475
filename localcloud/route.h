/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request to its handler. A service is a table: routes by method and path
 * (REST) or operations by name (JSON 1.1 by X-Amz-Target, query by Action), chosen
 * by the signing name in the credential scope. The signature is verified before
 * a handler runs; an unknown operation answers as AWS does.
 */
#ifndef ROUTE_H
#define ROUTE_H

#include "server.h"

/** Fills `res`; an untouched response is an internal error. */
typedef void handler_fn(struct request *req, struct response *res);

struct route {
	const char *method;    /* "GET"                                                  */
	const char *pattern;   /* "/2015-03-31/functions/{name}/invocations"; "{rest+}" takes all that follows, slashes too;
	                          "?NAME=VALUE" behind it: the query must have it */
	const char *operation; /* "Invoke": REST by path, or the name alone (method NULL) */
	handler_fn *handle;
	bool blocks;           /* takes long (bodies, other handlers): no transaction around it */
};

struct service {
	const char *name;          /* signing name: "lambda"                                     */
	unsigned slot;             /* index of its cloud.service_data, one of CLOUD_SLOT_…       */
	enum protocol protocol;
	const char *target;        /* JSON: "AmazonEC2ContainerRegistry_V20150921"               */
	const char *xmlns;         /* query: name space of the answers                           */
	bool transaction;          /* the handler runs inside one store transaction, committed when
	                              it answers below 400: for handlers that never block        */
	const struct route *routes;
	size_t n_routes;
	int (*start)(struct cloud *cloud, const struct service *self, struct rn_error *err); /* may be NULL */
	void (*interrupt)(struct cloud *cloud, const struct service *self); /* makes blocked handlers end soon; may be NULL */
	void (*stop)(struct cloud *cloud, const struct service *self);      /* no handler runs any more; may be NULL */
};

enum { CLOUD_SLOT_NONE, CLOUD_SLOT_LAMBDA, CLOUD_SLOT_APIGW, CLOUD_SLOT_LOGS, CLOUD_SLOT_UPLOADS };

/* The services; each is defined in its own file. */
extern const struct service ecr_service;
extern const struct service iam_service;
extern const struct service sts_service;
extern const struct service apigw_service;
extern const struct service lambda_service; /* lambda_service.c */
extern const struct service logs_service;   /* lambda_logs.c    */
extern const struct service ssm_service;

/** Starts and stops all services. route_stop undoes a partial start too. */
int route_start(struct cloud *cloud, struct rn_error *err);
void route_interrupt(struct cloud *cloud);
void route_stop(struct cloud *cloud);

/** Every call that fault rules may name: "lambda.CreateFunction", "registry.put-manifest", "execute-api.Invoke". */
void route_names(struct rn_strv *ret);

/** Called when a request's headers are there, before its body: may set a sink. */
void route_begin(struct request *req);
/** Answers the whole request. */
void route_handle(struct request *req, struct response *res);

/**
 * Answers an error in the protocol of the request, with the code as AWS names it
 * ("ResourceNotFoundException"). Replaces whatever was answered before. Returns -1,
 * so that a helper may `return answer_error(...)`.
 */
int answer_error(const struct request *req, struct response *res, int status, const char *code,
		 const char *fmt, ...) RN_PRINTF(5, 6);
/** An unexpected failure of this machine (disk, sandbox): HTTP 500 in the service's words. */
int answer_failure(const struct request *req, struct response *res, const struct rn_error *err);
/** Answers the result of a query operation: members become elements, arrays <member> lists. Deletes `result`; NULL: none. */
void answer_query(const struct request *req, struct response *res, cJSON *result);

/**
 * The request's body as a JSON object, {} when empty; owned by the request. NULL when
 * it is not one: the error (SerializationException) is answered already.
 */
cJSON *request_json(struct request *req, struct response *res);

/** True when `path` (percent-encoded) fits `pattern`; then `ret` holds its decoded {names}. */
bool route_match(const char *pattern, const char *path, struct pairs *ret);

#endif
