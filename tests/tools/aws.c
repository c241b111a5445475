/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/aws from a command line, for the tests. Each line of stdin is a call, all in one session:
 *   {service, protocol: json|query|rest, operation, method, path, query, input, once, pages: {list, out_token, in_token}}
 *   {credentials: true}   the session's current credentials
 *   {endpoint: "lambda"}  where calls of a service go; with {region, fips, dualstack}: in a session of its own
 *   {pause_ms: N}
 * Each answer is a line: {ok, answer} or {ok: false, message, hint, retryable, code, error: {...}}.
 * Options of the session: --region R, --profile P. Debug lines go to stderr.
 */
#include "aws/client.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void to_stderr(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "%s\n", line);
}

static void secret_to_stderr(void *ctx, const char *value)
{
	(void)ctx;
	fprintf(stderr, "secret %s\n", value);
}

static void fill_error(cJSON *o, const struct rn_error *err, const struct aws_error *aerr)
{
	cJSON_AddBoolToObject(o, "ok", false);
	cJSON_AddStringToObject(o, "message", err->msg);
	cJSON_AddStringToObject(o, "hint", err->hint);
	cJSON_AddStringToObject(o, "code", rn_code_name(err->code));
	cJSON_AddBoolToObject(o, "retryable", err->retryable);
	cJSON *e = cJSON_AddObjectToObject(o, "error");
	cJSON_AddNumberToObject(e, "http_status", aerr->http_status);
	cJSON_AddStringToObject(e, "code", aerr->code);
	cJSON_AddStringToObject(e, "message", aerr->message);
	cJSON_AddStringToObject(e, "request_id", aerr->request_id);
	cJSON_AddStringToObject(e, "service", aerr->service);
	cJSON_AddStringToObject(e, "operation", aerr->operation);
	cJSON_AddNumberToObject(e, "attempts", aerr->attempts);
	cJSON_AddBoolToObject(e, "maybe_done", aerr->maybe_done);
}

static int paged(struct aws_client *c, const cJSON *j, cJSON **ret, struct aws_error *aerr, struct rn_error *err)
{
	const cJSON *p = rn_json_get(j, "pages");
	const char *protocol = rn_json_str(j, "protocol"), *operation = rn_json_str(j, "operation");
	struct aws_pages pages = { rn_json_str(p, "list"), rn_json_str(p, "out_token"), rn_json_str(p, "in_token") };
	if (rn_streq(protocol, "json"))
		return aws_json_pages(c, operation, rn_json_get(j, "input"), &pages, ret, aerr, err);
	if (rn_streq(protocol, "query"))
		return aws_query_pages(c, operation, rn_json_get(j, "input"), &pages, ret, aerr, err);
	return aws_rest_pages(c, operation, rn_json_str(j, "path"), rn_json_get(j, "query"), &pages, ret, aerr, err);
}

static int call(struct aws_session *s, const cJSON *j, cJSON **ret, struct aws_error *aerr, struct rn_error *err)
{
	const char *protocol = rn_json_str(j, "protocol"), *operation = rn_json_str(j, "operation");
	RN_AUTO(aws_client_freep) struct aws_client *c = aws_client_new(s, rn_json_str(j, "service"), err);
	if (!c)
		return -1;
	if (rn_json_get(j, "pages"))
		return paged(c, j, ret, aerr, err);
	if (rn_streq(protocol, "json"))
		return aws_json(c, operation, rn_json_get(j, "input"), ret, aerr, err);
	if (rn_streq(protocol, "query"))
		return aws_query(c, operation, rn_json_get(j, "input"), ret, aerr, err);
	return (rn_json_bool(j, "once", false) ? aws_rest_once : aws_rest)(
		c, operation, rn_json_str(j, "method"), rn_json_str(j, "path"), rn_json_get(j, "query"),
		rn_json_get(j, "input"), ret, aerr, err);
}

static int credentials(struct aws_session *s, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(aws_credentials_clear) struct aws_credentials k = { 0 };
	if (aws_session_credentials(s, &k, err) < 0)
		return -1;
	*ret = cJSON_CreateObject();
	cJSON_AddStringToObject(*ret, "access_key", k.access_key);
	cJSON_AddStringToObject(*ret, "secret_key", k.secret_key);
	cJSON_AddStringToObject(*ret, "token", k.token ? k.token : "");
	cJSON_AddStringToObject(*ret, "source", k.source);
	cJSON_AddNumberToObject(*ret, "expires_ms", (double)k.expires_ms);
	return 0;
}

static int endpoint(struct aws_session *s, const char *service, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(aws_client_freep) struct aws_client *c = aws_client_new(s, service, err);
	if (!c)
		return -1;
	*ret = cJSON_CreateObject();
	cJSON_AddStringToObject(*ret, "url", aws_client_endpoint(c));
	cJSON_AddStringToObject(*ret, "region", aws_client_region(c));
	cJSON_AddStringToObject(*ret, "partition", aws_session_partition(s));
	return 0;
}

/* The environment of a session that knows nothing but the settings of one line. */
static const char *line_env(void *ctx, const char *name)
{
	const cJSON *j = ctx;
	if (rn_streq(name, "AWS_USE_FIPS_ENDPOINT"))
		return rn_json_bool(j, "fips", false) ? "true" : NULL;
	if (rn_streq(name, "AWS_USE_DUALSTACK_ENDPOINT"))
		return rn_json_bool(j, "dualstack", false) ? "true" : NULL;
	return NULL;
}

static int endpoint_alone(const cJSON *j, cJSON **ret, struct rn_error *err)
{
	struct aws_session_options o = AWS_SESSION_INIT;
	o.region = rn_json_str(j, "region");
	o.env = line_env;
	o.ctx = (void *)j;
	RN_AUTO(aws_session_freep) struct aws_session *s = aws_session_new(&o, err);
	return s ? endpoint(s, rn_json_str(j, "endpoint"), ret, err) : -1;
}

static int one_line(struct aws_session *s, const cJSON *j, cJSON **ret, struct aws_error *aerr, struct rn_error *err)
{
	if (rn_json_get(j, "pause_ms"))
		rn_sleep_ms(rn_json_int(j, "pause_ms", 0), -1);
	if (rn_json_bool(j, "credentials", false))
		return credentials(s, ret, err);
	if (rn_json_str(j, "endpoint") && rn_json_str(j, "region"))
		return endpoint_alone(j, ret, err);
	if (rn_json_str(j, "endpoint"))
		return endpoint(s, rn_json_str(j, "endpoint"), ret, err);
	return rn_json_str(j, "service") ? call(s, j, ret, aerr, err) : 0;
}

static void print(const cJSON *o)
{
	RN_AUTO(rn_freep) char *text = rn_json_print(o);
	puts(text);
	fflush(stdout);
}

static int fail(const struct rn_error *err)
{
	static const struct aws_error none;
	RN_AUTO(rn_json_freep) cJSON *o = cJSON_CreateObject();
	fill_error(o, err, &none);
	print(o);
	return 1;
}

int main(int argc, char **argv)
{
	struct aws_session_options o = AWS_SESSION_INIT;
	for (int i = 1; i + 1 < argc; i += 2)
		*(rn_streq(argv[i], "--region") ? &o.region : &o.profile) = argv[i + 1];
	o.log = to_stderr;
	o.secret = secret_to_stderr;
	struct rn_error err = { 0 };
	RN_AUTO(aws_session_freep) struct aws_session *s = aws_session_new(&o, &err);
	if (!s)
		return fail(&err);
	char *line = NULL;
	size_t room = 0;
	while (getline(&line, &room, stdin) > 0) {
		RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse_str(line, &err);
		RN_AUTO(rn_json_freep) cJSON *reply = cJSON_CreateObject();
		cJSON *answer = NULL;
		struct aws_error aerr = { 0 };
		rn_error_clear(&err);
		if (one_line(s, j, &answer, &aerr, &err) < 0) {
			fill_error(reply, &err, &aerr);
		} else {
			cJSON_AddBoolToObject(reply, "ok", true);
			cJSON_AddItemToObject(reply, "answer", answer ? answer : cJSON_CreateNull());
		}
		print(reply);
	}
	free(line);
	return 0;
}
