/* SPDX-License-Identifier: Apache-2.0 */
/* An OpenAPI document on its way into an API. Functions that return int give -1 when the refusal is answered. */
#ifndef APIGW_IMPORT_H
#define APIGW_IMPORT_H

#include "apigw_models.h"

struct import {
	struct request *req;
	struct response *res;
	const cJSON *doc;
	cJSON *api;
	cJSON *resources;   /* [resource]; those with "_keep" are stored in the end */
	cJSON *validators;  /* stored ones; the document's are added                */
	cJSON *authorizers;
};

/** Models, request validators and authorizers; those of the same name keep their ids. Overwriting removes the others. */
int import_shared(struct import *im, bool merge);
/** Policy, key source and compression of the API. */
void import_settings(struct import *im);
/** authorizationType, authorizerId and apiKeyRequired of an operation. */
void import_security(const struct import *im, const cJSON *operation, cJSON *method);
/** requestParameters, requestModels and requestValidatorId of an operation. */
int import_request(struct import *im, const cJSON *path, const cJSON *operation, cJSON *method);
/** responseModels of one response of an operation. */
void import_response_models(const struct import *im, const cJSON *from, cJSON *response);

#endif
