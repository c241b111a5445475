/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of a function that have calls of their own, beside the configuration: each as one document, so that
 * comparing, telling and putting back are the same for all. Pure: no calls.
 *
 *   recursive_loop           {RecursiveLoop}
 *   async                    {MaximumEventAgeInSeconds, MaximumRetryAttempts, OnSuccess, OnFailure}
 *   provisioned_concurrency  {ProvisionedConcurrentExecutions, Status (only when it failed)}
 *   url                      {AuthType, InvokeMode, Cors, Public}
 *
 * A JSON null says that there is none.
 */
#ifndef LAMBDA_EXTRA_H
#define LAMBDA_EXTRA_H

#include "base/json.h"
#include "params.h"

/* In the order in which they are written. */
enum extra { EXTRA_RECURSION, EXTRA_ASYNC, EXTRA_PROVISIONED, EXTRA_URL, EXTRA_N };

/** Statements that let everybody call a function by its URL; since October 2025 both are needed. */
#define EXTRA_STATEMENTS 2
struct extra_statement {
	const char *sid;
	const char *action;
	const char *condition; /* "lambda:FunctionUrlAuthType", with */
	const char *value;     /* "NONE"                             */
};
extern const struct extra_statement extra_statements[EXTRA_STATEMENTS];

/** Its parameter: "async". */
const char *extra_param(enum extra e);
/** For people: "asynchronous invocation". */
const char *extra_words(enum extra e);
/** Parameter's name of a member: "max_age" for MaximumEventAgeInSeconds. */
const char *extra_spoken(enum extra e, const char *wire);
/** True when it belongs to the alias where there is one, not to the function as a whole. */
bool extra_qualified(enum extra e);

/** Checks the parameters of all; *ret_param names the one at fault. */
int extra_check(const struct lambda_params *p, const char **ret_param, struct rn_error *err);
/** What the pipeline wants; the parameter is given. New document. */
cJSON *extra_want(enum extra e, const struct lambda_params *p);
/** What Lambda answered to the Get call (NULL: there is none). New document. */
cJSON *extra_have(enum extra e, const cJSON *answer);

/** The statement of that name; NULL: none. Borrowed. */
const cJSON *extra_find_statement(const cJSON *policy, const char *sid);
/** True when the policy has it as it must be. */
bool extra_has_statement(const cJSON *policy, const struct extra_statement *s);
/** For `Public`: names of our statements that the policy has, "NAME (changed)" for one that is not as it must be. New array. */
cJSON *extra_public(const cJSON *policy);

/** Bodies of the calls that write: PutFunctionEventInvokeConfig; CreateFunctionUrlConfig and UpdateFunctionUrlConfig; AddPermission. New. */
cJSON *extra_async_body(const cJSON *want);
cJSON *extra_url_body(const cJSON *want, bool creating);
cJSON *extra_statement_body(const struct extra_statement *s);

#endif
