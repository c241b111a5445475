/* SPDX-License-Identifier: Apache-2.0 */
/* Policy documents: read, made from the short form, and compared by meaning. Pure. */
#ifndef IAM_POLICY_H
#define IAM_POLICY_H

#include "base/json.h"

/**
 * A trust policy from the `trust` parameter: a document, its text, one principal, or a list of
 * principals (service names, account ids, ARNs). Caller deletes; NULL with `err`.
 */
cJSON *policy_trust(const char *json, struct rn_error *err);
/**
 * A policy document from an object or a string that holds one. `what` is for messages. Caller
 * deletes.
 */
cJSON *policy_document(const cJSON *value, const char *what, struct rn_error *err);
/**
 * The document that IAM hands out: percent-encoded JSON (plain JSON is accepted too). Caller
 * deletes.
 */
cJSON *policy_decode(const char *text, struct rn_error *err);
/**
 * True when both mean the same to IAM: order of statements' values, one value or a list of one,
 * an account id or its root ARN do not matter; neither does the order of members.
 */
bool policy_equal(const cJSON *a, const cJSON *b);
/** Who a trust policy admits, for people: "lambda.amazonaws.com, 123456789012". New string. */
char *policy_principals(const cJSON *trust);

#endif
