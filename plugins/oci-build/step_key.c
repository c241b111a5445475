/* SPDX-License-Identifier: Apache-2.0 */
#include "step_key.h"

#include "copy.h"
#include "dockerfile_parser.h"
#include "file_source.h"
#include "metadata.h"
#include "rootfs_expect.h"
#include "run_spec.h"
#include "step_notes.h"

#include "oci/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void step_key_clear(struct step_key *k)
{
	key_parts_clear(&k->parts);
	rn_buf_clear(&k->files);
	rn_freep(&k->workdir);
	*k = (struct step_key){ 0 };
}

bool step_key_applies(const struct step *s)
{
	return s->i->op == DF_COPY || s->i->op == DF_ADD || s->i->op == DF_RUN || s->i->op == DF_WORKDIR;
}

static void add_below(struct step *s, struct step_key *k)
{
	struct digest chain = fs_state_chain(&s->stage->state);
	key_add_digest(&k->parts, "below", &chain);
}

static void add_epoch(struct step *s, struct step_key *k)
{
	RN_AUTO(rn_freep) char *text = rn_asprintf("%lld", (long long)s->b->epoch);
	key_add(&k->parts, "source_date_epoch", text);
}

static void add_files(struct step *s, struct step_key *k, const char *part, const struct rn_buf *files)
{
	struct digest d = digest_of(rn_buf_str(files), files->len);
	key_add_digest(&k->parts, part, &d);
	step_notes_keep_files(blob_store_dir(s->b->store), &d, files);
}

/* ---- COPY and ADD ------------------------------------------------------------------------- */

static int add_flags(struct step *s, struct step_key *k)
{
	for (size_t i = 0; i < s->i->n_flags; i++) {
		const struct df_flag *f = &s->i->flags[i];
		if (rn_streq(f->name, "from")) /* counts by what it names */
			continue;
		RN_AUTO(rn_freep) char *name = rn_asprintf("--%s", f->name);
		RN_AUTO(rn_freep) char *value = f->value ? step_expand(s, f->value, f->value_at) : rn_strdup("");
		if (!value)
			return -1;
		key_add(&k->parts, name, value);
	}
	return 0;
}

/* The words as they will be understood; where a heredoc goes its name counts here and its body among the files. */
static int add_words(struct step *s, struct step_key *k)
{
	RN_AUTO(rn_buf_clear) struct rn_buf words = RN_BUF_INIT;
	const struct df_words *w = &s->i->words;
	for (size_t i = 0; i < w->n; i++) {
		RN_AUTO(rn_freep) char *word = step_expand(s, w->v[i].text, w->v[i].at);
		if (!word)
			return -1;
		rn_buf_addf(&words, "%s%s", i ? " " : "", word);
	}
	key_add(&k->parts, "words", rn_buf_str(&words));
	key_add(&k->parts, "destination as written", w->v[w->n - 1].text); /* the history has it */
	RN_AUTO(rn_freep) char *dest = step_expand(s, w->v[w->n - 1].text, w->v[w->n - 1].at);
	const char *workdir = rn_json_str(step_config(s), "WorkingDir");
	if (dest && *dest != '/')
		key_add(&k->parts, "WORKDIR", workdir ? workdir : "/");
	return 0;
}

/* --link puts the files on whatever is below; only the name of an owner is looked up there. */
static bool needs_below(const struct step *s)
{
	const struct df_flag *chown = df_flag(s->i, "chown");
	return !df_flag_true(s->i, "link") || (chown && chown->value[strspn(chown->value, "0123456789:")]);
}

static int copy_key(struct step *s, struct step_key *k)
{
	if (needs_below(s))
		add_below(s, k);
	if (add_flags(s, k) < 0 || add_words(s, k) < 0)
		return -1;
	add_epoch(s, k);
	return 0;
}

/* ---- RUN ------------------------------------------------------------------------------------- */

static void add_command(struct step *s, struct step_key *k)
{
	RN_AUTO(rn_strv_clear) struct rn_strv argv = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	step_command(s, 0, &argv);
	for (size_t i = 0; i < argv.n; i++) {
		rn_buf_addc(&text, i ? ' ' : '[');
		rn_json_quote(&text, argv.v[i], strlen(argv.v[i]));
	}
	rn_buf_addc(&text, ']');
	key_add(&k->parts, s->i->json ? "command" : "shell command", rn_buf_str(&text));
	for (size_t i = 0; i < s->i->n_heredocs; i++) {
		const struct df_heredoc *h = &s->i->heredocs[i];
		RN_AUTO(rn_freep) char *name = rn_asprintf("heredoc %s%s%s", h->name, h->expand ? "" : " quoted", h->strip_tabs ? " tabs" : "");
		key_add(&k->parts, name, h->body);
	}
}

/* ENV in any order; each ARG that is in effect, in the order in which the history tells them. Proxies that no ARG asks for are in neither. */
static void add_variables(struct step *s, struct step_key *k)
{
	RN_AUTO(rn_strv_clear) struct rn_strv env = { 0 };
	const cJSON *item;
	cJSON_ArrayForEach(item, rn_json_get(step_config(s), "Env"))
		if (cJSON_IsString(item) && strchr(item->valuestring, '='))
			rn_strv_add(&env, item->valuestring);
	rn_strv_sort(&env);
	for (size_t i = 0; i < env.n; i++) {
		RN_AUTO(rn_freep) char *part = rn_asprintf("env %.*s", (int)strcspn(env.v[i], "="), env.v[i]);
		key_add_hidden(&k->parts, part, strchr(env.v[i], '=') + 1);
	}
	RN_MAP_EACH(&s->stage->args, it) {
		RN_AUTO(rn_freep) char *part = rn_asprintf("arg %s", it->key);
		if (!config_env(s->stage->state.config, it->key))
			key_add_hidden(&k->parts, part, it->value);
	}
}

static struct df_flag from_flag(const struct df_flag *mount, char *from)
{
	return (struct df_flag){ .name = (char *)"from", .value = from, .at = mount->at, .value_at = mount->value_at };
}

/* Content of a bind mount's source: files of this machine one by one, a stage or image by its chain. */
static int add_mount_source(struct step *s, struct step_key *k, const struct df_flag *flag, const struct run_mount *m, const char *part)
{
	struct step_files files;
	const struct df_flag from = from_flag(flag, m->from);
	if (step_files(s, m->from ? &from : NULL, &files) < 0)
		return -1;
	if (!files.folder) {
		struct digest chain = fs_state_chain(files.state);
		key_add_digest(&k->parts, part, &chain);
		return 0;
	}
	RN_AUTO(file_source_freep) struct file_source *source = step_source(s, m->from ? &from : NULL);
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (!source || copy_survey_path(s, source, m->source ? m->source : "", &text) < 0)
		return -1;
	rn_buf_add(&k->files, rn_buf_str(&text), text.len);
	add_files(s, k, part, &text);
	return 0;
}

/* Secrets and caches count by their options alone. */
static int add_mount(struct step *s, struct step_key *k, const struct df_flag *flag, size_t number)
{
	RN_AUTO(run_mount_clear) struct run_mount m = { 0 };
	RN_AUTO(rn_freep) char *text = step_expand(s, flag->value, flag->value_at);
	RN_AUTO(rn_freep) char *part = rn_asprintf("--mount %zu", number);
	RN_AUTO(rn_freep) char *content = rn_asprintf("files of --mount %zu", number);
	if (!text)
		return -1;
	key_add(&k->parts, part, text);
	if (run_spec_mount(s, flag, &m) < 0)
		return -1;
	bool has_source = m.type == MOUNT_BIND || (m.type == MOUNT_CACHE && m.from);
	if (has_source && add_mount_source(s, k, flag, &m, content) < 0)
		return step_locate(s, flag->value_at);
	return 0;
}

static int run_key(struct step *s, struct step_key *k)
{
	RN_AUTO(rn_freep) char *platform = platform_format(&s->stage->platform);
	size_t mounts = 0;
	add_below(s, k);
	key_add(&k->parts, "platform", platform);
	if (rootfs_expect_single_id())
		key_add(&k->parts, "owners", "one id"); /* chown has no effect there */
	add_command(s, k);
	for (size_t i = 0; i < s->i->n_flags; i++) {
		const struct df_flag *f = &s->i->flags[i];
		RN_AUTO(rn_freep) char *name = rn_asprintf("--%s", f->name);
		if (!rn_streq(f->name, "mount"))
			key_add(&k->parts, name, f->value ? f->value : "");
		else if (add_mount(s, k, f, ++mounts) < 0)
			return -1;
	}
	if (s->b->params->network && /* also --network=default is what the pipeline says */ !rn_streq(s->b->params->network, "default"))
		key_add(&k->parts, "network", s->b->params->network);
	const char *user = rn_json_str(step_config(s), "User"), *workdir = rn_json_str(step_config(s), "WorkingDir");
	key_add(&k->parts, "USER", user ? user : "");
	key_add(&k->parts, "WORKDIR", workdir ? workdir : "/");
	add_variables(s, k);
	add_epoch(s, k);
	return 0;
}

/* ---- WORKDIR ------------------------------------------------------------------------------------ */

static int workdir_key(struct step *s, struct step_key *k)
{
	const char *user = rn_json_str(step_config(s), "User");
	if (!(k->workdir = step_workdir_path(s)))
		return -1;
	add_below(s, k);
	key_add(&k->parts, "path", k->workdir);
	key_add(&k->parts, "USER", user ? user : "");
	add_epoch(s, k);
	return 0;
}

/* ---- all -------------------------------------------------------------------------------------------- */

static int begin(struct step *s, struct step_key *k)
{
	key_add(&k->parts, "version", STEP_KEY_VERSION " of " RUNNER_VERSION);
	key_add(&k->parts, "instruction", df_op_name(s->i->op));
	return s->i->op == DF_RUN ? run_key(s, k) : s->i->op == DF_WORKDIR ? workdir_key(s, k) : copy_key(s, k);
}

int step_key(struct step *s, struct step_key *ret)
{
	const struct df_flag *from = s->i->op == DF_COPY || s->i->op == DF_ADD ? df_flag(s->i, "from") : NULL;
	struct step_files files = { 0 };
	*ret = (struct step_key){ 0 };
	if (begin(s, ret) < 0)
		return -1;
	if (from && step_files(s, from, &files) < 0)
		return step_locate(s, from->value_at);
	if (from && files.state) {
		struct digest chain = fs_state_chain(files.state);
		ret->by_source = true;
		key_add_digest(&ret->parts, "files of --from", &chain);
	} else if (s->i->op == DF_COPY || s->i->op == DF_ADD) {
		if (copy_survey(s, &ret->files) < 0)
			return -1;
		add_files(s, ret, "files", &ret->files);
	}
	ret->id = key_digest(&ret->parts);
	return 0;
}

int step_key_by_content(struct step *s, struct step_key *ret)
{
	*ret = (struct step_key){ .of_content = true };
	if (begin(s, ret) < 0 || copy_survey(s, &ret->files) < 0)
		return -1;
	add_files(s, ret, "files", &ret->files);
	ret->id = key_digest(&ret->parts);
	return 0;
}
