/* SPDX-License-Identifier: Apache-2.0 */
/* What methods of an API share: models, request validators, authorizers. */
#ifndef APIGW_MODELS_H
#define APIGW_MODELS_H

#include "apigw.h"

/** Stores a model; one of that name keeps its id. `description` may be NULL. */
void apigw_save_model(struct request *req, const char *api, const char *name, const char *type, const char *description, const char *schema);
/** The models "Empty" and "Error" that each API begins with. */
void apigw_default_models(struct request *req, const char *api);
/** Is the text a schema that can be enforced here? -1: answered. NULL is none. */
int apigw_check_schema(struct request *req, struct response *res, const char *schema);
/** The authorizer in the path; NULL: the 404 is answered. New. */
cJSON *apigw_authorizer(struct request *req, struct response *res);
/** Valid authorizer? -1: answered. Sets what AWS defaults. */
int apigw_check_authorizer(struct request *req, struct response *res, cJSON *authorizer);

#endif
