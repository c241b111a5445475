/* SPDX-License-Identifier: Apache-2.0 */
/* Challenges and the bearer token flow (CNCF Distribution, "Token Authentication Specification"). */
#include "registry_auth_internal.h"

#include "base/encode.h"
#include "base/json.h"
#include "base/time.h"
#include "http/retry.h"
#include "http/url.h"

#include <string.h>

#define TOKEN_BODY_MAX ((size_t)1 << 20)
#define TOKEN_LIFE_S 60 /* when the answer does not say */

void challenge_clear(struct challenge *c)
{
	rn_freep(&c->scheme);
	rn_freep(&c->realm);
	rn_freep(&c->service);
	rn_freep(&c->scope);
	rn_freep(&c->error);
}

/* The value at *p: a token, or a quoted string with its escapes; *p moves behind it. New string. */
static char *take_value(const char **p)
{
	struct rn_buf b = { .max = 65536 };
	if (**p != '"') {
		size_t n = strcspn(*p, ", \t");
		rn_buf_add(&b, *p, n);
		*p += n;
		return rn_buf_take(&b);
	}
	for (++*p; **p && **p != '"'; ++*p) {
		if (**p == '\\' && (*p)[1])
			++*p;
		rn_buf_addc(&b, **p);
	}
	*p += **p == '"';
	return rn_buf_take(&b);
}

/* One header's value: SCHEME name=value, name="va,lue". Stops where another challenge begins. */
static void parse_one(const char *p, struct challenge *ret)
{
	size_t n = strcspn(p, " \t,");
	ret->scheme = rn_lower(rn_strndup(p, n));
	for (p += n; *p;) {
		p += strspn(p, " \t,");
		n = strcspn(p, "= \t,");
		if (!n || p[n] != '=')
			return;
		RN_AUTO(rn_freep) char *name = rn_lower(rn_strndup(p, n));
		p += n + 1;
		char *value = take_value(&p);
		char **slot = strcmp(name, "realm") == 0     ? &ret->realm :
			      strcmp(name, "service") == 0 ? &ret->service :
			      strcmp(name, "scope") == 0   ? &ret->scope :
			      strcmp(name, "error") == 0   ? &ret->error : NULL;
		if (slot) {
			rn_freep(slot);
			*slot = rn_take(&value);
		}
		rn_freep(&value);
	}
}

bool challenge_parse(const struct http_headers *h, struct challenge *ret)
{
	bool found = false;
	for (size_t i = 0; i < h->n; i++) {
		if (strcasecmp(h->v[i].name, "www-authenticate") != 0)
			continue;
		RN_AUTO(challenge_clear) struct challenge c = { 0 };
		parse_one(h->v[i].value + strspn(h->v[i].value, " \t"), &c);
		bool bearer = strcmp(c.scheme, "bearer") == 0 && c.realm;
		if (!bearer && (found || strcmp(c.scheme, "basic") != 0))
			continue;
		challenge_clear(ret);
		*ret = c;
		c = (struct challenge){ 0 };
		found = true;
		if (bearer)
			return true;
	}
	return found;
}

/* ---- tokens --------------------------------------------------------------------------- */

static char *basic_header(const struct registry_auth *a, const struct credentials *c)
{
	RN_AUTO(rn_freep) char *pair = rn_asprintf("%s:%s", c->user, c->password);
	RN_AUTO(rn_freep) char *encoded = rn_base64(pair, strlen(pair));
	rn_wipe(pair, strlen(pair));
	registry_auth_secret(a, encoded);
	return rn_asprintf("Basic %s", encoded);
}

/* The scopes asked for: the caller's and the challenge's, without repeats, sorted. */
static void join_scopes(const struct challenge *c, const struct rn_strv *scopes, struct rn_strv *ret)
{
	RN_AUTO(rn_strv_clear) struct rn_strv theirs = { 0 };
	for (size_t i = 0; i < scopes->n; i++)
		if (!rn_strv_has(ret, scopes->v[i]))
			rn_strv_add(ret, scopes->v[i]);
	if (c && c->scope)
		rn_strv_split(&theirs, c->scope, ' ');
	for (size_t i = 0; i < theirs.n; i++)
		if (theirs.v[i][0] && !rn_strv_has(ret, theirs.v[i]))
			rn_strv_add(ret, theirs.v[i]);
	rn_strv_sort(ret);
}

static char *token_url(const struct challenge *c, const struct rn_strv *scopes)
{
	struct rn_buf b = RN_BUF_INIT;
	char sep = strchr(c->realm, '?') ? '&' : '?';
	rn_buf_adds(&b, c->realm);
	if (c->service) {
		RN_AUTO(rn_freep) char *v = rn_percent(c->service, NULL);
		rn_buf_addf(&b, "%cservice=%s", sep, v);
		sep = '&';
	}
	for (size_t i = 0; i < scopes->n; i++, sep = '&') {
		RN_AUTO(rn_freep) char *v = rn_percent(scopes->v[i], NULL);
		rn_buf_addf(&b, "%cscope=%s", sep, v);
	}
	return rn_buf_take(&b);
}

/* Body of the OAuth2 request with a refresh token. */
static char *oauth_form(const struct challenge *c, const struct rn_strv *scopes, const char *refresh_token)
{
	RN_AUTO(rn_freep) char *joined = rn_strv_join(scopes, " "), *scope = rn_percent(joined, NULL),
			       *service = rn_percent(c->service ? c->service : "", NULL), *token = rn_percent(refresh_token, NULL);
	return rn_asprintf("grant_type=refresh_token&client_id=runner&service=%s&scope=%s&refresh_token=%s", service, scope, token);
}

/* One request to the realm. 0 with the token, 1 when the credentials were refused, -1. */
static int ask(struct registry_auth *a, struct http_client *http, const struct challenge *c, const struct credentials *who,
	       const struct rn_strv *scopes, struct cached_token *ret, struct rn_error *err)
{
	RN_AUTO(http_headers_clear) struct http_headers headers = { 0 };
	RN_AUTO(rn_freep) char *url = who && who->identity_token ? rn_strdup(c->realm) : token_url(c, scopes), *form = NULL;
	struct http_request q = { .url = url, .max_body = TOKEN_BODY_MAX, .max_redirects = 3 };
	if (who && who->identity_token) {
		form = oauth_form(c, scopes, who->identity_token);
		http_headers_add(&headers, "Content-Type", "application/x-www-form-urlencoded");
		q.method = "POST";
		q.body = HTTP_BODY_MEMORY;
		q.data = form;
		q.length = (int64_t)strlen(form);
	} else if (who && who->user) {
		RN_AUTO(rn_freep) char *basic = basic_header(a, who);
		http_headers_add(&headers, "Authorization", basic);
	}
	q.headers = headers;
	RN_AUTO(http_response_clear) struct http_response r = { 0 };
	struct http_retry retry = HTTP_RETRY_INIT;
	RN_AUTO(rn_freep) char *shown = url_for_display(c->realm);
	if (http_send_retry(http, &q, &retry, &r, err) < 0)
		return rn_wrap(err, "token from %s", shown);
	if (r.status == 401 || r.status == 403 || (r.status == 400 && who && who->identity_token))
		return 1;
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse(rn_buf_str(&r.body), r.body.len, NULL);
	const char *token = rn_json_str(j, "token");
	token = token ? token : rn_json_str(j, "access_token");
	if (r.status / 100 != 2 || !token)
		return rn_fail(err, RN_EREMOTE, "%s answered %d %s", shown, r.status, r.status / 100 == 2 ? "without a token" : "when asked for a token");
	int64_t life = rn_json_int(j, "expires_in", TOKEN_LIFE_S);
	registry_auth_secret(a, token);
	ret->header = rn_asprintf("Bearer %s", token);
	ret->expires_ms = rn_now_ms() + (life > 0 ? life : TOKEN_LIFE_S) * 900; /* nine tenths of it */
	return 0;
}

/* Credentials go to a realm only over TLS or within this machine. */
static int check_realm(const struct challenge *c, const struct credentials *who, struct rn_error *err)
{
	RN_AUTO(url_clear) struct url u = { 0 };
	if (url_parse(c->realm, &u, err) < 0)
		return rn_wrap(err, "realm of the registry's challenge");
	if (strcmp(u.scheme, "https") == 0 || url_is_loopback(&u) || (!who->user && !who->identity_token))
		return 0;
	return rn_fail(err, RN_EAUTH, "the registry sends credentials to %s, which is not encrypted", c->realm);
}

static int new_token(struct registry_auth *a, struct http_client *http, const char *host, const char *repository, const struct challenge *c,
		     const struct rn_strv *scopes, struct cached_token *ret, struct rn_error *err)
{
	RN_AUTO(credentials_clear) struct credentials who = { 0 };
	registry_auth_find(a, host, repository, &who);
	if (check_realm(c, &who, err) < 0)
		return -1;
	bool known = who.user || who.identity_token;
	int rc = ask(a, http, c, known ? &who : NULL, scopes, ret, err);
	if (rc == 1 && known) {
		/* an expired login must not make public images unreachable */
		RN_AUTO(rn_freep) char *text = rn_asprintf("the credentials for %s from %s are refused; going on without", host, who.source);
		pthread_mutex_lock(&a->lock);
		registry_auth_warn(a, text);
		pthread_mutex_unlock(&a->lock);
		rc = ask(a, http, c, NULL, scopes, ret, err);
	}
	if (rc == 1) {
		rn_fail(err, RN_EAUTH, "%s gives no token for %s", host, repository);
		rn_hint(err, "log in to %s, or check that the image exists and is public", host);
		return -1;
	}
	return rc;
}

/* A cached header that is still good; new string or NULL. */
static char *cached(struct registry_auth *a, const char *key)
{
	pthread_mutex_lock(&a->lock);
	struct cached_token *t = rn_map_get(&a->tokens, key);
	char *header = t && t->expires_ms > rn_now_ms() ? rn_strdup(t->header) : NULL;
	pthread_mutex_unlock(&a->lock);
	return header;
}

int registry_auth_answer(struct registry_auth *a, struct http_client *http, const char *host, const char *repository,
			 const struct challenge *c, const struct rn_strv *scopes, bool renew, char **ret, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv all = { 0 };
	RN_AUTO(credentials_clear) struct credentials who = { 0 };
	*ret = NULL;
	join_scopes(NULL, scopes, &all);
	RN_AUTO(rn_freep) char *joined = rn_strv_join(&all, " "), *key = rn_asprintf("%s %s", host, joined);
	if (!renew && (*ret = cached(a, key)))
		return 0;
	registry_auth_find(a, host, repository, &who);
	if (who.registry_token) {
		*ret = rn_asprintf("Bearer %s", who.registry_token);
		return 0;
	}
	bool given = rn_streq(who.source, "given");
	if (!c || strcmp(c->scheme, "basic") == 0) {
		/* unasked, only what the caller gave for this very host is offered */
		if (who.user && (c || given))
			*ret = basic_header(a, &who);
		return 0;
	}
	join_scopes(c, scopes, &all);
	struct cached_token *t = rn_alloc(sizeof(*t));
	if (new_token(a, http, host, repository, c, &all, t, err) < 0) {
		rn_freep(&t);
		return -1;
	}
	*ret = rn_strdup(t->header);
	pthread_mutex_lock(&a->lock);
	rn_map_set(&a->tokens, key, t);
	pthread_mutex_unlock(&a->lock);
	return 0;
}
