/* SPDX-License-Identifier: Apache-2.0 */
/* Taking, keeping and giving back a lease of generations; lease.h has the reasoning. */
#include "lease.h"

#include "base/time.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* KEEP: with the one that is made next they are one page of GetParametersByPath */
enum { CONFIRM_LOOKS = 20, BEATS = 5, LOOKS = 30, SOON = 90, KEEP = 8 };

/* ---- looks ---- */

void aws_lease_look_add(struct aws_lease_look *k, int64_t n, int64_t version, int64_t modified_ms, const char *value)
{
	k->v = rn_grow(k->v, &k->cap, k->n + 1, sizeof(*k->v));
	size_t at = k->n++;
	for (; at > 0 && k->v[at - 1].n > n; at--)
		k->v[at] = k->v[at - 1];
	k->v[at] = (struct aws_lease_entry){ .n = n, .version = version, .modified_ms = modified_ms,
					     .words = rn_json_parse_str(value ? value : "", NULL) };
}

void aws_lease_look_clear(struct aws_lease_look *k)
{
	for (size_t i = 0; i < k->n; i++)
		cJSON_Delete(k->v[i].words);
	free(k->v);
	*k = (struct aws_lease_look){ 0 };
}

static const struct aws_lease_entry *entry(const struct aws_lease_look *k, int64_t n)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->v[i].n == n)
			return &k->v[i];
	return NULL;
}

static const char *token_of(const struct aws_lease_entry *e)
{
	const char *token = e ? rn_json_str(e->words, "token") : NULL;
	return token ? token : "";
}

/* Each holder says its own; nonsense must neither let everybody in nor keep them out for ever. */
static int64_t ttl_of(const struct aws_lease_entry *e)
{
	int64_t ttl = rn_json_int(e->words, "ttl_ms", AWS_LEASE_TTL_MS);
	return ttl < AWS_LEASE_TTL_MIN_MS / 2 ? AWS_LEASE_TTL_MIN_MS / 2 : ttl > AWS_LEASE_TTL_MAX_MS ? AWS_LEASE_TTL_MAX_MS : ttl;
}

const struct aws_lease_entry *aws_lease_top(const struct aws_lease_look *k, enum aws_lease_state *ret)
{
	const struct aws_lease_entry *top = k->n ? &k->v[k->n - 1] : NULL;
	if (!top || rn_json_bool(top->words, "released", false))
		*ret = AWS_LEASE_FREE;
	else
		*ret = k->now_ms - top->modified_ms > ttl_of(top) ? AWS_LEASE_EXPIRED : AWS_LEASE_ALIVE;
	return top;
}

static void say(const struct aws_lease *l, const char *fmt, ...) RN_PRINTF(2, 3);
static void say(const struct aws_lease *l, const char *fmt, ...)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	va_list ap;
	va_start(ap, fmt);
	rn_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	if (l->say)
		l->say(l->ctx, rn_buf_str(&b));
}

int64_t aws_lease_beat_ms(const struct aws_lease *l)
{
	return l->ttl_ms / BEATS;
}

static int64_t clock_ms(const struct aws_lease *l)
{
	return l->store->clock_ms(l->store->ctx);
}

/* From a moment before the look that showed no successor, and so before the write behind it. */
static int64_t until(const struct aws_lease *l, int64_t sent_ms)
{
	return sent_ms + l->ttl_ms - l->ttl_ms / 6;
}

static const char *own_token(const struct aws_lease *l)
{
	return rn_json_str(l->words, "token");
}

/* ---- taking ---- */

static int write_released(const struct aws_lease *l, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *words = cJSON_Duplicate(l->words, true);
	cJSON_AddBoolToObject(words, "released", true);
	RN_AUTO(rn_freep) char *value = aws_lease_value(words);
	return l->store->write(l->store->ctx, l->n, value, err);
}

/* Made, and not the one that counts, or not known to be: never deleted, since its number may be the highest. */
static void give_up(struct aws_lease *l)
{
	write_released(l, NULL); /* else it expires */
	l->given_up_n = l->n;
	l->n = 0;
}

/* The generation was made: 1 when it is the one that counts, 0 when it was made on top of an old view, -1 error. */
static int confirm(struct aws_lease *l, struct rn_error *err)
{
	for (int i = 0; i < CONFIRM_LOOKS; i++) {
		RN_AUTO(aws_lease_look_clear) struct aws_lease_look k = { 0 };
		if (i)
			l->store->sleep(l->store->ctx, l->ttl_ms / SOON);
		if (l->store->look(l->store->ctx, &k, err) < 0)
			return -1;
		const struct aws_lease_entry *own = entry(&k, l->n), *base = entry(&k, l->base_n);
		if (k.n && k.v[k.n - 1].n > l->n)
			return 0;
		if (!own)
			continue; /* older than our own write */
		bool as_seen = !l->base_n || (base && rn_streq(token_of(base), l->base_token));
		return as_seen && rn_streq(token_of(own), own_token(l)) ? 1 : 0;
	}
	return rn_fail(err, RN_EREMOTE, "the parameter of the lease was written and is still not shown after %d looks", CONFIRM_LOOKS);
}

/* All but the newest: what a contender with an old view could still try to create exists. */
static void clean(const struct aws_lease *l, const struct aws_lease_look *k)
{
	RN_AUTO(rn_freep) int64_t *old = rn_alloc((k->n + 1) * sizeof(*old));
	struct rn_error err = { 0 };
	size_t n = 0;
	for (size_t i = 0; i < k->n; i++)
		if (k->v[i].n <= l->n - KEEP)
			old[n++] = k->v[i].n;
	if (n && l->store->remove(l->store->ctx, old, n, &err) < 0)
		say(l, "the parameters of former leases stay: %s%s%s", err.msg, err.hint[0] ? "; " : "", err.hint);
}

static int made(struct aws_lease *l, const struct aws_lease_look *k, int64_t sent_ms, struct rn_error *err)
{
	int rc = confirm(l, err);
	l->until_ms = until(l, sent_ms);
	if (rc > 0 && clock_ms(l) >= l->until_ms)
		rc = 0; /* it took so long that the time is over */
	if (rc > 0)
		clean(l, k);
	else
		give_up(l);
	return rc;
}

static int create_next(struct aws_lease *l, const struct aws_lease_look *k, const struct aws_lease_entry *top, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *value = aws_lease_value(l->words);
	bool exists = false;
	int64_t sent = clock_ms(l);
	l->base_n = top ? top->n : 0;
	free(l->base_token);
	l->base_token = rn_strdup(token_of(top));
	if (l->store->create(l->store->ctx, l->base_n + 1, value, &exists, err) < 0)
		return -1;
	if (exists)
		return 0;
	l->n = l->base_n + 1;
	return made(l, k, sent, err);
}

/* A create whose answer was lost did work. */
static int adopt(struct aws_lease *l, const struct aws_lease_look *k, const struct aws_lease_entry *own, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *value = aws_lease_value(l->words);
	int64_t sent = clock_ms(l);
	l->n = own->n;
	if (l->store->write(l->store->ctx, l->n, value, err) < 0)
		return -1;
	return made(l, k, sent, err);
}

/* Expired, and not for the first time: a look may be older than the last sign of life. */
static bool expired_twice(struct aws_lease *l, const struct aws_lease_entry *top)
{
	bool again = l->suspect_n == top->n && l->suspect_version == top->version;
	l->suspect_n = top->n;
	l->suspect_version = top->version;
	return again;
}

int aws_lease_try(struct aws_lease *l, char **ret_who, struct rn_error *err)
{
	RN_AUTO(aws_lease_look_clear) struct aws_lease_look k = { 0 };
	enum aws_lease_state state;
	*ret_who = NULL;
	if (l->store->look(l->store->ctx, &k, err) < 0)
		return -1;
	const struct aws_lease_entry *top = aws_lease_top(&k, &state);
	if (top && top->n > l->given_up_n && rn_streq(token_of(top), own_token(l)))
		return adopt(l, &k, top, err);
	if (state == AWS_LEASE_ALIVE) {
		*ret_who = aws_lease_who(top, k.now_ms);
		return 0;
	}
	if (state == AWS_LEASE_EXPIRED && !expired_twice(l, top))
		return 0;
	RN_AUTO(rn_freep) char *who = state == AWS_LEASE_EXPIRED ? aws_lease_who(top, k.now_ms) : NULL;
	int rc = create_next(l, &k, top, err);
	if (rc > 0 && who)
		say(l, "took over from a run that is dead: %s", who);
	return rc;
}

static int refuse(const struct aws_lease *l, int64_t wait_ms, const char *who, struct rn_error *err)
{
	char time[32];
	if (wait_ms > 0)
		rn_fail(err, RN_EEXISTS, "the pipeline \"%s\" is still being run after %s of waiting: %s", l->name,
			rn_format_duration(wait_ms, time, sizeof(time)), who);
	else
		rn_fail(err, RN_EEXISTS, "the pipeline \"%s\" is being run already: %s", l->name, who);
	return rn_hint(err, "wait for it with --lock-wait 10m; a run that died is taken over by itself, %lld s after its last sign of "
			    "life; to take the lease away from a run that hangs: runner aws lease break %s",
		       (long long)(l->ttl_ms / 1000), l->name);
}

static int pass_on(const struct rn_error *from, struct rn_error *to)
{
	if (to)
		*to = *from;
	return -1;
}

int aws_lease_take(struct aws_lease *l, int64_t wait_ms, struct rn_error *err)
{
	int64_t end = wait_ms > 0 ? clock_ms(l) + wait_ms : 0;
	bool told = false;
	for (;;) {
		RN_AUTO(rn_freep) char *who = NULL;
		struct rn_error now = { 0 };
		int rc = aws_lease_try(l, &who, &now);
		bool over = wait_ms == 0 || (end && clock_ms(l) >= end);
		if (rc > 0)
			return 0;
		if (rc < 0 && (over || !now.retryable)) /* whoever waits bears with a network that is away for a while */
			return pass_on(&now, err);
		if (who && over)
			return refuse(l, wait_ms, who, err);
		if (!told && (who || rc < 0))
			say(l, "waiting for %s%s", who ? who : "the lease: ", who ? "" : now.msg);
		told |= who || rc < 0;
		/* not all at the same moment; nobody is asked more than needed */
		int64_t pause = l->ttl_ms / (who ? LOOKS : SOON);
		l->store->sleep(l->store->ctx, pause / 2 + rn_backoff_ms(0, pause, pause));
	}
}

/* ---- keeping ---- */

static int lost_to(const struct aws_lease *l, const struct aws_lease_entry *e, int64_t now_ms, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *who = aws_lease_who(e, now_ms);
	rn_fail(err, RN_EEXISTS, "the lease of the pipeline \"%s\" was taken away from this run: %s", l->name, who);
	return rn_hint(err, "this run gave no sign of life for more than %lld s, or somebody broke its lease; it ends now, so that two "
			    "runs do not meet", (long long)(l->ttl_ms / 1000));
}

static int out_of_time(const struct aws_lease *l, struct rn_error *err)
{
	rn_fail(err, RN_EEXISTS, "the lease of the pipeline \"%s\" could not be renewed in time", l->name);
	return rn_hint(err, "this run was stopped, suspended or cut off from AWS for most of %lld s; it ends now, before another run takes "
			    "the pipeline over", (long long)(l->ttl_ms / 1000));
}

int aws_lease_renew(struct aws_lease *l, struct rn_error *err)
{
	RN_AUTO(aws_lease_look_clear) struct aws_lease_look k = { 0 };
	int64_t begun = clock_ms(l);
	if (begun >= l->until_ms)
		return out_of_time(l, err);
	if (l->store->look(l->store->ctx, &k, err) < 0)
		return -1;
	const struct aws_lease_entry *own = entry(&k, l->n), *top = k.n ? &k.v[k.n - 1] : NULL;
	if (top && top->n > l->n)
		return lost_to(l, top, k.now_ms, err);
	if (own && !rn_streq(token_of(own), own_token(l)))
		return lost_to(l, own, k.now_ms, err);
	RN_AUTO(rn_freep) char *value = aws_lease_value(l->words);
	if (clock_ms(l) >= l->until_ms)
		return out_of_time(l, err);
	if (l->store->write(l->store->ctx, l->n, value, err) < 0)
		return -1;
	if (clock_ms(l) >= l->until_ms) /* it may have arrived when the lease was another's */
		return out_of_time(l, err);
	l->until_ms = until(l, begun);
	return 0;
}

int aws_lease_release(struct aws_lease *l, struct rn_error *err)
{
	if (!l->n || clock_ms(l) >= l->until_ms) /* too late: it is somebody else's, or free by itself */
		return 0;
	int rc = write_released(l, err);
	l->given_up_n = l->n;
	l->n = 0;
	return rc;
}

void aws_lease_clear(struct aws_lease *l)
{
	rn_freep(&l->base_token);
	l->n = 0;
}

/* ---- breaking ---- */

int aws_lease_break(struct aws_lease *l, char **ret_who, int64_t *ret_wait_ms, struct rn_error *err)
{
	RN_AUTO(aws_lease_look_clear) struct aws_lease_look k = { 0 };
	enum aws_lease_state state;
	if (l->store->look(l->store->ctx, &k, err) < 0)
		return -1;
	const struct aws_lease_entry *top = aws_lease_top(&k, &state);
	if (state == AWS_LEASE_FREE) {
		*ret_who = NULL;
		*ret_wait_ms = 0;
		return 0;
	}
	int64_t wait = ttl_of(top); /* a holder that is cut off from AWS cannot see this: it must have given up by itself */
	cJSON_DeleteItemFromObjectCaseSensitive(l->words, "ttl_ms");
	cJSON_AddNumberToObject(l->words, "ttl_ms", (double)wait);
	cJSON_AddBoolToObject(l->words, "broken", true);
	RN_AUTO(rn_freep) char *value = aws_lease_value(l->words);
	bool exists = false;
	if (l->store->create(l->store->ctx, top->n + 1, value, &exists, err) < 0)
		return -1;
	if (exists)
		return rn_fail(err, RN_EEXISTS, "the lease of \"%s\" changed hands at this very moment; look again with: runner aws lease "
						"show %s", l->name, l->name);
	*ret_who = aws_lease_who(top, k.now_ms);
	*ret_wait_ms = wait;
	return 0;
}
