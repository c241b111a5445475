/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Lambda function in plain C: squares of numbers, as one static program in an
 * image FROM scratch. It speaks the Lambda Runtime API (HTTP on
 * AWS_LAMBDA_RUNTIME_API) over sockets and needs no library but libc.
 *
 * Event: {"body": [1, 2, 3]} when invoked directly, or API Gateway's proxy
 * event, whose body is JSON text (base64 when isBase64Encoded).
 * Answer: {"statusCode": 200, ..., "body": "[1, 4, 9]"}; 400 with a reason for anything else.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENT_MAX ((size_t)6 << 20) /* what a synchronous invocation may carry */
#define NUMBERS_MAX 100000
#define DEPTH_MAX 64

/* ---- JSON: just enough to find a member and to read numbers ---------------- */

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/* End of the string that starts at p ("), or NULL. */
static const char *skip_string(const char *p)
{
	for (p++; *p && *p != '"'; p++)
		if (*p == '\\' && *++p == '\0')
			return NULL;
	return *p ? p + 1 : NULL;
}

/* End of the value at p, or NULL when it is not JSON. */
static const char *skip_value(const char *p, int depth)
{
	p = skip_blanks(p);
	if (depth > DEPTH_MAX)
		return NULL;
	if (*p == '"')
		return skip_string(p);
	if (*p != '{' && *p != '[') {
		size_t n = strcspn(p, ",]} \t\r\n");
		return n ? p + n : NULL;
	}
	char close = *p == '{' ? '}' : ']';
	bool object = *p == '{';
	for (p = skip_blanks(p + 1); *p != close; p = skip_blanks(p)) {
		if (object) {
			if (*p != '"' || !(p = skip_string(p)) || *(p = skip_blanks(p)) != ':')
				return NULL;
			p++;
		}
		if (!(p = skip_value(p, depth + 1)))
			return NULL;
		p = skip_blanks(p);
		if (*p == ',')
			p = skip_blanks(p + 1);
		else if (*p != close)
			return NULL;
	}
	return p + 1;
}

/* The value of a member of the object at p, or NULL. */
static const char *member(const char *p, const char *name)
{
	p = skip_blanks(p);
	if (*p != '{')
		return NULL;
	for (p = skip_blanks(p + 1); *p == '"'; p = skip_blanks(p)) {
		const char *key = p + 1, *end = skip_string(p);
		if (!end)
			return NULL;
		bool found = (size_t)(end - 1 - key) == strlen(name) && memcmp(key, name, strlen(name)) == 0;
		p = skip_blanks(end);
		if (*p != ':')
			return NULL;
		p = skip_blanks(p + 1);
		if (found)
			return p;
		if (!(p = skip_value(p, 1)))
			return NULL;
		p = skip_blanks(p);
		if (*p == ',')
			p++;
	}
	return NULL;
}

/* Text of the JSON string at p, unescaped, or NULL. A list of numbers has no characters beyond ASCII. */
static char *string_text(const char *p)
{
	const char *end = skip_string(p);
	char *out = end ? malloc((size_t)(end - p) + 1) : NULL, *w = out;
	if (!out)
		return NULL;
	for (p++; p < end - 1; p++) {
		if (*p != '\\') {
			*w++ = *p;
			continue;
		}
		static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
		const char *at = strchr(from, *++p);
		if (*p == 'u') {
			*w++ = '?'; /* no part of a number */
			p += strspn(p + 1, "0123456789abcdefABCDEF") >= 4 ? 4 : 0;
		} else {
			*w++ = at ? to[at - from] : *p;
		}
	}
	*w = '\0';
	return out;
}

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* Decodes in place. */
static void base64_decode(char *text)
{
	unsigned bits = 0, value = 0;
	char *w = text;
	for (char *p = text; base64_digit(*p) >= 0; p++) {
		value = value << 6 | (unsigned)base64_digit(*p);
		if ((bits += 6) >= 8)
			*w++ = (char)(value >> (bits -= 8) & 255);
	}
	*w = '\0';
}

/* ---- the function itself ---------------------------------------------------- */

struct text {
	char *p;
	size_t len, cap;
};

static void add(struct text *t, const char *s)
{
	size_t n = strlen(s);
	if (t->len + n + 1 > t->cap) {
		t->cap = 2 * (t->len + n + 1);
		t->p = realloc(t->p, t->cap);
		if (!t->p)
			abort();
	}
	memcpy(t->p + t->len, s, n + 1);
	t->len += n;
}

/* Writes the squares of the list at p as "[1, 4]". NULL, or why it cannot. */
static const char *square_list(const char *p, struct text *out)
{
	p = skip_blanks(p);
	if (*p != '[')
		return "body must be a list of numbers";
	add(out, "[");
	int count = 0;
	for (p = skip_blanks(p + 1); *p != ']'; count++) {
		char *end, number[64];
		if (count == NUMBERS_MAX)
			return "too many numbers";
		if (!strchr("-0123456789", *p) || *p == '\0')
			return "body must be a list of numbers";
		double v = strtod(p, &end);
		if (!isfinite(v * v))
			return "a number is too large to square";
		snprintf(number, sizeof(number), "%s%.17g", count ? ", " : "", v * v);
		add(out, number);
		p = skip_blanks(end);
		if (*p == ',' && *skip_blanks(p + 1) != ']')
			p = skip_blanks(p + 1);
		else if (*p != ']')
			return "body must be a list of numbers";
	}
	if (*skip_blanks(p + 1) != '\0' && *skip_blanks(p + 1) != '}' && *skip_blanks(p + 1) != ',')
		return "body has something behind its list";
	add(out, "]");
	return NULL;
}

/* The answer to one event. Figures and our own messages need no escaping in JSON. */
static void handle(const char *event, struct text *answer)
{
	struct text squares = { 0 };
	const char *body = member(event, "body"), *why = "the event has no body";
	char *unpacked = body && *body == '"' ? string_text(body) : NULL;
	const char *encoded = member(event, "isBase64Encoded");
	if (unpacked && encoded && strncmp(encoded, "true", 4) == 0)
		base64_decode(unpacked);
	if (body)
		why = square_list(unpacked ? unpacked : body, &squares);
	add(answer, why ? "{\"statusCode\":400" : "{\"statusCode\":200");
	add(answer, ",\"headers\":{\"content-type\":\"application/json\"},\"body\":\"");
	if (why) {
		add(answer, "{\\\"error\\\": \\\"");
		add(answer, why);
		add(answer, "\\\"}");
	} else {
		add(answer, squares.p);
	}
	add(answer, "\"}");
	free(unpacked);
	free(squares.p);
}

/* ---- the Runtime API --------------------------------------------------------- */

/* Lambda gives an IPv4 address and a port. */
static int dial(const char *address)
{
	char host[64];
	const char *colon = strrchr(address, ':');
	if (!colon || (size_t)(colon - address) >= sizeof(host))
		return -1;
	memcpy(host, address, (size_t)(colon - address));
	host[colon - address] = '\0';
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10)) };
	if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &to.sin_addr) != 1)
		return -1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
		if (k < 0 && errno != EINTR)
			return -1;
		if (k > 0) {
			p += k;
			n -= (size_t)k;
		}
	}
	return 0;
}

/* Value of a header in the head of an answer, copied to `to`; -1 when it is not there. */
static int header(const char *head, const char *name, char *to, size_t room)
{
	for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
		size_t n = strlen(name);
		if (strncasecmp(line + 2, name, n) != 0 || line[2 + n] != ':')
			continue;
		const char *value = line + 3 + n + strspn(line + 3 + n, " ");
		size_t len = strcspn(value, "\r");
		if (len >= room)
			return -1;
		memcpy(to, value, len);
		to[len] = '\0';
		return 0;
	}
	return -1;
}

/* Reads an answer: its head into `head`, its body (new, NUL-terminated) into *body. The connection closes behind it. */
static int read_answer(int fd, char *head, size_t head_room, char **body)
{
	size_t len = 0, cap = 65536;
	char *all = malloc(cap), *end = NULL;
	ssize_t n;
	while (all && (n = recv(fd, all + len, cap - len - 1, 0)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || len + (size_t)n > EVENT_MAX + head_room)
			break;
		len += (size_t)n;
		all[len] = '\0';
		char length[32];
		if (!end && (end = strstr(all, "\r\n\r\n")))
			end += 4;
		if (end && header(all, "content-length", length, sizeof(length)) == 0 &&
		    len >= (size_t)(end - all) + strtoul(length, NULL, 10))
			break;
		if (cap - len < 32768) {
			size_t at = end ? (size_t)(end - all) : 0;
			all = realloc(all, cap *= 2);
			end = at && all ? all + at : NULL;
		}
	}
	if (!all || !end || (size_t)(end - all) >= head_room) {
		free(all);
		return -1;
	}
	memcpy(head, all, (size_t)(end - all));
	head[end - all] = '\0';
	*body = strdup(end);
	free(all);
	return *body ? 0 : -1;
}

/* One request; the body of the answer is new in *body. */
static int request(const char *api, const char *method, const char *path, const char *data, char *head, size_t head_room, char **body)
{
	char text[1024];
	size_t n = data ? strlen(data) : 0;
	int len = snprintf(text, sizeof(text), "%s /2018-06-01/runtime/%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
			   method, path, api, n);
	int fd = len > 0 && (size_t)len < sizeof(text) ? dial(api) : -1;
	if (fd < 0)
		return -1;
	int rc = send_all(fd, text, (size_t)len) == 0 && send_all(fd, data ? data : "", n) == 0 ? read_answer(fd, head, head_room, body) : -1;
	close(fd);
	return rc;
}

int main(void)
{
	const char *api = getenv("AWS_LAMBDA_RUNTIME_API");
	static char head[16384];
	if (!api) {
		fputs("squares: AWS_LAMBDA_RUNTIME_API is not set: this program is started by Lambda, or by `runner --local`\n", stderr);
		return 1;
	}
	for (;;) {
		char *event = NULL, *reply = NULL, id[128], path[256];
		if (request(api, "GET", "invocation/next", NULL, head, sizeof(head), &event) < 0 ||
		    header(head, "lambda-runtime-aws-request-id", id, sizeof(id)) < 0) {
			fputs("squares: the Runtime API does not answer\n", stderr);
			return 1;
		}
		struct text answer = { 0 };
		handle(event, &answer);
		snprintf(path, sizeof(path), "invocation/%s/response", id);
		if (request(api, "POST", path, answer.p, head, sizeof(head), &reply) < 0)
			fputs("squares: could not deliver an answer\n", stderr);
		free(event);
		free(reply);
		free(answer.p);
	}
}
