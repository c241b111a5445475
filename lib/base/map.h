/* SPDX-License-Identifier: Apache-2.0 */
/* A hash map from owned string keys to pointers, iterated in insertion order. */
#ifndef RN_MAP_H
#define RN_MAP_H

#include "mem.h"

#include <stdbool.h>
#include <stdint.h>

struct rn_map_item {
	char *key;
	void *value;
};

struct rn_map {
	struct rn_map_item *items; /* insertion order; removed ones have key NULL */
	size_t n;                  /* items in use, removed ones included         */
	size_t cap;
	uint32_t *slots;           /* index + 1 into items; 0: empty              */
	size_t slot_count;
	size_t live;               /* number of keys                              */
	void (*free_value)(void *); /* called for replaced and removed values; may be NULL */
};

/** A zeroed struct is an empty map that does not own its values. */
void rn_map_init(struct rn_map *m, void (*free_value)(void *));
void rn_map_clear(struct rn_map *m);
/** Sets (copies the key). An old value is freed. */
void rn_map_set(struct rn_map *m, const char *key, void *value);
void *rn_map_get(const struct rn_map *m, const char *key);
bool rn_map_has(const struct rn_map *m, const char *key);
/** True when the key was there. */
bool rn_map_remove(struct rn_map *m, const char *key);

#define RN_MAP_EACH(m, it)                                                                    \
	for (struct rn_map_item *it = (m)->items; it && it < (m)->items + (m)->n; it++)       \
		if (it->key)

#endif
