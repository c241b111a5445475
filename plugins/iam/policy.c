/* SPDX-License-Identifier: Apache-2.0 */
/* Policy documents of IAM (IAM User Guide, "Grammar of the IAM JSON policy language"). */
#include "policy.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define POLICY_VERSION "2012-10-17"

/* ---- reading ------------------------------------------------------------------------ */

static int check_shape(const cJSON *doc, const char *what, struct rn_error *err)
{
	const cJSON *statements = rn_json_get(doc, "Statement");
	if (!cJSON_IsObject(doc) || (!cJSON_IsArray(statements) && !cJSON_IsObject(statements)))
		return rn_fail(err, RN_EINVAL, "%s is no policy document: it has no \"Statement\"",
			       what);
	for (const cJSON *k = doc->child; k; k = k->next)
		if (!rn_streq(k->string, "Version") && !rn_streq(k->string, "Id") &&
		    !rn_streq(k->string, "Statement"))
			return rn_fail(
				err, RN_EINVAL,
				"%s has the member \"%s\", which a policy document cannot have",
				what, k->string);
	const cJSON *s = cJSON_IsArray(statements) ? statements->child : statements;
	for (; s; s = cJSON_IsArray(statements) ? s->next : NULL)
		if (!rn_streq(rn_json_str(s, "Effect"), "Allow") &&
		    !rn_streq(rn_json_str(s, "Effect"), "Deny"))
			return rn_fail(
				err, RN_EINVAL,
				"%s has a statement whose \"Effect\" is neither Allow nor Deny",
				what);
	return 0;
}

static cJSON *checked(cJSON *doc, const char *what, struct rn_error *err)
{
	if (check_shape(doc, what, err) == 0) {
		if (!rn_json_get(doc, "Version"))
			cJSON_AddStringToObject(doc, "Version", POLICY_VERSION);
		return doc;
	}
	cJSON_Delete(doc);
	return NULL;
}

cJSON *policy_document(const cJSON *value, const char *what, struct rn_error *err)
{
	if (!cJSON_IsString(value))
		return checked(cJSON_Duplicate(value, true), what, err);
	cJSON *doc = rn_json_parse_str(value->valuestring, err);
	if (!doc) {
		rn_wrap(err, "%s", what);
		return NULL;
	}
	return checked(doc, what, err);
}

cJSON *policy_decode(const char *text, struct rn_error *err)
{
	RN_AUTO(rn_freep)
	char *plain = text[0] == '%' ? rn_percent_decode(text, false) : rn_strdup(text);
	return rn_json_parse_str(plain, err);
}

/* ---- the short form of trust ----------------------------------------------------------- */

static bool is_account(const char *s)
{
	return strlen(s) == 12 && strspn(s, "0123456789") == 12;
}

static const char *kind_of(const char *principal)
{
	if (is_account(principal) || rn_starts(principal, "arn:"))
		return strstr(principal, ":oidc-provider/") || strstr(principal, ":saml-provider/")
			       ? NULL
			       : "AWS";
	bool name =
		strchr(principal, '.') &&
		strspn(principal, "abcdefghijklmnopqrstuvwxyz0123456789.-") == strlen(principal);
	return name ? "Service" : NULL;
}

static int add_principal(cJSON *principals, const cJSON *value, struct rn_error *err)
{
	if (!cJSON_IsString(value))
		return rn_fail(err, RN_EINVAL,
			       "trust: the list may have service names, account ids and ARNs only");
	const char *kind = kind_of(value->valuestring);
	if (!kind) {
		rn_fail(err, RN_EINVAL,
			"trust: \"%s\" is no service name like lambda.amazonaws.com, no account id "
			"and no ARN "
			"of a user or role",
			value->valuestring);
		return rn_hint(err, "write the whole trust policy as a document for anything else "
				    "(federated principals need "
				    "conditions)");
	}
	cJSON *list = rn_json_get(principals, kind);
	if (!list)
		list = cJSON_AddArrayToObject(principals, kind);
	cJSON_AddItemToArray(list, cJSON_CreateString(value->valuestring));
	return 0;
}

static cJSON *from_principals(const cJSON *list, struct rn_error *err)
{
	cJSON *doc = cJSON_CreateObject();
	cJSON_AddStringToObject(doc, "Version", POLICY_VERSION);
	cJSON *statement = cJSON_CreateObject();
	cJSON_AddItemToArray(cJSON_AddArrayToObject(doc, "Statement"), statement);
	cJSON_AddStringToObject(statement, "Effect", "Allow");
	cJSON *principals = cJSON_AddObjectToObject(statement, "Principal");
	cJSON_AddStringToObject(statement, "Action", "sts:AssumeRole");
	int rc = 0;
	if (cJSON_IsString(list))
		rc = add_principal(principals, list, err);
	for (const cJSON *v = cJSON_IsArray(list) ? list->child : NULL; v && rc == 0; v = v->next)
		rc = add_principal(principals, v, err);
	if (rc == 0 && !principals->child)
		rc = rn_fail(err, RN_EINVAL,
			     "trust: the list is empty, so nobody could use the role");
	if (rc == 0)
		return doc;
	cJSON_Delete(doc);
	return NULL;
}

cJSON *policy_trust(const char *json, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *value = rn_json_parse_str(json, err);
	if (!value) {
		rn_wrap(err, "trust");
		return NULL;
	}
	bool text = cJSON_IsString(value) &&
		    value->valuestring[strspn(value->valuestring, " \t\r\n")] == '{';
	if (cJSON_IsObject(value) || text)
		return policy_document(value, "trust", err);
	return from_principals(value, err);
}

/* ---- comparing ------------------------------------------------------------------------- */

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "arn:aws:iam::123456789012:root" is 123456789012 */
static char *principal_form(const char *s)
{
	if (rn_starts(s, "arn:") && rn_ends(s, ":root")) {
		const char *account = strstr(s, ":iam::");
		if (account && strlen(account + 6) == 12 + strlen(":root"))
			return rn_strndup(account + 6, 12);
	}
	return rn_strdup(s);
}

/* A value or a list of values as a sorted list of texts without repetition. */
static void sorted_values(const cJSON *v, bool principal, bool any_case, struct rn_strv *ret)
{
	const cJSON *item = cJSON_IsArray(v) ? v->child : v;
	for (; item; item = cJSON_IsArray(v) ? item->next : NULL) {
		RN_AUTO(rn_freep) char *text = cJSON_IsString(item) ? rn_strdup(item->valuestring)
						  : rn_json_canonical(item);
		RN_AUTO(rn_freep) char *form = principal ? principal_form(text) : rn_strdup(text);
		if (any_case)
			rn_lower(form);
		if (!rn_strv_has(ret, form))
			rn_strv_add(ret, form);
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), compare_strings);
}

static cJSON *values_form(const cJSON *v, bool principal, bool any_case)
{
	RN_AUTO(rn_strv_clear) struct rn_strv list = { 0 };
	sorted_values(v, principal, any_case, &list);
	cJSON *array = cJSON_CreateArray();
	for (size_t i = 0; i < list.n; i++)
		cJSON_AddItemToArray(array, cJSON_CreateString(list.v[i]));
	return array;
}

/* {"Service": x} and {"StringEquals": {"key": x}}: each leaf as a list */
static cJSON *tree_form(const cJSON *v, bool principal)
{
	if (!cJSON_IsObject(v))
		return values_form(v, principal, false);
	cJSON *o = cJSON_CreateObject();
	for (const cJSON *m = v->child; m; m = m->next)
		cJSON_AddItemToObject(o, m->string, tree_form(m, principal));
	return o;
}

static cJSON *statement_form(const cJSON *s)
{
	cJSON *o = cJSON_CreateObject();
	for (const cJSON *m = s->child; m; m = m->next) {
		bool principal =
			rn_streq(m->string, "Principal") || rn_streq(m->string, "NotPrincipal");
		bool action = rn_streq(m->string, "Action") || rn_streq(m->string, "NotAction");
		cJSON_AddItemToObject(o, m->string,
				      action ? values_form(m, false, true)
					     : tree_form(m, principal));
	}
	return o;
}

static cJSON *document_form(const cJSON *doc)
{
	const cJSON *statements = rn_json_get(doc, "Statement");
	cJSON *o = cJSON_CreateObject();
	const char *version = rn_json_str(doc, "Version");
	cJSON_AddStringToObject(o, "Version", version ? version : "2008-10-17"); /* IAM's default */
	RN_AUTO(rn_strv_clear) struct rn_strv list = { 0 };
	const cJSON *s = cJSON_IsArray(statements) ? statements->child : statements;
	for (; s; s = cJSON_IsArray(statements) ? s->next : NULL) {
		cJSON *form = statement_form(s);
		rn_strv_take(&list, rn_json_canonical(form));
		cJSON_Delete(form);
	}
	if (list.n)
		qsort(list.v, list.n, sizeof(*list.v), compare_strings);
	cJSON *array = cJSON_AddArrayToObject(o, "Statement");
	for (size_t i = 0; i < list.n; i++)
		cJSON_AddItemToArray(array, cJSON_CreateString(list.v[i]));
	return o;
}

bool policy_equal(const cJSON *a, const cJSON *b)
{
	RN_AUTO(rn_json_freep) cJSON *x = document_form(a);
	RN_AUTO(rn_json_freep) cJSON *y = document_form(b);
	return rn_json_equal(x, y);
}

char *policy_principals(const cJSON *trust)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	const cJSON *statements = rn_json_get(trust, "Statement");
	const cJSON *s = cJSON_IsArray(statements) ? statements->child : statements;
	for (; s; s = cJSON_IsArray(statements) ? s->next : NULL) {
		const cJSON *p = rn_json_get(s, "Principal");
		if (cJSON_IsString(p))
			rn_strv_add(&names, p->valuestring);
		for (const cJSON *kind = cJSON_IsObject(p) ? p->child : NULL; kind;
		     kind = kind->next)
			sorted_values(kind, true, false, &names);
	}
	return names.n ? rn_strv_join(&names, ", ") : rn_strdup("nobody");
}
