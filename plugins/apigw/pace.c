/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API Gateway's fixed quotas of its control plane ("Amazon API Gateway quotas"). The time of
 * the last call is kept in a locked file of the cache folder, so that runs on one machine
 * share the pace. Custom endpoints have no such quotas and are not slowed down.
 */
#include "api.h"

#include "base/fs.h"
#include "base/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *operation;
	int64_t interval_ms;
	int64_t edge_interval_ms;
	const char *words;
} quotas[] = {
	{ "CreateRestApi", 3000, 30000, "one in 3 s (30 s for EDGE)" },
	{ "DeleteRestApi", 30000, 30000, "one in 30 s" },
	{ "CreateDeployment", 5000, 5000, "one in 5 s" },
	{ "CreateResource", 200, 200, "five a second" },
	{ "DeleteResource", 200, 200, "five a second" },
	{ "CreateApiKey", 200, 200, "five a second" },
	{ "DeleteApiKey", 200, 200, "five a second" },
};

static int find(const char *operation)
{
	for (size_t i = 0; i < RN_LEN(quotas); i++)
		if (strcmp(quotas[i].operation, operation) == 0)
			return (int)i;
	return -1;
}

int64_t api_pace_interval(const char *operation, bool edge)
{
	int i = find(operation);
	if (i < 0)
		return 0;
	return edge ? quotas[i].edge_interval_ms : quotas[i].interval_ms;
}

static int wait_for_turn(struct api *a, int quota, int64_t ms, struct rn_error *err)
{
	if (ms >= 1000)
		stage_info(a->s, "waiting %lld s: %s is limited to %s", (long long)(ms + 999) / 1000,
			   quotas[quota].operation, quotas[quota].words);
	if (rn_sleep_ms(ms, aws_session_cancel_fd(a->session)) < 0)
		return rn_fail(err, RN_ECANCELLED, "stopped while waiting for %s", quotas[quota].operation);
	return 0;
}

/* Under the lock: waits until `interval` after the time in the file, then writes the present time. */
static int take_turn(struct api *a, int quota, int fd, int64_t interval, struct rn_error *err)
{
	char text[32] = { 0 };
	int64_t now = rn_wall_ms();
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	int64_t last = n > 0 ? strtoll(text, NULL, 10) : 0;
	int64_t left = last + interval - now;
	if (last <= now && left > 0 && wait_for_turn(a, quota, left, err) < 0)
		return -1;
	int length = snprintf(text, sizeof text, "%019lld", (long long)rn_wall_ms());
	if (pwrite(fd, text, (size_t)length, 0) != length)
		return rn_fail(err, RN_EIO, "write the pace of %s: %m", quotas[quota].operation);
	return 0;
}

int api_pace(struct api *a, const char *operation, struct rn_error *err)
{
	int quota = find(operation);
	const char *cache = a->s->host->info(a->s->rs, RUNNER_INFO_CACHE);
	if (quota < 0 || !cache || aws_session_custom_endpoint(a->session, "apigateway"))
		return 0;
	bool edge = rn_streq(a->p->endpoint_type, "EDGE");
	RN_AUTO(rn_freep) char *dir = rn_path_join(cache, "apigw-pace");
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s/%s-%s", dir, aws_client_region(a->client), operation);
	if (rn_mkdirs(dir, 0700, err) < 0)
		return -1;
	RN_AUTO(rn_closep) int fd = rn_lock_file(path, false, true, err);
	return fd < 0 ? -1 : take_turn(a, quota, fd, api_pace_interval(operation, edge), err);
}
