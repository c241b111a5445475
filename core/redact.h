/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Masks secrets in everything that is shown or stored: as they are, line by line,
 * in base64 (any alignment, wrapped or not), percent-encoded, JSON-escaped and in
 * hexadecimal. Works on streams: a secret cut by the border of two chunks is found.
 */
#ifndef CORE_REDACT_H
#define CORE_REDACT_H

#include "base/buf.h"

#define REDACT_MASK "***"

enum { REDACT_MIN = 3 }; /* a shorter value would mask half the text and so tell what it is */

struct redact;

struct redact *redact_new(void);
void redact_free(struct redact *r);
void redact_freep(struct redact **r);
/** Masks `secret` from now on, also in streams that have begun. False when it is too short to be masked. */
bool redact_add(struct redact *r, const char *secret);
/** `text` with each secret masked. New string; NULL gives NULL. */
char *redact_text(const struct redact *r, const char *text);
/** True when `text` holds a secret in any form. */
bool redact_found(const struct redact *r, const char *text);

/** A stream of bytes with its held-back end. A zeroed struct is a new stream. */
struct redact_stream {
	struct rn_buf held;
	size_t covered; /* bytes at the start of `held` that belong to a secret already masked */
};

/** Appends to `out` what can be decided; `flush` at the end of the stream: then all of it. */
void redact_feed(const struct redact *r, struct redact_stream *s, const void *data, size_t n, bool flush,
		 struct rn_buf *out);
void redact_stream_clear(struct redact_stream *s);

#endif
