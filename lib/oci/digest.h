/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content digests, "sha256:HEX" (image-spec, descriptor): parse, compare,
 * compute over memory, files and streams. Knows nothing of where content lies.
 */
#ifndef OCI_DIGEST_H
#define OCI_DIGEST_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_TEXT_MAX 136 /* "sha512:" + 128 digits + NUL */

/** A checked digest as text; plain data, copied by assignment. Zeroed: none. */
struct digest {
	char text[DIGEST_TEXT_MAX];
};

/** Accepts "sha256:" + 64 or "sha512:" + 128 lower-case hexadecimal digits, nothing else (RN_EINVAL). */
int digest_parse(const char *text, struct digest *ret, struct rn_error *err);
bool digest_equal(const struct digest *a, const struct digest *b);
bool digest_is_set(const struct digest *d);
/** "sha256" or "sha512". */
const char *digest_algorithm(const struct digest *d);
/** The digits behind the colon; borrowed from `d`. */
const char *digest_hex(const struct digest *d);

/** sha256 of n bytes. */
struct digest digest_of(const void *data, size_t n);
/** sha256 (or, with `like`, the algorithm of that digest) of all that `fd` has left; *ret_size may be NULL. */
int digest_fd(int fd, const struct digest *like, struct digest *ret, uint64_t *ret_size,
	      struct rn_error *err);

/** A running hash. */
struct digester;
/** `like` NULL: sha256; else its algorithm. Never NULL. */
struct digester *digester_new(const struct digest *like);
void digester_update(struct digester *h, const void *data, size_t n);
/** The digest of all so far; the hash may go on. */
struct digest digester_peek(const struct digester *h);
void digester_free(struct digester *h);
void digester_freep(struct digester **h);

#endif
