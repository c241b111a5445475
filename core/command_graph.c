/* SPDX-License-Identifier: Apache-2.0 */
/* `runner graph`: the order of a pipeline's stages as text, Graphviz dot or Mermaid. */
#include "command.h"
#include "pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct graph_values {
	struct rn_strv sets;
	const char *format;
};

/* Drops the waits that follow from others, so that a drawing shows few lines. */
static bool implied(const struct pipeline *p, const struct pipeline_stage *s, size_t dep)
{
	for (size_t i = 0; i < s->n_deps; i++)
		if (s->deps[i] != dep && pipeline_depends(p, s->deps[i], dep))
			return true;
	return false;
}

/* Stages of the same step can run at the same time. */
static void steps(const struct pipeline *p, const size_t *order, size_t *step)
{
	for (size_t i = 0; i < p->n_stages; i++) {
		const struct pipeline_stage *s = &p->stages[order[i]];
		step[order[i]] = 1;
		for (size_t k = 0; k < s->n_deps; k++)
			if (step[s->deps[k]] + 1 > step[order[i]])
				step[order[i]] = step[s->deps[k]] + 1;
	}
}

static void as_text(const struct pipeline *p, struct rn_buf *to)
{
	RN_AUTO(rn_freep) size_t *order = rn_alloc((p->n_stages + 1) * sizeof(*order));
	RN_AUTO(rn_freep) size_t *step = rn_alloc((p->n_stages + 1) * sizeof(*step));
	int id = 5, uses = 4;
	pipeline_order(p, order);
	steps(p, order, step);
	for (size_t i = 0; i < p->n_stages; i++) {
		int a = (int)strlen(p->stages[i].id), b = (int)strlen(p->stages[i].uses);
		id = a > id ? a : id;
		uses = b > uses ? b : uses;
	}
	rn_buf_addf(to, "%s: %zu stages\n", p->name, p->n_stages);
	rn_buf_addf(to, "  step  %-*s  %-*s  waits for\n", id, "stage", uses, "uses");
	for (size_t i = 0; i < p->n_stages; i++) {
		const struct pipeline_stage *s = &p->stages[order[i]];
		rn_buf_addf(to, "  %4zu  %-*s  %-*s  ", step[order[i]], id, s->id, uses, s->uses);
		size_t shown = 0;
		for (size_t k = 0; k < s->n_deps; k++)
			if (!implied(p, s, s->deps[k]))
				rn_buf_addf(to, "%s%s", shown++ ? ", " : "", p->stages[s->deps[k]].id);
		rn_buf_adds(to, shown ? "" : "-");
		if (s->if_text)
			rn_buf_addf(to, "  (if: %s)", s->if_text);
		rn_buf_addc(to, '\n');
	}
}

static void edges(const struct pipeline *p, const char *fmt_before, const char *arrow, const char *after,
		  struct rn_buf *to)
{
	for (size_t i = 0; i < p->n_stages; i++) {
		const struct pipeline_stage *s = &p->stages[i];
		for (size_t k = 0; k < s->n_deps; k++)
			if (!implied(p, s, s->deps[k]))
				rn_buf_addf(to, "%s%zu%s%zu%s", fmt_before, s->deps[k], arrow, i, after);
	}
}

static void as_dot(const struct pipeline *p, struct rn_buf *to)
{
	rn_buf_addf(to, "digraph \"%s\" {\n\trankdir=LR;\n\tnode [shape=box, style=rounded, fontname=\"sans-serif\"];\n",
		    p->name);
	for (size_t i = 0; i < p->n_stages; i++)
		rn_buf_addf(to, "\ts%zu [label=\"%s\\n(%s)\"%s];\n", i, p->stages[i].id, p->stages[i].uses,
			    p->stages[i].if_text ? ", style=\"rounded,dashed\"" : "");
	edges(p, "\ts", " -> s", ";\n", to);
	rn_buf_adds(to, "}\n");
}

static void as_mermaid(const struct pipeline *p, struct rn_buf *to)
{
	rn_buf_adds(to, "flowchart LR\n");
	for (size_t i = 0; i < p->n_stages; i++)
		rn_buf_addf(to, "    s%zu[\"%s<br>(%s)\"]\n", i, p->stages[i].id, p->stages[i].uses);
	edges(p, "    s", " --> s", "\n", to);
}

static int run_graph(struct command_call *call)
{
	const struct graph_values *v = call->values;
	const char *format = v->format ? v->format : "text";
	struct diags diags = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	struct pipeline *p = pipeline_load(call->args.v[0], &v->sets, &diags);
	int code = diags_exit_code(&diags);
	if (code == EXIT_DONE) {
		if (strcmp(format, "dot") == 0)
			as_dot(p, &b);
		else if (strcmp(format, "mermaid") == 0)
			as_mermaid(p, &b);
		else
			as_text(p, &b);
		fputs(rn_buf_str(&b), stdout);
	} else {
		diags_print(&diags, command_color(STDERR_FILENO), &b);
		fputs(rn_buf_str(&b), stderr);
	}
	pipeline_free(p);
	diags_clear(&diags);
	return fflush(stdout) == 0 ? code : EXIT_MACHINE;
}

static const struct option_row options[] = {
	{ .name = "format", .letter = 'f', .kind = OPTION_STRING, .offset = offsetof(struct graph_values, format),
	  .arg = "FORMAT", .one_of = "text|dot|mermaid", .help = "text (default), dot (Graphviz) or mermaid" },
	{ .name = "set", .kind = OPTION_LIST, .offset = offsetof(struct graph_values, sets), .arg = "NAME=VALUE",
	  .help = "give a variable of the file another value; repeatable" },
	{ 0 },
};

const struct command command_graph = {
	.name = "graph", .summary = "show which stage waits for which", .usage = "[OPTION]... FILE",
	.help = "Stages of the same step can run at the same time. Waits that follow from others are left out.",
	.options = options, .values_size = sizeof(struct graph_values), .min_args = 1, .max_args = 1, .run = run_graph,
	.examples = "runner graph pipelines/serverless.pipe\n"
		    "runner graph --format dot FILE | dot -Tsvg > graph.svg\n",
};
