/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds where the last block of a raw deflate stream (RFC 1951) begins, by walking its symbols without unpacking. libdeflate
 * writes streams whose last block says that it is the last; to join streams that bit must be found. Pure.
 */
#ifndef OCI_DEFLATE_WALK_H
#define OCI_DEFLATE_WALK_H

#include <stddef.h>
#include <stdint.h>

/**
 * Bit offsets of the last block's header and of the end of the stream, which must fill the n bytes. -1: it is no such stream
 * (distances beyond the beginning are not noticed: the stream is one that was just made).
 */
int deflate_last_block(const void *data, size_t n, uint64_t *ret_last, uint64_t *ret_end);

#endif
