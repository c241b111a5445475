/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of CloudWatch Logs share. A group is a document and a folder; a stream is a file of JSON lines {"t": ms, "m": text}. */
#ifndef LAMBDA_LOGS_H
#define LAMBDA_LOGS_H

#include "lambda_internal.h"

#define LOG_EVENTS_MAX 10000 /* of a call */

/** Folder of a group; new. */
char *logs_group_dir(const struct cloud *c, const char *region, const char *group);
/** Name of the group in the request: by name, or by ARN in `member`. New; NULL when answered. */
char *logs_group_name(struct request *req, struct response *res, const char *member);
/** The group's document; NULL when answered. New. */
cJSON *logs_require(struct request *req, struct response *res, const char *name);
void logs_answer_empty(struct request *req, struct response *res);

handler_fn logs_create_stream, logs_delete_stream, logs_put_events; /* lambda_logs_put.c */

#endif
