/* SPDX-License-Identifier: Apache-2.0 */
/* `--junit FILE`: the run as a test suite, a stage as a test case, for what reads JUnit files. */
#include "report.h"

#include "base/fs.h"
#include "base/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct junit {
	struct reporter reporter;
	char *path;
	bool *failed;
};

/* XML 1.0 §2.2: no control characters but tab and newline, not even escaped. */
static void xml(struct rn_buf *to, const char *text)
{
	for (const char *p = text ? text : ""; *p; p++) {
		unsigned char c = (unsigned char)*p;
		if (c == '<')
			rn_buf_adds(to, "&lt;");
		else if (c == '>')
			rn_buf_adds(to, "&gt;");
		else if (c == '&')
			rn_buf_adds(to, "&amp;");
		else if (c == '"')
			rn_buf_adds(to, "&quot;");
		else if (c == '\n')
			rn_buf_adds(to, "&#10;");
		else if (c >= 0x20 || c == '\t')
			rn_buf_addc(to, *p);
	}
}

static void attribute(struct rn_buf *to, const char *name, const char *value)
{
	rn_buf_addf(to, " %s=\"", name);
	xml(to, value);
	rn_buf_addc(to, '"');
}

static void seconds(struct rn_buf *to, int64_t ms)
{
	rn_buf_addf(to, " time=\"%lld.%03lld\"", (long long)(ms / 1000), (long long)(ms % 1000));
}

static void failure(struct rn_buf *to, const struct view_stage *s)
{
	RN_AUTO(rn_freep) char *place = report_place(&s->failure);
	rn_buf_adds(to, "      <failure");
	attribute(to, "message", s->failure.message ? s->failure.message : s->reason);
	attribute(to, "type", s->failure.cls ? event_class_name(s->failure.cls) : event_status_name(s->status));
	rn_buf_addc(to, '>');
	xml(to, place);
	if (s->failure.hint) {
		rn_buf_adds(to, *place ? "\n" : "");
		xml(to, s->failure.hint);
	}
	rn_buf_adds(to, "</failure>\n");
}

static void test_case(struct rn_buf *to, const struct view *v, const struct view_stage *s)
{
	rn_buf_adds(to, "    <testcase");
	attribute(to, "name", s->id);
	attribute(to, "classname", v->pipeline);
	seconds(to, s->ms);
	rn_buf_adds(to, ">\n");
	if (s->state != VIEW_DONE || s->status == EVENT_SKIPPED || s->status == EVENT_REUSED || s->status == EVENT_IGNORED) {
		rn_buf_adds(to, "      <skipped");
		attribute(to, "message", s->status == EVENT_IGNORED ? s->failure.message : s->reason);
		rn_buf_adds(to, "/>\n");
	} else if (s->status != EVENT_OK) {
		failure(to, s);
	}
	size_t n = s->lines < VIEW_TAIL ? s->lines : VIEW_TAIL;
	if (n) {
		rn_buf_adds(to, "      <system-out>");
		for (size_t i = s->lines - n; i < s->lines; i++) {
			xml(to, s->tail[i % VIEW_TAIL]);
			rn_buf_addc(to, '\n');
		}
		rn_buf_adds(to, "</system-out>\n");
	}
	rn_buf_adds(to, "    </testcase>\n");
}

static void on_event(struct reporter *r, const struct view *v, const struct event *e)
{
	struct junit *j = (struct junit *)r;
	if (e->kind != EVENT_RUN_END)
		return;
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	char time[32];
	size_t failed = view_stages(v, EVENT_FAILED) + view_stages(v, EVENT_CANCELLED);
	size_t skipped = view_stages(v, EVENT_SKIPPED) + view_stages(v, EVENT_REUSED) + view_stages(v, EVENT_IGNORED);
	rn_buf_adds(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite");
	attribute(&b, "name", v->pipeline);
	rn_buf_addf(&b, " tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\"", v->n, failed, skipped);
	attribute(&b, "timestamp", rn_iso8601(e->wall_ms - e->ms, false, time));
	seconds(&b, e->ms);
	rn_buf_adds(&b, ">\n");
	for (size_t i = 0; i < v->n; i++)
		test_case(&b, v, &v->stages[i]);
	rn_buf_adds(&b, "  </testsuite>\n</testsuites>\n");
	struct rn_error err = { 0 };
	*j->failed = rn_write_file(j->path, b.p, b.len, 0644, &err) < 0;
	if (*j->failed)
		fprintf(stderr, "runner: --junit: %s\n", err.msg);
}

static void on_free(struct reporter *r)
{
	struct junit *j = (struct junit *)r;
	free(j->path);
	free(j);
}

int report_junit_prepare(const char *path, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *dir = rn_path_dir(path);
	struct stat st;
	if (rn_mkdirs(dir, 0777, err) < 0)
		return rn_wrap(err, "--junit %s", path);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return rn_fail(err, RN_EINVAL, "--junit %s: that is a folder; name a file in it", path);
	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) /* /dev/stdout: the report takes the place of what is there */
		return rn_fail(err, RN_EINVAL, "--junit %s: that is a %s, and the report would take its place; name a file", path,
			       S_ISLNK(st.st_mode) ? "link" : "device or pipe");
	return access(dir, W_OK) == 0 ? 0 : rn_fail(err, RN_EIO, "--junit %s: cannot write into %s: %m", path, dir);
}

struct reporter *report_junit_new(const char *path, bool *ret_failed)
{
	struct junit *j = rn_alloc(sizeof(*j));
	*j = (struct junit){ .reporter = { .event = on_event, .free = on_free }, .path = rn_strdup(path), .failed = ret_failed };
	return &j->reporter;
}
