/* SPDX-License-Identifier: Apache-2.0 */
#include "cache_why.h"

#include "copy_inputs.h"

#include <stdlib.h>
#include <string.h>

/* "build 3/5", or "3/5" of the only stage. */
static char *place_of(const struct step_notes *all, const struct step_note *n)
{
	bool several = false;
	for (size_t i = 0; i < all->n; i++)
		several |= !rn_streq(all->v[i].stage, n->stage);
	bool nameless = n->stage[strspn(n->stage, "0123456789")] == '\0';
	return rn_asprintf("%s%s%s%lld/%lld", several && nameless ? "stage " : "", several ? n->stage : "", several ? " " : "",
			   (long long)n->number, (long long)n->total);
}

/* The file behind two lists that differ; NULL: the lists were not kept. */
static char *changed_file(const char *dir, const struct key_part *now, const struct key_part *before)
{
	const char *how = NULL;
	if (!now || !before || !now->text || !before->text)
		return NULL;
	RN_AUTO(rn_freep) char *new_list = step_notes_files(dir, now->text);
	RN_AUTO(rn_freep) char *old_list = step_notes_files(dir, before->text);
	if (!new_list || !old_list)
		return NULL;
	RN_AUTO(rn_freep) char *path = copy_inputs_differ(old_list, new_list, &how);
	return path ? rn_asprintf("/%s %s", path, rn_streq(how, "gone") ? "is not there any more" : rn_streq(how, "new") ? "is new" : how) : NULL;
}

static const char *shown(const struct key_part *p)
{
	return !p ? "nothing" : p->text ? (*p->text ? p->text : "\"\"") : "another value (not shown)";
}

/* What people want to know of a part that differs. */
static void explain(const struct step_note *n, const char *reason, const char *dir, struct rn_buf *to)
{
	const struct key_part *now, *before;
	step_note_part(n, reason, &now, &before);
	RN_AUTO(rn_freep) char *file = rn_starts(reason, "files") ? changed_file(dir, now, before) : NULL;
	if (file)
		rn_buf_addf(to, "%s", file);
	else if (rn_streq(reason, "below"))
		rn_buf_adds(to, "what is below differs: an earlier step (or the base image) has other files");
	else if (rn_streq(reason, "files of --from"))
		rn_buf_adds(to, "the stage or image that it copies from has other files");
	else if (rn_starts(reason, "files"))
		rn_buf_addf(to, "%s differ", reason);
	else if (now && !now->text)
		rn_buf_addf(to, "%s has another value", reason);
	else
		rn_buf_addf(to, "%s is %s, and was %s", reason, shown(now), shown(before));
}

static void verdict(const struct step_note *n, const char *dir, struct rn_buf *to)
{
	const char *reason = step_note_reason(n);
	if (n->now.cached) {
		rn_buf_adds(to, "cached");
		return;
	}
	rn_buf_adds(to, "ran: ");
	if (!n->has_before)
		rn_buf_adds(to, "it is the first time that this step is built here");
	else if (!reason)
		rn_buf_adds(to, "nothing differs from the build before; its result was not in the cache (pruned, no_cache, or it failed then)");
	else
		explain(n, reason, dir, to);
}

void cache_why_all(const struct step_notes *n, const char *dir, struct rn_buf *to)
{
	const char *platform = NULL;
	for (size_t i = 0; i < n->n; i++) {
		const struct step_note *s = &n->v[i];
		RN_AUTO(rn_freep) char *place = place_of(n, s);
		if (!rn_streq(platform, s->platform))
			rn_buf_addf(to, "%s\n", s->platform);
		platform = s->platform;
		rn_buf_addf(to, "  %-14s %.100s\n                 ", place, s->text);
		verdict(s, dir, to);
		rn_buf_addc(to, '\n');
	}
}

/* ---- one step ------------------------------------------------------------------------------------- */

static bool is_named(const struct step_note *n, const char *step)
{
	int64_t number;
	const char *dot = strrchr(step, '.'), *colon = dot ? dot : strrchr(step, ':');
	if (rn_starts(step, "line "))
		return rn_parse_int(step + strlen("line "), 1, INT32_MAX, &number, NULL) == 0 && n->line == number;
	if (rn_parse_int(colon ? colon + 1 : step, 1, INT32_MAX, &number, NULL) < 0 || n->number != number)
		return false;
	if (!colon)
		return n->target;
	RN_AUTO(rn_freep) char *stage = rn_strndup(step, (size_t)(colon - step));
	return strcasecmp(stage, n->stage) == 0;
}

static void add_parts(const struct key_parts *now, const struct key_parts *before, struct rn_buf *to)
{
	for (size_t i = 0; i < now->n; i++) {
		const struct key_part *p = &now->v[i], *old = before ? key_part(before, p->name) : NULL;
		bool same = !before || (old && digest_equal(&old->value, &p->value));
		rn_buf_addf(to, "  %c %-24s ", same ? ' ' : '*', p->name);
		if (p->text)
			rn_buf_addf(to, "%s\n", p->text);
		else
			rn_buf_addf(to, "(%.19s)\n", p->value.text);
		if (!same && old)
			rn_buf_addf(to, "    %-24s was %s\n", "", old->text ? old->text : "another value");
	}
	for (size_t i = 0; before && i < before->n; i++)
		if (!key_part(now, before->v[i].name))
			rn_buf_addf(to, "  * %-24s is gone, was %s\n", before->v[i].name, before->v[i].text ? before->v[i].text : "set");
}

static void describe(const struct step_notes *all, const struct step_note *n, const char *dir, struct rn_buf *to)
{
	RN_AUTO(rn_freep) char *place = place_of(all, n);
	bool content = n->now.content.n > 0 && (n->before.content.n > 0 || !n->has_before);
	const struct key_parts *now = content ? &n->now.content : &n->now.parts;
	const struct key_parts *before = !n->has_before ? NULL : content ? &n->before.content : &n->before.parts;
	struct digest key = key_digest(now);
	rn_buf_addf(to, "%s  line %lld  %s  (%s)\n", place, (long long)n->line, n->text, n->platform);
	verdict(n, dir, to);
	rn_buf_addf(to, "\n\nkey %s, made of%s\n", key.text, before ? " (* differs from the build before)" : "");
	add_parts(now, before, to);
}

int cache_why_step(const struct step_notes *n, const char *step, const char *dir, struct rn_buf *to, struct rn_error *err)
{
	size_t found = 0;
	for (size_t i = 0; i < n->n; i++)
		if (is_named(&n->v[i], step)) {
			if (found++)
				rn_buf_addc(to, '\n');
			describe(n, &n->v[i], dir, to);
		}
	if (found)
		return 0;
	RN_AUTO(rn_buf_clear) struct rn_buf names = { .max = 512 };
	for (size_t i = 0; i < n->n; i++)
		rn_buf_addf(&names, "%s%s.%lld", i ? ", " : "", n->v[i].stage, (long long)n->v[i].number);
	rn_fail(err, RN_ENOTFOUND, "no step \"%s\" makes a layer", step);
	return rn_hint(err, "there are %s", rn_buf_str(&names));
}
