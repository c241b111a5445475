/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API Gateway's patch operations as a table of paths: what may be changed, how, and of
 * which type. The path of a row is the place in the document; a last "{}" is a key of a
 * map or a member of a list. An unknown path or operation is refused as AWS does.
 */
#ifndef APIGW_PATCH_H
#define APIGW_PATCH_H

#include "route.h"

enum patch_type {
	PATCH_STRING,
	PATCH_BOOL,
	PATCH_INT,
	PATCH_NUMBER,
	PATCH_LIST,     /* "/binaryMediaTypes/{}": add, remove, replace a member */
	PATCH_MAP,      /* "/variables/{}": string values                        */
	PATCH_MAP_BOOL, /* "/requestParameters/{}": "true" / "false"             */
	PATCH_OBJECT,   /* "/quota": remove only                                 */
};

struct patch_row {
	const char *path;
	enum patch_type type;
	const char *one_of; /* allowed values, separated by '|'; NULL: any */
};

/** A path that the table cannot say. 0: not mine; 1: done; -1: answered. `segments` are unescaped. */
typedef int patch_special_fn(struct request *req, struct response *res, cJSON *doc, const char *op,
			     const struct rn_strv *segments, const char *value);

struct patch_table {
	const struct patch_row *rows;
	size_t n;
	patch_special_fn *special; /* may be NULL */
};

/** Applies the request's patchOperations to `doc`. -1: the error is answered and `doc` is half changed: drop it. */
int patch_apply(struct request *req, struct response *res, cJSON *doc, const struct patch_table *table);

#endif
