/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over its corpus and over mutations of it, without a fuzzer: what `make check`
 * does. The mutations come from a fixed seed, so a failure repeats; the input at fault is left in FILE.crash.
 */
#include "base/fs.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUTATIONS 400
#define INPUT_MAX ((size_t)1 << 20)

static uint64_t next_random(uint64_t *state) /* xorshift64 */
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* One to four small changes: a byte, a removed or doubled piece, a piece of the text elsewhere. */
static void mutate(struct rn_buf *b, uint64_t *seed)
{
	for (uint64_t n = next_random(seed) % 4 + 1; n && b->len; n--) {
		size_t at = next_random(seed) % b->len;
		size_t len = next_random(seed) % 16 + 1;
		len = len > b->len - at ? b->len - at : len;
		switch (next_random(seed) % 4) {
		case 0:
			b->p[at] = (char)next_random(seed);
			break;
		case 1:
			memmove(b->p + at, b->p + at + len, b->len - at - len);
			b->len -= len;
			break;
		case 2: {
			RN_AUTO(rn_freep) char *piece = rn_memdup(b->p + at, len);
			rn_buf_add(b, piece, len);
			break;
		}
		default:
			memmove(b->p + next_random(seed) % (b->len - len + 1), b->p + at, len);
			break;
		}
	}
}

/* The input is written before it is tried, so that a crash leaves it behind. */
static void try_input(const struct rn_buf *b, const char *crash)
{
	FILE *f = fopen(crash, "we");
	if (f) {
		fwrite(rn_buf_str(b), 1, b->len, f);
		fclose(f);
	}
	/* an exact copy on the heap, so that a sanitizer sees a read behind its end */
	RN_AUTO(rn_freep) uint8_t *copy = rn_memdup(rn_buf_str(b), b->len);
	LLVMFuzzerTestOneInput(copy, b->len);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s CORPUS CRASHFILE\n", argv[0]);
		return 2;
	}
	struct rn_error err = { 0 };
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (rn_list_dir(argv[1], &names, &err) < 0 || !names.n) {
		fprintf(stderr, "%s\n", err.msg[0] ? err.msg : "the corpus is empty");
		return 1;
	}
	size_t runs = 0;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *path = rn_path_join(argv[1], names.v[i]);
		RN_AUTO(rn_buf_clear) struct rn_buf input = RN_BUF_INIT;
		if (rn_read_file(path, INPUT_MAX, &input, &err) < 0) {
			fprintf(stderr, "%s\n", err.msg);
			return 1;
		}
		try_input(&input, argv[2]);
		uint64_t seed = 0x9e3779b97f4a7c15u + i;
		for (int k = 0; k < MUTATIONS; k++, runs++) {
			RN_AUTO(rn_buf_clear) struct rn_buf changed = RN_BUF_INIT;
			rn_buf_add(&changed, rn_buf_str(&input), input.len);
			mutate(&changed, &seed);
			try_input(&changed, argv[2]);
		}
	}
	remove(argv[2]);
	printf("%zu inputs and %zu mutations\n", names.n, runs);
	return 0;
}
