/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IAM as the local cloud has it: roles with trust, managed and inline policies, and
 * AWS's managed policies by name. Nothing is authorised by policies here: the trust
 * policy alone is enforced (who may assume a role).
 */
#ifndef IAM_H
#define IAM_H

#include "route.h"

/** True when the role exists (by ARN) and its trust policy lets that service assume it, e.g. "lambda.amazonaws.com". */
bool iam_assumable_by(struct cloud *c, const char *role_arn, const char *service);
/** Milliseconds since the role was made (to the second); INT64_MAX when there is none. */
int64_t iam_role_age_ms(struct cloud *c, const char *role_arn);
bool iam_role_exists(struct cloud *c, const char *role_arn);

/* ---- between the files of IAM and STS ---- */

/** Role document by ARN or by name; new, or NULL. */
cJSON *iam_role_by_arn(struct cloud *c, const char *arn);
cJSON *iam_role_by_name(struct cloud *c, const char *name);
/** Policy document (GetPolicy's shape with "_versions") by ARN: AWS's or one made here; new, or NULL. */
cJSON *iam_policy_by_arn(struct cloud *c, const char *arn);

/** Checks a policy document: -1 with the reason. A trust policy has principals and no resources. */
int iam_document_check(const char *text, bool is_trust, struct rn_error *err);
/** What a trust policy is asked: does a principal of `kind` ("Service", "AWS", "Federated") match, and do the conditions hold? */
struct iam_question {
	const char *action;              /* "sts:AssumeRole"                                    */
	const char *kind;
	const char *const *principals;   /* any of these in the policy is the caller; "*" always */
	size_t n_principals;
	const struct pairs *context;     /* condition keys with their values; NULL: none        */
};
bool iam_trust_allows(const char *document, const struct iam_question *question);

/** Form list "NAME.member.N" (or "NAME.member.N.FIELD") as an array of strings. New. */
cJSON *iam_form_list(const struct request *req, const char *name);
/** "Tags.member.N.Key/Value" as [{"Key","Value"}]. New. */
cJSON *iam_form_tags(const struct request *req, const char *name);
/** Required form parameter that fits 1..max of [\w+=,.@-] (or anything when `free_text`); NULL when the error is answered. */
const char *iam_form_name(struct request *req, struct response *res, const char *name, size_t max, bool free_text);
/** Answers {NAME: part of items, IsTruncated, Marker} by MaxItems and Marker. Deletes `items`; `key` names the member that orders them (NULL: they are strings). */
void iam_answer_page(struct request *req, struct response *res, const char *name, cJSON *items, const char *key);
/** "2026-11-24T03:15:07Z" of now into to[32]; returns it. */
char *iam_now(char *to);

/* operations, by file */
handler_fn iam_create_role, iam_get_role, iam_delete_role, iam_list_roles, iam_update_role,
	iam_update_role_description, iam_update_trust, iam_put_boundary, iam_delete_boundary, iam_tag_role,
	iam_untag_role, iam_list_role_tags, iam_list_instance_profiles;
handler_fn iam_attach, iam_detach, iam_list_attached, iam_put_inline, iam_get_inline, iam_delete_inline,
	iam_list_inline;
handler_fn iam_get_policy, iam_create_policy, iam_delete_policy, iam_list_policies, iam_get_policy_version,
	iam_list_policy_versions, iam_list_entities_for_policy, iam_list_account_aliases, iam_get_user;

#endif
