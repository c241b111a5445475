/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP in and out: what a handler sees of a request and how it answers.
 * One thread a connection, so a handler may block. A body is kept in memory up
 * to a ceiling, or goes through a sink (blobs) as it comes.
 * Knows libmicrohttpd and no service.
 */
#ifndef SERVER_H
#define SERVER_H

#include "cloud.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"

/* Shapes in which AWS and registries answer errors. */
enum protocol {
	PROTOCOL_REST_JSON, /* Lambda, API Gateway: x-amzn-ErrorType + {"message"}  */
	PROTOCOL_JSON,      /* ECR, Logs: {"__type","message"}, application/x-amz-json-1.1 */
	PROTOCOL_QUERY,     /* IAM, STS: XML                                        */
	PROTOCOL_REGISTRY,  /* OCI distribution: {"errors":[{"code","message"}]}    */
	PROTOCOL_GATEWAY,   /* API Gateway's data plane: {"message"}                */
};

struct pair {
	char *name;
	char *value;
};

struct pairs {
	struct pair *v;
	size_t n;
	size_t cap;
};

void pairs_add(struct pairs *l, const char *name, const char *value);
/** First value by name, ignoring case when `nocase`; NULL: none. */
const char *pairs_get(const struct pairs *l, const char *name, bool nocase);
void pairs_clear(struct pairs *l);
/** Adds the decoded items of a query or form, "a=1&b=%20". */
void pairs_parse(struct pairs *l, const char *text);

struct request;
/** Takes body bytes as they come; -1 ends the taking (the rest is read and dropped) and `err` is kept in request.body_error. */
typedef int request_sink_fn(struct request *req, const void *data, size_t n, struct rn_error *err);

struct request {
	struct cloud *cloud;
	char *method;
	char *path;             /* as sent: percent-encoded, without the query */
	char *query;            /* as sent, without '?'; "" when there is none */
	struct pairs headers;
	struct pairs args;      /* query decoded, in order                     */
	struct pairs params;    /* {names} of the route's pattern, decoded     */
	struct pairs form;      /* query protocol: Action and its parameters   */
	struct rn_buf body;
	struct rn_error body_error; /* code set: too large or refused by the sink */
	request_sink_fn *sink;  /* set before the body comes; NULL: `body`     */
	void *sink_data;        /* the sink owner's; freed by free_sink_data   */
	void (*free_sink_data)(void *data);
	enum protocol protocol;
	char id[37];            /* request id, answered in x-amzn-RequestId    */
	/* who calls, once the signature is verified */
	char *region;           /* of the credential scope                     */
	char *service;          /* signing name, "lambda"                      */
	char *caller_arn;
	char *caller_id;        /* "AIDA…" / "AROA…:session"                   */
	char *source_ip;
	const char *xmlns;      /* query: name space of the answer              */
	const char *operation;  /* "CreateFunction", for the log and policies  */
	cJSON *json;            /* request_json's document                     */
	bool lose_answer;       /* a fault rule: it acts, and the answer is cut off */
};

/** Header by name (any case), or NULL. */
const char *request_header(const struct request *req, const char *name);
/** Decoded query argument, or NULL. */
const char *request_arg(const struct request *req, const char *name);
/** Decoded value of {name} in the route's pattern, or NULL. */
const char *request_param(const struct request *req, const char *name);
/** Form parameter of the query protocol, or NULL. */
const char *request_form(const struct request *req, const char *name);

struct response {
	int status;
	struct pairs headers;
	struct rn_buf body;
	int fd;            /* >= 0: the body is this file's bytes, closed when sent */
	uint64_t fd_offset;
	uint64_t fd_size;
	bool cut;          /* no answer: the connection is reset                     */
};

void response_init(struct response *res);
/** Frees all and starts anew. */
void response_clear(struct response *res);
/** Adds a header; the value is a format. Line breaks in it become blanks. */
void response_header(struct response *res, const char *name, const char *fmt, ...) RN_PRINTF(3, 4);
/** Sets the body to n bytes with their type. */
void response_body(struct response *res, int status, const char *type, const void *data, size_t n);
/** Sets the body to the text of `doc` (deleted here; NULL: no body) in the request's protocol. */
void response_json(const struct request *req, struct response *res, int status, cJSON *doc);

/** What a server calls. */
struct server_hooks {
	void (*begin)(struct request *req);                         /* headers are there, before the body: may set a sink */
	void (*handle)(struct request *req, struct response *res);  /* all is there */
};

/** Listening socket on host:port (0: any free one). RN_EEXISTS when the port is in use. */
int server_listen(const char *host, int port, int *ret_port, struct rn_error *err);

struct server;
/** Serves on `listen_fd`, which it owns from now on. */
struct server *server_start(struct cloud *cloud, int listen_fd, const struct server_hooks *hooks, struct rn_error *err);
/** Takes no new connections; running handlers go on. */
void server_quiesce(struct server *s);
/** Waits for the running handlers to end and frees it; NULL is fine. */
void server_stop(struct server *s);

#endif
