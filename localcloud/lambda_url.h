/* SPDX-License-Identifier: Apache-2.0 */
/* Function URLs, ENDPOINT/lambda-url/REGION/ID/PATH: who may call them, the event (payload format 2.0), the answer. */
#ifndef LAMBDA_URL_H
#define LAMBDA_URL_H

#include "lambda_internal.h"

/** Is the request a call of a function by its URL? */
bool url_is_call(const struct request *req);
void url_handle(struct request *req, struct response *res);

/* ---- between its files ---- */

struct url_call {
	struct request *req;
	struct response *res;
	char *region, *id;
	char *path;    /* below the URL, as sent, begins with '/' */
	cJSON *config; /* owned */
};
/** The event that the function gets. New text. */
char *url_event(const struct url_call *call);
/** Answers what the function gave. RN_EINVAL: it is none of HTTP. */
int url_answer(struct url_call *call, const struct lambda_result *result, struct rn_error *err);

#endif
