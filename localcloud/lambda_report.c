/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of the platform around an invocation, as text or, by LoggingConfig.LogFormat, as JSON. */
#include "lambda_internal.h"

#include "base/fs.h"
#include "base/time.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool as_json(const cJSON *doc)
{
	return rn_streq(rn_json_str(rn_json_get(doc, "LoggingConfig"), "LogFormat"), "JSON");
}

/* {"time", "type", "record"}; deletes the record. */
static void json_line(struct instance *in, const char *type, cJSON *record)
{
	char stamp[32];
	RN_AUTO(rn_json_freep) cJSON *line = cJSON_CreateObject();
	cJSON_AddStringToObject(line, "time", rn_iso8601(rn_wall_ms(), true, stamp));
	cJSON_AddStringToObject(line, "type", type);
	cJSON_AddItemToObject(line, "record", record);
	RN_AUTO(rn_freep) char *text = rn_json_print(line);
	stream_line(in, "%s", text);
}

void report_start(struct instance *in, const struct invocation *inv, const cJSON *doc)
{
	if (!as_json(doc)) {
		stream_line(in, "START RequestId: %s Version: %s", inv->id, in->version);
		return;
	}
	cJSON *record = cJSON_CreateObject();
	cJSON_AddStringToObject(record, "requestId", inv->id);
	cJSON_AddStringToObject(record, "version", in->version);
	json_line(in, "platform.start", record);
}

/* Memory of the program at its highest, in MB, as it stands now. */
static int64_t memory_mb(const struct instance *in)
{
	pid_t pid = in->box ? sandbox_pid(in->box) : 0;
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	uint64_t kib = in->status.max_rss / 1024;
	if (pid > 0 && rn_read_file(path, 65536, &b, NULL) == 0) {
		const char *p = strstr(rn_buf_str(&b), "VmHWM:");
		kib = p ? strtoull(p + strlen("VmHWM:"), NULL, 10) : kib;
	}
	return (int64_t)((kib + 1023) / 1024);
}

struct figures {
	double duration, init; /* ms; init 0: not of this invocation */
	long long billed, memory, used;
};

static void text_end(struct instance *in, const char *id, const struct figures *f, const char *status, const char *type)
{
	RN_AUTO(rn_freep) char *init = f->init > 0 ? rn_asprintf("\tInit Duration: %.2f ms", f->init) : rn_strdup("");
	RN_AUTO(rn_freep) char *how = !status ? rn_strdup("")
				      : type  ? rn_asprintf("\tStatus: %s\tError Type: %s", status, type)
					      : rn_asprintf("\tStatus: %s", status);
	stream_line(in, "END RequestId: %s", id);
	stream_line(in,
		    "REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %lld ms\tMemory Size: %lld MB\t"
		    "Max Memory Used: %lld MB%s%s",
		    id, f->duration, f->billed, f->memory, f->used, init, how);
}

static void add_ms(cJSON *to, const char *name, double ms)
{
	cJSON_AddNumberToObject(to, name, floor(ms * 1000) / 1000);
}

static void json_end(struct instance *in, const char *id, const struct figures *f, const char *status, const char *type)
{
	cJSON *record = cJSON_CreateObject();
	cJSON_AddStringToObject(record, "requestId", id);
	cJSON *metrics = cJSON_AddObjectToObject(record, "metrics");
	add_ms(metrics, "durationMs", f->duration);
	cJSON_AddNumberToObject(metrics, "billedDurationMs", (double)f->billed);
	cJSON_AddNumberToObject(metrics, "memorySizeMB", (double)f->memory);
	cJSON_AddNumberToObject(metrics, "maxMemoryUsedMB", (double)f->used);
	if (f->init > 0)
		add_ms(metrics, "initDurationMs", f->init);
	cJSON_AddStringToObject(record, "status", status ? status : "success");
	if (type)
		cJSON_AddStringToObject(record, "errorType", type);
	json_line(in, "platform.report", record);
}

void report_end(struct instance *in, const struct invocation *inv, const cJSON *doc, double duration, const char *status,
		const char *error_type)
{
	const struct figures f = { .duration = duration,
				   .init = in->warm ? 0 : in->init_ms,
				   .billed = (long long)(duration + (in->warm ? 0 : in->init_ms)) + 1,
				   .memory = (long long)rn_json_int(doc, "MemorySize", 128),
				   .used = (long long)memory_mb(in) };
	stream_pump(in);
	(as_json(doc) ? json_end : text_end)(in, inv->id, &f, status, error_type);
}
