/* SPDX-License-Identifier: Apache-2.0 */
/* One request with its expectation, tried until it is met or time is over. */
#ifndef SMOKE_PROBE_H
#define SMOKE_PROBE_H

#include "base/json.h"
#include "http/http.h"
#include "stage/stage.h"

struct smoke_params {
	const char *url;
	const char *method;
	struct runner_map headers;
	struct runner_json json;
	const char *body;
	struct runner_json expect;
	struct runner_json requests;
	struct runner_duration retry_for;
	struct runner_duration timeout;
	bool follow_redirects;
	bool insecure;
};

struct probe {
	char *name;    /* for people: "GET http://…" or the name given */
	char *method;
	char *url;     /* NULL: not known yet */
	struct http_headers headers;
	char *body;    /* NULL: none */
	cJSON *expect; /* NULL: any 2xx */
	int64_t retry_ms;
	/* by the pipeline: then every difference is tried again, not only those that may settle */
	bool retry_given;
};

struct probes {
	struct probe *v;
	size_t n;
};

/** From the parameters: `requests`, or the one that the others describe. Everything is checked. */
int probes_init(struct probes *ps, struct stage *s, const struct smoke_params *p,
		struct rn_error *err);
void probes_clear(struct probes *ps);

/** Sends until the expectation is met; *answer is the last one, also on failure. */
int probe_run(const struct probe *q, struct stage *s, struct http_client *http,
	      const struct smoke_params *p, struct http_response *answer, struct rn_error *err);

#endif
