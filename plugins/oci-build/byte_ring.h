/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes from one thread to another through memory of a fixed size. Either end may leave at any time; the other one is told. */
#ifndef BYTE_RING_H
#define BYTE_RING_H

#include <stdbool.h>
#include <stddef.h>

struct byte_ring;
struct byte_ring *byte_ring_new(void);
/** When both threads are done with it. NULL is fine. */
void byte_ring_free(struct byte_ring *r);

/* ---- the writing thread ---- */

/** Waits for room. False: nobody reads any more. */
bool byte_ring_write(struct byte_ring *r, const void *data, size_t n);
/** No more will come. */
void byte_ring_end(struct byte_ring *r);

/* ---- the reading thread ---- */

/** The next piece, valid until the next call; its size, 0 at the end. */
size_t byte_ring_next(struct byte_ring *r, const void **ret);
/** Wants no more. */
void byte_ring_leave(struct byte_ring *r);

#endif
