/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include "base/encode.h"
#include "base/fs.h"
#include "base/time.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 512
#define IDLE_SECONDS 120
#define STACK_SIZE (2u << 20)
/* UploadLayerPart carries 20 MiB in base64 and is the largest body kept in memory. */
#define BODY_MAX (32u << 20)

struct server {
	struct MHD_Daemon *daemon;
	struct cloud *cloud;
	struct server_hooks hooks;
};

/* A request with what only this file needs. */
struct exchange {
	struct request req;
	int64_t started_ms;
	bool begun;
};

/* ---- pairs ---- */

void pairs_add(struct pairs *l, const char *name, const char *value)
{
	l->v = rn_grow(l->v, &l->cap, l->n + 1, sizeof(*l->v));
	l->v[l->n].name = rn_strdup(name);
	l->v[l->n++].value = rn_strdup(value ? value : "");
}

const char *pairs_get(const struct pairs *l, const char *name, bool nocase)
{
	for (size_t i = 0; i < l->n; i++)
		if (nocase ? !strcasecmp(l->v[i].name, name) : !strcmp(l->v[i].name, name))
			return l->v[i].value;
	return NULL;
}

void pairs_clear(struct pairs *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].name);
		free(l->v[i].value);
	}
	free(l->v);
	*l = (struct pairs){ 0 };
}

void pairs_parse(struct pairs *l, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "&");
		if (n > 0) {
			RN_AUTO(rn_freep) char *item = rn_strndup(text, n);
			char *value = strchr(item, '=');
			if (value)
				*value++ = '\0';
			RN_AUTO(rn_freep) char *name = rn_percent_decode(item, true);
			RN_AUTO(rn_freep) char *decoded =
				rn_percent_decode(value ? value : "", true);
			pairs_add(l, name, decoded);
		}
		text += n;
		if (*text == '&')
			text++;
	}
}

/* ---- what handlers see ---- */

const char *request_header(const struct request *req, const char *name)
{
	return pairs_get(&req->headers, name, true);
}

const char *request_arg(const struct request *req, const char *name)
{
	return pairs_get(&req->args, name, false);
}

const char *request_param(const struct request *req, const char *name)
{
	return pairs_get(&req->params, name, false);
}

const char *request_form(const struct request *req, const char *name)
{
	return pairs_get(&req->form, name, false);
}

void response_init(struct response *res)
{
	*res = (struct response){ .fd = -1 };
}

void response_clear(struct response *res)
{
	pairs_clear(&res->headers);
	rn_buf_clear(&res->body);
	rn_closep(&res->fd);
	response_init(res);
}

void response_header(struct response *res, const char *name, const char *fmt, ...)
{
	struct rn_buf b = RN_BUF_INIT;
	va_list ap;
	va_start(ap, fmt);
	rn_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	RN_AUTO(rn_freep) char *value = rn_buf_take(&b);
	for (char *p = value; *p; p++)
		if ((unsigned char)*p < ' ' && *p != '\t')
			*p = ' ';
	pairs_add(&res->headers, name, value);
}

void response_body(struct response *res, int status, const char *type, const void *data, size_t n)
{
	res->status = status;
	rn_buf_reset(&res->body);
	if (n > 0)
		rn_buf_add(&res->body, data, n);
	if (type)
		response_header(res, "Content-Type", "%s", type);
}

void response_json(const struct request *req, struct response *res, int status, cJSON *doc)
{
	if (!doc) {
		response_body(res, status, NULL, NULL, 0);
		return;
	}
	RN_AUTO(rn_freep) char *text = rn_json_print(doc);
	cJSON_Delete(doc);
	response_body(res, status,
		      req->protocol == PROTOCOL_JSON ? "application/x-amz-json-1.1"
						     : "application/json",
		      text, strlen(text));
}

/* ---- one exchange ---- */

static void exchange_free(struct exchange *x)
{
	struct request *req = &x->req;
	if (req->free_sink_data && req->sink_data)
		req->free_sink_data(req->sink_data);
	free(req->method);
	free(req->path);
	free(req->query);
	pairs_clear(&req->headers);
	pairs_clear(&req->args);
	pairs_clear(&req->params);
	pairs_clear(&req->form);
	rn_buf_clear(&req->body);
	free(req->region);
	free(req->service);
	free(req->caller_arn);
	free(req->caller_id);
	free(req->source_ip);
	cJSON_Delete(req->json);
	free(x);
}

/* Called first of all, with the address before libmicrohttpd decodes it. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
	(void)connection;
	struct server *s = cls;
	struct exchange *x = rn_alloc(sizeof(*x));
	struct request *req = &x->req;
	req->cloud = s->cloud;
	size_t n = strcspn(uri, "?");
	req->path = rn_strndup(uri, n);
	req->query = rn_strdup(uri[n] ? uri + n + 1 : "");
	pairs_parse(&req->args, req->query);
	rn_buf_init(&req->body, BODY_MAX);
	cloud_uuid(req->id);
	x->started_ms = rn_now_ms();
	return x;
}

/* libmicrohttpd would decode the path; handlers need it as sent. */
static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *s)
{
	(void)cls;
	(void)connection;
	return strlen(s);
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
				 const char *value)
{
	(void)kind;
	pairs_add(cls, name, value);
	return MHD_YES;
}

static void take_peer(struct request *req, struct MHD_Connection *connection)
{
	char text[INET6_ADDRSTRLEN] = "127.0.0.1";
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (info && info->client_addr && info->client_addr->sa_family == AF_INET)
		inet_ntop(AF_INET,
			  &((const struct sockaddr_in *)(const void *)info->client_addr)->sin_addr,
			  text, sizeof(text));
	req->source_ip = rn_strdup(text);
}

static void take_body(struct request *req, const char *data, size_t n)
{
	if (req->body_error.code != RN_OK)
		return;
	if (req->sink) {
		if (req->sink(req, data, n, &req->body_error) < 0 && req->body_error.code == RN_OK)
			rn_fail(&req->body_error, RN_EIO, "the body could not be stored");
		return;
	}
	if (rn_buf_add(&req->body, data, n) < 0)
		rn_fail(&req->body_error, RN_ELIMIT, "the request body is larger than %u bytes",
			BODY_MAX);
}

static enum MHD_Result send_response(struct MHD_Connection *connection, struct exchange *x,
				     struct response *res)
{
	struct MHD_Response *out;
	if (res->fd >= 0) {
		out = MHD_create_response_from_fd_at_offset64(res->fd_size, res->fd,
							      res->fd_offset);
		if (out)
			res->fd = -1;
	} else {
		size_t n = res->body.len;
		char *body = rn_buf_take(&res->body);
		out = MHD_create_response_from_buffer(n, body, MHD_RESPMEM_MUST_FREE);
		if (!out)
			free(body);
	}
	if (!out)
		return MHD_NO;
	for (size_t i = 0; i < res->headers.n; i++)
		MHD_add_response_header(out, res->headers.v[i].name, res->headers.v[i].value);
	if (!pairs_get(&res->headers, "x-amzn-RequestId", true))
		MHD_add_response_header(out, "x-amzn-RequestId", x->req.id);
	enum MHD_Result rc = MHD_queue_response(connection, (unsigned)res->status, out);
	MHD_destroy_response(out);
	return rc;
}

/* The client sees a reset, as when a machine on the way goes down. */
static enum MHD_Result cut_connection(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	const struct linger at_once = { .l_onoff = 1 };
	if (info)
		setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	return MHD_NO;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *n, void **state)
{
	(void)url;
	(void)version;
	struct server *s = cls;
	struct exchange *x = *state;
	if (!x)
		return MHD_NO;
	struct request *req = &x->req;
	if (!x->begun) {
		x->begun = true;
		req->method = rn_strdup(method);
		MHD_get_connection_values(connection, MHD_HEADER_KIND, on_header, &req->headers);
		take_peer(req, connection);
		s->hooks.begin(req);
		return MHD_YES;
	}
	if (*n > 0) {
		take_body(req, data, *n);
		*n = 0;
		return MHD_YES;
	}
	struct response res;
	response_init(&res);
	s->hooks.handle(req, &res);
	/* without the query: it may carry a token */
	cloud_log(req->cloud, "%s %s %d %lld ms%s%s", req->method, req->path, res.status,
		  (long long)(rn_now_ms() - x->started_ms), req->operation ? " " : "",
		  req->operation ? req->operation : "");
	enum MHD_Result rc = res.cut ? cut_connection(connection) : send_response(connection, x, &res);
	response_clear(&res);
	return rc;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode why)
{
	(void)cls;
	(void)connection;
	(void)why;
	if (*state)
		exchange_free(*state);
	*state = NULL;
}

/* ---- the server ---- */

int server_listen(const char *host, int port, int *ret_port, struct rn_error *err)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		return rn_fail(err, RN_EINVAL, "\"%s\" is not an IPv4 address", host);
	RN_AUTO(rn_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return rn_fail(err, RN_EIO, "socket: %m");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 256) < 0) {
		if (errno != EADDRINUSE)
			return rn_fail(err, RN_EIO, "listen on %s:%d: %m", host, port);
		rn_fail(err, RN_EEXISTS, "port %d on %s is in use by another program", port, host);
		return rn_hint(err, "choose another --port, or leave it out to get a free one");
	}
	socklen_t size = sizeof(address);
	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return rn_fail(err, RN_EIO, "getsockname: %m");
	*ret_port = ntohs(address.sin_port);
	return rn_take_fd(&fd);
}

struct server *server_start(struct cloud *cloud, int listen_fd, const struct server_hooks *hooks,
			    struct rn_error *err)
{
	struct server *s = rn_alloc(sizeof(*s));
	s->cloud = cloud;
	s->hooks = *hooks;
	/* order matters to libmicrohttpd: the callbacks first */
	s->daemon = MHD_start_daemon(
		MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
			MHD_USE_ITC,
		0, NULL, NULL, on_request, s, MHD_OPTION_URI_LOG_CALLBACK, on_uri, s,
		MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, s, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listen_fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)128 << 10, MHD_OPTION_THREAD_STACK_SIZE,
		(size_t)STACK_SIZE, MHD_OPTION_END);
	if (!s->daemon) {
		close(listen_fd);
		free(s);
		rn_fail(err, RN_EIO, "the HTTP server could not start: %m");
		return NULL;
	}
	return s;
}

void server_quiesce(struct server *s)
{
	if (!s)
		return;
	MHD_socket fd = MHD_quiesce_daemon(s->daemon);
	if (fd != MHD_INVALID_SOCKET)
		close(fd);
}

void server_stop(struct server *s)
{
	if (!s)
		return;
	MHD_stop_daemon(s->daemon);
	free(s);
}
