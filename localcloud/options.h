/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `runner cloud`: its options, its help, and the commands beside serving. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "base/json.h"

struct options {
	const char *state;
	const char *host;
	const char *region;
	const char *faults; /* file of rules                                             */
	int port;           /* -1: the last one, or any                                  */
	int env_fd;         /* -1: print for people                                      */
	int ready_fd;       /* of the one that forked this one: a byte when ready        */
	bool quiet;
	bool json;
	bool all;           /* fault rm                                                  */
	bool help;
	cJSON *rule;        /* fault add: members given by options; owned                */
	char **words;       /* what is no option: the command and its arguments          */
	int n_words;
};

/** Fills `o` with defaults and what argv has; RN_EINVAL. */
int options_parse(int argc, char **argv, struct options *o, struct rn_error *err);
void options_clear(struct options *o);
void options_help(void);

/** Prints an error for people; the exit code for it. */
int options_report(const struct rn_error *err);
/** NAME=VALUE lines as `export` lines for a shell, below a comment; or (json) one object. */
void options_print_environment(const struct options *o, const char *first_line, const char *lines);

/* Commands; each returns its exit code. */
int command_list(const struct options *o);
int command_environment(const struct options *o);
int command_reset(const struct options *o);
int command_fault(const struct options *o); /* command_fault.c */

#endif
