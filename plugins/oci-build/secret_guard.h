/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets of the pipeline that would get into the image: an ENV or a label that is given one, a file that a RUN
 * wrote one to. What is found is an error, before anything is kept or published. Costs nothing without secrets.
 */
#ifndef SECRET_GUARD_H
#define SECRET_GUARD_H

#include "build.h"

/** Whether there is anything to look for. */
bool secret_guard_needed(struct build *b);
/** A secret that the plugin read itself, for RUN. Its bytes are kept until build_clear. */
void secret_guard_add(struct build *b, const char *secret);
/** Adds every secret that the stage's parameters give, so that it is known before a RUN asks for it. */
void secret_guard_gather(struct build *b);
/** RN_EINVAL with the name of the first build argument, label or annotation that holds a secret. */
int secret_guard_params(struct build *b, struct rn_error *err);
/** The same of every text in the image's configuration. */
int secret_guard_config(struct build *b, const cJSON *config, struct rn_error *err);
/** The same of every file of a layer, if it is in the store. RN_EINVAL names the file. */
int secret_guard_layer(struct build *b, const struct digest *blob, struct rn_error *err);
/** What a layer made here has been searched for: the names of the stage's secrets, added to `ret`, sorted; none without secrets. */
void secret_guard_names(struct build *b, struct rn_strv *ret);
/**
 * The same of a layer of a cache. One that only a registry has is not fetched when `searched` (what its maker looked for)
 * has all names of the stage's secrets; else it is, and is searched. *ret_more: `searched` has got further names.
 */
int secret_guard_cached(struct build *b, const struct digest *blob, struct rn_strv *searched, bool *ret_more, struct rn_error *err);
/** What build_clear calls. */
void secret_guard_clear(struct build *b);

#endif
