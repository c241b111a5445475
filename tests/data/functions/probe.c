/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function that does what its event says, for the tests of the local Lambda:
 * {"do": "echo" | "sleep" | "exit" | "crash" | "env" | "log" | "flood" | "id" | "write" | "read" | "eat" | "fail" | "big" | "headers" | "count" | "fork" | "proxy" | "reply" | "fill" | "stream", "arg": "…"}
 * TELL=1 makes it write each event to its log.
 * PROBE_INIT=exit|sleep|error makes it misbehave before its first event, brief end while it waits for one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;
static char head[1 << 16], *event;
static const char *extra = "";
static size_t length; /* of a body with NUL bytes; 0: its text */

static void call(const char *method, const char *path, const char *body)
{
	const char *api = getenv("AWS_LAMBDA_RUNTIME_API");
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(strchr(api, ':') + 1)) };
	inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		exit(90);
	size_t size = length ? length : strlen(body);
	dprintf(fd, "%s /2018-06-01/runtime/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n",
		method, path, extra, size);
	for (size_t done = 0; done < size;) {
		ssize_t w = write(fd, body + done, size - done);
		if (w <= 0)
			break;
		done += (size_t)w;
	}
	static char all[8 << 20];
	size_t n = 0;
	for (ssize_t got; (got = read(fd, all + n, sizeof(all) - 1 - n)) > 0;)
		n += (size_t)got;
	all[n] = '\0';
	close(fd);
	char *end = strstr(all, "\r\n\r\n");
	if (!end)
		exit(91);
	snprintf(head, sizeof(head), "%.*s", (int)(end - all), all);
	free(event);
	event = strdup(end + 4);
}

static void member(const char *name, char *to, size_t n)
{
	char key[64];
	snprintf(key, sizeof(key), "\"%s\"", name);
	const char *p = strstr(event, key);
	to[0] = '\0';
	if (!p)
		return;
	p = strchr(p + strlen(key), ':') + 1;
	p += strspn(p, " \"");
	snprintf(to, n, "%.*s", (int)strcspn(p, "\"}"), p);
}

static void quote(char *to, size_t n, const char *text)
{
	size_t k = 0;
	to[k++] = '"';
	for (; *text && k + 4 < n; text++) {
		if (*text == '"' || *text == '\\')
			to[k++] = '\\';
		to[k++] = *text == '\n' || *text == '\r' ? '|' : *text;
	}
	to[k++] = '"';
	to[k] = '\0';
}

static char answer[7 << 20];

static void work(const char *what, const char *arg)
{
	static int count;
	char text[60000] = "";
	count++;
	if (!strcmp(what, "sleep"))
		usleep((useconds_t)atoi(arg) * 1000);
	else if (!strcmp(what, "exit"))
		exit(atoi(arg));
	else if (!strcmp(what, "crash"))
		raise(atoi(arg));
	else if (!strcmp(what, "env"))
		for (char **e = environ; *e; e++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n", *e);
	else if (!strcmp(what, "log"))
		printf("%s\n", arg), fprintf(stderr, "error: %s\n", arg), fflush(stdout);
	else if (!strcmp(what, "flood"))
		for (int i = 0; i < 20000; i++)
			printf("line %d of a function that talks too much\n", i);
	else if (!strcmp(what, "id"))
		snprintf(text, sizeof(text), "uid=%u gid=%u cwd=%s", getuid(), getgid(), getcwd((char[256]){ 0 }, 256));
	else if (!strcmp(what, "count"))
		snprintf(text, sizeof(text), "%d pid %d", count, getpid());
	else if (!strcmp(what, "headers"))
		snprintf(text, sizeof(text), "%.50000s", head);
	else if (!strcmp(what, "fork") && fork() == 0)
		for (;;)
			pause();
	else if (!strcmp(what, "write")) {
		int fd = open(arg, O_WRONLY | O_CREAT, 0644);
		snprintf(text, sizeof(text), "%s", fd >= 0 && write(fd, "x", 1) == 1 ? "ok" : strerror(errno));
	} else if (!strcmp(what, "read")) {
		int fd = open(arg, O_RDONLY);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		if (n < 0)
			snprintf(text, sizeof(text), "%s", strerror(errno));
	} else if (!strcmp(what, "fill")) { /* so many MB into /tmp */
		static char chunk[1 << 20];
		memset(chunk, 'x', sizeof(chunk));
		int fd = open("/tmp/fill", O_WRONLY | O_CREAT | O_TRUNC, 0644), n = 0;
		while (n < atoi(arg) && write(fd, chunk, sizeof(chunk)) == sizeof(chunk))
			n++;
		snprintf(text, sizeof(text), "%d MB: %s", n, n < atoi(arg) ? strerror(errno) : "ok");
		unlink("/tmp/fill");
		close(fd);
	} else if (!strcmp(what, "eat")) {
		size_t n = (size_t)atoi(arg) << 20;
		char *p = malloc(n);
		if (!p)
			exit(12);
		memset(p, 1, n);
		snprintf(text, sizeof(text), "ate %d", p[n - 1]);
		if (n > (size_t)256 << 20)
			sleep(60); /* holds what it should not have */
	}
	fflush(stdout);
	if (!strcmp(what, "big"))
		memset(answer, 'x', (size_t)atoi(arg)), answer[0] = answer[atoi(arg) - 1] = '"', answer[atoi(arg)] = '\0';
	else if (!strcmp(what, "echo"))
		snprintf(answer, sizeof(answer), "%s", event);
	else if (!strcmp(what, "reply"))
		snprintf(answer, sizeof(answer), "%s", getenv("REPLY"));
	else if (!strcmp(what, "proxy")) { /* the event back to the caller of an API */
		strcpy(answer, "{\"statusCode\":200,\"body\":");
		quote(answer + strlen(answer), sizeof(answer) / 2, event);
		strcat(answer, "}");
	}
	else if (!strcmp(what, "stream")) { /* as runtimes send HTTP answers in parts: a prelude, eight NUL bytes, the body */
		int n = sprintf(answer, "{\"statusCode\":418,\"headers\":{\"x-kind\":\"streamed\"},\"cookies\":[\"a=1\"]}");
		memset(answer + n, 0, 8);
		length = (size_t)n + 8 + (size_t)sprintf(answer + n + 8, "%s", arg);
		extra = "Content-Type: application/vnd.awslambda.http-integration-response\r\n";
	} else
		quote(answer, sizeof(answer), text);
}

static void leave(int sig)
{
	(void)sig;
	_exit(4);
}

int main(int argc, char **argv)
{
	const char *init = getenv("PROBE_INIT");
	if (argc > 1)
		printf("arguments: %s\n", argv[1]), fflush(stdout);
	if (init && !strcmp(init, "exit"))
		return 3;
	if (init && !strcmp(init, "brief")) {
		signal(SIGALRM, leave);
		ualarm(20000, 0);
	}
	if (init && !strcmp(init, "sleep"))
		sleep(1000);
	if (init && !strcmp(init, "error")) {
		extra = "Lambda-Runtime-Function-Error-Type: Runtime.Unknown\r\n";
		call("POST", "init/error", "{\"errorType\":\"ImportError\",\"errorMessage\":\"no module named x\"}");
		return 1;
	}
	for (;;) {
		char id[64], path[128], what[32], arg[4096];
		call("GET", "invocation/next", "");
		const char *p = strcasestr(head, "Lambda-Runtime-Aws-Request-Id: ");
		snprintf(id, sizeof(id), "%.36s", p ? p + 31 : "");
		member("do", what, sizeof(what));
		member("arg", arg, sizeof(arg));
		if (getenv("TELL"))
			printf("event: %s\n", event), fflush(stdout);
		work(what, arg);
		int failed = !strcmp(what, "fail");
		snprintf(path, sizeof(path), "invocation/%s/%s", id, failed ? "error" : "response");
		if (failed)
			snprintf(answer, sizeof(answer), "{\"errorType\":\"ValueError\",\"errorMessage\":\"%s\"}", arg);
		call("POST", path, answer);
		extra = "";
		length = 0;
	}
}
