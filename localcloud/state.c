/* SPDX-License-Identifier: Apache-2.0 */
#include "state.h"

#include "images.h"
#include "store.h"

#include "base/encode.h"
#include "base/fs.h"
#include "base/time.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ENVIRONMENT "environment"
#define SHARED " shared"

int state_lock(const char *dir, struct rn_error *err)
{
	if (rn_mkdirs(dir, 0700, err) < 0)
		return -1;
	RN_AUTO(rn_freep) char *path = rn_path_join(dir, "lock");
	return rn_lock_file(path, false, false, err);
}

/* Credentials are made once and kept, so that configured clients stay valid. */
static int load_self(struct cloud *c, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *self = store_get(c->store, "cloud", "", "self");
	if (!self) {
		char id[20];
		unsigned char secret[30];
		rn_random(secret, sizeof(secret));
		self = cJSON_CreateObject();
		RN_AUTO(rn_freep) char *key = rn_asprintf("AKIA%s", cloud_id(id, 16, true));
		RN_AUTO(rn_freep) char *text = rn_base64(secret, sizeof(secret));
		cJSON_AddStringToObject(self, "access_key", key);
		cJSON_AddStringToObject(self, "secret_key", text);
		if (store_put(c->store, "cloud", "", "self", self, err) < 0)
			return -1;
	}
	c->access_key = rn_strdup(rn_json_str(self, "access_key"));
	c->secret_key = rn_strdup(rn_json_str(self, "secret_key"));
	c->port = (int)rn_json_int(self, "port", 0);
	return 0;
}

int state_open(struct cloud *c, const char *dir, struct rn_error *err)
{
	c->dir = rn_path_abs(NULL, dir);
	c->blob_dir = rn_path_join(c->dir, "blobs");
	c->temp_dir = rn_path_join(c->dir, "temp");
	cloud_uuid(c->instance);
	if (rn_mkdirs(c->blob_dir, 0700, err) < 0 || rn_mkdirs(c->temp_dir, 0700, err) < 0)
		return -1;
	c->store = store_open(c->dir, err);
	if (!c->store || load_self(c, err) < 0)
		return -1;
	images_uploads_start(c);
	return images_start(c, err);
}

int state_save_port(struct cloud *c, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *self = store_get(c->store, "cloud", "", "self");
	if (!self)
		return rn_fail(err, RN_EIO, "the state database lost its own entry");
	cJSON_DeleteItemFromObjectCaseSensitive(self, "port");
	cJSON_AddNumberToObject(self, "port", c->port);
	return store_put(c->store, "cloud", "", "self", self, err);
}

void state_close(struct cloud *c)
{
	images_uploads_stop(c);
	store_close(c->store);
	cloud_clear(c);
}

/* ---- the environment of clients ---- */

void state_environment(const struct cloud *c, struct rn_buf *ret)
{
	rn_buf_addf(ret, "AWS_ENDPOINT_URL=%s\n", c->endpoint);
	rn_buf_addf(ret, "AWS_ACCESS_KEY_ID=%s\n", c->access_key);
	rn_buf_addf(ret, "AWS_SECRET_ACCESS_KEY=%s\n", c->secret_key);
	rn_buf_addf(ret, "AWS_REGION=%s\nAWS_DEFAULT_REGION=%s\n", c->region, c->region);
}

int state_publish(const struct cloud *c, bool shared, struct rn_error *err)
{
	RN_AUTO(rn_buf_clearp) struct rn_buf text = RN_BUF_INIT;
	rn_buf_addf(&text, "# pid %d%s\n", (int)getpid(), shared ? SHARED : "");
	state_environment(c, &text);
	RN_AUTO(rn_freep) char *path = rn_path_join(c->dir, ENVIRONMENT);
	return rn_write_file(path, text.p, text.len, 0600, err);
}

void state_unpublish(const char *dir)
{
	RN_AUTO(rn_freep) char *path = rn_path_join(dir, ENVIRONMENT);
	unlink(path);
}

/* Does someone listen where the environment says? */
static bool answers(const char *text)
{
	const char *url = strstr(text, "AWS_ENDPOINT_URL=http://");
	char host[64];
	int port = 0;
	if (!url || sscanf(url, "AWS_ENDPOINT_URL=http://%63[0-9.]:%d", host, &port) != 2)
		return false;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		return false;
	RN_AUTO(rn_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

int state_read_environment(const char *dir, int64_t timeout_ms, struct rn_buf *ret, bool *ret_shared,
			   struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = rn_path_join(dir, ENVIRONMENT);
	for (int64_t deadline = rn_now_ms() + timeout_ms; rn_now_ms() < deadline;
	     rn_sleep_ms(50, -1)) {
		rn_buf_reset(ret);
		if (rn_read_file(path, 65536, ret, NULL) == 0 && answers(rn_buf_str(ret))) {
			const char *end = strchr(rn_buf_str(ret),
						 '\n'); /* the line that names the process */
			if (ret_shared)
				*ret_shared = end - ret->p > (ptrdiff_t)strlen(SHARED) &&
					      rn_starts(end - strlen(SHARED), SHARED);
			rn_buf_drop(ret, (size_t)(end + 1 - ret->p));
			return 0;
		}
		RN_AUTO(rn_closep) int lock = state_lock(dir, NULL);
		if (lock >= 0)
			return rn_fail(err, RN_ENOTFOUND, "the cloud that held %s went away", dir);
	}
	rn_fail(err, RN_ETIMEOUT, "another cloud holds %s but does not get ready", dir);
	return rn_hint(err, "stop it, or choose another --state folder");
}
