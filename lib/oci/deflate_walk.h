/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds where the last block of a raw deflate stream (RFC 1951) begins, by walking its symbols without unpacking. libdeflate
 * writes streams whose last block says that it is the last; to join streams that bit must be found. Pure.
 */
#ifndef OCI_DEFLATE_WALK_H
#define OCI_DEFLATE_WALK_H

#include <stddef.h>
#include <stdint.h>

struct deflate_stream {
	const void *data;
	size_t n;
	uint64_t last, end; /* found: bit offsets of the last block's header, and of the end of the stream */
};
#define DEFLATE_STREAMS_MAX ((size_t)2)
/**
 * Finds `last` and `end` of up to DEFLATE_STREAMS_MAX streams, which must fill their n bytes; two at a time take little longer than one.
 * -1: one of them is no such stream (distances beyond the beginning are not noticed: the stream is one that was just made).
 */
int deflate_last_blocks(struct deflate_stream *streams, size_t n);

#endif
