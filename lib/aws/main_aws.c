/* SPDX-License-Identifier: Apache-2.0 */
/* `runner aws whoami`: which credentials win, who they belong to, where calls go; and `runner aws lease`. */
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "client.h"
#include "lease.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
	"Usage: runner aws whoami [--region REGION] [--profile NAME] [--output text|json] "
	"[--verbose]\n"
	"       runner aws lease show|break NAME (see runner aws lease --help)\n"
	"\n"
	"Says which AWS credentials the stages would use, where they come from, who they\n"
	"belong to, and which endpoints calls go to. Without credentials it lists every\n"
	"source that was tried, and why it did not count.\n"
	"\n"
	"  --region REGION   as a stage's `region` parameter\n"
	"  --profile NAME    use this profile alone, not the environment's keys\n"
	"  --output FORMAT   text (default) or json\n"
	"  --verbose         show retries and the provider on stderr\n"
	"  -h, --help        this text\n";

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

struct arguments {
	const char *region;
	const char *profile;
	const char *output;
	bool verbose;
	bool help;
};

static void to_stderr(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "%s\n", line);
}

static int bad_usage(const char *what, const char *arg)
{
	fprintf(stderr, "runner aws: %s%s%s\n\n%s", what, arg ? " " : "", arg ? arg : "", usage);
	return EXIT_USAGE;
}

static int parse(int argc, char **argv, struct arguments *a)
{
	const struct {
		const char *name;
		const char **to;
	} values[] = { { "--region", &a->region },
		       { "--profile", &a->profile },
		       { "--output", &a->output } };
	const char *command = NULL;
	for (int i = 1; i < argc; i++) {
		bool taken = false;
		for (size_t k = 0; k < RN_LEN(values) && !taken; k++) {
			size_t n = strlen(values[k].name);
			if (rn_streq(argv[i], values[k].name)) {
				if (++i == argc)
					return bad_usage("a value is missing behind",
							 values[k].name);
				*values[k].to = argv[i];
				taken = true;
			} else if (!strncmp(argv[i], values[k].name, n) && argv[i][n] == '=') {
				*values[k].to = argv[i] + n + 1;
				taken = true;
			}
		}
		if (taken)
			continue;
		if (rn_streq(argv[i], "-h") || rn_streq(argv[i], "--help"))
			a->help = true;
		else if (rn_streq(argv[i], "--verbose"))
			a->verbose = true;
		else if (argv[i][0] == '-' || command)
			return bad_usage("unknown argument", argv[i]);
		else
			command = argv[i];
	}
	if (a->help)
		return EXIT_DONE;
	if (!rn_streq(command, "whoami"))
		return bad_usage(command ? "unknown command" : "a command is missing", command);
	if (a->output && !rn_streq(a->output, "text") && !rn_streq(a->output, "json"))
		return bad_usage("--output is text or json, not", a->output);
	return EXIT_DONE;
}

static int report(const struct rn_error *err)
{
	fprintf(stderr, "runner aws: %s\n", err->msg);
	if (err->hint[0])
		fprintf(stderr, "  hint: %s\n", err->hint);
	return EXIT_FAILED;
}

static void print_json(struct aws_session *s, const struct aws_identity *who,
		       const struct aws_credentials *keys, const char *endpoint)
{
	RN_AUTO(rn_json_freep) cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "account", who->account);
	cJSON_AddStringToObject(j, "arn", who->arn);
	cJSON_AddStringToObject(j, "user_id", who->user_id ? who->user_id : "");
	cJSON_AddStringToObject(j, "credentials", keys->source);
	cJSON_AddStringToObject(j, "access_key_id", keys->access_key);
	if (aws_session_region(s))
		cJSON_AddStringToObject(j, "region", aws_session_region(s));
	cJSON_AddStringToObject(j, "partition", aws_session_partition(s));
	cJSON_AddStringToObject(j, "sts_endpoint", endpoint);
	RN_AUTO(rn_freep) char *text = rn_json_pretty(j);
	printf("%s\n", text);
}

static void print_text(struct aws_session *s, const struct aws_identity *who,
		       const struct aws_credentials *keys, const char *endpoint)
{
	const char *region = aws_session_region(s);
	printf("identity     %s\n", who->arn);
	printf("account      %s\n", who->account);
	printf("credentials  %s (key %s)\n", keys->source, keys->access_key);
	printf("region       %s\n",
	       region ? region : "none (set AWS_REGION or a stage's `region`)");
	printf("endpoint     %s%s\n", endpoint,
	       aws_session_custom_endpoint(s, "sts") ? " (custom)" : "");
}

static int whoami(const struct arguments *a)
{
	struct rn_error err = { 0 };
	struct aws_session_options o = AWS_SESSION_INIT;
	o.region = a->region;
	o.profile = a->profile;
	o.log = a->verbose ? to_stderr : NULL;
	RN_AUTO(aws_session_freep) struct aws_session *s = aws_session_new(&o, &err);
	RN_AUTO(aws_client_freep)
	struct aws_client *sts = s ? aws_client_new(s, "sts", &err) : NULL;
	RN_AUTO(aws_credentials_clear) struct aws_credentials keys = { 0 };
	struct aws_identity who = { 0 };
	if (!sts || aws_session_credentials(s, &keys, &err) < 0 ||
	    aws_session_identity(s, &who, &err) < 0)
		return report(&err);
	(rn_streq(a->output, "json") ? print_json : print_text)(s, &who, &keys,
								aws_client_endpoint(sts));
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct arguments a = { 0 };
	if (argc > 1 && rn_streq(argv[1], "lease"))
		return rn_end_output(aws_lease_command(argc - 1, argv + 1), 3);
	int rc = parse(argc, argv, &a);
	if (rc != EXIT_DONE)
		return rc;
	if (a.help) {
		fputs(usage, stdout);
		return EXIT_DONE;
	}
	return rn_end_output(whoami(&a), 3);
}
