/* SPDX-License-Identifier: Apache-2.0 */
/* The three protocols as one call each, on top of aws_send; paths; who we are. */
#include "client.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/str.h"
#include "session.h"

#include <stdarg.h>
#include <string.h>

static int not_readable(const struct aws_call *call, const struct aws_reply *r,
			struct rn_error *err)
{
	return rn_fail(err, RN_EREMOTE,
		       "%s answered HTTP %d with something that cannot be read: %.200s",
		       call->operation, r->status, rn_buf_str(&r->body));
}

/* Sends; *ret (may be NULL) gets the decoded answer, an empty object for an empty one. */
static int call_json(struct aws_client *c, const struct aws_call *call, cJSON **ret,
		     struct aws_error *aerr, struct rn_error *err)
{
	RN_AUTO(aws_reply_clear) struct aws_reply r = { 0 };
	if (aws_send(c, call, &r, aerr, err) < 0)
		return -1;
	if (!r.json && r.body.len && ret)
		return not_readable(call, &r, err);
	if (ret)
		*ret = r.json ? rn_take(&r.json) : cJSON_CreateObject();
	return 0;
}

int aws_json(struct aws_client *c, const char *operation, const cJSON *input, cJSON **ret,
	     struct aws_error *aerr, struct rn_error *err)
{
	struct aws_call call = { .operation = operation, .body = input };
	return call_json(c, &call, ret, aerr, err);
}

int aws_query(struct aws_client *c, const char *operation, const cJSON *params, cJSON **ret,
	      struct aws_error *aerr, struct rn_error *err)
{
	struct aws_call call = { .operation = operation, .body = params };
	RN_AUTO(rn_json_freep) cJSON *answer = NULL;
	RN_AUTO(rn_freep) char *name = rn_asprintf("%sResult", operation);
	if (call_json(c, &call, &answer, aerr, err) < 0)
		return -1;
	if (!ret)
		return 0;
	cJSON *result = cJSON_DetachItemFromObjectCaseSensitive(answer, name);
	if (result && !cJSON_IsObject(result)) { /* <XResult/> */
		cJSON_Delete(result);
		result = NULL;
	}
	*ret = result ? result : cJSON_CreateObject();
	return 0;
}

int aws_rest(struct aws_client *c, const char *operation, const char *method, const char *path,
	     const cJSON *query, const cJSON *body, cJSON **ret, struct aws_error *aerr,
	     struct rn_error *err)
{
	struct aws_call call = {
		.operation = operation, .method = method, .path = path, .query = query, .body = body
	};
	return call_json(c, &call, ret, aerr, err);
}

int aws_rest_once(struct aws_client *c, const char *operation, const char *method, const char *path,
		  const cJSON *query, const cJSON *body, cJSON **ret, struct aws_error *aerr,
		  struct rn_error *err)
{
	struct aws_call call = { .operation = operation,
				 .method = method,
				 .path = path,
				 .query = query,
				 .body = body,
				 .once = true };
	return call_json(c, &call, ret, aerr, err);
}

char *aws_path(const char *format, ...)
{
	struct rn_buf b = RN_BUF_INIT;
	va_list ap;
	va_start(ap, format);
	for (const char *p = format; *p; p++) {
		if (p[0] != '{' || p[1] != '}') {
			rn_buf_addc(&b, *p);
			continue;
		}
		RN_AUTO(rn_freep) char *label = rn_percent(va_arg(ap, const char *), "");
		rn_buf_adds(&b, label);
		p++;
	}
	va_end(ap);
	return rn_buf_take(&b);
}

static int ask_identity(struct aws_session *s, struct rn_error *err)
{
	RN_AUTO(aws_client_freep) struct aws_client *sts = aws_client_new(s, "sts", err);
	RN_AUTO(rn_json_freep) cJSON *answer = NULL;
	if (!sts || aws_query(sts, "GetCallerIdentity", NULL, &answer, NULL, err) < 0)
		return -1;
	const char *account = rn_json_str(answer, "Account"), *arn = rn_json_str(answer, "Arn");
	if (!account || !arn)
		return rn_fail(err, RN_EREMOTE,
			       "STS GetCallerIdentity answered without account or ARN");
	pthread_mutex_lock(&s->credentials_lock);
	RN_AUTO(rn_freep)
	char *source = rn_strdup(s->have_credentials ? s->credentials.source : "");
	pthread_mutex_unlock(&s->credentials_lock);
	pthread_mutex_lock(&s->lock);
	if (!s->arn) {
		s->asked_with = rn_take(&source);
		s->account = rn_strdup(account);
		s->user_id = rn_strdup(rn_json_str(answer, "UserId"));
		s->arn = rn_strdup(arn);
	}
	pthread_mutex_unlock(&s->lock);
	return 0;
}

int aws_session_identity(struct aws_session *s, struct aws_identity *ret, struct rn_error *err)
{
	pthread_mutex_lock(&s->lock);
	bool known = s->arn != NULL;
	pthread_mutex_unlock(&s->lock);
	if (!known && ask_identity(s, err) < 0)
		return -1;
	*ret = (struct aws_identity){
		.account = s->account, .arn = s->arn, .user_id = s->user_id, .source = s->asked_with
	};
	return 0;
}
