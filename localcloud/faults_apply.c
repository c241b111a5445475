/* SPDX-License-Identifier: Apache-2.0 */
#include "faults_apply.h"

#include "base/encode.h"

#include <string.h>

#define PATH "/_runner/faults"

int faults_throttle_of(const char *service, const char **ret_code)
{
	static const struct {
		const char *service, *code;
		int status;
	} THROTTLED[] = {
		{ "iam", "Throttling", 400 },
		{ "sts", "Throttling", 400 },
		{ "ecr", "ThrottlingException", 400 },
		{ "logs", "ThrottlingException", 400 },
		{ "ssm", "ThrottlingException", 400 },
		{ "registry", "TOOMANYREQUESTS", 429 },
	};
	for (size_t i = 0; i < RN_LEN(THROTTLED); i++)
		if (!strcmp(THROTTLED[i].service, service)) {
			*ret_code = THROTTLED[i].code;
			return THROTTLED[i].status;
		}
	*ret_code = "TooManyRequestsException"; /* Lambda and API Gateway */
	return 429;
}

static void throttle(struct request *req, struct response *res, const char *service)
{
	const char *code;
	int status = faults_throttle_of(service, &code);
	if (!strcmp(service, "lambda")) {
		cJSON *doc = cJSON_CreateObject();
		response_header(res, "x-amzn-ErrorType", "%s", code);
		cJSON_AddStringToObject(doc, "Reason", "CallerRateLimitExceeded");
		cJSON_AddStringToObject(doc, "Type", "User");
		cJSON_AddStringToObject(doc, "message", "Rate exceeded");
		response_json(req, res, status, doc);
	} else {
		answer_error(req, res, status, code,
			     req->protocol == PROTOCOL_GATEWAY ? "Too Many Requests" : "Rate exceeded");
	}
	if (status == 429)
		response_header(res, "Retry-After", "1");
}

static const char *error_code(const struct request *req, const struct fault *f)
{
	if (f->code)
		return f->code;
	if (req->protocol == PROTOCOL_QUERY)
		return f->status == 503 ? "ServiceUnavailable" : "InternalFailure";
	if (rn_streq(req->service, "ecr"))
		return "ServerException";
	if (rn_streq(req->service, "ssm"))
		return "InternalServerError";
	return rn_streq(req->service, "lambda") ? "ServiceException" : "InternalServerErrorException";
}

/* Logs it, waits, and notes an answer that will be lost. */
static void begin(struct request *req, const struct fault *f, const char *service, const char *operation)
{
	if (!f->id[0])
		return;
	cloud_log(req->cloud, "fault %s hits %s.%s", f->id, service, operation);
	if (f->delay_ms)
		faults_sleep(req->cloud->faults, f->delay_ms);
	if (f->effect == FAULT_RESET_AFTER)
		req->lose_answer = true;
}

bool faults_before(struct request *req, struct response *res, const char *service, const char *operation)
{
	struct fault f;
	faults_pick(req->cloud->faults, service, operation, &f);
	begin(req, &f, service, operation);
	bool done = true;
	if (f.effect == FAULT_THROTTLE)
		throttle(req, res, service);
	else if (f.effect == FAULT_ERROR)
		answer_error(req, res, f.status, error_code(req, &f), "%s",
			     f.message ? f.message : "A fault rule of the local cloud made this call fail.");
	else if (f.effect == FAULT_RESET_BEFORE)
		res->cut = true;
	else
		done = false;
	fault_clear(&f);
	return done;
}

void faults_before_body(struct request *req, const char *operation, struct fault *ret)
{
	faults_pick(req->cloud->faults, "registry", operation, ret);
	begin(req, ret, "registry", operation);
}

/* ---- the interface ---- */

bool faults_is_request(const struct request *req)
{
	return !strcmp(req->path, PATH) || rn_starts(req->path, PATH "/");
}

static bool is_admitted(const struct request *req)
{
	const char *header = request_header(req, "Authorization");
	RN_AUTO(rn_buf_clearp) struct rn_buf plain = RN_BUF_INIT;
	RN_AUTO(rn_freep) char *wanted = rn_asprintf("%s:%s", req->cloud->access_key, req->cloud->secret_key);
	return header && !strncasecmp(header, "Basic ", 6) && rn_base64_decode(header + 6, &plain, NULL) == 0 &&
	       rn_streq(rn_buf_str(&plain), wanted);
}

static void add(struct request *req, struct response *res)
{
	struct rn_error err = { 0 };
	char id[33];
	const cJSON *rule = request_json(req, res);
	if (!rule)
		return;
	if (faults_add(req->cloud->faults, rule, id, &err) < 0) {
		answer_error(req, res, 400, "InvalidRule", "%s%s%s", err.msg, err.hint[0] ? "; " : "", err.hint);
		return;
	}
	cJSON *doc = cJSON_CreateObject();
	cJSON_AddStringToObject(doc, "id", id);
	response_json(req, res, 201, doc);
}

void faults_handle(struct request *req, struct response *res)
{
	const char *id = req->path[strlen(PATH)] ? req->path + strlen(PATH) + 1 : NULL;
	if (!is_admitted(req)) {
		answer_error(req, res, 401, "Unauthorized", "Basic authentication with the cloud's access and secret key is needed");
		response_header(res, "WWW-Authenticate", "Basic realm=\"runner cloud\"");
	} else if (!strcmp(req->method, "GET") && !id) {
		cJSON *doc = cJSON_CreateObject();
		cJSON_AddItemToObject(doc, "faults", faults_list(req->cloud->faults));
		response_json(req, res, 200, doc);
	} else if (!strcmp(req->method, "POST") && !id) {
		add(req, res);
	} else if (!strcmp(req->method, "DELETE")) {
		size_t n = faults_remove(req->cloud->faults, id);
		if (id && n == 0)
			answer_error(req, res, 404, "NotFound", "there is no rule \"%s\"", id);
		else
			response_json(req, res, 204, NULL);
	} else {
		answer_error(req, res, 405, "MethodNotAllowed", "%s %s", req->method, req->path);
	}
}
