/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state folder: who holds it (a lock), what of the cloud itself survives (credentials,
 * port), and the environment file by which a second start finds the first.
 */
#ifndef STATE_H
#define STATE_H

#include "cloud.h"

#include "base/buf.h"

/** Makes the folder (private) and takes its lock: a descriptor, or -1 with RN_EEXISTS when a live cloud holds it. */
int state_lock(const char *dir, struct rn_error *err);

/** Opens the store and sets folders, credentials and `port` (that of the last time; 0: none) of the cloud. */
int state_open(struct cloud *c, const char *dir, struct rn_error *err);
/** Remembers the port for the next time. */
int state_save_port(struct cloud *c, struct rn_error *err);
/** Closes the store and frees the cloud's strings. */
void state_close(struct cloud *c);

/** NAME=VALUE lines of what clients need. */
void state_environment(const struct cloud *c, struct rn_buf *ret);
/** Writes them to DIR/environment for others to find, or removes that file. `shared`: who uses it must hold it (holders.h). */
int state_publish(const struct cloud *c, bool shared, struct rn_error *err);
void state_unpublish(const char *dir);
/** Waits until the cloud that holds the folder is ready and reads its environment (`ret_shared` may be NULL); RN_ENOTFOUND when it went away meanwhile. */
int state_read_environment(const char *dir, int64_t timeout_ms, struct rn_buf *ret, bool *ret_shared, struct rn_error *err);

#endif
