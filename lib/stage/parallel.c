/* SPDX-License-Identifier: Apache-2.0 */
/* Independent pieces of work at the same time: reads of a service, mostly. */
#include "stage.h"

#include <pthread.h>

struct job {
	const struct stage_task *task;
	struct rn_error err;
	int result;
	pthread_t thread;
	bool started;
};

static void *work(void *arg)
{
	struct job *job = arg;
	job->result = job->task->run(job->task->arg, &job->err);
	return NULL;
}

int stage_parallel(const struct stage_task *tasks, size_t n, struct rn_error *err)
{
	struct job jobs[STAGE_TASKS_MAX] = { 0 };
	if (n > STAGE_TASKS_MAX)
		return rn_fail(err, RN_EINTERNAL, "%zu tasks at once, at most %d are possible", n, STAGE_TASKS_MAX);
	for (size_t i = 0; i < n; i++) {
		jobs[i].task = &tasks[i];
		/* the last one runs here; so does each for which no thread can be had */
		jobs[i].started = i + 1 < n && pthread_create(&jobs[i].thread, NULL, work, &jobs[i]) == 0;
		if (!jobs[i].started)
			work(&jobs[i]);
	}
	int result = 0;
	for (size_t i = 0; i < n; i++) {
		if (jobs[i].started)
			pthread_join(jobs[i].thread, NULL);
		if (jobs[i].result < 0 && result == 0) {
			result = -1;
			if (err)
				*err = jobs[i].err;
		}
	}
	return result;
}
