/* SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

#include "apigw_gateway.h"
#include "faults_apply.h"
#include "lambda_url.h"
#include "registry.h"
#include "sigv4_verify.h"
#include "store.h"

#include "base/encode.h"

#include <string.h>
#include <strings.h>

#define HEALTH "/_runner/health"

/* lambda before apigateway: it is interrupted first and stopped last */
static const struct service *const SERVICES[] = {
	&ecr_service, &iam_service, &sts_service, &lambda_service, &apigw_service, &logs_service, &ssm_service,
};

int route_start(struct cloud *cloud, struct rn_error *err)
{
	for (size_t i = 0; i < RN_LEN(SERVICES); i++)
		if (SERVICES[i]->start && SERVICES[i]->start(cloud, SERVICES[i], err) < 0)
			return rn_wrap(err, "start %s", SERVICES[i]->name);
	return 0;
}

void route_interrupt(struct cloud *cloud)
{
	for (size_t i = 0; i < RN_LEN(SERVICES); i++)
		if (SERVICES[i]->interrupt)
			SERVICES[i]->interrupt(cloud, SERVICES[i]);
}

void route_stop(struct cloud *cloud)
{
	for (size_t i = RN_LEN(SERVICES); i-- > 0;)
		if (SERVICES[i]->stop)
			SERVICES[i]->stop(cloud, SERVICES[i]);
}

void route_names(struct rn_strv *ret)
{
	for (size_t i = 0; i < RN_LEN(SERVICES); i++)
		for (size_t k = 0; k < SERVICES[i]->n_routes; k++)
			rn_strv_addf(ret, "%s.%s", SERVICES[i]->name, SERVICES[i]->routes[k].operation);
	registry_names(ret);
	rn_strv_add(ret, "execute-api.Invoke");
	rn_strv_add(ret, "lambda-url.Invoke");
}

/* ---- patterns ---- */

/* Length of the first segment of `s`, which starts behind a slash. */
static size_t segment(const char *s)
{
	return strcspn(s, "/");
}

static void add_param(struct pairs *ret, const char *name, size_t name_len, const char *value,
		      size_t value_len)
{
	RN_AUTO(rn_freep) char *key = rn_strndup(name, name_len);
	RN_AUTO(rn_freep) char *raw = rn_strndup(value, value_len);
	RN_AUTO(rn_freep) char *decoded = rn_percent_decode(raw, false);
	pairs_add(ret, key, decoded);
}

bool route_match(const char *pattern, const char *path, struct pairs *ret)
{
	struct pairs found = { 0 };
	bool fits = true;
	while (fits) {
		pattern += *pattern == '/';
		path += *path == '/';
		if (!*pattern || !*path) {
			fits = !*pattern && !*path;
			break;
		}
		size_t pn = segment(pattern), n = segment(path);
		if (pattern[0] == '{' && pn > 3 && pattern[pn - 2] == '+') {
			add_param(&found, pattern + 1, pn - 3, path, strlen(path));
			break;
		}
		if (pattern[0] == '{' && n > 0)
			add_param(&found, pattern + 1, pn - 2, path, n);
		else
			fits = pn == n && !memcmp(pattern, path, n);
		pattern += pn;
		path += n;
	}
	if (fits)
		for (size_t i = 0; i < found.n; i++)
			pairs_add(ret, found.v[i].name, found.v[i].value);
	pairs_clear(&found);
	return fits;
}

/* ---- which service, which operation ---- */

static const struct service *service_by_name(const char *name)
{
	for (size_t i = 0; i < RN_LEN(SERVICES); i++)
		if (rn_streq(SERVICES[i]->name, name))
			return SERVICES[i];
	return NULL;
}

static bool is_form(const struct request *req)
{
	const char *type = request_header(req, "Content-Type");
	return type && rn_starts(type, "application/x-www-form-urlencoded");
}

/* The protocol in which even an unverified caller is answered. */
static enum protocol guess_protocol(const struct request *req, const struct service *service)
{
	if (service)
		return service->protocol;
	if (request_header(req, "X-Amz-Target"))
		return PROTOCOL_JSON;
	return is_form(req) || request_arg(req, "Action") ? PROTOCOL_QUERY : PROTOCOL_REST_JSON;
}

static const char *operation_name(struct request *req, const struct service *service)
{
	if (service->protocol == PROTOCOL_QUERY)
		return request_form(req, "Action");
	const char *target = request_header(req, "X-Amz-Target");
	size_t n = strlen(service->target);
	return target && !strncmp(target, service->target, n) && target[n] == '.' ? target + n + 1
										  : NULL;
}

/* The path, and where the pattern says so ("?List=ALL") an argument of the query. */
static bool fits(struct request *req, const struct route *r)
{
	size_t n = strcspn(r->pattern, "?");
	if (!r->pattern[n])
		return route_match(r->pattern, req->path, &req->params);
	RN_AUTO(rn_freep) char *path = rn_strndup(r->pattern, n);
	RN_AUTO(pairs_clear) struct pairs wanted = { 0 };
	pairs_parse(&wanted, r->pattern + n + 1);
	for (size_t i = 0; i < wanted.n; i++)
		if (!rn_streq(request_arg(req, wanted.v[i].name), wanted.v[i].value))
			return false;
	return route_match(path, req->path, &req->params);
}

static const struct route *find_route(struct request *req, const struct service *service)
{
	bool by_path = service->protocol == PROTOCOL_REST_JSON;
	const char *name = by_path ? NULL : operation_name(req, service);
	for (size_t i = 0; i < service->n_routes; i++) {
		const struct route *r = &service->routes[i];
		if (!by_path ? name && !strcmp(r->operation, name)
			     : !strcmp(r->method, req->method) &&
				       fits(req, r))
			return r;
	}
	return NULL;
}

static void answer_unknown(struct request *req, const struct service *service, struct response *res)
{
	const char *name = service->protocol == PROTOCOL_REST_JSON ? NULL
								   : operation_name(req, service);
	if (service->protocol == PROTOCOL_QUERY)
		answer_error(
			req, res, 400, name ? "InvalidAction" : "MissingAction",
			name ? "Could not find operation %s for version %s" : "Missing Action%s%s",
			name ? name : "",
			name && request_form(req, "Version") ? request_form(req, "Version") : "");
	else if (service->protocol == PROTOCOL_JSON)
		answer_error(req, res, 400, "UnknownOperationException",
			     "The operation %s is not known", name ? name : "(none)");
	else
		answer_error(req, res, 404, "UnknownOperationException",
			     "%s %s is no operation of %s", req->method, req->path, service->name);
}

static void run(struct request *req, const struct service *service, const struct route *route,
		struct response *res)
{
	struct rn_error err = { 0 };
	if (faults_before(req, res, service->name, route->operation))
		return;
	bool transaction = service->transaction && !route->blocks;
	if (transaction)
		store_begin(req->cloud->store);
	route->handle(req, res);
	if (transaction &&
	    store_end(req->cloud->store, res->status > 0 && res->status < 400, &err) < 0)
		answer_failure(req, res, &err);
}

/* STS's calls that carry a token of someone else instead of a signature. */
static bool is_unsigned_action(const char *action)
{
	return rn_streq(action, "AssumeRoleWithWebIdentity") || rn_streq(action, "AssumeRoleWithSAML");
}

static void handle_api(struct request *req, struct response *res)
{
	if (is_form(req)) {
		pairs_parse(&req->form, rn_buf_str(&req->body));
	}
	for (size_t i = 0; i < req->args.n; i++)
		pairs_add(&req->form, req->args.v[i].name, req->args.v[i].value);
	RN_AUTO(rn_freep) char *name = sigv4_service_of(req);
	if (!name && is_unsigned_action(request_form(req, "Action")))
		name = rn_strdup("sts");
	const struct service *service = service_by_name(name);
	req->protocol = guess_protocol(req, service);
	req->xmlns = service ? service->xmlns : NULL;
	req->service = rn_strdup(name);
	bool is_signed = !is_unsigned_action(request_form(req, "Action")) || !service || !rn_streq(service->name, "sts");
	if (is_signed && sigv4_verify(req, res) < 0)
		return;
	if (!is_signed)
		req->region = rn_strdup(CLOUD_DEFAULT_REGION);
	if (!service) {
		answer_error(req, res, 501, "NotImplemented",
			     "this local cloud has no service \"%s\": it serves ecr, iam, sts, "
			     "lambda, logs, apigateway and ssm",
			     name ? name : "");
		return;
	}
	const struct route *route = find_route(req, service);
	if (!route) {
		answer_unknown(req, service, res);
		return;
	}
	req->operation = route->operation;
	run(req, service, route, res);
}

/* ---- the doors ---- */

static bool is_registry(const struct request *req)
{
	const char *auth = request_header(req, "Authorization");
	return (rn_starts(req->path, "/v2/") || !strcmp(req->path, "/v2")) &&
	       !(auth && rn_starts(auth, "AWS4-"));
}

static void handle_health(struct request *req, struct response *res)
{
	cJSON *doc = cJSON_CreateObject();
	cJSON_AddStringToObject(doc, "status", "ok");
	cJSON_AddStringToObject(doc, "version", RUNNER_VERSION);
	cJSON_AddStringToObject(doc, "instance", req->cloud->instance);
	response_json(req, res, 200, doc);
}

/*
 * Whether the client means this machine. A web page can have its own name resolve to 127.0.0.1, and its scripts would then be
 * let read the answers of what needs no signature; such requests carry that name.
 */
static bool is_for_loopback(const struct request *req)
{
	const char *host = request_header(req, "Host");
	if (!host)
		return true; /* HTTP/1.0; no browser */
	RN_AUTO(rn_freep) char *name = rn_strndup(host, strcspn(host, ":"));
	size_t n = strlen(name);
	return !strcasecmp(name, "localhost") || (n > 10 && !strcasecmp(name + n - 10, ".localhost")) ||
	       (rn_starts(name, "127.") && strspn(name, "0123456789.") == n);
}

/* What is answered to those who have neither the cloud's keys nor a token of it. */
static bool needs_no_key(const struct request *req)
{
	const char *header = request_header(req, "Authorization");
	bool is_signed = (header && rn_starts(header, "AWS4-")) || request_arg(req, "X-Amz-Credential");
	return !strcmp(req->path, HEALTH) || gateway_is_call(req) || url_is_call(req) || !is_signed;
}

void route_begin(struct request *req)
{
	req->protocol = PROTOCOL_REST_JSON;
	if (is_registry(req))
		registry_begin(req);
}

void route_handle(struct request *req, struct response *res)
{
	if (is_registry(req)) {
		registry_handle(req, res);
	} else if (req->body_error.code == RN_ELIMIT) {
		answer_error(req, res, 413, "RequestEntityTooLargeException", "%s",
			     req->body_error.msg);
	} else if (faults_is_request(req)) {
		faults_handle(req, res);
	} else if (needs_no_key(req) && !is_for_loopback(req)) {
		answer_error(req, res, 403, "AccessDeniedException", "this local cloud answers under loopback names only "
			     "(127.0.0.1, localhost), not as \"%s\"", request_header(req, "Host"));
	} else if (!strcmp(req->path, HEALTH)) {
		handle_health(req, res);
	} else if (gateway_is_call(req)) {
		gateway_handle(req, res);
	} else if (url_is_call(req)) {
		url_handle(req, res);
	} else {
		handle_api(req, res);
	}
	res->cut = res->cut || req->lose_answer;
	if (res->status == 0 && !res->cut)
		answer_error(req, res, 500, "InternalFailure", "the operation gave no answer");
}
