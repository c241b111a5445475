/* SPDX-License-Identifier: Apache-2.0 */
/* SSM's Parameter Store: what its files share. */
#ifndef SSM_H
#define SSM_H

#include "route.h"

#define PARAMETER "ssm.parameter" /* by region and name; members with "_" are not answered by GetParameter */

/** Answers a ValidationException. Returns -1. */
int ssm_invalid(struct request *req, struct response *res, const char *why);
/** Document by name in the request's region; new, NULL: there is none. */
cJSON *ssm_parameter(struct request *req, const char *name);
/** A copy without its private members. */
cJSON *ssm_public(const cJSON *doc);
/** Whether the tags are valid, also together with those of `doc` (may be NULL); -1: an error is answered. */
int ssm_check_tags(struct request *req, struct response *res, const cJSON *tags, const cJSON *doc);
/** Adds [{Key, Value}] to the document. */
void ssm_merge_tags(cJSON *doc, const cJSON *tags);

handler_fn ssm_put, ssm_get, ssm_get_some, ssm_delete, ssm_delete_some;      /* ssm.c */
handler_fn ssm_get_by_path, ssm_describe;                                    /* ssm_list.c */
handler_fn ssm_add_tags, ssm_remove_tags, ssm_list_tags;                     /* ssm_tags.c */

#endif
