/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Lambda's files share: the documents (functions, versions, aliases), the state
 * of this process (instances), images on disk, and the handlers.
 *
 * A function's document is its public configuration ($LATEST) and private members "_…":
 *   _image {uri, resolved, repository, digest, layers[]}   _tags {}   _policy {QUALIFIER: [statement]}
 *   _reserved (concurrency)   _recursion (Allow)   _generation (changes with code and configuration)   _next_version
 *   _creating, _preparing (the cloud that makes it ready), _ready_at, _failed   how far a change is
 */
#ifndef LAMBDA_INTERNAL_H
#define LAMBDA_INTERNAL_H

#include "lambda.h"
#include "route.h"
#include "store.h"

#include "sandbox/sandbox.h"

#include <pthread.h>

#define FUNCTION "lambda.function" /* by region and name */
#define VERSION "lambda.version"   /* by "REGION/NAME" and number, ten digits */
#define ALIAS "lambda.alias"       /* by "REGION/NAME" and name */
#define ASYNC "lambda.async" /* event invoke configurations, by "REGION/NAME" and qualifier */
#define PROVISIONED "lambda.provisioned" /* by "REGION/NAME" and qualifier */
#define FUNCTION_URL "lambda.url" /* by "REGION/NAME" and the URL's id */
#define FUNCTION_URL_PREFIX "/lambda-url/"
#define LATEST "$LATEST"

struct instance;
struct event_queue;

/* cloud.service_data[CLOUD_SLOT_LAMBDA] */
struct lambda {
	struct cloud *cloud;
	char *dir;               /* DIR/lambda */
	pthread_mutex_t lock;    /* all below, and all of the instances */
	pthread_cond_t ended;    /* a worker or an instance is gone */
	struct instance *instances;
	unsigned workers;        /* threads that use this */
	bool stopping;
	pthread_mutex_t prepare; /* one image at a time; also guards the probe */
	pthread_mutex_t provision; /* one function at a time */
	bool probed;
	struct sandbox_host host;
	struct event_queue *events;   /* asynchronous invocations that wait, by `lock` */
	cJSON *sessions;         /* {"ROLE FUNCTION": credentials}, by `lock` */
};

struct lambda *lambda_of(struct cloud *c);

/* ---- names (lambda_names.c) ---- */

struct function_ref {
	char *region, *name;
	char *qualifier; /* NULL: none given */
};
void function_ref_clear(struct function_ref *r);
/** "name", "name:qualifier", "ACCOUNT:function:name", or an ARN; a qualifier given apart wins. RN_EINVAL. */
int function_ref_parse(const char *region, const char *text, const char *qualifier, struct function_ref *ret,
		       struct rn_error *err);
/** The same of a request's {name} and Qualifier; -1 when the refusal is answered. */
int function_ref_of(struct request *req, struct response *res, struct function_ref *ret);
/** "arn:aws:lambda:…:function:NAME[:QUALIFIER]"; new. */
char *function_arn(const struct function_ref *r, const char *qualifier);
/** Parent of versions and aliases, "REGION/NAME"; new. */
char *function_parent(const struct function_ref *r);

/* ---- documents (lambda_document.c) ---- */

/** $LATEST's document, its state brought up to now; NULL when there is none. New. */
cJSON *function_load(struct cloud *c, const struct function_ref *r);
/** The same, answering ResourceNotFoundException. */
cJSON *function_require(struct request *req, struct response *res, const struct function_ref *r);
/** What a qualifier names: $LATEST, a version, or an alias (by weights when it has some). NULL: none. New. */
cJSON *function_qualified(struct cloud *c, const struct function_ref *r, const char *qualifier);
void function_save(struct cloud *c, const struct function_ref *r, const cJSON *doc);
/** A new generation and RevisionId; the old instances end. */
void function_touch(struct cloud *c, const struct function_ref *r, cJSON *doc);
/** A change began: Pending or InProgress until the image is ready; starts the worker. */
void function_begin_change(struct request *req, const struct function_ref *r, cJSON *doc, bool creating);
/** An instance could not start because the image is gone from its repository: the function is Failed from now on. */
void function_image_lost(struct cloud *c, const struct function_ref *r);
bool function_in_progress(const cJSON *doc);
/** -1 (answered) while a change is in progress, or when the request's RevisionId is not the latest. */
int function_may_change(struct request *req, struct response *res, const struct function_ref *r, const cJSON *doc,
			const char *revision);
/** The public configuration; `arn` NULL: as stored. New. */
cJSON *function_public(const cJSON *doc, const char *arn);
void json_set(cJSON *obj, const char *name, cJSON *value);      /* adds or replaces */
void json_set_str(cJSON *obj, const char *name, const char *s); /* NULL removes     */
/** Time as Lambda writes it, "2026-11-24T03:15:07.123+0000"; to[40]. */
char *lambda_time(char *to);

/* ---- configuration (lambda_config.c) ---- */

/** Checks the members of a create or update request and sets them on `doc`; -1 when the refusal is answered. */
int config_apply(struct request *req, struct response *res, const cJSON *in, cJSON *doc, bool creating);
/** Sets code from {ImageUri} (of `in`); -1 when answered. */
int config_apply_code(struct request *req, struct response *res, const cJSON *in, cJSON *doc);

/* ---- images (lambda_image.c) ---- */

/** Resolves and checks what Lambda takes; the error text is AWS's. Result: _image. NULL on error. New. */
cJSON *image_check(struct cloud *c, const char *region, const char *uri, struct rn_error *err);

/* What an instance runs on. */
struct image_root {
	struct rn_strv lowers; /* folders, uppermost first (overlay) */
	char *folder;          /* or one folder                      */
	cJSON *config;         /* of the image: Entrypoint, Cmd, Env, WorkingDir */
};
void image_root_clear(struct image_root *r);
/** Unpacks what is not there yet. */
int image_prepare(struct lambda *l, const char *region, const cJSON *image, struct image_root *ret, struct rn_error *err);
/** A private copy of a folder by hard links. */
int image_clone(const char *from, const char *to, struct rn_error *err);
/** Removes unpacked layers that no function uses. */
void image_sweep(struct lambda *l);
/** The sandbox of this machine, probed once. */
const struct sandbox_host *lambda_host(struct lambda *l, struct rn_error *err);

/* ---- instances (lambda_instance.c), their Runtime API (lambda_runtime.c), their log (lambda_stream.c) ---- */

enum instance_state {
	INSTANCE_INIT, /* started; has not asked for an event yet */
	INSTANCE_IDLE,
	INSTANCE_BUSY,
};

struct invocation {
	char id[37];
	const void *payload;
	size_t n;
	const char *client_context;
	char *arn;              /* as invoked */
	int64_t deadline_wall;  /* ms */
	bool delivered, done;
	bool failed;            /* the runtime posted an error */
	bool too_large;
	char content_type[128]; /* of the answer; "": none told */
	struct timespec began;  /* delivered */
	double duration_ms;
	struct rn_buf response;
};

struct instance {
	struct lambda *lambda;
	struct instance *next;
	char *key;                /* REGION/NAME/VERSION/GENERATION */
	char *function;           /* REGION/NAME                    */
	char *version;
	enum instance_state state;
	bool owned;               /* an invoker holds it                       */
	bool running;             /* its sandbox and its watcher are there     */
	bool dead;                /* the program ended                         */
	bool retired;             /* no new invocation                         */
	bool failed_init;         /* posted init/error                         */
	struct rn_buf init_error;
	pthread_cond_t changed;   /* with lambda.lock                          */
	struct invocation *current;
	int64_t idle_since;
	double init_ms;
	struct timespec born;
	struct MHD_Daemon *api;
	int port;
	struct sandbox *box;
	struct sandbox_status status;
	char *clone;              /* folder of its own, removed at the end     */
	bool warm;                /* has answered before, or was made ready ahead */
	bool provisioned;         /* made ahead, and kept                      */
	pthread_mutex_t log_lock;
	int log_fd;               /* our end of stdout and stderr              */
	struct rn_buf line;       /* unfinished line                           */
	struct rn_buf tail;       /* end of the log of the current invocation  */
	char *stream;             /* "2026/11/24/[$LATEST]ab12…"               */
	char *stream_path;
	int stream_fd;
};

/** An instance that waits for an event, held by the caller: a warm one, or a new one
    (at most `reserved` at a time; -1: no ceiling). NULL with the result filled (429, what cannot start). */
struct instance *instance_acquire(struct lambda *l, const struct function_ref *r, const cJSON *doc, int64_t reserved,
				  struct lambda_result *res);
/** Starts one ahead of any event and waits until it asks for work; NULL with *ret_why (static). Held by the caller. */
struct instance *instance_provision(struct lambda *l, const struct function_ref *r, const cJSON *doc, const char **ret_why);
/** Gives it back: warm unless it is dead or retired. */
void instance_release(struct instance *in);
/** Runs one event on it; fills payload, function_error and log. False when a warm one was gone before it took the event: try another. */
bool instance_run(struct instance *in, struct invocation *inv, const cJSON *doc, struct lambda_result *res);
/** Ends the instances of a function that are not of `generation` (NULL: all); busy ones finish first. */
void instances_retire(struct lambda *l, const char *function, const char *generation);
/** Kills all now; their threads end soon. */
void instances_kill(struct lambda *l);

/** What of an instance is known before its program runs: environment, arguments, root, limits; then it is started. -1 with the type of the error. */
int instance_boot(struct instance *in, const struct function_ref *r, const cJSON *doc, const char **ret_type,
		  struct rn_error *err);
/** Milliseconds since. */
double lambda_since(const struct timespec *t);
/** {"errorType", "errorMessage": "RequestId: ID Error: TEXT"} as the result. */
void lambda_unhandled(struct lambda_result *res, const char *type, const char *fmt, ...) RN_PRINTF(3, 4);

/** A name that CloudWatch Logs takes for a group. */
bool logs_name_valid(const char *name);
/** The log group's document, made when missing. */
void logs_ensure_group(struct cloud *c, const char *region, const char *group);

/** Credentials of a role for its functions {AccessKeyId, SecretAccessKey, SessionToken}; new, NULL when there is no such role. */
cJSON *lambda_session(struct lambda *l, const char *role_arn, const char *function);
void lambda_sessions_end(struct lambda *l);

/** Serves the Runtime API on a port of its own. */
int runtime_start(struct instance *in, struct rn_error *err);
void runtime_stop(struct instance *in);

int stream_open(struct instance *in, struct rn_error *err);
/** Takes what the program wrote so far. */
void stream_pump(struct instance *in);
/** One line of ours. */
void stream_line(struct instance *in, const char *fmt, ...) RN_PRINTF(2, 3);
/** The last 4 KB since the last call; new. */
char *stream_tail(struct instance *in);
void stream_close(struct instance *in);

/** Appends a line of the platform to a stream of its own in a log group (NULL: nothing). */
void stream_note(struct lambda *l, const char *region, const char *group, const char *text);

/* ---- settings beside the configuration ---- */

/** Documents of a function as a list, by Marker and MaxItems; `show` (may be NULL) finishes each. Private members are left out. */
void lambda_answer_list(struct request *req, struct response *res, const struct function_ref *r, const char *kind, const char *member,
			void (*show)(const struct request *req, cJSON *doc));
/** The event invoke configuration of the function or of its qualifier; NULL: none. New. */
cJSON *async_config(struct cloud *c, const struct function_ref *r);
/** Does the policy of the function (or of its qualifier) let everybody call it by a URL? It takes two statements. */
bool lambda_is_public(struct cloud *c, const struct function_ref *r);
/** Removes the URL of r->qualifier, if there is one. */
void lambda_forget_url(struct cloud *c, const struct function_ref *r);
/** Makes instances as the configurations of the function say, in a thread of its own. */
void provision(struct cloud *c, const struct function_ref *r);
/** An alias moved, or went away: its instances are made anew. In a transaction. */
void provision_alias(struct cloud *c, const struct function_ref *r, const char *alias, bool gone);
/** Those of an earlier process. */
void provision_start(struct lambda *l);

/** Appends a message of application/vnd.amazon.eventstream (lambda_event_stream.c). */
void event_stream_add(struct rn_buf *to, const char *event_type, const char *content_type, const void *payload, size_t n);

/* ---- asynchronous invocations (lambda_events.c) ---- */

/** Keeps the call in the store and runs it soon, again when it fails. RN_ELIMIT: too many wait. */
int events_add(struct lambda *l, const struct lambda_call *call, const char *request_id, struct rn_error *err);
/** Takes up what an earlier process left; events_interrupt wakes the workers at the stop, events_stop frees. */
void events_start(struct lambda *l);
void events_interrupt(struct lambda *l);
void events_stop(struct lambda *l);
/** Runs a call whose request id is set to its end, as lambda_invoke does, whatever its type. */
void lambda_run(struct cloud *c, const struct lambda_call *call, struct lambda_result *res);

/** The platform's lines before and behind an invocation (lambda_report.c). `status` NULL: it went well; `error_type` may be NULL. */
void report_start(struct instance *in, const struct invocation *inv, const cJSON *doc);
void report_end(struct instance *in, const struct invocation *inv, const cJSON *doc, double duration, const char *status,
		const char *error_type);

/** A thread that the stop waits for. */
int worker_start(struct lambda *l, void *(*body)(void *), void *arg);
void worker_ended(struct lambda *l);

/* ---- handlers, by file ---- */
handler_fn lambda_create, lambda_get, lambda_get_configuration, lambda_list, lambda_delete, lambda_update_code,
	lambda_update_configuration;                                       /* lambda_functions.c */
handler_fn lambda_publish, lambda_list_versions, lambda_create_alias, lambda_get_alias, lambda_update_alias,
	lambda_delete_alias, lambda_list_aliases;                          /* lambda_versions.c  */
handler_fn lambda_add_permission, lambda_remove_permission, lambda_get_policy; /* lambda_policy.c    */
handler_fn lambda_tag, lambda_untag, lambda_list_tags, lambda_put_concurrency, lambda_get_concurrency,
	lambda_delete_concurrency, lambda_account_settings, lambda_no_signing, lambda_get_recursion,
	lambda_put_recursion;                                              /* lambda_settings.c  */
handler_fn lambda_put_async, lambda_update_async, lambda_get_async, lambda_delete_async, lambda_list_async; /* lambda_async.c */
handler_fn lambda_put_provisioned, lambda_get_provisioned, lambda_list_provisioned, lambda_delete_provisioned; /* lambda_provisioned.c */
handler_fn lambda_create_url, lambda_get_url, lambda_update_url, lambda_delete_url, lambda_list_urls; /* lambda_url.c */
handler_fn lambda_invoke_handler, lambda_invoke_async_handler, lambda_invoke_stream_handler; /* lambda_invoke.c */

#endif
