/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes from a stage worker -> frames, fed in two pieces. */
#include "core/frames.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_reader r;
	struct frame f;
	struct rn_error err = { 0 };
	frame_reader_init(&r, 65536);
	for (int half = 0; half < 2; half++) {
		size_t from = half ? size / 2 : 0, to = half ? size : size / 2;
		frame_reader_feed(&r, data + from, to - from);
		while (frame_reader_next(&r, &f, &err) == 1)
			;
	}
	frame_reader_clear(&r);
	return 0;
}
