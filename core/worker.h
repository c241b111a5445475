/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker side of a stage: `runner --worker` reads a spec frame on descriptor
 * 3 and writes event frames on descriptor 4. It is two processes: a supervisor,
 * which runs no plugin code, relays output and kills what the stage leaves
 * behind, and the stage process, which loads the plugin and calls it.
 */
#ifndef CORE_WORKER_H
#define CORE_WORKER_H

enum { WORKER_SPEC_FD = 3, WORKER_EVENT_FD = 4 };

/** Entry of `runner --worker`; returns an exit status. main() calls it before anything else. */
int worker_main(void);

#endif
