/* SPDX-License-Identifier: Apache-2.0 */
/* A message of an event stream, byte by byte. */
#include "localcloud/lambda_internal.h"

#include "base/encode.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What botocore.eventstream reads without complaint: lengths and both checksums are right. */
static void a_message_has_lengths_headers_and_checksums(void **state)
{
	(void)state;
	static const unsigned char expected[] = {
		0x00, 0x00, 0x00, 0x4a, 0x00, 0x00, 0x00, 0x38, 0x5f, 0x63, 0x27, 0x1f, 0x0d, 0x3a, 0x6d, 0x65,
		0x73, 0x73, 0x61, 0x67, 0x65, 0x2d, 0x74, 0x79, 0x70, 0x65, 0x07, 0x00, 0x05, 0x65, 0x76, 0x65,
		0x6e, 0x74, 0x0b, 0x3a, 0x65, 0x76, 0x65, 0x6e, 0x74, 0x2d, 0x74, 0x79, 0x70, 0x65, 0x07, 0x00,
		0x01, 0x45, 0x0d, 0x3a, 0x63, 0x6f, 0x6e, 0x74, 0x65, 0x6e, 0x74, 0x2d, 0x74, 0x79, 0x70, 0x65,
		0x07, 0x00, 0x01, 0x74, 0x61, 0x62, 0x73, 0x02, 0x3d, 0x87,
	};
	struct rn_buf b = RN_BUF_INIT;
	event_stream_add(&b, "E", "t", "ab", 2);
	assert_int_equal(b.len, sizeof(expected));
	assert_memory_equal(b.p, expected, sizeof(expected));
	event_stream_add(&b, "E", "t", "ab", 2); /* behind it another of its own */
	assert_int_equal(b.len, 2 * sizeof(expected));
	assert_memory_equal(b.p + sizeof(expected), expected, sizeof(expected));
	rn_buf_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_message_has_lengths_headers_and_checksums) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
