/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS Signature Version 4 (AWS General Reference, "Create a signed request"):
 * canonical request, string to sign, signature. Pure; keys are wiped after use.
 */
#include "sigv4.h"

#include "base/buf.h"
#include "base/encode.h"
#include "base/mem.h"
#include "base/str.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define HASH_BYTES 32

char *sigv4_hash(const void *data, size_t n, char *to)
{
	unsigned char digest[HASH_BYTES];
	if (EVP_Digest(n ? data : "", n, digest, NULL, EVP_sha256(), NULL) != 1)
		rn_die("SHA-256 is not available");
	return rn_hex(digest, sizeof(digest), to);
}

static void hmac(const void *key, size_t key_len, const char *text, unsigned char to[HASH_BYTES])
{
	unsigned n = HASH_BYTES;
	if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), to,
		  &n))
		rn_die("HMAC-SHA-256 is not available");
}

/* ---- time --------------------------------------------------------------------- */

char *sigv4_timestamp(int64_t wall_ms, char *to)
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;
	gmtime_r(&t, &tm);
	strftime(to, 17, "%Y%m%dT%H%M%SZ", &tm);
	return to;
}

int sigv4_parse_timestamp(const char *s, int64_t *ret_wall_ms)
{
	struct tm tm = { 0 };
	if (!s || strlen(s) != 16 || strspn(s, "0123456789TZ") != 16)
		return -1;
	const char *end = strptime(s, "%Y%m%dT%H%M%SZ", &tm);
	if (!end || *end)
		return -1;
	*ret_wall_ms = (int64_t)timegm(&tm) * 1000;
	return 0;
}

/* ---- canonical request ---------------------------------------------------------- */

/* Dot segments and empty segments go; each byte but unreserved ones and '/' is encoded once more.
 */
static char *canonical_path(const char *path, bool single_encode)
{
	if (!path || !*path)
		return rn_strdup("/");
	if (single_encode)
		return rn_strdup(path);
	RN_AUTO(rn_strv_clear) struct rn_strv in = { 0 };
	RN_AUTO(rn_strv_clear) struct rn_strv out = { 0 };
	rn_strv_split(&in, path, '/');
	for (size_t i = 0; i < in.n; i++) {
		if (rn_streq(in.v[i], "..") && out.n)
			rn_freep(&out.v[--out.n]);
		else if (*in.v[i] && !rn_streq(in.v[i], ".") && !rn_streq(in.v[i], ".."))
			rn_strv_add(&out, in.v[i]);
	}
	RN_AUTO(rn_freep) char *joined = out.n ? rn_strv_join(&out, "/") : rn_strdup("");
	bool slash = out.n && rn_ends(path, "/");
	RN_AUTO(rn_freep) char *whole = rn_asprintf("/%s%s", joined, slash ? "/" : "");
	return rn_percent(whole, "/");
}

struct pair {
	char *name;
	char *value;
};

static int compare_pairs(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int c = strcmp(x->name, y->name);
	return c ? c : strcmp(x->value, y->value);
}

/* Decoded and encoded again, so that a client's own way of escaping does not matter. */
static char *normal_form(const char *s, size_t n)
{
	RN_AUTO(rn_freep) char *raw = rn_strndup(s, n);
	RN_AUTO(rn_freep) char *plain = rn_percent_decode(raw, false);
	return rn_percent(plain, "");
}

static char *canonical_query(const char *query)
{
	if (!query || !*query)
		return rn_strdup("");
	RN_AUTO(rn_strv_clear) struct rn_strv parts = { 0 };
	rn_strv_split(&parts, query, '&');
	struct pair *pairs = rn_alloc(parts.n * sizeof(*pairs));
	size_t n = 0;
	for (size_t i = 0; i < parts.n; i++) {
		const char *part = parts.v[i];
		if (!*part)
			continue;
		size_t name = strcspn(part, "=");
		const char *value = part[name] ? part + name + 1 : "";
		pairs[n++] =
			(struct pair){ normal_form(part, name), normal_form(value, strlen(value)) };
	}
	qsort(pairs, n, sizeof(*pairs), compare_pairs);
	struct rn_buf b = RN_BUF_INIT;
	for (size_t i = 0; i < n; i++) {
		rn_buf_addf(&b, "%s%s=%s", i ? "&" : "", pairs[i].name, pairs[i].value);
		free(pairs[i].name);
		free(pairs[i].value);
	}
	free(pairs);
	return rn_buf_take(&b);
}

static bool left_unsigned(const char *name)
{
	static const char *const names[] = { "authorization",     "connection",
					     "content-length",    "expect",
					     "transfer-encoding", "user-agent",
					     "x-amzn-trace-id" };
	for (size_t i = 0; i < RN_LEN(names); i++)
		if (!strcasecmp(name, names[i]))
			return true;
	return false;
}

static void names_to_sign(const struct sigv4_request *q, struct rn_strv *ret)
{
	if (q->signed_headers) {
		rn_strv_split(ret, q->signed_headers, ';');
		return;
	}
	for (size_t i = 0; i < q->n_headers; i++) {
		RN_AUTO(rn_freep) char *name = rn_lower(rn_strdup(q->headers[i].name));
		if (!left_unsigned(name) && !rn_strv_has(ret, name))
			rn_strv_add(ret, name);
	}
	rn_strv_sort(ret);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

/* Blanks at the ends go, runs of blanks become one. */
static void add_squeezed(struct rn_buf *b, const char *value)
{
	bool gap = false, any = false;
	for (const char *p = value; *p; p++) {
		if (is_blank(*p)) {
			gap = any;
			continue;
		}
		if (gap)
			rn_buf_addc(b, ' ');
		rn_buf_addc(b, *p);
		gap = false;
		any = true;
	}
}

static int add_header(struct rn_buf *b, const struct sigv4_request *q, const char *name,
		      struct rn_error *err)
{
	bool found = false;
	for (size_t i = 0; i < q->n_headers; i++) {
		if (strcasecmp(q->headers[i].name, name) != 0)
			continue;
		if (found)
			rn_buf_addc(b, ',');
		else
			rn_buf_addf(b, "%s:", name);
		add_squeezed(b, q->headers[i].value);
		found = true;
	}
	if (!found)
		return rn_fail(err, RN_EINVAL, "signed header \"%s\" is not in the request", name);
	rn_buf_addc(b, '\n');
	return 0;
}

int sigv4_canonical_request(const struct sigv4_request *q, char **ret, char **ret_signed,
			    struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	names_to_sign(q, &names);
	if (!rn_strv_has(&names, "host"))
		return rn_fail(err, RN_EINVAL, "the host header is not signed");
	RN_AUTO(rn_freep) char *path = canonical_path(q->path, q->single_encode);
	RN_AUTO(rn_freep) char *query = canonical_query(q->query);
	RN_AUTO(rn_freep) char *list = rn_strv_join(&names, ";");
	rn_buf_addf(&b, "%s\n%s\n%s\n", q->method, path, query);
	for (size_t i = 0; i < names.n; i++)
		if (add_header(&b, q, names.v[i], err) < 0)
			return -1;
	rn_buf_addf(&b, "\n%s\n%s", list, q->payload_hash);
	*ret = rn_buf_take(&b);
	if (ret_signed)
		*ret_signed = rn_take(&list);
	return 0;
}

/* ---- signature ------------------------------------------------------------------ */

static void signing_key(const struct sigv4_key *key, const char *date, unsigned char to[HASH_BYTES])
{
	char *first = rn_asprintf("AWS4%s", key->secret_key);
	hmac(first, strlen(first), date, to);
	hmac(to, HASH_BYTES, key->region, to);
	hmac(to, HASH_BYTES, key->service, to);
	hmac(to, HASH_BYTES, "aws4_request", to);
	rn_wipe(first, strlen(first));
	free(first);
}

void sigv4_result_clear(struct sigv4_result *r)
{
	rn_freep(&r->canonical_request);
	rn_freep(&r->string_to_sign);
	rn_freep(&r->signed_headers);
	rn_freep(&r->authorization);
	*r = (struct sigv4_result){ 0 };
}

int sigv4_sign(const struct sigv4_request *q, const struct sigv4_key *key, struct sigv4_result *ret,
	       struct rn_error *err)
{
	int64_t unused;
	if (!key->timestamp || sigv4_parse_timestamp(key->timestamp, &unused) < 0)
		return rn_fail(err, RN_EINVAL, "\"%s\" is not a time stamp like 20261124T031507Z",
			       key->timestamp ? key->timestamp : "");
	struct sigv4_result r = { 0 };
	if (sigv4_canonical_request(q, &r.canonical_request, &r.signed_headers, err) < 0 ||
	    !r.canonical_request)
		return -1;
	char hash[SIGV4_HASH_LEN + 1];
	RN_AUTO(rn_freep) char *date = rn_strndup(key->timestamp, 8);
	RN_AUTO(rn_freep)
	char *scope = rn_asprintf("%s/%s/%s/aws4_request", date, key->region, key->service);
	sigv4_hash(r.canonical_request, strlen(r.canonical_request), hash);
	r.string_to_sign = rn_asprintf("AWS4-HMAC-SHA256\n%s\n%s\n%s", key->timestamp, scope, hash);
	unsigned char secret[HASH_BYTES], signature[HASH_BYTES];
	signing_key(key, date, secret);
	hmac(secret, sizeof(secret), r.string_to_sign, signature);
	rn_wipe(secret, sizeof(secret));
	rn_hex(signature, sizeof(signature), r.signature);
	r.authorization =
		rn_asprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
			    key->access_key, scope, r.signed_headers, r.signature);
	*ret = r;
	return 0;
}

/* ---- reading a signature ---------------------------------------------------------- */

void sigv4_authorization_clear(struct sigv4_authorization *a)
{
	rn_freep(&a->access_key);
	rn_freep(&a->date);
	rn_freep(&a->region);
	rn_freep(&a->service);
	rn_freep(&a->signed_headers);
	rn_freep(&a->signature);
}

static char *field(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	if (!at)
		return NULL;
	at += strlen(name);
	return rn_strndup(at, strcspn(at, ", \t"));
}

int sigv4_parse_authorization(const char *header, struct sigv4_authorization *ret,
			      struct rn_error *err)
{
	if (!header || !rn_starts(header, "AWS4-HMAC-SHA256 "))
		return rn_fail(err, RN_EINVAL, "the Authorization header is not AWS4-HMAC-SHA256");
	RN_AUTO(rn_freep) char *credential = field(header, "Credential=");
	RN_AUTO(rn_freep) char *names = field(header, "SignedHeaders=");
	RN_AUTO(rn_freep) char *signature = field(header, "Signature=");
	if (!credential || !names || !signature || strlen(signature) != SIGV4_HASH_LEN)
		return rn_fail(
			err, RN_EINVAL,
			"the Authorization header lacks Credential, SignedHeaders or Signature");
	RN_AUTO(rn_strv_clear) struct rn_strv scope = { 0 };
	rn_strv_split(&scope, credential, '/');
	if (scope.n < 5 || !rn_streq(scope.v[scope.n - 1], "aws4_request"))
		return rn_fail(err, RN_EINVAL,
			       "Credential is not KEY/DATE/REGION/SERVICE/aws4_request");
	size_t n = scope.n;
	size_t key_len = strlen(credential) - strlen(scope.v[n - 4]) - strlen(scope.v[n - 3]) -
			 strlen(scope.v[n - 2]) - strlen(scope.v[n - 1]) - 4;
	*ret = (struct sigv4_authorization){
		.access_key = rn_strndup(credential, key_len),
		.date = rn_strdup(scope.v[n - 4]),
		.region = rn_strdup(scope.v[n - 3]),
		.service = rn_strdup(scope.v[n - 2]),
		.signed_headers = rn_take(&names),
		.signature = rn_take(&signature),
	};
	return 0;
}

bool sigv4_equal(const char *a, const char *b)
{
	size_t n = strlen(a);
	return n == strlen(b) && CRYPTO_memcmp(a, b, n) == 0;
}
