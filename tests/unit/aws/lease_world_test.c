/* SPDX-License-Identifier: Apache-2.0 */
/* Contenders that are slow, stopped, killed, broken and cut off, in a time of their own: never may two hold the lease. */
#include "lease_server.h"

#include "base/time.h"

#include <pthread.h>

/* ---- the world: contenders take turns, one at a time, in an order that a seed decides ---- */

enum { CONTENDERS = 6, TURNS = 5000, STALE_MS = 2000 };

struct world;

struct contender {
	struct world *w;
	pthread_t thread;
	pthread_cond_t go;
	struct aws_lease lease;
	struct aws_lease_store store;
	int64_t offset_ms; /* of its clock */
	int64_t wake_ms;
	bool started, ended, held;
	int runs;
};

struct world {
	pthread_mutex_t lock;
	pthread_cond_t back;
	struct contender *turn; /* NULL: the scheduler's */
	struct contender c[CONTENDERS];
	struct server server;
	int64_t now_ms;
	unsigned seed;
	bool closing;
	int trouble; /* percent of calls that are slow, stopped or cut off */
	int runs, lost, breaks, most;
};

static int chance(struct world *w, int n)
{
	w->seed = w->seed * 1103515245u + 12345u;
	return (int)((w->seed >> 16) % (unsigned)n);
}

/* Another one's turn, for so long at least. */
static void let_others(struct contender *c, int64_t ms)
{
	struct world *w = c->w;
	c->wake_ms = w->now_ms + ms;
	w->turn = NULL;
	pthread_cond_signal(&w->back);
	while (w->turn != c)
		pthread_cond_wait(&c->go, &w->lock);
}

/* The way to the server or back: mostly quick, sometimes slow, sometimes the process is stopped for minutes. */
static void travel(struct contender *c)
{
	struct world *w = c->w;
	bool trouble = !w->closing && chance(w, 100) < w->trouble;
	let_others(c, !trouble ? chance(w, 50) : chance(w, 3) ? chance(w, 9000) : chance(w, 300000));
}

/* Whether the call is cut off, before the server acts or behind that. */
static bool is_cut(struct contender *c, struct rn_error *err)
{
	struct world *w = c->w;
	if (w->closing || chance(w, 100) >= w->trouble)
		return false;
	rn_fail(err, RN_ENET, "cut off");
	return true;
}

static int world_look(void *ctx, struct aws_lease_look *ret, struct rn_error *err)
{
	struct contender *c = ctx;
	struct world *w = c->w;
	travel(c);
	if (is_cut(c, err))
		return -1;
	show(as_of(&w->server, w->now_ms - chance(w, STALE_MS)), w->now_ms, ret);
	travel(c);
	return 0;
}

static int world_create(void *ctx, int64_t n, const char *value, bool *ret_exists, struct rn_error *err)
{
	struct contender *c = ctx;
	travel(c);
	if (is_cut(c, err))
		return -1;
	*ret_exists = find(&c->w->server.now, n) != NULL;
	if (!*ret_exists)
		put(&c->w->server, c->w->now_ms, n, value);
	travel(c);
	return is_cut(c, err) ? -1 : 0;
}

static int world_write(void *ctx, int64_t n, const char *value, struct rn_error *err)
{
	struct contender *c = ctx;
	travel(c);
	if (is_cut(c, err))
		return -1;
	put(&c->w->server, c->w->now_ms, n, value);
	travel(c);
	return is_cut(c, err) ? -1 : 0;
}

static int world_remove(void *ctx, const int64_t *n, size_t count, struct rn_error *err)
{
	struct contender *c = ctx;
	travel(c);
	if (is_cut(c, err))
		return -1;
	for (size_t i = 0; i < count; i++)
		forget(&c->w->server, c->w->now_ms, n[i]);
	travel(c);
	return 0;
}

static int64_t world_clock(void *ctx)
{
	const struct contender *c = ctx;
	return c->w->now_ms + c->offset_ms;
}

static void world_sleep(void *ctx, int64_t ms)
{
	let_others(ctx, ms);
}

/* The run's own view: what the alarm of the real holder sees to. */
static bool believes(const struct contender *c)
{
	return c->held && c->w->now_ms + c->offset_ms < c->lease.until_ms;
}

static void begin_words(struct contender *c)
{
	char token[33];
	cJSON_Delete(c->lease.words);
	aws_lease_clear(&c->lease);
	c->lease = (struct aws_lease){ .store = &c->store, .name = "p", .words = cJSON_CreateObject(), .ttl_ms = TTL };
	cJSON_AddStringToObject(c->lease.words, "token", rn_random_hex(16, token));
}

/* Somebody takes the lease away from whoever has it, by hand. */
static void break_it(struct contender *c)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *who = NULL;
	int64_t wait = 0;
	if (aws_lease_break(&c->lease, &who, &wait, &err) == 0 && who)
		c->w->breaks++;
}

/* One run: takes, works and renews for a while, and is done, killed, or loses the lease. */
static void one_run(struct contender *c)
{
	struct world *w = c->w;
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *who = NULL;
	int rc = 0;
	while (rc <= 0 && !w->closing) {
		rn_freep(&who);
		rc = aws_lease_try(&c->lease, &who, &err);
		if (rc <= 0)
			let_others(c, 500 + chance(w, 3000));
	}
	if (rc <= 0)
		return;
	c->held = true;
	c->runs++;
	w->runs++;
	for (int beats = chance(w, 6), i = 0; i < beats; i++) {
		let_others(c, chance(w, (int)aws_lease_beat_ms(&c->lease)));
		rc = aws_lease_renew(&c->lease, &err);
		if (rc < 0 && err.code == RN_EEXISTS) {
			w->lost++;
			break;
		}
	}
	bool killed = chance(w, 10) == 0;
	c->held = false;
	if (!killed)
		aws_lease_release(&c->lease, &err);
}

static void *live(void *ctx)
{
	struct contender *c = ctx;
	struct world *w = c->w;
	pthread_mutex_lock(&w->lock);
	while (w->turn != c)
		pthread_cond_wait(&c->go, &w->lock);
	while (!w->closing) {
		begin_words(c);
		if (chance(w, 8) == 0)
			break_it(c);
		else
			one_run(c);
		let_others(c, chance(w, 5000));
	}
	c->ended = true;
	w->turn = NULL;
	pthread_cond_signal(&w->back);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* One of those who are due, else the one that is due first. */
static struct contender *next_one(struct world *w)
{
	struct contender *due[CONTENDERS], *first = NULL;
	int n = 0;
	for (size_t i = 0; i < CONTENDERS; i++) {
		struct contender *c = &w->c[i];
		if (c->ended)
			continue;
		if (c->wake_ms <= w->now_ms)
			due[n++] = c;
		if (!first || c->wake_ms < first->wake_ms)
			first = c;
	}
	return n ? due[chance(w, n)] : first;
}

static void check_world(struct world *w)
{
	int n = 0;
	for (size_t i = 0; i < CONTENDERS; i++)
		n += believes(&w->c[i]);
	if (n > w->most)
		w->most = n;
}

static void run_world(struct world *w, int turns)
{
	struct contender *c;
	for (int i = 0; (c = next_one(w)) != NULL; i++) {
		w->closing = i >= turns;
		if (c->wake_ms > w->now_ms)
			w->now_ms = c->wake_ms;
		check_world(w);
		w->turn = c;
		pthread_cond_signal(&c->go);
		while (w->turn)
			pthread_cond_wait(&w->back, &w->lock);
		check_world(w);
	}
}

static void world_init(struct world *w, unsigned seed, int trouble)
{
	*w = (struct world){ .seed = seed, .trouble = trouble };
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->back, NULL);
	w->server.past = rn_alloc(HISTORY * sizeof(*w->server.past));
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < CONTENDERS; i++) {
		struct contender *c = &w->c[i];
		c->w = w;
		c->offset_ms = chance(w, 1000000000);
		c->store = (struct aws_lease_store){ c, world_look, world_create, world_write, world_remove, world_clock, world_sleep };
		pthread_cond_init(&c->go, NULL);
		pthread_create(&c->thread, NULL, live, c);
	}
}

static void world_clear(struct world *w)
{
	pthread_mutex_unlock(&w->lock);
	for (size_t i = 0; i < CONTENDERS; i++) {
		pthread_join(w->c[i].thread, NULL);
		aws_lease_clear(&w->c[i].lease);
		cJSON_Delete(w->c[i].lease.words);
		pthread_cond_destroy(&w->c[i].go);
	}
	pthread_cond_destroy(&w->back);
	pthread_mutex_destroy(&w->lock);
	free(w->server.past);
}

static void never_two_hold_it(void **state)
{
	(void)state;
	static struct world w;
	int runs = 0, lost = 0, breaks = 0;
	for (unsigned seed = 1; seed <= 40; seed++) {
		world_init(&w, seed, seed % 4 == 0 ? 0 : (int)(seed % 20));
		run_world(&w, TURNS);
		world_clear(&w);
		if (w.most > 1)
			fail_msg("seed %u: %d held it at a time", seed, w.most);
		assert_true(w.server.now.n <= 16); /* what is old is cleaned up */
		runs += w.runs;
		lost += w.lost;
		breaks += w.breaks;
	}
	if (runs < 500 || lost < 15 || breaks < 20)
		fail_msg("the world is too quiet to prove anything: %d runs, %d lost leases, %d broken ones", runs, lost, breaks);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(never_two_hold_it) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
