/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of providers, and the session's copy of what it gave, renewed in time. */
#include "provider.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RENEW_MAX_MS ((int64_t)10 * 60 * 1000)
#define RENEW_MIN_MS ((int64_t)60 * 1000)

/* botocore's order; GitHub's and GitLab's tokens stand right behind the token file they resemble.
 */
static const struct aws_provider *const chain[] = {
	&aws_provider_environment, &aws_provider_assume_role, &aws_provider_web_identity,
	&aws_provider_oidc,        &aws_provider_sso,         &aws_provider_shared_file,
	&aws_provider_login,       &aws_provider_process,     &aws_provider_config_file,
	&aws_provider_container,   &aws_provider_imds,
};

void aws_credentials_clear(struct aws_credentials *c)
{
	char *secrets[] = { c->secret_key, c->token };
	for (size_t i = 0; i < RN_LEN(secrets); i++) {
		if (secrets[i])
			rn_wipe(secrets[i], strlen(secrets[i]));
		free(secrets[i]);
	}
	free(c->access_key);
	free(c->account);
	free(c->source);
	*c = (struct aws_credentials){ 0 };
}

void aws_credentials_copy(struct aws_credentials *to, const struct aws_credentials *from)
{
	*to = (struct aws_credentials){
		.access_key = rn_strdup(from->access_key),
		.secret_key = rn_strdup(from->secret_key),
		.token = rn_strdup(from->token),
		.account = rn_strdup(from->account),
		.expires_ms = from->expires_ms,
		.source = rn_strdup(from->source),
	};
}

/* ---- what providers share ------------------------------------------------------- */

int aws_not_configured(struct rn_error *err, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	rn_fail(err, RN_EAUTH, "%s", text);
	return 0;
}

const char *aws_request_profile(const struct aws_provider_request *q, const char *key)
{
	return aws_profile_get(&q->session->profiles, AWS_FILE_ANY, q->profile, key);
}

const char *aws_request_env(const struct aws_provider_request *q, const char *name)
{
	return q->no_env ? NULL : aws_session_env(q->session, name);
}

int aws_static_keys(const struct aws_provider_request *q, enum aws_file file, const char *what,
		    struct aws_credentials *ret, struct rn_error *err)
{
	const struct aws_profiles *p = &q->session->profiles;
	const char *key = aws_profile_get(p, file, q->profile, "aws_access_key_id");
	const char *secret = aws_profile_get(p, file, q->profile, "aws_secret_access_key");
	if (!key && !secret)
		return aws_not_configured(err, "no keys of profile \"%s\" in the %s", q->profile,
					  what);
	if (!key || !secret)
		return rn_fail(err, RN_EAUTH, "profile \"%s\" in the %s has %s but no %s",
			       q->profile, what,
			       key ? "aws_access_key_id" : "aws_secret_access_key",
			       key ? "aws_secret_access_key" : "aws_access_key_id");
	*ret = (struct aws_credentials){
		.access_key = rn_strdup(key),
		.secret_key = rn_strdup(secret),
		.token = rn_strdup(aws_profile_get(p, file, q->profile, "aws_session_token")),
		.source = rn_asprintf("profile \"%s\" in the %s", q->profile, what),
	};
	return 1;
}

int aws_keys_from_json(const cJSON *j, const struct aws_key_names *names,
		       struct aws_credentials *ret, struct rn_error *err)
{
	const char *key = rn_json_str(j, names->key), *secret = rn_json_str(j, names->secret);
	if (!key || !secret)
		return rn_fail(err, RN_EAUTH, "the answer has no %s or %s", names->key,
			       names->secret);
	const cJSON *expiration = rn_json_get(j, names->expiration);
	int64_t expires = 0;
	if (cJSON_IsNumber(expiration))
		expires = (int64_t)expiration->valuedouble;
	else if (cJSON_IsString(expiration) &&
		 rn_parse_iso8601(expiration->valuestring, &expires, err) < 0)
		return rn_wrap(err, "%s", names->expiration);
	*ret = (struct aws_credentials){
		.access_key = rn_strdup(key),
		.secret_key = rn_strdup(secret),
		.token = rn_strdup(rn_json_str(j, names->token)),
		.account = rn_strdup(names->account ? rn_json_str(j, names->account) : NULL),
		.expires_ms = expires,
	};
	return 0;
}

int aws_metadata_get(struct aws_session *s, const struct http_request *q, unsigned tries,
		     struct http_response *ret, struct rn_error *err)
{
	for (unsigned i = 1;; i++) {
		int rc = http_send(s->local_http, q, ret, err);
		if (rc == 0 && ret->status == 200)
			return 0;
		bool again =
			rc < 0 ? err && err->retryable : ret->status >= 500 || ret->status == 429;
		if (i >= tries || !again) {
			if (rc < 0)
				return -1;
			return rn_fail(err, ret->status == 404 ? RN_ENOTFOUND : RN_EREMOTE,
				       "%s answered HTTP %d: %.200s", q->url, ret->status,
				       rn_buf_str(&ret->body));
		}
		if (rn_sleep_ms(200 * (int64_t)i, s->o.cancel_fd) < 0)
			return rn_fail(err, RN_ECANCELLED, "cancelled");
	}
}

/* ---- the chain -------------------------------------------------------------------- */

static int nobody_has_any(const struct aws_provider_request *q, struct rn_buf *tried,
			  struct rn_error *err)
{
	rn_fail(err, RN_EAUTH, "no AWS credentials found%s%s%s; tried:%s",
		q->session->profile_named ? " for profile \"" : "",
		q->session->profile_named ? q->profile : "", q->session->profile_named ? "\"" : "",
		rn_buf_str(tried));
	return rn_hint(
		err,
		"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; on GitHub "
		"Actions "
		"give the job `id-token: write` and set AWS_ROLE_ARN; or try `runner --local`");
}

int aws_chain_load(const struct aws_provider_request *q, bool for_source,
		   struct aws_credentials *ret, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf tried = RN_BUF_INIT;
	for (size_t i = 0; i < RN_LEN(chain); i++) {
		const struct aws_provider *p = chain[i];
		if ((p->env_only && q->no_env) || (p->machine && for_source))
			continue;
		struct rn_error e = { 0 };
		int rc = p->load(q, ret, &e);
		if (rc > 0)
			return 0;
		if (rc < 0) {
			if (err)
				*err = e;
			return rn_wrap(err, "AWS credentials from %s", p->name);
		}
		rn_buf_addf(&tried, "\n  %s: %s", p->name, e.msg);
	}
	return nobody_has_any(q, &tried, err);
}

static int64_t renewal_window(const struct aws_session *s)
{
	int64_t window = (s->credentials.expires_ms - s->obtained_ms) / 5;
	if (window > RENEW_MAX_MS)
		window = RENEW_MAX_MS;
	return window < RENEW_MIN_MS ? RENEW_MIN_MS : window;
}

static bool due(struct aws_session *s, int64_t now)
{
	if (!s->have_credentials)
		return true;
	return s->credentials.expires_ms && s->credentials.expires_ms - now < renewal_window(s);
}

static int renew(struct aws_session *s, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv seen = { 0 };
	rn_strv_add(&seen, s->profile);
	/* environment keys count unless a profile was given explicitly, not by AWS_PROFILE */
	struct aws_provider_request q = {
		.session = s, .profile = s->profile, .no_env = s->o.profile != NULL, .seen = &seen
	};
	struct aws_credentials fresh = { 0 };
	if (aws_chain_load(&q, false, &fresh, err) < 0)
		return -1;
	aws_session_mask(s, fresh.secret_key);
	aws_session_mask(s, fresh.token);
	aws_session_log(s, "AWS credentials: %s (key %s)", fresh.source, fresh.access_key);
	aws_credentials_clear(&s->credentials);
	s->credentials = fresh;
	s->obtained_ms = rn_wall_ms();
	s->have_credentials = true;
	return 0;
}

int aws_session_credentials(struct aws_session *s, struct aws_credentials *ret,
			    struct rn_error *err)
{
	pthread_mutex_lock(&s->credentials_lock);
	int64_t now = rn_wall_ms();
	int rc = 0;
	if (due(s, now)) {
		struct rn_error e = { 0 };
		rc = renew(s, &e);
		/* the old ones serve on while they live */
		if (rc < 0 && s->have_credentials && s->credentials.expires_ms > now) {
			aws_session_log(s, "AWS credentials could not be renewed yet: %s", e.msg);
			rc = 0;
		} else if (rc < 0 && err) {
			*err = e;
		}
	}
	if (rc == 0)
		aws_credentials_copy(ret, &s->credentials);
	pthread_mutex_unlock(&s->credentials_lock);
	return rc;
}

void aws_session_forget_credentials(struct aws_session *s)
{
	pthread_mutex_lock(&s->credentials_lock);
	aws_credentials_clear(&s->credentials);
	s->have_credentials = false;
	pthread_mutex_unlock(&s->credentials_lock);
}
