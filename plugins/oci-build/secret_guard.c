/* SPDX-License-Identifier: Apache-2.0 */
#include "secret_guard.h"

#include "origin.h"
#include "run_secret.h"

#include "oci/layer_reader.h"

#include <stdlib.h>
#include <string.h>

#define SECRET_MIN 6          /* a shorter text stands in files by chance */
#define PIECE ((size_t)1 << 18)

static size_t host_longest(const struct build *b)
{
	return RUNNER_HAS(b->host, longest_secret) ? (size_t)b->host->longest_secret(b->stage) : 0;
}

static size_t longest(struct build *b)
{
	size_t n = host_longest(b);
	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < b->secrets.n; i++) {
		size_t k = strlen(b->secrets.v[i]);
		n = k > n ? k : n;
	}
	pthread_mutex_unlock(&b->lock);
	return n;
}

bool secret_guard_needed(struct build *b)
{
	return longest(b) > 0;
}

void secret_guard_add(struct build *b, const char *secret)
{
	RN_AUTO(rn_freep) char *copy = rn_strdup(secret);
	const char *text = rn_trim(copy);
	pthread_mutex_lock(&b->lock);
	if (strlen(text) >= SECRET_MIN && !rn_strv_has(&b->secrets, text))
		rn_strv_add(&b->secrets, text);
	pthread_mutex_unlock(&b->lock);
	rn_wipe(copy, strlen(secret));
}

/* One that cannot be read says so to the RUN that asks for it. */
void secret_guard_gather(struct build *b)
{
	const char *text = b->params->secrets.text;
	RN_AUTO(rn_json_freep) cJSON *all = text ? rn_json_parse_str(text, NULL) : NULL;
	const cJSON *one;
	cJSON_ArrayForEach(one, all) {
		RN_AUTO(rn_buf_clear) struct rn_buf value = RN_BUF_INIT;
		if (run_secret_find(b->host, b->stage, text, one->string, &value, NULL) <= 0)
			continue;
		secret_guard_add(b, rn_buf_str(&value));
		rn_wipe(value.p, value.len);
	}
}

void secret_guard_clear(struct build *b)
{
	for (size_t i = 0; i < b->secrets.n; i++)
		rn_wipe(b->secrets.v[i], strlen(b->secrets.v[i]));
	rn_strv_clear(&b->secrets);
}

static bool reveals(struct build *b, const char *data, size_t n)
{
	if (RUNNER_HAS(b->host, reveals) && b->host->reveals(b->stage, data, n))
		return true;
	bool found = false;
	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < b->secrets.n && !found; i++)
		found = memmem(data, n, b->secrets.v[i], strlen(b->secrets.v[i])) != NULL;
	pthread_mutex_unlock(&b->lock);
	return found;
}

static int cure(struct rn_error *err)
{
	return rn_hint(err, "give it to the RUN that needs it: `secrets` of the stage and RUN --mount=type=secret,id=NAME");
}

static int guard_map(struct build *b, const struct runner_map *m, const char *what, struct rn_error *err)
{
	for (size_t i = 0; i < m->n; i++)
		if (reveals(b, m->v[i].value, strlen(m->v[i].value))) {
			rn_fail(err, RN_EINVAL, "the %s %s holds a secret of the pipeline, and everybody who has the image could read it", what,
				m->v[i].key);
			return cure(err);
		}
	return 0;
}

int secret_guard_params(struct build *b, struct rn_error *err)
{
	if (!secret_guard_needed(b))
		return 0;
	const struct build_params *p = b->params;
	if (guard_map(b, &p->build_args, "build argument", err) < 0 || guard_map(b, &p->labels, "label", err) < 0)
		return -1;
	return guard_map(b, &p->annotations, "annotation", err);
}

/* ---- configuration --------------------------------------------------------------------- */

/* The name of the member that holds it; NULL: none does. */
static const char *find_text(struct build *b, const cJSON *j, const char *name)
{
	const char *own = j->string ? j->string : name;
	if (cJSON_IsString(j))
		return reveals(b, j->valuestring, strlen(j->valuestring)) ? own : NULL;
	for (const cJSON *c = j->child; c; c = c->next) {
		if (c->string && reveals(b, c->string, strlen(c->string)))
			return own;
		const char *found = find_text(b, c, own);
		if (found)
			return found;
	}
	return NULL;
}

int secret_guard_config(struct build *b, const cJSON *config, struct rn_error *err)
{
	const char *found = secret_guard_needed(b) ? find_text(b, config, "config") : NULL;
	if (!found)
		return 0;
	rn_fail(err, RN_EINVAL, "a secret of the pipeline stands in the image's configuration (\"%s\")", found);
	return cure(err);
}

/* ---- layers ------------------------------------------------------------------------------ */

/* Of the file at hand, piece by piece; what may be the begin of a secret is looked at again. 1: it does. */
static int file_reveals(struct build *b, struct layer_reader *r, char *piece, size_t overlap, struct rn_error *err)
{
	size_t held = 0;
	for (;;) {
		ssize_t n = layer_reader_read(r, piece + held, PIECE, err);
		if (n <= 0)
			return (int)n;
		held += (size_t)n;
		if (reveals(b, piece, held))
			return 1;
		size_t keep = held < overlap ? held : overlap;
		memmove(piece, piece + held - keep, keep);
		held = keep;
	}
}

static int scan(struct build *b, struct layer_reader *r, struct rn_error *err)
{
	size_t overlap = longest(b) - 1;
	RN_AUTO(rn_freep) char *piece = rn_alloc(PIECE + overlap);
	struct layer_entry e;
	int more;
	while ((more = layer_reader_next(r, &e, err)) > 0) {
		int found = e.link && reveals(b, e.link, strlen(e.link)) ? 1 : 0;
		if (!found && e.type == LAYER_FILE)
			found = file_reveals(b, r, piece, overlap, err);
		if (found < 0)
			return -1;
		if (found) {
			rn_fail(err, RN_EINVAL, "a secret of the pipeline would be in the image: /%s holds it", e.path);
			return rn_hint(err, "do not copy or write it there; RUN --mount=type=secret shows a secret to one RUN and leaves nothing behind");
		}
	}
	return more;
}

int secret_guard_layer(struct build *b, const struct digest *blob, struct rn_error *err)
{
	if (!secret_guard_needed(b) || !blob_store_has(b->store, blob, NULL))
		return 0;
	RN_AUTO(rn_closep) int fd = blob_store_open_blob(b->store, blob, NULL, err);
	const struct layer_reader_options o = { .stop = &b->stop };
	RN_AUTO(layer_reader_freep) struct layer_reader *r = fd < 0 ? NULL : layer_reader_new(fd, &o, err);
	return r ? scan(b, r, err) : -1;
}

/* ---- layers of caches ---------------------------------------------------------------------- */

void secret_guard_names(struct build *b, struct rn_strv *ret)
{
	const char *text = b->params->secrets.text;
	RN_AUTO(rn_json_freep) cJSON *all = text && secret_guard_needed(b) ? rn_json_parse_str(text, NULL) : NULL;
	const cJSON *one;
	cJSON_ArrayForEach(one, all)
		if (!rn_strv_has(ret, one->string))
			rn_strv_add(ret, one->string);
	rn_strv_sort(ret);
}

/* Secrets without a name (in another parameter than `secrets`) are in nobody's list. */
static bool covers(const struct rn_strv *searched, const struct rn_strv *names)
{
	for (size_t i = 0; i < names->n; i++)
		if (!rn_strv_has(searched, names->v[i]))
			return false;
	return names->n > 0;
}

int secret_guard_cached(struct build *b, const struct digest *blob, struct rn_strv *searched, bool *ret_more, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	*ret_more = false;
	if (!secret_guard_needed(b))
		return 0;
	secret_guard_names(b, &names);
	bool known = covers(searched, &names);
	if (!blob_store_has(b->store, blob, NULL)) {
		if (known || b->only_cached)
			return 0;
		build_log(b, RUNNER_INFO, "fetched to look for secrets in it: who made it for the cache did not look for all of this stage's");
		if (need_blob(b, blob, err) < 0)
			return -1;
	}
	if (secret_guard_layer(b, blob, err) < 0)
		return -1;
	secret_guard_names(b, searched);
	*ret_more = !known && names.n > 0;
	return 0;
}
