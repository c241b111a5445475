/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials from docker's and podman's files and helpers. The bearer flow is in registry_token.c. */
#include "registry_auth.h"

#include "registry_auth_internal.h"

#include "base/encode.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"

#include <stdlib.h>
#include <string.h>

#define AUTH_FILE_MAX ((size_t)4 << 20)
#define HELPER_OUTPUT_MAX ((size_t)1 << 20)
#define HELPER_TIMEOUT_MS 60000

void credentials_clear(struct credentials *c)
{
	if (c->password)
		rn_wipe(c->password, strlen(c->password));
	rn_freep(&c->user);
	rn_freep(&c->password);
	rn_freep(&c->identity_token);
	rn_freep(&c->registry_token);
	rn_freep(&c->source);
}

static void free_credentials(void *p)
{
	if (p)
		credentials_clear(p);
	free(p);
}

static void free_token(void *p)
{
	struct cached_token *t = p;
	if (t)
		rn_freep(&t->header);
	free(t);
}

struct registry_auth *registry_auth_new(const struct registry_auth_options *o)
{
	struct registry_auth *a = rn_alloc(sizeof(*a));
	if (o)
		a->options = *o;
	pthread_mutex_init(&a->lock, NULL);
	rn_map_init(&a->given, free_credentials);
	rn_map_init(&a->found, free_credentials);
	rn_map_init(&a->tokens, free_token);
	rn_map_init(&a->warned, NULL);
	return a;
}

void registry_auth_free(struct registry_auth *a)
{
	if (!a)
		return;
	rn_map_clear(&a->given);
	rn_map_clear(&a->found);
	rn_map_clear(&a->tokens);
	rn_map_clear(&a->warned);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

void registry_auth_freep(struct registry_auth **a)
{
	registry_auth_free(*a);
	*a = NULL;
}

void registry_auth_secret(const struct registry_auth *a, const char *value)
{
	if (a->options.secret && value && value[0])
		a->options.secret(a->options.ctx, value);
}

void registry_auth_warn(struct registry_auth *a, const char *text)
{
	if (!a->options.warn || rn_map_has(&a->warned, text))
		return;
	rn_map_set(&a->warned, text, a);
	a->options.warn(a->options.ctx, text);
}

void registry_auth_set(struct registry_auth *a, const char *host, const char *user, const char *password)
{
	struct credentials *c = rn_alloc(sizeof(*c));
	c->user = rn_strdup(user);
	c->password = rn_strdup(password);
	c->source = rn_strdup("given");
	registry_auth_secret(a, password);
	pthread_mutex_lock(&a->lock);
	rn_map_set(&a->given, host, c);
	pthread_mutex_unlock(&a->lock);
}

static const char *variable(const struct registry_auth *a, const char *name)
{
	const char *v = a->options.env ? a->options.env(a->options.ctx, name) : getenv(name);
	return v && v[0] ? v : NULL;
}

/* The keys under which a file may list a host, the most exact first: podman allows paths below the host. */
static void keys_of(const char *host, const char *repository, struct rn_strv *ret)
{
	if (repository) {
		RN_AUTO(rn_freep) char *path = rn_asprintf("%s/%s", host, repository);
		for (char *slash = path + strlen(path); slash && slash > path + strlen(host); slash = strrchr(path, '/')) {
			*slash = '\0';
			if (strlen(path) > strlen(host))
				rn_strv_add(ret, path);
		}
	}
	if (strcmp(host, "docker.io") == 0 || strcmp(host, "registry-1.docker.io") == 0) {
		rn_strv_add(ret, "https://index.docker.io/v1/");
		rn_strv_add(ret, "index.docker.io");
		rn_strv_add(ret, "docker.io");
	}
	rn_strv_add(ret, host);
	rn_strv_addf(ret, "https://%s", host);
	rn_strv_addf(ret, "https://%s/", host);
	rn_strv_addf(ret, "https://%s/v1/", host);
	rn_strv_addf(ret, "https://%s/v2/", host);
	rn_strv_addf(ret, "http://%s", host);
}

/* One entry of "auths". False when it holds nothing. */
static bool from_entry(const cJSON *entry, struct credentials *ret)
{
	const char *auth = rn_json_str(entry, "auth"), *user = rn_json_str(entry, "username"), *password = rn_json_str(entry, "password");
	const char *identity = rn_json_str(entry, "identitytoken"), *registry = rn_json_str(entry, "registrytoken");
	RN_AUTO(rn_buf_clear) struct rn_buf pair = { .max = 65536 };
	if (auth && auth[0] && rn_base64_decode(auth, &pair, NULL) == 0) {
		char *colon = strchr(rn_buf_str(&pair), ':');
		if (colon) {
			*colon = '\0';
			user = pair.p;
			password = colon + 1;
		}
	}
	if (identity && identity[0])
		ret->identity_token = rn_strdup(identity);
	if (registry && registry[0])
		ret->registry_token = rn_strdup(registry);
	if (user && user[0] && password) {
		ret->user = rn_strdup(user);
		ret->password = rn_strdup(password);
	}
	return ret->user || ret->identity_token || ret->registry_token;
}

/* Asks docker-credential-NAME for a server. False: it knows none, or cannot be asked (said as a warning). */
static bool from_helper(struct registry_auth *a, const char *name, const char *server, struct credentials *ret)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *program = rn_asprintf("docker-credential-%s", name);
	const char *const argv[] = { program, "get", NULL };
	RN_AUTO(rn_buf_clear) struct rn_buf out = { .max = HELPER_OUTPUT_MAX }, errors = { .max = HELPER_OUTPUT_MAX };
	int code = rn_run(argv, NULL, server, &out, &errors, HELPER_TIMEOUT_MS, &err);
	if (code != 0) {
		bool none = code > 0 && (strstr(rn_buf_str(&out), "credentials not found") || strstr(rn_buf_str(&errors), "credentials not found"));
		RN_AUTO(rn_freep) char *text = rn_asprintf("%s cannot be asked for %s (%s); going on without", program, server,
							  code < 0 ? err.msg : rn_trim(errors.len ? errors.p : out.len ? out.p : (char[]){ "it failed" }));
		if (!none)
			registry_auth_warn(a, text);
		return false;
	}
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse(rn_buf_str(&out), out.len, NULL);
	const char *user = rn_json_str(j, "Username"), *secret = rn_json_str(j, "Secret");
	if (!user || !secret) {
		RN_AUTO(rn_freep) char *text = rn_asprintf("%s gave no credentials that can be read for %s; going on without", program, server);
		registry_auth_warn(a, text);
		return false;
	}
	if (strcmp(user, "<token>") == 0) {
		ret->identity_token = rn_strdup(secret);
	} else {
		ret->user = rn_strdup(user);
		ret->password = rn_strdup(secret);
	}
	rn_wipe(out.p, out.len);
	return true;
}

/* Looks a host up in one config document; credHelpers beats credsStore beats auths. */
static bool from_config(struct registry_auth *a, const cJSON *config, const char *where, const struct rn_strv *keys, struct credentials *ret)
{
	const cJSON *helpers = rn_json_get(config, "credHelpers"), *auths = rn_json_get(config, "auths");
	const char *store = rn_json_str(config, "credsStore");
	for (size_t i = 0; i < keys->n; i++) {
		const char *helper = rn_json_str(helpers, keys->v[i]);
		if (helper && helper[0] && from_helper(a, helper, keys->v[i], ret)) {
			ret->source = rn_asprintf("%s (credHelpers: %s)", where, helper);
			return true;
		}
	}
	for (size_t i = 0; store && store[0] && i < keys->n; i++) {
		/* a store is asked only for what the file lists: each question may cost a prompt or a second */
		if (rn_json_get(auths, keys->v[i]) && from_helper(a, store, keys->v[i], ret)) {
			ret->source = rn_asprintf("%s (credsStore: %s)", where, store);
			return true;
		}
	}
	for (size_t i = 0; i < keys->n; i++) {
		if (from_entry(rn_json_get(auths, keys->v[i]), ret)) {
			ret->source = rn_asprintf("%s (auths)", where);
			return true;
		}
	}
	return false;
}

static bool from_text(struct registry_auth *a, const char *text, size_t n, const char *where, const struct rn_strv *keys, struct credentials *ret)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_json_freep) cJSON *config = rn_json_parse(text, n, &err);
	if (config)
		return from_config(a, config, where, keys, ret);
	RN_AUTO(rn_freep) char *warning = rn_asprintf("%s is left out: %s", where, err.msg);
	registry_auth_warn(a, warning);
	return false;
}

static bool from_file(struct registry_auth *a, const char *path, const struct rn_strv *keys, struct credentials *ret)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (rn_read_file(path, AUTH_FILE_MAX, &text, &err) == 0)
		return from_text(a, rn_buf_str(&text), text.len, path, keys, ret);
	RN_AUTO(rn_freep) char *warning = rn_asprintf("%s is left out: %s", path, err.msg);
	if (err.code != RN_ENOTFOUND)
		registry_auth_warn(a, warning);
	return false;
}

static void search(struct registry_auth *a, const struct rn_strv *keys, struct credentials *ret)
{
	const char *file = variable(a, "REGISTRY_AUTH_FILE"), *text = variable(a, "DOCKER_AUTH_CONFIG");
	const char *docker = variable(a, "DOCKER_CONFIG"), *home = variable(a, "HOME"), *runtime = variable(a, "XDG_RUNTIME_DIR");
	if (file && from_file(a, file, keys, ret))
		return;
	if (text && from_text(a, text, strlen(text), "$DOCKER_AUTH_CONFIG", keys, ret))
		return;
	if (docker || home) {
		RN_AUTO(rn_freep) char *path = docker ? rn_path_join(docker, "config.json") : rn_path_join(home, ".docker/config.json");
		if (from_file(a, path, keys, ret))
			return;
	}
	if (runtime) {
		RN_AUTO(rn_freep) char *path = rn_path_join(runtime, "containers/auth.json");
		from_file(a, path, keys, ret);
	}
}

static void copy_credentials(const struct credentials *from, struct credentials *ret)
{
	*ret = (struct credentials){ rn_strdup(from->user), rn_strdup(from->password), rn_strdup(from->identity_token),
				     rn_strdup(from->registry_token), rn_strdup(from->source) };
}

void registry_auth_find(struct registry_auth *a, const char *host, const char *repository, struct credentials *ret)
{
	RN_AUTO(rn_freep) char *key = rn_asprintf("%s/%s", host, repository ? repository : "");
	pthread_mutex_lock(&a->lock);
	struct credentials *c = rn_map_get(&a->given, host);
	if (!c && !(c = rn_map_get(&a->found, key))) {
		RN_AUTO(rn_strv_clear) struct rn_strv keys = { 0 };
		keys_of(host, repository, &keys);
		c = rn_alloc(sizeof(*c));
		search(a, &keys, c);
		registry_auth_secret(a, c->password);
		registry_auth_secret(a, c->identity_token);
		registry_auth_secret(a, c->registry_token);
		rn_map_set(&a->found, key, c);
	}
	copy_credentials(c, ret);
	pthread_mutex_unlock(&a->lock);
}
