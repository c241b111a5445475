/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include "cloud.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_STATE ".runner/cloud"

/* What an option is stored as; those behind O_RULE are members of a fault rule by their own name. */
enum { O_STATE = 1, O_PORT, O_HOST, O_REGION, O_FAULTS, O_OUTPUT, O_ENV_FD, O_QUIET, O_HELP, O_ALL, O_TEXT, O_NUMBER };

static const struct {
	const char *name, *argument, *help;
	int code;
} OPTIONS[] = {
	{ "state", "DIR", "where everything is kept (" DEFAULT_STATE ")", O_STATE },
	{ "port", "N", "port to listen on (the one of the last time, else a free one)", O_PORT },
	{ "host", "ADDRESS", "loopback address to listen on (127.0.0.1)", O_HOST },
	{ "region", "NAME", "region that is printed for clients (" CLOUD_DEFAULT_REGION ")", O_REGION },
	{ "faults", "FILE", "fault rules from the start: a JSON list", O_FAULTS },
	{ "output", "FORMAT", "text (for a shell's eval) or json", O_OUTPUT },
	{ "env-fd", "N", "write NAME=VALUE lines and an empty one to this descriptor when ready", O_ENV_FD },
	{ "quiet", NULL, "no line for each request on stderr", O_QUIET },
	{ "help", NULL, "print this", O_HELP },
	{ NULL, NULL, "for fault add and fault rm:", 0 },
	{ "id", "NAME", "name of the rule (f1, f2, …); one of that name is replaced", O_TEXT },
	{ "nth", "N", "the Nth matching call alone", O_NUMBER },
	{ "skip", "N", "the first N matching calls pass", O_NUMBER },
	{ "times", "N", "at most so many are hit", O_NUMBER },
	{ "probability", "P", "each is hit with this probability, 0 to 1", O_NUMBER },
	{ "seed", "N", "of the probability: the same seed hits the same calls", O_NUMBER },
	{ "time", "TIME", "of delay, role-not-ready and slow-update, as 500ms or 10s", O_TEXT },
	{ "status", "N", "of error: HTTP status (500)", O_NUMBER },
	{ "code", "NAME", "of error: code, as AccessDeniedException", O_TEXT },
	{ "message", "TEXT", "of error: message", O_TEXT },
	{ "all", NULL, "fault rm: every rule", O_ALL },
};

void options_help(void)
{
	fputs("Usage: runner cloud [OPTION]...                    serve the local cloud until Ctrl-C\n"
	      "       runner cloud env [OPTION]...                what to export for the one that runs\n"
	      "       runner cloud ls [OPTION]...                 list what it holds\n"
	      "       runner cloud reset [OPTION]...              remove all it holds\n"
	      "       runner cloud fault add MATCH EFFECT [OPTION]...\n"
	      "       runner cloud fault ls | rm ID... | rm --all\n\n"
	      "The embedded AWS: registry and ECR, IAM, STS, Lambda, CloudWatch Logs, API Gateway and SSM parameters on a loopback port.\n"
	      "A fault rule makes calls fail on purpose. MATCH names them: lambda.CreateFunction, iam.*, registry.put-manifest,\n"
	      "execute-api.Invoke. EFFECT is delay, throttle, error, reset-before, reset-after, role-not-ready or slow-update.\n\n"
	      "Options:\n",
	      stdout);
	for (size_t i = 0; i < RN_LEN(OPTIONS); i++) {
		if (!OPTIONS[i].name) {
			printf("\n%s\n", OPTIONS[i].help);
			continue;
		}
		RN_AUTO(rn_freep) char *left =
			rn_asprintf("--%s %s", OPTIONS[i].name, OPTIONS[i].argument ? OPTIONS[i].argument : "");
		printf("  %-18s %s\n", left, OPTIONS[i].help);
	}
	fputs("\nExamples:\n"
	      "  runner cloud --state /tmp/cloud &\n"
	      "  eval \"$(runner cloud env --state /tmp/cloud)\"; aws --endpoint-url $AWS_ENDPOINT_URL lambda list-functions\n"
	      "  runner cloud fault add lambda.CreateFunction throttle --times 2\n"
	      "  runner cloud fault add 'iam.*' error --status 503 --probability 0.2 --seed 7\n"
	      "  runner cloud fault add 'lambda.*' role-not-ready --time 10s\n",
	      stdout);
}

int options_report(const struct rn_error *err)
{
	fprintf(stderr, "runner cloud: %s\n", err->msg);
	if (err->hint[0])
		fprintf(stderr, "  %s\n", err->hint);
	return err->code == RN_EINVAL ? 2 : 3;
}

static int take_number(const char *name, const char *text, int64_t max, int *ret, struct rn_error *err)
{
	int64_t n = 0;
	if (rn_parse_int(text, 0, max, &n, err) < 0)
		return rn_wrap(err, "--%s %s", name, text);
	*ret = (int)n;
	return 0;
}

static int take_host(const char *text, struct options *o, struct rn_error *err)
{
	if (!strcmp(text, "localhost"))
		text = "127.0.0.1";
	if (!rn_starts(text, "127.")) {
		rn_fail(err, RN_EINVAL, "--host %s: the local cloud listens on loopback addresses only", text);
		return rn_hint(err, "anyone who reaches it can run code in its functions; use 127.0.0.1, or a tunnel");
	}
	o->host = text;
	return 0;
}

static int take_output(const char *text, struct options *o, struct rn_error *err)
{
	o->json = !strcmp(text, "json");
	return o->json || !strcmp(text, "text") ? 0 : rn_fail(err, RN_EINVAL, "--output %s: there are text and json", text);
}

static int take_rule_number(const char *name, const char *text, cJSON *rule, struct rn_error *err)
{
	double n;
	if (rn_parse_double(text, &n, err) < 0)
		return rn_wrap(err, "--%s %s", name, text);
	cJSON_AddNumberToObject(rule, name, n);
	return 0;
}

static int take(size_t i, const char *value, struct options *o, struct rn_error *err)
{
	const char *name = OPTIONS[i].name;
	switch (OPTIONS[i].code) {
	case O_STATE:
		o->state = value;
		return 0;
	case O_PORT:
		return take_number(name, value, 65535, &o->port, err);
	case O_HOST:
		return take_host(value, o, err);
	case O_REGION:
		o->region = value;
		return 0;
	case O_FAULTS:
		o->faults = value;
		return 0;
	case O_OUTPUT:
		return take_output(value, o, err);
	case O_ENV_FD:
		return take_number(name, value, 1 << 20, &o->env_fd, err);
	case O_QUIET:
		o->quiet = true;
		return 0;
	case O_HELP:
		o->help = true;
		return 0;
	case O_ALL:
		o->all = true;
		return 0;
	case O_TEXT:
		cJSON_AddStringToObject(o->rule, name, value);
		return 0;
	default:
		return take_rule_number(name, value, o->rule, err);
	}
}

int options_parse(int argc, char **argv, struct options *o, struct rn_error *err)
{
	*o = (struct options){ .state = DEFAULT_STATE, .host = "127.0.0.1", .region = CLOUD_DEFAULT_REGION,
			       .port = -1,	       .env_fd = -1,	     .ready_fd = -1 };
	o->rule = cJSON_CreateObject();
	struct option table[RN_LEN(OPTIONS) + 1] = { 0 };
	size_t n = 0, index[RN_LEN(OPTIONS)];
	for (size_t i = 0; i < RN_LEN(OPTIONS); i++) {
		if (!OPTIONS[i].name)
			continue;
		index[n] = i;
		table[n++] = (struct option){ OPTIONS[i].name, OPTIONS[i].argument ? required_argument : no_argument, NULL, 1 };
	}
	opterr = 0;
	int c, at = 0, rc = 0;
	while (rc == 0 && (c = getopt_long(argc, argv, ":", table, &at)) != -1) {
		if (c == 1)
			rc = take(index[at], optarg, o, err);
		else if (c == ':')
			rc = rn_fail(err, RN_EINVAL, "%s needs a value", argv[optind - 1]);
		else if (rn_fail(err, RN_EINVAL, "unknown option %s", argv[optind - 1]))
			rc = rn_hint(err, "runner cloud --help lists the options");
	}
	o->words = argv + optind;
	o->n_words = argc - optind;
	bool rule_goes_nowhere = o->rule->child && !(o->n_words > 1 && !strcmp(o->words[0], "fault") && !strcmp(o->words[1], "add"));
	if (rc == 0 && rule_goes_nowhere)
		rc = rn_fail(err, RN_EINVAL, "--%s belongs to runner cloud fault add", o->rule->child->string);
	return rc;
}

void options_clear(struct options *o)
{
	cJSON_Delete(o->rule);
	o->rule = NULL;
}

void options_print_environment(const struct options *o, const char *first_line, const char *lines)
{
	RN_AUTO(rn_json_freep) cJSON *env = cJSON_CreateObject();
	if (!o->json)
		printf("# %s\n", first_line);
	for (const char *end; (end = strchr(lines, '\n')); lines = end + 1) {
		const char *equals = memchr(lines, '=', (size_t)(end - lines));
		if (!equals)
			continue;
		RN_AUTO(rn_freep) char *name = rn_strndup(lines, (size_t)(equals - lines));
		RN_AUTO(rn_freep) char *value = rn_strndup(equals + 1, (size_t)(end - equals) - 1);
		if (!o->json)
			printf("export %s=%s\n", name, value);
		cJSON_AddStringToObject(env, name, value);
	}
	if (o->json) {
		RN_AUTO(rn_freep) char *text = rn_json_print(env);
		puts(text);
	}
	fflush(stdout);
}
