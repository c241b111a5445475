/* SPDX-License-Identifier: Apache-2.0 */
#include "run_spec.h"

#include "dockerfile_args.h"
#include "dockerfile_parser.h"
#include "metadata.h"

#include "base/fs.h"
#include "oci/config.h"

#include <stdlib.h>
#include <string.h>

#define SCRIPT_FOLDER "/dev/pipes"

/* In the environment of RUN when given, but neither in the history nor in a key unless an ARG asks for them. */
static const char *const proxies[] = {
	"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY", "ftp_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY",
	"all_proxy",
};

void run_spec_clear(struct run_spec *r)
{
	for (size_t i = 0; i < r->n_mounts; i++)
		run_mount_clear(&r->mounts[i]);
	free(r->mounts);
	free(r->mounts_at);
	rn_strv_clear(&r->argv);
	rn_strv_clear(&r->env);
	rn_strv_clear(&r->args);
	free(r->cwd);
	free(r->user);
	free(r->script);
	free(r->script_path);
	free(r->created_by);
	*r = (struct run_spec){ 0 };
}

const char *run_spec_env(const struct run_spec *r, const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < r->env.n; i++)
		if (strncmp(r->env.v[i], name, n) == 0 && r->env.v[i][n] == '=')
			return r->env.v[i] + n + 1;
	return NULL;
}

/* ---- the command line ------------------------------------------------------------------------ */

/* <<-: leading tabs of every line go. */
static char *chomped(const struct df_heredoc *h)
{
	struct rn_buf out = { .max = DF_TEXT_MAX };
	for (const char *p = h->body; *p;) {
		if (h->strip_tabs)
			p += strspn(p, "\t");
		size_t n = strcspn(p, "\n");
		n += p[n] == '\n';
		rn_buf_add(&out, p, n);
		p += n;
	}
	return rn_buf_take(&out);
}

/* Is the whole text of the instruction one heredoc word? */
static bool heredoc_alone(const struct df_instruction *i)
{
	struct df_heredoc h = { 0 };
	RN_AUTO(rn_freep) char *text = rn_strdup(i->words.v[0].text);
	bool alone = i->n_heredocs == 1 && df_heredoc_word(rn_trim(text), &h);
	rn_freep(&h.name);
	return alone;
}

/* Several, or with a command before them: the shell reads them itself. */
static char *with_bodies(const struct df_instruction *i)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_adds(&b, i->words.v[0].text);
	for (size_t n = 0; n < i->n_heredocs; n++)
		rn_buf_addf(&b, "\n%s%s", i->heredocs[n].body, i->heredocs[n].name);
	return rn_buf_take(&b);
}

/* A script of its own behind #!, or the text for the shell. The shell resolves variables, not the builder. */
static void heredoc_command(const struct df_instruction *i, struct run_spec *r)
{
	RN_AUTO(rn_freep) char *text = NULL;
	if (!heredoc_alone(i)) {
		text = with_bodies(i);
	} else {
		text = chomped(&i->heredocs[0]);
		if (rn_starts(text, "#!")) {
			r->script = rn_take(&text);
			r->script_path = rn_asprintf(SCRIPT_FOLDER "/%s", rn_path_base(i->heredocs[0].name));
			text = rn_strdup(r->script_path);
		}
	}
	rn_strv_take(&r->argv, rn_take(&text));
}

static void read_command(const struct step *s, struct run_spec *r)
{
	if (s->i->json || s->i->n_heredocs == 0) {
		step_command(s, 0, &r->argv);
		return;
	}
	step_command(s, s->i->words.n, &r->argv);
	heredoc_command(s->i, r);
}

/* ---- the environment ---------------------------------------------------------------------------- */

static void add_default(struct run_spec *r, const char *name, const char *value)
{
	if (value && !run_spec_env(r, name))
		rn_strv_addf(&r->env, "%s=%s", name, value);
}

static void read_environment(const struct step *s, struct run_spec *r)
{
	const cJSON *e;
	cJSON_ArrayForEach(e, rn_json_get(step_config(s), "Env"))
		if (cJSON_IsString(e) && strchr(e->valuestring, '='))
			rn_strv_add(&r->env, e->valuestring);
	RN_MAP_EACH(&s->stage->args, it) {
		if (!it->value || run_spec_env(r, it->key))
			continue; /* not given, or ENV beats it */
		rn_strv_addf(&r->env, "%s=%s", it->key, (const char *)it->value);
		rn_strv_addf(&r->args, "%s=%s", it->key, (const char *)it->value);
	}
	for (size_t i = 0; i < RN_LEN(proxies); i++)
		add_default(r, proxies[i], build_arg(s->b, proxies[i]));
	RN_AUTO(rn_freep) char *epoch = rn_asprintf("%lld", (long long)s->b->epoch);
	add_default(r, "SOURCE_DATE_EPOCH", epoch);
}

/* As docker's builders write it, so that `docker history` and scanners read ours alike. */
static char *describe(const struct run_spec *r)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_adds(&b, "RUN");
	if (r->args.n)
		rn_buf_addf(&b, " |%zu", r->args.n);
	for (size_t i = 0; i < r->args.n; i++)
		rn_buf_addf(&b, " %s", r->args.v[i]);
	for (size_t i = 0; i < r->argv.n; i++)
		rn_buf_addf(&b, " %s", r->argv.v[i]);
	return rn_buf_take(&b);
}

/* ---- flags --------------------------------------------------------------------------------------- */

static char *expand_value(void *ctx, const char *value)
{
	const struct step *s = ctx;
	return step_expand(s, value, s->i->at);
}

int run_spec_mount(const struct step *s, const struct df_flag *flag, struct run_mount *ret)
{
	int rc = run_mount_parse(flag->value, expand_value, (void *)s, ret, s->err);
	return rc < 0 ? step_locate(s, flag->value_at) : 0;
}

static int read_mounts(const struct step *s, struct run_spec *r)
{
	r->mounts = rn_alloc((s->i->n_flags + 1) * sizeof(*r->mounts));
	r->mounts_at = rn_alloc((s->i->n_flags + 1) * sizeof(*r->mounts_at));
	for (size_t i = 0; i < s->i->n_flags; i++) {
		const struct df_flag *f = &s->i->flags[i];
		if (!rn_streq(f->name, "mount"))
			continue;
		r->mounts_at[r->n_mounts] = f->value_at;
		if (run_spec_mount(s, f, &r->mounts[r->n_mounts]) < 0)
			return -1;
		r->n_mounts++;
	}
	return 0;
}

static int read_network(const struct step *s, struct run_spec *r)
{
	const struct df_flag *f = df_flag(s->i, "network");
	RN_AUTO(rn_freep) char *own = NULL;
	if (step_flag(s, "network", &own) < 0)
		return -1;
	const char *name = own ? own : s->b->params->network ? s->b->params->network : "default";
	if (!rn_streq(name, "none") && !rn_streq(name, "host") && !rn_streq(name, "default")) {
		step_fail(s, f ? f->value_at : s->i->at, RN_EINVAL, "--network has no \"%s\"", name);
		return rn_hint(s->err, "write default, none or host");
	}
	/* --network=default is the stage's default, which the pipeline may have set to none */
	if (rn_streq(name, "default") && s->b->params->network)
		name = s->b->params->network;
	r->network = rn_streq(name, "none") ? RUN_NET_NONE : RUN_NET_HOST;
	return 0;
}

static int refuse_flags(const struct step *s)
{
	const struct df_flag *security = df_flag(s->i, "security"), *device = df_flag(s->i, "device");
	if (security && !rn_streq(security->value, "sandbox")) {
		step_fail(s, security->value_at, RN_EUNSUPPORTED, "--security=%s is not supported: RUN always runs in the sandbox", security->value);
		return rn_hint(s->err, "leave it out; what needs the machine itself belongs into an exec stage before the build");
	}
	if (!device)
		return 0;
	step_fail(s, device->at, RN_EUNSUPPORTED, "--device is not supported: the sandbox has no devices of the machine");
	return rn_hint(s->err, "leave it out; what needs a device belongs into an exec stage before the build");
}

int run_spec_make(const struct step *s, struct run_spec *ret)
{
	RN_AUTO(run_spec_clear) struct run_spec r = { 0 };
	if (refuse_flags(s) < 0 || read_network(s, &r) < 0 || read_mounts(s, &r) < 0)
		return -1;
	read_command(s, &r);
	if (r.argv.n == 0 || !*r.argv.v[0])
		return step_fail(s, s->i->at, RN_EINVAL, "RUN has no command");
	read_environment(s, &r);
	const char *cwd = rn_json_str(step_config(s), "WorkingDir"), *user = rn_json_str(step_config(s), "User");
	RN_AUTO(rn_freep) char *rooted = rn_asprintf("/%s", cwd ? cwd : "");
	r.cwd = rn_path_clean(rooted);
	r.user = rn_strdup(user ? user : "");
	r.created_by = describe(&r);
	*ret = r;
	r = (struct run_spec){ 0 };
	return 0;
}
