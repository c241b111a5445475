/* SPDX-License-Identifier: Apache-2.0 */
/* `runner aws lease`: looking at a lease and breaking it by hand; what it needs to be allowed. */
#include "client.h"
#include "lease.h"

#include "base/time.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"Usage: runner aws lease show|break NAME [--region REGION] [--profile NAME] [--output text|json]\n"
	"       runner aws lease permissions NAME\n"
	"\n"
	"A pipeline file with `lease: aws` is run by one at a time in an account and region: `runner run`,\n"
	"`destroy` and `rollback` keep a lease in SSM Parameter Store, below /runner/lease/NAME, where NAME\n"
	"is the pipeline's name. It ends with the run, and 90 s after its last sign of life at the latest.\n"
	"\n"
	"  show NAME         says who holds it, where to look, and when it gave its last sign of life;\n"
	"                    exits with 0 when it is free, 3 when somebody holds it\n"
	"  break NAME        takes it away from a run that hangs: that run stops at its next look (18 s),\n"
	"                    and the next one is let in after 90 s, when it has stopped even if it is cut off\n"
	"                    from AWS. A run that died needs none of this.\n"
	"  permissions NAME  prints what an identity must be allowed, a line an action\n"
	"\n"
	"  --region REGION   instead of AWS_REGION and the profile's\n"
	"  --profile NAME    use this profile alone, not the environment's keys\n"
	"  --output FORMAT   text (default) or json\n"
	"  -h, --help        this text\n";

enum { DONE = 0, FAILED = 1, USAGE = 2, HELD = 3 };

struct arguments {
	const char *command, *name, *region, *profile, *output;
	bool help;
};

static int bad_usage(const char *what, const char *arg)
{
	fprintf(stderr, "runner aws lease: %s%s%s\n\n%s", what, arg ? " " : "", arg ? arg : "", usage);
	return USAGE;
}

/* The value of an option "--x VALUE" or "--x=VALUE": 1 taken, 0 another argument, -1 the value is missing. */
static int option(int argc, char **argv, int *i, const char *name, const char **to)
{
	size_t n = strlen(name);
	if (rn_streq(argv[*i], name)) {
		if (*i + 1 == argc)
			return -1;
		*to = argv[++*i];
		return 1;
	}
	if (strncmp(argv[*i], name, n) != 0 || argv[*i][n] != '=')
		return 0;
	*to = argv[*i] + n + 1;
	return 1;
}

static int parse(int argc, char **argv, struct arguments *a)
{
	const struct {
		const char *name;
		const char **to;
	} values[] = { { "--region", &a->region }, { "--profile", &a->profile }, { "--output", &a->output } };
	for (int i = 1; i < argc; i++) {
		int taken = 0;
		const char *arg = argv[i];
		for (size_t k = 0; k < RN_LEN(values) && !taken; k++)
			taken = option(argc, argv, &i, values[k].name, values[k].to);
		if (taken < 0)
			return bad_usage("a value is missing behind", arg);
		if (taken)
			continue;
		if (rn_streq(arg, "-h") || rn_streq(arg, "--help"))
			a->help = true;
		else if (arg[0] == '-' || a->name)
			return bad_usage("unknown argument", arg);
		else if (a->command)
			a->name = arg;
		else
			a->command = arg;
	}
	return DONE;
}

static int check(const struct arguments *a)
{
	static const char *const commands[] = { "show", "break", "permissions", "hold" };
	bool known = false;
	for (size_t i = 0; i < RN_LEN(commands); i++)
		known |= rn_streq(a->command, commands[i]);
	if (!known)
		return bad_usage(a->command ? "unknown command" : "a command is missing", a->command);
	bool held = rn_streq(a->command, "hold");
	if (!held && !a->name)
		return bad_usage("the name of a pipeline is missing", NULL);
	if (held && a->name)
		return bad_usage("unknown argument", a->name);
	if (a->output && !rn_streq(a->output, "text") && !rn_streq(a->output, "json"))
		return bad_usage("--output is text or json, not", a->output);
	const char *bad = a->name ? a->name + strspn(a->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") : "";
	return *bad || (a->name && strlen(a->name) > NAME_MAX) ? bad_usage("that is no name of a pipeline:", a->name) : DONE;
}

static int report(const struct rn_error *err)
{
	fprintf(stderr, "runner aws lease: %s\n", err->msg);
	if (err->hint[0])
		fprintf(stderr, "  hint: %s\n", err->hint);
	return FAILED;
}

static void print_json(cJSON *j)
{
	RN_AUTO(rn_freep) char *text = rn_json_pretty(j);
	printf("%s\n", text);
	cJSON_Delete(j);
}

/* ---- show ---- */

static const char *state_name(enum aws_lease_state state)
{
	static const char *const names[] = { "free", "held", "expired" };
	return names[state];
}

static int show(const struct arguments *a, const struct aws_lease_store *store, struct rn_error *err)
{
	RN_AUTO(aws_lease_look_clear) struct aws_lease_look k = { 0 };
	enum aws_lease_state state;
	if (store->look(store->ctx, &k, err) < 0)
		return report(err);
	const struct aws_lease_entry *top = aws_lease_top(&k, &state);
	RN_AUTO(rn_freep) char *who = top ? aws_lease_who(top, k.now_ms) : NULL;
	if (rn_streq(a->output, "json")) {
		cJSON *j = cJSON_CreateObject();
		cJSON_AddStringToObject(j, "pipeline", a->name);
		cJSON_AddStringToObject(j, "state", state_name(state));
		if (top && state != AWS_LEASE_FREE) {
			cJSON_AddNumberToObject(j, "age_ms", (double)(k.now_ms - top->modified_ms));
			cJSON_AddItemToObject(j, "holder", cJSON_Duplicate(top->words, true));
		}
		print_json(j);
	} else if (state == AWS_LEASE_FREE) {
		printf("%s is free\n", a->name);
	} else {
		printf("%s is %s%s: %s\n", a->name, state_name(state), state == AWS_LEASE_EXPIRED ? ", the next run takes it over" : "", who);
	}
	return state == AWS_LEASE_ALIVE ? HELD : DONE;
}

/* ---- break ---- */

static cJSON *my_words(void)
{
	cJSON *j = cJSON_CreateObject();
	char token[33], host[256] = "";
	const struct passwd *user = getpwuid(geteuid());
	gethostname(host, sizeof(host) - 1);
	cJSON_AddStringToObject(j, "token", rn_random_hex(16, token));
	cJSON_AddStringToObject(j, "user", user ? user->pw_name : "?");
	cJSON_AddStringToObject(j, "host", host);
	return j;
}

static int break_it(const struct arguments *a, const struct aws_lease_store *store, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *words = my_words();
	struct aws_lease l = { .store = store, .name = a->name, .words = words, .ttl_ms = AWS_LEASE_TTL_MS };
	RN_AUTO(rn_freep) char *who = NULL;
	int64_t wait = 0;
	char time[32];
	if (aws_lease_break(&l, &who, &wait, err) < 0)
		return report(err);
	if (rn_streq(a->output, "json")) {
		cJSON *j = cJSON_CreateObject();
		cJSON_AddStringToObject(j, "pipeline", a->name);
		cJSON_AddBoolToObject(j, "broken", who != NULL);
		cJSON_AddNumberToObject(j, "free_in_ms", (double)wait);
		print_json(j);
	} else if (who) {
		printf("taken away from %s\nthat run stops at its next look; the next one is let in after %s\n", who,
		       rn_format_duration(wait, time, sizeof(time)));
	} else {
		printf("%s is free: there is nothing to break\n", a->name);
	}
	return DONE;
}

/* ---- the command ---- */

static int with_store(const struct arguments *a)
{
	struct rn_error err = { 0 };
	struct aws_session_options o = AWS_SESSION_INIT;
	o.region = a->region;
	o.profile = a->profile;
	RN_AUTO(aws_session_freep) struct aws_session *s = aws_session_new(&o, &err);
	RN_AUTO(aws_lease_ssm_freep) struct aws_lease_ssm *ssm = s ? aws_lease_ssm_new(s, a->name, &err) : NULL;
	if (!ssm)
		return report(&err);
	return (rn_streq(a->command, "show") ? show : break_it)(a, aws_lease_ssm_store(ssm), &err);
}

int aws_lease_command(int argc, char **argv)
{
	struct arguments a = { 0 };
	int rc = parse(argc, argv, &a);
	if (rc == DONE && a.help) {
		fputs(usage, stdout);
		return DONE;
	}
	if (rc == DONE)
		rc = check(&a);
	if (rc != DONE)
		return rc;
	if (rn_streq(a.command, "permissions")) {
		RN_AUTO(rn_freep) char *text = aws_lease_permissions(a.name);
		fputs(text, stdout);
		return DONE;
	}
	return rn_streq(a.command, "hold") ? aws_lease_hold(a.region, a.profile) : with_store(&a);
}
