/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs_places.h"

#include "base/fs.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST_MAX ((size_t)64 << 10)

static bool ours(const char *dir, struct stat *st)
{
	return lstat(dir, st) == 0 && S_ISDIR(st->st_mode) && st->st_uid == geteuid() && !(st->st_mode & 022);
}

static bool ours_alone(const char *dir, struct stat *st)
{
	RN_AUTO(rn_freep) char *above = rn_path_dir(dir);
	return ours(above, st) && ours(dir, st);
}

bool rootfs_place_usable(const char *dir, dev_t not)
{
	struct stat st;
	return rn_mkdirs(dir, 0700, NULL) == 0 && ours_alone(dir, &st) && st.st_dev != not;
}

static char *list_path(const char *cache)
{
	return rn_path_join(cache, "rootfs/elsewhere");
}

/* One path a line. */
static void read_list(const char *path, struct rn_strv *ret)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	RN_AUTO(rn_strv_clear) struct rn_strv lines = { 0 };
	if (!rn_exists(path) || rn_read_file(path, LIST_MAX, &text, NULL) < 0)
		return;
	rn_strv_split(&lines, rn_buf_str(&text), '\n');
	for (size_t i = 0; i < lines.n; i++)
		if (*lines.v[i] == '/' && !rn_strv_has(ret, lines.v[i]))
			rn_strv_add(ret, lines.v[i]);
}

static void write_list(const char *path, const struct rn_strv *list)
{
	RN_AUTO(rn_freep) char *text = rn_strv_join(list, "\n");
	if (list->n)
		rn_write_file(path, text, strlen(text), 0600, NULL);
	else
		unlink(path);
}

void rootfs_place_remember(const char *cache, const char *dir)
{
	RN_AUTO(rn_freep) char *path = list_path(cache);
	RN_AUTO(rn_strv_clear) struct rn_strv list = { 0 };
	read_list(path, &list);
	if (rn_strv_has(&list, dir) || strchr(dir, '\n'))
		return;
	rn_strv_add(&list, dir);
	write_list(path, &list);
}

void rootfs_places(const char *cache, struct rn_strv *ret)
{
	RN_AUTO(rn_freep) char *path = list_path(cache);
	RN_AUTO(rn_strv_clear) struct rn_strv list = { 0 };
	struct stat st;
	rn_strv_take(ret, rn_path_join(cache, "rootfs"));
	read_list(path, &list);
	for (size_t i = 0; i < list.n; i++)
		if (ours_alone(list.v[i], &st) && !rn_strv_has(ret, list.v[i]))
			rn_strv_add(ret, list.v[i]);
}

void rootfs_places_forget(const char *cache)
{
	RN_AUTO(rn_freep) char *path = list_path(cache);
	RN_AUTO(rn_strv_clear) struct rn_strv list = { 0 }, left = { 0 };
	read_list(path, &list);
	for (size_t i = 0; i < list.n; i++)
		if (rn_exists(list.v[i]))
			rn_strv_add(&left, list.v[i]);
	if (left.n < list.n)
		write_list(path, &left);
}
