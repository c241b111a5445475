/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read before every source by `make lint`, never by a compiler: tells clang-tidy what the
 * headers say in words. It looks at one file at a time, so it does not see that these functions
 * always fail, and follows paths on which an error is no error.
 */
#include "base/error.h"

#include <cjson/cJSON.h>

#define rn_fail(...) (rn_fail(__VA_ARGS__), -1)
#define rn_wrap(...) (rn_wrap(__VA_ARGS__), -1)
#define rn_hint(...) (rn_hint(__VA_ARGS__), -1)
#define rn_at(...) (rn_at(__VA_ARGS__), -1)

/* NULL is of no type. */
#define cJSON_IsString(item) ((item) && cJSON_IsString(item))
#define cJSON_IsNumber(item) ((item) && cJSON_IsNumber(item))
#define cJSON_IsObject(item) ((item) && cJSON_IsObject(item))
#define cJSON_IsArray(item) ((item) && cJSON_IsArray(item))
