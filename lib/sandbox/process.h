/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a sandbox: the helper (outside: id maps, cgroup, the caller's
 * wishes), its init (inside: sets up, reaps, kills what is left, undoes) and the program.
 */
#ifndef SANDBOX_PROCESS_H
#define SANDBOX_PROCESS_H

#include "plan.h"
#include "wire.h"

/**
 * Runs a spec to its end. Messages go to `caller` as they happen (-1: none). A rehearsal
 * does all but the exec. Failures before the program runs are in `err`.
 */
int helper_run(const struct sandbox_spec *spec, int caller, bool rehearsal, struct sandbox_status *ret,
	       struct rn_error *err);

/** Body of init; `up` is its socket to the helper. Does not return. */
_Noreturn void init_main(const struct sandbox_spec *spec, const struct plan *plan, int up);

/** Becomes the program: root, limits, ids, capabilities, filter, descriptors, exec. Writes a struct rn_error to `report` when it cannot. */
_Noreturn void program_main(const struct sandbox_spec *spec, const struct plan *plan, int root, int report);

/** Writes the id maps of a process in its new user namespace. */
int idmap_write(pid_t pid, const struct sandbox_spec *spec, const struct plan *plan, struct rn_error *err);
/** How many ids a range gives here (1 + subordinate ones, or all as root); 0 with the reason when none. */
uint64_t idmap_count(struct rn_error *err);

/* Capabilities: those usual in a container when `keep`, else none. */

/** Lowers what exec can ever give. */
int caps_bound(bool keep, struct rn_error *err);
/** Puts all that are permitted in effect, as after a kept change of ids. */
int caps_raise(struct rn_error *err);
/** The rest goes. */
int caps_set(bool keep, struct rn_error *err);
/** True when this process has the capability in effect. */
bool caps_have(int capability);

/** Loads the seccomp filter: refuses what no build and no function needs; `fakes`: chown & co. succeed without effect. */
int filter_load(bool fakes, struct rn_error *err);

/* Control groups, v2 or v1, made below the first ancestor where that is allowed. */
struct cgroup {
	char *dirs[2]; /* v2: one; v1: memory and pids */
	bool v2;
};
/** Makes one with the limits; nothing made (and 0 returned) when `memory` and `pids` are both 0. -1 when not allowed. */
int cgroup_make(uint64_t memory, uint64_t pids, struct cgroup *ret, struct rn_error *err);
int cgroup_add(const struct cgroup *g, pid_t pid, struct rn_error *err);
/** Bytes in use without what files hold (tmpfs, cache); 0 when unknown. Cheap while all of it is not above `interesting`. */
uint64_t cgroup_memory(const struct cgroup *g, uint64_t interesting);
/** True when the kernel killed in it for memory. */
bool cgroup_out_of_memory(const struct cgroup *g);
/** Kills what is in it, removes it. */
void cgroup_end(struct cgroup *g);

/** Tries all rungs from `best` down in `dir`; prints the host as JSON to fd 1. What `runner-sandbox --probe` does. */
int try_all(const char *dir, enum sandbox_rung best, struct rn_error *err);

#endif
