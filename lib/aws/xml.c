/* SPDX-License-Identifier: Apache-2.0 */
/* A pull reader for a plain subset of XML 1.0, and XML as a JSON tree. */
#include "xml.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

void xml_init(struct xml_reader *x, const char *text, size_t n)
{
	*x = (struct xml_reader){ .p = text, .begin = text, .end = text + n };
}

void xml_clear(struct xml_reader *x)
{
	rn_buf_clear(&x->text);
}

static int malformed(const struct xml_reader *x, const char *what, struct rn_error *err)
{
	return rn_fail(err, RN_EINVAL, "XML at byte %zu: %s", (size_t)(x->p - x->begin), what);
}

static bool at(const struct xml_reader *x, const char *s)
{
	size_t n = strlen(s);
	return (size_t)(x->end - x->p) >= n && !memcmp(x->p, s, n);
}

static const char *find(const struct xml_reader *x, const char *s)
{
	return memmem(x->p, (size_t)(x->end - x->p), s, strlen(s));
}

/* ---- text ------------------------------------------------------------------------ */

static void add_utf8(struct rn_buf *b, unsigned long c)
{
	if (c < 0x80) {
		rn_buf_addc(b, (char)c);
	} else if (c < 0x800) {
		rn_buf_addc(b, (char)(0xc0 | c >> 6));
		rn_buf_addc(b, (char)(0x80 | (c & 63)));
	} else if (c < 0x10000) {
		rn_buf_addc(b, (char)(0xe0 | c >> 12));
		rn_buf_addc(b, (char)(0x80 | (c >> 6 & 63)));
		rn_buf_addc(b, (char)(0x80 | (c & 63)));
	} else {
		rn_buf_addc(b, (char)(0xf0 | c >> 18));
		rn_buf_addc(b, (char)(0x80 | (c >> 12 & 63)));
		rn_buf_addc(b, (char)(0x80 | (c >> 6 & 63)));
		rn_buf_addc(b, (char)(0x80 | (c & 63)));
	}
}

static int add_number(struct xml_reader *x, const char *digits, struct rn_error *err)
{
	char *end;
	bool hex = digits[0] == 'x';
	unsigned long c = strtoul(digits + hex, &end, hex ? 16 : 10);
	if (end == digits + hex || *end || c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return malformed(x, "not a character reference", err);
	add_utf8(&x->text, c);
	return 0;
}

static int add_entity(struct xml_reader *x, struct rn_error *err)
{
	static const struct {
		const char *name;
		char c;
	} known[] = {
		{ "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' }, { "apos", '\'' }
	};
	size_t room = (size_t)(x->end - x->p) < 12 ? (size_t)(x->end - x->p) : 12;
	const char *semicolon = memchr(x->p, ';', room);
	if (!semicolon)
		return malformed(x, "& without a known entity", err);
	char name[16] = "";
	memcpy(name, x->p + 1, (size_t)(semicolon - x->p - 1));
	if (name[0] == '#') {
		if (add_number(x, name + 1, err) < 0)
			return -1;
		x->p = semicolon + 1;
		return 0;
	}
	for (size_t i = 0; i < RN_LEN(known); i++)
		if (rn_streq(known[i].name, name)) {
			rn_buf_addc(&x->text, known[i].c);
			x->p = semicolon + 1;
			return 0;
		}
	return malformed(x, "unknown entity", err);
}

static int read_text(struct xml_reader *x, struct rn_error *err)
{
	rn_buf_reset(&x->text);
	while (x->p < x->end && *x->p != '<') {
		if (*x->p == '&') {
			if (add_entity(x, err) < 0)
				return -1;
		} else {
			rn_buf_addc(&x->text, *x->p++);
		}
	}
	return XML_TEXT;
}

static int read_cdata(struct xml_reader *x, struct rn_error *err)
{
	x->p += strlen("<![CDATA[");
	const char *end = find(x, "]]>");
	if (!end)
		return malformed(x, "CDATA is not closed", err);
	rn_buf_reset(&x->text);
	rn_buf_add(&x->text, x->p, (size_t)(end - x->p));
	x->p = end + 3;
	return XML_TEXT;
}

/* ---- tags ------------------------------------------------------------------------ */

static bool ends_name(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '/' || c == '>' ||
	       c == '=' || c == '<';
}

static int read_name(struct xml_reader *x, struct rn_error *err)
{
	const char *from = x->p;
	while (x->p < x->end && !ends_name(*x->p))
		x->p++;
	const char *colon = memchr(from, ':', (size_t)(x->p - from));
	if (colon)
		from = colon + 1;
	size_t n = (size_t)(x->p - from);
	if (!n || n >= sizeof(x->name))
		return malformed(x, "a name was expected", err);
	memcpy(x->name, from, n);
	x->name[n] = 0;
	return 0;
}

static void skip_blanks(struct xml_reader *x)
{
	while (x->p < x->end && strchr(" \t\r\n", *x->p) && *x->p)
		x->p++;
}

static int skip_attributes(struct xml_reader *x, struct rn_error *err)
{
	for (;;) {
		skip_blanks(x);
		if (x->p >= x->end)
			return malformed(x, "a tag is not closed", err);
		if (*x->p == '>' || at(x, "/>"))
			return 0;
		while (x->p < x->end && !ends_name(*x->p))
			x->p++;
		skip_blanks(x);
		if (x->p >= x->end || *x->p != '=')
			return malformed(x, "an attribute without a value", err);
		x->p++;
		skip_blanks(x);
		char quote = x->p < x->end ? *x->p : 0;
		const char *close = quote == '"' || quote == '\''
					    ? memchr(x->p + 1, quote, (size_t)(x->end - x->p - 1))
					    : NULL;
		if (!close)
			return malformed(x, "an attribute's value is not quoted", err);
		x->p = close + 1;
	}
}

static int read_start(struct xml_reader *x, struct rn_error *err)
{
	x->p++;
	if (read_name(x, err) < 0 || skip_attributes(x, err) < 0)
		return -1;
	if (++x->depth > XML_MAX_DEPTH)
		return malformed(x, "nested too deeply", err);
	x->self_closed = *x->p == '/';
	x->p += x->self_closed ? 2 : 1;
	return XML_START;
}

static int read_end(struct xml_reader *x, struct rn_error *err)
{
	x->p += 2;
	if (read_name(x, err) < 0)
		return -1;
	skip_blanks(x);
	if (x->p >= x->end || *x->p != '>' || x->depth == 0)
		return malformed(x, "a closing tag that does not fit", err);
	x->p++;
	x->depth--;
	return XML_END;
}

static int skip_to(struct xml_reader *x, const char *mark, struct rn_error *err)
{
	const char *end = find(x, mark);
	if (!end)
		return malformed(x, "a comment or instruction is not closed", err);
	x->p = end + strlen(mark);
	return 0;
}

int xml_next(struct xml_reader *x, struct rn_error *err)
{
	if (x->self_closed) {
		x->self_closed = false;
		x->depth--;
		return XML_END;
	}
	while (x->p < x->end) {
		if (*x->p != '<')
			return read_text(x, err);
		if (at(x, "<![CDATA["))
			return read_cdata(x, err);
		if (at(x, "<!--") || at(x, "<?")) {
			if (skip_to(x, at(x, "<?") ? "?>" : "-->", err) < 0)
				return -1;
		} else if (at(x, "<!")) {
			return malformed(x, "a document type is not accepted", err);
		} else {
			return at(x, "</") ? read_end(x, err) : read_start(x, err);
		}
	}
	return x->depth ? malformed(x, "ends in the middle", err) : XML_EOF;
}

/* ---- as a tree --------------------------------------------------------------------- */

static void add_child(cJSON *object, const char *name, cJSON *value)
{
	cJSON *old = cJSON_GetObjectItemCaseSensitive(object, name);
	if (!old) {
		cJSON_AddItemToObject(object, name, value);
	} else if (cJSON_IsArray(old) && (old->valueint & 1)) {
		cJSON_AddItemToArray(old, value);
	} else {
		cJSON *list = cJSON_CreateArray();
		list->valueint = 1; /* made here of repeated elements, not itself a <member> list */
		cJSON_AddItemToArray(list, cJSON_DetachItemViaPointer(object, old));
		cJSON_AddItemToArray(list, value);
		cJSON_AddItemToObject(object, name, list);
	}
}

/* {"member": x} or {"member": [x, y]} is the list itself */
static cJSON *flatten(cJSON *object)
{
	cJSON *only = object->child;
	if (!only || only->next || !rn_streq(only->string, "member"))
		return object;
	cJSON *value = cJSON_DetachItemViaPointer(object, only);
	cJSON_Delete(object);
	if (cJSON_IsArray(value) && (value->valueint & 1)) {
		value->valueint = 0;
		return value;
	}
	cJSON *list = cJSON_CreateArray();
	cJSON_AddItemToArray(list, value);
	return list;
}

static cJSON *element(struct xml_reader *x, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *own = rn_strdup(x->name);
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	cJSON *object = NULL;
	for (;;) {
		int token = xml_next(x, err);
		if (token == XML_TEXT) {
			rn_buf_add(&text, x->text.p, x->text.len);
		} else if (token == XML_START) {
			RN_AUTO(rn_freep) char *name = rn_strdup(x->name);
			cJSON *value = element(x, err);
			if (!value)
				break;
			if (!object)
				object = cJSON_CreateObject();
			add_child(object, name, value);
		} else if (token == XML_END && rn_streq(own, x->name)) {
			return object ? flatten(object) : cJSON_CreateString(rn_buf_str(&text));
		} else {
			if (token >= 0)
				malformed(x, "tags do not match", err);
			break;
		}
	}
	cJSON_Delete(object);
	return NULL;
}

cJSON *xml_to_json(const char *text, size_t n, struct rn_error *err)
{
	struct xml_reader x;
	xml_init(&x, text, n);
	cJSON *tree = NULL;
	int token;
	do
		token = xml_next(&x, err);
	while (token == XML_TEXT && x.depth == 0);
	if (token == XML_START)
		tree = element(&x, err);
	else if (token >= 0)
		malformed(&x, "no element", err);
	if (tree)
		do
			token = xml_next(&x, err);
		while (token == XML_TEXT);
	if (tree && token != XML_EOF) {
		if (token >= 0)
			malformed(&x, "more than one element", err);
		cJSON_Delete(tree);
		tree = NULL;
	}
	xml_clear(&x);
	return tree;
}
