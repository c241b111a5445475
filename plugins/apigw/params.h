/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of the stage, as the host fills them. */
#ifndef APIGW_PARAMS_H
#define APIGW_PARAMS_H

#include <runner/plugin.h>

struct apigw_params {
	const char *api_name;
	const char *description;
	const char *endpoint_type;
	struct runner_list binary_media_types;
	const char *resource;
	const char *method;
	const char *function;
	struct runner_json routes;
	const char *openapi;
	const char *authorization;
	struct runner_json authorizer;
	struct runner_json cors;
	struct runner_duration integration_timeout;
	const char *stage;
	struct runner_map stage_variables;
	bool tracing;
	struct runner_json throttle;
	const char *log_level;
	bool log_data;
	bool metrics;
	struct runner_json access_log;
	bool api_key_required;
	struct runner_json api_key;
	struct runner_json usage_plan;
	int64_t keep_deployments;
	struct runner_map tags;
	const char *region;
};

#endif
