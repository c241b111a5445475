/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS Signature Version 4, pure: text in, text out, no clock, no network. Used
 * to sign (client) and to check (local cloud).
 */
#ifndef AWS_SIGV4_H
#define AWS_SIGV4_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGV4_HASH_LEN 64 /* hexadecimal digits of a SHA-256 */
#define SIGV4_EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct sigv4_header {
	const char *name;
	const char *value;
};

/** A request as it is on the wire. Borrowed. */
struct sigv4_request {
	const char *method;
	const char *path;                    /* percent-encoded, as sent                     */
	const char *query;                   /* as sent, without '?'; NULL or "": none       */
	const struct sigv4_header *headers;  /* Host and X-Amz-Date must be among them       */
	size_t n_headers;
	const char *payload_hash;            /* hex SHA-256, or UNSIGNED-PAYLOAD             */
	/** Which headers to sign, "host;x-amz-date", sorted. NULL: all but those that proxies
	 *  change (authorization, connection, content-length, expect, transfer-encoding,
	 * user-agent, x-amzn-trace-id). */
	const char *signed_headers;
	bool single_encode;                  /* S3: the path is signed as sent, not normalised */
};

/** Whose key, for what. Borrowed. */
struct sigv4_key {
	const char *access_key;
	const char *secret_key;
	const char *region;
	const char *service;
	const char *timestamp; /* "20261124T031507Z", equal to X-Amz-Date */
};

struct sigv4_result {
	char *canonical_request;
	char *string_to_sign;
	char *signed_headers;
	char signature[SIGV4_HASH_LEN + 1];
	char *authorization; /* value of the Authorization header */
};
void sigv4_result_clear(struct sigv4_result *r); /* zeroed is fine; for RN_AUTO */

/**
 * Signs. Fails (RN_EINVAL) only on a malformed timestamp, a missing host or a signed header that is
 * not there.
 */
int sigv4_sign(const struct sigv4_request *q, const struct sigv4_key *key, struct sigv4_result *ret,
	       struct rn_error *err);
/**
 * The canonical request alone; `ret_signed` (may be NULL) gets the list of signed headers. New
 * strings.
 */
int sigv4_canonical_request(const struct sigv4_request *q, char **ret, char **ret_signed,
			    struct rn_error *err);

/** Pieces of "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…". New strings. */
struct sigv4_authorization {
	char *access_key;
	char *date; /* "20261124" */
	char *region;
	char *service;
	char *signed_headers;
	char *signature;
};
int sigv4_parse_authorization(const char *header, struct sigv4_authorization *ret,
			      struct rn_error *err);
void sigv4_authorization_clear(struct sigv4_authorization *a);

/** Hex SHA-256 of data; to[65]. */
char *sigv4_hash(const void *data, size_t n, char *to);
/** "20261124T031507Z" from milliseconds since 1970; to[17]. */
char *sigv4_timestamp(int64_t wall_ms, char *to);
/** The reverse; -1 when malformed. */
int sigv4_parse_timestamp(const char *s, int64_t *ret_wall_ms);
/** Compares two signatures in time that does not depend on where they differ. */
bool sigv4_equal(const char *a, const char *b);

#endif
