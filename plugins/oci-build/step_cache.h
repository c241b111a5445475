/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results of steps by their keys: a small file a key beside the blobs of this machine, and what `cache_from` has
 * in registries (step_cache_registry.c). Files appear by rename, so that kill -9 leaves none by halves; one that cannot be
 * read, or whose layer is not what it says, is a miss. Nothing that goes wrong here fails a build. Safe from several threads.
 */
#ifndef STEP_CACHE_H
#define STEP_CACHE_H

#include "build.h"

/** What a step did. */
struct cache_record {
	struct digest key;
	struct digest content;    /* COPY --from: the same result by the content of what was copied; may be unset */
	char *how;                /* compression of the layer that is wanted: "gzip-1"       */
	bool has_layer;
	struct descriptor layer;
	struct digest diff_id;
	char *created_by;         /* its entry of the history                                */
	struct rn_strv searched;  /* names of secrets that the layer was searched for, see secret_guard.h */
};
void cache_record_clear(struct cache_record *r);
void cache_record_copy(const struct cache_record *from, struct cache_record *ret);

struct step_cache;
/** For the store and the parameters of `b` (borrowed). Never NULL. */
struct step_cache *step_cache_open(struct build *b);
void step_cache_close(struct step_cache *c);

/** Every stage that no_cache lists must be one of `names` (NULL: nameless). RN_ENOTFOUND names the nearest. */
int step_cache_check(const struct step_cache *c, const char *const *names, size_t n, struct rn_error *err);
/** False with no_cache: true, or when it lists `stage` (a name or number of the Dockerfile's). */
bool step_cache_enabled(const struct step_cache *c, const char *stage_name, size_t stage_index);
/** Whether it is worth asking at all: enabled, and there are results on this machine or in a registry. */
bool step_cache_may_have(const struct step_cache *c, const char *stage_name, size_t stage_index);
/** The result of `key`: its layer is in the store or can be had from a registry. `ret` is the caller's. */
bool step_cache_find(struct step_cache *c, const struct digest *key, struct cache_record *ret);
/** Remembers a result (`r->how` does not count), under `r->content` too when that is set. */
void step_cache_put(struct step_cache *c, const struct cache_record *r);

/** From now on nothing is taken from registries: one promised a layer that it does not have. */
void step_cache_distrust(struct step_cache *c);

/** Gets the names in layers from where `cache_from` has them (once), before a layer must be fetched for them. */
void step_cache_fetch_indexes(struct step_cache *c);
/** Notes a layer whose names shall go to `cache_to`. */
void step_cache_note_layer(struct step_cache *c, const struct digest *layer);
/** What of that kind is known: the layers that were noted, and the layers of indexes in registries (not read: those alone). Borrowed. */
struct cache_indexes {
	struct rn_map layers;       /* digest -> itself                                    */
	struct descriptor remote;   /* the first of a registry's; digest not set: none     */
	struct digest remote_diff_id;
	bool fetched;
};
struct cache_indexes *step_cache_indexes(struct step_cache *c);

/** Every record that this build used or made, for `cache_to`: calls `fn` for each in the order of use. */
void step_cache_each_used(struct step_cache *c, void (*fn)(void *ctx, const struct cache_record *r), void *ctx);

/** {"key", "how", "created_by", "searched", "layer": {descriptor, "diff_id"}} and back; false for anything else. */
cJSON *cache_record_to_json(const struct cache_record *r);
bool cache_record_from_json(const cJSON *j, struct cache_record *ret);

/** The member "searched" of a record: names, left out when there are none; what is no list of texts is none. */
void cache_searched_to_json(const struct rn_strv *searched, cJSON *record);
void cache_searched_from_json(const cJSON *record, struct rn_strv *ret);

/** Folder of the records in the store `dir`. New string. */
char *step_cache_folder(const char *dir);

#endif
