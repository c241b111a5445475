/* SPDX-License-Identifier: Apache-2.0 */
/* From libfyaml's events to our own tree: typing by the YAML 1.2 core schema, aliases, merge keys. */
#include "document.h"

#include "base/map.h"

#include <libfyaml.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct loader {
	struct fy_parser *parser;
	struct diags *diags;
	const char *text;
	size_t len;
	struct rn_map anchors; /* name -> const struct doc_node *, borrowed from the tree */
	size_t nodes;
	bool failed;
	struct diag_at last; /* where the last thing with a place stood */
	size_t last_offset;
};

void doc_free(struct doc_node *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n; i++) {
		free(n->items[i].key);
		doc_free(n->items[i].value);
	}
	free(n->items);
	free(n->text);
	free(n);
}

void doc_freep(struct doc_node **n)
{
	doc_free(*n);
	*n = NULL;
}

static bool one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(s, *list) == 0)
			return true;
	return false;
}

/* Decimal numbers as JSON has them ("007" and "+1" stay strings: they are mostly ids), 0x and 0o. */
static bool as_number(const char *s, double *ret)
{
	const char *p = s + (*s == '-');
	char *end;
	if (strncmp(p, "0x", 2) == 0 || strncmp(p, "0o", 2) == 0) {
		int base = p[1] == 'x' ? 16 : 8;
		unsigned long long v = strtoull(p + 2, &end, base);
		*ret = *s == '-' ? -(double)v : (double)v;
		return p[2] != '-' && p[2] != '+' && p[2] && !*end && v < (1ULL << 53);
	}
	if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9'))
		return false;
	return s[strspn(s, "0123456789.eE+-")] == '\0' && rn_parse_double(s, ret, NULL) == 0;
}

static void type_plain(struct doc_node *n)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const trues[] = { "true", "True", "TRUE", NULL };
	static const char *const falses[] = { "false", "False", "FALSE", NULL };
	n->kind = DOC_STRING;
	if (one_of(n->text, nulls)) {
		n->kind = DOC_NULL;
	} else if (one_of(n->text, trues) || one_of(n->text, falses)) {
		n->kind = DOC_BOOL;
		n->boolean = one_of(n->text, trues);
	} else if (as_number(n->text, &n->number)) {
		n->kind = DOC_NUMBER;
	}
}

struct doc_node *doc_scalar(const char *text, bool quoted)
{
	struct doc_node *n = rn_alloc(sizeof(*n));
	n->kind = DOC_STRING;
	n->text = rn_strdup(text);
	n->quoted = quoted;
	if (!quoted)
		type_plain(n);
	return n;
}

static void add_item(struct doc_node *n, char *key, struct diag_at key_at, struct doc_node *value)
{
	n->items = rn_grow(n->items, &n->cap, n->n + 1, sizeof(*n->items));
	n->items[n->n++] = (struct doc_item){ .key = key, .key_at = key_at, .value = value };
}

struct doc_item *doc_item(const struct doc_node *n, const char *key)
{
	for (size_t i = 0; n && n->kind == DOC_MAP && i < n->n; i++)
		if (strcmp(n->items[i].key, key) == 0)
			return &n->items[i];
	return NULL;
}

struct doc_node *doc_get(const struct doc_node *n, const char *key)
{
	struct doc_item *it = doc_item(n, key);
	return it ? it->value : NULL;
}

const char *doc_kind_name(const struct doc_node *n)
{
	static const char *const names[] = { "nothing", "a boolean", "a number", "a string", "a list", "a map" };
	return names[n ? n->kind : DOC_NULL];
}

/* ---- building ------------------------------------------------------------------- */

static int fail_at(struct loader *l, struct diag_at at, const char *hint, const char *message)
{
	if (!l->failed) /* what follows a broken spot is mostly its echo */
		diags_error(l->diags, at, hint, "%s", message);
	l->failed = true;
	return -1;
}

/* Counts a new value against the budget. */
static int charge(struct loader *l, int depth)
{
	if (++l->nodes > DOC_NODES_MAX)
		return fail_at(l, l->last, "aliases and merge keys count with all that they repeat",
			       "too many values in one file (more than 100000)");
	if (depth > DOC_DEPTH_MAX)
		return fail_at(l, l->last, NULL, "nested too deep (more than 64 levels)");
	return 0;
}

static struct diag_at mark_at(const struct fy_mark *from, const struct fy_mark *to, int widen)
{
	struct diag_at at = { .line = from->line + 1, .column = from->column + 1 - widen, .length = 1 };
	if (to && to->line == from->line && to->column > from->column)
		at.length = to->column - from->column + 2 * widen;
	return at;
}

/* Places a node where its event stands; an empty value stands where the last thing was. */
static void place(struct loader *l, struct doc_node *n, struct fy_event *e, int widen)
{
	const struct fy_mark *from = fy_event_start_mark(e), *to = fy_event_end_mark(e);
	n->at = l->last;
	n->offset = l->last_offset;
	if (!from || from->line < 0)
		return;
	n->at = mark_at(from, to, widen);
	n->offset = from->input_pos;
	l->last = n->at;
	l->last_offset = n->offset;
}

static struct doc_node *copy_tree(struct loader *l, const struct doc_node *n, int depth)
{
	if (charge(l, depth) < 0)
		return NULL;
	struct doc_node *c = rn_memdup(n, sizeof(*n));
	c->text = rn_strdup(n->text);
	c->items = NULL;
	c->n = c->cap = 0;
	for (size_t i = 0; i < n->n; i++) {
		struct doc_node *v = copy_tree(l, n->items[i].value, depth + 1);
		if (!v) {
			doc_free(c);
			return NULL;
		}
		add_item(c, rn_strdup(n->items[i].key), n->items[i].key_at, v);
	}
	return c;
}

static char *token_text(struct fy_token *t)
{
	size_t n = 0;
	const char *s = t ? fy_token_get_text(t, &n) : NULL;
	return s ? rn_strndup(s, n) : rn_strdup("");
}

static struct doc_node *build(struct loader *l, struct fy_event *e, int depth);

static struct fy_event *next_event(struct loader *l)
{
	return l->failed ? NULL : fy_parser_parse(l->parser);
}

/* The next value, or NULL at `end` or after a failure. */
static struct doc_node *next_value(struct loader *l, enum fy_event_type end, int depth)
{
	struct fy_event *e = next_event(l);
	struct doc_node *n = e && e->type != end ? build(l, e, depth) : NULL;
	if (!e)
		l->failed = true;
	else
		fy_parser_event_free(l->parser, e);
	return n;
}

static void build_list(struct loader *l, struct doc_node *n, int depth)
{
	struct doc_node *item;
	n->kind = DOC_LIST;
	while ((item = next_value(l, FYET_SEQUENCE_END, depth + 1)))
		add_item(n, NULL, item->at, item);
}

static int merge_one(struct loader *l, struct doc_node *into, const struct doc_node *from, int depth)
{
	if (from->kind != DOC_MAP)
		return fail_at(l, from->at, "write <<: *anchor", "a merge key (<<) needs a map or a list of maps");
	for (size_t i = 0; i < from->n; i++) {
		if (doc_item(into, from->items[i].key))
			continue;
		struct doc_node *v = copy_tree(l, from->items[i].value, depth);
		if (!v)
			return -1;
		add_item(into, rn_strdup(from->items[i].key), from->items[i].key_at, v);
		into->items[into->n - 1].merged = true;
	}
	return 0;
}

/* What the map says itself wins over what it merges, wherever "<<" stands. */
static int merge(struct loader *l, struct doc_node *into, const struct doc_node *from, int depth)
{
	if (from->kind != DOC_LIST)
		return merge_one(l, into, from, depth);
	for (size_t i = 0; i < from->n; i++)
		if (merge_one(l, into, from->items[i].value, depth) < 0)
			return -1;
	return 0;
}

static void report_duplicate(const struct loader *l, const struct doc_node *map, const struct doc_node *key)
{
	struct doc_item *old = doc_item(map, key->text);
	RN_AUTO(rn_freep) char *hint = rn_asprintf("first written at line %d", old ? old->key_at.line : 0);
	diags_error(l->diags, key->at, hint, "duplicate key \"%s\"", key->text);
}

static void build_map(struct loader *l, struct doc_node *n, int depth)
{
	RN_AUTO(doc_freep) struct doc_node *merges = NULL;
	struct rn_map seen = { 0 };
	n->kind = DOC_MAP;
	for (;;) {
		RN_AUTO(doc_freep) struct doc_node *key = next_value(l, FYET_MAPPING_END, depth + 1);
		if (!key)
			break;
		if (!key->text) {
			fail_at(l, key->at, NULL, "a key must be a plain word or a string");
			break;
		}
		if (rn_map_has(&seen, key->text))
			report_duplicate(l, n, key);
		l->last = key->at;
		struct doc_node *value = next_value(l, FYET_NONE, depth + 1);
		if (!value)
			break;
		if (strcmp(key->text, "<<") == 0 && !key->quoted && !merges) {
			merges = value;
			continue;
		}
		rn_map_set(&seen, key->text, n);
		add_item(n, rn_take(&key->text), key->at, value);
	}
	rn_map_clear(&seen);
	if (merges && !l->failed)
		merge(l, n, merges, depth + 1);
}

/* YAML 1.2 §7.3.2, from the source: libfyaml 0.7.12 drops text behind two adjacent escaped quotes (''''). */
static char *single_quoted(const char *p, const char *end)
{
	struct rn_buf b = RN_BUF_INIT;
	while (p < end) {
		size_t blanks = strspn(p, " \t\r\n"), lines = 0;
		for (size_t i = 0; i < blanks && p + i < end; i++)
			lines += p[i] == '\n';
		if (lines) { /* folded: one line end is a blank, more are one less */
			rn_buf_adds(&b, lines == 1 ? " " : "");
			for (size_t i = 1; i < lines; i++)
				rn_buf_addc(&b, '\n');
			p += blanks;
		} else {
			rn_buf_addc(&b, *p);
			p += *p == '\'' ? 2 : 1;
		}
	}
	return rn_buf_take(&b);
}

static void repair_single_quoted(const struct loader *l, struct doc_node *n, struct fy_event *e)
{
	const struct fy_mark *from = fy_event_start_mark(e), *to = fy_event_end_mark(e);
	if (!from || !to || to->input_pos > l->len || from->input_pos >= to->input_pos)
		return;
	const char *raw = l->text + from->input_pos, *end = l->text + to->input_pos;
	if (!memmem(raw, (size_t)(end - raw), "''''", 4))
		return;
	free(n->text);
	n->text = single_quoted(raw, end);
}

static void build_scalar(const struct loader *l, struct doc_node *n, struct fy_event *e)
{
	RN_AUTO(rn_freep) char *tag = e->scalar.tag ? token_text(e->scalar.tag) : NULL;
	n->text = token_text(e->scalar.value);
	n->kind = DOC_STRING;
	n->quoted = e->scalar.value && fy_token_scalar_style(e->scalar.value) != FYSS_PLAIN;
	if (tag && (strcmp(tag, "!") == 0 || rn_ends(tag, "str")))
		n->quoted = true;
	if (e->scalar.value && fy_token_scalar_style(e->scalar.value) == FYSS_SINGLE_QUOTED)
		repair_single_quoted(l, n, e);
	if (!n->quoted)
		type_plain(n);
}

static int check_tag(struct loader *l, const struct doc_node *n, struct fy_token *tag)
{
	static const char *const known[] = {
		"!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float",
		"tag:yaml.org,2002:bool", "tag:yaml.org,2002:null", "tag:yaml.org,2002:seq",
		"tag:yaml.org,2002:map", "!!str", "!!int", "!!float", "!!bool", "!!null", "!!seq", "!!map", NULL,
	};
	RN_AUTO(rn_freep) char *text = tag ? token_text(tag) : NULL;
	if (!text || one_of(text, known))
		return 0;
	RN_AUTO(rn_freep) char *message = rn_asprintf("the tag \"%s\" means nothing here", text);
	return fail_at(l, n->at, "remove it; a value's type follows from how it is written", message);
}

static struct doc_node *resolve_alias(struct loader *l, struct fy_event *e, int depth)
{
	struct doc_node where = { 0 };
	place(l, &where, e, 0);
	where.at.column--, where.at.length++; /* the mark stands behind the "*" */
	RN_AUTO(rn_freep) char *name = token_text(e->alias.anchor);
	const struct doc_node *target = rn_map_get(&l->anchors, name);
	if (target)
		return copy_tree(l, target, depth);
	size_t n = 0;
	RN_AUTO(rn_freep) const char **names = rn_alloc((l->anchors.n + 1) * sizeof(*names));
	RN_MAP_EACH(&l->anchors, it)
		names[n++] = it->key;
	RN_AUTO(rn_freep) char *hint = diag_did_you_mean(name, names, n);
	RN_AUTO(rn_freep) char *message = rn_asprintf("alias *%s: no anchor &%s before it", name, name);
	fail_at(l, where.at, hint, message);
	return NULL;
}

static struct doc_node *build(struct loader *l, struct fy_event *e, int depth)
{
	if (e->type == FYET_ALIAS)
		return resolve_alias(l, e, depth);
	if (charge(l, depth) < 0)
		return NULL;
	struct doc_node *n = rn_alloc(sizeof(*n));
	struct fy_token *anchor = NULL, *tag = NULL;
	bool scalar = e->type == FYET_SCALAR;
	enum fy_scalar_style style = scalar && e->scalar.value ? fy_token_scalar_style(e->scalar.value) : FYSS_PLAIN;
	place(l, n, e, style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED);
	if (scalar)
		anchor = e->scalar.anchor, tag = e->scalar.tag;
	else if (e->type == FYET_SEQUENCE_START)
		anchor = e->sequence_start.anchor, tag = e->sequence_start.tag;
	else if (e->type == FYET_MAPPING_START)
		anchor = e->mapping_start.anchor, tag = e->mapping_start.tag;
	RN_AUTO(rn_freep) char *name = anchor ? token_text(anchor) : NULL;
	if (check_tag(l, n, tag) == 0) {
		if (scalar)
			build_scalar(l, n, e);
		else if (e->type == FYET_SEQUENCE_START)
			build_list(l, n, depth);
		else
			build_map(l, n, depth);
	}
	if (name) /* set when complete, so that nothing can contain itself */
		rn_map_set(&l->anchors, name, n);
	return n;
}

/* ---- the whole text ------------------------------------------------------------- */

/* The usual slip: an unquoted ${{ }} inside { } or [ ], which YAML reads as a map. */
static const char *syntax_hint(const char *text, int line)
{
	const char *p = text;
	for (int i = 1; p && i < line; i++)
		if ((p = strchr(p, '\n')))
			p++;
	if (!p)
		return NULL;
	size_t n = strcspn(p, "\n");
	const char *e = memmem(p, n, "${{", 3);
	if (e && (memchr(p, '[', (size_t)(e - p)) || memchr(p, '{', (size_t)(e - p))) && (e == p || e[-1] != '"'))
		return "inside { } and [ ] quote an expression: \"${{ ... }}\"";
	if (memchr(p, '\t', strspn(p, " \t")))
		return "indent with blanks, not with tabs";
	return NULL;
}

static void report_syntax(struct loader *l, struct fy_diag *diag)
{
	void *it = NULL;
	struct fy_diag_error *e;
	while ((e = fy_diag_errors_iterate(diag, &it))) {
		struct diag_at at = { .line = e->line, .column = e->column, .length = 1 };
		diags_error(l->diags, at, syntax_hint(l->text, e->line), "YAML syntax: %s", e->msg);
		return; /* the first one is the cause */
	}
	if (!it)
		diags_error(l->diags, l->last, NULL, "YAML syntax: cannot be read");
}

/* One document and nothing behind it. */
static struct doc_node *load(struct loader *l)
{
	struct doc_node *root = NULL;
	struct fy_event *e;
	int documents = 0;
	while ((e = next_event(l))) {
		if (e->type == FYET_DOCUMENT_START && ++documents > 1) {
			struct doc_node where = { 0 };
			place(l, &where, e, 0);
			fail_at(l, where.at, "put each into a file of its own", "a second document in one file");
		} else if (e->type == FYET_SCALAR || e->type == FYET_SEQUENCE_START ||
			   e->type == FYET_MAPPING_START || e->type == FYET_ALIAS) {
			doc_free(root);
			root = build(l, e, 0);
		}
		fy_parser_event_free(l->parser, e);
	}
	return root;
}

/* Bytes that no editor shows are named rather than silently cut, as the parser would. */
static int check_bytes(const char *text, size_t n, struct diags *diags)
{
	struct diag_at at = { .line = 1, .column = 1, .length = 1 };
	if (n > DOC_TEXT_MAX)
		return diags_error(diags, (struct diag_at){ 0 }, NULL, "the file is larger than 4 MiB");
	if (rn_utf8_valid(text, n) && !memchr(text, '\0', n))
		return 0;
	for (size_t i = 0; i < n; i++) {
		size_t k = 1;
		while (k <= 4 && i + k <= n && !rn_utf8_valid(text + i, k))
			k++;
		if (k > 4 || i + k > n || !text[i])
			break;
		at.column = text[i] == '\n' ? 1 : at.column + 1;
		at.line += text[i] == '\n';
		i += k - 1;
	}
	return diags_error(diags, at, "save the file as UTF-8", "not valid UTF-8 text");
}

struct doc_node *document_parse(const char *text, size_t n, struct diags *diags)
{
	size_t before = diags->errors;
	if (check_bytes(text, n, diags) < 0)
		return NULL;
	struct fy_diag_cfg diag_cfg;
	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL;
	struct fy_diag *diag = fy_diag_create(&diag_cfg);
	if (!diag)
		rn_die("out of memory");
	fy_diag_set_collect_errors(diag, true);
	struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE, .diag = diag };
	RN_AUTO(rn_freep) char *copy = rn_strndup(text, n); /* ends in NUL, which the caller's text may not */
	struct loader l = { .diags = diags, .text = copy, .len = n, .last = { 1, 1, 1 } };
	l.parser = fy_parser_create(&cfg);
	if (!l.parser || fy_parser_set_string(l.parser, copy, n) < 0)
		rn_die("out of memory");
	struct doc_node *root = load(&l);
	bool fy_error = fy_parser_get_stream_error(l.parser);
	if (fy_error || (l.failed && diags->errors == before))
		report_syntax(&l, diag);
	rn_map_clear(&l.anchors);
	fy_parser_destroy(l.parser);
	fy_diag_destroy(diag);
	if (l.failed || fy_error) {
		doc_free(root);
		return NULL;
	}
	return root;
}

struct diag_at doc_expression_at(const struct doc_node *n, const char *source, size_t nth, size_t inside)
{
	if (!source || n->at.line == 0 || n->offset >= strlen(source))
		return n->at;
	const char *p = source + n->offset, *e = strstr(p, "${{");
	while (e && nth--)
		e = strstr(e + 3, "${{");
	if (!e)
		return n->at;
	struct diag_at at = { .line = n->at.line, .column = n->at.column, .length = 1 };
	at.column += p > source && (p[-1] == '"' || p[-1] == '\''); /* the place is the quote, the offset behind it */
	const char *end = e + 3 + inside;
	for (; *p && p < end; p++) {
		if (*p == '\n')
			at.line++, at.column = 1;
		else
			at.column += ((unsigned char)*p & 0xc0) != 0x80;
	}
	return at;
}

cJSON *doc_to_json(const struct doc_node *n)
{
	cJSON *j = NULL;
	switch (n ? n->kind : DOC_NULL) {
	case DOC_NULL:
		return cJSON_CreateNull();
	case DOC_BOOL:
		return cJSON_CreateBool(n->boolean);
	case DOC_NUMBER:
		return cJSON_CreateNumber(n->number);
	case DOC_STRING:
		return cJSON_CreateString(n->text);
	case DOC_LIST:
		j = cJSON_CreateArray();
		for (size_t i = 0; i < n->n; i++)
			cJSON_AddItemToArray(j, doc_to_json(n->items[i].value));
		return j;
	case DOC_MAP:
		j = cJSON_CreateObject();
		for (size_t i = 0; i < n->n; i++)
			cJSON_AddItemToObject(j, n->items[i].key, doc_to_json(n->items[i].value));
		return j;
	}
	return j;
}
