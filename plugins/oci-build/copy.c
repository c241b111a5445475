/* SPDX-License-Identifier: Apache-2.0 */
#include "copy.h"

#include "copy_inputs.h"
#include "copy_job.h"
#include "dockerfile_args.h"
#include "dockerfile_parser.h"
#include "file_mode.h"
#include "git_url.h"
#include "rootfs_along.h"

#include "base/fs.h"
#include "oci/config.h"

#include <stdlib.h>
#include <string.h>

struct draft_owner copy_owner(const struct copy_job *j, uint32_t uid, uint32_t gid)
{
	return j->has_owner ? j->owner : (struct draft_owner){ uid, gid };
}

mode_t copy_mode(const struct copy_job *j, mode_t mode, enum layer_type type)
{
	if (type == LAYER_SYMLINK)
		return 0777;
	return j->chmod ? file_mode_apply(j->chmod, mode, type == LAYER_DIR) : mode & 07777;
}

int copy_scratch(struct copy_job *j)
{
	int fd = blob_store_scratch(j->s->b->store, j->s->err);
	if (fd < 0)
		return -1;
	j->fds = rn_grow(j->fds, &j->cap_fds, j->n_fds + 1, sizeof(int));
	return j->fds[j->n_fds++] = fd;
}

char *copy_target(struct copy_job *j, const char *name)
{
	RN_AUTO(rn_freep) char *real = NULL;
	enum layer_type type;
	struct rn_error *err = j->s->err;
	if (layer_draft_resolve(j->draft, j->dest, true, &real, &type, err) < 0)
		return NULL;
	if (type && type != LAYER_DIR && j->dest_is_folder) {
		rn_fail(err, RN_EINVAL, "\"%s\" is a file in the image, not a folder", j->dest);
		return NULL;
	}
	bool into = j->dest_is_folder || type == LAYER_DIR;
	RN_AUTO(rn_freep) char *above = rn_path_dir(real);
	const char *folder = into ? real : rn_streq(above, ".") ? "" : above;
	if (layer_draft_parents(j->draft, folder, copy_owner(j, 0, 0), err) < 0)
		return NULL;
	if (!into)
		return rn_take(&real);
	char *target = *real ? rn_asprintf("%s/%s", real, name) : rn_strdup(name);
	if (!j->survey || !layer_draft_type(j->draft, target))
		return target;
	/* two archives of one name do not replace each other: both count */
	RN_AUTO(rn_freep) char *taken = target;
	return rn_asprintf("%s#%zu", taken, layer_draft_count(j->draft));
}

static void job_clear(struct copy_job *j)
{
	layer_draft_free(j->draft);
	file_source_free(j->source);
	ignore_clear(&j->exclude);
	for (size_t i = 0; i < j->n_fds; i++)
		rn_closep(&j->fds[i]);
	for (size_t i = 0; i < j->n_texts; i++)
		free(j->texts[i]);
	for (size_t i = 0; i < j->n_extra; i++)
		file_source_free(j->extra[i]);
	for (size_t i = 0; i < j->temporary.n; i++)
		rn_remove_tree(j->temporary.v[i], NULL);
	rn_strv_clear(&j->temporary);
	ignore_clear(&j->git_ignore);
	free(j->extra);
	free(j->fds);
	free(j->texts);
	free(j->dest);
	free(j->chmod);
}

/* ---- flags ---------------------------------------------------------------------------- */

static int read_chown(struct copy_job *j)
{
	const struct step *s = j->s;
	const struct df_flag *f = df_flag(s->i, "chown");
	RN_AUTO(rn_freep) char *who = NULL;
	if (step_flag(s, "chown", &who) < 0)
		return -1;
	if (!who || !*who)
		return 0;
	RN_AUTO(passwd_clear) struct passwd names = { 0 };
	RN_AUTO(passwd_user_clear) struct passwd_user user = { 0 };
	if (j->survey) /* what the name means is in the image below */
		return 0;
	bool numbers = who[strspn(who, "0123456789:")] == '\0';
	if (!numbers && fs_state_passwd(&s->stage->state, s->b, &names, s->err) < 0)
		return step_locate(s, f->value_at);
	if (passwd_find(&names, who, PASSWD_CHOWN, &user, s->err) < 0)
		return step_locate(s, f->value_at);
	j->has_owner = true;
	j->owner = (struct draft_owner){ user.uid, user.gid };
	return 0;
}

static int read_flags(struct copy_job *j)
{
	const struct step *s = j->s;
	const struct df_flag *chmod = df_flag(s->i, "chmod");
	if (step_flag(s, "chmod", &j->chmod) < 0)
		return -1;
	if (j->chmod && !*j->chmod)
		rn_freep(&j->chmod);
	if (j->chmod && file_mode_check(j->chmod, s->err) < 0)
		return step_locate(s, chmod->value_at);
	for (size_t i = 0; i < s->i->n_flags; i++) {
		const struct df_flag *f = &s->i->flags[i];
		if (!rn_streq(f->name, "exclude"))
			continue;
		RN_AUTO(rn_freep) char *pattern = step_expand(s, f->value, f->value_at);
		if (!pattern)
			return -1;
		if (ignore_add(&j->exclude, pattern, s->err) < 0)
			return step_locate(s, f->value_at);
	}
	j->parents = df_flag_true(s->i, "parents");
	return read_chown(j);
}

static int read_dest(struct copy_job *j, const struct df_word *w)
{
	const struct step *s = j->s;
	RN_AUTO(rn_freep) char *dest = step_expand(s, w->text, w->at);
	if (!dest)
		return -1;
	const char *workdir = rn_json_str(step_config(s), "WorkingDir");
	RN_AUTO(rn_freep) char *full = *dest == '/' ? rn_strdup(dest) :
						      rn_asprintf("/%s/%s", workdir ? workdir : "", dest);
	size_t n = strlen(dest);
	j->dest_is_folder = n == 0 || dest[n - 1] == '/' || rn_streq(rn_path_base(dest), ".");
	j->dest = rn_path_clean(full);
	return 0;
}

/* ---- sources ----------------------------------------------------------------------------- */

static const struct df_heredoc *heredoc_of(const struct step *s, const struct df_word *w)
{
	struct df_heredoc h = { 0 };
	const struct df_heredoc *found = NULL;
	if (s->i->json || !df_heredoc_word(w->text, &h))
		return NULL;
	for (size_t i = 0; i < s->i->n_heredocs; i++)
		if (rn_streq(s->i->heredocs[i].name, h.name))
			found = &s->i->heredocs[i];
	rn_freep(&h.name);
	return found;
}

/* <<-: leading tabs of every line go. */
static char *strip_tabs(const char *body)
{
	struct rn_buf out = { .max = DF_TEXT_MAX };
	for (const char *p = body; *p;) {
		p += strspn(p, "\t");
		size_t n = strcspn(p, "\n");
		n += p[n] == '\n';
		rn_buf_add(&out, p, n);
		p += n;
	}
	return rn_buf_take(&out);
}

static int copy_heredoc(struct copy_job *j, const struct df_heredoc *h)
{
	char *stripped = h->strip_tabs ? strip_tabs(h->body) : NULL;
	struct df_heredoc plain = *h;
	if (stripped)
		plain.body = stripped;
	char *body = h->expand ? step_expand_body(j->s, &plain) : rn_strdup(plain.body);
	free(stripped);
	if (!body)
		return -1;
	j->texts = rn_grow(j->texts, &j->cap_texts, j->n_texts + 1, sizeof(char *));
	j->texts[j->n_texts++] = body;
	RN_AUTO(rn_freep) char *target = copy_target(j, rn_path_base(h->name));
	if (!target)
		return -1;
	struct draft_owner owner = copy_owner(j, 0, 0);
	struct layer_entry e = { .path = target, .type = LAYER_FILE, .mode = copy_mode(j, 0644, LAYER_FILE),
				 .uid = owner.uid, .gid = owner.gid, .mtime = j->s->b->epoch, .size = strlen(body) };
	struct draft_content content = { .data = body, .fd = -1 };
	return layer_draft_add(j->draft, &e, &content, NULL, j->s->err);
}

static int check_checksum(const struct copy_job *j, size_t sources, const char *text)
{
	const struct df_flag *f = df_flag(j->s->i, "checksum");
	if (!f)
		return 0;
	if (sources > 1)
		return step_fail(j->s, f->at, RN_EINVAL, "--checksum is for one source, here are %zu", sources);
	return add_is_url(text) || git_url_is(text) ? 0 : step_fail(j->s, f->at, RN_EINVAL, "--checksum is for a URL or a git repository");
}

static int copy_remote(struct copy_job *j, const char *text)
{
	const struct step *s = j->s;
	bool git = git_url_is(text);
	if (s->i->op == DF_COPY) {
		rn_fail(s->err, RN_EINVAL, "COPY takes no %s", git ? "git repository" : "URL");
		return rn_hint(s->err, "use ADD %s", text);
	}
	const struct df_flag *unpack = df_flag(s->i, "unpack");
	RN_AUTO(rn_freep) char *checksum = NULL;
	if (step_flag(s, "checksum", &checksum) < 0)
		return -1;
	if (git)
		return add_git(j, text, checksum, df_flag_true(s->i, "keep-git-dir"));
	return add_remote(j, text, checksum, unpack && df_flag_true(s->i, "unpack"));
}

static int copy_source(struct copy_job *j, const struct df_word *w, size_t sources, struct rn_buf *message)
{
	const struct df_heredoc *h = heredoc_of(j->s, w);
	j->at = w->at;
	if (h) {
		rn_buf_addf(message, " <<%s", h->name);
		return copy_heredoc(j, h);
	}
	RN_AUTO(rn_freep) char *text = step_expand(j->s, w->text, w->at);
	if (!text)
		return -1;
	rn_buf_addf(message, " %s", text);
	if (check_checksum(j, sources, text) < 0)
		return -1;
	return add_is_url(text) || git_url_is(text) ? copy_remote(j, text) : copy_path(j, text);
}

static bool has_paths(const struct step *s)
{
	for (size_t i = 0; i + 1 < s->i->words.n; i++)
		if (!heredoc_of(s, &s->i->words.v[i]))
			return true;
	return false;
}

static void begin_message(const struct copy_job *j, const char *chown, struct rn_buf *message)
{
	rn_buf_adds(message, df_op_name(j->s->i->op));
	if (j->parents)
		rn_buf_adds(message, " --parents");
	if (chown && *chown)
		rn_buf_addf(message, " --chown=%s", chown);
	if (j->chmod)
		rn_buf_addf(message, " --chmod=%s", j->chmod);
}

/* ---- the layer ------------------------------------------------------------------------------ */

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	const struct build *b = ctx;
	b->host->progress(b->stage, "layer", done, total, "bytes");
}

static bool on_cancel(void *ctx)
{
	const struct build *b = ctx;
	return build_stopped(b);
}

static int finish(struct copy_job *j, const char *message)
{
	struct step *s = j->s;
	if (layer_draft_count(j->draft) == 0) {
		fs_state_note(&s->stage->state, s->b, message);
		return 0;
	}
	const struct draft_progress progress = { on_progress, s->b, on_cancel };
	struct layer_result layer;
	struct layer_options o = *step_layer_options(s);
	struct rootfs_along *along = rootfs_along_begin(s, &o.raw);
	if (layer_draft_write(j->draft, s->b->store, &o, &progress, &layer, s->err) < 0) {
		rootfs_along_end(along, NULL);
		return -1;
	}
	char size[32];
	build_log(s->b, RUNNER_INFO, "%zu entries, %s, layer %.19s", layer_draft_count(j->draft),
		  rn_format_size(layer.tar_size, size, sizeof(size)), layer.digest.text);
	s->along = along;
	rootfs_along_complete(along);
	return fs_state_add(&s->stage->state, s->b, &layer, message, s->err);
}

/* Flags, destination and where files come from. */
static int open_job(struct copy_job *j)
{
	const struct step *s = j->s;
	const struct df_words *w = &s->i->words;
	const struct df_flag *from = df_flag(s->i, "from");
	size_t sources = w->n - 1;
	if (read_flags(j) < 0 || read_dest(j, &w->v[sources]) < 0)
		return -1;
	if (sources > 1 && !j->dest_is_folder) {
		step_fail(s, w->v[sources].at, RN_EINVAL, "with several sources the destination must be a folder");
		return rn_hint(s->err, "end it with a slash: %s/", w->v[sources].text);
	}
	if (has_paths(s) && !(j->source = step_source(s, from)))
		return step_locate(s, from ? from->value_at : s->i->at);
	return 0;
}

/* Everything that the sources name into the draft, which stands on `tree` (NULL: on nothing). */
static int collect(struct copy_job *j, struct layer_tree *tree, struct rn_buf *message)
{
	const struct df_words *w = &j->s->i->words;
	size_t sources = w->n - 1;
	j->draft = layer_draft_new(tree, j->s->b->epoch);
	for (size_t i = 0; i < sources; i++)
		if (copy_source(j, &w->v[i], sources, message) < 0)
			return step_locate(j->s, w->v[i].at);
	rn_buf_addf(message, " %s", w->v[sources].text);
	return 0;
}

int step_copy(struct step *s)
{
	RN_AUTO(job_clear) struct copy_job j = { .s = s };
	RN_AUTO(rn_buf_clear) struct rn_buf message = RN_BUF_INIT;
	RN_AUTO(rn_freep) char *chown = NULL;
	bool link = df_flag_true(s->i, "link");
	if (open_job(&j) < 0 || step_flag(s, "chown", &chown) < 0)
		return -1;
	struct layer_tree *tree = link ? NULL : fs_state_tree(&s->stage->state, s->b, s->err);
	if (!tree && !link)
		return step_locate(s, s->i->at);
	begin_message(&j, chown, &message);
	if (collect(&j, tree, &message) < 0)
		return -1;
	return finish(&j, rn_buf_str(&message)) < 0 ? step_locate(s, s->i->at) : 0;
}

int copy_survey(struct step *s, struct rn_buf *ret)
{
	RN_AUTO(job_clear) struct copy_job j = { .s = s, .survey = true };
	RN_AUTO(rn_buf_clear) struct rn_buf message = RN_BUF_INIT;
	if (open_job(&j) < 0 || collect(&j, NULL, &message) < 0)
		return -1;
	return copy_inputs(j.draft, s->b->hashes, ret, s->err) < 0 ? step_locate(s, s->i->at) : 0;
}

int copy_survey_path(struct step *s, struct file_source *source, const char *path, struct rn_buf *ret)
{
	struct copy_job j = { .s = s, .survey = true, .source = source, .dest = rn_strdup("/"), .dest_is_folder = true };
	j.draft = layer_draft_new(NULL, s->b->epoch);
	int rc = copy_literal(&j, path);
	if (rc == 0)
		rc = copy_inputs(j.draft, s->b->hashes, ret, s->err);
	j.source = NULL; /* the caller's */
	job_clear(&j);
	return rc;
}
