/* SPDX-License-Identifier: Apache-2.0 */
/* How functions are named: names, partial and whole ARNs, qualifiers. */
#include "lambda_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void function_ref_clear(struct function_ref *r)
{
	free(r->region);
	free(r->name);
	free(r->qualifier);
	*r = (struct function_ref){ 0 };
}

static bool name_valid(const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '_')
			return false;
	return n > 0 && n <= 64;
}

static bool qualifier_valid(const char *q)
{
	size_t n = strlen(q);
	if (!strcmp(q, LATEST))
		return true;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)q[i]) && q[i] != '-' && q[i] != '_')
			return false;
	return n > 0 && n <= 128;
}

/* Splits at ':' into at most 8 parts, empty ones kept. */
static size_t split(char *text, char **parts)
{
	size_t n = 0;
	for (char *p = text; n < 8; p++) {
		parts[n++] = p;
		p = strchr(p, ':');
		if (!p)
			break;
		*p = '\0';
	}
	return n;
}

int function_ref_parse(const char *region, const char *text, const char *qualifier, struct function_ref *ret,
		       struct rn_error *err)
{
	RN_AUTO(rn_freep) char *copy = rn_strdup(text);
	char *parts[8];
	size_t n = split(copy, parts);
	char **rest = parts;
	const char *where = region;
	if (n >= 7 && !strcmp(parts[0], "arn") && !strcmp(parts[2], "lambda") && !strcmp(parts[5], "function")) {
		where = parts[3];
		rest = parts + 6;
		n -= 6;
	} else if (n >= 3 && !strcmp(parts[1], "function")) {
		rest = parts + 2;
		n -= 2;
	}
	if (n < 1 || n > 2 || !name_valid(rest[0]))
		return rn_fail(err, RN_EINVAL, "%s", text);
	const char *q = qualifier ? qualifier : n == 2 ? rest[1] : NULL;
	if (q && !qualifier_valid(q))
		return rn_fail(err, RN_EINVAL, "%s", q);
	*ret = (struct function_ref){ rn_strdup(where), rn_strdup(rest[0]), rn_strdup(q) };
	return 0;
}

int function_ref_of(struct request *req, struct response *res, struct function_ref *ret)
{
	const char *text = request_param(req, "name");
	if (function_ref_parse(req->region, text ? text : "", request_arg(req, "Qualifier"), ret, NULL) < 0)
		return answer_error(req, res, 400, "ValidationException",
				    "1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: "
				    "Member must satisfy regular expression pattern: "
				    "(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?"
				    "([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?",
				    text ? text : "");
	if (strcmp(ret->region, req->region)) {
		answer_error(req, res, 404, "ResourceNotFoundException",
			     "Functions from '%s' are not reachable in this region ('%s')", ret->region, req->region);
		function_ref_clear(ret);
		return -1;
	}
	return 0;
}

char *function_arn(const struct function_ref *r, const char *qualifier)
{
	return cloud_arn("lambda", r->region, "function:%s%s%s", r->name, qualifier ? ":" : "",
			 qualifier ? qualifier : "");
}

char *function_parent(const struct function_ref *r)
{
	return rn_asprintf("%s/%s", r->region, r->name);
}
