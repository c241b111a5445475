/* SPDX-License-Identifier: Apache-2.0 */
#include "map.h"

#include <stdlib.h>
#include <string.h>

void rn_map_init(struct rn_map *m, void (*free_value)(void *))
{
	*m = (struct rn_map){ .free_value = free_value };
}

static void drop(struct rn_map *m, struct rn_map_item *it)
{
	if (m->free_value)
		m->free_value(it->value);
	free(it->key);
	it->key = NULL;
	it->value = NULL;
}

void rn_map_clear(struct rn_map *m)
{
	RN_MAP_EACH(m, it)
		drop(m, it);
	free(m->items);
	free(m->slots);
	*m = (struct rn_map){ .free_value = m->free_value };
}

static uint64_t hash(const char *s) /* FNV-1a */
{
	uint64_t h = 0xcbf29ce484222325u;
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u;
	return h ^ h >> 32;
}

/* Slot of the key, or the empty slot where it would go. Removed items keep their slot. */
static size_t find(const struct rn_map *m, const char *key)
{
	size_t i = hash(key) & (m->slot_count - 1);
	for (; m->slots[i]; i = (i + 1) & (m->slot_count - 1)) {
		const struct rn_map_item *it = &m->items[m->slots[i] - 1];
		if (it->key && strcmp(it->key, key) == 0)
			break;
	}
	return i;
}

static void rehash(struct rn_map *m)
{
	size_t kept = 0, want = 16;
	for (size_t i = 0; i < m->n; i++)
		if (m->items[i].key)
			m->items[kept++] = m->items[i];
	m->n = kept;
	while (want < kept * 3)
		want *= 2;
	free(m->slots);
	m->slots = rn_alloc(want * sizeof(*m->slots));
	m->slot_count = want;
	for (size_t i = 0; i < m->n; i++)
		m->slots[find(m, m->items[i].key)] = (uint32_t)i + 1;
}

void rn_map_set(struct rn_map *m, const char *key, void *value)
{
	if (m->slot_count < (m->n + 1) * 2)
		rehash(m);
	size_t i = find(m, key);
	if (m->slots[i]) {
		struct rn_map_item *it = &m->items[m->slots[i] - 1];
		if (m->free_value && it->value != value)
			m->free_value(it->value);
		it->value = value;
		return;
	}
	m->items = rn_grow(m->items, &m->cap, m->n + 1, sizeof(*m->items));
	m->items[m->n++] = (struct rn_map_item){ rn_strdup(key), value };
	m->slots[i] = (uint32_t)m->n;
	m->live++;
}

static struct rn_map_item *lookup(const struct rn_map *m, const char *key)
{
	if (!m->slot_count)
		return NULL;
	size_t i = find(m, key);
	return m->slots[i] ? &m->items[m->slots[i] - 1] : NULL;
}

void *rn_map_get(const struct rn_map *m, const char *key)
{
	struct rn_map_item *it = lookup(m, key);
	return it ? it->value : NULL;
}

bool rn_map_has(const struct rn_map *m, const char *key)
{
	return lookup(m, key) != NULL;
}

bool rn_map_remove(struct rn_map *m, const char *key)
{
	struct rn_map_item *it = lookup(m, key);
	if (!it)
		return false;
	drop(m, it);
	m->live--;
	return true;
}
