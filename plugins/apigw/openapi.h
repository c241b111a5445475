/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An API described by an OpenAPI document with API Gateway's extensions: what
 * is put, and what of it can be compared with what is there. Pure: no calls.
 */
#ifndef APIGW_OPENAPI_H
#define APIGW_OPENAPI_H

#include "content.h"

/**
 * Reads a document (OpenAPI 3.0 or Swagger 2.0, as JSON or YAML 1.2) and checks what API Gateway would refuse late.
 * New object, the same from both notations; NULL with `err`, for YAML with line, column and caret.
 */
cJSON *openapi_read(const char *path, struct rn_error *err);
/** The same of a text of `n` bytes; `path` names it in messages and tells the notation, unless the text tells it. */
cJSON *openapi_parse(const char *path, const char *text, size_t n, struct rn_error *err);
/** How many operations the document describes. */
size_t openapi_count(const cJSON *doc);

/**
 * Completes the document: title and description are those of the parameters, and each operation
 * without an integration is answered by `function`, which must then be given (unless it is not `known`
 * yet). Binary types of the parameters replace its own. RN_EINVAL names the operation at fault.
 */
int openapi_complete(cJSON *doc, const struct apigw_params *p, const struct content_place *at, bool known,
		     struct rn_error *err);

/** A route for each operation of a completed document, with the function that its integration names. */
int openapi_routes(const cJSON *doc, struct routes *ret, struct rn_error *err);
/** As content_want, with the members that API Gateway gives back as they were put. New object. */
cJSON *openapi_content(const cJSON *doc);
/** Functions of the document's lambda authorizers that are asked by permission (without credentials of their own). Adds to `to`. */
void openapi_authorizers(const cJSON *doc, struct rn_strv *to);
/** The binary types that hold: those of the document. New array. */
cJSON *openapi_binary_types(const cJSON *doc);

#endif
