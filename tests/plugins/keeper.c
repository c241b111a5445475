/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps a text in a file: remembers what was there before, and puts it back. */
#include <runner/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct params {
	const char *file;
	const char *text;
	const char *record; /* remembered under "extra", to see what is refused */
	const char *secret;
	const char *hang;   /* while this file exists: after the record, before the write */
	const char *broken; /* while this file exists, rollback fails                     */
	bool fail;          /* after the write                                            */
};
static const struct runner_param params[] = {
	RUNNER_PARAM_PATH(struct params, file, .flags = RUNNER_REQUIRED, .help = "Where."),
	RUNNER_PARAM(struct params, text, .flags = RUNNER_REQUIRED, .help = "What."),
	RUNNER_PARAM(struct params, record, .help = "One more record."),
	RUNNER_PARAM(struct params, secret, .flags = RUNNER_SECRET, .help = "A secret."),
	RUNNER_PARAM_PATH(struct params, hang, .help = "Hangs while it is there."),
	RUNNER_PARAM_PATH(struct params, broken, .help = "Cannot put back while it is there."),
	RUNNER_PARAM(struct params, fail, .help = "Fails after the write."),
	{ 0 },
};

static bool get(const char *file, char *text, size_t n)
{
	FILE *f = fopen(file, "r");
	size_t k = f ? fread(text, 1, n - 1, f) : 0;
	text[k] = '\0';
	return f && fclose(f) == 0;
}

static void put(const char *file, const char *text)
{
	FILE *f = fopen(file, "w");
	if (!f)
		abort();
	fputs(text, f);
	fclose(f);
}

static void scribble(struct runner_stage *stage, const struct runner_host *host)
{
	char path[4096];
	const char *scratch = host->info(stage, RUNNER_INFO_SCRATCH);
	snprintf(path, sizeof(path), "%s/notes", scratch ? scratch : "/nonexistent");
	if (scratch)
		put(path, "private");
}

static void tell(struct runner_stage *stage, const struct runner_host *host, const struct params *p, const char *old)
{
	const struct runner_field fields[] = { { .name = "text", .before = old, .after = p->text },
					       { .name = "token", .before = "old", .after = "new", .flags = RUNNER_SECRET },
					       { .name = "size", .before = "1", .after = "[2]", .flags = RUNNER_FIELD_JSON } };
	bool same = old && strcmp(old, p->text) == 0;
	const struct runner_change c = { .size = sizeof(c), .action = same ? RUNNER_UNCHANGED : old ? RUNNER_UPDATED : RUNNER_CREATED,
					 .resource = p->file, .fields = fields, .n_fields = same ? 0 : 3,
					 .field_size = sizeof(fields[0]) };
	host->changed(stage, &c);
}

static int plan(struct runner_stage *stage, const struct runner_host *host, const void *params_)
{
	const struct params *p = params_;
	char old[256];
	bool there = get(p->file, old, sizeof(old));
	if (host->remember(stage, "file", "null") != 0 || host->recall(stage, "file"))
		return -1; /* it does nothing here */
	scribble(stage, host);
	tell(stage, host, p, there ? old : NULL);
	return 0;
}

static int run(struct runner_stage *stage, const struct runner_host *host, const void *params_)
{
	const struct params *p = params_;
	char old[256], json[300];
	bool there = get(p->file, old, sizeof(old));
	if (there && strcmp(old, p->text) == 0 && !p->fail) {
		tell(stage, host, p, old);
		return 0;
	}
	snprintf(json, sizeof(json), there ? "{\"text\":\"%s\"}" : "null", old);
	if (host->remember(stage, "file", json) < 0 || (p->record && host->remember(stage, "extra", p->record) < 0))
		return -1;
	host->log(stage, RUNNER_INFO, "remembered");
	while (p->hang && access(p->hang, F_OK) == 0 && !host->cancelled(stage))
		usleep(10000);
	put(p->file, p->text);
	tell(stage, host, p, there ? old : NULL);
	if (p->fail)
		return host->fail(stage, &(struct runner_failure){ .size = sizeof(struct runner_failure),
								   .cls = RUNNER_FAIL_STAGE, .message = "as asked for" });
	return host->output(stage, "text", p->text);
}

static int rollback(struct runner_stage *stage, const struct runner_host *host, const void *params_)
{
	const struct params *p = params_;
	const char *record = host->recall(stage, "file"), *first = host->recall_key(stage, 0);
	if (!record || !first || strcmp(first, "file") != 0)
		return -1;
	host->log(stage, RUNNER_INFO, "puts back %s", record);
	if (p->broken && access(p->broken, F_OK) == 0)
		return host->fail(stage, &(struct runner_failure){ .size = sizeof(struct runner_failure), .cls = RUNNER_FAIL_REMOTE,
								   .message = "the old one is gone", .hint = "look for it" });
	if (strcmp(record, "null") == 0) {
		host->change(stage, unlink(p->file) == 0 ? RUNNER_DELETED : RUNNER_UNCHANGED, p->file, NULL);
		return 0;
	}
	char text[256] = { 0 };
	if (sscanf(record, "{\"text\":\"%255[^\"]", text) != 1)
		return -1;
	put(p->file, text);
	host->change(stage, RUNNER_UPDATED, p->file, "as it was");
	return 0;
}

static const struct runner_output outputs[] = { { .name = "text", .help = "The text." }, { 0 } };

RUNNER_PLUGIN(.name = "keeper", .version = "1", .summary = "keeps a text in a file", .params = params, .outputs = outputs,
	      .param_size = sizeof(struct params), .run = run, .plan = plan, .rollback = rollback,
	      .permissions = "file:Read\nfile:Write disk:${file}");
