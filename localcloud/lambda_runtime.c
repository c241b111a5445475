/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Runtime API, 2018-06-01: how the program of an image asks for events and answers
 * them. Each instance has a port of its own on the loopback, so that the port tells who asks.
 */
#include "lambda_internal.h"

#include "base/time.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PREFIX "/2018-06-01/runtime/"
#define RESPONSE_MAX ((size_t)6291556) /* AWS's ceiling of a response */
#define CONNECTIONS_MAX 64
#define STACK_SIZE ((size_t)512 << 10)

/* One request being received. */
struct call {
	struct rn_buf body;
};

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, const char *json)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(strlen(json), (void *)(uintptr_t)json, MHD_RESPMEM_MUST_COPY);
	MHD_add_response_header(r, "Content-Type", "application/json");
	enum MHD_Result rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned status, const char *type, const char *message)
{
	RN_AUTO(rn_freep) char *json =
		rn_asprintf("{\"errorType\":\"%s\",\"errorMessage\":\"%s\"}", type, message);
	return answer(c, status, json);
}

static void add_header(struct MHD_Response *r, const char *name, const char *value)
{
	if (value && *value)
		MHD_add_response_header(r, name, value);
}

/* The event's answer, made under the lock: the invocation belongs to its invoker. */
static struct MHD_Response *event(const struct invocation *inv)
{
	char deadline[24];
	snprintf(deadline, sizeof(deadline), "%lld", (long long)inv->deadline_wall);
	struct MHD_Response *r = MHD_create_response_from_buffer(inv->n, (void *)(uintptr_t)inv->payload,
								 MHD_RESPMEM_MUST_COPY);
	char random[25];
	RN_AUTO(rn_freep) char *trace =
		rn_asprintf("Root=1-%08llx-%s;Sampled=0", (unsigned long long)(rn_wall_ms() / 1000),
			    rn_random_hex(12, random));
	add_header(r, "Content-Type", "application/json");
	add_header(r, "Lambda-Runtime-Aws-Request-Id", inv->id);
	add_header(r, "Lambda-Runtime-Deadline-Ms", deadline);
	add_header(r, "Lambda-Runtime-Invoked-Function-Arn", inv->arn);
	add_header(r, "Lambda-Runtime-Trace-Id", trace);
	add_header(r, "Lambda-Runtime-Client-Context", inv->client_context);
	return r;
}

static enum MHD_Result next(struct instance *in, struct MHD_Connection *c)
{
	struct lambda *l = in->lambda;
	struct MHD_Response *r = NULL;
	pthread_mutex_lock(&l->lock);
	if (in->state == INSTANCE_INIT)
		in->init_ms = lambda_since(&in->born);
	in->state = INSTANCE_IDLE;
	pthread_cond_broadcast(&in->changed);
	while (!in->dead && !(in->current && !in->current->delivered))
		pthread_cond_wait(&in->changed, &l->lock);
	if (!in->dead) {
		struct invocation *inv = in->current;
		inv->delivered = true;
		inv->deadline_wall += rn_wall_ms();
		clock_gettime(CLOCK_MONOTONIC, &inv->began);
		in->state = INSTANCE_BUSY;
		r = event(inv);
		pthread_cond_broadcast(&in->changed);
	}
	pthread_mutex_unlock(&l->lock);
	if (!r)
		return MHD_NO;
	enum MHD_Result rc = MHD_queue_response(c, 200, r);
	MHD_destroy_response(r);
	return rc;
}

/* The answer or the error of an event. */
static enum MHD_Result finish(struct instance *in, struct MHD_Connection *c, struct call *call, const char *id,
			      size_t id_len, bool failed)
{
	struct lambda *l = in->lambda;
	const char *type = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Type");
	bool known, large = call->body.overflow;
	pthread_mutex_lock(&l->lock);
	struct invocation *inv = in->current;
	known = inv && inv->delivered && !inv->done && strlen(inv->id) == id_len && !memcmp(inv->id, id, id_len);
	if (known) {
		inv->duration_ms = lambda_since(&inv->began);
		inv->done = true;
		inv->failed = failed;
		inv->too_large = large;
		snprintf(inv->content_type, sizeof(inv->content_type), "%s", type ? type : "");
		inv->response = call->body;
		call->body = (struct rn_buf)RN_BUF_INIT;
		pthread_cond_broadcast(&in->changed);
	}
	pthread_mutex_unlock(&l->lock);
	if (!known)
		return refuse(c, 400, "InvalidRequestID", "Invalid request ID");
	if (large)
		return refuse(c, 413, "Function.ResponseSizeTooLarge", "Response payload size exceeded");
	return answer(c, 202, "{\"status\":\"OK\"}");
}

static enum MHD_Result init_error(struct instance *in, struct MHD_Connection *c, struct call *call)
{
	struct lambda *l = in->lambda;
	pthread_mutex_lock(&l->lock);
	bool early = in->state == INSTANCE_INIT;
	if (early && !in->failed_init) {
		in->failed_init = true;
		in->init_error = call->body;
		call->body = (struct rn_buf)RN_BUF_INIT;
		pthread_cond_broadcast(&in->changed);
	}
	pthread_mutex_unlock(&l->lock);
	if (!early)
		return refuse(c, 403, "InvalidStateTransition", "State transition is not allowed");
	return answer(c, 202, "{\"status\":\"OK\"}");
}

static enum MHD_Result dispatch(struct instance *in, struct MHD_Connection *c, const char *url, const char *method,
				struct call *call)
{
	bool get = !strcmp(method, "GET");
	const char *rest = rn_starts(url, PREFIX) ? url + strlen(PREFIX) : "";
	if (get && !strcmp(rest, "invocation/next"))
		return next(in, c);
	if (!get && !strcmp(rest, "init/error"))
		return init_error(in, c, call);
	const char *id = rest + strlen("invocation/"), *slash = rn_starts(rest, "invocation/") ? strchr(id, '/') : NULL;
	if (!get && slash && !strcmp(slash, "/response"))
		return finish(in, c, call, id, (size_t)(slash - id), false);
	if (!get && slash && !strcmp(slash, "/error"))
		return finish(in, c, call, id, (size_t)(slash - id), true);
	return refuse(c, 404, "NotFound", "no such path in the Runtime API");
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *c, const char *url, const char *method,
			      const char *version, const char *data, size_t *n, void **state)
{
	(void)version;
	struct call *call = *state;
	if (!call) {
		call = *state = rn_alloc(sizeof(*call));
		rn_buf_init(&call->body, RESPONSE_MAX);
		return MHD_YES;
	}
	if (*n) {
		rn_buf_add(&call->body, data, *n); /* over the ceiling: noted in the buffer */
		*n = 0;
		return MHD_YES;
	}
	return dispatch(cls, c, url, method, call);
}

static void completed(void *cls, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why)
{
	(void)cls;
	(void)c;
	(void)why;
	struct call *call = *state;
	if (!call)
		return;
	rn_buf_clear(&call->body);
	free(call);
	*state = NULL;
}

static int listen_loopback(int *ret_port, struct rn_error *err)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &size) < 0) {
		rn_fail(err, RN_EIO, "listen for the Runtime API: %m");
		rn_closep(&fd);
		return -1;
	}
	*ret_port = ntohs(a.sin_port);
	return fd;
}

int runtime_start(struct instance *in, struct rn_error *err)
{
	int fd = listen_loopback(&in->port, err);
	if (fd < 0)
		return -1;
	in->api = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
					   MHD_USE_ITC,
				   0, NULL, NULL, handle, in, MHD_OPTION_LISTEN_SOCKET, fd,
				   MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
				   (unsigned)CONNECTIONS_MAX, MHD_OPTION_THREAD_STACK_SIZE, STACK_SIZE, MHD_OPTION_END);
	if (!in->api) {
		close(fd);
		return rn_fail(err, RN_EIO, "serve the Runtime API");
	}
	return 0;
}

void runtime_stop(struct instance *in)
{
	if (in->api)
		MHD_stop_daemon(in->api);
	in->api = NULL;
}
