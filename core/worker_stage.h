/* SPDX-License-Identifier: Apache-2.0 */
/* The stage process: loads the plugin, fills its parameters, calls it. Never returns to the supervisor's code. */
#ifndef CORE_WORKER_STAGE_H
#define CORE_WORKER_STAGE_H

#include "base/json.h"

/** Serves one call as the spec says and ends the process. stdout and stderr are the log already. */
_Noreturn void worker_stage(const cJSON *spec, int event_fd, int reply_fd);

#endif
