/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ADD of a git repository, by the machine's own git: the commit that the reference stands for is looked up, fetched alone
 * and checked out into a scratch folder, from where it is copied as from any folder. No setting, credential or hook of this
 * machine's user plays a part, and git never asks a question; what a private repository wants comes from the stage's secrets.
 */
#include "add_git_auth.h"
#include "copy_job.h"
#include "git_url.h"
#include "provenance.h"

#include "base/fs.h"
#include "base/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_MAX ((size_t)32 << 20) /* ls-remote of very large repositories */
#define ERRORS_MAX ((size_t)64 << 10)
#define TIMEOUT_MS ((int64_t)60 * 60 * 1000)

struct checkout {
	struct copy_job *j;
	const char *name; /* for messages  */
	char *dir;        /* absolute      */
	struct rn_strv env;
};

static void checkout_clear(struct checkout *c)
{
	free(c->dir);
	for (size_t i = 0; i < c->env.n; i++)
		rn_wipe(c->env.v[i], strlen(c->env.v[i]));
	rn_strv_clear(&c->env);
}

/* What reaches git of this process's environment: the way to the network, and the ssh agent unless the stage names one. */
static void make_env(struct checkout *c)
{
	static const char *const kept[] = { "PATH", "http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY",
					    "NO_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "TMPDIR" };
	static const char *const set[] = { "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
					   "GIT_ASKPASS=true", "SSH_ASKPASS=true", "GCM_INTERACTIVE=never",
					   "GIT_SSH_COMMAND=ssh -o BatchMode=yes", "GIT_ALLOW_PROTOCOL=http:https:git:ssh",
					   "GIT_HTTP_LOW_SPEED_LIMIT=1000", "GIT_HTTP_LOW_SPEED_TIME=60", "GIT_ATTR_NOSYSTEM=1" };
	for (size_t i = 0; i < RN_LEN(kept); i++)
		if (getenv(kept[i]))
			rn_strv_addf(&c->env, "%s=%s", kept[i], getenv(kept[i]));
	for (size_t i = 0; i < RN_LEN(set); i++)
		rn_strv_add(&c->env, set[i]);
	rn_strv_addf(&c->env, "HOME=%s", c->dir); /* no .netrc either */
	RN_AUTO(rn_freep) char *agent = build_ssh_agent(c->j->s->b, "default");
	const char *socket = agent ? agent : getenv("SSH_AUTH_SOCK");
	if (socket)
		rn_strv_addf(&c->env, "SSH_AUTH_SOCK=%s", socket);
}

/* The last lines of what git complained about, on one line. */
static char *complaint(struct rn_buf *errors)
{
	char *text = rn_trim(rn_strdup(rn_buf_str(errors)));
	size_t n = strlen(text);
	if (n > 400)
		memmove(text, text + n - 400, 401);
	for (char *p = text; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	return text;
}

static int refuse(struct checkout *c, struct rn_buf *errors)
{
	struct rn_error *err = c->j->s->err;
	RN_AUTO(rn_freep) char *why = complaint(errors);
	bool auth = strstr(why, "Authentication failed") || strstr(why, "could not read Username") || strstr(why, "Permission denied") ||
		    strstr(why, "Host key verification failed");
	bool net = strstr(why, "Could not resolve") || strstr(why, "Failed to connect") || strstr(why, "timed out") ||
		   strstr(why, "Connection refused") || strstr(why, "Connection reset");
	rn_fail(err, auth ? RN_EAUTH : net ? RN_ENET : RN_EREMOTE, "git: %s: %s", c->name, *why ? why : "failed");
	if (err && net)
		err->retryable = true;
	if (strstr(why, "returned error: 30"))
		return rn_hint(err, "it is a redirect, and a secret does not go along to wherever a server says: name where the repository is now");
	if (strstr(why, "Host key verification failed"))
		return rn_hint(err, "ssh does not know this server: check its key and put it into ~/.ssh/known_hosts (ssh-keyscan HOST prints it)");
	if (strstr(why, "(publickey"))
		return rn_hint(err, "the server takes none of the keys in the ssh agent: ssh-add the right one, and name the agent by "
				    "`ssh: {default: SOCKET}` of this stage or by SSH_AUTH_SOCK");
	return auth ? rn_hint(err, "a private repository needs `secrets: {GIT_AUTH_TOKEN: …}` (or GIT_AUTH_TOKEN.HOST, or GIT_AUTH_HEADER) of this "
				   "stage, or an ssh URL and a key in the ssh agent") : -1;
}

/* Runs git with these arguments (NULL-terminated) in the scratch folder. Files that it makes are 644 and 755. */
static int git(struct checkout *c, const char *const *args, struct rn_buf *out)
{
	struct rn_error *err = c->j->s->err;
	RN_AUTO(rn_strv_clear) struct rn_strv argv = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf errors = { .max = ERRORS_MAX }, ignored = { .max = OUTPUT_MAX };
	if (build_check_cancel(c->j->s->b, err) < 0)
		return -1;
	static const char *const before[] = { "/bin/sh", "-c", "umask 022; exec \"$@\"", "sh", "git", "-C", NULL };
	static const char *const settings[] = { "core.logAllRefUpdates=false", "core.autocrlf=false", "core.hooksPath=/dev/null",
						"core.fsmonitor=false", "fetch.unpackLimit=2147483647", "transfer.unpackLimit=2147483647",
						"gc.auto=0", "maintenance.auto=false", "advice.detachedHead=false", "credential.helper=",
						"safe.directory=*" };
	for (size_t i = 0; before[i]; i++)
		rn_strv_add(&argv, before[i]);
	rn_strv_add(&argv, c->dir);
	for (size_t i = 0; i < RN_LEN(settings); i++) {
		rn_strv_add(&argv, "-c");
		rn_strv_add(&argv, settings[i]);
	}
	for (; *args; args++)
		rn_strv_add(&argv, *args);
	int rc = rn_run_until((const char *const *)argv.v, (const char *const *)c->env.v, NULL, out ? out : &ignored, &errors, TIMEOUT_MS,
			      build_cancel_fd(c->j->s->b), err);
	if (rc < 0)
		return rn_wrap(err, "git");
	if (rc != 127)
		return rc == 0 ? 0 : refuse(c, &errors);
	rn_fail(err, RN_EUNSUPPORTED, "ADD of the git repository %s needs the program git, and this machine does not have it", c->name);
	return rn_hint(err, "install git, or check the repository out before the build and name its folder in `build_contexts`");
}

#define GIT(c, out, ...) git((c), (const char *const[]){ __VA_ARGS__, NULL }, (out))

/* ---- which commit ------------------------------------------------------------------------ */

static int check_commit(const struct checkout *c, const struct git_url *u, const char *commit, const char *tag)
{
	struct rn_error *err = c->j->s->err;
	if (!u->checksum || rn_starts(commit, u->checksum) || (tag && rn_starts(tag, u->checksum)))
		return 0;
	rn_fail(err, RN_EINVAL, "%s: the checksum wants commit %s, but %s is %s", c->name, u->checksum, u->ref ? u->ref : "HEAD", commit);
	return rn_hint(err, "the branch or tag moved, or the checksum is of another version");
}

/* The commit, looked up once for a step; new string or NULL. */
static char *find_commit(struct checkout *c, const char *text, const struct git_url *u)
{
	struct rn_map *known = c->j->s->downloads;
	const struct remote_file *f = known ? rn_map_get(known, text) : NULL;
	RN_AUTO(rn_buf_clear) struct rn_buf listing = { .max = OUTPUT_MAX };
	RN_AUTO(rn_freep) char *commit = NULL, *tag = NULL;
	if (f)
		return rn_strdup(f->commit);
	if (u->ref && git_is_commit(u->ref))
		commit = rn_strdup(u->ref);
	else if (GIT(c, &listing, "ls-remote", "--", u->remote) < 0 ||
		 git_pick_commit(rn_buf_str(&listing), u->ref, &commit, &tag, c->j->s->err) < 0)
		return NULL;
	if (check_commit(c, u, commit, tag) < 0)
		return NULL;
	if (known) {
		struct remote_file *note = rn_alloc(sizeof(*note));
		*note = (struct remote_file){ .fd = -1 };
		snprintf(note->commit, sizeof(note->commit), "%s", commit);
		rn_map_set(known, text, note);
	}
	build_log(c->j->s->b, RUNNER_INFO, "%s is commit %.12s", c->name, commit);
	return rn_take(&commit);
}

/* ---- its files ------------------------------------------------------------------------------ */

/* Just this commit; from a server that gives no single commits, everything. */
static int fetch(struct checkout *c, const char *commit)
{
	struct rn_error *err = c->j->s->err;
	if (GIT(c, NULL, "fetch", "--quiet", "--no-tags", "--depth=1", "origin", commit) == 0)
		return 0;
	if (err->code != RN_EREMOTE)
		return -1;
	return GIT(c, NULL, "fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*");
}

static int check_out(struct checkout *c, const struct git_url *u, const char *commit)
{
	if (GIT(c, NULL, "init", "--quiet", "--template=", "--initial-branch=main") < 0 ||
	    GIT(c, NULL, "remote", "add", "origin", u->remote) < 0 || fetch(c, commit) < 0 ||
	    GIT(c, NULL, "checkout", "--quiet", "--force", "--detach", commit) < 0)
		return -1;
	RN_AUTO(rn_freep) char *modules = rn_path_join(c->dir, ".gitmodules");
	if (u->submodules != 0 && rn_exists(modules) &&
	    GIT(c, NULL, "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1") < 0)
		return -1;
	return 0;
}

/* The index holds times and inodes of this machine; made anew without them it is the same everywhere. */
static int settle_git_dir(struct checkout *c, const char *commit)
{
	RN_AUTO(rn_freep) char *fetched = rn_path_join(c->dir, ".git/FETCH_HEAD");
	RN_AUTO(rn_freep) char *original = rn_path_join(c->dir, ".git/ORIG_HEAD");
	if (GIT(c, NULL, "read-tree", commit) < 0)
		return -1;
	return rn_remove_tree(fetched, c->j->s->err) < 0 ? -1 : rn_remove_tree(original, c->j->s->err);
}

static int copy_files(struct checkout *c, const struct git_url *u, bool keep)
{
	struct copy_job *j = c->j;
	struct rn_error *err = j->s->err;
	struct ignore_list *ignore = &j->git_ignore;
	if (!keep && ignore->n == 0 && ignore_add(ignore, "**/.git", err) < 0)
		return -1;
	struct file_source *source = file_source_dir(c->dir, keep ? NULL : ignore, c->name, err);
	if (!source)
		return -1;
	j->extra = rn_grow(j->extra, &j->cap_extra, j->n_extra + 1, sizeof(struct file_source *));
	j->extra[j->n_extra++] = source;
	struct file_source *outer = j->source;
	j->source = source;
	int rc = copy_literal(j, u->subdir ? u->subdir : "");
	j->source = outer;
	return rc;
}

/* In a survey the commit stands for all files. */
static int enter_commit(struct copy_job *j, const char *commit)
{
	const struct build *b = j->s->b;
	char *text = rn_strdup(commit);
	j->texts = rn_grow(j->texts, &j->cap_texts, j->n_texts + 1, sizeof(char *));
	j->texts[j->n_texts++] = text;
	RN_AUTO(rn_freep) char *target = copy_target(j, "__git__");
	if (!target)
		return -1;
	struct layer_entry e = { .path = target, .type = LAYER_FILE, .mode = 0644, .mtime = b->epoch, .size = strlen(text) };
	struct draft_content content = { .data = text, .fd = -1 };
	return layer_draft_add(j->draft, &e, &content, NULL, j->s->err);
}

static int add(struct checkout *c, const char *text, const struct git_url *u, bool keep)
{
	struct rn_error *err = c->j->s->err;
	const char *scratch = c->j->s->b->host->info(c->j->s->b->stage, RUNNER_INFO_SCRATCH);
	c->dir = rn_temp_dir(scratch ? scratch : "/tmp", "git-", err);
	if (!c->dir)
		return -1;
	rn_strv_add(&c->j->temporary, c->dir);
	make_env(c);
	if (git_auth_env(c->j->s->b, u->remote, &c->env, err) < 0)
		return -1;
	RN_AUTO(rn_freep) char *commit = find_commit(c, text, u);
	if (!commit)
		return -1;
	RN_AUTO(rn_freep) char *uri = rn_asprintf("%s%s%s%s", rn_starts(u->remote, "git") ? "" : "git+", u->remote, u->ref ? "@" : "", u->ref ? u->ref : "");
	build_material(c->j->s->b, uri, "gitCommit", commit);
	if (c->j->survey)
		return enter_commit(c->j, commit);
	if (check_out(c, u, commit) < 0 || (keep && settle_git_dir(c, commit) < 0))
		return -1;
	return copy_files(c, u, keep);
}

int add_git(struct copy_job *j, const char *text, const char *checksum, bool keep_git_dir)
{
	RN_AUTO(git_url_clear) struct git_url u = { 0 };
	RN_AUTO(rn_freep) char *with_checksum = NULL;
	struct rn_error *err = j->s->err;
	if (git_url_parse(text, &u, err) < 0)
		return -1;
	if (checksum && git_url_check(&u, checksum, err) < 0)
		return -1;
	bool keep = u.keep_git_dir >= 0 ? u.keep_git_dir : keep_git_dir;
	if (keep && u.subdir) {
		rn_fail(err, RN_EINVAL, "--keep-git-dir and a subfolder do not go together: .git stands above it");
		return rn_hint(err, "leave one of them out");
	}
	RN_AUTO(rn_freep) char *name = rn_strdup(u.remote);
	RN_AUTO(checkout_clear) struct checkout c = { .j = j, .name = name };
	return add(&c, text, &u, keep);
}
