/* SPDX-License-Identifier: Apache-2.0 */
/* Managed policies: those of AWS that functions and pipelines use, by name, and those made here. */
#include "iam.h"
#include "store.h"

#include "base/encode.h"

#include <stdlib.h>
#include <string.h>

#define POLICY "iam.policy"

/* AWS's managed policies; the document allows `actions` on everything (the originals list more
 * statements). */
static const struct {
	const char *path, *name, *actions;
} AWS_POLICIES[] = {
	{ "/", "AWSLambdaExecute", "logs:*,s3:GetObject,s3:PutObject" },
	{ "/", "AWSLambda_FullAccess", "lambda:*,iam:PassRole,logs:DescribeLogGroups" },
	{ "/", "AWSLambda_ReadOnlyAccess", "lambda:Get*,lambda:List*" },
	{ "/", "AWSStepFunctionsFullAccess", "states:*" },
	{ "/", "AWSXRayDaemonWriteAccess",
	  "xray:PutTraceSegments,xray:PutTelemetryRecords,xray:GetSamplingRules" },
	{ "/", "AWSXrayFullAccess", "xray:*" },
	{ "/", "AdministratorAccess", "*" },
	{ "/", "AmazonAPIGatewayAdministrator", "apigateway:*" },
	{ "/", "AmazonAPIGatewayInvokeFullAccess",
	  "execute-api:Invoke,execute-api:ManageConnections" },
	{ "/", "AmazonBedrockFullAccess", "bedrock:*" },
	{ "/", "AmazonDynamoDBFullAccess", "dynamodb:*" },
	{ "/", "AmazonDynamoDBReadOnlyAccess",
	  "dynamodb:BatchGetItem,dynamodb:Get*,dynamodb:Query,dynamodb:Scan" },
	{ "/", "AmazonEC2ContainerRegistryFullAccess", "ecr:*" },
	{ "/", "AmazonEC2ContainerRegistryPowerUser",
	  "ecr:GetAuthorizationToken,ecr:Batch*,ecr:Describe*,ecr:PutImage" },
	{ "/", "AmazonEC2ContainerRegistryReadOnly",
	  "ecr:GetAuthorizationToken,ecr:BatchGetImage,ecr:Describe*" },
	{ "/", "AmazonEventBridgeFullAccess", "events:*" },
	{ "/", "AmazonKinesisFullAccess", "kinesis:*" },
	{ "/", "AmazonRDSDataFullAccess", "rds-data:*" },
	{ "/", "AmazonS3FullAccess", "s3:*" },
	{ "/", "AmazonS3ReadOnlyAccess", "s3:Get*,s3:List*" },
	{ "/", "AmazonSESFullAccess", "ses:*" },
	{ "/", "AmazonSNSFullAccess", "sns:*" },
	{ "/", "AmazonSQSFullAccess", "sqs:*" },
	{ "/", "AmazonSSMFullAccess", "ssm:*" },
	{ "/", "AmazonSSMReadOnlyAccess", "ssm:Describe*,ssm:Get*,ssm:List*" },
	{ "/", "AmazonVPCFullAccess", "ec2:*" },
	{ "/", "CloudWatchFullAccess", "cloudwatch:*,logs:*,sns:*" },
	{ "/", "CloudWatchLambdaInsightsExecutionRolePolicy",
	  "logs:CreateLogGroup,logs:CreateLogStream,logs:PutLogEvents" },
	{ "/", "CloudWatchLogsFullAccess", "logs:*" },
	{ "/", "IAMFullAccess", "iam:*" },
	{ "/", "IAMReadOnlyAccess", "iam:Get*,iam:List*" },
	{ "/", "PowerUserAccess", "*" },
	{ "/", "ReadOnlyAccess", "*:Get*,*:List*,*:Describe*" },
	{ "/", "SecretsManagerReadWrite", "secretsmanager:*" },
	{ "/service-role/", "AWSLambdaBasicExecutionRole",
	  "logs:CreateLogGroup,logs:CreateLogStream,logs:PutLogEvents" },
	{ "/service-role/", "AWSLambdaDynamoDBExecutionRole",
	  "dynamodb:DescribeStream,dynamodb:GetRecords,logs:*" },
	{ "/service-role/", "AWSLambdaENIManagementAccess",
	  "ec2:CreateNetworkInterface,ec2:DeleteNetworkInterface" },
	{ "/service-role/", "AWSLambdaKinesisExecutionRole",
	  "kinesis:DescribeStream,kinesis:GetRecords,logs:*" },
	{ "/service-role/", "AWSLambdaMSKExecutionRole",
	  "kafka:DescribeCluster,kafka:GetBootstrapBrokers,logs:*" },
	{ "/service-role/", "AWSLambdaRole", "lambda:InvokeFunction" },
	{ "/service-role/", "AWSLambdaSQSQueueExecutionRole",
	  "sqs:ReceiveMessage,sqs:DeleteMessage,logs:*" },
	{ "/service-role/", "AWSLambdaVPCAccessExecutionRole",
	  "logs:*,ec2:CreateNetworkInterface,ec2:DeleteNetworkInterface" },
	{ "/service-role/", "AmazonAPIGatewayPushToCloudWatchLogs",
	  "logs:CreateLogGroup,logs:PutLogEvents" },
	{ "/service-role/", "AmazonECSTaskExecutionRolePolicy",
	  "ecr:GetAuthorizationToken,ecr:BatchGetImage,logs:*" },
};

static cJSON *aws_policy(size_t i)
{
	RN_AUTO(rn_freep) char *arn =
		rn_asprintf("arn:aws:iam::aws:policy%s%s", AWS_POLICIES[i].path,
				AWS_POLICIES[i].name);
	cJSON *doc = cJSON_CreateObject(), *statement = cJSON_CreateObject();
	cJSON_AddStringToObject(doc, "Version", "2012-10-17");
	cJSON_AddItemToArray(cJSON_AddArrayToObject(doc, "Statement"), statement);
	cJSON_AddStringToObject(statement, "Effect", "Allow");
	struct rn_strv actions = { 0 };
	rn_strv_split(&actions, AWS_POLICIES[i].actions, ',');
	cJSON_AddItemToObject(
		statement, "Action",
		cJSON_CreateStringArray((const char *const *)actions.v, (int)actions.n));
	rn_strv_clear(&actions);
	cJSON_AddStringToObject(statement, "Resource", "*");
	RN_AUTO(rn_freep) char *text = rn_json_print(doc);
	cJSON_Delete(doc);

	cJSON *policy = cJSON_CreateObject();
	cJSON_AddStringToObject(policy, "PolicyName", AWS_POLICIES[i].name);
	RN_AUTO(rn_freep) char *id = rn_asprintf("ANPALOCALRUNNER%05zuX", i);
	cJSON_AddStringToObject(policy, "PolicyId", id);
	cJSON_AddStringToObject(policy, "Arn", arn);
	cJSON_AddStringToObject(policy, "Path", AWS_POLICIES[i].path);
	cJSON_AddStringToObject(policy, "DefaultVersionId", "v1");
	cJSON_AddNumberToObject(policy, "PermissionsBoundaryUsageCount", 0);
	cJSON_AddBoolToObject(policy, "IsAttachable", true);
	cJSON_AddStringToObject(policy, "CreateDate", "2015-02-06T18:41:00Z");
	cJSON_AddStringToObject(policy, "UpdateDate", "2015-02-06T18:41:00Z");
	cJSON_AddStringToObject(policy, "_document", text);
	return policy;
}

cJSON *iam_policy_by_arn(struct cloud *c, const char *arn)
{
	static const char PREFIX[] = "arn:aws:iam::aws:policy";
	if (!rn_starts(arn, PREFIX))
		return store_get(c->store, POLICY, "", arn);
	const char *rest = arn + strlen(PREFIX);
	for (size_t i = 0; i < RN_LEN(AWS_POLICIES); i++) {
		size_t n = strlen(AWS_POLICIES[i].path);
		if (!strncmp(rest, AWS_POLICIES[i].path, n) &&
		    !strcmp(rest + n, AWS_POLICIES[i].name))
			return aws_policy(i);
	}
	return NULL;
}

/* Roles that hold the policy, as [{RoleName, RoleId}]. New. */
static cJSON *holders(struct cloud *c, const char *arn)
{
	cJSON *out = cJSON_CreateArray();
	RN_AUTO(rn_json_freep) cJSON *roles = store_list(c->store, "iam.role", "", NULL, 0);
	for (const cJSON *role = roles->child; role; role = role->next)
		for (const cJSON *one = rn_json_get(role, "_attached")->child; one; one = one->next)
			if (rn_streq(rn_json_str(one, "PolicyArn"), arn)) {
				cJSON *item = cJSON_CreateObject();
				cJSON_AddStringToObject(item, "RoleName",
							rn_json_str(role, "RoleName"));
				cJSON_AddStringToObject(item, "RoleId",
							rn_json_str(role, "RoleId"));
				cJSON_AddItemToArray(out, item);
			}
	return out;
}

static cJSON *named_policy(struct request *req, struct response *res)
{
	const char *arn = iam_form_name(req, res, "PolicyArn", 2048, true);
	cJSON *policy = arn ? iam_policy_by_arn(req->cloud, arn) : NULL;
	if (arn && !policy)
		answer_error(req, res, 404, "NoSuchEntity", "Policy %s was not found.", arn);
	return policy;
}

static void add_count(struct cloud *c, cJSON *policy)
{
	RN_AUTO(rn_json_freep) cJSON *roles = holders(c, rn_json_str(policy, "Arn"));
	cJSON_AddNumberToObject(policy, "AttachmentCount", cJSON_GetArraySize(roles));
}

static void answer_policy(struct request *req, struct response *res, cJSON *policy)
{
	add_count(req->cloud, policy);
	cJSON *result = cJSON_CreateObject();
	cJSON_AddItemToObject(result, "Policy", policy);
	answer_query(req, res, result);
}

void iam_get_policy(struct request *req, struct response *res)
{
	cJSON *policy = named_policy(req, res);
	if (policy)
		answer_policy(req, res, policy);
}

void iam_create_policy(struct request *req, struct response *res)
{
	const char *name = iam_form_name(req, res, "PolicyName", 128, false);
	const char *document = name ? iam_form_name(req, res, "PolicyDocument", 131072, true)
				    : NULL;
	if (!document)
		return;
	struct rn_error err = { 0 };
	if (iam_document_check(document, false, &err) < 0) {
		answer_error(req, res, 400, "MalformedPolicyDocument", "%s", err.msg);
		return;
	}
	const char *path = request_form(req, "Path") ? request_form(req, "Path") : "/";
	RN_AUTO(rn_freep) char *arn = cloud_arn("iam", "", "policy%s%s", path, name);
	if (store_has(req->cloud->store, POLICY, "", arn)) {
		answer_error(req, res, 409, "EntityAlreadyExists",
			     "A policy called %s already exists. Duplicate names are not allowed.",
			     name);
		return;
	}
	char id[24], stamp[32];
	RN_AUTO(rn_freep) char *policy_id = rn_asprintf("ANPA%s", cloud_id(id, 17, true));
	cJSON *policy = cJSON_CreateObject();
	cJSON_AddStringToObject(policy, "PolicyName", name);
	cJSON_AddStringToObject(policy, "PolicyId", policy_id);
	cJSON_AddStringToObject(policy, "Arn", arn);
	cJSON_AddStringToObject(policy, "Path", path);
	cJSON_AddStringToObject(policy, "DefaultVersionId", "v1");
	cJSON_AddNumberToObject(policy, "PermissionsBoundaryUsageCount", 0);
	cJSON_AddBoolToObject(policy, "IsAttachable", true);
	if (request_form(req, "Description"))
		cJSON_AddStringToObject(policy, "Description", request_form(req, "Description"));
	cJSON_AddStringToObject(policy, "CreateDate", iam_now(stamp));
	cJSON_AddStringToObject(policy, "UpdateDate", stamp);
	cJSON_AddItemToObject(policy, "Tags", iam_form_tags(req, "Tags"));
	cJSON_AddStringToObject(policy, "_document", document);
	store_put(req->cloud->store, POLICY, "", arn, policy, NULL);
	answer_policy(req, res, policy);
}

void iam_delete_policy(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *policy = named_policy(req, res);
	if (!policy)
		return;
	const char *arn = rn_json_str(policy, "Arn");
	if (rn_starts(arn, "arn:aws:iam::aws:")) {
		answer_error(req, res, 403, "AccessDenied",
			     "AWS managed policies cannot be deleted.");
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *roles = holders(req->cloud, arn);
	if (roles->child) {
		answer_error(req, res, 409, "DeleteConflict",
			     "Cannot delete a policy attached to entities.");
		return;
	}
	store_remove(req->cloud->store, POLICY, "", arn, NULL);
	answer_query(req, res, NULL);
}

void iam_list_policies(struct request *req, struct response *res)
{
	const char *scope = request_form(req, "Scope"), *prefix = request_form(req, "PathPrefix");
	bool only_attached = rn_streq(request_form(req, "OnlyAttached"), "true");
	cJSON *all = cJSON_CreateArray();
	for (size_t i = 0; i < RN_LEN(AWS_POLICIES) && !rn_streq(scope, "Local"); i++)
		cJSON_AddItemToArray(all, aws_policy(i));
	if (!rn_streq(scope, "AWS")) {
		RN_AUTO(rn_json_freep) cJSON *local =
			store_list(req->cloud->store, POLICY, "", NULL, 0);
		while (local->child)
			cJSON_AddItemToArray(all, cJSON_DetachItemFromArray(local, 0));
	}
	RN_AUTO(rn_json_freep) cJSON *rest = all;
	cJSON *policies = cJSON_CreateArray();
	while (rest->child) {
		cJSON *one = cJSON_DetachItemFromArray(rest, 0);
		add_count(req->cloud, one);
		cJSON_DeleteItemFromObjectCaseSensitive(one, "Tags");
		if ((only_attached && rn_json_int(one, "AttachmentCount", 0) == 0) ||
		    (prefix && !rn_starts(rn_json_str(one, "Path"), prefix))) {
			cJSON_Delete(one);
			continue;
		}
		cJSON_AddItemToArray(policies, one);
	}
	/* AWS's come first and sort before this account's: "arn:aws:iam::aws" would not, so the key
	 * is made */
	for (cJSON *one = policies->child; one; one = one->next) {
		const char *arn = rn_json_str(one, "Arn");
		RN_AUTO(rn_freep) char *key =
			rn_asprintf("%c%s", rn_starts(arn, "arn:aws:iam::aws:") ? '0' : '1',
					arn);
		cJSON_AddStringToObject(one, "_key", key);
	}
	iam_answer_page(req, res, "Policies", policies, "_key");
}

static cJSON *version_of(const cJSON *policy, bool with_document)
{
	cJSON *version = cJSON_CreateObject();
	if (with_document) {
		RN_AUTO(rn_freep) char *document = rn_percent(rn_json_str(policy, "_document"), "");
		cJSON_AddStringToObject(version, "Document", document);
	}
	cJSON_AddStringToObject(version, "VersionId", "v1");
	cJSON_AddBoolToObject(version, "IsDefaultVersion", true);
	cJSON_AddStringToObject(version, "CreateDate", rn_json_str(policy, "CreateDate"));
	return version;
}

void iam_get_policy_version(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *policy = named_policy(req, res);
	const char *id = policy ? iam_form_name(req, res, "VersionId", 64, true) : NULL;
	if (!id)
		return;
	if (strcmp(id, "v1") != 0) {
		answer_error(req, res, 404, "NoSuchEntity",
			     "Policy %s version %s does not exist or is not attachable.",
			     rn_json_str(policy, "Arn"), id);
		return;
	}
	cJSON *result = cJSON_CreateObject();
	cJSON_AddItemToObject(result, "PolicyVersion", version_of(policy, true));
	answer_query(req, res, result);
}

void iam_list_policy_versions(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *policy = named_policy(req, res);
	if (!policy)
		return;
	cJSON *list = cJSON_CreateArray();
	cJSON_AddItemToArray(list, version_of(policy, false));
	iam_answer_page(req, res, "Versions", list, "VersionId");
}

void iam_list_entities_for_policy(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *policy = named_policy(req, res);
	if (policy)
		iam_answer_page(req, res, "PolicyRoles",
				holders(req->cloud, rn_json_str(policy, "Arn")), "RoleName");
}
