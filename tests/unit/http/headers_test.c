/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time.h"
#include "http/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void names_compare_in_any_case(void **state)
{
	(void)state;
	struct http_headers h = { 0 };
	http_headers_add(&h, "Content-Type", "a");
	http_headers_add(&h, "X", "1");
	http_headers_addf(&h, "x", "%d", 2);
	assert_string_equal(http_headers_get(&h, "content-type"), "a");
	assert_string_equal(http_headers_get(&h, "X"), "1");
	http_headers_set(&h, "X", http_headers_get(&h, "x")); /* a value of the list itself */
	assert_int_equal(h.n, 2);
	assert_string_equal(http_headers_get(&h, "x"), "1");
	http_headers_remove(&h, "CONTENT-TYPE");
	assert_null(http_headers_get(&h, "Content-Type"));
	http_headers_clear(&h);
	assert_int_equal(h.n, 0);
}

static int64_t after(const char *value)
{
	struct http_headers h = { 0 };
	http_headers_add(&h, "retry-after", value);
	int64_t ms = http_retry_after_ms(&h);
	http_headers_clear(&h);
	return ms;
}

static void retry_after_in_both_forms(void **state)
{
	(void)state;
	char date[32];
	assert_int_equal(after("120"), 120000);
	assert_int_equal(after("0"), 0);
	int64_t ms = after(rn_http_date(rn_wall_ms() + 30000, date));
	assert_in_range(ms, 25000, 30000);
	assert_int_equal(after("Mon, 01 Jan 2001 00:00:00 GMT"), 0);
	assert_int_equal(after("soon"), -1);
	assert_int_equal(after("-5"), -1);
}

static void delays_end_with_the_attempts(void **state)
{
	(void)state;
	struct http_retry p = HTTP_RETRY_INIT;
	p.attempts = 3;
	p.base_ms = 100;
	p.cap_ms = 150;
	for (int i = 0; i < 50; i++) {
		assert_in_range(http_retry_delay_ms(&p, 1, NULL), 0, 100);
		assert_in_range(http_retry_delay_ms(&p, 2, NULL), 0, 150);
	}
	assert_int_equal(http_retry_delay_ms(&p, 3, NULL), -1);
	struct http_response r = { .status = 429 };
	http_headers_add(&r.headers, "Retry-After", "5");
	assert_int_equal(http_retry_delay_ms(&p, 1, &r), 5000);
	p.max_after_ms = 4000;
	assert_int_equal(http_retry_delay_ms(&p, 1, &r), -1);
	http_response_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_compare_in_any_case),
		cmocka_unit_test(retry_after_in_both_forms),
		cmocka_unit_test(delays_end_with_the_attempts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
