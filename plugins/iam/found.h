/* SPDX-License-Identifier: Apache-2.0 */
/* A role as IAM has it, read with as few calls as possible. Internal to plugins/iam. */
#ifndef IAM_FOUND_H
#define IAM_FOUND_H

#include "role.h"

struct role_found {
	cJSON *role;            /* GetRole's Role; NULL: there is none              */
	cJSON *attached;        /* [{PolicyName, PolicyArn}]; NULL: not asked for   */
	cJSON *inline_policies; /* name -> document; NULL: not asked for            */
	bool ours;              /* carries the tags of this stage of this pipeline  */
};

/** Reads the role, and its policies when asked (in parallel). A missing role is no error. */
int role_read(struct stage *s, struct aws_client *iam, const char *name, bool attached,
	      bool inline_policies, struct role_found *ret, struct rn_error *err);
void role_found_clear(struct role_found *f);
/** {"RoleName": name}; the caller adds and deletes. */
cJSON *role_named(const char *name);

#endif
