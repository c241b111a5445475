/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ISA-L inflates a member's data and checks what stands behind them. The header before them is read here: ISA-L takes it
 * only in one piece, and looks at neither its reserved flags nor (without being asked) its checksum.
 */
#include "gunzip.h"

#include "base/library.h"
#include "base/mem.h"

#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <zlib.h>

#ifndef LIBISAL_SONAME
#define LIBISAL_SONAME "libisal.so.2"
#endif

static struct {
	__typeof__(isal_inflate_init) *init;
	__typeof__(isal_inflate) *inflate;
} lib;
static const char *const names[] = { "isal_inflate_init", "isal_inflate" };
static struct rn_library libisal = RN_LIBRARY(LIBISAL_SONAME, names, &lib, NULL);

/* The parts of a member, in their order (RFC 1952, 2.3). */
enum part {
	FIXED,
	EXTRA_SIZE,
	EXTRA,
	NAME,
	COMMENT,
	HEADER_CRC,
	DATA, /* and the checksum and size behind them */
};

/* The bit of FLG that says that a part is there. */
static const unsigned char flag_of[] = { [EXTRA_SIZE] = 4, [EXTRA] = 4, [NAME] = 8, [COMMENT] = 16, [HEADER_CRC] = 2 };
#define RESERVED_FLAGS 0xe0u

struct state {
	enum part part;
	unsigned flags, extra; /* FLG, and the size of the extra field      */
	unsigned at;	       /* bytes that were taken of the present part */
	uint32_t crc;	       /* of the header                             */
	const char *why;       /* it is damaged                             */
	struct inflate_state z;
};

/* ---- the header --------------------------------------------------------------------------- */

static void next_part(struct state *s)
{
	s->at = 0;
	do
		s->part++;
	while (s->part != DATA && (!(s->flags & flag_of[s->part]) || (s->part == EXTRA && !s->extra)));
}

/* A byte of the ten that are always there: what is wrong with it, or NULL. */
static const char *fixed_byte(struct state *s, unsigned char c)
{
	static const unsigned char begin[] = { 0x1f, 0x8b, Z_DEFLATED };
	if (s->at < sizeof(begin) && c != begin[s->at])
		return s->at == 2 ? "unknown compression method" : "incorrect header check";
	if (s->at != 3)
		return NULL;
	s->flags = c;
	return c & RESERVED_FLAGS ? "unknown header flags set" : NULL;
}

static const char *header_byte(struct state *s, unsigned char c)
{
	const char *why = NULL;
	bool last = false;
	if (s->part != HEADER_CRC)
		s->crc = (uint32_t)crc32(s->crc, &c, 1);
	switch (s->part) {
	case FIXED:
		why = fixed_byte(s, c);
		last = s->at == 9;
		break;
	case EXTRA_SIZE:
		s->extra |= (unsigned)c << 8 * s->at;
		last = s->at == 1;
		break;
	case EXTRA:
		last = s->at + 1 == s->extra;
		break;
	case NAME:
	case COMMENT:
		last = c == 0;
		break;
	case HEADER_CRC:
		why = c == (s->crc >> 8 * s->at & 0xff) ? NULL : "header crc mismatch";
		last = s->at == 1;
		break;
	case DATA:
		break;
	}
	s->at++;
	if (last)
		next_part(s);
	return why;
}

/* ---- the data ----------------------------------------------------------------------------- */

static const char *damage(int rc)
{
	switch (rc) {
	case ISAL_INVALID_BLOCK: return "invalid block";
	case ISAL_INVALID_SYMBOL: return "invalid code";
	case ISAL_INVALID_LOOKBACK: return "invalid distance too far back";
	case ISAL_INCORRECT_CHECKSUM: return "incorrect data or length check";
	default: return "data error";
	}
}

static const char *data_step(struct state *s, struct gunzip_io *io)
{
	struct inflate_state *z = &s->z;
	z->next_in = io->in;
	z->avail_in = io->n_in;
	z->next_out = io->out;
	z->avail_out = io->n_out;
	int rc = lib.inflate(z);
	if (rc != ISAL_DECOMP_OK) /* and its counts are anything */
		return damage(rc);
	io->in = z->next_in;
	io->n_in = z->avail_in;
	io->out = z->next_out;
	io->n_out = z->avail_out;
	return NULL;
}

static int isal_step(void *state, struct gunzip_io *io)
{
	struct state *s = state;
	while (!s->why && s->part != DATA && io->n_in) {
		s->why = header_byte(s, *io->in++);
		io->n_in--;
	}
	if (!s->why && s->part == DATA)
		s->why = data_step(s, io);
	io->why = s->why;
	return s->why ? -1 : s->z.block_state == ISAL_BLOCK_FINISH;
}

static void isal_reset(void *state)
{
	struct state *s = state;
	s->part = FIXED;
	s->flags = s->extra = s->at = 0;
	s->crc = 0;
	s->why = NULL;
	lib.init(&s->z);
	s->z.crc_flag = ISAL_GZIP_NO_HDR_VER;
}

static void *isal_new(void)
{
	struct state *s = rn_alloc(sizeof(*s));
	isal_reset(s);
	return s;
}

const struct gunzip *gunzip_isal(void)
{
	static const struct gunzip isal = { isal_new, free, isal_reset, isal_step };
	return rn_library_need(&libisal, NULL) == 0 ? &isal : NULL;
}
