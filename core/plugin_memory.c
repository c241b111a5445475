/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin_memory.h"

#include "plugin_info.h"
#include "plugin_trust.h"
#include "self.h"

#include "base/encode.h"
#include "base/fs.h"
#include "base/time.h"

#include <fcntl.h>
#include <sha256.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FORMAT = 1,
	RECORD_MAX = 4 << 20,
	DIGEST_HEX = 2 * SHA256_DIGEST_LENGTH,
	PLACE_HEX = 8,
	RECORDS_MAX = 256, /* each a few kilobytes, and quickly made anew */
	YOUNG_MS = 2000, /* no file system's clock is coarser: within it, two changes may look like one */
};

static char *folder(void)
{
	RN_AUTO(rn_freep) char *cache = rn_cache_dir();
	return cache ? rn_path_join(cache, "plugins") : NULL;
}

/* One file for each place that a plugin of this name was found in. */
static char *record_path(const char *dir, const char *name, const char *path)
{
	char place[DIGEST_HEX + 1];
	SHA256Data((const uint8_t *)path, strlen(path), place);
	return rn_asprintf("%s/%s-%.*s", dir, name, PLACE_HEX, place);
}

static void add_file(struct rn_buf *to, const struct stat *st)
{
	rn_buf_addf(to, " %llx:%llx:%llx:%llx.%lx:%llx.%lx", (unsigned long long)st->st_dev, (unsigned long long)st->st_ino,
		    (unsigned long long)st->st_size, (unsigned long long)st->st_mtim.tv_sec, (unsigned long)st->st_mtim.tv_nsec,
		    (unsigned long long)st->st_ctim.tv_sec, (unsigned long)st->st_ctim.tv_nsec);
}

char *plugin_stamp(const char *path)
{
	struct stat file, self;
	if (stat(path, &file) < 0 || stat(self_exec(), &self) < 0)
		return NULL;
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_addf(&b, RUNNER_VERSION " %u.%u", RUNNER_ABI_MAJOR, RUNNER_ABI_MINOR);
	add_file(&b, &self);
	add_file(&b, &file);
	return rn_buf_take(&b);
}

static bool is_young(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return true;
	int64_t changed = (int64_t)st.st_ctim.tv_sec * 1000 + st.st_ctim.tv_nsec / 1000000;
	return rn_wall_ms() - changed < YOUNG_MS;
}

/* This user's own file, by the descriptor that is read: whoever owns a folder above can put another one in its place at any moment. */
static int open_own(const char *file)
{
	struct stat st;
	RN_AUTO(rn_closep) int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return -1;
	return rn_take_fd(&fd);
}

/* A record is the SHA-256 of the rest, a line end, and the rest: JSON. */
static cJSON *read_record(const char *file)
{
	char sum[DIGEST_HEX + 1];
	RN_AUTO(rn_buf_clear) struct rn_buf text = { .max = RECORD_MAX };
	RN_AUTO(rn_closep) int fd = open_own(file);
	if (fd < 0 || rn_read_fd(fd, &text, file, NULL) < 0 || text.len <= DIGEST_HEX || text.p[DIGEST_HEX] != '\n')
		return NULL;
	const char *rest = text.p + DIGEST_HEX + 1;
	size_t n = text.len - DIGEST_HEX - 1;
	SHA256Data((const uint8_t *)rest, n, sum);
	return memcmp(sum, text.p, DIGEST_HEX) == 0 ? rn_json_parse(rest, n, NULL) : NULL;
}

static bool is_digest(const char *text)
{
	return text && strlen(text) == DIGEST_HEX && strspn(text, "0123456789abcdef") == DIGEST_HEX;
}

struct plugin_info *plugin_recall(const char *name, const char *path, const char *stamp)
{
	RN_AUTO(rn_freep) char *dir = folder();
	RN_AUTO(rn_freep) char *file = dir ? record_path(dir, name, path) : NULL;
	if (!file || !rn_exists(file) || plugin_check_folder(dir, NULL) < 0)
		return NULL;
	RN_AUTO(rn_json_freep) cJSON *j = read_record(file);
	const char *digest = rn_json_str(j, "digest");
	if (!j || rn_json_int(j, "format", 0) != FORMAT || !rn_streq(rn_json_str(j, "stamp"), stamp) || (digest && !is_digest(digest)))
		return NULL;
	struct plugin_info *p = plugin_info_from_json(rn_json_get(j, "plugin"));
	if (p && (!rn_streq(p->name, name) || !rn_streq(p->path, path))) {
		plugin_info_free(p);
		return NULL;
	}
	if (p) {
		p->digest = rn_strdup(digest);
		p->stamp = rn_strdup(stamp);
	}
	return p;
}

/* Of plugins that were in many places, such as the workspaces of a CI machine. */
static void make_room(const char *dir)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (rn_list_dir(dir, &names, NULL) < 0 || names.n < RECORDS_MAX)
		return;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *file = rn_path_join(dir, names.v[i]);
		unlink(file);
	}
}

static bool is_same(const struct plugin_info *p)
{
	RN_AUTO(rn_freep) char *now = plugin_stamp(p->path);
	return now && p->stamp && rn_streq(now, p->stamp);
}

/* What is there of it already is ours: nothing is made in the home of another user, as `sudo` may leave it in HOME. */
static bool may_make(const char *dir)
{
	RN_AUTO(rn_freep) char *there = rn_strdup(dir);
	while (!rn_exists(there)) {
		char *up = rn_path_dir(there);
		free(there);
		there = up;
	}
	return plugin_check_folder(there, NULL) == 0;
}

void plugin_remember(const struct plugin_info *p)
{
	RN_AUTO(rn_freep) char *dir = folder();
	if (!dir || is_young(p->path) || !is_same(p) || !may_make(dir) || rn_mkdirs(dir, 0700, NULL) < 0 ||
	    plugin_check_folder(dir, NULL) < 0 || access(dir, W_OK) < 0)
		return;
	RN_AUTO(rn_json_freep) cJSON *j = cJSON_CreateObject();
	cJSON_AddNumberToObject(j, "format", FORMAT);
	cJSON_AddStringToObject(j, "stamp", p->stamp);
	if (p->digest)
		cJSON_AddStringToObject(j, "digest", p->digest);
	cJSON_AddItemToObject(j, "plugin", plugin_info_json(p));
	RN_AUTO(rn_freep) char *text = rn_json_print(j);
	char sum[DIGEST_HEX + 1];
	SHA256Data((const uint8_t *)text, strlen(text), sum);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_addf(&b, "%s\n%s", sum, text);
	RN_AUTO(rn_freep) char *file = record_path(dir, p->name, p->path);
	make_room(dir);
	rn_replace_file(file, b.p, b.len, 0600, NULL); /* a torn one is no memory */
}
