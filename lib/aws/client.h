/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of AWS services: session (credentials, region, endpoints), signing,
 * retries as the SDKs' standard mode, decoding of answers and errors for the
 * three protocols that the services here speak. Knows no resource of any service.
 *
 *	RN_AUTO(aws_session_freep) struct aws_session *s = aws_session_new(&options, err);
 *	RN_AUTO(aws_client_freep) struct aws_client *ecr = s ? aws_client_new(s, "ecr", err) : NULL;
 *	if (!ecr || aws_json(ecr, "DescribeRepositories", input, &answer, &aerr, err) < 0) ...
 */
#ifndef AWS_CLIENT_H
#define AWS_CLIENT_H

#include "base/json.h"
#include "credentials.h"
#include "http/http.h"

/* ---- session ---------------------------------------------------------------- */

/** All members may be zero but cancel_fd (AWS_SESSION_INIT: -1). Strings are copied. */
struct aws_session_options {
	const char *region;       /* a stage's parameter; beats the environment              */
	const char *profile;      /* explicit profile: beats AWS_PROFILE and environment keys */
	const char *endpoint_url; /* for every service; beats the environment                */
	int cancel_fd;
	unsigned max_attempts;    /* 0: AWS_MAX_ATTEMPTS, profile, else 3                     */
	/** Debug lines (retries, which provider won); no secrets. May be NULL. */
	void (*log)(void *ctx, const char *line);
	/**
	 * Told every secret as soon as it is known (secret key, token), so that it can be masked.
	 * May be NULL.
	 */
	void (*secret)(void *ctx, const char *value);
	void *ctx;
	/** Reads an environment variable; NULL: getenv. For tests. */
	const char *(*env)(void *ctx, const char *name);
};
#define AWS_SESSION_INIT { .cancel_fd = -1 }

struct aws_session;
/**
 * Reads the profile files; does not touch the network. NULL with `err` on a malformed or missing
 * named profile.
 */
struct aws_session *aws_session_new(const struct aws_session_options *o, struct rn_error *err);
void aws_session_free(struct aws_session *s);
void aws_session_freep(struct aws_session **s);

/** Region, or NULL when none is configured (aws_client_new says what to set). Borrowed. */
const char *aws_session_region(const struct aws_session *s);
/** "aws", "aws-cn", "aws-us-gov" … of the session's region. */
const char *aws_session_partition(const struct aws_session *s);
/** True when calls go to a custom endpoint (AWS_ENDPOINT_URL …) for that service. */
bool aws_session_custom_endpoint(const struct aws_session *s, const char *service);
/** The HTTP client of the session, for calls that are not AWS's. Borrowed. */
struct http_client *aws_session_http(struct aws_session *s);
/** Descriptor that ends waits; -1: none. */
int aws_session_cancel_fd(const struct aws_session *s);

/** Who the credentials belong to (sts GetCallerIdentity, asked once). Borrowed strings. */
struct aws_identity {
	const char *account;
	const char *arn;
	const char *user_id;
	const char *source; /* of the credentials */
};
int aws_session_identity(struct aws_session *s, struct aws_identity *ret, struct rn_error *err);

/* ---- clients ---------------------------------------------------------------- */

/** What a service answered when it refused; zeroed when the call did not get that far. */
struct aws_error {
	int http_status;      /* 0: no answer                                   */
	char code[128];       /* "ResourceNotFoundException"; "" : none          */
	char message[2048];
	char request_id[128];
	char service[32];
	char operation[64];
	unsigned attempts;    /* how often it was sent                          */
	/* cut off or 5xx on the last try: the service may have acted all the same */
	bool maybe_done;
};
/**
 * True when `e` carries that code (as AWS writes it; a trailing "Exception" or "Fault" does not
 * matter).
 */
bool aws_error_is(const struct aws_error *e, const char *code);
/** True for AccessDenied and its relatives. */
bool aws_error_is_denied(const struct aws_error *e);

struct aws_client;
/**
 * `service` is the client's name in the SDKs: ecr, ecr-public, iam, lambda, apigateway, sts, logs,
 * ssm, sso, sso-oidc; a session may have many, and a client many threads.
 */
struct aws_client *aws_client_new(struct aws_session *s, const char *service, struct rn_error *err);
void aws_client_free(struct aws_client *c);
void aws_client_freep(struct aws_client **c);
/** Scheme, host, port and base path that calls go to. Borrowed. */
const char *aws_client_endpoint(const struct aws_client *c);
/** Region that calls are signed for. Borrowed. */
const char *aws_client_region(const struct aws_client *c);

/** A call of any protocol. Zero what is not used. Borrowed. */
struct aws_call {
	const char *operation;
	const char *method;        /* REST; default POST                                        */
	const char *path;          /* REST; percent-encoded (aws_path), may have a query; default "/" */
	const cJSON *query;        /* REST: object; an array repeats its name; null is left out */
	const cJSON *body;         /* JSON body                                                 */
	const void *raw;           /* body as bytes instead                                     */
	size_t raw_length;
	const char *content_type;  /* of raw                                                    */
	const struct http_headers *headers; /* more headers, signed too                         */
	/**
	 * Not idempotent (CreateRestApi, CreateApiKey …): repeat only when the service surely did
	 * not act.
	 */
	bool once;
	bool anonymous;            /* not signed (AssumeRoleWithWebIdentity)                    */
	int64_t timeout_ms;        /* for one try; 0: none beyond the idle timeout              */
	bool long_running;         /* no idle timeout (Invoke)                                  */
};

struct aws_reply {
	int status;
	struct http_headers headers;
	struct rn_buf body;
	cJSON *json; /* decoded body, when it is JSON or XML; NULL otherwise */
};
void aws_reply_clear(struct aws_reply *r); /* zeroed is fine; for RN_AUTO */

/**
 * Sends a call, signed and retried. 0: 2xx. -1: `err` names service, operation, code, message,
 * request id (and, when refused for lack of permission, the identity); `aerr` (may be NULL) has the
 * pieces.
 */
int aws_send(struct aws_client *c, const struct aws_call *call, struct aws_reply *ret,
	     struct aws_error *aerr, struct rn_error *err);

/**
 * JSON 1.1 (ECR, CloudWatch Logs, SSM). `input` may be NULL. *ret may be NULL when not wanted; the
 * caller deletes it.
 */
int aws_json(struct aws_client *c, const char *operation, const cJSON *input, cJSON **ret,
	     struct aws_error *aerr, struct rn_error *err);
/**
 * Query (IAM, STS): `params` nested as in the SDKs; lists become NAME.member.N. The result is the
 * content of <OperationResult> as a tree: all values are strings, <member> lists are arrays (an
 * empty list may be ""; cJSON_ArrayForEach does nothing then).
 */
int aws_query(struct aws_client *c, const char *operation, const cJSON *params, cJSON **ret,
	      struct aws_error *aerr, struct rn_error *err);
/**
 * REST-JSON (Lambda, API Gateway), `Accept: application/json`. An empty answer gives an empty
 * object.
 */
int aws_rest(struct aws_client *c, const char *operation, const char *method, const char *path,
	     const cJSON *query, const cJSON *body, cJSON **ret, struct aws_error *aerr,
	     struct rn_error *err);
/** aws_rest for calls that are not idempotent (aws_call.once). */
int aws_rest_once(struct aws_client *c, const char *operation, const char *method, const char *path,
		  const cJSON *query, const cJSON *body, cJSON **ret, struct aws_error *aerr,
		  struct rn_error *err);

/**
 * "/2015-03-31/functions/{}/policy": each {} becomes the next argument, percent-encoded ('/' too).
 * New string.
 */
char *aws_path(const char *format, ...);

/* ---- pages ------------------------------------------------------------------ */

/** How an operation pages. */
struct aws_pages {
	/* member of the answer with the items; a path: "a.b" */
	const char *list;
	/* member with the next token (IAM: Marker, API Gateway: position) */
	const char *out_token;
	/* parameter that carries it; NULL: as out_token */
	const char *in_token;
};
/** All items of all pages in one array; empty pages in between are fine. The caller deletes it. */
int aws_json_pages(struct aws_client *c, const char *operation, const cJSON *input,
		   const struct aws_pages *p, cJSON **ret, struct aws_error *aerr,
		   struct rn_error *err);
int aws_query_pages(struct aws_client *c, const char *operation, const cJSON *params,
		    const struct aws_pages *p, cJSON **ret, struct aws_error *aerr,
		    struct rn_error *err);
/** GET. */
int aws_rest_pages(struct aws_client *c, const char *operation, const char *path,
		   const cJSON *query, const struct aws_pages *p, cJSON **ret,
		   struct aws_error *aerr, struct rn_error *err);

/* ---- waiting ---------------------------------------------------------------- */

/** Zero members mean: 1 s between polls, 5 minutes. */
struct aws_waiter {
	const char *what;   /* "function f to be active": for the error on time-out */
	int64_t delay_ms;   /* between polls; grows by half each time up to max_delay_ms */
	int64_t max_delay_ms; /* 0: delay_ms, no growth */
	int64_t timeout_ms;
	/** Told before each wait. May be NULL. */
	void (*tick)(void *ctx, int64_t elapsed_ms, int64_t left_ms); /* ctx as poll gets it */
};
/**
 * Calls `poll` until it returns 1 (done) or -1 (failed, `err` set); 0: not yet. RN_ETIMEOUT,
 * RN_ECANCELLED.
 */
int aws_wait(struct aws_session *s, const struct aws_waiter *w,
	     int (*poll)(void *ctx, struct rn_error *err), void *ctx, struct rn_error *err);

#endif
