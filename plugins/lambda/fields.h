/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters that are maps: which members they take, and one form for what the pipeline says and what Lambda
 * answers, so that comparing is comparing documents. Pure.
 */
#ifndef LAMBDA_FIELDS_H
#define LAMBDA_FIELDS_H

#include "base/json.h"

enum field_kind {
	FIELD_TEXT,    /* ""                                       */
	FIELD_LIST,    /* strings in their order; a string is one of them */
	FIELD_SET,     /* strings, order means nothing             */
	FIELD_NAMES,   /* a set in which case means nothing either */
	FIELD_FLAG,    /* true or false                            */
	FIELD_NUMBER,  /* whole, min to max                        */
	FIELD_SECONDS, /* "5m", or seconds; whole seconds, min to max */
	FIELD_MAP,     /* members of its own                       */
};

struct field {
	const char *name;   /* in the pipeline               */
	const char *wire;   /* in the API                    */
	enum field_kind kind;
	const char *one_of; /* texts and items: "a|b"; NULL: any */
	int64_t min, max;
	int64_t def;        /* of a number that is not there */
	const struct field *inner; /* of a map */
	size_t n_inner;
};

/** Checks the JSON text of a parameter (NULL: fine). RN_EINVAL names parameter and member, and says what it takes. */
int fields_check(const char *param, const char *text, const struct field *f, size_t n, struct rn_error *err);
/** All members under their names of the API, out of an object with either spelling (NULL: none); what is absent has its default. New object. */
cJSON *fields_take(const cJSON *o, const struct field *f, size_t n);
/** The same out of JSON text. */
cJSON *fields_take_text(const char *text, const struct field *f, size_t n);
/** "auth" for "AuthType", also of members of members; the name of the API for one that is not there. */
const char *fields_spoken(const struct field *f, size_t n, const char *wire);
/** True for "", false, an empty list and an object of such. */
bool fields_empty(const cJSON *v);

#endif
