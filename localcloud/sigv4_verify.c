/* SPDX-License-Identifier: Apache-2.0 */
#include "sigv4_verify.h"

#include "store.h"

#include "aws/sigv4.h"
#include "base/encode.h"
#include "base/time.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SKEW_MS (15 * 60 * 1000)

/* What the request says of itself. */
struct claim {
	struct sigv4_authorization auth;
	const char *timestamp; /* borrowed */
	const char *token;     /* session token, or NULL; borrowed */
	char *query;           /* presigned: without the signature */
	int64_t expires_s;     /* presigned: X-Amz-Expires; else 0 */
};

static void claim_clear(struct claim *c)
{
	sigv4_authorization_clear(&c->auth);
	free(c->query);
}

struct refusal {
	const char *rest;  /* REST-JSON and JSON 1.1 */
	const char *query; /* query protocol         */
};
static const struct refusal MISSING = { "MissingAuthenticationTokenException",
					"MissingAuthenticationToken" };
static const struct refusal INCOMPLETE = { "IncompleteSignatureException", "IncompleteSignature" };
static const struct refusal UNKNOWN_KEY = { "UnrecognizedClientException", "InvalidClientTokenId" };
static const struct refusal WRONG = { "InvalidSignatureException", "SignatureDoesNotMatch" };
static const struct refusal EXPIRED = { "ExpiredTokenException", "ExpiredToken" };

static int refuse(struct request *req, struct response *res, const struct refusal *why,
		  const char *text)
{
	bool query = req->protocol == PROTOCOL_QUERY;
	int status = req->protocol == PROTOCOL_JSON || why == &INCOMPLETE ? 400 : 403;
	return answer_error(req, res, status, query ? why->query : why->rest, "%s", text);
}

char *sigv4_service_of(const struct request *req)
{
	const char *header = request_header(req, "Authorization");
	const char *scope = header ? strstr(header, "Credential=") : NULL;
	scope = scope ? scope + strlen("Credential=") : request_arg(req, "X-Amz-Credential");
	for (int i = 0; i < 3 && scope; i++) {
		scope = strpbrk(scope, "/, ");
		scope = scope && *scope == '/' ? scope + 1 : NULL;
	}
	return scope ? rn_strndup(scope, strcspn(scope, "/, ")) : NULL;
}

/* The query without X-Amz-Signature. New string. */
static char *unsigned_query(const char *query)
{
	struct rn_buf b = RN_BUF_INIT;
	while (*query) {
		size_t n = strcspn(query, "&");
		if (n > 0 && strncmp(query, "X-Amz-Signature=", strlen("X-Amz-Signature=")) != 0) {
			if (b.len)
				rn_buf_addc(&b, '&');
			rn_buf_add(&b, query, n);
		}
		query += n + (query[n] == '&');
	}
	return rn_buf_take(&b);
}

static int read_presigned(const struct request *req, struct claim *claim, struct rn_error *err)
{
	const char *expires = request_arg(req, "X-Amz-Expires");
	RN_AUTO(rn_freep) char *header = rn_asprintf(
		"AWS4-HMAC-SHA256 Credential=%s, SignedHeaders=%s, Signature=%s",
		request_arg(req, "X-Amz-Credential"),
		request_arg(req, "X-Amz-SignedHeaders") ? request_arg(req, "X-Amz-SignedHeaders")
							: "",
		request_arg(req, "X-Amz-Signature") ? request_arg(req, "X-Amz-Signature") : "");
	if (sigv4_parse_authorization(header, &claim->auth, err) < 0)
		return -1;
	if (!expires || rn_parse_int(expires, 1, 604800, &claim->expires_s, NULL) < 0)
		return rn_fail(err, RN_EINVAL, "X-Amz-Expires must be 1 to 604800 seconds");
	claim->timestamp = request_arg(req, "X-Amz-Date");
	claim->token = request_arg(req, "X-Amz-Security-Token");
	claim->query = unsigned_query(req->query);
	return 0;
}

/* -1: err says what is wrong; code RN_ENOTFOUND: there is no signature at all. */
static int read_claim(const struct request *req, struct claim *claim, struct rn_error *err)
{
	const char *header = request_header(req, "Authorization");
	if (!header && request_arg(req, "X-Amz-Credential"))
		return read_presigned(req, claim, err);
	if (!header)
		return rn_fail(err, RN_ENOTFOUND, "Missing Authentication Token");
	if (sigv4_parse_authorization(header, &claim->auth, err) < 0)
		return -1;
	claim->timestamp = request_header(req, "X-Amz-Date");
	claim->token = request_header(req, "X-Amz-Security-Token");
	return 0;
}

static int check_time(struct request *req, struct response *res, const struct claim *claim)
{
	int64_t at = 0, now = rn_wall_ms();
	if (!claim->timestamp || sigv4_parse_timestamp(claim->timestamp, &at) < 0)
		return refuse(req, res, &INCOMPLETE,
			      "Date must be in ISO-8601 'basic format' in the X-Amz-Date header.");
	if (strncmp(claim->timestamp, claim->auth.date, 8) != 0)
		return refuse(req, res, &WRONG,
			      "Date in Credential scope does not match YYYYMMDD from ISO-8601 "
			      "version of date from HTTP");
	int64_t oldest = now - (claim->expires_s ? claim->expires_s * 1000 : SKEW_MS);
	char now_text[20], limit[20];
	sigv4_timestamp(now, now_text);
	RN_AUTO(rn_freep) char *text = NULL;
	if (at < oldest)
		text = rn_asprintf("Signature expired: %s is now earlier than %s (%s - %" PRId64
				   " min.)",
				   claim->timestamp, sigv4_timestamp(oldest, limit), now_text,
				   (now - oldest) / 60000);
	else if (at > now + SKEW_MS)
		text = rn_asprintf(
			"Signature not yet current: %s is still later than %s (%s + 15 min.)",
			claim->timestamp, sigv4_timestamp(now + SKEW_MS, limit), now_text);
	return text ? refuse(req, res, &WRONG, text) : 0;
}

/* Secret of the key, new, and the caller's identity; NULL when the refusal is answered. */
static char *find_secret(struct request *req, struct response *res, const struct claim *claim)
{
	struct cloud *c = req->cloud;
	if (rn_streq(claim->auth.access_key, c->access_key)) {
		req->caller_arn = rn_strdup("arn:aws:iam::" CLOUD_ACCOUNT ":root");
		req->caller_id = rn_strdup(CLOUD_ACCOUNT);
		return rn_strdup(c->secret_key);
	}
	RN_AUTO(rn_json_freep) cJSON *session =
		store_get(c->store, SESSION, "", claim->auth.access_key);
	if (!session || !claim->token ||
	    !sigv4_equal(claim->token, rn_json_str(session, "token"))) {
		refuse(req, res, &UNKNOWN_KEY,
		       "The security token included in the request is invalid.");
		return NULL;
	}
	if (rn_json_num(session, "expires", 0) < cloud_now()) {
		refuse(req, res, &EXPIRED, "The security token included in the request is expired");
		return NULL;
	}
	req->caller_arn = rn_strdup(rn_json_str(session, "arn"));
	req->caller_id = rn_strdup(rn_json_str(session, "id"));
	return rn_strdup(rn_json_str(session, "secret"));
}

/* Header values as signed: several of one name are joined by commas. New array in *ret; values to
 * free in `joined`. */
static size_t collect_headers(const struct request *req, struct sigv4_header *to,
			      struct rn_strv *joined)
{
	size_t n = 0;
	for (size_t i = 0; i < req->headers.n; i++) {
		const char *name = req->headers.v[i].name;
		bool seen = false;
		for (size_t k = 0; k < i && !seen; k++)
			seen = !strcasecmp(req->headers.v[k].name, name);
		if (seen)
			continue;
		struct rn_buf b = RN_BUF_INIT;
		for (size_t k = i; k < req->headers.n; k++)
			if (!strcasecmp(req->headers.v[k].name, name))
				rn_buf_addf(&b, "%s%s", b.len ? "," : "", req->headers.v[k].value);
		rn_strv_take(joined, rn_buf_take(&b));
		to[n++] = (struct sigv4_header){ name, joined->v[joined->n - 1] };
	}
	return n;
}

static int compare(struct request *req, struct response *res, const struct claim *claim,
		   const char *secret)
{
	char hash[SIGV4_HASH_LEN + 1];
	const char *declared = request_header(req, "X-Amz-Content-Sha256");
	sigv4_hash(rn_buf_str(&req->body), req->body.len, hash);
	RN_AUTO(rn_freep) struct sigv4_header *headers =
		rn_alloc((req->headers.n + 1) * sizeof(*headers));
	RN_AUTO(rn_strv_clear) struct rn_strv joined = { 0 };
	const struct sigv4_request q = {
		.method = req->method,
		.path = req->path,
		.query = claim->query ? claim->query : req->query,
		.headers = headers,
		.n_headers = collect_headers(req, headers, &joined),
		.payload_hash = rn_streq(declared, "UNSIGNED-PAYLOAD") ? declared : hash,
		.signed_headers = claim->auth.signed_headers,
	};
	const struct sigv4_key key = {
		.access_key = claim->auth.access_key,
		.secret_key = secret,
		.region = claim->auth.region,
		.service = claim->auth.service,
		.timestamp = claim->timestamp,
	};
	RN_AUTO(sigv4_result_clear) struct sigv4_result result = { 0 };
	struct rn_error err = { 0 };
	if (sigv4_sign(&q, &key, &result, &err) < 0)
		return refuse(req, res, &INCOMPLETE, err.msg);
	if (sigv4_equal(result.signature, claim->auth.signature))
		return 0;
	RN_AUTO(rn_freep) char *text = rn_asprintf(
		"The request signature we calculated does not match the signature you provided. "
		"Check your AWS Secret Access "
		"Key and signing method. Consult the service documentation for details.\n\nThe "
		"Canonical String for this "
		"request should have been\n'%s'\n\nThe String-to-Sign should have been\n'%s'\n",
		result.canonical_request, result.string_to_sign);
	return refuse(req, res, &WRONG, text);
}

/* It becomes a part of paths. */
static bool is_region(const char *name)
{
	return *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

int sigv4_verify(struct request *req, struct response *res)
{
	RN_AUTO(claim_clear) struct claim claim = { 0 };
	struct rn_error err = { 0 };
	if (read_claim(req, &claim, &err) < 0)
		return refuse(req, res, err.code == RN_ENOTFOUND ? &MISSING : &INCOMPLETE,
			      err.code == RN_ENOTFOUND && req->protocol == PROTOCOL_QUERY
				      ? "Request is missing Authentication Token"
				      : err.msg);
	if (!is_region(claim.auth.region))
		return refuse(req, res, &WRONG, "Credential should be scoped to a valid region.");
	if (check_time(req, res, &claim) < 0)
		return -1;
	RN_AUTO(rn_freep) char *secret = find_secret(req, res, &claim);
	if (!secret || compare(req, res, &claim, secret) < 0)
		return -1;
	req->region = rn_strdup(claim.auth.region);
	if (!req->service)
		req->service = rn_strdup(claim.auth.service);
	return 0;
}
