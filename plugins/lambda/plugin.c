/* SPDX-License-Identifier: Apache-2.0 */
/* The lambda stage: a function that runs an image, as described. */
#include "function.h"

#include "base/mem.h"
#include "base/str.h"

static const struct runner_param params[] = {
	RUNNER_PARAM(struct lambda_params, function_name, .flags = RUNNER_REQUIRED, .help = "Name of the function.",
		     .example = "squares"),
	RUNNER_PARAM(struct lambda_params, image, .flags = RUNNER_REQUIRED,
		     .help = "Image in ECR, in the function's region. Deployed by digest: a tag is looked up first.",
		     .example = "${{ stages.push.image }}"),
	RUNNER_PARAM(struct lambda_params, role, .flags = RUNNER_REQUIRED, .help = "ARN of the role that the function runs as.",
		     .example = "${{ stages.role.arn }}"),
	RUNNER_PARAM(struct lambda_params, description, .help = "Description of the function."),
	RUNNER_PARAM(struct lambda_params, timeout, .def = "3s", .help = "Longest time of one invocation, 1s to 15m.",
		     .example = "10s"),
	RUNNER_PARAM(struct lambda_params, memory, .def = "128", .help = "Memory in MB, 128 to 10240; CPU grows with it.",
		     .example = "256"),
	RUNNER_PARAM(struct lambda_params, ephemeral_storage, .def = "512", .help = "Size of /tmp in MB, 512 to 10240.",
		     .example = "1024"),
	RUNNER_PARAM(struct lambda_params, publish, .def = "false",
		     .help = "Publish a version when code or configuration differ from the newest version.", .example = "true"),
	RUNNER_PARAM(struct lambda_params, alias,
		     .help = "Alias to point to the published version once the test event has passed; implies publish.",
		     .example = "live"),
	RUNNER_PARAM(struct lambda_params, shift,
		     .help = "Move an alias that exists in two steps: weight (0.1 or 10%) of the calls goes to the new version for so "
			     "long (for), which gets the test event by itself at both ends of it; then it gets all calls, or none when a "
			     "test failed.",
		     .example = "{weight: 10%, for: 5m}"),
	RUNNER_PARAM(struct lambda_params, environment,
		     .help = "Environment variables; values may come from secrets and are never printed.",
		     .example = "{LOG_LEVEL: info, TOKEN: \"${{ secrets.token }}\"}"),
	RUNNER_PARAM(struct lambda_params, kms_key, .help = "ARN of the key that encrypts the environment variables."),
	RUNNER_PARAM(struct lambda_params, architecture, .def = "x86_64", .one_of = "x86_64|amd64|arm64|aarch64",
		     .help = "Architecture of the image.", .example = "arm64"),
	RUNNER_PARAM(struct lambda_params, image_config,
		     .help = "Overrides of the image: entrypoint and command (lists), workdir.",
		     .example = "{command: [app.handler], workdir: /var/task}"),
	RUNNER_PARAM(struct lambda_params, vpc,
		     .help = "Network of the function: subnets and security_groups (lists of ids), ipv6 (true: also IPv6, in dual-stack "
			     "subnets).",
		     .example = "{subnets: [subnet-1], security_groups: [sg-1]}"),
	RUNNER_PARAM(struct lambda_params, file_system,
		     .help = "File system of EFS or S3 Files to mount: access_point (ARN), path (below /mnt), direct_read (S3 Files: ENABLED, "
			     "DISABLED or AUTO). Needs vpc.",
		     .example = "{access_point: \"arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/fsap-0123456789abcdef0\", path: "
				"/mnt/data}"),
	RUNNER_PARAM(struct lambda_params, tracing, .def = "PassThrough", .one_of = "PassThrough|Active",
		     .help = "X-Ray tracing: Active samples requests itself.", .example = "Active"),
	RUNNER_PARAM(struct lambda_params, log_format, .def = "Text", .one_of = "Text|JSON",
		     .help = "Format of the function's log.", .example = "JSON"),
	RUNNER_PARAM(struct lambda_params, log_level, .one_of = "TRACE|DEBUG|INFO|WARN|ERROR|FATAL",
		     .help = "Least level of the function's own lines that a JSON log keeps; default INFO.", .example = "WARN"),
	RUNNER_PARAM(struct lambda_params, system_log_level, .one_of = "DEBUG|INFO|WARN",
		     .help = "Least level of Lambda's lines that a JSON log keeps; default INFO.", .example = "WARN"),
	RUNNER_PARAM(struct lambda_params, log_group, .help = "Log group; default /aws/lambda/NAME."),
	RUNNER_PARAM(struct lambda_params, dead_letter,
		     .help = "ARN of the SQS queue or SNS topic for events that failed after all tries; the role must be allowed to send there.",
		     .example = "arn:aws:sqs:eu-central-1:123456789012:failed"),
	RUNNER_PARAM(struct lambda_params, log_retention,
		     .help = "Days to keep the log: the log group is made with it. 0: the log group is left to Lambda.",
		     .example = "30"),
	RUNNER_PARAM(struct lambda_params, reserved_concurrency,
		     .help = "Concurrent invocations kept for this function (0 stops it, -1 removes the limit); left as it is when "
			     "not given.",
		     .example = "5"),
	RUNNER_PARAM(struct lambda_params, recursive_loop, .one_of = "Terminate|Allow",
		     .help = "What Lambda does when the function calls itself in a loop through a queue or topic; left as it is when not "
			     "given.",
		     .example = "Allow"),
	RUNNER_PARAM(struct lambda_params, async,
		     .help = "Asynchronous invocation: max_age (1m to 6h, default 6h) and retries (0 to 2, default 2) of an event, on_success and "
			     "on_failure (ARN of a queue, topic, event bus or function that is told; a bucket on failure). false removes it; "
			     "left as it is when not given. Of the alias where there is one.",
		     .example = "{max_age: 1h, retries: 1, on_failure: \"arn:aws:sqs:eu-central-1:123456789012:failed\"}"),
	RUNNER_PARAM(struct lambda_params, provisioned_concurrency,
		     .help = "Instances of the alias's version that are kept initialised; the stage waits for them. 0 removes them; left as it is "
			     "when not given.",
		     .example = "2"),
	RUNNER_PARAM(struct lambda_params, url,
		     .help = "Function URL: auth (NONE: for everybody, with the two statements that its policy needs; AWS_IAM), invoke_mode "
			     "(BUFFERED or RESPONSE_STREAM), cors (origins, methods, headers, expose_headers, credentials, max_age). false removes "
			     "it; left as it is when not given. Of the alias where there is one.",
		     .example = "{auth: AWS_IAM, cors: {origins: [\"https://example.com\"], methods: [GET]}}"),
	RUNNER_PARAM(struct lambda_params, tags,
		     .help = "Tags to set. Tags that others set are left alone; runner adds two of its own to a function that it "
			     "makes.",
		     .example = "{team: data}"),
	RUNNER_PARAM(struct lambda_params, test_event,
		     .help = "Event to invoke the function with on every run; a failure fails the stage and shows the log's tail.",
		     .example = "{body: [1, 2, 3]}"),
	RUNNER_PARAM(struct lambda_params, test_expect,
		     .help = "What the test event must be answered with. A map may leave members out; a string that is JSON is "
			     "compared as JSON.",
		     .example = "{statusCode: 200}"),
	RUNNER_PARAM(struct lambda_params, role_wait, .def = "15m",
		     .help = "How long to wait until Lambda can assume a new role.", .example = "5m"),
	RUNNER_PARAM(struct lambda_params, region, .help = "Region; default: that of the environment or the profile.",
		     .example = "eu-central-1"),
	{ 0 },
};

static const struct runner_output outputs[] = {
	{ .name = "arn", .help = "ARN of the function." },
	{ .name = "version", .help = "The published version, or $LATEST." },
	{ .name = "function_name", .help = "Name of the function." },
	{ .name = "qualified_arn", .help = "ARN of the alias, else of the published version, else of the function." },
	{ .name = "image", .help = "The image that runs, by digest." },
	{ .name = "url", .help = "The function URL; not set without `url`." },
	{ 0 },
};

#define ON_FUNCTION " arn:*:lambda:*:*:function:${function_name}\n"
#define ON_VERSION " arn:*:lambda:*:*:function:${function_name}:*\n"
#define WHERE(action, param) "lambda:" action " ?" param ON_FUNCTION "lambda:" action " ?" param ON_VERSION
#define ON_LOGS " arn:*:logs:*:*:log-group:*\n"

static const char permissions[] =
	"lambda:GetFunction" ON_FUNCTION "lambda:GetFunctionConfiguration" ON_FUNCTION "lambda:GetFunctionConfiguration" ON_VERSION
	"lambda:CreateFunction" ON_FUNCTION "lambda:UpdateFunctionConfiguration" ON_FUNCTION "lambda:UpdateFunctionCode" ON_FUNCTION
	"lambda:DeleteFunction" ON_FUNCTION "lambda:ListVersionsByFunction" ON_FUNCTION "lambda:PublishVersion" ON_FUNCTION
	"lambda:GetAlias" ON_FUNCTION "lambda:CreateAlias" ON_FUNCTION "lambda:UpdateAlias" ON_FUNCTION
	"lambda:DeleteAlias" ON_FUNCTION "lambda:InvokeFunction" ON_FUNCTION "lambda:InvokeFunction" ON_VERSION
	"lambda:TagResource" ON_FUNCTION "lambda:PutFunctionConcurrency" ON_FUNCTION "lambda:DeleteFunctionConcurrency" ON_FUNCTION
	"iam:PassRole arn:*:iam::*:role/${role}\necr:DescribeImages\necr:GetRepositoryPolicy\necr:SetRepositoryPolicy\n"
	"logs:DescribeLogGroups\nlogs:CreateLogGroup" ON_LOGS "logs:PutRetentionPolicy" ON_LOGS "logs:DeleteLogGroup" ON_LOGS
	"logs:ListTagsForResource" ON_LOGS "logs:TagResource" ON_LOGS
	WHERE("GetFunctionRecursionConfig", "recursive_loop") WHERE("PutFunctionRecursionConfig", "recursive_loop")
	WHERE("GetFunctionEventInvokeConfig", "async") WHERE("PutFunctionEventInvokeConfig", "async")
	WHERE("DeleteFunctionEventInvokeConfig", "async")
	WHERE("GetProvisionedConcurrencyConfig", "provisioned_concurrency")
	WHERE("PutProvisionedConcurrencyConfig", "provisioned_concurrency")
	WHERE("DeleteProvisionedConcurrencyConfig", "provisioned_concurrency")
	WHERE("GetFunctionUrlConfig", "url") WHERE("CreateFunctionUrlConfig", "url") WHERE("UpdateFunctionUrlConfig", "url")
	WHERE("DeleteFunctionUrlConfig", "url") WHERE("GetPolicy", "url") WHERE("AddPermission", "url") WHERE("RemovePermission", "url");

static const char help[] =
	"Reads the function, compares, and writes only what differs, one update after the other; a second run writes nothing. "
	"Code is compared by the digest of the image.\n\n"
	"A new role takes up to some minutes until Lambda can assume it: the stage waits and counts down. The order is "
	"configuration, code, test event, version, alias, and then recursive_loop, async, provisioned_concurrency and url; so a "
	"function whose test fails gets neither a new version nor the alias.\n\n"
	"With `on_failure: rollback`, the image, the settings (those beside the configuration too) and the alias of before come back when a "
	"later stage fails; a URL that the run removed comes back under another address, and the old environment comes back only when a published version "
	"still has it. A function that the run made is deleted.\n\n"
	"A function that exists but was made by nobody's pipeline is brought up to date in the settings that the pipeline "
	"gives, and is left in place by `destroy`.";

/* The alias, else the published version, else the function; NULL: not known yet (plan, and a new version would come). New string. */
static char *qualified_arn(const struct function *f, const char *arn, const char *version)
{
	const char *alias = f->p->alias && *f->p->alias ? f->p->alias : NULL;
	const char *qualifier = alias ? alias : version;
	if (!qualifier)
		return NULL;
	return rn_starts(qualifier, "$") ? rn_strdup(arn) : rn_asprintf("%s:%s", arn, qualifier);
}

static int set_outputs(struct function *f, const char *version, struct rn_error *err)
{
	const char *arn = function_arn(f);
	if (!arn)
		return rn_fail(err, RN_EREMOTE, "Lambda does not tell the ARN of function %s", f->p->function_name);
	RN_AUTO(rn_freep) char *whole = qualified_arn(f, arn, version);
	if (stage_output(f->s, "arn", arn, err) < 0 || stage_output(f->s, "function_name", f->p->function_name, err) < 0 ||
	    (whole && stage_output(f->s, "qualified_arn", whole, err) < 0))
		return -1;
	if (f->url && stage_output(f->s, "url", f->url, err) < 0)
		return -1;
	if (!version)
		return 0;
	if (stage_output(f->s, "version", version, err) < 0)
		return -1;
	return f->image ? stage_output(f->s, "image", f->image, err) : 0;
}

static int deploy(struct function *f, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *version = NULL;
	if (function_survey(f, err) < 0 || function_keep_logs(f, err) < 0 || function_converge(f, err) < 0)
		return -1;
	if (f->s->mode == STAGE_RUN && function_test(f, NULL, err) < 0)
		return -1;
	if (function_publish(f, &version, err) < 0 || function_put_extras(f, err) < 0)
		return -1;
	return f->found ? set_outputs(f, version, err) : 0;
}

static int with_function(struct runner_stage *rs, const struct runner_host *host, const struct lambda_params *p,
			 enum stage_mode mode)
{
	struct stage s;
	struct rn_error err = { 0 };
	stage_init(&s, rs, host, mode);
	if (mode != STAGE_ROLLBACK && !host->is_known(rs, "function_name")) {
		stage_info(&s, "function_name depends on what another stage makes and is not known yet");
		return 0;
	}
	RN_AUTO(aws_session_freep) struct aws_session *session = stage_session(&s, p->region, &err);
	RN_AUTO(function_clear) struct function f = { 0 };
	if (session && mode == STAGE_ROLLBACK)
		return function_rollback(&s, p, session, &err) < 0 ? stage_fail(&s, &err, NULL) : 0;
	if (!session || function_init(&f, &s, p, session, &err) < 0 ||
	    (mode == STAGE_DESTROY ? function_destroy(&f, &err) : deploy(&f, &err)) < 0)
		return stage_fail(&s, &err, NULL);
	return 0;
}

/* What another stage gives counts as given, in a form that contradicts nothing. */
static struct lambda_params as_given(struct runner_stage *rs, const struct runner_host *host, const struct lambda_params *p)
{
	struct lambda_params q = *p;
	if (!host->is_known(rs, "vpc"))
		q.vpc.text = "{\"subnets\":[\"subnet-0\"],\"security_groups\":[\"sg-0\"]}";
	if (!host->is_known(rs, "alias"))
		q.alias = "-";
	if (!host->is_set(rs, "reserved_concurrency") || !host->is_known(rs, "reserved_concurrency"))
		q.reserved_concurrency = -1;
	return q;
}

static int check(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	struct stage s;
	struct rn_error err = { 0 };
	const char *param = NULL;
	stage_init(&s, rs, host, STAGE_PLAN);
	const struct lambda_params given = as_given(rs, host, p);
	return config_check(&given, &param, &err) < 0 ? stage_fail(&s, &err, param) : 0;
}

static int run(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	return with_function(rs, host, p, STAGE_RUN);
}

static int plan(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	return with_function(rs, host, p, STAGE_PLAN);
}

static int destroy(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	return with_function(rs, host, p, STAGE_DESTROY);
}

static int rollback(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	return with_function(rs, host, p, STAGE_ROLLBACK);
}

RUNNER_PLUGIN(.name = "lambda", .version = RUNNER_VERSION, .summary = "Deploys a function that runs an image",
	      .param_size = sizeof(struct lambda_params), .params = params, .outputs = outputs, .check = check, .run = run,
	      .plan = plan, .destroy = destroy, .rollback = rollback, .help = help, .permissions = permissions);
