/* SPDX-License-Identifier: Apache-2.0 */
/* `runner cloud fault`: a client of the running cloud's own interface. */
#include "options.h"

#include "state.h"

#include "base/encode.h"
#include "base/fs.h"
#include "http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READY_MS 2000

struct client {
	struct http_client *http;
	char *url;           /* "http://127.0.0.1:4566/_runner/faults" */
	char *authorization;
};

static void client_clear(struct client *c)
{
	http_client_free(c->http);
	free(c->url);
	free(c->authorization);
}

/* Value of NAME=VALUE in lines; new, NULL when missing. */
static char *value_of(const char *lines, const char *name)
{
	size_t n = strlen(name);
	for (const char *line = lines; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
		if (!strncmp(line, name, n) && line[n] == '=')
			return rn_strndup(line + n + 1, strcspn(line + n + 1, "\n"));
	return NULL;
}

static int client_open(const struct options *o, struct client *c, struct rn_error *err)
{
	RN_AUTO(rn_buf_clearp) struct rn_buf lines = RN_BUF_INIT;
	if (!rn_exists(o->state) || state_read_environment(o->state, READY_MS, &lines, NULL, err) < 0) {
		rn_fail(err, RN_ENOTFOUND, "no local cloud serves %s", o->state);
		return rn_hint(err, "rules live in a running cloud: start it with runner cloud --state %s [--faults FILE]", o->state);
	}
	const char *text = rn_buf_str(&lines);
	RN_AUTO(rn_freep) char *endpoint = value_of(text, "AWS_ENDPOINT_URL");
	RN_AUTO(rn_freep) char *key = value_of(text, "AWS_ACCESS_KEY_ID");
	RN_AUTO(rn_freep) char *secret = value_of(text, "AWS_SECRET_ACCESS_KEY");
	if (!endpoint || !key || !secret)
		return rn_fail(err, RN_EIO, "%s/environment is not complete", o->state);
	RN_AUTO(rn_freep) char *pair = rn_asprintf("%s:%s", key, secret);
	RN_AUTO(rn_freep) char *encoded = rn_base64(pair, strlen(pair));
	struct http_options options = HTTP_OPTIONS_INIT;
	options.proxy = "";
	c->url = rn_asprintf("%s/_runner/faults", endpoint);
	c->authorization = rn_asprintf("Basic %s", encoded);
	c->http = http_client_new(&options);
	return 0;
}

/* The answer's document (NULL: none) in *ret. An answer from 400 on is an error with its message. */
static int ask(struct client *c, const char *method, const char *id, const cJSON *body, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *name = id ? rn_percent(id, "") : NULL;
	RN_AUTO(rn_freep) char *url = rn_asprintf("%s%s%s", c->url, id ? "/" : "", id ? name : "");
	RN_AUTO(rn_freep) char *text = body ? rn_json_print(body) : NULL;
	struct http_request q = { .method = method, .url = url };
	if (text) {
		q.body = HTTP_BODY_MEMORY;
		q.data = text;
		q.length = (int64_t)strlen(text);
	}
	http_headers_add(&q.headers, "Authorization", c->authorization);
	http_headers_add(&q.headers, "Content-Type", "application/json");
	RN_AUTO(http_response_clear) struct http_response answer = { 0 };
	int rc = http_send(c->http, &q, &answer, err);
	http_headers_clear(&q.headers);
	if (rc < 0)
		return rn_wrap(err, "ask the local cloud");
	RN_AUTO(rn_json_freep) cJSON *doc = answer.body.len ? rn_json_parse(answer.body.p, answer.body.len, err) : NULL;
	const char *message = rn_json_str(doc, "message");
	if (answer.status >= 400)
		return rn_fail(err, answer.status < 500 ? RN_EINVAL : RN_EREMOTE, "%s", message ? message : "the local cloud refused");
	if (ret)
		*ret = rn_take(&doc);
	return 0;
}

static int add(const struct options *o, struct client *c, struct rn_error *err)
{
	if (o->n_words != 4)
		return rn_fail(err, RN_EINVAL, "usage: runner cloud fault add MATCH EFFECT [OPTION]...");
	RN_AUTO(rn_json_freep) cJSON *rule = cJSON_Duplicate(o->rule, true);
	RN_AUTO(rn_json_freep) cJSON *doc = NULL;
	cJSON_AddStringToObject(rule, "match", o->words[2]);
	cJSON_AddStringToObject(rule, "effect", o->words[3]);
	if (ask(c, "POST", NULL, rule, &doc, err) < 0)
		return -1;
	puts(rn_json_str(doc, "id"));
	return 0;
}

static void print_rule(const cJSON *rule)
{
	static const char *const FIXED[] = { "id", "match", "effect", "seen", "fired" };
	printf("%-8s %-28s %-14s hit %lld of %lld", rn_json_str(rule, "id"), rn_json_str(rule, "match"), rn_json_str(rule, "effect"),
	       (long long)rn_json_int(rule, "fired", 0), (long long)rn_json_int(rule, "seen", 0));
	for (const cJSON *v = rule->child; v; v = v->next) {
		bool fixed = false;
		for (size_t i = 0; i < RN_LEN(FIXED); i++)
			fixed = fixed || !strcmp(FIXED[i], v->string);
		RN_AUTO(rn_freep) char *text = rn_json_print(v);
		if (!fixed)
			printf("  %s %s", v->string, text);
	}
	putchar('\n');
}

static int list(const struct options *o, struct client *c, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *doc = NULL;
	if (o->n_words != 2)
		return rn_fail(err, RN_EINVAL, "usage: runner cloud fault ls");
	if (ask(c, "GET", NULL, NULL, &doc, err) < 0)
		return -1;
	const cJSON *rules = rn_json_get(doc, "faults"), *one;
	if (o->json) {
		RN_AUTO(rn_freep) char *text = rn_json_print(rules);
		puts(text);
		return 0;
	}
	cJSON_ArrayForEach(one, rules)
		print_rule(one);
	if (!rules || !rules->child)
		puts("no fault rules");
	return 0;
}

static int remove_rules(const struct options *o, struct client *c, struct rn_error *err)
{
	if (o->all == (o->n_words > 2))
		return rn_fail(err, RN_EINVAL, "usage: runner cloud fault rm ID... or runner cloud fault rm --all");
	if (o->all)
		return ask(c, "DELETE", NULL, NULL, NULL, err);
	int rc = 0;
	for (int i = 2; i < o->n_words && rc == 0; i++)
		rc = ask(c, "DELETE", o->words[i], NULL, NULL, err);
	return rc;
}

int command_fault(const struct options *o)
{
	static const struct {
		const char *name;
		int (*run)(const struct options *o, struct client *c, struct rn_error *err);
	} COMMANDS[] = { { "add", add }, { "ls", list }, { "rm", remove_rules } };
	struct rn_error err = { 0 };
	RN_AUTO(client_clear) struct client c = { 0 };
	for (size_t i = 0; i < RN_LEN(COMMANDS); i++)
		if (o->n_words > 1 && !strcmp(o->words[1], COMMANDS[i].name))
			return client_open(o, &c, &err) < 0 || COMMANDS[i].run(o, &c, &err) < 0 ? options_report(&err) : 0;
	rn_fail(&err, RN_EINVAL, "usage: runner cloud fault add | ls | rm");
	rn_hint(&err, "runner cloud --help tells what each takes");
	return options_report(&err);
}
