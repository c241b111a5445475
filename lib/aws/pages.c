/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that come in pages, for each protocol: all items in one array. */
#include "client.h"

#include "base/mem.h"
#include "base/str.h"

#define MAX_PAGES 10000

/* One operation of one protocol, its parameters changing from page to page. */
struct pager {
	struct aws_client *c;
	const char *operation;
	const char *path;
	const struct aws_pages *p;
	int (*fetch)(const struct pager *g, const cJSON *params, cJSON **ret,
		     struct aws_error *aerr, struct rn_error *err);
};

static int fetch_json(const struct pager *g, const cJSON *params, cJSON **ret,
		      struct aws_error *aerr, struct rn_error *err)
{
	return aws_json(g->c, g->operation, params, ret, aerr, err);
}

static int fetch_query(const struct pager *g, const cJSON *params, cJSON **ret,
		       struct aws_error *aerr, struct rn_error *err)
{
	return aws_query(g->c, g->operation, params, ret, aerr, err);
}

static int fetch_rest(const struct pager *g, const cJSON *params, cJSON **ret,
		      struct aws_error *aerr, struct rn_error *err)
{
	return aws_rest(g->c, g->operation, "GET", g->path, params, NULL, ret, aerr, err);
}

static void move_items(cJSON *from, cJSON *to)
{
	if (!cJSON_IsArray(from))
		return;
	while (from->child)
		cJSON_AddItemToArray(to, cJSON_DetachItemViaPointer(from, from->child));
}

static int all_pages(const struct pager *g, const cJSON *params, cJSON **ret,
		     struct aws_error *aerr, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *all = cJSON_CreateArray();
	RN_AUTO(rn_json_freep)
	cJSON *input = params ? cJSON_Duplicate(params, true) : cJSON_CreateObject();
	RN_AUTO(rn_freep) char *last = NULL;
	const char *in = g->p->in_token ? g->p->in_token : g->p->out_token;
	for (int page = 0; page < MAX_PAGES; page++) {
		RN_AUTO(rn_json_freep) cJSON *answer = NULL;
		if (g->fetch(g, input, &answer, aerr, err) < 0)
			return -1;
		move_items(rn_json_path(answer, g->p->list), all);
		const char *token = rn_json_str(answer, g->p->out_token);
		if (!token || !*token) {
			*ret = rn_take(&all);
			return 0;
		}
		if (rn_streq(token, last))
			return rn_fail(err, RN_EREMOTE, "%s gave the same page twice",
				       g->operation);
		rn_freep(&last);
		last = rn_strdup(token);
		cJSON_DeleteItemFromObjectCaseSensitive(input, in);
		cJSON_AddStringToObject(input, in, token);
	}
	return rn_fail(err, RN_ELIMIT, "%s has more than %d pages", g->operation, MAX_PAGES);
}

int aws_json_pages(struct aws_client *c, const char *operation, const cJSON *input,
		   const struct aws_pages *p, cJSON **ret, struct aws_error *aerr,
		   struct rn_error *err)
{
	struct pager g = { .c = c, .operation = operation, .p = p, .fetch = fetch_json };
	return all_pages(&g, input, ret, aerr, err);
}

int aws_query_pages(struct aws_client *c, const char *operation, const cJSON *params,
		    const struct aws_pages *p, cJSON **ret, struct aws_error *aerr,
		    struct rn_error *err)
{
	struct pager g = { .c = c, .operation = operation, .p = p, .fetch = fetch_query };
	return all_pages(&g, params, ret, aerr, err);
}

int aws_rest_pages(struct aws_client *c, const char *operation, const char *path,
		   const cJSON *query, const struct aws_pages *p, cJSON **ret,
		   struct aws_error *aerr, struct rn_error *err)
{
	struct pager g = {
		.c = c, .operation = operation, .path = path, .p = p, .fetch = fetch_rest
	};
	return all_pages(&g, query, ret, aerr, err);
}
