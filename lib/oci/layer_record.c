/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file is MAGIC, the diff_id as a string, the length of the rest, the records. A record: type, mode, uid, gid, mtime, size, device, offset and count of xattrs as
 * 64-bit little-endian numbers, then strings, each its length and its bytes with a NUL.
 */
#include "layer_record.h"

#include "base/fs.h"

#include <string.h>

#define MAGIC "RNIDX2\n"
#define RECORD_MAX ((size_t)2 << 30)

static void add_number(struct rn_buf *b, uint64_t v)
{
	unsigned char raw[8];
	for (int i = 0; i < 8; i++)
		raw[i] = (unsigned char)(v >> 8 * i);
	rn_buf_add(b, raw, sizeof(raw));
}

static void add_bytes(struct rn_buf *b, const void *p, size_t n)
{
	add_number(b, n);
	rn_buf_add(b, p, n);
	rn_buf_addc(b, '\0');
}

void layer_record_add(struct rn_buf *b, const struct layer_entry *e, uint64_t offset)
{
	size_t n = e->n_xattrs < LAYER_RECORD_XATTRS ? e->n_xattrs : LAYER_RECORD_XATTRS;
	const uint64_t numbers[] = { e->type, e->mode, e->uid, e->gid, (uint64_t)e->mtime, e->size, e->dev_major, e->dev_minor, offset, n };
	for (size_t i = 0; i < RN_LEN(numbers); i++)
		add_number(b, numbers[i]);
	add_bytes(b, e->path, strlen(e->path));
	add_bytes(b, e->link ? e->link : "", e->link ? strlen(e->link) : 0);
	for (size_t i = 0; i < n; i++) {
		add_bytes(b, e->xattrs[i].name, strlen(e->xattrs[i].name));
		add_bytes(b, e->xattrs[i].value, e->xattrs[i].size);
	}
}

void layer_record_store(struct blob_store *s, const struct digest *layer, const struct digest *diff_id, const struct rn_buf *b)
{
	RN_AUTO(rn_freep) char *path = blob_store_derived(s, layer, LAYER_RECORD_KIND), *dir = rn_path_dir(path);
	RN_AUTO(rn_buf_clear) struct rn_buf file = { .max = RECORD_MAX };
	rn_buf_adds(&file, MAGIC);
	add_bytes(&file, diff_id->text, strlen(diff_id->text));
	add_number(&file, b->len);
	rn_buf_add(&file, rn_buf_str(b), b->len);
	if (!b->overflow && !file.overflow && rn_mkdirs(dir, 0700, NULL) == 0)
		(void)!rn_write_file(path, file.p, file.len, 0600, NULL);
}

static bool take_number(const struct rn_buf *b, size_t *at, uint64_t *ret)
{
	if (b->len - *at < 8)
		return false;
	const unsigned char *p = (const unsigned char *)b->p + *at;
	*ret = 0;
	for (int i = 0; i < 8; i++)
		*ret |= (uint64_t)p[i] << 8 * i;
	*at += 8;
	return true;
}

static bool take_bytes(const struct rn_buf *b, size_t *at, const char **ret, size_t *ret_n)
{
	uint64_t n;
	if (!take_number(b, at, &n) || n >= b->len - *at || b->p[*at + n] != '\0')
		return false;
	*ret = b->p + *at;
	*ret_n = (size_t)n;
	*at += (size_t)n + 1;
	return true;
}

bool layer_record_load(struct blob_store *s, const struct digest *layer, struct digest *ret_diff_id, struct rn_buf *ret)
{
	struct digest diff_id = { 0 };
	const char *text;
	RN_AUTO(rn_freep) char *path = blob_store_derived(s, layer, LAYER_RECORD_KIND);
	uint64_t n;
	size_t at = strlen(MAGIC), text_size;
	if (rn_read_file(path, RECORD_MAX, ret, NULL) < 0)
		return false;
	if (ret->len >= at && memcmp(ret->p, MAGIC, at) == 0 && take_bytes(ret, &at, &text, &text_size) &&
	    (text_size == 0 || digest_parse(text, &diff_id, NULL) == 0) && take_number(ret, &at, &n) && n == ret->len - at) {
		if (ret_diff_id)
			*ret_diff_id = diff_id;
		rn_buf_drop(ret, at);
		return true;
	}
	rn_buf_clear(ret);
	return false;
}

bool layer_record_next(const struct rn_buf *b, size_t *at, struct layer_entry *ret, uint64_t *ret_offset, struct layer_xattr *xattrs)
{
	uint64_t v[10];
	size_t n;
	if (*at >= b->len)
		return false;
	for (size_t i = 0; i < RN_LEN(v); i++)
		if (!take_number(b, at, &v[i]))
			return false;
	*ret = (struct layer_entry){ .type = (enum layer_type)v[0], .mode = (mode_t)v[1], .uid = (uint32_t)v[2], .gid = (uint32_t)v[3],
				     .mtime = (int64_t)v[4], .size = v[5], .dev_major = (uint32_t)v[6], .dev_minor = (uint32_t)v[7],
				     .xattrs = xattrs, .n_xattrs = (size_t)v[9] };
	*ret_offset = v[8];
	if (v[0] < LAYER_FILE || v[0] > LAYER_FIFO || v[9] > LAYER_RECORD_XATTRS || !take_bytes(b, at, &ret->path, &n) ||
	    !take_bytes(b, at, &ret->link, &n))
		return false;
	for (size_t i = 0; i < ret->n_xattrs; i++) {
		const char *value;
		if (!take_bytes(b, at, &xattrs[i].name, &n) || !take_bytes(b, at, &value, &xattrs[i].size))
			return false;
		xattrs[i].value = value;
	}
	return true;
}
