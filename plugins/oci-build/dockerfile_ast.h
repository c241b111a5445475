/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Dockerfile as understood by the parser: instructions with their flags,
 * words and heredocs as written (variables, quotes and escapes unresolved), each
 * with its place. What they do is elsewhere.
 */
#ifndef DOCKERFILE_AST_H
#define DOCKERFILE_AST_H

#include "dockerfile_source.h"

#include <stdbool.h>

enum df_op {
	DF_ADD,
	DF_ARG,
	DF_CMD,
	DF_COPY,
	DF_ENTRYPOINT,
	DF_ENV,
	DF_EXPOSE,
	DF_FROM,
	DF_HEALTHCHECK,
	DF_LABEL,
	DF_MAINTAINER,
	DF_ONBUILD,
	DF_RUN,
	DF_SHELL,
	DF_STOPSIGNAL,
	DF_USER,
	DF_VOLUME,
	DF_WORKDIR,
};
#define DF_OPS (DF_WORKDIR + 1)

struct df_word {
	char *text;
	struct df_at at;
};

struct df_words {
	struct df_word *v;
	size_t n;
	size_t cap;
};

/* --name or --name=value: quotes and escapes are resolved, variables are not. */
struct df_flag {
	char *name;
	char *value;  /* NULL: given without "=" */
	struct df_at at;
	struct df_at value_at;
};

/* NAME=value of ENV, LABEL and ARG. */
struct df_pair {
	char *key;
	char *value;  /* NULL: ARG without a default */
	struct df_at at;
	struct df_at value_at;
};

struct df_heredoc {
	char *name;
	char *body;          /* as it stands in the file                             */
	bool expand;         /* the name was not quoted                              */
	bool strip_tabs;     /* <<-                                                  */
	struct df_at at;
	unsigned first_line; /* of the body                                          */
};

struct df_instruction {
	enum df_op op;
	struct df_at at;        /* the keyword                                          */
	unsigned last_line;     /* of the file, heredocs included                       */
	char *original;         /* the logical line as written                          */
	struct df_flag *flags;
	size_t n_flags;
	size_t cap_flags;
	struct df_words words;  /* arguments; a shell form is one word                  */
	bool json;              /* the words came as a JSON array: exec form            */
	bool json_like;         /* begins with [ but is no JSON: taken as a shell form  */
	bool legacy;            /* ENV and LABEL: "NAME value"                          */
	struct df_pair *pairs;
	size_t n_pairs;
	size_t cap_pairs;
	struct df_heredoc *heredocs;
	size_t n_heredocs;
	size_t cap_heredocs;
	char *stage_name;       /* FROM … AS name, in lower case; else NULL             */
	struct df_instruction *trigger; /* ONBUILD                                      */
};

/* A remark that is no error. */
struct df_warning {
	struct df_at at;
	const char *rule; /* the name that `# check=skip=` knows it by */
	char *text;
};

struct dockerfile {
	const struct df_source *source; /* borrowed */
	char escape;
	char *syntax;                   /* directives; NULL: not given */
	struct df_at syntax_at;
	char *check;
	struct df_at check_at;
	struct df_instruction **v;
	size_t n;
	size_t cap;
	struct df_warning *warnings;
	size_t n_warnings;
	size_t cap_warnings;
};

#endif
