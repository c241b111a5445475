/* SPDX-License-Identifier: Apache-2.0 */
#include "policy.h"

#include <string.h>

/* Piece `n` of an ARN (arn:partition:service:region:account:...); new string, "" when it has no such piece. */
static char *arn_piece(const char *arn, size_t n)
{
	while (arn && n--) {
		arn = strchr(arn, ':');
		arn = arn ? arn + 1 : NULL;
	}
	return arn ? rn_strndup(arn, strcspn(arn, ":")) : rn_strdup("");
}

cJSON *lambda_pull_statement(const char *repository_arn)
{
	RN_AUTO(rn_freep) char *partition = arn_piece(repository_arn, 1), *region = arn_piece(repository_arn, 3),
			       *account = arn_piece(repository_arn, 4);
	RN_AUTO(rn_freep) char *source = rn_asprintf("arn:%s:lambda:%s:%s:function:*", partition, region, account);
	cJSON *st = cJSON_CreateObject();
	cJSON_AddStringToObject(st, "Sid", "LambdaPull");
	cJSON_AddStringToObject(st, "Effect", "Allow");
	cJSON_AddStringToObject(cJSON_AddObjectToObject(st, "Principal"), "Service", "lambda.amazonaws.com");
	cJSON *actions = cJSON_AddArrayToObject(st, "Action");
	cJSON_AddItemToArray(actions, cJSON_CreateString("ecr:BatchGetImage"));
	cJSON_AddItemToArray(actions, cJSON_CreateString("ecr:GetDownloadUrlForLayer"));
	cJSON *like = cJSON_AddObjectToObject(cJSON_AddObjectToObject(st, "Condition"), "StringLike");
	cJSON_AddStringToObject(like, "aws:sourceArn", source);
	return st;
}

/* Does `have` (a string or a list) contain each item of the list `want`? */
static bool contains_all(const cJSON *have, const cJSON *want)
{
	const cJSON *w, *h;
	cJSON_ArrayForEach(w, want) {
		bool found = cJSON_IsString(have) && strcmp(have->valuestring, w->valuestring) == 0;
		if (cJSON_IsArray(have))
			cJSON_ArrayForEach(h, have)
				found = found || (cJSON_IsString(h) && strcmp(h->valuestring, w->valuestring) == 0);
		if (!found)
			return false;
	}
	return true;
}

bool policy_has_statement(const cJSON *policy, const cJSON *statement)
{
	const cJSON *s;
	cJSON_ArrayForEach(s, rn_json_get(policy, "Statement")) {
		if (rn_json_equal(rn_json_get(s, "Effect"), rn_json_get(statement, "Effect")) &&
		    rn_json_equal(rn_json_get(s, "Principal"), rn_json_get(statement, "Principal")) &&
		    rn_json_equal(rn_json_get(s, "Condition"), rn_json_get(statement, "Condition")) &&
		    contains_all(rn_json_get(s, "Action"), rn_json_get(statement, "Action")))
			return true;
	}
	return false;
}

cJSON *policy_with_statement(const cJSON *policy, const cJSON *statement)
{
	cJSON *out = cJSON_CreateObject(), *list;
	const char *version = rn_json_str(policy, "Version");
	const cJSON *s;
	cJSON_AddStringToObject(out, "Version", version ? version : "2012-10-17");
	list = cJSON_AddArrayToObject(out, "Statement");
	const cJSON *old = rn_json_get(policy, "Statement");
	if (cJSON_IsObject(old)) /* a policy may have one statement without a list */
		cJSON_AddItemToArray(list, cJSON_Duplicate(old, 1));
	else
		cJSON_ArrayForEach(s, old)
			if (!rn_streq(rn_json_str(s, "Sid"), rn_json_str(statement, "Sid")))
				cJSON_AddItemToArray(list, cJSON_Duplicate(s, 1));
	cJSON_AddItemToArray(list, cJSON_Duplicate(statement, 1));
	return out;
}

cJSON *lifecycle_document(const char *text, struct rn_error *err)
{
	cJSON *j = rn_json_parse_str(text, err);
	if (cJSON_IsArray(j)) {
		cJSON *out = cJSON_CreateObject();
		cJSON_AddItemToObject(out, "rules", j);
		j = out;
	}
	if (j && cJSON_IsArray(rn_json_get(j, "rules")))
		return j;
	if (j) {
		rn_fail(err, RN_EINVAL, "a lifecycle policy is {rules: [...]} or a list of rules");
		rn_hint(err, "for example [{rulePriority: 1, selection: {tagStatus: untagged, countType: sinceImagePushed, "
			     "countUnit: days, countNumber: 14}, action: {type: expire}}]");
	}
	cJSON_Delete(j);
	return NULL;
}
