/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that must survive: SQLite in WAL mode, synced at every commit, so that
 * what was acknowledged outlives kill -9 and power. Resources are JSON documents by
 * (kind, parent, id); the registry's content has tables of its own (images.c).
 * One connection behind one lock: inside a transaction other threads wait, so never
 * block (invoke, network) between store_begin and store_end.
 *
 * A failed write or read inside a transaction makes it fail as a whole: handlers
 * need not look at each call, store_end tells.
 */
#ifndef STORE_H
#define STORE_H

#include "base/json.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct store;

/** Opens or makes DIR/state.db and brings its schema up to date. */
struct store *store_open(const char *dir, struct rn_error *err);
void store_close(struct store *s);

/** Starts a transaction and holds the lock; nests (the outermost counts). */
void store_begin(struct store *s);
/** The same for what may be lost with power, though not with the process (counters of calls): nothing is synced. */
void store_begin_relaxed(struct store *s);
/** Ends it: commits (synced) or, when not `commit` or anything failed, rolls back. -1 when anything failed. */
int store_end(struct store *s, bool commit, struct rn_error *err);

/* Each of the following is its own transaction unless inside one. */

/** Document by key, new, or NULL. `parent` is what it belongs to: a region, an API's id, "". */
cJSON *store_get(struct store *s, const char *kind, const char *parent, const char *id);
bool store_has(struct store *s, const char *kind, const char *parent, const char *id);
/** Writes it, new or changed (copies). */
int store_put(struct store *s, const char *kind, const char *parent, const char *id, const cJSON *doc, struct rn_error *err);
/** Removes it; 1 when it was there, 0 when not, -1 on failure. */
int store_remove(struct store *s, const char *kind, const char *parent, const char *id, struct rn_error *err);
/** Removes all of a parent. */
int store_remove_all(struct store *s, const char *kind, const char *parent, struct rn_error *err);
/** Documents of a parent ordered by id, those behind `after` (NULL: from the first), at most `limit` (0: all). New array, never NULL. */
cJSON *store_list(struct store *s, const char *kind, const char *parent, const char *after, size_t limit);
/** First document of any parent with that id (e.g. an API by id in any region); *ret_parent is new. NULL: none. */
cJSON *store_find(struct store *s, const char *kind, const char *id, char **ret_parent);
int64_t store_count(struct store *s, const char *kind, const char *parent);

/* For modules with tables of their own (images.c). Inside a transaction only. */

/** A prepared statement with `n` text parameters bound (NULL: SQL NULL); NULL marks the transaction as failed. Finalised by store_done. */
sqlite3_stmt *store_query(struct store *s, const char *sql, size_t n, const char *const *args);
/** Next row: true; false at the end (or on failure, which marks the transaction). */
bool store_row(struct store *s, sqlite3_stmt *q);
void store_done(sqlite3_stmt *q);
/** Runs a statement without rows. Number of changed rows, -1 on failure. */
int store_exec(struct store *s, const char *sql, size_t n, const char *const *args);

#endif
