/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of the stage, as the host fills them. */
#ifndef LAMBDA_PARAMS_H
#define LAMBDA_PARAMS_H

#include <runner/plugin.h>

struct lambda_params {
	const char *function_name;
	const char *image;
	const char *role;
	const char *description;
	struct runner_duration timeout;
	int64_t memory;            /* MB */
	int64_t ephemeral_storage; /* MB */
	bool publish;
	const char *alias;
	struct runner_json shift;
	struct runner_map environment;
	const char *kms_key;
	const char *architecture;
	struct runner_json image_config;
	struct runner_json vpc;
	struct runner_json file_system;
	const char *tracing;
	const char *log_format;
	const char *log_level;        /* NULL: INFO, with log_format JSON only */
	const char *system_log_level;
	const char *log_group;
	const char *dead_letter;
	int64_t log_retention;        /* days; 0: the log group is left alone */
	int64_t reserved_concurrency; /* -1: none                             */
	const char *recursive_loop;   /* NULL: left as it is                  */
	struct runner_json async;     /* `false`: none; text NULL: left as it is */
	int64_t provisioned_concurrency; /* 0: none                           */
	struct runner_json url;       /* `false`: none; text NULL: left as it is */
	struct runner_map tags;
	struct runner_json test_event;
	struct runner_json test_expect;
	struct runner_duration role_wait;
	const char *region;
};

#endif
