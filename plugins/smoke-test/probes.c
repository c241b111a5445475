/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters as a list of requests: what an entry of `requests` lacks, the stage's own
 * parameters give. */
#include "expect.h"
#include "probe.h"

#include "base/mem.h"
#include "http/url.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_RETRY_MS 30000

static void probe_clear(struct probe *q)
{
	rn_freep(&q->name);
	rn_freep(&q->method);
	rn_freep(&q->url);
	http_headers_clear(&q->headers);
	rn_freep(&q->body);
	cJSON_Delete(q->expect);
	*q = (struct probe){ 0 };
}

void probes_clear(struct probes *ps)
{
	for (size_t i = 0; i < ps->n; i++)
		probe_clear(&ps->v[i]);
	free(ps->v);
	*ps = (struct probes){ 0 };
}

static bool known(const struct stage *s, const char *param)
{
	return s->host->is_known(s->rs, param);
}

static int set_method(struct probe *q, const char *method, struct rn_error *err)
{
	if (!*method || strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(method))
		return rn_fail(err, RN_EINVAL,
			       "method \"%s\" is not one like GET or POST, in capitals", method);
	rn_freep(&q->method);
	q->method = rn_strdup(method);
	return 0;
}

static int set_url(struct probe *q, const char *base, const char *url, struct rn_error *err)
{
	struct url parsed = { 0 };
	rn_freep(&q->url);
	q->url = base ? url_resolve(base, url, err) : rn_strdup(url);
	if (!q->url || url_parse(q->url, &parsed, err) < 0)
		return -1;
	url_clear(&parsed);
	return 0;
}

static void set_json(struct probe *q, const cJSON *value)
{
	rn_freep(&q->body);
	q->body = rn_json_print(value);
	if (!http_headers_get(&q->headers, "Content-Type"))
		http_headers_add(&q->headers, "Content-Type", "application/json");
}

static int set_headers(struct probe *q, const cJSON *map, const char *where, struct rn_error *err)
{
	if (!cJSON_IsObject(map))
		return rn_fail(err, RN_EINVAL, "%s.headers is a map from name to text", where);
	for (const cJSON *m = map->child; m; m = m->next) {
		if (!cJSON_IsString(m) && !cJSON_IsNumber(m))
			return rn_fail(err, RN_EINVAL, "%s.headers.%s is not a text", where,
				       m->string);
		RN_AUTO(rn_freep)
		char *text = cJSON_IsString(m) ? rn_strdup(m->valuestring) : rn_json_print(m);
		http_headers_set(&q->headers, m->string, text);
	}
	return 0;
}

/* ---- the stage's own parameters ---------------------------------------------------------- */

static int take_bodies(struct probe *q, struct stage *s, const struct smoke_params *p,
		       struct rn_error *err)
{
	if (p->json.text && p->body) {
		stage_blame(s, "body");
		return rn_fail(err, RN_EINVAL,
			       "json and body are both given; a request has one body");
	}
	if (p->body)
		q->body = rn_strdup(p->body);
	if (!p->json.text)
		return 0;
	RN_AUTO(rn_json_freep) cJSON *value = rn_json_parse_str(p->json.text, err);
	if (!value)
		return stage_blame(s, "json");
	set_json(q, value);
	return 0;
}

static int take_expect(struct probe *q, struct stage *s, const struct smoke_params *p,
		       struct rn_error *err)
{
	if (!p->expect.text)
		return 0;
	q->expect = rn_json_parse_str(p->expect.text, err);
	if (!q->expect || expect_validate(q->expect, "expect", err) < 0)
		return stage_blame(s, "expect");
	return 0;
}

static int from_params(struct probe *q, struct stage *s, const struct smoke_params *p,
		       struct rn_error *err)
{
	for (size_t i = 0; i < p->headers.n; i++)
		http_headers_set(&q->headers, p->headers.v[i].key, p->headers.v[i].value);
	if (take_bodies(q, s, p, err) < 0 || take_expect(q, s, p, err) < 0)
		return -1;
	if (set_method(q, p->method && *p->method ? p->method : q->body ? "POST" : "GET", err) < 0)
		return stage_blame(s, "method");
	if (p->url && known(s, "url") && set_url(q, NULL, p->url, err) < 0)
		return stage_blame(s, "url");
	q->retry_given = s->host->is_set(s->rs, "retry_for");
	q->retry_ms = q->retry_given ? p->retry_for.ms : DEFAULT_RETRY_MS;
	return 0;
}

/* ---- entries of `requests` ------------------------------------------------------------------ */

static int check_keys(const cJSON *entry, const char *where, struct rn_error *err)
{
	static const char *const names[] = { "name", "url",  "method", "headers",
					     "json", "body", "expect", "retry_for" };
	if (!cJSON_IsObject(entry))
		return rn_fail(err, RN_EINVAL, "%s is a map with url, method, json, expect, …",
			       where);
	for (const cJSON *m = entry->child; m; m = m->next) {
		size_t i = 0;
		while (i < RN_LEN(names) && !rn_streq(names[i], m->string))
			i++;
		if (i < RN_LEN(names))
			continue;
		const char *near = rn_nearest(m->string, names, RN_LEN(names));
		rn_fail(err, RN_EINVAL, "%s has no key \"%s\"", where, m->string);
		return near ? rn_hint(err, "did you mean \"%s\"?", near) : -1;
	}
	return 0;
}

static int entry_text(const cJSON *entry, const char *name, const char *where, const char **ret,
		      struct rn_error *err)
{
	const cJSON *v = rn_json_get(entry, name);
	if (v && !cJSON_IsString(v))
		return rn_fail(err, RN_EINVAL, "%s.%s is not a text", where, name);
	*ret = v ? v->valuestring : NULL;
	return 0;
}

static int entry_retry(struct probe *q, const cJSON *entry, const char *where, struct rn_error *err)
{
	const cJSON *v = rn_json_get(entry, "retry_for");
	if (!v)
		return 0;
	q->retry_given = true;
	if (cJSON_IsNumber(v) && v->valuedouble >= 0) {
		q->retry_ms = (int64_t)(v->valuedouble * 1000);
		return 0;
	}
	if (!cJSON_IsString(v) || rn_parse_duration(v->valuestring, &q->retry_ms, err) < 0)
		return rn_fail(err, RN_EINVAL, "%s.retry_for is not a duration like 30s", where);
	return 0;
}

static int entry_body(struct probe *q, const cJSON *entry, const char *where, struct rn_error *err)
{
	const cJSON *json = rn_json_get(entry, "json");
	const char *body = NULL;
	if (entry_text(entry, "body", where, &body, err) < 0)
		return -1;
	if (json && body)
		return rn_fail(err, RN_EINVAL, "%s has both json and body; a request has one body",
			       where);
	if (json)
		set_json(q, json);
	if (body)
		q->body = rn_strdup(body);
	return 0;
}

static int entry_expect(struct probe *q, const cJSON *entry, const char *where,
			struct rn_error *err)
{
	const cJSON *expect = rn_json_get(entry, "expect");
	RN_AUTO(rn_freep) char *inner = rn_asprintf("%s.expect", where);
	if (!expect)
		return 0;
	if (expect_validate(expect, inner, err) < 0)
		return -1;
	cJSON_Delete(q->expect);
	q->expect = cJSON_Duplicate(expect, true);
	return 0;
}

static int entry_url(struct probe *q, const cJSON *entry, const char *where, const char *base,
		     struct stage *s, struct rn_error *err)
{
	const char *url = NULL;
	if (entry_text(entry, "url", where, &url, err) < 0)
		return -1;
	if (!url && !base && known(s, "url"))
		return rn_fail(err, RN_EINVAL, "%s has no url, and neither has the stage", where);
	bool absolute = url && strstr(url, "://");
	if (absolute || base)
		return set_url(q, absolute ? NULL : base, url ? url : base, err);
	if (known(s, "url"))
		return set_url(q, NULL, url, err); /* relative without a base: says so */
	return 0;
}

static int from_entry(struct probe *q, const cJSON *entry, const char *where, struct stage *s,
		      const struct smoke_params *p, const struct probe *common,
		      struct rn_error *err)
{
	const char *name = NULL, *method = NULL;
	if (check_keys(entry, where, err) < 0 || entry_text(entry, "name", where, &name, err) < 0 ||
	    entry_text(entry, "method", where, &method, err) < 0)
		return -1;
	http_headers_copy(&q->headers, &common->headers);
	q->retry_ms = common->retry_ms;
	q->retry_given = common->retry_given;
	q->expect = common->expect ? cJSON_Duplicate(common->expect, true) : NULL;
	q->name = rn_strdup(name);
	const cJSON *headers = rn_json_get(entry, "headers");
	if ((headers && set_headers(q, headers, where, err) < 0) ||
	    entry_body(q, entry, where, err) < 0 || entry_expect(q, entry, where, err) < 0 ||
	    entry_retry(q, entry, where, err) < 0 ||
	    entry_url(q, entry, where, common->url, s, err) < 0)
		return -1;
	if (!method && p->method && *p->method)
		method = p->method;
	return set_method(q, method ? method : q->body ? "POST" : "GET", err);
}

static int from_list(struct probes *ps, struct stage *s, const struct smoke_params *p,
		     const struct probe *common, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *list = rn_json_parse_str(p->requests.text, err);
	if (!list)
		return -1;
	if (!cJSON_IsArray(list) || !list->child)
		return rn_fail(err, RN_EINVAL,
			       "requests is a list of maps with url, method, json, expect, …");
	if (common->body)
		return rn_fail(err, RN_EINVAL,
			       "json or body beside requests: give each request its own");
	ps->v = rn_alloc((size_t)cJSON_GetArraySize(list) * sizeof(*ps->v));
	const cJSON *entry;
	cJSON_ArrayForEach(entry, list)
	{
		RN_AUTO(rn_freep) char *where = rn_asprintf("requests[%zu]", ps->n);
		if (from_entry(&ps->v[ps->n++], entry, where, s, p, common, err) < 0)
			return -1;
	}
	return 0;
}

static void give_names(struct probes *ps)
{
	for (size_t i = 0; i < ps->n; i++) {
		struct probe *q = &ps->v[i];
		RN_AUTO(rn_freep) char *shown =
			q->url ? url_for_display(q->url) : rn_strdup("a URL that is known later");
		RN_AUTO(rn_freep) char *request = rn_asprintf("%s %s", q->method, shown);
		char *given = q->name;
		q->name = given ? rn_asprintf("%s (%s)", given, request) : rn_take(&request);
		free(given);
	}
}

int probes_init(struct probes *ps, struct stage *s, const struct smoke_params *p,
		struct rn_error *err)
{
	struct probe common = { 0 };
	*ps = (struct probes){ 0 };
	int rc = from_params(&common, s, p, err);
	if (rc == 0 && p->requests.text) {
		rc = from_list(ps, s, p, &common, err);
		if (rc < 0)
			stage_blame(s, "requests");
		probe_clear(&common);
	} else if (rc == 0 && !common.url && known(s, "url") && known(s, "requests")) {
		rc = rn_fail(err, RN_EINVAL, "neither url nor requests is given");
		probe_clear(&common);
	} else if (rc == 0) {
		ps->v = rn_alloc(sizeof(*ps->v));
		ps->v[ps->n++] = common;
	} else {
		probe_clear(&common);
	}
	if (rc == 0)
		give_names(ps);
	else
		probes_clear(ps);
	return rc;
}
