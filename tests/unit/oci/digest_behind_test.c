/* SPDX-License-Identifier: Apache-2.0 */
/* A hash that a thread computes is that of the same bytes computed at once. */
#include "oci/digest_behind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define BLOCKS (DIGEST_BEHIND_DEPTH + 1)

/* Blocks are used again as early as they may be. */
static void pieces_in_turns(void **state)
{
	(void)state;
	static unsigned char blocks[BLOCKS][5000];
	for (size_t pieces = 0; pieces < 200; pieces++) {
		struct digest_behind *h = digest_behind_new();
		struct digester *plain = digester_new(NULL);
		for (size_t i = 0; i < pieces; i++) {
			unsigned char *block = blocks[i % BLOCKS];
			size_t n = (i * 977 + pieces) % sizeof(blocks[0]);
			memset(block, (int)(i + pieces), n);
			digest_behind_update(h, block, n);
			digester_update(plain, block, n);
		}
		struct digest have = digest_behind_peek(h), want = digester_peek(plain);
		assert_string_equal(have.text, want.text);
		/* and it goes on */
		digest_behind_update(h, "more", 4);
		digester_update(plain, "more", 4);
		have = digest_behind_peek(h);
		want = digester_peek(plain);
		assert_string_equal(have.text, want.text);
		digest_behind_free(h);
		digester_free(plain);
	}
	digest_behind_free(NULL);
}

/* Freed with pieces to go. */
static void given_up(void **state)
{
	(void)state;
	static unsigned char block[100000];
	for (int i = 0; i < 50; i++) {
		struct digest_behind *h = digest_behind_new();
		for (int k = 0; k < i % 5; k++)
			digest_behind_update(h, block, sizeof(block));
		digest_behind_free(h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_in_turns),
		cmocka_unit_test(given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
