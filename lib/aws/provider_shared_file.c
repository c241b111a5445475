/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of the profile in the shared credentials file. */
#include "provider.h"

static int load(const struct aws_provider_request *q, struct aws_credentials *ret,
		struct rn_error *err)
{
	return aws_static_keys(q, AWS_FILE_CREDENTIALS, "shared credentials file", ret, err);
}

const struct aws_provider aws_provider_shared_file = { "shared credentials file", load };
