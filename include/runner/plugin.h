/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin ABI of runner: the one header that a stage plugin includes.
 *
 * A plugin is a shared object that exports one symbol, `runner_plugin_v1`, a
 * `struct runner_plugin`. The host loads it in a worker process, checks and
 * converts the parameters of the stage by the plugin's own table, fills the
 * plugin's parameter struct, and calls `run`, `plan`, `destroy` or `rollback`.
 *
 * Life of a call:  load -> (check) -> run | plan | destroy | rollback -> process exit.
 * A worker process serves one call of one stage and then exits, so a plugin
 * needs no global clean-up and may leak nothing that outlives its process.
 *
 * What crosses the line: no FILE, no off_t, no member of enum type, no errno
 * and no allocation. Every `const char *` that the host hands out is owned by
 * the host and valid until the call returns; every string that the plugin hands
 * in is copied by the host before the service returns.
 *
 * Compatibility: structs grow by appending only. `size` members carry the size
 * the author compiled with; the host zeroes its own copy and copies the smaller
 * of both, so a plugin built against an older minor runs in a newer host. The
 * host refuses another major and a newer minor, and names both numbers.
 *
 * History
 *   1.0   first version
 *   1.1   descriptor: `rollback`. Services: `remember`, `recall`, `recall_key` (what was there
 *         before, so that it can be put back), `changed` (old and new value of each field).
 *         `longest_secret`, `reveals` (secrets that must not get into what a stage publishes).
 *         `permissions`: a line may name a resource behind the action
 */
#ifndef RUNNER_PLUGIN_H
#define RUNNER_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RUNNER_ABI_MAJOR 1u /* +1: something old changed or went away */
#define RUNNER_ABI_MINOR 1u /* +1: something was appended */
#define RUNNER_PLUGIN_MAGIC 0x31504e52u /* "RNP1" in memory order on little-endian machines */

/** Name of the exported descriptor; it carries the major version. */
#define RUNNER_PLUGIN_SYMBOL "runner_plugin_v1"

#if defined(__GNUC__)
#define RUNNER_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define RUNNER_EXPORT __attribute__((visibility("default")))
#else
#define RUNNER_PRINTF(fmt, args)
#define RUNNER_EXPORT
#endif

/** One call of one stage; opaque, owned by the host. */
struct runner_stage;

/* ---- values of parameters ------------------------------------------------ */

/** RUNNER_DURATION: a length of time in milliseconds, written "10s", "1h30m", "250ms". */
struct runner_duration {
	int64_t ms;
};

/** RUNNER_SIZE: a number of bytes, written "512", "64KiB", "10MB" (KB = 1000, KiB = 1024). */
struct runner_size {
	uint64_t bytes;
};

/** RUNNER_LIST: strings in the order of the pipeline file; empty list: n == 0. */
struct runner_list {
	const char *const *v;
	size_t n;
};

struct runner_pair {
	const char *key;
	const char *value;
};

/** RUNNER_MAP: string keys and string values in the order of the pipeline file. */
struct runner_map {
	const struct runner_pair *v;
	size_t n;
};

/** RUNNER_JSON: any value as JSON text (RFC 8259); text is NULL when not given. */
struct runner_json {
	const char *text;
};

enum runner_type {
	RUNNER_STRING = 1, /* const char *, NULL when not given            */
	RUNNER_INTEGER,    /* int64_t                                      */
	RUNNER_NUMBER,     /* double                                       */
	RUNNER_BOOLEAN,    /* bool                                         */
	RUNNER_DURATION,   /* struct runner_duration                       */
	RUNNER_SIZE,       /* struct runner_size                           */
	RUNNER_PATH,       /* const char *, absolute: the host resolves it against the pipeline file */
	RUNNER_LIST,       /* struct runner_list                           */
	RUNNER_MAP,        /* struct runner_map                            */
	RUNNER_JSON,       /* struct runner_json                           */
};

/** Flags of a parameter or an output. */
enum {
	RUNNER_REQUIRED = 1 << 0,   /* the pipeline must give it (or default it by an expression)   */
	RUNNER_SECRET = 1 << 1,     /* masked in every sink; never in the journal or a resume key   */
	RUNNER_DEPRECATED = 1 << 2, /* accepted with a warning; `help` says what to use             */
};

/** One declared parameter: parsed, checked, defaulted and documented by the host. */
struct runner_param {
	const char *name;
	uint32_t type;       /* enum runner_type                                           */
	uint32_t flags;      /* RUNNER_REQUIRED ...                                        */
	size_t offset;       /* of the member in the plugin's own parameter struct         */
	const char *def;     /* default, written as in a pipeline; NULL: zero value        */
	const char *one_of;  /* allowed values (for a list: of each item), "a|b|c"; NULL: any */
	const char *help;    /* one or two sentences, for `runner plugins describe`        */
	const char *example; /* a value as in a pipeline, for the documentation; may be NULL */
};

#ifndef __cplusplus
/**
 * A row of the parameter table: RUNNER_PARAM(struct params, member, .help = "...").
 * The parameter's name is the member's name; its type follows from the member's
 * C type, so a wrong type does not compile. `const char *` is a string; use
 * RUNNER_PARAM_PATH for a path.
 */
#define RUNNER_PARAM(T, f, ...)                                       \
	{                                                             \
		.name = #f, .type = RUNNER_TYPE_OF(T, f),             \
		.offset = offsetof(T, f), __VA_ARGS__                 \
	}
#define RUNNER_PARAM_PATH(T, f, ...)                                  \
	{                                                             \
		.name = #f,                                           \
		.type = _Generic(((T *)0)->f, const char *: RUNNER_PATH), \
		.offset = offsetof(T, f), __VA_ARGS__                 \
	}
#define RUNNER_TYPE_OF(T, f)                                          \
	_Generic(((T *)0)->f,                                         \
		const char *: RUNNER_STRING,                          \
		int64_t: RUNNER_INTEGER,                              \
		double: RUNNER_NUMBER,                                \
		bool: RUNNER_BOOLEAN,                                 \
		struct runner_duration: RUNNER_DURATION,              \
		struct runner_size: RUNNER_SIZE,                      \
		struct runner_list: RUNNER_LIST,                      \
		struct runner_map: RUNNER_MAP,                        \
		struct runner_json: RUNNER_JSON)
#endif

/** One declared output. A stage may set only the outputs that it declares. */
struct runner_output {
	const char *name; /* "*": any name (for stages that pass outputs through, as exec does) */
	uint32_t flags;   /* RUNNER_SECRET */
	uint32_t reserved;
	const char *help;
};

/* ---- host services -------------------------------------------------------- */

/** Levels of log lines. */
enum runner_level {
	RUNNER_DEBUG = 0,
	RUNNER_INFO,
	RUNNER_WARN,
	RUNNER_ERROR,
};

/** What happened (or, in plan, would happen) to a resource. */
enum runner_action {
	RUNNER_UNCHANGED = 0,
	RUNNER_CREATED,
	RUNNER_UPDATED,
	RUNNER_DELETED,
};

/** Flags of a field of a change. */
enum {
	/* RUNNER_SECRET: the values are shown as "***"; the host does not even pass them on */
	RUNNER_FIELD_JSON = 1 << 8, /* before and after are JSON text: machine output has them as values */
};

/** One setting of a resource that changes; since 1.1. Texts are copied by the host. */
struct runner_field {
	const char *name;   /* "memory", "environment.LOG_LEVEL"                       */
	const char *before; /* the value found; NULL: there was none                   */
	const char *after;  /* the value wanted; NULL: it goes away                    */
	uint32_t flags;     /* RUNNER_SECRET, RUNNER_FIELD_JSON                        */
	uint32_t reserved;  /* 0 */
};

/** A resource and what happened to it, field by field; since 1.1. */
struct runner_change {
	uint32_t size;        /* sizeof(struct runner_change)                                     */
	uint32_t action;      /* enum runner_action                                               */
	const char *resource; /* "lambda function app"                                            */
	const char *detail;   /* more words; NULL: the host writes "name: before -> after, ..."   */
	const struct runner_field *fields; /* may be NULL                                         */
	uint32_t n_fields;
	uint32_t field_size;  /* sizeof(struct runner_field): the host steps the array by it      */
};

/** Class of a failure: decides the wording and the exit code, and whether `retry:` applies. */
enum runner_class {
	RUNNER_FAIL_STAGE = 1,   /* the work itself failed (test red, command exit 1)            */
	RUNNER_FAIL_CONFIG,      /* the parameters cannot work; the user must change the file    */
	RUNNER_FAIL_AUTH,        /* no or refused credentials                                    */
	RUNNER_FAIL_NETWORK,     /* could not reach, cut off, timed out                          */
	RUNNER_FAIL_REMOTE,      /* a remote service answered with an error                      */
	RUNNER_FAIL_MACHINE,     /* this machine cannot: kernel, disk, permission (exit code 3)  */
	RUNNER_FAIL_UNSUPPORTED, /* not supported by this plugin (exit code 3)                   */
	RUNNER_FAIL_CANCELLED,   /* stopped because `cancelled` said so                          */
};

/** A failure in three parts: what failed and why (message), what to do next (hint). */
struct runner_failure {
	uint32_t size;       /* sizeof(struct runner_failure)                                 */
	uint32_t cls;        /* enum runner_class                                             */
	const char *message; /* what failed and why                                           */
	const char *hint;    /* what to do next; NULL: none                                   */
	const char *param;   /* name of the parameter at fault, for file:line:column; or NULL */
	const char *file;    /* another file at fault (a Dockerfile); or NULL                 */
	int64_t line;        /* in `file`, from 1; 0: none                                    */
	int64_t column;      /* in `file`, from 1; 0: none                                    */
	bool retryable;      /* the same call may succeed later                               */
};

/** A subprocess: argv[0] is looked up in PATH; env is added to the stage's environment. */
struct runner_command {
	uint32_t size; /* sizeof(struct runner_command) */
	uint32_t flags; /* RUNNER_COMMAND_CAPTURE: stdout goes to `captured`, not to the log */
	const char *const *argv;       /* NULL-terminated */
	const char *const *env;        /* "NAME=VALUE", NULL-terminated, or NULL */
	const char *workdir;           /* NULL: the folder of the pipeline file  */
	const char *input;             /* text for stdin; NULL: no input         */
	int64_t timeout_ms;            /* 0: none                                */
	/* results, written by the host */
	int32_t exit_code;             /* exit status; 128 + signal when killed  */
	int32_t signal;                /* the signal; 0: it exited               */
	const char *captured;          /* owned by the host until the call returns */
};
enum { RUNNER_COMMAND_CAPTURE = 1 << 0 };

/** Facts about the run, for `info`. */
enum runner_info {
	RUNNER_INFO_PIPELINE = 1, /* name of the pipeline                                   */
	RUNNER_INFO_FILE,         /* absolute path of the pipeline file                     */
	RUNNER_INFO_DIR,          /* absolute folder of the pipeline file                   */
	RUNNER_INFO_STAGE,        /* id of this stage                                       */
	RUNNER_INFO_RUN_ID,       /* id of this run, unique                                 */
	RUNNER_INFO_SCRATCH,      /* private empty folder, removed after the stage; NULL in `plan` when there is no room for one */
	RUNNER_INFO_CACHE,        /* folder kept between runs, shared by all runs of a user; lock what you share */
	RUNNER_INFO_STATE,        /* folder kept between runs of this stage of this pipeline, under .runner/; in `plan` it may not exist */
	RUNNER_INFO_LIBEXEC,      /* folder of the runner's helper programs                 */
	RUNNER_INFO_VERSION,      /* version of the host                                    */
};

/**
 * Services of the host; append only. A service beyond the size that the author
 * knew is used only when RUNNER_HAS(host, name).
 * All services may be called from any thread of the plugin.
 */
struct runner_host {
	uint32_t size;
	uint32_t abi_minor;

	/** A line (or lines) for the stage's log; secrets are masked by the host. */
	void (*log)(struct runner_stage *, uint32_t level, const char *fmt, ...) RUNNER_PRINTF(3, 4);
	/** Names the step that begins now ("3/7 COPY . /app"); NULL: no step. */
	void (*step)(struct runner_stage *, const char *name);
	/** Progress of `what`; total 0: not known; unit "bytes" or a plural noun. Cheap: the host limits the rate. */
	void (*progress)(struct runner_stage *, const char *what, uint64_t done, uint64_t total, const char *unit);
	/** A resource and what happened to it; action: enum runner_action; detail may be NULL. */
	void (*change)(struct runner_stage *, uint32_t action, const char *resource, const char *detail);
	/** Sets a declared output to a string. 0, or -1 for a name that is not declared. */
	int (*output)(struct runner_stage *, const char *name, const char *value);
	/** Sets a declared output to a JSON value. 0, or -1 (not declared, not JSON). */
	int (*output_json)(struct runner_stage *, const char *name, const char *json);
	/** Records why the stage fails; the last one counts. Always returns -1, so `return host->fail(...)`. */
	int (*fail)(struct runner_stage *, const struct runner_failure *);
	/** True once the run is being stopped or the stage's time is over. */
	bool (*cancelled)(struct runner_stage *);
	/** A descriptor that becomes readable when `cancelled` becomes true; owned by the host. */
	int (*cancel_fd)(struct runner_stage *);
	/** A fact about the run: enum runner_info; NULL for one that this host does not know. */
	const char *(*info)(struct runner_stage *, uint32_t what);
	/** True when the pipeline gives the parameter (also when it equals the default). */
	bool (*is_set)(struct runner_stage *, const char *param);
	/** False in `plan`, `destroy` and `rollback` when the parameter depends on an output that is not known (yet); its member then has the default. */
	bool (*is_known)(struct runner_stage *, const char *param);
	/** Masks a value learnt while running (a token, a key) in every sink from now on. */
	void (*mask)(struct runner_stage *, const char *secret);
	/** Runs a command in the stage's process group; output goes to the log. 0: ran (see exit_code), -1: could not start, timed out or cancelled (`fail` is already recorded). */
	int (*command)(struct runner_stage *, struct runner_command *);

	/* ---- since 1.1 ---- */

	/**
	 * Keeps what was there before, so that `rollback` can put it back: call it right BEFORE
	 * the write that destroys the old state. `key` names what is about to change (at most 128
	 * bytes; one key a resource or setting is usual), `json` is any JSON value of at most
	 * 256 KiB: what `rollback` needs, or `null` for something that does not exist yet.
	 *
	 * Returns 0 once the record is on disk (synced), so that it survives a kill at any later
	 * moment; -1 when it cannot be kept, with `fail` recorded: then do not write, and return -1.
	 * The first record of a key in a run counts; a later one of the same key (another
	 * attempt of `retry:`) returns 0 and changes nothing. So it is right to call it before
	 * every write. A stage that remembers nothing has changed nothing, and is not rolled back.
	 *
	 * Records are kept in the journal of the run, in the clear: never put a secret into one (a
	 * record in which the host finds a known secret is refused). Does nothing and returns 0
	 * in `plan`, `destroy` and `rollback`. Blocks for the time of a write to disk.
	 */
	int (*remember)(struct runner_stage *, const char *key, const char *json);
	/** In `rollback`: the JSON text that `run` remembered under `key`; NULL: nothing. In other calls NULL. */
	const char *(*recall)(struct runner_stage *, const char *key);
	/** In `rollback`: the key of the i-th record (from 0) in the order in which they were remembered; NULL behind the last. */
	const char *(*recall_key)(struct runner_stage *, uint32_t i);
	/** `change` with the old and the new value of each field, for `plan` and reports. */
	void (*changed)(struct runner_stage *, const struct runner_change *);
	/** Bytes of the longest secret that the pipeline gives this stage; 0: none, and `reveals` is always false. */
	uint64_t (*longest_secret)(struct runner_stage *);
	/**
	 * True when data[0..n) holds a secret that the pipeline gives this stage, as it is: for a stage that
	 * publishes what it is given (an image, a page), before it does. Secrets of less than 6 bytes are not looked
	 * for. For a stream, keep longest_secret() - 1 bytes from one call to the next.
	 */
	bool (*reveals)(struct runner_stage *, const void *data, uint64_t n);
};

/** True when the running host has the service `f`. */
#define RUNNER_HAS(host, f) \
	((host)->size >= offsetof(struct runner_host, f) + sizeof((host)->f) && (host)->f)

/* ---- the plugin ----------------------------------------------------------- */

/**
 * A stage's entry point. `params` points to the plugin's own struct, filled by
 * the host, or is NULL when param_size is 0. Returns 0 when the stage did its
 * work, -1 after `fail`. A return of -1 without `fail` is reported as such.
 */
typedef int runner_fn(struct runner_stage *, const struct runner_host *, const void *params);

/** The descriptor; append only. */
struct runner_plugin {
	uint32_t magic;      /* RUNNER_PLUGIN_MAGIC */
	uint32_t abi_major;
	uint32_t abi_minor;
	uint32_t size;       /* sizeof(struct runner_plugin) */
	uint32_t row_size;   /* sizeof(struct runner_param): the host steps the table by it */
	uint32_t output_row_size; /* sizeof(struct runner_output) */
	uint32_t param_size; /* sizeof the plugin's parameter struct; 0: none */
	uint32_t flags;      /* 0 */
	const char *name;    /* as in `uses:` and the file name NAME.so; [a-z0-9-]+ */
	const char *version; /* of the plugin */
	const char *summary; /* one line */
	const struct runner_param *params;   /* ends at a NULL name; NULL: none */
	const struct runner_output *outputs; /* ends at a NULL name; NULL: none */
	runner_fn *check;    /* optional: looks at the parameters only; no I/O, offline */
	runner_fn *run;      /* required */
	runner_fn *plan;     /* optional: reads only; reports changes that run would make */
	runner_fn *destroy;  /* optional: removes what run made */
	const char *help;    /* optional: more paragraphs for `runner plugins describe` (Markdown) */
	/** Optional: what the stage may do, shown by `plan` and the documentation, one item a line
	 *  (for AWS stages the IAM actions, "iam:GetRole"); NULL: not said. Since 1.1 a line may name
	 *  behind the action the resources that it is limited to, with spaces between, in which
	 *  ${name} stands for a parameter of the stage: "iam:GetRole arn:aws:iam::*:role/${role_name}".
	 *  ${name:-text} is the text when the parameter is not given. A value that is an ARN itself
	 *  also replaces what stands before it: "arn:*:iam::*:role/${role}" fits names and ARNs. A resource with a parameter
	 *  that has no value, or none yet, is "*" as a whole. "?name" right behind the action: needed only
	 *  where the pipeline gives that parameter. Several lines may name the same action;
	 *  `runner plan --iam-policy` gathers them. */
	const char *permissions;
	/**
	 * Since 1.1, optional: puts back what `run` changed, from the records of `remember` (see there).
	 * Called when a stage behind it (or this one itself) has failed for good and this stage says
	 * `on_failure: rollback`, and by `runner rollback`; stages in reverse order, each in a worker of its own, only
	 * those that remembered something. `params` are those of `run` as far as they are known (see
	 * `is_known`): go by the records alone where possible. Must be convergent: it may be called
	 * again after it was killed halfway, and what is as it was already is `unchanged`.
	 * Reports with `change` or `changed` what it puts back: an action as seen now, so
	 * a function moved back to the old image is `updated`, an alias that is new is `deleted`.
	 * Outputs are ignored. A failure is reported beside the one that led here.
	 */
	runner_fn *rollback;
};

/** Defines and exports the descriptor: RUNNER_PLUGIN(.name = "hello", .run = run, ...); */
#ifdef __cplusplus
#define RUNNER_PLUGIN_BEGIN extern "C" {
#define RUNNER_PLUGIN_END }
#else
#define RUNNER_PLUGIN_BEGIN
#define RUNNER_PLUGIN_END
#endif
#define RUNNER_PLUGIN(...)                                                             \
	RUNNER_PLUGIN_BEGIN                                                            \
	extern RUNNER_EXPORT const struct runner_plugin runner_plugin_v1;              \
	const struct runner_plugin runner_plugin_v1 = {                                \
		.magic = RUNNER_PLUGIN_MAGIC, .abi_major = RUNNER_ABI_MAJOR,           \
		.abi_minor = RUNNER_ABI_MINOR, .size = sizeof(struct runner_plugin),   \
		.row_size = sizeof(struct runner_param),                               \
		.output_row_size = sizeof(struct runner_output), __VA_ARGS__           \
	};                                                                             \
	RUNNER_PLUGIN_END                                                              \
	struct runner_plugin /* takes the semicolon behind RUNNER_PLUGIN(...) */

#ifdef __cplusplus
}
#endif

#endif
