/* SPDX-License-Identifier: Apache-2.0 */
/* Values of expressions, and of text with expressions in it. */
#include "expression.h"

#include "expression_tree.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

void value_clear(struct value *v)
{
	if (v->secret && cJSON_IsString(v->json))
		rn_wipe(v->json->valuestring, strlen(v->json->valuestring));
	cJSON_Delete(v->json);
	free(v->text);
	*v = (struct value){ 0 };
}

void value_copy(const struct value *v, struct value *ret)
{
	*ret = *v;
	ret->json = cJSON_Duplicate(v->json, 1);
	ret->text = rn_strdup(v->text);
}

char *value_text(const struct value *v)
{
	if (v->text)
		return rn_strdup(v->text);
	if (!v->json || cJSON_IsNull(v->json))
		return rn_strdup("");
	return cJSON_IsString(v->json) ? rn_strdup(v->json->valuestring) : rn_json_print(v->json);
}

bool value_true(const struct value *v)
{
	if (v->unknown)
		return true;
	if (!v->json || cJSON_IsNull(v->json) || cJSON_IsFalse(v->json))
		return false;
	if (cJSON_IsNumber(v->json))
		return v->json->valuedouble < 0 || v->json->valuedouble > 0;
	if (cJSON_IsString(v->json))
		return *v->json->valuestring && strcmp(v->json->valuestring, "false") != 0;
	return true;
}

/* Replaces a value by what its path leads to. A string that holds JSON is looked into. */
static int follow_path(const struct expression *e, struct value *v, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *parsed = NULL;
	const cJSON *j = v->json;
	if (v->unknown)
		return 0;
	if (cJSON_IsString(j) && (parsed = rn_json_parse_str(j->valuestring, NULL)))
		j = parsed;
	for (size_t i = 0; i < e->path.n; i++) {
		const char *name = e->path.v[i];
		int64_t index;
		if (cJSON_IsArray(j))
			j = rn_parse_int(name, 0, 1 << 30, &index, NULL) == 0 ? cJSON_GetArrayItem(j, (int)index) : NULL;
		else
			j = rn_json_get(j, name);
		if (!j)
			return rn_fail(err, RN_ENOTFOUND, "%s%s%s has no \"%s\"", e->name, e->output ? "." : "",
				       e->output ? e->output : "", name);
	}
	cJSON *found = cJSON_Duplicate(j, 1);
	cJSON_Delete(v->json);
	free(v->text);
	v->json = found;
	v->text = NULL;
	return 0;
}

static int eval_reference(const struct expression *e, const struct scope *s, struct value *ret,
			  struct rn_error *err)
{
	struct value v = { 0 };
	int rc = -1;
	switch (e->reference) {
	case REFERENCE_VAR:
		rc = s->var(s->ctx, e->name, &v, err);
		break;
	case REFERENCE_ENV:
		rc = s->env(s->ctx, e->name, &v, err);
		break;
	case REFERENCE_SECRET:
		rc = s->secret(s->ctx, e->name, &v, err);
		v.secret = true;
		break;
	case REFERENCE_OUTPUT:
		rc = s->output(s->ctx, e->name, e->output, &v, err);
		break;
	case REFERENCE_STATUS:
		break;
	}
	if (rc == 0 && e->path.n)
		rc = follow_path(e, &v, err);
	if (rc < 0) {
		value_clear(&v);
		return -1;
	}
	*ret = v;
	return 0;
}

static int eval_status(const struct expression *e, const struct scope *s, struct value *ret,
		       struct rn_error *err)
{
	if (!s->status)
		return rn_fail(err, RN_EINVAL, "%s() has a meaning in `if:` only", e->name);
	bool yes = *e->name == 'a' || s->status(s->ctx, *e->name == 's' ? SCOPE_SUCCESS : SCOPE_FAILURE);
	ret->json = cJSON_CreateBool(yes);
	return 0;
}

/* Numbers and booleans equal the text that writes them: environment variables are always text. */
static bool equal(const struct value *a, const struct value *b)
{
	bool scalar_a = !cJSON_IsObject(a->json) && !cJSON_IsArray(a->json) && !cJSON_IsNull(a->json);
	bool scalar_b = !cJSON_IsObject(b->json) && !cJSON_IsArray(b->json) && !cJSON_IsNull(b->json);
	if (!scalar_a || !scalar_b || cJSON_IsString(a->json) == cJSON_IsString(b->json))
		return rn_json_equal(a->json, b->json);
	RN_AUTO(rn_freep) char *x = value_text(a);
	RN_AUTO(rn_freep) char *y = value_text(b);
	return strcmp(x, y) == 0;
}

/* One argument; a name without a value becomes null where the operator allows it. */
static int eval_arg(const struct expression *e, size_t i, const struct scope *s, struct value *ret,
		    struct rn_error *err)
{
	struct rn_error local = { 0 };
	if (expression_eval(e->args[i], s, ret, &local) == 0)
		return 0;
	if (local.code == RN_ENOTFOUND && expression_catches(e, i)) {
		*ret = (struct value){ .json = cJSON_CreateNull() };
		return 0;
	}
	if (err)
		*err = local;
	return -1;
}

static int eval_comparison(const struct expression *e, const struct scope *s, struct value *ret,
			   struct rn_error *err)
{
	struct value a = { 0 }, b = { 0 };
	int rc = eval_arg(e, 0, s, &a, err);
	if (rc == 0 && (rc = eval_arg(e, 1, s, &b, err)) == 0) {
		ret->unknown = a.unknown || b.unknown;
		if (!ret->unknown)
			ret->json = cJSON_CreateBool(equal(&a, &b) == (e->kind == EXPRESSION_EQUAL));
	}
	value_clear(&a);
	value_clear(&b);
	return rc;
}

/* default, && and ||: the left value, or the right one. */
static int eval_choice(const struct expression *e, const struct scope *s, struct value *ret,
		       struct rn_error *err)
{
	struct value left = { 0 };
	if (eval_arg(e, 0, s, &left, err) < 0)
		return -1;
	bool keep;
	if (left.unknown)
		keep = true;
	else if (e->kind == EXPRESSION_DEFAULT)
		keep = !cJSON_IsNull(left.json) && !(cJSON_IsString(left.json) && !*left.json->valuestring);
	else
		keep = value_true(&left) == (e->kind == EXPRESSION_OR);
	if (keep) {
		*ret = left;
		return 0;
	}
	value_clear(&left);
	return eval_arg(e, 1, s, ret, err);
}

int expression_eval(const struct expression *e, const struct scope *s, struct value *ret,
		    struct rn_error *err)
{
	struct value v = { 0 };
	int rc = 0;
	switch (e->kind) {
	case EXPRESSION_LITERAL:
		value_copy(&e->literal, &v);
		break;
	case EXPRESSION_REFERENCE:
		rc = eval_reference(e, s, &v, err);
		break;
	case EXPRESSION_STATUS:
		rc = eval_status(e, s, &v, err);
		break;
	case EXPRESSION_NOT:
		rc = eval_arg(e, 0, s, &v, err);
		if (rc == 0 && !v.unknown) {
			bool truth = value_true(&v);
			value_clear(&v);
			v.json = cJSON_CreateBool(!truth);
		}
		break;
	case EXPRESSION_EQUAL:
	case EXPRESSION_UNEQUAL:
		rc = eval_comparison(e, s, &v, err);
		break;
	case EXPRESSION_DEFAULT:
	case EXPRESSION_AND:
	case EXPRESSION_OR:
		rc = eval_choice(e, s, &v, err);
		break;
	}
	if (rc == 0)
		*ret = v;
	return rc;
}

/* ---- text with expressions in it ------------------------------------------------ */

bool template_needed(const char *text)
{
	return strstr(text, "${{") != NULL;
}

void template_clear(struct template *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->v[i].text);
		expression_free(t->v[i].e);
	}
	free(t->v);
	*t = (struct template){ 0 };
}

static void add_piece(struct template *t, struct template_piece piece)
{
	t->v = rn_grow(t->v, &t->cap, t->n + 1, sizeof(*t->v));
	t->v[t->n++] = piece;
}

const char *template_end(const char *p)
{
	char quote = 0;
	for (; *p; p++) {
		if (quote && *p == '\\' && quote == '"' && p[1])
			p++;
		else if (quote)
			quote = *p == quote ? 0 : quote;
		else if (*p == '\'' || *p == '"')
			quote = *p;
		else if (p[0] == '}' && p[1] == '}')
			return p;
	}
	return NULL;
}

int template_parse(const char *text, struct template *ret, size_t *ret_at, struct rn_error *err)
{
	struct template t = { 0 };
	const char *p = text, *open;
	size_t nth = 0; /* counts every "${{", also those inside string literals */
	while ((open = strstr(p, "${{"))) {
		const char *inside = open + 3, *end = template_end(inside);
		size_t at = 0;
		if (open > p)
			add_piece(&t, (struct template_piece){ .text = rn_strndup(p, (size_t)(open - p)) });
		if (!end)
			rn_fail(err, RN_EINVAL, "\"${{\" without its \"}}\"");
		struct expression *e = end ? expression_parse(inside, (size_t)(end - inside), &at, err) : NULL;
		if (!e) {
			*ret_at = end ? (size_t)(inside - text) + at : (size_t)(open - text);
			template_clear(&t);
			return -1;
		}
		add_piece(&t, (struct template_piece){ .e = e, .at = (size_t)(inside - text), .nth = nth });
		for (p = open; p < end; p++)
			nth += strncmp(p, "${{", 3) == 0;
		p = end + 2;
	}
	if (*p || t.n == 0)
		add_piece(&t, (struct template_piece){ .text = rn_strdup(p) });
	*ret = t;
	return 0;
}

int template_eval(const struct template *t, const struct scope *scope, struct value *ret,
		  struct rn_error *err)
{
	if (t->n == 1 && t->v[0].e)
		return expression_eval(t->v[0].e, scope, ret, err);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	struct value all = { 0 };
	for (size_t i = 0; i < t->n; i++) {
		struct value v = { 0 };
		if (t->v[i].text) {
			rn_buf_adds(&b, t->v[i].text);
			continue;
		}
		if (expression_eval(t->v[i].e, scope, &v, err) < 0)
			return -1;
		RN_AUTO(rn_freep) char *s = value_text(&v);
		rn_buf_adds(&b, s);
		all.secret |= v.secret;
		all.unknown |= v.unknown;
		value_clear(&v);
	}
	if (!all.unknown)
		all.json = cJSON_CreateString(rn_buf_str(&b));
	*ret = all;
	return 0;
}

int template_expand(const char *text, const struct scope *scope, struct value *ret, struct rn_error *err)
{
	struct template t = { 0 };
	size_t at;
	if (template_parse(text, &t, &at, err) < 0)
		return -1;
	int rc = template_eval(&t, scope, ret, err);
	template_clear(&t);
	return rc;
}
