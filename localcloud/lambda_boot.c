/* SPDX-License-Identifier: Apache-2.0 */
/* Starting an instance: from the function's document and its image to a running sandbox. */
#include "lambda_internal.h"

#include "iam.h"
#include "sigv4_verify.h"

#include "base/encode.h"
#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define USER_ID 993 /* sbx_user1051 of Lambda's machines */
#define GROUP_ID 990
#define PROCESSES_MAX 1024
#define FILES_MAX 1024
#define SESSION_SECONDS 43200

/* ---- credentials ---- */

static cJSON *make_session(struct cloud *c, const cJSON *role, const char *function)
{
	unsigned char bytes[192];
	char id[17];
	rn_random(bytes, sizeof(bytes));
	cJSON *credentials = cJSON_CreateObject(), *session = cJSON_CreateObject();
	RN_AUTO(rn_freep) char *key = rn_asprintf("ASIA%s", cloud_id(id, 16, true));
	RN_AUTO(rn_freep) char *secret = rn_base64(bytes, 30);
	RN_AUTO(rn_freep) char *token = rn_base64(bytes + 30, 162);
	RN_AUTO(rn_freep) char *arn = rn_asprintf("arn:aws:sts::" CLOUD_ACCOUNT ":assumed-role/%s/%s",
						  rn_json_str(role, "RoleName"), function);
	RN_AUTO(rn_freep) char *caller = rn_asprintf("%s:%s", rn_json_str(role, "RoleId"), function);
	cJSON_AddStringToObject(session, "secret", secret);
	cJSON_AddStringToObject(session, "token", token);
	cJSON_AddStringToObject(session, "arn", arn);
	cJSON_AddStringToObject(session, "id", caller);
	cJSON_AddNumberToObject(session, "expires", cloud_now() + SESSION_SECONDS);
	store_put(c->store, SESSION, "", key, session, NULL);
	cJSON_Delete(session);
	cJSON_AddStringToObject(credentials, "AccessKeyId", key);
	cJSON_AddStringToObject(credentials, "SecretAccessKey", secret);
	cJSON_AddStringToObject(credentials, "SessionToken", token);
	cJSON_AddNumberToObject(credentials, "expires", cloud_now() + SESSION_SECONDS / 2.0);
	return credentials;
}

cJSON *lambda_session(struct lambda *l, const char *role_arn, const char *function)
{
	RN_AUTO(rn_freep) char *name = rn_asprintf("%s %s", role_arn, function);
	pthread_mutex_lock(&l->lock);
	cJSON *known = rn_json_get(l->sessions, name);
	cJSON *copy = known && rn_json_num(known, "expires", 0) > cloud_now() ? cJSON_Duplicate(known, true) : NULL;
	pthread_mutex_unlock(&l->lock);
	if (copy)
		return copy;
	RN_AUTO(rn_json_freep) cJSON *role = iam_role_by_arn(l->cloud, role_arn);
	if (!role)
		return NULL;
	cJSON *made = make_session(l->cloud, role, function);
	pthread_mutex_lock(&l->lock);
	json_set(l->sessions, name, cJSON_Duplicate(made, true));
	pthread_mutex_unlock(&l->lock);
	return made;
}

void lambda_sessions_end(struct lambda *l)
{
	const cJSON *s;
	if (!l->sessions || !l->sessions->child)
		return;
	store_begin(l->cloud->store);
	cJSON_ArrayForEach(s, l->sessions)
		store_remove(l->cloud->store, SESSION, "", rn_json_str(s, "AccessKeyId"), NULL);
	store_end(l->cloud->store, true, NULL);
}

/* ---- environment and arguments ---- */

static void set_env(struct rn_strv *env, const char *name, const char *value)
{
	RN_AUTO(rn_freep) char *prefix = rn_asprintf("%s=", name);
	for (size_t i = 0; i < env->n; i++)
		if (rn_starts(env->v[i], prefix)) {
			free(env->v[i]);
			env->v[i] = rn_asprintf("%s%s", prefix, value);
			return;
		}
	rn_strv_addf(env, "%s%s", prefix, value);
}

static void set_base_env(struct rn_strv *env, const cJSON *image_config)
{
	static const char *const BASE[][2] = {
		{ "PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin" },
		{ "LD_LIBRARY_PATH", "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib" },
		{ "LANG", "en_US.UTF-8" },
		{ "TZ", ":UTC" },
		{ "LAMBDA_TASK_ROOT", "/var/task" },
		{ "LAMBDA_RUNTIME_DIR", "/var/runtime" },
	};
	for (size_t i = 0; i < RN_LEN(BASE); i++)
		set_env(env, BASE[i][0], BASE[i][1]);
	const cJSON *e;
	cJSON_ArrayForEach(e, rn_json_get(image_config, "Env")) {
		const char *equals = cJSON_IsString(e) ? strchr(e->valuestring, '=') : NULL;
		if (!equals)
			continue;
		RN_AUTO(rn_freep) char *name = rn_strndup(e->valuestring, (size_t)(equals - e->valuestring));
		set_env(env, name, equals + 1);
	}
}

static void set_platform_env(struct rn_strv *env, struct instance *in, const struct function_ref *r, const cJSON *doc)
{
	struct lambda *l = in->lambda;
	char memory[24], api[32];
	snprintf(memory, sizeof(memory), "%lld", (long long)rn_json_int(doc, "MemorySize", 128));
	snprintf(api, sizeof(api), "127.0.0.1:%d", in->port);
	const cJSON *logging = rn_json_get(doc, "LoggingConfig");
	RN_AUTO(rn_json_freep) cJSON *session = lambda_session(l, rn_json_str(doc, "Role"), r->name);
	const struct {
		const char *name, *value;
	} SET[] = {
		{ "AWS_LAMBDA_RUNTIME_API", api },
		{ "AWS_LAMBDA_FUNCTION_NAME", r->name },
		{ "AWS_LAMBDA_FUNCTION_VERSION", in->version },
		{ "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory },
		{ "AWS_LAMBDA_LOG_GROUP_NAME", rn_json_str(logging, "LogGroup") },
		{ "AWS_LAMBDA_LOG_STREAM_NAME", in->stream },
		{ "AWS_LAMBDA_LOG_FORMAT", rn_json_str(logging, "LogFormat") },
		{ "AWS_LAMBDA_LOG_LEVEL", rn_json_str(logging, "ApplicationLogLevel") },
		{ "AWS_LAMBDA_INITIALIZATION_TYPE", in->provisioned ? "provisioned-concurrency" : "on-demand" },
		{ "AWS_EXECUTION_ENV", "AWS_Lambda_Image" },
		{ "AWS_REGION", r->region },
		{ "AWS_DEFAULT_REGION", r->region },
		{ "AWS_ACCESS_KEY_ID", rn_json_str(session, "AccessKeyId") },
		{ "AWS_SECRET_ACCESS_KEY", rn_json_str(session, "SecretAccessKey") },
		{ "AWS_SESSION_TOKEN", rn_json_str(session, "SessionToken") },
		{ "AWS_ENDPOINT_URL", l->cloud->endpoint }, /* what the function calls is this cloud too */
	};
	for (size_t i = 0; i < RN_LEN(SET); i++)
		if (SET[i].value)
			set_env(env, SET[i].name, SET[i].value);
}

static void make_env(struct rn_strv *env, struct instance *in, const struct function_ref *r, const cJSON *doc,
		     const cJSON *image_config)
{
	set_base_env(env, image_config);
	const cJSON *v;
	cJSON_ArrayForEach(v, rn_json_path(doc, "Environment.Variables"))
		if (cJSON_IsString(v))
			set_env(env, v->string, v->valuestring);
	set_platform_env(env, in, r, doc);
}

static void add_words(struct rn_strv *argv, const cJSON *list)
{
	const cJSON *w;
	cJSON_ArrayForEach(w, list)
		if (cJSON_IsString(w))
			rn_strv_add(argv, w->valuestring);
}

/* ImageConfig's word beats the image's; an entry point given there does not drop the image's command. */
static void make_argv(struct rn_strv *argv, const cJSON *doc, const cJSON *image_config)
{
	const cJSON *own = rn_json_path(doc, "ImageConfigResponse.ImageConfig");
	const cJSON *entry = rn_json_get(own, "EntryPoint"), *command = rn_json_get(own, "Command");
	add_words(argv, entry && entry->child ? entry : rn_json_get(image_config, "Entrypoint"));
	add_words(argv, command && command->child ? command : rn_json_get(image_config, "Cmd"));
}

static const char *working_dir(const cJSON *doc, const cJSON *image_config)
{
	const char *own = rn_json_str(rn_json_path(doc, "ImageConfigResponse.ImageConfig"), "WorkingDirectory");
	const char *dir = own && *own ? own : rn_json_str(image_config, "WorkingDir");
	return dir && *dir ? dir : "/";
}

/* ---- the sandbox ---- */

static int make_clone(struct instance *in, const struct image_root *root, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *dir = rn_path_join(in->lambda->dir, "instances");
	if (rn_mkdirs(dir, 0755, err) < 0 || !(in->clone = rn_temp_dir(dir, "", err)))
		return -1;
	return image_clone(root->folder, in->clone, err);
}

static int start_box(struct instance *in, const cJSON *doc, const struct image_root *root, const struct rn_strv *argv,
		     const struct rn_strv *env, struct rn_error *err)
{
	const struct sandbox_host *host = lambda_host(in->lambda, err);
	struct sandbox_tmpfs tmp = { .target = "/tmp", .mode = 01777 };
	tmp.size = (uint64_t)rn_json_int(rn_json_get(doc, "EphemeralStorage"), "Size", 512) << 20;
	int ends[2];
	if (!host || pipe2(ends, O_CLOEXEC) < 0)
		return host ? rn_fail(err, RN_EIO, "pipe: %m") : -1;
	in->log_fd = ends[0];
	fcntl(in->log_fd, F_SETFL, O_NONBLOCK);
	RN_AUTO(rn_closep) int write_end = ends[1];
	struct sandbox_spec s = SANDBOX_SPEC_INIT;
	s.host = host;
	s.rootfs = in->clone;
	s.lowers = (const char *const *)root->lowers.v;
	s.n_lowers = in->clone ? 0 : root->lowers.n;
	s.read_only = true;
	s.tmpfs = &tmp;
	s.n_tmpfs = 1;
	s.argv = (const char *const *)argv->v;
	s.env = (const char *const *)env->v;
	s.uid = USER_ID;
	s.gid = GROUP_ID;
	s.cwd = working_dir(doc, root->config);
	s.no_new_privs = true;
	s.memory = (uint64_t)rn_json_int(doc, "MemorySize", 128) << 20;
	s.pids = PROCESSES_MAX;
	s.nofile = FILES_MAX;
	s.stdout_fd = s.stderr_fd = write_end;
	return sandbox_start(&s, &in->box, err);
}

static const char *failure_type(const struct rn_error *err)
{
	if (rn_starts(err->msg, "working directory"))
		return "Runtime.InvalidWorkingDir";
	if (rn_starts(err->msg, "exec ") || rn_starts(err->msg, "no program"))
		return "Runtime.InvalidEntrypoint";
	return NULL;
}

static void name_stream(struct instance *in, const struct function_ref *r, const cJSON *doc)
{
	char date[32], random[33];
	time_t now = (time_t)(rn_wall_ms() / 1000);
	struct tm tm;
	strftime(date, sizeof(date), "%Y/%m/%d", gmtime_r(&now, &tm));
	in->stream = rn_asprintf("%s/[%s]%s", date, in->version, rn_random_hex(16, random));
	const char *group = rn_json_str(rn_json_get(doc, "LoggingConfig"), "LogGroup");
	RN_AUTO(rn_freep) char *folder = rn_replace(group ? group : "/aws/lambda", "/", "~");
	RN_AUTO(rn_freep) char *file = rn_replace(in->stream, "/", "~");
	in->stream_path = rn_asprintf("%s/logs/%s/%s/%s", in->lambda->dir, r->region, folder, file);
}

int instance_boot(struct instance *in, const struct function_ref *r, const cJSON *doc, const char **ret_type,
		  struct rn_error *err)
{
	struct image_root root = { 0 };
	RN_AUTO(rn_strv_clear) struct rn_strv argv = { 0 }, env = { 0 };
	*ret_type = NULL;
	name_stream(in, r, doc);
	logs_ensure_group(in->lambda->cloud, r->region, rn_json_str(rn_json_get(doc, "LoggingConfig"), "LogGroup"));
	clock_gettime(CLOCK_MONOTONIC, &in->born);
	if (stream_open(in, err) < 0 || runtime_start(in, err) < 0)
		return -1;
	int rc = image_prepare(in->lambda, r->region, rn_json_get(doc, "_image"), &root, err);
	if (rc == 0 && root.folder)
		rc = make_clone(in, &root, err);
	if (rc == 0) {
		make_argv(&argv, doc, root.config);
		make_env(&env, in, r, doc, root.config);
		rc = argv.n ? 0 : rn_fail(err, RN_EINVAL, "no program: the image has neither ENTRYPOINT nor CMD");
		if (rc == 0)
			rc = start_box(in, doc, &root, &argv, &env, err);
		if (rc < 0)
			*ret_type = failure_type(err);
	}
	image_root_clear(&root);
	return rc;
}
