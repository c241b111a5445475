/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's side of a probe: what runner-sandbox --probe printed, as a struct. */
#include "sandbox.h"

#include "base/json.h"
#include "base/proc.h"

#include <stdio.h>
#include <stdlib.h>

#define OUTPUT_MAX ((size_t)256 << 10)
#define TIMEOUT_MS 60000

static void read_host(const cJSON *j, struct sandbox_host *h)
{
	int64_t rung = rn_json_int(j, "rung", SANDBOX_NONE);
	h->rung = rung >= SANDBOX_NONE && rung <= SANDBOX_ROOT ? (enum sandbox_rung)rung : SANDBOX_NONE;
	h->overlay = rn_json_bool(j, "overlay", false);
	h->userxattr = rn_json_bool(j, "userxattr", false);
	h->net_none = rn_json_bool(j, "net_none", false);
	h->cgroup = rn_json_bool(j, "cgroup", false);
	h->ids = (uint64_t)rn_json_int(j, "ids", 0);
	h->summary = rn_strdup(rn_json_str(j, "summary"));
	h->cure = rn_strdup(rn_json_str(j, "cure"));
	const cJSON *checks = rn_json_get(j, "checks"), *c;
	h->checks = rn_alloc(((size_t)cJSON_GetArraySize(checks) + 1) * sizeof(*h->checks));
	cJSON_ArrayForEach(c, checks)
		h->checks[h->n_checks++] = (struct sandbox_check){
			.name = rn_strdup(rn_json_str(c, "name")),
			.ok = rn_json_bool(c, "ok", false),
			.detail = rn_strdup(rn_json_str(c, "detail")),
			.cure = rn_strdup(rn_json_str(c, "cure")),
		};
}

int sandbox_probe_at_most(const char *dir, enum sandbox_rung best, struct sandbox_host *ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *helper = sandbox_helper(err);
	if (!helper)
		return -1;
	RN_AUTO(rn_buf_clear) struct rn_buf out = RN_BUF_INIT, errors = RN_BUF_INIT;
	rn_buf_init(&out, OUTPUT_MAX);
	rn_buf_init(&errors, OUTPUT_MAX);
	char rung[12];
	snprintf(rung, sizeof(rung), "%d", (int)best);
	const char *argv[] = { helper, "--probe", dir, rung, NULL };
	int rc = rn_run(argv, NULL, NULL, &out, &errors, TIMEOUT_MS, err);
	if (rc < 0)
		return rn_wrap(err, "probe the sandbox");
	if (rc > 0)
		return rn_fail(err, RN_EIO, "probe the sandbox in %s: %s", dir, rn_buf_str(&errors));
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse(rn_buf_str(&out), out.len, err);
	if (!j)
		return rn_wrap(err, "probe the sandbox");
	*ret = (struct sandbox_host){ 0 };
	read_host(j, ret);
	return 0;
}

int sandbox_probe(const char *dir, struct sandbox_host *ret, struct rn_error *err)
{
	return sandbox_probe_at_most(dir, SANDBOX_ROOT, ret, err);
}

void sandbox_host_clear(struct sandbox_host *h)
{
	for (size_t i = 0; i < h->n_checks; i++) {
		free(h->checks[i].name);
		free(h->checks[i].detail);
		free(h->checks[i].cure);
	}
	free(h->checks);
	free(h->summary);
	free(h->cure);
	*h = (struct sandbox_host){ 0 };
}
