/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key of a step as named parts, so that a miss can be explained: what each part is, and which one differs from
 * the last time. Values that may be sensitive (variables) are kept as hashes only. Pure.
 */
#ifndef KEY_PARTS_H
#define KEY_PARTS_H

#include "base/buf.h"
#include "base/json.h"
#include "oci/digest.h"

struct key_part {
	char *name;            /* "below", "--chown", "env PATH", "files" …                    */
	char *text;            /* for people; NULL: the value is not shown                     */
	struct digest value;   /* of the value                                                 */
};

struct key_parts {
	struct key_part *v;
	size_t n;
	size_t cap;
};

/** A value that people may see (text over 400 bytes is cut, the whole counts). NULL adds nothing. */
void key_add(struct key_parts *k, const char *name, const char *value);
/** A value of which only the hash is kept. */
void key_add_hidden(struct key_parts *k, const char *name, const char *value);
/** A value that is a digest already; not set: "none". */
void key_add_digest(struct key_parts *k, const char *name, const struct digest *value);
const struct key_part *key_part(const struct key_parts *k, const char *name);
void key_parts_clear(struct key_parts *k);

/** The key: names and values of all parts, in their order. */
struct digest key_digest(const struct key_parts *k);

/** [{"name", "text", "value"}] */
cJSON *key_parts_to_json(const struct key_parts *k);
/** What does not fit is left out. */
void key_parts_from_json(const cJSON *j, struct key_parts *ret);
/** Name of the first part (in the order of `now`, then of `before`) that is not the same in both; NULL: equal. Borrowed. */
const char *key_parts_differ(const struct key_parts *before, const struct key_parts *now);

#endif
