/* SPDX-License-Identifier: Apache-2.0 */
/* A lease step by step, against a server and a time of our own. */
#include "lease_server.h"

/* One contender; others by hand. */
struct desk {
	struct server server;
	int64_t now_ms;
	int64_t shift_ms; /* added to the clock of the holder only */
	int creates, writes, looks_stale, looks_failing;
	int64_t stale_ms;
	bool lose_create;
	void (*before_create)(struct desk *d);
	void (*after_look)(struct desk *d); /* once: before its answer arrives */
	struct aws_lease_store store;
	struct aws_lease lease;
	char said[512];
};

static int desk_look(void *ctx, struct aws_lease_look *ret, struct rn_error *err)
{
	struct desk *d = ctx;
	if (d->looks_failing > 0 && d->looks_failing--) {
		rn_fail(err, RN_ENET, "cut off");
		err->retryable = true;
		return -1;
	}
	bool stale = d->looks_stale > 0 && d->looks_stale--;
	show(stale ? as_of(&d->server, d->now_ms - d->stale_ms) : &d->server.now, d->now_ms, ret);
	void (*after)(struct desk *) = d->after_look;
	d->after_look = NULL;
	if (after)
		after(d);
	return 0;
}

static int desk_create(void *ctx, int64_t n, const char *value, bool *ret_exists, struct rn_error *err)
{
	struct desk *d = ctx;
	if (d->before_create)
		d->before_create(d);
	d->creates++;
	*ret_exists = find(&d->server.now, n) != NULL;
	if (!*ret_exists)
		put(&d->server, d->now_ms, n, value);
	bool lose = d->lose_create;
	d->lose_create = false;
	return lose ? rn_fail(err, RN_ENET, "cut off") : 0;
}

static int desk_write(void *ctx, int64_t n, const char *value, struct rn_error *err)
{
	struct desk *d = ctx;
	(void)err;
	d->writes++;
	put(&d->server, d->now_ms, n, value);
	return 0;
}

static int desk_remove(void *ctx, const int64_t *n, size_t count, struct rn_error *err)
{
	struct desk *d = ctx;
	(void)err;
	for (size_t i = 0; i < count; i++)
		forget(&d->server, d->now_ms, n[i]);
	return 0;
}

static int64_t desk_clock(void *ctx)
{
	const struct desk *d = ctx;
	return d->now_ms + d->shift_ms;
}

static void desk_sleep(void *ctx, int64_t ms)
{
	((struct desk *)ctx)->now_ms += ms;
}

static void desk_say(void *ctx, const char *text)
{
	struct desk *d = ctx;
	assert_true(strlen(d->said) + strlen(text) + 2 < sizeof(d->said));
	strcat(strcat(d->said, text), "\n");
}

static void desk_init(struct desk *d)
{
	*d = (struct desk){ .now_ms = 500000 };
	d->server.past = rn_alloc(HISTORY * sizeof(*d->server.past));
	d->store = (struct aws_lease_store){ d, desk_look, desk_create, desk_write, desk_remove, desk_clock, desk_sleep };
	d->lease = (struct aws_lease){ .store = &d->store, .name = "p", .ttl_ms = TTL, .say = desk_say, .ctx = d,
				       .words = rn_json_parse_str("{\"token\": \"mine\", \"user\": \"me\", \"host\": \"here\"}", NULL) };
}

static void desk_clear(struct desk *d)
{
	aws_lease_clear(&d->lease);
	cJSON_Delete(d->lease.words);
	free(d->server.past);
}

static const char eve[] = "{\"token\": \"eve\", \"user\": \"eve\", \"host\": \"far\", \"pid\": 7, \"command\": \"run\", \"file\": \"/b/p.pipe\", "
			  "\"run\": \"r7\", \"url\": \"https://ci/7\", \"ttl_ms\": 90000}";

static void whoever_finds_it_taken_is_told_by_whom(void **state)
{
	(void)state;
	struct desk d;
	struct rn_error err = { 0 };
	desk_init(&d);
	put(&d.server, d.now_ms - 4000, 3, eve);
	assert_int_equal(aws_lease_take(&d.lease, 0, &err), -1);
	assert_int_equal(err.code, RN_EEXISTS);
	const char *told[] = { "\"p\"", "eve@far", "process 7", "`runner run /b/p.pipe`", "run r7", "last sign of life 4.0s ago", "https://ci/7" };
	for (size_t i = 0; i < RN_LEN(told); i++)
		if (!strstr(err.msg, told[i]))
			fail_msg("\"%s\" is missing in: %s", told[i], err.msg);
	assert_non_null(strstr(err.hint, "--lock-wait"));
	assert_non_null(strstr(err.hint, "runner aws lease break p"));
	assert_int_equal(d.creates + d.writes, 0);
	assert_int_equal(aws_lease_take(&d.lease, 5000, &err), -1);
	assert_non_null(strstr(err.msg, "still being run after 5.0s"));
	assert_non_null(strstr(d.said, "waiting for eve@far"));
	desk_clear(&d);
}

static void a_network_that_is_away_ends_no_waiting(void **state)
{
	(void)state;
	struct desk d;
	struct rn_error err = { 0 };
	desk_init(&d);
	d.looks_failing = 5;
	assert_int_equal(aws_lease_take(&d.lease, 0, &err), -1);
	assert_string_equal(err.msg, "cut off");
	assert_int_equal(aws_lease_take(&d.lease, 600000, &err), 0);
	d.looks_failing = 1000;
	assert_int_equal(aws_lease_take(&d.lease, 30000, &err), -1);
	desk_clear(&d);
}

static void a_silent_holder_is_followed_and_not_before_its_time(void **state)
{
	(void)state;
	struct desk d;
	struct rn_error err = { 0 };
	desk_init(&d);
	int64_t last = d.now_ms;
	put(&d.server, last, 3, eve);
	assert_int_equal(aws_lease_take(&d.lease, -1, &err), 0);
	assert_true(d.now_ms > last + TTL && d.now_ms < last + TTL + 15000);
	assert_int_equal(d.lease.n, 4);
	assert_non_null(strstr(d.said, "took over from a run that is dead: eve@far"));
	assert_int_equal(aws_lease_release(&d.lease, &err), 0);
	assert_non_null(find(&d.server.now, 4)); /* numbers never go back */
	desk_clear(&d);
}

static void a_released_lease_is_free_at_once(void **state)
{
	(void)state;
	struct desk d;
	struct rn_error err = { 0 };
	desk_init(&d);
	int64_t begun = d.now_ms;
	for (int64_t n = 1; n <= 12; n++) {
		assert_int_equal(aws_lease_take(&d.lease, 0, &err), 0);
		assert_int_equal(d.lease.n, n);
		assert_int_equal(aws_lease_release(&d.lease, &err), 0);
		cJSON_ReplaceItemInObject(d.lease.words, "token", cJSON_CreateString(n % 2 ? "odd" : "even"));
	}
	assert_int_equal(d.now_ms, begun);
	assert_true(d.server.now.n <= 9);
	desk_clear(&d);
}

static void a_stale_look_does_not_kill_the_living(void **state)
{
	(void)state;
	struct desk d;
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *who = NULL;
	desk_init(&d);
	put(&d.server, d.now_ms - TTL - 1000, 3, eve);
	put(&d.server, d.now_ms - 500, 3, eve); /* renewed, which the next look does not show yet */
	d.looks_stale = 1;
	d.stale_ms = 1000;
	assert_int_equal(aws_lease_try(&d.lease, &who, &err), 0);
	assert_null(who);
	assert_int_equal(aws_lease_try(&d.lease, &who, &err), 0);
	assert_non_null(who);
	assert_int_equal(d.creates, 0);
	desk_clear(&d);
}

static void somebody_is_faster(struct desk *d)
{
	put(&d->server, d->now_ms, 1, eve);
}

static void the_loser_of_a_race_is_refused(void **state)
{
	(void)state;
	struct desk d;
	struct rn_error err = { 0 };
	desk_init(&d);
	d.before_create = somebody_is_faster;
	assert_int_equal(aws_lease_take(&d.lease, 0, &err), -1);
	assert_int_equal(err.code, RN_EEXISTS);
	assert_int_equal(d.creates, 1);
	desk_clear(&d);
}

static void many_came_and_went(struct desk *d)
{
	forget(&d->server, d->now_ms, 1);
	for (int64_t n = 11; n <= 18; n++)
		put(&d->server, d->now_ms, n, eve);
}

static void a_number_that_was_used_and_deleted_is_no_lease(void **state)
{
	(void)state;
	struct desk d;
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *who = NULL;
	desk_init(&d);
	put(&d.server, d.now_ms, 1, "{\"token\": \"x\", \"released\": true}");
	d.before_create = many_came_and_went;
	assert_int_equal(aws_lease_try(&d.lease, &who, &err), 0);
	assert_int_equal(d.creates, 1);
	assert_int_equal(d.lease.n, 0);
	desk_clear(&d);
}

static void time_flies(struct desk *d)
{
	d->now_ms += TTL;
	d->before_create = NULL;
}

static void what_took_too_long_to_take_is_not_held(void **state)
{
	(void)state;
	struct desk d;
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *who = NULL;
	desk_init(&d);
	d.before_create = time_flies;
	assert_int_equal(aws_lease_try(&d.lease, &who, &err), 0);
	assert_int_equal(d.lease.n, 0);
	assert_int_equal(aws_lease_try(&d.lease, &who, &err), 1);
	desk_clear(&d);
}

static void the_next_look_fails(struct desk *d)
{
	d->looks_failing = 1;
	d->before_create = NULL;
}

static void a_number_that_was_made_for_nothing_is_released_and_never_deleted(void **state)
{
	(void)state;
	struct desk d;
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *who = NULL;
	desk_init(&d);
	d.before_create = the_next_look_fails;
	assert_int_equal(aws_lease_try(&d.lease, &who, &err), -1);
	const struct parameter *made = find(&d.server.now, 1);
	assert_non_null(made);
	assert_non_null(strstr(made->value, "released"));
	assert_int_equal(aws_lease_try(&d.lease, &who, &err), 1);
	assert_int_equal(d.lease.n, 2);
	desk_clear(&d);
}

static void a_lost_answer_is_found_again(void **state)
{
	(void)state;
	struct desk d;
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *who = NULL;
	desk_init(&d);
	d.lose_create = true;
	assert_int_equal(aws_lease_try(&d.lease, &who, &err), -1);
	assert_int_equal(aws_lease_try(&d.lease, &who, &err), 1);
	assert_int_equal(d.lease.n, 1);
	desk_clear(&d);
}

static void a_holder_ends_before_others_begin(void **state)
{
	(void)state;
	struct desk d;
	struct rn_error err = { 0 };
	desk_init(&d);
	assert_int_equal(aws_lease_take(&d.lease, 0, &err), 0);
	for (int i = 0; i < 10; i++) {
		d.now_ms += aws_lease_beat_ms(&d.lease);
		assert_int_equal(aws_lease_renew(&d.lease, &err), 0);
	}
	d.now_ms += TTL * 5 / 6 - 1;
	assert_int_equal(aws_lease_renew(&d.lease, &err), 0);
	d.now_ms += TTL * 5 / 6;
	int writes = d.writes;
	assert_int_equal(aws_lease_renew(&d.lease, &err), -1);
	assert_int_equal(err.code, RN_EEXISTS);
	assert_int_equal(aws_lease_release(&d.lease, &err), 0);
	assert_int_equal(d.writes, writes); /* it touches nothing any more */
	desk_clear(&d);
}

static void the_clock_of_this_machine_does_not_matter(void **state)
{
	(void)state;
	static const int64_t shifts[] = { -86400000, 86400000, 3600000000 };
	for (size_t i = 0; i < RN_LEN(shifts); i++) {
		struct desk d;
		struct rn_error err = { 0 };
		desk_init(&d);
		d.shift_ms = shifts[i];
		put(&d.server, d.now_ms - 80000, 1, eve);
		assert_int_equal(aws_lease_take(&d.lease, 0, &err), -1);
		assert_int_equal(err.code, RN_EEXISTS);
		d.now_ms += 11000;
		assert_int_equal(aws_lease_take(&d.lease, 0, &err), 0);
		assert_int_equal(aws_lease_renew(&d.lease, &err), 0);
		desk_clear(&d);
	}
}

static void a_broken_lease_is_lost_and_free_after_a_while(void **state)
{
	(void)state;
	struct desk d;
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *who = NULL;
	int64_t wait = 0;
	desk_init(&d);
	assert_int_equal(aws_lease_break(&d.lease, &who, &wait, &err), 0);
	assert_null(who);
	assert_int_equal(d.creates, 0);
	assert_int_equal(aws_lease_take(&d.lease, 0, &err), 0);
	struct aws_lease breaker = { .store = &d.store, .name = "p", .ttl_ms = TTL,
				     .words = rn_json_parse_str("{\"token\": \"b\", \"user\": \"bo\", \"host\": \"desk\"}", NULL) };
	assert_int_equal(aws_lease_break(&breaker, &who, &wait, &err), 0);
	assert_non_null(strstr(who, "me@here"));
	assert_int_equal(aws_lease_renew(&d.lease, &err), -1);
	assert_int_equal(err.code, RN_EEXISTS);
	assert_non_null(strstr(err.msg, "broken by bo@desk"));
	assert_int_equal(wait, TTL);
	cJSON_ReplaceItemInObject(d.lease.words, "token", cJSON_CreateString("next"));
	int64_t begun = d.now_ms;
	assert_int_equal(aws_lease_take(&d.lease, -1, &err), 0);
	assert_true(d.now_ms - begun >= wait && d.now_ms - begun < TTL + 15000);
	cJSON_Delete(breaker.words);
	desk_clear(&d);
}

static int64_t free_ms; /* when the broken lease lets the next one in */

static void broken_while_the_holder_is_stopped(struct desk *d)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *who = NULL;
	RN_AUTO(rn_json_freep) cJSON *words = rn_json_parse_str("{\"token\": \"b\"}", NULL);
	struct aws_lease breaker = { .store = &d->store, .name = "p", .ttl_ms = TTL, .words = words };
	int64_t wait = 0;
	d->now_ms += 1000;
	assert_int_equal(aws_lease_break(&breaker, &who, &wait, &err), 0);
	free_ms = d->now_ms + wait;
	d->now_ms = d->lease.until_ms - 1000;
}

/* It looked before the break, and is cut off from then on. */
static void who_does_not_see_that_its_lease_is_broken_gives_up_in_time(void **state)
{
	(void)state;
	struct desk d;
	struct rn_error err = { 0 };
	desk_init(&d);
	assert_int_equal(aws_lease_take(&d.lease, 0, &err), 0);
	d.now_ms += 1000;
	d.after_look = broken_while_the_holder_is_stopped;
	assert_int_equal(aws_lease_renew(&d.lease, &err), 0);
	assert_true(d.lease.until_ms <= free_ms);
	desk_clear(&d);
}

static void nonsense_in_a_value_blocks_no_longer_than_a_lease(void **state)
{
	(void)state;
	static const char *const values[] = { "", "no json", "[]", "{\"token\": 7}", "{\"token\": \"t\", \"ttl_ms\": 1e300}",
					      "{\"token\": \"t\", \"ttl_ms\": -5}" };
	for (size_t i = 0; i < RN_LEN(values); i++) {
		struct desk d;
		struct rn_error err = { 0 };
		desk_init(&d);
		put(&d.server, d.now_ms - AWS_LEASE_TTL_MAX_MS - 1000, 5, values[i]);
		assert_int_equal(aws_lease_take(&d.lease, 0, &err), 0);
		assert_int_equal(d.lease.n, 6);
		desk_clear(&d);
	}
}

static void a_value_fits_a_parameter_and_is_no_reference(void **state)
{
	(void)state;
	RN_AUTO(rn_json_freep) cJSON *w = cJSON_CreateObject();
	char longer[6000];
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	cJSON_AddStringToObject(w, "token", "t{{ssm:x}}");
	cJSON_AddStringToObject(w, "url", longer);
	cJSON_AddStringToObject(w, "file", "/{{{{/p");
	RN_AUTO(rn_freep) char *text = aws_lease_value(w);
	assert_true(strlen(text) <= 4096);
	assert_null(strstr(text, "{{"));
	RN_AUTO(rn_json_freep) cJSON *back = rn_json_parse_str(text, NULL);
	assert_string_equal(rn_json_str(back, "token"), "t{{ssm:x}}");
	assert_string_equal(rn_json_str(back, "file"), "/{{{{/p");
	assert_null(rn_json_str(back, "url"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_finds_it_taken_is_told_by_whom),
		cmocka_unit_test(a_network_that_is_away_ends_no_waiting),
		cmocka_unit_test(a_silent_holder_is_followed_and_not_before_its_time),
		cmocka_unit_test(a_released_lease_is_free_at_once),
		cmocka_unit_test(a_stale_look_does_not_kill_the_living),
		cmocka_unit_test(the_loser_of_a_race_is_refused),
		cmocka_unit_test(a_number_that_was_used_and_deleted_is_no_lease),
		cmocka_unit_test(what_took_too_long_to_take_is_not_held),
		cmocka_unit_test(a_number_that_was_made_for_nothing_is_released_and_never_deleted),
		cmocka_unit_test(a_lost_answer_is_found_again),
		cmocka_unit_test(a_holder_ends_before_others_begin),
		cmocka_unit_test(the_clock_of_this_machine_does_not_matter),
		cmocka_unit_test(a_broken_lease_is_lost_and_free_after_a_while),
		cmocka_unit_test(who_does_not_see_that_its_lease_is_broken_gives_up_in_time),
		cmocka_unit_test(nonsense_in_a_value_blocks_no_longer_than_a_lease),
		cmocka_unit_test(a_value_fits_a_parameter_and_is_no_reference),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
