/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Lambda function in C without any library: squares of the numbers it is sent.
 *
 *   {"body": [1, 2, 3]}                an event sent directly
 *   {"body": "[1, 2, 3]", ...}         what API Gateway sends (isBase64Encoded is understood)
 *   -> {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": "[1, 4, 9]"}
 *
 * It speaks the Lambda Runtime API: ask for an event, answer it, for ever.
 */
#include "json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENT_MAX (6u << 20) /* Lambda's ceiling of an event */
#define HEAD_MAX 16384u

/* ---- the function ---- */

static int bad_request(struct text *out, const char *why)
{
	text_add(out, "{\"statusCode\":400,\"headers\":{\"content-type\":\"application/json\"},\"body\":");
	struct text body = { 0 };
	text_add(&body, "{\"error\":");
	text_quote(&body, why);
	text_add(&body, "}");
	text_quote(out, body.p);
	text_add(out, "}");
	free(body.p);
	return 0;
}

/* Writes "[1, 4, 9]"; NULL, or what is wrong with the list. */
static const char *square_all(const char *list, struct text *out)
{
	struct json item;
	struct json j = json_parse(list);
	if (j.type != JSON_ARRAY)
		return "the body must be a list of numbers, for example [1, 2, 3]";
	text_add(out, "[");
	for (bool first = true; json_next(&j, NULL, &item); first = false) {
		if (item.type != JSON_NUMBER)
			return "every item of the list must be a number";
		char number[40];
		snprintf(number, sizeof(number), "%s%.17g", first ? "" : ", ", item.number * item.number);
		if (strpbrk(number, "if")) /* inf, nan */
			return "a number is too large to be squared";
		text_add(out, number);
	}
	text_add(out, "]");
	return NULL;
}

/* Answers one event: the text between API Gateway and the numbers. */
static void handle(const char *event, struct text *out)
{
	struct json j, key, value, body = { .type = JSON_NONE };
	bool base64 = false;
	if (!json_valid(event)) {
		bad_request(out, "the event is not JSON");
		return;
	}
	j = json_parse(event);
	while (j.type == JSON_OBJECT && json_next(&j, &key, &value)) {
		if (json_is(&key, "body"))
			body = value;
		else if (json_is(&key, "isBase64Encoded"))
			base64 = value.type == JSON_TRUE;
	}
	char *text = body.type == JSON_STRING ? json_string(&body) : NULL;
	const char *why = NULL;
	if (text && base64 && !base64_decode(text))
		why = "the body is not base64";
	else if (text && !json_valid(text))
		why = "the body is not JSON";
	struct text squares = { 0 };
	if (!why)
		why = square_all(text ? text : body.type == JSON_NONE ? "null" : body.at, &squares);
	if (why) {
		bad_request(out, why);
	} else {
		text_add(out, "{\"statusCode\":200,\"headers\":{\"content-type\":\"application/json\"},\"body\":");
		text_quote(out, squares.p);
		text_add(out, "}");
	}
	free(squares.p);
	free(text);
}

/* ---- the Runtime API: HTTP/1.1 over one connection that stays open ---- */

struct runtime {
	const char *host; /* as in AWS_LAMBDA_RUNTIME_API */
	struct sockaddr_in address;
	int fd;
};

static void die(const char *what)
{
	fprintf(stderr, "squares: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void runtime_init(struct runtime *r)
{
	char host[64];
	r->host = getenv("AWS_LAMBDA_RUNTIME_API");
	const char *colon = r->host ? strrchr(r->host, ':') : NULL;
	if (!colon || (size_t)(colon - r->host) >= sizeof(host)) {
		fprintf(stderr, "squares: AWS_LAMBDA_RUNTIME_API is not HOST:PORT; this program runs in AWS Lambda\n");
		exit(1);
	}
	snprintf(host, sizeof(host), "%.*s", (int)(colon - r->host), r->host);
	r->address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(colon + 1)) };
	if (inet_pton(AF_INET, strcmp(host, "localhost") ? host : "127.0.0.1", &r->address.sin_addr) != 1) {
		fprintf(stderr, "squares: AWS_LAMBDA_RUNTIME_API names %s, which is no IPv4 address\n", host);
		exit(1);
	}
	r->fd = -1;
}

static bool send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		p += sent;
		n -= (size_t)sent;
	}
	return true;
}

/* Value of a header in the NUL-terminated head, "" when missing; into to[n]. */
static const char *header(const char *head, const char *name, char *to, size_t n)
{
	size_t len = strlen(name);
	to[0] = '\0';
	for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, len) || line[len] != ':')
			continue;
		const char *value = line + len + 1 + strspn(line + len + 1, " ");
		snprintf(to, n, "%.*s", (int)strcspn(value, "\r"), value);
		break;
	}
	return to;
}

/* Reads a response: its head into head[HEAD_MAX], its body as a new string. NULL when the connection broke. */
static char *receive(int fd, char *head)
{
	size_t n = 0;
	char *end = NULL, length[24];
	while (!end) {
		ssize_t got = recv(fd, head + n, HEAD_MAX - 1 - n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return NULL;
		n += (size_t)got;
		head[n] = '\0';
		end = strstr(head, "\r\n\r\n");
	}
	size_t size = strtoul(header(head, "Content-Length", length, sizeof(length)), NULL, 10);
	if (size > EVENT_MAX)
		return NULL;
	char *body = malloc(size + 1);
	if (!body)
		die("out of memory");
	size_t have = n - (size_t)(end + 4 - head);
	memcpy(body, end + 4, have < size ? have : size);
	while (have < size) {
		ssize_t got = recv(fd, body + have, size - have, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			free(body);
			return NULL;
		}
		have += (size_t)got;
	}
	body[size] = '\0';
	end[2] = '\0';
	return body;
}

/* One request; a connection that was closed meanwhile is opened again. */
static char *request(struct runtime *r, const char *method, const char *path, const char *body, char *head)
{
	struct text out = { 0 };
	char line[512];
	snprintf(line, sizeof(line), "%s /2018-06-01/runtime/%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n\r\n", method,
		 path, r->host, body ? strlen(body) : 0);
	text_add(&out, line);
	text_add(&out, body ? body : "");
	for (int tries = 0; tries < 2; tries++) {
		if (r->fd < 0) {
			r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
			if (r->fd < 0 || connect(r->fd, (struct sockaddr *)&r->address, sizeof(r->address)) < 0)
				die("connect to the Runtime API");
		}
		char *answer = send_all(r->fd, out.p, strlen(out.p)) ? receive(r->fd, head) : NULL;
		if (answer) {
			free(out.p);
			return answer;
		}
		close(r->fd);
		r->fd = -1;
	}
	die("the Runtime API hung up");
	return NULL;
}

int main(void)
{
	static char head[HEAD_MAX];
	struct runtime r;
	runtime_init(&r);
	for (;;) {
		char id[64], path[128];
		char *event = request(&r, "GET", "invocation/next", NULL, head);
		if (!*header(head, "Lambda-Runtime-Aws-Request-Id", id, sizeof(id)))
			die("an event without an id");
		struct text answer = { 0 };
		handle(event, &answer);
		snprintf(path, sizeof(path), "invocation/%s/response", id);
		free(request(&r, "POST", path, answer.p, head));
		free(answer.p);
		free(event);
	}
}
