/* SPDX-License-Identifier: Apache-2.0 */
/* A role as wanted and as found, and the steps from one to the other. */
#ifndef IAM_ROLE_H
#define IAM_ROLE_H

#include "aws/client.h"
#include "stage/stage.h"

struct iam_params {
	const char *role_name;
	const char *description;
	struct runner_json trust;
	struct runner_list managed_policies;
	struct runner_json inline_policies;
	const char *path;
	const char *permissions_boundary;
	struct runner_map tags;
	struct runner_duration max_session_duration;
	const char *region;
};

/**
 * The role as the pipeline wants it. What a pipeline does not say is NULL (or 0) and left as it is.
 */
struct role_wish {
	const char *name;
	const char *path;           /* NULL: "/" for a new role                              */
	const char *description;
	const char *boundary;       /* "": none                                              */
	int64_t session_s;
	cJSON *trust;               /* NULL: not known yet (plan)                            */
	cJSON *tags;                /* the user's and the ownership tags                     */
	cJSON *inline_policies;     /* object name -> document, or NULL                      */
	struct rn_strv managed;     /* ARNs                                                  */
	bool manages_managed;
	struct rn_strv unknown;     /* parameters that depend on what is not made yet (plan) */
};

/**
 * From the parameters; everything is checked that can be checked offline. `partition` is for short
 * policy names.
 */
int role_wish_init(struct role_wish *w, struct stage *s, const struct iam_params *p,
		   const char *partition, struct rn_error *err);
void role_wish_clear(struct role_wish *w);

/** Makes IAM agree with the wish (in plan: says what would change); sets the outputs. */
int role_converge(struct stage *s, struct aws_client *iam, struct aws_session *session,
		  const struct role_wish *w, struct rn_error *err);
/** Removes the role when this stage of this pipeline made it. */
int role_destroy(struct stage *s, struct aws_client *iam, const char *name, struct rn_error *err);

#endif
