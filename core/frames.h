/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What crosses between the host and a stage worker: frames of one kind byte, a
 * 32-bit little-endian length and the payload. A frame holds JSON, or raw bytes
 * that a stage printed. Nothing in a frame is a pointer or a descriptor, so that
 * the pipe may lead to another machine.
 */
#ifndef CORE_FRAMES_H
#define CORE_FRAMES_H

#include "base/json.h"

#include <stdint.h>
#include <sys/types.h>

enum frame_kind {
	FRAME_JSON = 'J',   /* an object with a member "type" */
	FRAME_OUTPUT = 'O', /* bytes of stdout and stderr     */
};

enum {
	FRAME_HEAD = 5,
	FRAME_SPEC_MAX = 64 << 20, /* host to worker */
	FRAME_EVENT_MAX = 8 << 20, /* worker to host */
};

/** Writes a whole frame; blocks. 0, or -1 with errno. */
int frame_write(int fd, enum frame_kind kind, const void *data, size_t n);
int frame_write_json(int fd, const cJSON *j);

struct frame {
	enum frame_kind kind;
	const char *data; /* borrowed until the next call with the reader */
	size_t n;
};

struct frame_reader {
	struct rn_buf buf;
	size_t at;     /* begin of what is not yet handed out */
	size_t max;    /* ceiling of one payload              */
};

void frame_reader_init(struct frame_reader *r, size_t max);
void frame_reader_clear(struct frame_reader *r);
/** One read(2) from `fd` into the reader: bytes read, 0 at the end, -1 with errno. */
ssize_t frame_reader_fill(struct frame_reader *r, int fd);
/** Adds bytes that came another way. */
void frame_reader_feed(struct frame_reader *r, const void *data, size_t n);
/** The next whole frame: 1, 0 when more bytes are needed, -1 for a frame over the ceiling or of no known kind. */
int frame_reader_next(struct frame_reader *r, struct frame *ret, struct rn_error *err);
/** True when a frame has begun and is not complete. */
bool frame_reader_pending(const struct frame_reader *r);

#endif
