/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a program inside another root: what RUN of a Dockerfile and the local
 * Lambda share. The caller fills a spec; a process of its own, runner-sandbox,
 * makes the namespaces and mounts (a threaded caller never runs such code
 * between fork and exec), starts the program, reaps what it leaves behind, and
 * ends with it. Knows neither images nor Dockerfiles nor Lambda.
 *
 *   sandbox_probe(dir, &host, err)              once: what this machine allows
 *   spec.host = &host; fill the spec
 *   sandbox_run(&spec, &io, &status, err)       to its end, output streamed; or
 *   sandbox_start / sandbox_wait / sandbox_free for one that lives longer
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a machine allows, worst to best. */
enum sandbox_rung {
	SANDBOX_NONE,      /* nothing: programs of an image cannot be run                       */
	SANDBOX_CHROOT,    /* root that may neither unshare nor mount: chroot in a plain folder */
	SANDBOX_SINGLE_ID, /* user namespace where one id exists: the caller's                  */
	SANDBOX_MAPPED,    /* user namespace with a range of ids (newuidmap, or root writes it) */
	SANDBOX_ROOT,      /* root: namespaces and mounts directly                              */
};

/** "root", "mapped", "single-id", "chroot", "none". */
const char *sandbox_rung_name(enum sandbox_rung rung);
/** One line for people: "root with namespaces". */
const char *sandbox_rung_text(enum sandbox_rung rung);

/* One thing that was tried. */
struct sandbox_check {
	char *name;   /* "user namespace", "newuidmap", "overlay", …                        */
	bool ok;
	char *detail; /* what was seen: "unshare: Operation not permitted"                  */
	char *cure;   /* what would make it work; NULL when ok or when nothing would        */
};

/* What a machine allows; plain data, filled by sandbox_probe. */
struct sandbox_host {
	enum sandbox_rung rung;
	bool overlay;    /* `lowers` + `upper` work (for folders where `dir` of the probe lies)   */
	bool userxattr;  /* overlay marks are user.overlay.*, else trusted.overlay.*              */
	bool net_none;   /* SANDBOX_NET_NONE really cuts the network                              */
	bool cgroup;     /* limits hold for the whole sandbox; else per process                   */
	uint64_t ids;    /* how many ids exist inside (1: single id)                              */
	char *summary;   /* one line: the rung, and why not a better one                          */
	char *cure;      /* how to get a better one; NULL: nothing better                         */
	struct sandbox_check *checks;
	size_t n_checks;
};

/**
 * Really tries, in a process of its own, each rung from the best down, with overlays in
 * `dir` (where the caller keeps its roots; made when missing). Never fails for what the machine
 * forbids: that is the result. -1 only when the helper cannot run or `dir` cannot be written.
 * sandbox_host_clear frees.
 */
int sandbox_probe(const char *dir, struct sandbox_host *ret, struct rn_error *err);
/** The same, at most `best` (for tests and --sandbox=NAME). */
int sandbox_probe_at_most(const char *dir, enum sandbox_rung best, struct sandbox_host *ret, struct rn_error *err);
void sandbox_host_clear(struct sandbox_host *host);

enum sandbox_network {
	SANDBOX_NET_HOST, /* the caller's network           */
	SANDBOX_NET_NONE, /* loopback alone; refused when host.net_none is false */
};

/* A folder or file from outside seen at `target`. */
struct sandbox_bind {
	const char *source;   /* absolute, outside */
	const char *target;   /* absolute, inside; made (and taken away again) when missing */
	bool writable;        /* writes reach `source` */
	bool discard;         /* writable inside, writes are dropped at the end             */
	const char *scratch;  /* with `discard`: an empty folder of the caller for those writes */
};

/* A file with content given here, on memory only (in the chroot rung: on disk while it runs). */
struct sandbox_file {
	const char *target;
	const void *data;
	size_t size;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

struct sandbox_tmpfs {
	const char *target;
	uint64_t size; /* bytes; 0: the kernel's default  */
	mode_t mode;   /* 0: 1777                          */
};

struct sandbox_fd {
	int from; /* caller's descriptor; stays open there */
	int to;   /* its number inside                     */
};

struct sandbox_spec {
	const struct sandbox_host *host; /* from sandbox_probe */
	const char *helper;              /* runner-sandbox; NULL: found from /proc/self/exe, see sandbox_helper */

	/* The root: either a folder, or an overlay (host->overlay). A `rootfs` that is not
	   read-only belongs to one sandbox at a time. "/" is the machine's own root: then only the ids
	   (and with them the user namespace) are set, as for unpacking layers with their owners. */
	const char *rootfs;
	const char *const *lowers; /* folders, the uppermost layer first                      */
	size_t n_lowers;
	const char *upper;         /* receives all changes: the diff; NULL: the root is read-only */
	const char *work;          /* empty folder on the same file system as `upper`          */
	bool volatile_upper;       /* no syncing: the caller throws `upper` away if the machine dies */
	bool read_only;            /* with `rootfs`: not writable (chroot rung: by ownership alone) */

	const struct sandbox_bind *binds;
	size_t n_binds;
	const struct sandbox_file *files; /* over what the root has there: resolv.conf, hosts, secrets */
	size_t n_files;
	const struct sandbox_tmpfs *tmpfs;
	size_t n_tmpfs;
	bool bare;                 /* no /proc, /sys, /dev */

	const char *const *argv;   /* NULL-terminated; argv[0] without a slash is looked up in PATH of `env`, inside */
	const char *const *env;    /* NULL-terminated "NAME=VALUE": the whole environment */
	const char *cwd;           /* NULL: "/"; must exist inside                        */
	uid_t uid;
	gid_t gid;
	const gid_t *groups;       /* supplementary ids */
	size_t n_groups;
	bool keep_caps;            /* as RUN: the usual capabilities of a container's root; else none */
	bool no_new_privs;         /* set-user-id programs have no effect */
	bool fake_ids;             /* where few ids exist: chown, setuid & co. succeed without effect, so
	                              that package managers work (SANDBOX_SINGLE_ID; elsewhere ignored) */
	const char *hostname;      /* NULL: unchanged */
	enum sandbox_network network;

	uint64_t memory;           /* bytes for all of it, tmpfs with a size not counted (without cgroup: data of each process); 0: no limit */
	uint64_t pids;             /* processes and threads; 0: no limit (needs cgroup or a user namespace)  */
	uint64_t nofile;           /* descriptors per process; 0: unchanged */

	int stdin_fd;              /* caller's descriptors; -1: /dev/null; unused by sandbox_run for 1 and 2 */
	int stdout_fd;
	int stderr_fd;
	const struct sandbox_fd *fds; /* more descriptors for the program */
	size_t n_fds;
};

/* -1 for the three descriptors, all else zero. */
#define SANDBOX_SPEC_INIT { .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 }

/* How it ended. */
struct sandbox_status {
	int code;          /* exit status; 128 + signal when killed                     */
	int signal;        /* 0: it exited                                              */
	bool out_of_memory; /* the kernel killed in its cgroup                          */
	uint64_t max_rss;  /* bytes, of the largest process                             */
	int64_t cpu_us;    /* user + system time of all                                 */
};

/**
 * True when the spec can be run on its host: refuses what the rung cannot do (an overlay in
 * the chroot rung, network none, ids that do not exist) with the reason and the cure. Pure.
 */
int sandbox_check_spec(const struct sandbox_spec *spec, struct rn_error *err);

/** The ordered operations that would set it up, one a line, for logs and tests; new string. Pure. */
char *sandbox_describe(const struct sandbox_spec *spec, struct rn_error *err);

struct sandbox;

/**
 * Starts it and returns once the program runs (exec done). -1 when anything on the way fails: a
 * missing program or working directory is RN_ENOTFOUND, one that may not be executed RN_EAUTH, one of another
 * format RN_EUNSUPPORTED. The spec may be freed afterwards. When the caller dies, by whatever signal, all of the sandbox dies.
 * Safe to call from several threads.
 */
int sandbox_start(const struct sandbox_spec *spec, struct sandbox **ret, struct rn_error *err);
/** Waits for its end (timeout_ms < 0: for ever; RN_ETIMEOUT). May be asked again after the end. */
int sandbox_wait(struct sandbox *s, int64_t timeout_ms, struct sandbox_status *ret, struct rn_error *err);
/** Descriptor that becomes readable at the end; owned by the sandbox. */
int sandbox_fd(const struct sandbox *s);
/** The program's process as seen here; 0 when unknown. */
pid_t sandbox_pid(const struct sandbox *s);
/** Sends a signal to the program. */
void sandbox_signal(struct sandbox *s, int signal);
/** Ends all of its processes at once (KILL). Does not wait; may be called from any thread, repeatedly. */
void sandbox_kill(struct sandbox *s);
/** Kills what still runs, waits until nothing is left, frees. NULL is fine. */
void sandbox_free(struct sandbox *s);
void sandbox_freep(struct sandbox **s); /* for RN_AUTO */

struct sandbox_io {
	/** Bytes of stdout (stream 1) or stderr (2), as they come; called in the caller's thread. NULL: dropped. */
	void (*output)(void *data, int stream, const char *bytes, size_t n);
	void *data;
	bool together;      /* both streams through one pipe, so that their order is kept: all comes as stream 1 */
	int cancel_fd;      /* readable: TERM, then KILL after grace_ms, RN_ECANCELLED; -1: none */
	int64_t timeout_ms; /* 0: none; RN_ETIMEOUT after the same ending                       */
	int64_t grace_ms;   /* 0: 5000                                                          */
};

/** Runs it to its end. A non-zero exit is no error: it is in `ret`. */
int sandbox_run(const struct sandbox_spec *spec, const struct sandbox_io *io, struct sandbox_status *ret,
		struct rn_error *err);

/** Path of runner-sandbox beside the running program (bin/runner or libexec/runner/…); new string or NULL. */
char *sandbox_helper(struct rn_error *err);

#endif
