/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include "frames.h"
#include "plugin_info.h"

#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROGRESS_MS = 100 };

void host_init(struct runner_stage *stage, const cJSON *spec, const struct runner_plugin *plugin,
	       const struct host_fds *fds)
{
	*stage = (struct runner_stage){ .spec = spec, .plugin = plugin, .event_fd = fds->event, .reply_fd = fds->reply,
					.cancel_fd = fds->cancel };
	pthread_mutex_init(&stage->lock, NULL);
	pthread_mutex_init(&stage->asking, NULL);
}

void *host_keep(struct runner_stage *stage, void *p)
{
	pthread_mutex_lock(&stage->lock);
	stage->owned = rn_grow(stage->owned, &stage->cap_owned, stage->n_owned + 1, sizeof(void *));
	stage->owned[stage->n_owned++] = p;
	pthread_mutex_unlock(&stage->lock);
	return p;
}

void host_send(struct runner_stage *stage, cJSON *j)
{
	fflush(stdout); /* what was printed before stands before this event */
	RN_AUTO(rn_freep) char *text = rn_json_print(j);
	cJSON_Delete(j);
	pthread_mutex_lock(&stage->lock);
	if (frame_write(stage->event_fd, FRAME_JSON, text, strlen(text)) < 0)
		_exit(125); /* the supervisor is gone, and with it everybody who could be told */
	pthread_mutex_unlock(&stage->lock);
}

cJSON *host_event(const char *type)
{
	cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "type", type);
	return j;
}

/* cJSON wants UTF-8 and a reader wants an end: anything goes in, at most HOST_TEXT_MAX bytes. */
void host_add_text(cJSON *j, const char *name, const char *text)
{
	if (!text)
		return;
	size_t n = strnlen(text, HOST_TEXT_MAX);
	if (!text[n]) {
		cJSON_AddStringToObject(j, name, text);
		return;
	}
	RN_AUTO(rn_freep) char *cut = rn_strndup(text, n);
	cJSON_AddStringToObject(j, name, cut);
}

static void log_text(struct runner_stage *stage, uint32_t level, const char *text)
{
	cJSON *j = host_event("log");
	cJSON_AddNumberToObject(j, "level", level > RUNNER_ERROR ? RUNNER_ERROR : level);
	host_add_text(j, "text", text);
	host_send(stage, j);
}

RUNNER_PRINTF(3, 4)
static void service_log(struct runner_stage *stage, uint32_t level, const char *fmt, ...)
{
	RN_AUTO(rn_freep) char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = rn_strdup(fmt);
	va_end(ap);
	log_text(stage, level, text);
}

static void service_step(struct runner_stage *stage, const char *name)
{
	cJSON *j = host_event("step");
	host_add_text(j, "name", name);
	host_send(stage, j);
}

static bool progress_due(struct runner_stage *stage, const char *what, bool last)
{
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
	for (const char *p = what ? what : ""; *p; p++)
		hash = (hash ^ (uint8_t)*p) * UINT64_C(1099511628211);
	pthread_mutex_lock(&stage->lock);
	int64_t now = rn_now_ms();
	struct host_progress *p = &stage->progress[hash % HOST_PROGRESS];
	bool due = p->what != hash || (last ? !p->ended : now - p->ms >= PROGRESS_MS);
	if (due)
		*p = (struct host_progress){ hash, now, last };
	pthread_mutex_unlock(&stage->lock);
	return due;
}

static void service_progress(struct runner_stage *stage, const char *what, uint64_t done, uint64_t total,
			     const char *unit)
{
	if (!progress_due(stage, what, total && done >= total))
		return;
	cJSON *j = host_event("progress");
	host_add_text(j, "what", what);
	cJSON_AddNumberToObject(j, "done", (double)done);
	cJSON_AddNumberToObject(j, "total", (double)total);
	host_add_text(j, "unit", unit);
	host_send(stage, j);
}

static void service_change(struct runner_stage *stage, uint32_t action, const char *resource, const char *detail)
{
	cJSON *j = host_event("change");
	cJSON_AddNumberToObject(j, "action", action > RUNNER_DELETED ? RUNNER_UPDATED : action);
	host_add_text(j, "resource", resource ? resource : "");
	host_add_text(j, "detail", detail);
	host_send(stage, j);
}

static void service_mask(struct runner_stage *stage, const char *secret)
{
	if (!secret || !*secret)
		return;
	cJSON *j = host_event("mask");
	host_add_text(j, "secret", secret);
	host_send(stage, j);
}

/* The declaration that covers an output's name: its own row before "*". */
static bool declared(const struct runner_plugin *p, const char *name, struct runner_output *ret)
{
	struct runner_output row;
	bool any = false;
	for (size_t i = 0; plugin_output_row(p, i, &row); i++) {
		bool exact = rn_streq(row.name, name);
		if (exact || rn_streq(row.name, "*")) {
			*ret = row;
			any = true;
		}
		if (exact)
			break;
	}
	return any;
}

static bool output_name_valid(const char *name)
{
	size_t n = name ? strlen(name) : 0;
	return n && n <= 128 && !strchr("0123456789-", name[0]) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n;
}

static int send_output(struct runner_stage *stage, const char *name, cJSON *value, size_t size)
{
	struct runner_output row;
	RN_AUTO(rn_json_freep) cJSON *owned = value;
	const char *why = !output_name_valid(name)		 ? "is no valid name (a-z, A-Z, 0-9, _ and -)" :
			  !declared(stage->plugin, name, &row)	 ? "is not declared by the plugin" :
			  size > HOST_OUTPUT_MAX		 ? "is larger than 1 MiB" :
								   NULL;
	if (why) {
		RN_AUTO(rn_freep) char *text = rn_asprintf("output \"%s\" %s; it is ignored", name ? name : "", why);
		log_text(stage, RUNNER_WARN, text);
		return -1;
	}
	bool secret = row.flags & RUNNER_SECRET;
	if (secret) {
		RN_AUTO(rn_freep) char *text = cJSON_IsString(value) ? rn_strdup(value->valuestring) : rn_json_print(value);
		service_mask(stage, text);
	}
	cJSON *j = host_event("output");
	cJSON_AddStringToObject(j, "name", name);
	cJSON_AddItemToObject(j, "value", rn_take(&owned));
	cJSON_AddBoolToObject(j, "secret", secret);
	host_send(stage, j);
	return 0;
}

static int service_output(struct runner_stage *stage, const char *name, const char *value)
{
	return send_output(stage, name, cJSON_CreateString(value ? value : ""), value ? strlen(value) : 0);
}

static int service_output_json(struct runner_stage *stage, const char *name, const char *json)
{
	cJSON *value = json ? rn_json_parse_str(json, NULL) : NULL;
	if (!value) {
		RN_AUTO(rn_freep) char *text = rn_asprintf("output \"%s\" is not JSON; it is ignored", name ? name : "");
		log_text(stage, RUNNER_WARN, text);
		return -1;
	}
	return send_output(stage, name, value, strlen(json));
}

static int service_fail(struct runner_stage *stage, const struct runner_failure *theirs)
{
	struct runner_failure f = { 0 };
	if (stage->final)
		return -1;
	if (theirs)
		memcpy(&f, theirs, theirs->size && theirs->size < sizeof(f) ? theirs->size : sizeof(f));
	cJSON *j = host_event("fail");
	cJSON_AddNumberToObject(j, "class", f.cls >= RUNNER_FAIL_STAGE && f.cls <= RUNNER_FAIL_CANCELLED ? f.cls : RUNNER_FAIL_STAGE);
	host_add_text(j, "message", f.message ? f.message : "the plugin gave no reason");
	host_add_text(j, "hint", f.hint);
	host_add_text(j, "param", f.param);
	host_add_text(j, "file", f.file);
	cJSON_AddNumberToObject(j, "line", (double)f.line);
	cJSON_AddNumberToObject(j, "column", (double)f.column);
	cJSON_AddBoolToObject(j, "retryable", f.retryable);
	pthread_mutex_lock(&stage->lock);
	stage->failed = true;
	pthread_mutex_unlock(&stage->lock);
	host_send(stage, j);
	return -1;
}

int host_fail(struct runner_stage *stage, enum runner_class cls, const char *hint, const char *fmt, ...)
{
	RN_AUTO(rn_freep) char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = rn_strdup(fmt);
	va_end(ap);
	return service_fail(stage, &(struct runner_failure){ .size = sizeof(struct runner_failure), .cls = cls,
							     .message = text, .hint = hint });
}

bool host_cancelled(struct runner_stage *stage)
{
	struct pollfd p = { .fd = stage->cancel_fd, .events = POLLIN };
	return poll(&p, 1, 0) > 0;
}

static int service_cancel_fd(struct runner_stage *stage)
{
	return stage->cancel_fd;
}

static const char *info_name(uint32_t what)
{
	static const char *const names[] = { NULL,	"pipeline", "file",  "dir",	"stage",  "run",
					     "scratch", "cache",    "state", "libexec", "version" };
	return what < RN_LEN(names) ? names[what] : NULL;
}

/* A plugin may ask as often as it likes; people want to know it once. */
static void no_folder(struct runner_stage *stage, uint32_t what, const char *why)
{
	pthread_mutex_lock(&stage->lock);
	bool told = stage->no_folder & (1u << what);
	stage->no_folder |= 1u << what;
	pthread_mutex_unlock(&stage->lock);
	if (!told)
		log_text(stage, RUNNER_WARN, why);
}

static const char *service_info(struct runner_stage *stage, uint32_t what)
{
	const char *name = info_name(what);
	const char *value = name ? rn_json_str(rn_json_get(stage->spec, "info"), name) : NULL;
	/* folders come into being when somebody asks for them; a plan leaves nothing behind */
	bool plan = rn_streq(rn_json_str(stage->spec, "call"), "plan");
	if (value && !(plan && what == RUNNER_INFO_STATE) && (what == RUNNER_INFO_SCRATCH || what == RUNNER_INFO_CACHE || what == RUNNER_INFO_STATE)) {
		struct rn_error err = { 0 };
		if (rn_mkdirs(value, 0700, &err) < 0)
			no_folder(stage, what, err.msg);
	}
	return value;
}

static const cJSON *param(struct runner_stage *stage, const char *name)
{
	return name ? rn_json_get(rn_json_get(stage->spec, "params"), name) : NULL;
}

static bool service_is_set(struct runner_stage *stage, const char *name)
{
	return rn_json_bool(param(stage, name), "set", false);
}

static bool service_is_known(struct runner_stage *stage, const char *name)
{
	return rn_json_bool(param(stage, name), "known", true);
}

const struct runner_host host_services = {
	.size = sizeof(struct runner_host),
	.abi_minor = RUNNER_ABI_MINOR,
	.log = service_log,
	.step = service_step,
	.progress = service_progress,
	.change = service_change,
	.output = service_output,
	.output_json = service_output_json,
	.fail = service_fail,
	.cancelled = host_cancelled,
	.cancel_fd = service_cancel_fd,
	.info = service_info,
	.is_set = service_is_set,
	.is_known = service_is_known,
	.mask = service_mask,
	.command = host_command,
	.remember = host_remember,
	.recall = host_recall,
	.recall_key = host_recall_key,
	.changed = host_changed,
	.longest_secret = host_longest_secret,
	.reveals = host_reveals,
};
