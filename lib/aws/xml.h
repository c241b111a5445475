/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small pull reader for the XML that AWS services answer with, and its
 * conversion to a JSON tree. No DTDs, no external entities, bounded depth.
 */
#ifndef AWS_XML_H
#define AWS_XML_H

#include "base/buf.h"
#include "base/error.h"

#include <cjson/cJSON.h>

enum xml_token {
	XML_START = 1, /* name                                         */
	XML_END,       /* name                                         */
	XML_TEXT,      /* text, entities decoded; may come in pieces   */
	XML_EOF,
};

struct xml_reader {
	const char *p;
	const char *end;
	const char *begin;
	unsigned depth;
	bool self_closed; /* an XML_END follows the XML_START just given */
	char name[256];   /* without its namespace prefix */
	struct rn_buf text;
};

#define XML_MAX_DEPTH 64

void xml_init(struct xml_reader *x, const char *text, size_t n);
void xml_clear(struct xml_reader *x);
/** Next token, or -1 with position and cause. Attributes are checked for form and skipped. */
int xml_next(struct xml_reader *x, struct rn_error *err);

/**
 * The document as a tree: an element with elements in it becomes an object, any other a string.
 * Repeated elements, and elements whose children are all "member", become arrays. The root's
 * name is dropped. NULL on error.
 */
cJSON *xml_to_json(const char *text, size_t n, struct rn_error *err);

#endif
