/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs_wire.h"

#include "rootfs_plain.h"

#include "base/encode.h"
#include "base/fs.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names of files may be any bytes. */
static void add_bytes(cJSON *o, const char *name, const char *text)
{
	RN_AUTO(rn_freep) char *coded = rn_base64(text, strlen(text));
	cJSON_AddStringToObject(o, name, coded);
}

static char *get_bytes(const cJSON *o, const char *name)
{
	const char *coded = rn_json_str(o, name);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	if (!coded || rn_base64_decode(coded, &b, NULL) < 0)
		return rn_strdup("");
	return rn_buf_take(&b);
}

static cJSON *request(const char *what)
{
	cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "do", what);
	return j;
}

static void add_digests(cJSON *o, const char *name, const struct digest *v, size_t n)
{
	cJSON *a = cJSON_AddArrayToObject(o, name);
	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(a, cJSON_CreateString(v[i].text));
}

/* New array of as many as there are; NULL when one is none. */
static struct digest *get_digests(const cJSON *o, const char *name, size_t *ret_n)
{
	const cJSON *list = rn_json_get(o, name), *item;
	RN_AUTO(rn_freep) struct digest *v = rn_alloc(((size_t)cJSON_GetArraySize(list) + 1) * sizeof(*v));
	*ret_n = 0;
	cJSON_ArrayForEach(item, list)
		if (!cJSON_IsString(item) || digest_parse(item->valuestring, &v[(*ret_n)++], NULL) < 0)
			return NULL;
	return rn_take(&v);
}

/* ---- requests ------------------------------------------------------------------------------- */

cJSON *wire_unpack(const struct unpack_job *j)
{
	cJSON *r = request("unpack"), *dirs = cJSON_AddArrayToObject(r, "dirs");
	cJSON_AddStringToObject(r, "store", blob_store_dir(j->store));
	cJSON_AddStringToObject(r, "to", j->to);
	add_digests(r, "layers", j->layers, j->n_layers);
	for (size_t i = 0; i < j->n_dirs; i++) {
		cJSON *d = cJSON_CreateObject();
		add_bytes(d, "path", j->dirs[i].path);
		cJSON_AddNumberToObject(d, "mode", j->dirs[i].mode);
		cJSON_AddNumberToObject(d, "uid", j->dirs[i].uid);
		cJSON_AddNumberToObject(d, "gid", j->dirs[i].gid);
		cJSON_AddNumberToObject(d, "mtime", (double)j->dirs[i].mtime);
		cJSON_AddItemToArray(dirs, d);
	}
	cJSON_AddBoolToObject(r, "onto", j->onto);
	cJSON_AddBoolToObject(r, "overlay", j->overlay);
	cJSON_AddBoolToObject(r, "user_marks", j->user_marks);
	cJSON_AddBoolToObject(r, "owners", j->owners);
	cJSON_AddBoolToObject(r, "devices", j->devices);
	return r;
}

cJSON *wire_diff(const struct diff_job *j, const struct digest *layers, const struct digest *diff_ids, size_t n)
{
	cJSON *r = request("diff"), *lowers = cJSON_AddArrayToObject(r, "lowers"), *covered = cJSON_AddArrayToObject(r, "covered");
	cJSON_AddStringToObject(r, "store", blob_store_dir(j->store));
	cJSON_AddStringToObject(r, "root", j->root);
	for (size_t i = 0; i < j->n_lowers; i++)
		cJSON_AddItemToArray(lowers, cJSON_CreateString(j->lowers[i]));
	if (j->before)
		cJSON_AddStringToObject(r, "before", j->before);
	for (size_t i = 0; i < j->n_covered; i++)
		cJSON_AddItemToArray(covered, cJSON_CreateString(j->covered[i]));
	add_digests(r, "layers", layers, n);
	add_digests(r, "diff_ids", diff_ids, n);
	cJSON_AddNumberToObject(r, "epoch", (double)j->epoch);
	cJSON_AddNumberToObject(r, "compression", j->options.compression);
	cJSON_AddNumberToObject(r, "level", j->options.level);
	cJSON_AddBoolToObject(r, "single_id", j->single_id);
	cJSON_AddNumberToObject(r, "uid", j->uid);
	cJSON_AddNumberToObject(r, "gid", j->gid);
	return r;
}

cJSON *wire_own(const char *path, const struct unpack_dir *facts)
{
	cJSON *r = request("own");
	cJSON_AddStringToObject(r, "path", path);
	cJSON_AddNumberToObject(r, "mode", facts->mode);
	cJSON_AddNumberToObject(r, "uid", facts->uid);
	cJSON_AddNumberToObject(r, "gid", facts->gid);
	return r;
}

cJSON *wire_scan(const char *root, const char *to)
{
	cJSON *r = request("scan");
	cJSON_AddStringToObject(r, "path", root);
	cJSON_AddStringToObject(r, "to", to);
	return r;
}

cJSON *wire_remove(const char *path)
{
	cJSON *r = request("remove");
	cJSON_AddStringToObject(r, "path", path);
	return r;
}

/* ---- doing ---------------------------------------------------------------------------------------- */

static void read_dirs(const cJSON *r, struct unpack_job *j)
{
	const cJSON *dirs = rn_json_get(r, "dirs"), *d;
	j->dirs = rn_alloc(((size_t)cJSON_GetArraySize(dirs) + 1) * sizeof(*j->dirs));
	cJSON_ArrayForEach(d, dirs)
		j->dirs[j->n_dirs++] = (struct unpack_dir){
			.path = get_bytes(d, "path"), .mode = (mode_t)rn_json_int(d, "mode", 0755),
			.uid = (uint32_t)rn_json_int(d, "uid", 0), .gid = (uint32_t)rn_json_int(d, "gid", 0),
			.mtime = rn_json_int(d, "mtime", 0),
		};
}

/* Readable once this process is told to end (TERM): then it does so by itself, and takes away what it has by halves. -1: it is killed. */
static int end_fd(void)
{
	sigset_t term;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	return sigprocmask(SIG_BLOCK, &term, NULL) == 0 ? signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
}

static int do_unpack(const cJSON *r, struct blob_store *store, struct rn_error *err)
{
	RN_AUTO(rn_closep) int end = end_fd();
	RN_AUTO(unpack_job_clear) struct unpack_job j = {
		.store = store, .to = rn_json_str(r, "to"), .overlay = rn_json_bool(r, "overlay", false),
		.onto = rn_json_bool(r, "onto", false),
		.user_marks = rn_json_bool(r, "user_marks", false), .owners = rn_json_bool(r, "owners", false),
		.devices = rn_json_bool(r, "devices", false), .cancel_fd = end,
	};
	RN_AUTO(rn_freep) struct digest *layers = get_digests(r, "layers", &j.n_layers);
	if (!layers || !j.to)
		return rn_fail(err, RN_EINTERNAL, "a request to unpack is malformed");
	j.layers = layers;
	read_dirs(r, &j);
	return unpack_run(&j, err);
}

static int make_tree(const cJSON *r, struct blob_store *store, struct layer_tree **ret, struct rn_error *err)
{
	size_t n, m;
	RN_AUTO(rn_freep) struct digest *layers = get_digests(r, "layers", &n);
	RN_AUTO(rn_freep) struct digest *diff_ids = get_digests(r, "diff_ids", &m);
	RN_AUTO(layer_tree_freep) struct layer_tree *t = layer_tree_new(store, NULL);
	if (!layers || !diff_ids || n != m)
		return rn_fail(err, RN_EINTERNAL, "a request for a layer is malformed");
	for (size_t i = 0; i < n; i++)
		if (layer_tree_add(t, &layers[i], &diff_ids[i], err) < 0)
			return -1;
	*ret = rn_take(&t);
	return 0;
}

static void get_strings(const cJSON *r, const char *name, struct rn_strv *ret)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, rn_json_get(r, name))
		rn_strv_add(ret, cJSON_IsString(item) ? item->valuestring : "");
}

static int do_diff(const cJSON *r, struct blob_store *store, cJSON *answer, struct rn_error *err)
{
	RN_AUTO(rn_closep) int end = end_fd();
	const struct rn_stop stop = { rn_stop_fd, &end };
	RN_AUTO(layer_tree_freep) struct layer_tree *tree = NULL;
	RN_AUTO(rn_strv_clear) struct rn_strv lowers = { 0 }, covered = { 0 };
	get_strings(r, "lowers", &lowers);
	get_strings(r, "covered", &covered);
	if (make_tree(r, store, &tree, err) < 0)
		return -1;
	const struct diff_job j = {
		.store = store, .base = tree, .root = rn_json_str(r, "root"), .lowers = (const char *const *)lowers.v, .n_lowers = lowers.n,
		.before = rn_json_str(r, "before"), .covered = (const char *const *)covered.v, .n_covered = covered.n,
		.epoch = rn_json_int(r, "epoch", 0), .single_id = rn_json_bool(r, "single_id", false),
		.options = { .compression = (enum layer_compression)rn_json_int(r, "compression", 0), .level = (int)rn_json_int(r, "level", 0),
			     .stop = &stop },
		.uid = (uint32_t)rn_json_int(r, "uid", 0), .gid = (uint32_t)rn_json_int(r, "gid", 0), .cancelled = rn_stop_fd, .ctx = &end,
	};
	struct layer_result layer = { 0 };
	bool empty = false;
	if (!j.root)
		return rn_fail(err, RN_EINTERNAL, "a request for a layer is malformed");
	if (diff_any(&j, &layer, &empty, err) < 0)
		return -1;
	cJSON_AddBoolToObject(answer, "empty", empty);
	cJSON_AddStringToObject(answer, "digest", layer.digest.text);
	cJSON_AddStringToObject(answer, "diff_id", layer.diff_id.text);
	cJSON_AddNumberToObject(answer, "size", (double)layer.size);
	cJSON_AddNumberToObject(answer, "tar_size", (double)layer.tar_size);
	cJSON_AddNumberToObject(answer, "entries", (double)layer.entries);
	return 0;
}

static int do_own(const cJSON *r, struct rn_error *err)
{
	const char *path = rn_json_str(r, "path");
	uid_t uid = (uid_t)rn_json_int(r, "uid", 0);
	gid_t gid = (gid_t)rn_json_int(r, "gid", 0);
	if (!path || lchown(path, uid, gid) < 0 || chmod(path, (mode_t)rn_json_int(r, "mode", 0755) & 07777) < 0)
		return rn_fail(err, RN_EIO, "give %s to %u:%u: %m", path ? path : "nothing", uid, gid);
	return 0;
}

static int do_request(const cJSON *r, cJSON *answer, struct rn_error *err)
{
	const char *what = rn_json_str(r, "do"), *dir = rn_json_str(r, "store"), *path = rn_json_str(r, "path"),
		   *to = rn_json_str(r, "to");
	if (rn_streq(what, "own"))
		return do_own(r, err);
	if (rn_streq(what, "remove") && path)
		return rn_remove_tree(path, err);
	if (rn_streq(what, "scan") && path && to)
		return plain_scan(path, to, err);
	RN_AUTO(blob_store_closep) struct blob_store *store = dir ? blob_store_open(dir, err) : NULL;
	if (!store)
		return -1;
	if (rn_streq(what, "unpack"))
		return do_unpack(r, store, err);
	return rn_streq(what, "diff") ? do_diff(r, store, answer, err) : rn_fail(err, RN_EINTERNAL, "unknown request");
}

cJSON *wire_perform(const cJSON *r)
{
	cJSON *answer = cJSON_CreateObject();
	struct rn_error err = { 0 };
	if (do_request(r, answer, &err) == 0)
		return answer;
	cJSON_AddNumberToObject(answer, "code", err.code ? err.code : RN_EINTERNAL);
	cJSON_AddStringToObject(answer, "message", err.msg);
	cJSON_AddStringToObject(answer, "hint", err.hint);
	return answer;
}

/* ---- answers ---------------------------------------------------------------------------------------- */

int wire_check(const cJSON *answer, struct rn_error *err)
{
	const char *message = rn_json_str(answer, "message"), *hint = rn_json_str(answer, "hint");
	if (!message)
		return 0;
	rn_fail(err, (enum rn_code)rn_json_int(answer, "code", RN_EINTERNAL), "%s", message);
	return hint && *hint ? rn_hint(err, "%s", hint) : -1;
}

int wire_diff_result(const cJSON *answer, enum layer_compression compression, struct layer_result *ret, bool *ret_empty,
		     struct rn_error *err)
{
	const char *digest = rn_json_str(answer, "digest"), *diff_id = rn_json_str(answer, "diff_id");
	*ret_empty = rn_json_bool(answer, "empty", false);
	if (*ret_empty)
		return 0;
	if (!digest || !diff_id || digest_parse(digest, &ret->digest, err) < 0 || digest_parse(diff_id, &ret->diff_id, err) < 0)
		return rn_fail(err, RN_EINTERNAL, "the answer about a layer is malformed");
	ret->size = (uint64_t)rn_json_int(answer, "size", 0);
	ret->tar_size = (uint64_t)rn_json_int(answer, "tar_size", 0);
	ret->entries = (uint64_t)rn_json_int(answer, "entries", 0);
	ret->media_type = layer_media_type(compression);
	return 0;
}
