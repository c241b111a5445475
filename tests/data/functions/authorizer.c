/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Lambda authorizer that does what the token says (authorizationToken, or the header x-token of a REQUEST event):
 * "allow", "deny", "both", "none", "wild", "key" (with a usageIdentifierKey from $KEY), "unauthorized", "boom", "no-principal", "nested",
 * "condition". Its context tells how often it was asked.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char answer[4 << 20], id[128];

static const char *call(const char *method, const char *path, const char *body)
{
	const char *api = getenv("AWS_LAMBDA_RUNTIME_API");
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(strchr(api, ':') + 1)) };
	inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		exit(90);
	dprintf(fd, "%s /2018-06-01/runtime/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", method, path,
		strlen(body), body);
	size_t n = 0;
	for (ssize_t got; (got = read(fd, answer + n, sizeof(answer) - 1 - n)) > 0;)
		n += (size_t)got;
	answer[n] = '\0';
	close(fd);
	const char *end = strstr(answer, "\r\n\r\n");
	return end ? end + 4 : "";
}

/* The string behind "NAME":" in the event. */
static void member(const char *event, const char *name, char to[256])
{
	char key[64];
	snprintf(key, sizeof(key), "\"%s\":\"", name);
	const char *at = strcasestr(event, key);
	snprintf(to, 256, "%.*s", at ? (int)strcspn(at + strlen(key), "\"") : 0, at ? at + strlen(key) : "");
}

static void statement(char *to, size_t n, const char *effect, const char *resource, const char *more)
{
	size_t have = strlen(to);
	snprintf(to + have, n - have, "%s{\"Action\":\"execute-api:Invoke\",\"Effect\":\"%s\",\"Resource\":\"%s\"%s}", have ? "," : "", effect, resource,
		 more);
}

int main(void)
{
	for (unsigned asked = 1;; asked++) {
		char token[256], arn[256], wild[300] = "", statements[2048] = "", body[8192], path[256];
		const char *event = call("GET", "invocation/next", ""), *key = getenv("KEY");
		const char *request = strcasestr(answer, "Lambda-Runtime-Aws-Request-Id:");
		snprintf(id, sizeof(id), "%.*s", (int)strcspn(request + 31, "\r\n"), request + 31);
		member(event, "authorizationToken", token);
		member(event, "methodArn", arn);
		if (!*token)
			member(event, "x-token", token);
		snprintf(path, sizeof(path), "invocation/%s/%s", id, !strcmp(token, "boom") || !strcmp(token, "unauthorized") ? "error" : "response");
		snprintf(wild, sizeof(wild), "%.*s/*", (int)strcspn(arn, "/"), arn);
		if (!strcmp(token, "deny") || !strcmp(token, "both"))
			statement(statements, sizeof(statements), "Deny", arn, "");
		if (!strcmp(token, "wild"))
			statement(statements, sizeof(statements), "Allow", wild, "");
		else if (!strcmp(token, "none"))
			statement(statements, sizeof(statements), "Allow", "arn:aws:execute-api:us-east-1:000000000000:other/*", "");
		else if (!strcmp(token, "condition"))
			statement(statements, sizeof(statements), "Allow", "*", ",\"Condition\":{}");
		else if (strcmp(token, "deny") != 0)
			statement(statements, sizeof(statements), "Allow", arn, "");
		snprintf(body, sizeof(body),
			 "{%s\"policyDocument\":{\"Version\":\"2012-10-17\",\"Statement\":[%s]},\"usageIdentifierKey\":\"%s\","
			 "\"context\":{\"asked\":%u,\"text\":\"t\",\"flag\":true%s}}",
			 strcmp(token, "no-principal") ? "\"principalId\":\"me\"," : "", statements, !strcmp(token, "key") && key ? key : "none", asked,
			 !strcmp(token, "nested") ? ",\"bad\":{}" : "");
		if (!strcmp(token, "unauthorized"))
			snprintf(body, sizeof(body), "{\"errorMessage\":\"Unauthorized\",\"errorType\":\"Error\"}");
		if (!strcmp(token, "boom"))
			snprintf(body, sizeof(body), "{\"errorMessage\":\"boom\",\"errorType\":\"Error\"}");
		call("POST", path, body);
	}
}
