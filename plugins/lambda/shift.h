/* SPDX-License-Identifier: Apache-2.0 */
/* The `shift` parameter: how an alias moves to a new version. Pure. */
#ifndef LAMBDA_SHIFT_H
#define LAMBDA_SHIFT_H

#include "base/error.h"
#include "params.h"

struct shift {
	bool wanted;
	double weight;  /* part of the calls that the new version gets first, above 0 and below 1 */
	int64_t for_ms; /* how long */
};

/** {weight: 0.1 or "10%", for: 5m}; not given: not wanted. RN_EINVAL for another form, or without an alias. */
int shift_parse(const struct lambda_params *p, struct shift *ret, struct rn_error *err);

#endif
