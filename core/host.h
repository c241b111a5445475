/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host services inside a stage process: what include/runner/plugin.h
 * promises, turned into event frames. All of it may be called from any thread.
 */
#ifndef CORE_HOST_H
#define CORE_HOST_H

#include "base/json.h"

#include <pthread.h>
#include <runner/plugin.h>

/** Largest value of an output, in bytes. */
enum { HOST_OUTPUT_MAX = 1 << 20, HOST_TEXT_MAX = 1 << 20, HOST_CAPTURE_MAX = 64 << 20 };
/** Of `remember`: bytes of a key and of a record, records of a stage. */
enum { HOST_KEY_MAX = 128, HOST_RECORD_MAX = 256 << 10, HOST_RECORDS_MAX = 1000 };

enum { HOST_PROGRESS = 16 };

/* What was last said of one piece of work; several go on at once. */
struct host_progress {
	uint64_t what; /* hash of its name */
	int64_t ms;    /* when             */
	bool ended;    /* that it is done  */
};

struct runner_stage {
	const cJSON *spec;                  /* what the host sent; see stage.h        */
	const struct runner_plugin *plugin; /* accepted descriptor                    */
	int event_fd;
	int cancel_fd;                      /* readable once the stage shall stop     */
	pthread_mutex_t lock;               /* guards the pipe and all below          */
	bool failed;                        /* `fail` was called                      */
	uint32_t no_folder;                 /* bit RUNNER_INFO_...: told that it cannot be made */
	bool final;                         /* what was said counts; later words do not */
	struct host_progress progress[HOST_PROGRESS];
	int reply_fd;                       /* the host's answers to `remember`       */
	pthread_mutex_t asking;             /* one question to the host at a time     */
	void **owned;                       /* strings handed out, freed at exit      */
	size_t n_owned, cap_owned;
};


struct host_fds {
	int event;  /* frames to the host                        */
	int reply;  /* answers from the host                     */
	int cancel; /* readable once the stage shall stop        */
};
/** Makes the stage object; the services that go with it are host_services. */
void host_init(struct runner_stage *stage, const cJSON *spec, const struct runner_plugin *plugin,
	       const struct host_fds *fds);
extern const struct runner_host host_services;

/** Sends a frame; takes `j`. */
void host_send(struct runner_stage *stage, cJSON *j);
/** `fail` with formatted text; hint may be NULL. Returns -1. */
int host_fail(struct runner_stage *stage, enum runner_class cls, const char *hint, const char *fmt, ...)
	RUNNER_PRINTF(4, 5);
bool host_cancelled(struct runner_stage *stage);
/** A new event {"type": type}. */
cJSON *host_event(const char *type);
/** Adds text, at most HOST_TEXT_MAX bytes; NULL adds nothing. */
void host_add_text(cJSON *j, const char *name, const char *text);
/** Of ABI 1.1; see host_secrets.c. */
uint64_t host_longest_secret(struct runner_stage *stage);
bool host_reveals(struct runner_stage *stage, const void *data, uint64_t n);
/** The services of ABI 1.1; see host_records.c. */
int host_remember(struct runner_stage *stage, const char *key, const char *json);
const char *host_recall(struct runner_stage *stage, const char *key);
const char *host_recall_key(struct runner_stage *stage, uint32_t i);
void host_changed(struct runner_stage *stage, const struct runner_change *theirs);
/** The service `command`; see host_command.c. */
int host_command(struct runner_stage *stage, struct runner_command *command);
/** Keeps `p` until the process ends; returns it. */
void *host_keep(struct runner_stage *stage, void *p);

#endif
