/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_stage.h"

#include "host.h"
#include "params.h"
#include "plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

/* The one thing that a signal handler can reach; set once before the handler is. */
static int stop_fd = -1;

static void on_term(int sig)
{
	(void)sig;
	int saved = errno;
	(void)!write(stop_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
	errno = saved;
}

static void set_environment(const cJSON *env)
{
	clearenv();
	const cJSON *value;
	cJSON_ArrayForEach(value, env)
		if (cJSON_IsString(value))
			setenv(value->string, value->valuestring, 1);
}

/* A core file could hold secrets; a soft limit of descriptors lower than usual breaks nothing that was tested. */
static void set_limits(void)
{
	struct rlimit files;
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 1024 && files.rlim_max >= 1024) {
		files.rlim_cur = 1024;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static void set_signals(void)
{
	struct sigaction sa = { .sa_handler = on_term, .sa_flags = SA_RESTART };
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN); /* writing to a closed pipe is an error, not the end */
}

static runner_fn *entry(const struct runner_plugin *p, const char *call)
{
	if (rn_streq(call, "rollback"))
		return p->rollback;
	return rn_streq(call, "plan") ? p->plan : rn_streq(call, "destroy") ? p->destroy : p->run;
}

static int call_plugin(struct runner_stage *stage, const struct runner_plugin *p, const char *call)
{
	struct rn_error err = { 0 };
	RN_AUTO(params_block_clear) struct params_block block = { 0 };
	if (params_fill(rn_json_get(stage->spec, "params"), p, &block, &err) < 0)
		return host_fail(stage, RUNNER_FAIL_CONFIG, err.hint[0] ? err.hint : NULL, "%s", err.msg);
	runner_fn *fn = entry(p, call);
	if (!fn)
		return host_fail(stage, RUNNER_FAIL_UNSUPPORTED, NULL, "the plugin has no `%s`", call);
	int rc = p->check ? p->check(stage, &host_services, block.params) : 0;
	if (rc == 0)
		rc = fn(stage, &host_services, block.params);
	if (rc != 0 && !stage->failed)
		host_fail(stage, host_cancelled(stage) ? RUNNER_FAIL_CANCELLED : RUNNER_FAIL_STAGE, NULL,
			  "the plugin \"%s\" returned %d without a reason", p->name, rc);
	return rc;
}

static int serve(struct runner_stage *stage, struct runner_plugin *p)
{
	const cJSON *plugin = rn_json_get(stage->spec, "plugin");
	const char *call = rn_json_str(stage->spec, "call"), *dir = rn_json_str(rn_json_get(stage->spec, "info"), "dir");
	struct rn_error err = { 0 };
	if (dir && chdir(dir) < 0)
		return host_fail(stage, RUNNER_FAIL_MACHINE, NULL, "enter the folder %s: %m", dir);
	if (plugin_open(rn_json_str(plugin, "path"), rn_json_str(plugin, "name"), p, &err) < 0)
		return host_fail(stage, RUNNER_FAIL_UNSUPPORTED, err.hint[0] ? err.hint : NULL, "%s", err.msg);
	return call_plugin(stage, p, call ? call : "run");
}

void worker_stage(const cJSON *spec, int event_fd, int reply_fd)
{
	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	set_signals();
	set_limits();
	set_environment(rn_json_get(spec, "env"));
	setvbuf(stdout, NULL, _IOLBF, 0);
	struct runner_plugin plugin = { 0 };
	struct runner_stage stage;
	host_init(&stage, spec, &plugin, &(struct host_fds){ .event = event_fd, .reply = reply_fd, .cancel = stop_fd });
	int rc = serve(&stage, &plugin);
	cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "type", "result");
	cJSON_AddNumberToObject(j, "code", rc);
	host_send(&stage, j);
	_exit(0);
}
