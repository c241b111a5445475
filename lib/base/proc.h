/* SPDX-License-Identifier: Apache-2.0 */
/* Subprocesses: started without a shell, with chosen descriptors and nothing else. */
#ifndef RN_PROC_H
#define RN_PROC_H

#include "buf.h"

#include <stdint.h>
#include <sys/types.h>

struct rn_fd_map {
	int from; /* descriptor in this process */
	int to;   /* its number in the child    */
};

struct rn_spawn {
	const char *const *argv;      /* argv[0] looked up in PATH unless it has a slash */
	const char *const *env;       /* whole environment; NULL: this process's         */
	const char *workdir;          /* NULL: unchanged                                 */
	const struct rn_fd_map *fds;  /* what the child gets; 0, 1, 2 not listed are /dev/null */
	size_t n_fds;
	bool new_group;               /* leads its own process group                     */
	bool new_session;             /* leads its own session                           */
	bool keep_stdio;              /* 0, 1, 2 not listed are this process's           */
	int parent_death_signal;      /* sent when this process dies; 0: none            */
};

/** Starts it; all other descriptors are closed in the child, signals are reset. Returns the pid or -1 (also when exec fails). */
pid_t rn_spawn(const struct rn_spawn *s, struct rn_error *err);
/**
 * Closes the descriptors from `first` to `last`, at once or (`at_exec`) when a program is started: close_range(2), and one by one where the
 * kernel (before Linux 5.9) or a container's filter does not have that. May be called between fork or vfork and exec.
 */
void rn_close_range(unsigned first, unsigned last, bool at_exec);
/** True when the child has ended; it is not reaped. Where there is no pidfd_open (old kernels, valgrind), look every RN_WITHOUT_PIDFD_MS. */
bool rn_ended(pid_t pid);
enum { RN_WITHOUT_PIDFD_MS = 20 };
/** Waits through EINTR. Returns the exit status, 128 + signal when killed (*ret_signal, may be NULL). -1 on error. */
int rn_wait(pid_t pid, int *ret_signal);
/** Runs to its end with `input` on stdin (NULL: none); stdout into `out` (its ceiling holds; more is RN_ELIMIT), stderr into `errors` (may be NULL: /dev/null). timeout_ms 0: none. Returns exit status, -1 on error. */
int rn_run(const char *const *argv, const char *const *env, const char *input, struct rn_buf *out,
	   struct rn_buf *errors, int64_t timeout_ms, struct rn_error *err);
/** The same until `stop_fd` is readable (-1: none): all of its process group is killed then, RN_ECANCELLED. */
int rn_run_until(const char *const *argv, const char *const *env, const char *input, struct rn_buf *out, struct rn_buf *errors,
		 int64_t timeout_ms, int stop_fd, struct rn_error *err);

#endif
