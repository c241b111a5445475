/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only lengths of codes matter, so nothing is unpacked. One table has both alphabets; an entry tells how many bits to pass and which half
 * comes next, so that the walk has no branch that depends on the data. Literals, and the code that follows them, are passed by one look-up
 * as far as its bits show them.
 */
#include "deflate_walk.h"

#include <stdbool.h>
#include <string.h>

enum {
	MAX_BITS = 15,
	LITLEN_SYMBOLS = 288,
	DIST_SYMBOLS = 32,
	PRECODE_SYMBOLS = 19,
	END_OF_BLOCK = 256,
	WIDTH = 11, /* bits of a look-up */
	SLOTS = 1 << WIDTH,
	PRE_WIDTH = 7, /* no code of the precode is longer */
};

/* What comes after a look-up. The first two are where their halves of the table begin. */
enum step { STEP_LITLEN = 0, STEP_DIST = SLOTS, STEP_END, STEP_LONG, STEP_BAD };
struct entry {
	uint16_t step;
	uint8_t bits; /* to pass: codes and their extra bits */
	uint8_t seen; /* of them the bits of codes, which the slot shows */
};

struct code {
	uint8_t lengths[LITLEN_SYMBOLS];
	unsigned n;
	uint16_t symbols[LITLEN_SYMBOLS]; /* in the order of their codes */
	uint16_t count[MAX_BITS + 1];     /* of codes of each length     */
	unsigned first_long, n_short;     /* the first code that is longer than a look-up, and how many are before it */
};

/* Small, so that the loop over symbols has it in registers. */
struct bits {
	const uint8_t *next, *end;
	uint64_t hold; /* bits not yet passed */
	unsigned held;
	bool over; /* passed more than there is */
};

struct walker {
	struct bits at;
	unsigned step; /* what is there: a code of one half of the table, or STEP_END and further */
	bool dist;     /* STEP_LONG: of which half */
	bool is_last;  /* the block at hand        */
	const uint8_t *begin;
	uint64_t last, end; /* as in struct deflate_stream */
	struct code lit, dist_code;
	struct entry table[2 * SLOTS];
};

static inline uint64_t word_at(const uint8_t *p)
{
	uint64_t word;
	memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/* At least 57 bits, or all there is. */
static inline void fill(struct bits *b)
{
	if (b->end - b->next >= 8) {
		b->hold |= word_at(b->next) << b->held;
		b->next += (63 - b->held) >> 3;
		b->held |= 56;
		return;
	}
	while (b->held <= 56 && b->next < b->end) {
		b->hold |= (uint64_t)*b->next++ << b->held;
		b->held += 8;
	}
}

static inline void pass(struct bits *b, unsigned bits)
{
	if (bits > b->held) {
		b->over = true;
		b->hold = 0;
		b->held = 0;
		return;
	}
	b->hold >>= bits;
	b->held -= bits;
}

static unsigned take(struct bits *b, unsigned bits)
{
	fill(b);
	unsigned v = (unsigned)(b->hold & ((1u << bits) - 1));
	pass(b, bits);
	return v;
}

static uint64_t bit_position(const struct walker *w)
{
	return (uint64_t)(w->at.next - w->begin) * 8 - w->at.held;
}

static inline unsigned reverse(unsigned v, unsigned bits)
{
	v = (v & 0x5555) << 1 | (v >> 1 & 0x5555);
	v = (v & 0x3333) << 2 | (v >> 2 & 0x3333);
	v = (v & 0x0f0f) << 4 | (v >> 4 & 0x0f0f);
	v = (v & 0x00ff) << 8 | (v >> 8 & 0x00ff);
	return v >> (16 - bits);
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

enum alphabet { LITLEN, DIST, PRECODE };
/* `bits`: length of the code. The symbol of a precode is its step. */
static struct entry entry_of(unsigned symbol, unsigned bits, enum alphabet alphabet)
{
	struct entry e = { STEP_LITLEN, (uint8_t)bits, (uint8_t)bits };
	if (alphabet == PRECODE) {
		e.step = (uint16_t)symbol;
	} else if (alphabet == DIST) {
		e.bits = (uint8_t)(bits + dist_extra(symbol));
	} else if (symbol == END_OF_BLOCK) {
		e.step = STEP_END;
	} else if (symbol > END_OF_BLOCK) {
		e.bits = (uint8_t)(bits + length_extra(symbol));
		e.step = STEP_DIST;
	}
	return e;
}

/* One code a slot; longer codes are told apart later. The table grows with the codes: all that it has is right for another bit of either kind. */
static void build_table(struct code *c, enum alphabet alphabet, struct entry *table, unsigned width)
{
	unsigned value = 0, at = 0, slots = 1;
	table[0] = (struct entry){ .step = STEP_BAD };
	for (unsigned bits = 1; bits <= width; bits++, value <<= 1, slots <<= 1) {
		memcpy(table + slots, table, slots * sizeof(*table));
		for (unsigned i = 0; i < c->count[bits]; i++, value++, at++)
			table[reverse(value, bits)] = entry_of(c->symbols[at], bits, alphabet);
	}
	c->first_long = value;
	c->n_short = at;
	for (unsigned bits = width + 1; bits <= MAX_BITS; bits++, value <<= 1)
		for (unsigned i = 0; i < c->count[bits]; i++, value++)
			table[reverse(value, bits) & (slots - 1)].step = STEP_LONG;
}

/* What a look-up passes that shows a literal of so many bits, and behind it the bits `rest`. */
static struct entry pack(const struct entry *single, unsigned bits, unsigned rest)
{
	struct entry e = { STEP_LITLEN, (uint8_t)bits, (uint8_t)bits };
	while (e.step == STEP_LITLEN) {
		struct entry next = single[rest];
		if (next.step > STEP_END || e.seen + next.seen > WIDTH)
			break;
		rest >>= next.seen;
		e = (struct entry){ next.step, (uint8_t)(e.bits + next.bits), (uint8_t)(e.seen + next.seen) };
	}
	return e;
}

/*
 * Lets one look-up pass the literals that its slot shows, and the code behind them if that is there too. What may be behind a literal is the
 * same for all of its length.
 */
static void pack_literals(const struct code *c, struct entry *table)
{
	struct entry single[SLOTS / 2], behind[SLOTS / 2];
	unsigned value = 0, at = 0;
	memcpy(single, table, sizeof(single));
	for (unsigned bits = 1; bits < WIDTH; bits++, value <<= 1) {
		unsigned n = 1u << (WIDTH - bits);
		for (unsigned k = 0; c->count[bits] && k < n; k++)
			behind[k] = pack(single, bits, k);
		for (unsigned i = 0; i < c->count[bits]; i++, value++, at++) {
			unsigned slot = reverse(value, bits);
			for (unsigned k = 0; c->symbols[at] < END_OF_BLOCK && k < n; k++)
				table[slot + (k << bits)] = behind[k];
		}
	}
}

/* Canonical decoding of a code that is longer than a look-up; -1: no such code. */
static int decode_long(struct bits *b, const struct code *c)
{
	fill(b);
	unsigned value = reverse((unsigned)b->hold & ((1 << MAX_BITS) - 1), MAX_BITS), first = c->first_long, at = c->n_short;
	for (unsigned bits = WIDTH + 1; bits <= MAX_BITS; bits++) {
		unsigned count = c->count[bits], nth = (value >> (MAX_BITS - bits)) - first;
		if (nth < count) {
			pass(b, bits);
			return c->symbols[at + nth];
		}
		at += count;
		first = (first + count) << 1;
	}
	return -1;
}

static int read_lengths(struct bits *b, unsigned total, struct code *pre, uint8_t *lengths)
{
	struct entry table[1 << PRE_WIDTH];
	unsigned i = 0;
	build_table(pre, PRECODE, table, PRE_WIDTH);
	while (i < total) {
		fill(b);
		struct entry e = table[b->hold & ((1 << PRE_WIDTH) - 1)];
		unsigned symbol = e.step, repeat, value = 0;
		pass(b, e.bits);
		if (symbol >= PRECODE_SYMBOLS || b->over)
			return -1;
		if (symbol < 16) {
			lengths[i++] = (uint8_t)symbol;
			continue;
		}
		if (symbol == 16) {
			if (!i)
				return -1;
			value = lengths[i - 1];
			repeat = 3 + take(b, 2);
		} else if (symbol == 17) {
			repeat = 3 + take(b, 3);
		} else {
			repeat = 11 + take(b, 7);
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
	unsigned n_lit = take(&w->at, 5) + 257, n_dist = take(&w->at, 5) + 1, n_pre = take(&w->at, 4) + 4;
	struct code pre = { .n = PRECODE_SYMBOLS };
	uint8_t lengths[LITLEN_SYMBOLS + DIST_SYMBOLS];
	for (unsigned i = 0; i < n_pre; i++)
		pre.lengths[order[i]] = (uint8_t)take(&w->at, 3);
	prepare(&pre);
	if (n_lit > LITLEN_SYMBOLS || read_lengths(&w->at, n_lit + n_dist, &pre, lengths) < 0)
		return -1;
	w->lit.n = n_lit;
	memcpy(w->lit.lengths, lengths, n_lit);
	w->dist_code.n = n_dist;
	memcpy(w->dist_code.lengths, lengths + n_lit, n_dist);
	return 0;
}

static void set_fixed(struct walker *w)
{
	w->lit.n = LITLEN_SYMBOLS;
	memset(w->lit.lengths, 8, 144);
	memset(w->lit.lengths + 144, 9, 112);
	memset(w->lit.lengths + 256, 7, 24);
	memset(w->lit.lengths + 280, 8, 8);
	w->dist_code.n = DIST_SYMBOLS;
	memset(w->dist_code.lengths, 5, DIST_SYMBOLS);
}

static void prepare_tables(struct walker *w)
{
	prepare(&w->lit);
	prepare(&w->dist_code);
	build_table(&w->dist_code, DIST, w->table + STEP_DIST, WIDTH);
	build_table(&w->lit, LITLEN, w->table + STEP_LITLEN, WIDTH);
	pack_literals(&w->lit, w->table + STEP_LITLEN);
}

static int pass_stored(struct walker *w)
{
	pass(&w->at, w->at.held & 7);
	unsigned length = take(&w->at, 16), check = take(&w->at, 16);
	if (w->at.over || (length ^ check) != 0xffff)
		return -1;
	const uint8_t *from = w->at.next - w->at.held / 8;
	if ((size_t)(w->at.end - from) < length)
		return -1;
	w->at.next = from + length;
	w->at.hold = 0;
	w->at.held = 0;
	return 0;
}

/* Reads the header of a block; what follows are its symbols, or the next block. */
static int open_block(struct walker *w)
{
	w->last = bit_position(w);
	w->is_last = take(&w->at, 1);
	unsigned type = take(&w->at, 2);
	w->step = STEP_LITLEN;
	if (w->at.over || type == 3)
		return -1;
	if (type == 0) {
		w->step = STEP_END;
		return pass_stored(w);
	}
	if (type == 1)
		set_fixed(w);
	else if (read_dynamic(w) < 0)
		return -1;
	prepare_tables(w);
	return 0;
}

/* The code at hand is longer than a look-up. */
static void pass_long(struct walker *w)
{
	fill(&w->at);
	int symbol = decode_long(&w->at, w->dist ? &w->dist_code : &w->lit);
	struct entry e = { .step = STEP_BAD };
	if (symbol >= 0)
		e = entry_of((unsigned)symbol, 0, w->dist ? DIST : LITLEN);
	fill(&w->at);
	pass(&w->at, e.bits);
	w->step = e.step;
}

/* One look-up, in what has the bits for it. A code that is too long for it stays. */
static inline unsigned look_up(const struct walker *w, struct bits *b, unsigned step, unsigned *half)
{
	struct entry e = w->table[step + (b->hold & (SLOTS - 1))];
	*half = step;
	b->hold >>= e.bits;
	b->held -= e.bits;
	return e.step;
}

/* Passes symbols of one block, near the end of the stream too. */
static void walk_one(struct walker *w)
{
	struct bits b = w->at;
	unsigned step = w->step, half = step;
	while (step <= STEP_DIST && !b.over) {
		fill(&b);
		half = step;
		struct entry e = w->table[step + (b.hold & (SLOTS - 1))];
		pass(&b, e.bits);
		step = e.step;
	}
	w->at = b;
	w->step = step;
	w->dist = half == STEP_DIST;
}

static bool roomy(const struct bits *b)
{
	return b->end - b->next >= 8;
}

/* Passes symbols of two streams in turns: each look-up waits for the one before it, but not for those of the other stream. */
static void walk_two(struct walker *v, struct walker *w)
{
	struct bits a = v->at, b = w->at;
	unsigned s = v->step, t = w->step, s_half = s, t_half = t;
	while (s <= STEP_DIST && t <= STEP_DIST && roomy(&a) && roomy(&b)) {
		fill(&a);
		fill(&b);
		s = look_up(v, &a, s, &s_half);
		t = look_up(w, &b, t, &t_half);
		if (s > STEP_DIST || t > STEP_DIST)
			break; /* else there are bits for a second one: one half takes 16 at most, the other 24 */
		s = look_up(v, &a, s, &s_half);
		t = look_up(w, &b, t, &t_half);
	}
	v->at = a;
	v->step = s;
	v->dist = s_half == STEP_DIST;
	w->at = b;
	w->step = t;
	w->dist = t_half == STEP_DIST;
}

/* Goes on to where symbols stand that look-ups pass. 0: there are none, the stream is at its end. -1: it is none. */
static int settle(struct walker *w)
{
	for (;;) {
		if (w->at.over || w->step == STEP_BAD)
			return -1;
		if (w->step <= STEP_DIST && roomy(&w->at))
			return 1;
		if (w->step <= STEP_DIST) {
			walk_one(w);
		} else if (w->step == STEP_LONG) {
			pass_long(w);
		} else if (!w->is_last) {
			if (open_block(w) < 0)
				return -1;
		} else {
			w->end = bit_position(w);
			return (w->end + 7) / 8 == (uint64_t)(w->at.end - w->begin) ? 0 : -1;
		}
	}
}

int deflate_last_blocks(struct deflate_stream *streams, size_t n)
{
	struct walker w[DEFLATE_STREAMS_MAX];
	int rc[DEFLATE_STREAMS_MAX] = { 0 };
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = streams[i].data;
		w[i].at = (struct bits){ .next = p, .end = p + streams[i].n };
		w[i].begin = p;
		w[i].step = STEP_END;
		w[i].is_last = false;
	}
	for (;;) {
		for (size_t i = 0; i < n; i++)
			rc[i] = settle(&w[i]);
		if (rc[0] < 0 || rc[1] < 0)
			return -1;
		if (rc[0] && rc[1])
			walk_two(&w[0], &w[1]);
		else if (rc[0] || rc[1])
			walk_one(rc[0] ? &w[0] : &w[1]);
		else
			break;
	}
	for (size_t i = 0; i < n; i++) {
		streams[i].last = w[i].last;
		streams[i].end = w[i].end;
	}
	return 0;
}
