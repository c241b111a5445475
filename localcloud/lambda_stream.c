/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of an instance: lines of the program and of the platform, kept as JSON lines
 * {"t": ms, "m": text} in DIR/lambda/logs/REGION/GROUP/STREAM ('/' in names is '~'), the end of it in memory.
 */
#include "lambda_internal.h"

#include "base/encode.h"
#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES ((size_t)256 << 10)
#define TAIL_BYTES 4096u

int stream_open(struct instance *in, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *dir = rn_path_dir(in->stream_path);
	if (rn_mkdirs(dir, 0755, err) < 0)
		return -1;
	in->stream_fd = open(in->stream_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (in->stream_fd < 0)
		return rn_fail(err, RN_EIO, "open %s: %m", in->stream_path);
	rn_buf_init(&in->line, LINE_MAX_BYTES);
	return 0;
}

/* With log_lock. */
static void emit(struct instance *in, const char *text, size_t n)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_addf(&b, "{\"t\":%lld,\"m\":", (long long)rn_wall_ms());
	rn_json_quote(&b, text, n);
	rn_buf_adds(&b, "}\n");
	if (in->stream_fd >= 0)
		(void)!rn_write_full(in->stream_fd, b.p, b.len); /* a full disk must not stop the function */
	rn_buf_add(&in->tail, text, n);
	rn_buf_addc(&in->tail, '\n');
	if (in->tail.len > (size_t)16 * TAIL_BYTES)
		rn_buf_drop(&in->tail, in->tail.len - TAIL_BYTES);
}

static void take(struct instance *in, const char *data, size_t n)
{
	while (n) {
		const char *end = memchr(data, '\n', n);
		size_t part = end ? (size_t)(end - data) : n;
		size_t room = LINE_MAX_BYTES - 1 - in->line.len;
		bool full = part > room;
		part = full ? room : part;
		rn_buf_add(&in->line, data, part);
		if (!end && !full)
			return;
		emit(in, rn_buf_str(&in->line), in->line.len);
		rn_buf_reset(&in->line);
		data += part + (full ? 0 : 1);
		n -= part + (full ? 0 : 1);
	}
}

void stream_pump(struct instance *in)
{
	char chunk[16384];
	ssize_t n = -1;
	pthread_mutex_lock(&in->log_lock);
	/* no more than so much at a time: a program that floods its log must not keep its invoker here */
	for (int i = 0; i < 64 && in->log_fd >= 0 && (n = read(in->log_fd, chunk, sizeof(chunk))) > 0; i++)
		take(in, chunk, (size_t)n);
	if (in->log_fd >= 0 && (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)))
		rn_closep(&in->log_fd);
	pthread_mutex_unlock(&in->log_lock);
}

void stream_line(struct instance *in, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	RN_AUTO(rn_freep) char *text = NULL;
	if (vasprintf(&text, fmt, ap) < 0)
		rn_die("out of memory");
	va_end(ap);
	pthread_mutex_lock(&in->log_lock);
	if (in->line.len) {
		emit(in, in->line.p, in->line.len);
		rn_buf_reset(&in->line);
	}
	emit(in, text, strlen(text));
	pthread_mutex_unlock(&in->log_lock);
}

void stream_note(struct lambda *l, const char *region, const char *group, const char *text)
{
	char date[32];
	if (!group)
		return;
	rn_iso8601(rn_wall_ms(), false, date); /* 2026-11-24T… */
	RN_AUTO(rn_freep) char *folder = rn_replace(group, "/", "~");
	RN_AUTO(rn_freep) char *dir = rn_asprintf("%s/logs/%s/%s", l->dir, region, folder);
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s/%.4s~%.2s~%.2s~[$LATEST]platform", dir, date, date + 5, date + 8);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	logs_ensure_group(l->cloud, region, group);
	if (rn_mkdirs(dir, 0755, NULL) < 0)
		return;
	RN_AUTO(rn_closep) int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	rn_buf_addf(&b, "{\"t\":%lld,\"m\":", (long long)rn_wall_ms());
	rn_json_quote(&b, text, strlen(text));
	rn_buf_adds(&b, "}\n");
	if (fd >= 0)
		(void)!rn_write_full(fd, b.p, b.len);
}

char *stream_tail(struct instance *in)
{
	pthread_mutex_lock(&in->log_lock);
	if (in->tail.len > TAIL_BYTES)
		rn_buf_drop(&in->tail, in->tail.len - TAIL_BYTES);
	char *text = rn_buf_take(&in->tail);
	pthread_mutex_unlock(&in->log_lock);
	return text;
}

void stream_close(struct instance *in)
{
	rn_closep(&in->stream_fd);
	rn_closep(&in->log_fd);
	rn_buf_clear(&in->line);
	rn_buf_clear(&in->tail);
}
