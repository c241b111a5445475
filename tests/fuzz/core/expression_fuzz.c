/* SPDX-License-Identifier: Apache-2.0 */
/* The text between ${{ and }}: parsed and evaluated against a scope where everything has a value. */
#include "core/expression.h"

#include "base/str.h"

#include <stdlib.h>

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int value_of(void *ctx, const char *name, struct value *ret, struct rn_error *err)
{
	(void)ctx;
	(void)err;
	ret->json = cJSON_CreateString(name);
	return 0;
}

static int output_of(void *ctx, const char *stage, const char *output, struct value *ret, struct rn_error *err)
{
	(void)ctx;
	if (output[0] == 'x')
		return rn_fail(err, RN_ENOTFOUND, "%s has no output %s", stage, output);
	ret->json = cJSON_Parse("{\"a\":[1,{\"b\":null}]}");
	return 0;
}

static bool status_of(void *ctx, enum scope_status what)
{
	(void)ctx;
	return what == SCOPE_SUCCESS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rn_error err = { 0 };
	struct value value = { 0 };
	struct scope scope = { .var = value_of, .env = value_of, .secret = value_of, .output = output_of, .status = status_of };
	size_t at;
	struct expression *e = expression_parse((const char *)data, size, &at, &err);
	if (e && expression_eval(e, &scope, &value, &err) == 0)
		value_clear(&value);
	expression_free(e);
	return 0;
}
