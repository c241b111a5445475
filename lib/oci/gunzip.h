/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of gzip files (RFC 1952), inflated as their bytes come, by one of two libraries: zlib, which is everywhere, and
 * ISA-L, which takes less than half the time and is there on x86-64 alone (mk/flags.mk says why). What one takes, the other takes
 * with the same result, but for blocks whose sets of codes are not used up: zlib refuses those, ISA-L only when such a code is met.
 */
#ifndef OCI_GUNZIP_H
#define OCI_GUNZIP_H

#include <stdint.h>

/** What goes in and where it comes out; a step moves the pointers on and takes what it used off the counts. */
struct gunzip_io {
	unsigned char *in, *out; /* `in` is only read                */
	uint32_t n_in, n_out;	 /* bytes there, bytes of room there */
	const char *why;	 /* the damage, when there is some   */
};

struct gunzip {
	/** A state before the first byte of a member; never NULL. */
	void *(*new)(void);
	/** NULL is fine. */
	void (*free)(void *state);
	/** Before the first byte of the next member. */
	void (*reset)(void *state);
	/**
	 * As far as input and room go; nothing is taken behind the member's end. 1 at that end, with all that came out given and
	 * verified; 0 before it, with no input or no room left; -1 and io->why: damaged, then and ever after. Without input there may
	 * still be something to give.
	 */
	int (*step)(void *state, struct gunzip_io *io);
};

extern const struct gunzip gunzip_zlib;
/** NULL: not on this machine, or its library is not installed. Any thread. */
const struct gunzip *gunzip_isal(void);

#endif
