/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/sandbox from a command line, for the tests:
 *   sandbox [OPTION VALUE]... -- COMMAND [ARG]...
 * Output goes to this program's, the exit status is the command's, and at the
 * end "key=value" lines of its status go to the file of --report. 125: could not be started (the reason on stderr).
 */
#include "sandbox/sandbox.h"

#include "base/proc.h"
#include "base/time.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct options {
	struct sandbox_spec spec;
	struct sandbox_host host;
	struct sandbox_io io;
	struct rn_strv lowers, env;
	struct sandbox_bind binds[16];
	struct sandbox_file files[16];
	struct sandbox_tmpfs tmpfs[16];
	gid_t groups[16];
	enum sandbox_rung rung;
	const char *dir, *report;
	bool describe;
};

static void add_bind(struct options *o, char *value, bool writable, bool discard)
{
	struct sandbox_bind *b = &o->binds[o->spec.n_binds++];
	char *save = NULL;
	b->source = strtok_r(value, ":", &save);
	b->target = strtok_r(NULL, ":", &save);
	b->scratch = strtok_r(NULL, ":", &save);
	b->writable = writable;
	b->discard = discard;
	o->spec.binds = o->binds;
}

static void opt_lower(struct options *o, char *v) { rn_strv_add(&o->lowers, v); }
static void opt_env(struct options *o, char *v) { rn_strv_add(&o->env, v); }
static void opt_rootfs(struct options *o, char *v) { o->spec.rootfs = v; }
static void opt_upper(struct options *o, char *v) { o->spec.upper = v; }
static void opt_work(struct options *o, char *v) { o->spec.work = v; }
static void opt_cwd(struct options *o, char *v) { o->spec.cwd = v; }
static void opt_hostname(struct options *o, char *v) { o->spec.hostname = v; }
static void opt_dir(struct options *o, char *v) { o->dir = v; }
static void opt_report(struct options *o, char *v) { o->report = v; }
static void opt_bind(struct options *o, char *v) { add_bind(o, v, false, false); }
static void opt_bind_rw(struct options *o, char *v) { add_bind(o, v, true, false); }
static void opt_bind_discard(struct options *o, char *v) { add_bind(o, v, true, true); }
static void opt_uid(struct options *o, char *v) { o->spec.uid = (uid_t)atoi(v); }
static void opt_gid(struct options *o, char *v) { o->spec.gid = (gid_t)atoi(v); }
static void opt_memory(struct options *o, char *v) { o->spec.memory = strtoull(v, NULL, 10); }
static void opt_pids(struct options *o, char *v) { o->spec.pids = strtoull(v, NULL, 10); }
static void opt_nofile(struct options *o, char *v) { o->spec.nofile = strtoull(v, NULL, 10); }
static void opt_timeout(struct options *o, char *v) { o->io.timeout_ms = atoi(v); }

static void opt_group(struct options *o, char *v)
{
	o->groups[o->spec.n_groups++] = (gid_t)atoi(v);
	o->spec.groups = o->groups;
}

static void opt_file(struct options *o, char *v)
{
	char *text = strchr(v, '=');
	*text++ = '\0';
	o->files[o->spec.n_files++] = (struct sandbox_file){ .target = v, .data = text, .size = strlen(text), .mode = 0440 };
	o->spec.files = o->files;
}

static void opt_tmpfs(struct options *o, char *v)
{
	o->tmpfs[o->spec.n_tmpfs++] = (struct sandbox_tmpfs){ .target = v, .size = 1 << 20 };
	o->spec.tmpfs = o->tmpfs;
}

static void opt_rung(struct options *o, char *v)
{
	for (int r = SANDBOX_NONE; r <= SANDBOX_ROOT; r++)
		if (!strcmp(v, sandbox_rung_name((enum sandbox_rung)r)))
			o->rung = (enum sandbox_rung)r;
}

/* --set a,b,c: the flags */
static void opt_set(struct options *o, char *v)
{
	struct sandbox_spec *s = &o->spec;
	s->read_only = strstr(v, "read-only") != NULL;
	s->keep_caps = strstr(v, "keep-caps") != NULL;
	s->no_new_privs = strstr(v, "no-new-privs") != NULL;
	s->fake_ids = strstr(v, "fake-ids") != NULL;
	s->bare = strstr(v, "bare") != NULL;
	s->volatile_upper = strstr(v, "volatile") != NULL;
	s->network = strstr(v, "net-none") ? SANDBOX_NET_NONE : SANDBOX_NET_HOST;
	o->describe = strstr(v, "describe") != NULL;
}

static const struct {
	const char *name;
	void (*set)(struct options *o, char *v);
} OPTIONS[] = {
	{ "--lower", opt_lower },     { "--env", opt_env },         { "--rootfs", opt_rootfs },
	{ "--upper", opt_upper },     { "--work", opt_work },       { "--cwd", opt_cwd },
	{ "--hostname", opt_hostname }, { "--dir", opt_dir },       { "--report", opt_report },
	{ "--bind", opt_bind },       { "--bind-rw", opt_bind_rw }, { "--bind-discard", opt_bind_discard },
	{ "--uid", opt_uid },         { "--gid", opt_gid },         { "--memory", opt_memory },
	{ "--pids", opt_pids },       { "--nofile", opt_nofile },   { "--timeout", opt_timeout },
	{ "--group", opt_group },     { "--file", opt_file },       { "--tmpfs", opt_tmpfs },
	{ "--rung", opt_rung },       { "--set", opt_set },
};

static int parse(struct options *o, int argc, char **argv)
{
	int i = 1;
	for (; i + 1 < argc && strcmp(argv[i], "--"); i += 2) {
		size_t k = 0;
		while (k < RN_LEN(OPTIONS) && strcmp(OPTIONS[k].name, argv[i]))
			k++;
		if (k == RN_LEN(OPTIONS)) {
			fprintf(stderr, "unknown option %s\n", argv[i]);
			return -1;
		}
		OPTIONS[k].set(o, argv[i + 1]);
	}
	o->spec.argv = (const char *const *)argv + i + 1;
	static const char *const NO_ENV[] = { NULL };
	o->spec.env = o->env.n ? (const char *const *)o->env.v : NO_ENV;
	o->spec.lowers = (const char *const *)o->lowers.v;
	o->spec.n_lowers = o->lowers.n;
	return i < argc ? 0 : -1;
}

static void output(void *data, int stream, const char *bytes, size_t n)
{
	(void)data;
	if (write(stream, bytes, n) < 0)
		perror("write");
}

static void report(const struct options *o, const struct sandbox_status *s)
{
	FILE *f = o->report ? fopen(o->report, "we") : NULL;
	if (!f)
		return;
	fprintf(f, "rung=%s\noverlay=%d\nsignal=%d\noom=%d\nmax_rss=%llu\ncpu_us=%lld\n",
		sandbox_rung_name(o->host.rung), o->host.overlay, s->signal, s->out_of_memory,
		(unsigned long long)s->max_rss, (long long)s->cpu_us);
	fclose(f);
}

int main(int argc, char **argv)
{
	struct options o = { .spec = SANDBOX_SPEC_INIT, .rung = SANDBOX_ROOT, .dir = "." };
	struct rn_error err = { 0 };
	if (parse(&o, argc, argv) < 0)
		return 2;
	sigset_t term;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	o.io.output = output;
	o.io.cancel_fd = signalfd(-1, &term, SFD_CLOEXEC);
	o.io.grace_ms = 500;
	o.spec.host = &o.host;
	struct sandbox_status status = { .code = 125 };
	int rc = sandbox_probe_at_most(o.dir, o.rung, &o.host, &err);
	if (rc == 0 && o.describe) {
		char *text = sandbox_describe(&o.spec, &err);
		fputs(text ? text : err.msg, stdout);
		return text ? 0 : 125;
	}
	if (rc == 0)
		rc = sandbox_run(&o.spec, &o.io, &status, &err);
	if (rc < 0)
		fprintf(stderr, "%s: %s\n%s\n", rn_code_name(err.code), err.msg, err.hint);
	report(&o, &status);
	return rc < 0 ? 125 : status.code;
}
