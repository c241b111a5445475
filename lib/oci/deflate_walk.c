/* SPDX-License-Identifier: Apache-2.0 */
/* Only lengths of codes matter, so nothing is unpacked: two literals are passed by one look-up, a match by two. */
#include "deflate_walk.h"

#include <stdbool.h>
#include <string.h>

enum {
	MAX_BITS = 15,
	LITLEN_SYMBOLS = 288,
	DIST_SYMBOLS = 32,
	PRECODE_SYMBOLS = 19,
	END_OF_BLOCK = 256,
	LIT_BITS = 10,  /* look-up width of literals and lengths    */
	DIST_BITS = 8, /* of distances                             */
	PRE_BITS = 7,
};

/* What a look-up says: how many bits to pass, and what comes then. */
enum step { STEP_BAD = 0, STEP_LITERALS, STEP_LENGTH, STEP_END, STEP_LONG };
struct entry {
	uint8_t bits;  /* of the code (all codes of a run of literals), extra bits included */
	uint8_t step;
};

struct code {
	uint8_t lengths[LITLEN_SYMBOLS];
	unsigned n;
	/* canonical decoding of long codes */
	uint16_t count[MAX_BITS + 1];
	uint16_t symbols[LITLEN_SYMBOLS];
};

struct walker {
	const uint8_t *in;
	size_t n;
	size_t next;     /* byte that is loaded next  */
	uint64_t hold;   /* bits not yet passed       */
	unsigned held;
	bool over;       /* passed more than there is */
	struct code lit, dist;
	struct entry lit_table[1 << LIT_BITS];
	struct entry dist_table[1 << DIST_BITS];
};

static inline void fill(struct walker *w)
{
	if (w->n - w->next >= 8) {
		uint64_t word;
		memcpy(&word, w->in + w->next, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		word = __builtin_bswap64(word);
#endif
		w->hold |= word << w->held;
		unsigned bytes = (63 - w->held) >> 3;
		w->next += bytes;
		w->held += bytes * 8;
		return;
	}
	while (w->held <= 56 && w->next < w->n) {
		w->hold |= (uint64_t)w->in[w->next++] << w->held;
		w->held += 8;
	}
}

static inline void pass(struct walker *w, unsigned bits)
{
	if (bits > w->held) {
		w->over = true;
		w->hold = 0;
		w->held = 0;
		return;
	}
	w->hold >>= bits;
	w->held -= bits;
}

static unsigned take(struct walker *w, unsigned bits)
{
	fill(w);
	unsigned v = (unsigned)(w->hold & ((1u << bits) - 1));
	pass(w, bits);
	return v;
}

static uint64_t bit_position(const struct walker *w)
{
	return (uint64_t)w->next * 8 - w->held;
}

static unsigned reverse(unsigned v, unsigned bits)
{
	unsigned r = 0;
	for (; bits; bits--, v >>= 1)
		r = r << 1 | (v & 1);
	return r;
}

static void prepare(struct code *c)
{
	uint16_t at[MAX_BITS + 2] = { 0 };
	memset(c->count, 0, sizeof(c->count));
	for (unsigned i = 0; i < c->n; i++)
		c->count[c->lengths[i]]++;
	c->count[0] = 0;
	for (unsigned b = 1; b <= MAX_BITS; b++)
		at[b + 1] = (uint16_t)(at[b] + c->count[b]);
	for (unsigned i = 0; i < c->n; i++)
		if (c->lengths[i])
			c->symbols[at[c->lengths[i]]++] = (uint16_t)i;
}

static unsigned length_extra(unsigned symbol)
{
	if (symbol < 265 || symbol == 285)
		return 0;
	return (symbol - 261) >> 2;
}

static unsigned dist_extra(unsigned symbol)
{
	return symbol < 4 ? 0 : (symbol - 2) >> 1;
}

static struct entry entry_of(unsigned symbol, unsigned bits, bool dist)
{
	if (dist)
		return (struct entry){ (uint8_t)(bits + dist_extra(symbol)), STEP_LENGTH };
	if (symbol < END_OF_BLOCK)
		return (struct entry){ (uint8_t)bits, STEP_LITERALS };
	if (symbol == END_OF_BLOCK)
		return (struct entry){ (uint8_t)bits, STEP_END };
	return (struct entry){ (uint8_t)(bits + length_extra(symbol)), STEP_LENGTH };
}

/* One code a slot; codes longer than the table are decoded bit by bit. */
static void build_table(const struct code *c, struct entry *table, unsigned width, bool dist)
{
	memset(table, 0, sizeof(*table) << width);
	unsigned value = 0, at = 0;
	for (unsigned bits = 1; bits <= MAX_BITS; bits++, value <<= 1) {
		for (unsigned i = 0; i < c->count[bits]; i++, value++, at++) {
			unsigned slot = reverse(value, bits);
			if (bits > width) {
				table[slot & ((1u << width) - 1)].step = STEP_LONG;
				continue;
			}
			struct entry e = entry_of(c->symbols[at], bits, dist);
			for (; slot < 1u << width; slot += 1u << bits)
				table[slot] = e;
		}
	}
}

/* Lets one look-up pass two literals where its slot shows both. */
static void pack_literals(struct entry *table)
{
	/* a slot reads slot >> bits, which is smaller (or slot 0 itself): going down, that one is still single */
	for (unsigned slot = (1u << LIT_BITS) - 1; slot > 0; slot--) {
		struct entry e = table[slot];
		if (e.step != STEP_LITERALS)
			continue;
		struct entry second = table[slot >> e.bits];
		if (second.step == STEP_LITERALS && e.bits + second.bits <= LIT_BITS)
			table[slot].bits = (uint8_t)(e.bits + second.bits);
	}
}

/* Canonical decoding, a bit at a time; -1: no such code. */
static int decode_slowly(struct walker *w, const struct code *c)
{
	unsigned value = 0, first = 0, index = 0;
	fill(w);
	for (unsigned bits = 1; bits <= MAX_BITS; bits++) {
		value |= (unsigned)(w->hold >> (bits - 1)) & 1;
		unsigned count = c->count[bits];
		if (value - first < count) {
			pass(w, bits);
			return c->symbols[index + (value - first)];
		}
		index += count;
		first = (first + count) << 1;
		value <<= 1;
	}
	return -1;
}

static int read_lengths(struct walker *w, unsigned total, const struct code *pre, uint8_t *lengths)
{
	unsigned i = 0;
	while (i < total) {
		int symbol = decode_slowly(w, pre);
		unsigned repeat, value = 0;
		if (symbol < 0 || w->over)
			return -1;
		if (symbol < 16) {
			lengths[i++] = (uint8_t)symbol;
			continue;
		}
		if (symbol == 16) {
			if (!i)
				return -1;
			value = lengths[i - 1];
			repeat = 3 + take(w, 2);
		} else if (symbol == 17) {
			repeat = 3 + take(w, 3);
		} else {
			repeat = 11 + take(w, 7);
		}
		if (i + repeat > total)
			return -1;
		memset(lengths + i, (int)value, repeat);
		i += repeat;
	}
	return 0;
}

static int read_dynamic(struct walker *w)
{
	static const uint8_t order[PRECODE_SYMBOLS] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
							11, 4,  12, 3, 13, 2, 14, 1, 15 };
	unsigned n_lit = take(w, 5) + 257, n_dist = take(w, 5) + 1, n_pre = take(w, 4) + 4;
	struct code pre = { .n = PRECODE_SYMBOLS };
	uint8_t lengths[LITLEN_SYMBOLS + DIST_SYMBOLS];
	for (unsigned i = 0; i < n_pre; i++)
		pre.lengths[order[i]] = (uint8_t)take(w, 3);
	prepare(&pre);
	if (n_lit > LITLEN_SYMBOLS || read_lengths(w, n_lit + n_dist, &pre, lengths) < 0)
		return -1;
	w->lit.n = n_lit;
	memcpy(w->lit.lengths, lengths, n_lit);
	w->dist.n = n_dist;
	memcpy(w->dist.lengths, lengths + n_lit, n_dist);
	return 0;
}

static void set_fixed(struct walker *w)
{
	w->lit.n = LITLEN_SYMBOLS;
	memset(w->lit.lengths, 8, 144);
	memset(w->lit.lengths + 144, 9, 112);
	memset(w->lit.lengths + 256, 7, 24);
	memset(w->lit.lengths + 280, 8, 8);
	w->dist.n = DIST_SYMBOLS;
	memset(w->dist.lengths, 5, DIST_SYMBOLS);
}

static struct entry look_up(struct walker *w, const struct entry *table, unsigned width,
			    const struct code *c, bool dist)
{
	struct entry e = table[w->hold & ((1u << width) - 1)];
	if (e.step != STEP_LONG)
		return e;
	int symbol = decode_slowly(w, c);
	if (symbol < 0)
		return (struct entry){ 0, STEP_BAD };
	return entry_of((unsigned)symbol, 0, dist); /* its code is passed already */
}

/* Passes the symbols of one block up to its end. */
static int walk_symbols(struct walker *w)
{
	prepare(&w->lit);
	prepare(&w->dist);
	build_table(&w->lit, w->lit_table, LIT_BITS, false);
	pack_literals(w->lit_table);
	build_table(&w->dist, w->dist_table, DIST_BITS, true);
	for (;;) {
		fill(w); /* at least 57 bits, or all there is: a length and its distance have 48 at most */
		struct entry e = look_up(w, w->lit_table, LIT_BITS, &w->lit, false);
		pass(w, e.bits);
		if (e.step == STEP_LITERALS && !w->over)
			continue;
		if (e.step == STEP_BAD || w->over)
			return -1;
		if (e.step == STEP_END)
			return 0;
		e = look_up(w, w->dist_table, DIST_BITS, &w->dist, true);
		if (e.step == STEP_BAD)
			return -1;
		fill(w);
		pass(w, e.bits);
	}
}

static int walk_stored(struct walker *w)
{
	pass(w, w->held & 7);
	unsigned length = take(w, 16), check = take(w, 16);
	if (w->over || (length ^ check) != 0xffff)
		return -1;
	size_t at = (size_t)(bit_position(w) / 8);
	if (w->n - at < length)
		return -1;
	w->next = at + length;
	w->hold = 0;
	w->held = 0;
	return 0;
}

static int walk_block(struct walker *w, unsigned type)
{
	if (type == 0)
		return walk_stored(w);
	if (type == 3)
		return -1;
	if (type == 1)
		set_fixed(w);
	else if (read_dynamic(w) < 0)
		return -1;
	return walk_symbols(w);
}

int deflate_last_block(const void *data, size_t n, uint64_t *ret_last, uint64_t *ret_end)
{
	struct walker w = { .in = data, .n = n };
	uint64_t last = 0;
	for (bool more = true; more;) {
		last = bit_position(&w);
		more = !take(&w, 1);
		unsigned type = take(&w, 2);
		if (w.over || walk_block(&w, type) < 0)
			return -1;
	}
	if (w.over || (bit_position(&w) + 7) / 8 != n)
		return -1;
	*ret_last = last;
	*ret_end = bit_position(&w);
	return 0;
}
