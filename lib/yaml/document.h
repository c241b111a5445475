/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A YAML 1.2 (or JSON) text as a tree whose every value knows its line and
 * column. Aliases and merge keys are resolved within a budget; duplicate keys
 * are errors. Knows nothing of pipelines.
 */
#ifndef RN_DOCUMENT_H
#define RN_DOCUMENT_H

#include "diag.h"

enum doc_kind {
	DOC_NULL,
	DOC_BOOL,
	DOC_NUMBER,
	DOC_STRING,
	DOC_LIST,
	DOC_MAP,
};

struct doc_item;

struct doc_node {
	enum doc_kind kind;
	struct diag_at at;
	size_t offset;          /* of the value in the text, in bytes                       */
	char *text;             /* scalars: the text without quotes and escapes; else NULL  */
	bool quoted;            /* scalars: quoted or a block, so always a string           */
	double number;          /* DOC_NUMBER                                               */
	bool boolean;           /* DOC_BOOL                                                 */
	struct doc_item *items; /* lists and maps, in the order of the file                 */
	size_t n;
	size_t cap;
};

struct doc_item {
	char *key; /* maps; NULL in lists */
	struct diag_at key_at;
	bool merged; /* came in through "<<" */
	struct doc_node *value;
};

#define DOC_TEXT_MAX ((size_t)4 << 20) /* bytes of a file            */
#define DOC_NODES_MAX 100000           /* values, aliases spelled out */
#define DOC_DEPTH_MAX 64

/** Parses; problems go to `diags` (which must hold the same text). NULL when the text is empty or cannot be read; a text whose only fault are duplicate keys gives a tree and errors. The caller frees. */
struct doc_node *document_parse(const char *text, size_t n, struct diags *diags);
void doc_free(struct doc_node *n);
void doc_freep(struct doc_node **n);

/** Member of a map or NULL; also NULL when `n` is NULL or no map. Borrowed. */
struct doc_node *doc_get(const struct doc_node *n, const char *key);
struct doc_item *doc_item(const struct doc_node *n, const char *key);
/** "a map", "a list", "a string" ... for messages. */
const char *doc_kind_name(const struct doc_node *n);
/**
 * Where byte `inside` of the nth "${{" of a scalar's text stands in the file (`source` is the
 * whole text that was parsed). Exact but for text that YAML escapes change.
 */
struct diag_at doc_expression_at(const struct doc_node *n, const char *source, size_t nth, size_t inside);
/** Plain JSON of the tree. The caller deletes. */
cJSON *doc_to_json(const struct doc_node *n);
/** A scalar from text as --set gives it: typed as an unquoted YAML scalar is. The caller frees. */
struct doc_node *doc_scalar(const char *text, bool quoted);

#endif
