/* SPDX-License-Identifier: Apache-2.0 */
/* Policy documents: are they well formed, and whom does a trust policy let in. */
#include "iam.h"

#include <fnmatch.h>
#include <string.h>

static bool is_one_or_many(const cJSON *value)
{
	if (cJSON_IsString(value))
		return true;
	if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) == 0)
		return false;
	for (const cJSON *item = value->child; item; item = item->next)
		if (!cJSON_IsString(item))
			return false;
	return true;
}

static int check_principal(const cJSON *principal, struct rn_error *err)
{
	if (cJSON_IsString(principal) && rn_streq(principal->valuestring, "*"))
		return 0;
	if (!cJSON_IsObject(principal) || !principal->child)
		return rn_fail(err, RN_EINVAL, "Missing required field Principal");
	for (const cJSON *kind = principal->child; kind; kind = kind->next) {
		if (!rn_streq(kind->string, "Service") && !rn_streq(kind->string, "AWS") &&
		    !rn_streq(kind->string, "Federated") &&
		    !rn_streq(kind->string, "CanonicalUser"))
			return rn_fail(err, RN_EINVAL,
				       "Invalid principal in policy: unknown kind \"%s\"",
				       kind->string);
		if (!is_one_or_many(kind))
			return rn_fail(err, RN_EINVAL, "Syntax errors in policy.");
		const cJSON *one = cJSON_IsString(kind) ? kind : kind->child;
		for (; one && rn_streq(kind->string, "Service");
		     one = cJSON_IsString(kind) ? NULL : one->next) {
			const char *s = one->valuestring;
			if (!rn_ends(s, ".amazonaws.com") && !rn_ends(s, ".amazonaws.com.cn"))
				return rn_fail(err, RN_EINVAL,
					       "Invalid principal in policy: \"SERVICE\":\"%s\"",
					       s);
		}
	}
	return 0;
}

static int check_statement(const cJSON *st, bool is_trust, struct rn_error *err)
{
	const char *effect = rn_json_str(st, "Effect");
	if (!cJSON_IsObject(st))
		return rn_fail(err, RN_EINVAL, "Syntax errors in policy.");
	if (!effect)
		return rn_fail(err, RN_EINVAL, "Missing required field Effect");
	if (strcmp(effect, "Allow") != 0 && strcmp(effect, "Deny") != 0)
		return rn_fail(err, RN_EINVAL, "Invalid effect: %s", effect);
	const cJSON *action = rn_json_get(st, "Action");
	if (!action)
		action = rn_json_get(st, "NotAction");
	if (!action)
		return rn_fail(err, RN_EINVAL, "Missing required field Action");
	if (!is_one_or_many(action))
		return rn_fail(err, RN_EINVAL, "Syntax errors in policy.");
	const cJSON *one = cJSON_IsString(action) ? action : action->child;
	for (; one; one = cJSON_IsString(action) ? NULL : one->next)
		if (!strchr(one->valuestring, ':') && strcmp(one->valuestring, "*") != 0)
			return rn_fail(err, RN_EINVAL,
				       "Actions/Conditions must be prefaced by a vendor, e.g., "
				       "iam, sdb, ec2, etc.");
	const cJSON *condition = rn_json_get(st, "Condition");
	if (condition && !cJSON_IsObject(condition))
		return rn_fail(err, RN_EINVAL, "Syntax errors in policy.");
	if (is_trust) {
		if (rn_json_get(st, "Resource"))
			return rn_fail(err, RN_EINVAL, "Has prohibited field Resource");
		return check_principal(rn_json_get(st, "Principal"), err);
	}
	if (rn_json_get(st, "Principal"))
		return rn_fail(err, RN_EINVAL, "Policy document should not specify a principal.");
	if (!is_one_or_many(rn_json_get(st, "Resource")) &&
	    !is_one_or_many(rn_json_get(st, "NotResource")))
		return rn_fail(err, RN_EINVAL, "Policy statement must contain resources.");
	return 0;
}

int iam_document_check(const char *text, bool is_trust, struct rn_error *err)
{
	struct rn_error why = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = rn_json_parse_str(text, &why);
	if (!cJSON_IsObject(doc))
		return rn_fail(err, RN_EINVAL, "%s contains invalid Json%s%s",
			       is_trust ? "This policy" : "The policy document",
			       why.msg[0] ? ": " : "", why.msg);
	const char *version = rn_json_str(doc, "Version");
	if (version && strcmp(version, "2012-10-17") != 0 && strcmp(version, "2008-10-17") != 0)
		return rn_fail(err, RN_EINVAL, "The policy must contain a valid version string");
	const cJSON *statement = rn_json_get(doc, "Statement");
	if (cJSON_IsObject(statement))
		return check_statement(statement, is_trust, err);
	if (!cJSON_IsArray(statement) || !statement->child)
		return rn_fail(err, RN_EINVAL, "Syntax errors in policy.");
	for (const cJSON *st = statement->child; st; st = st->next)
		if (check_statement(st, is_trust, err) < 0)
			return -1;
	return 0;
}

/* ---- evaluation of trust ---- */

/* Does any string of `value` (one or many) match `s`? The policy's side may have wildcards. */
static bool any_matches(const cJSON *value, const char *s, bool wildcards, bool nocase)
{
	const cJSON *one = cJSON_IsArray(value) ? value->child : value;
	for (; one; one = cJSON_IsArray(value) ? one->next : NULL) {
		if (!cJSON_IsString(one))
			continue;
		if (wildcards ? fnmatch(one->valuestring, s, nocase ? FNM_CASEFOLD : 0) == 0
		    : nocase  ? strcasecmp(one->valuestring, s) == 0
			      : strcmp(one->valuestring, s) == 0)
			return true;
	}
	return false;
}

static bool principal_matches(const cJSON *principal, const struct iam_question *q)
{
	if (cJSON_IsString(principal))
		return rn_streq(principal->valuestring, "*");
	const cJSON *kind = rn_json_get(principal, q->kind);
	if (!kind)
		return false;
	if (any_matches(kind, "*", false, false))
		return true;
	for (size_t i = 0; i < q->n_principals; i++)
		if (any_matches(kind, q->principals[i], false, false))
			return true;
	return false;
}

/* An operator or key that is not understood does not hold. */
static bool conditions_hold(const cJSON *condition, const struct pairs *context)
{
	static const struct {
		const char *name;
		bool wildcards, nocase, negated;
	} OPERATORS[] = {
		{ "StringEquals", false, false, false },
		{ "StringNotEquals", false, false, true },
		{ "StringEqualsIgnoreCase", false, true, false },
		{ "StringLike", true, false, false },
		{ "StringNotLike", true, false, true },
		{ "ArnEquals", true, false, false },
		{ "ArnLike", true, false, false },
	};
	for (const cJSON *op = condition ? condition->child : NULL; op; op = op->next) {
		const char *name = op->string;
		bool any_value = rn_starts(name, "ForAnyValue:");
		if (any_value)
			name += strlen("ForAnyValue:");
		size_t i = 0;
		while (i < RN_LEN(OPERATORS) && strcmp(OPERATORS[i].name, name) != 0)
			i++;
		if (i == RN_LEN(OPERATORS))
			return false;
		for (const cJSON *key = op->child; key; key = key->next) {
			const char *have = context ? pairs_get(context, key->string, true) : NULL;
			bool hit = have && any_matches(key, have, OPERATORS[i].wildcards,
						       OPERATORS[i].nocase);
			if (hit == OPERATORS[i].negated)
				return false;
		}
	}
	return true;
}

bool iam_trust_allows(const char *document, const struct iam_question *q)
{
	RN_AUTO(rn_json_freep) cJSON *doc = rn_json_parse_str(document, NULL);
	const cJSON *statement = rn_json_get(doc, "Statement");
	const cJSON *st = cJSON_IsArray(statement) ? statement->child : statement;
	bool allowed = false;
	for (; st; st = cJSON_IsArray(statement) ? st->next : NULL) {
		if (!any_matches(rn_json_get(st, "Action"), q->action, true, true) ||
		    !principal_matches(rn_json_get(st, "Principal"), q) ||
		    !conditions_hold(rn_json_get(st, "Condition"), q->context))
			continue;
		if (rn_streq(rn_json_str(st, "Effect"), "Deny"))
			return false;
		allowed = true;
	}
	return allowed;
}
