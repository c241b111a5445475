/* SPDX-License-Identifier: Apache-2.0 */
#include "binfmt.h"

#include "base/encode.h"
#include "base/fs.h"

#include <stdlib.h>
#include <string.h>

#define ENTRY_MAX ((size_t)8 << 10)
#define MAGIC_MAX 256

void binfmt_entry_clear(struct binfmt_entry *e)
{
	free(e->name);
	free(e->interpreter);
	*e = (struct binfmt_entry){ 0 };
}

/* The rest of the line that begins with `word`; new string, NULL: no such line. */
static char *value_of(const char *text, const char *word)
{
	size_t n = strlen(word);
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, word, n) == 0 && line[n] == ' ')
			return rn_strndup(line + n + 1, strcspn(line + n + 1, "\n"));
		if (!*line)
			break;
	}
	return NULL;
}

/* Bytes of a line in hexadecimal; 0: none, or not such. */
static size_t bytes_of(const char *text, const char *word, unsigned char to[MAGIC_MAX])
{
	RN_AUTO(rn_freep) char *hex = value_of(text, word);
	size_t n = hex ? strlen(hex) / 2 : 0;
	return n && n <= MAGIC_MAX && strlen(hex) == n * 2 && rn_unhex(hex, to, n) == 0 ? n : 0;
}

static bool is_for(const char *text, const unsigned char *head, size_t n)
{
	unsigned char magic[MAGIC_MAX], mask[MAGIC_MAX];
	RN_AUTO(rn_freep) char *offset = value_of(text, "offset");
	size_t length = bytes_of(text, "magic", magic);
	int64_t at = 0;
	if (!length || (offset && rn_parse_int(offset, 0, MAGIC_MAX, &at, NULL) < 0) || (size_t)at + length > n)
		return false;
	if (bytes_of(text, "mask", mask) != length)
		memset(mask, 0xff, sizeof(mask));
	for (size_t i = 0; i < length; i++)
		if ((head[(size_t)at + i] ^ magic[i]) & mask[i])
			return false;
	return true;
}

static void read_entry(const char *name, const char *text, struct binfmt_entry *ret)
{
	RN_AUTO(rn_freep) char *flags = value_of(text, "flags:");
	ret->name = rn_strdup(name);
	ret->interpreter = value_of(text, "interpreter");
	ret->fixed = flags && strchr(flags, 'F');
	ret->on = rn_starts(text, "enabled");
}

static bool all_off(const char *dir)
{
	RN_AUTO(rn_freep) char *path = rn_path_join(dir, "status");
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	return rn_read_file(path, ENTRY_MAX, &text, NULL) == 0 && rn_starts(rn_buf_str(&text), "disabled");
}

enum binfmt_found binfmt_find(const char *dir, const void *head, size_t n, struct binfmt_entry *ret)
{
	RN_AUTO(rn_freep) char *status = rn_path_join(dir, "status");
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	*ret = (struct binfmt_entry){ 0 };
	if (!rn_exists(status) || rn_list_dir(dir, &names, NULL) < 0)
		return BINFMT_UNSEEN;
	for (size_t i = 0; i < names.n && !ret->on; i++) {
		RN_AUTO(rn_freep) char *path = rn_path_join(dir, names.v[i]);
		RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
		if (rn_streq(names.v[i], "status") || rn_streq(names.v[i], "register") || rn_read_file(path, ENTRY_MAX, &text, NULL) < 0 ||
		    !is_for(rn_buf_str(&text), head, n))
			continue;
		binfmt_entry_clear(ret);
		read_entry(names.v[i], rn_buf_str(&text), ret);
	}
	if (!ret->name)
		return BINFMT_NONE;
	return all_off(dir) ? BINFMT_ALL_OFF : ret->on ? BINFMT_ON : BINFMT_OFF;
}
