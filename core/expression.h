/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ${{ ... }}: parsing, finding what an expression refers to, evaluating against
 * a scope. Values are JSON with two marks: secret (computed from a secret) and
 * unknown (computed from an output that does not exist yet).
 */
#ifndef RN_EXPRESSION_H
#define RN_EXPRESSION_H

#include "base/buf.h"
#include "base/error.h"

#include <cjson/cJSON.h>

struct value {
	cJSON *json;  /* owned; NULL only when unknown */
	char *text;   /* owned; a number as the file writes it ("1.10"); NULL: as JSON prints it */
	bool secret;
	bool unknown;
};
void value_clear(struct value *v);
/** A copy; `ret` is not cleared before. */
void value_copy(const struct value *v, struct value *ret);
/** Text as it appears inside other text: strings bare, the rest as JSON, null as "". New string. */
char *value_text(const struct value *v);
/** false, null, 0, "" and "false" are false; an unknown value is true. */
bool value_true(const struct value *v);

enum scope_status {
	SCOPE_SUCCESS, /* no stage that this one waits for failed */
	SCOPE_FAILURE, /* one did */
};

/**
 * Where names get their values. Each function returns 0 with `ret` set (whose
 * json the caller deletes) or -1 with `err`; RN_ENOTFOUND means "has no value",
 * which default() catches.
 */
struct scope {
	void *ctx;
	int (*var)(void *ctx, const char *name, struct value *ret, struct rn_error *err);
	int (*env)(void *ctx, const char *name, struct value *ret, struct rn_error *err);
	int (*secret)(void *ctx, const char *name, struct value *ret, struct rn_error *err);
	int (*output)(void *ctx, const char *stage, const char *output, struct value *ret,
		      struct rn_error *err);
	bool (*status)(void *ctx, enum scope_status what); /* NULL: status functions are refused */
};

struct expression;

/** Parses the text between "${{" and "}}" (or a bare `if:`). On error NULL, *ret_at = byte offset of the fault. */
struct expression *expression_parse(const char *text, size_t n, size_t *ret_at, struct rn_error *err);
void expression_free(struct expression *e);
void expression_freep(struct expression **e);
/** `ret` is set on success; the caller clears it. */
int expression_eval(const struct expression *e, const struct scope *scope, struct value *ret,
		    struct rn_error *err);

enum reference_kind {
	REFERENCE_VAR,
	REFERENCE_ENV,
	REFERENCE_SECRET,
	REFERENCE_OUTPUT, /* name = stage id, output = output's name */
	REFERENCE_STATUS, /* name = "success", "failure", "always"   */
};
/** What an expression mentions; borrowed from the expression. */
struct reference {
	enum reference_kind kind;
	const char *name;
	const char *output;
	size_t name_at;   /* byte offset in the text given to the parser */
	size_t output_at;
	bool optional;    /* inside an operator or default(), so it may have no value */
};
typedef void reference_fn(void *ctx, const struct reference *r);
void expression_references(const struct expression *e, reference_fn *fn, void *ctx);

/** Text with expressions in it: "a-${{ vars.x }}-b". */
struct template_piece {
	char *text;           /* literal piece, or NULL */
	struct expression *e; /* else an expression     */
	size_t at;            /* byte offset of the expression's inside in the whole text */
	size_t nth;           /* how many "${{" stand before this one                     */
};
struct template {
	struct template_piece *v;
	size_t n;
	size_t cap;
};
/** True when `text` has an expression in it. */
bool template_needed(const char *text);
/** The "}}" that ends the expression whose inside begins at `p`, quotes respected; NULL when there is none. */
const char *template_end(const char *p);
/** On error -1 with the byte offset of the fault. The caller clears. */
int template_parse(const char *text, struct template *ret, size_t *ret_at, struct rn_error *err);
void template_clear(struct template *t);
/** A single expression keeps its type; anything else gives a string. */
int template_eval(const struct template *t, const struct scope *scope, struct value *ret,
		  struct rn_error *err);
/** Parses and evaluates in one go. */
int template_expand(const char *text, const struct scope *scope, struct value *ret, struct rn_error *err);

#endif
