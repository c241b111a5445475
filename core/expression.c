/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of expressions, by recursive descent; evaluation is in evaluate.c. */
#include "expression.h"

#include "expression_tree.h"

#include "base/str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NESTING_MAX 64

struct parser {
	const char *text;
	size_t n;
	size_t at; /* next byte; on failure the byte at fault */
	int depth;
	struct rn_error *err;
};

static struct expression *parse_or(struct parser *p);

static void skip_blanks(struct parser *p)
{
	while (p->at < p->n && isspace((unsigned char)p->text[p->at]))
		p->at++;
}

static bool take(struct parser *p, const char *token)
{
	size_t k = strlen(token);
	skip_blanks(p);
	if (p->n - p->at < k || memcmp(p->text + p->at, token, k) != 0)
		return false;
	p->at += k;
	return true;
}

static struct expression *new_node(enum expression_kind kind, size_t at)
{
	struct expression *e = rn_alloc(sizeof(*e));
	e->kind = kind;
	e->at = at;
	return e;
}

/* Consumes the arguments, of which the right one is NULL for "!". */
static struct expression *new_operator(enum expression_kind kind, struct expression *left,
				       struct expression *right, size_t at)
{
	struct expression *e = new_node(kind, at);
	e->args[0] = left;
	e->args[1] = right;
	e->n_args = right ? 2 : 1;
	return e;
}

void expression_free(struct expression *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->n_args; i++)
		expression_free(e->args[i]);
	value_clear(&e->literal);
	free(e->name);
	free(e->output);
	rn_strv_clear(&e->path);
	free(e);
}

void expression_freep(struct expression **e)
{
	expression_free(*e);
	*e = NULL;
}

static struct expression *fail(struct parser *p, size_t at, const char *what)
{
	p->at = at;
	rn_fail(p->err, RN_EINVAL, "%s", what);
	return NULL;
}

static bool name_start(char c)
{
	return isalpha((unsigned char)c) || c == '_';
}

/* "-" belongs to names (stage ids have it) since there is no subtraction. */
static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static char *take_name(struct parser *p)
{
	size_t from = p->at;
	if (p->at < p->n && name_start(p->text[p->at]))
		while (p->at < p->n && name_char(p->text[p->at]))
			p->at++;
	return p->at > from ? rn_strndup(p->text + from, p->at - from) : NULL;
}

/* 'it''s' or "a\"b": NULL with an error when it does not end. */
static char *take_string(struct parser *p)
{
	struct rn_buf b = RN_BUF_INIT;
	size_t from = p->at;
	char quote = p->text[p->at++];
	while (p->at < p->n) {
		char c = p->text[p->at++];
		if (c == '\\' && quote == '"' && p->at < p->n) {
			c = p->text[p->at++];
			rn_buf_addc(&b, c == 'n' ? '\n' : c == 't' ? '\t' : c);
		} else if (c != quote) {
			rn_buf_addc(&b, c);
		} else if (quote == '\'' && p->at < p->n && p->text[p->at] == '\'') {
			rn_buf_addc(&b, '\'');
			p->at++;
		} else {
			return rn_buf_take(&b);
		}
	}
	rn_buf_clear(&b);
	fail(p, from, "a string without its closing quote");
	return NULL;
}

static struct expression *string_literal(struct parser *p)
{
	size_t at = p->at;
	RN_AUTO(rn_freep) char *s = take_string(p);
	if (!s)
		return NULL;
	struct expression *e = new_node(EXPRESSION_LITERAL, at);
	e->literal.json = cJSON_CreateString(s);
	return e;
}

static struct expression *number_literal(struct parser *p)
{
	size_t at = p->at, k = 1;
	while (at + k < p->n && (isalnum((unsigned char)p->text[at + k]) || p->text[at + k] == '.'))
		k++;
	RN_AUTO(rn_freep) char *s = rn_strndup(p->text + at, k);
	double v;
	if (rn_parse_double(s, &v, p->err) < 0) {
		p->at = at;
		return NULL;
	}
	p->at = at + k;
	struct expression *e = new_node(EXPRESSION_LITERAL, at);
	e->literal.json = cJSON_CreateNumber(v);
	e->literal.text = rn_take(&s);
	return e;
}

/* ---- names ---------------------------------------------------------------------- */

static const char *const roots[] = { "vars", "env", "secrets", "stages" };

struct function {
	const char *name;
	size_t n_args;
	enum expression_kind kind;
};
static const struct function functions[] = {
	{ "default", 2, EXPRESSION_DEFAULT },
	{ "success", 0, EXPRESSION_STATUS },
	{ "failure", 0, EXPRESSION_STATUS },
	{ "always", 0, EXPRESSION_STATUS },
};

static struct expression *unknown_function(struct parser *p, size_t at, const char *name)
{
	const char *names[RN_LEN(functions)];
	for (size_t i = 0; i < RN_LEN(functions); i++)
		names[i] = functions[i].name;
	const char *near = rn_nearest(name, names, RN_LEN(names));
	p->at = at;
	rn_fail(p->err, RN_EINVAL, "unknown function %s()", name);
	if (near)
		rn_hint(p->err, "did you mean %s()?", near);
	else
		rn_hint(p->err, "known are default(a, b) and, in `if:`, success(), failure(), always()");
	return NULL;
}

static struct expression *parse_call(struct parser *p, char *name, size_t at)
{
	const struct function *f = NULL;
	for (size_t i = 0; i < RN_LEN(functions); i++)
		if (strcmp(functions[i].name, name) == 0)
			f = &functions[i];
	if (!f)
		return unknown_function(p, at, name);
	RN_AUTO(expression_freep) struct expression *e = new_node(f->kind, at);
	e->name = rn_strdup(name);
	e->name_at = at;
	while (e->n_args < f->n_args) {
		if (e->n_args > 0 && !take(p, ","))
			break;
		struct expression *arg = parse_or(p);
		if (!arg)
			return NULL;
		e->args[e->n_args++] = arg;
	}
	if (e->n_args == f->n_args && take(p, ")"))
		return rn_take(&e);
	rn_fail(p->err, RN_EINVAL, f->n_args ? "%s() takes two arguments: %s(value, otherwise)" :
		"%s() takes no arguments: %s()", name, name);
	return NULL;
}

/* The ".a", "[0]" and "['x y']" behind a reference. */
static int parse_path(struct parser *p, struct rn_strv *path)
{
	for (;;) {
		size_t at = p->at;
		if (p->at < p->n && p->text[p->at] == '.') {
			size_t k = 1;
			while (at + k < p->n && name_char(p->text[at + k]))
				k++;
			if (k == 1) {
				fail(p, at, "a name must follow the \".\"");
				return -1;
			}
			rn_strv_take(path, rn_strndup(p->text + at + 1, k - 1));
			p->at = at + k;
		} else if (p->at < p->n && p->text[p->at] == '[') {
			p->at++;
			skip_blanks(p);
			char c = p->at < p->n ? p->text[p->at] : 0;
			size_t k = strspn(p->text + p->at, "0123456789");
			char *s = c == '\'' || c == '"' ? take_string(p) : rn_strndup(p->text + p->at, k);
			if (!s)
				return -1;
			p->at += c == '\'' || c == '"' ? 0 : k;
			bool empty = !*s;
			rn_strv_take(path, s);
			if (empty || !take(p, "]")) {
				fail(p, at, "an index is written [0] or ['name']");
				return -1;
			}
		} else {
			return 0;
		}
	}
}

static struct expression *unknown_name(struct parser *p, size_t at, const char *name)
{
	const char *near = rn_nearest(name, roots, RN_LEN(roots));
	p->at = at;
	rn_fail(p->err, RN_EINVAL, "unknown name \"%s\"", name);
	if (near)
		rn_hint(p->err, "did you mean \"%s\"?", near);
	else
		rn_hint(p->err, "values are vars.NAME, env.NAME, secrets.NAME, stages.ID.OUTPUT; "
				"text goes into quotes: '%s'", name);
	return NULL;
}

static struct expression *parse_reference(struct parser *p, const char *root, size_t at)
{
	static const char *const forms[] = { "vars.NAME", "env.NAME", "secrets.NAME", "stages.ID.OUTPUT" };
	size_t which = 0;
	while (which < RN_LEN(roots) && strcmp(roots[which], root) != 0)
		which++;
	if (which == RN_LEN(roots))
		return unknown_name(p, at, root);
	RN_AUTO(expression_freep) struct expression *e = new_node(EXPRESSION_REFERENCE, at);
	e->reference = (enum reference_kind)which;
	char **parts[] = { &e->name, which == REFERENCE_OUTPUT ? &e->output : NULL };
	size_t *places[] = { &e->name_at, &e->output_at };
	for (size_t i = 0; i < RN_LEN(parts) && parts[i]; i++) {
		if (p->at < p->n && p->text[p->at] == '.') {
			*places[i] = ++p->at;
			*parts[i] = take_name(p);
		}
		if (!*parts[i]) {
			p->at = at;
			rn_fail(p->err, RN_EINVAL, "\"%s\" must be written %s", root, forms[which]);
			return NULL;
		}
	}
	if (parse_path(p, &e->path) < 0)
		return NULL;
	return rn_take(&e);
}

static struct expression *parse_word(struct parser *p)
{
	size_t at = p->at;
	RN_AUTO(rn_freep) char *name = take_name(p);
	struct expression *e;
	if (strcmp(name, "true") == 0 || strcmp(name, "false") == 0 || strcmp(name, "null") == 0) {
		e = new_node(EXPRESSION_LITERAL, at);
		e->literal.json = *name == 'n' ? cJSON_CreateNull() : cJSON_CreateBool(*name == 't');
		return e;
	}
	return take(p, "(") ? parse_call(p, name, at) : parse_reference(p, name, at);
}

/* ---- operators ------------------------------------------------------------------ */

static struct expression *parse_primary(struct parser *p)
{
	skip_blanks(p);
	size_t at = p->at;
	char c = at < p->n ? p->text[at] : 0;
	if (c == '\'' || c == '"')
		return string_literal(p);
	if (isdigit((unsigned char)c) || (c == '-' && at + 1 < p->n && isdigit((unsigned char)p->text[at + 1])))
		return number_literal(p);
	if (name_start(c))
		return parse_word(p);
	if (!take(p, "("))
		return fail(p, at, c ? "a value is expected here" : "a value is missing at the end");
	RN_AUTO(expression_freep) struct expression *e = parse_or(p);
	if (e && !take(p, ")"))
		return fail(p, at, "a parenthesis is never closed");
	return rn_take(&e);
}

static struct expression *parse_unary(struct parser *p)
{
	skip_blanks(p);
	size_t at = p->at;
	if (++p->depth > NESTING_MAX)
		return fail(p, at, "nested too deep");
	struct expression *e;
	if (p->at + 1 < p->n && p->text[at] == '!' && p->text[at + 1] != '=') {
		p->at++;
		e = parse_unary(p);
		e = e ? new_operator(EXPRESSION_NOT, e, NULL, at) : NULL;
	} else {
		e = parse_primary(p);
	}
	p->depth--;
	return e;
}

struct operator_row {
	const char *token;
	enum expression_kind kind;
	int level; /* 0 binds loosest */
};
static const struct operator_row operators[] = {
	{ "||", EXPRESSION_OR, 0 },
	{ "&&", EXPRESSION_AND, 1 },
	{ "==", EXPRESSION_EQUAL, 2 },
	{ "!=", EXPRESSION_UNEQUAL, 2 },
};
#define LEVELS 3
#define OPERATORS_MAX 1000 /* a chain is a tree as deep as it is long */

static struct expression *parse_level(struct parser *p, int level)
{
	if (level == LEVELS)
		return parse_unary(p);
	struct expression *left = parse_level(p, level + 1);
	for (size_t i = 0, count = 0; left && i < RN_LEN(operators); i++) {
		skip_blanks(p);
		size_t at = p->at;
		if (operators[i].level != level || !take(p, operators[i].token))
			continue;
		struct expression *right = parse_level(p, level + 1);
		if (!right || ++count > OPERATORS_MAX) {
			expression_free(left);
			expression_free(right);
			return right ? fail(p, at, "too many operators") : NULL;
		}
		left = new_operator(operators[i].kind, left, right, at);
		i = (size_t)-1; /* look for any operator of this level again */
	}
	return left;
}

static struct expression *parse_or(struct parser *p)
{
	if (++p->depth > NESTING_MAX)
		return fail(p, p->at, "nested too deep");
	struct expression *e = parse_level(p, 0);
	p->depth--;
	return e;
}

static const char *trailing_hint(char c)
{
	switch (c) {
	case '=':
		return "compare with ==";
	case '&':
	case '|':
		return "the operators are && and ||";
	case '+':
		return "texts are joined by writing them side by side: ${{ a }}${{ b }}";
	default:
		return NULL;
	}
}

struct expression *expression_parse(const char *text, size_t n, size_t *ret_at, struct rn_error *err)
{
	struct rn_error local = { 0 };
	struct parser p = { .text = text, .n = n, .err = err ? err : &local };
	RN_AUTO(rn_freep) char *copy = rn_strndup(text, n); /* so that a read behind the end sees a NUL */
	p.text = copy;
	p.n = strlen(copy);
	skip_blanks(&p);
	RN_AUTO(expression_freep) struct expression *e = NULL;
	if (p.at == p.n)
		fail(&p, p.at, "the expression is empty");
	else
		e = parse_or(&p);
	skip_blanks(&p);
	if (e && p.at < p.n) {
		rn_fail(p.err, RN_EINVAL, "\"%c\" is not expected here", p.text[p.at]);
		if (trailing_hint(p.text[p.at]))
			rn_hint(p.err, "%s", trailing_hint(p.text[p.at]));
		expression_freep(&e);
	}
	if (!e && ret_at)
		*ret_at = p.at;
	return rn_take(&e);
}

/* ---- what it mentions ----------------------------------------------------------- */

static void references(const struct expression *e, bool optional, reference_fn *fn, void *ctx)
{
	if (e->kind == EXPRESSION_REFERENCE || e->kind == EXPRESSION_STATUS) {
		struct reference r = { .kind = e->reference, .name = e->name, .output = e->output,
				       .name_at = e->name_at, .output_at = e->output_at, .optional = optional };
		if (e->kind == EXPRESSION_STATUS)
			r.kind = REFERENCE_STATUS;
		fn(ctx, &r);
	}
	for (size_t i = 0; i < e->n_args; i++)
		references(e->args[i], true, fn, ctx); /* which operand counts is known only when it runs */
}

bool expression_catches(const struct expression *e, size_t arg)
{
	switch (e->kind) {
	case EXPRESSION_DEFAULT:
	case EXPRESSION_OR:
	case EXPRESSION_AND:
		return arg == 0;
	case EXPRESSION_NOT:
	case EXPRESSION_EQUAL:
	case EXPRESSION_UNEQUAL:
		return true;
	case EXPRESSION_LITERAL:
	case EXPRESSION_REFERENCE:
	case EXPRESSION_STATUS:
		return false;
	}
	return false;
}

void expression_references(const struct expression *e, reference_fn *fn, void *ctx)
{
	references(e, false, fn, ctx);
}
