/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Berkeley DB's hash, in which rpm before 4.16 kept its packages. Every page is looked at once, in the order of the file:
 * keys do not matter, so buckets need not be found. Numbers are in the byte order of the machine that wrote it.
 */
#include "rpm_db.h"

#include <string.h>

#define META_SIZE ((size_t)512)
#define PAGE_HEAD ((size_t)26)
enum { PAGE_HASH_UNSORTED = 2, PAGE_OVERFLOW = 7, PAGE_HASH = 13 };
enum { ITEM_INLINE = 1, ITEM_OFF_PAGE = 3 };

struct berkeley {
	struct bytes db;
	bool big;          /* big-endian */
	size_t page_size;
	size_t last;       /* number of the last page */
	size_t budget;     /* bytes that overflow pages may still give: none of them belongs to two packages */
	struct rn_buf blob;
	rpm_db_take *take;
	void *ctx;
};

static uint32_t u32(const struct berkeley *b, const unsigned char *p)
{
	return b->big ? bytes_be32(p) : bytes_le32(p);
}

static size_t u16(const struct berkeley *b, const unsigned char *p)
{
	return b->big ? bytes_be16(p) : bytes_le16(p);
}

static int damaged(struct rn_error *err, const char *what)
{
	return rn_fail(err, RN_EINVAL, "the database is damaged: %s", what);
}

static const unsigned char *page_at(const struct berkeley *b, size_t number)
{
	return number <= b->last ? b->db.p + number * b->page_size : NULL;
}

/* What lies on a chain of overflow pages. */
static int read_chain(struct berkeley *b, size_t number, size_t len, struct rn_error *err)
{
	if (len > b->budget)
		return damaged(err, "a package is longer than the file");
	b->budget -= len;
	rn_buf_reset(&b->blob);
	while (b->blob.len < len) {
		const unsigned char *p = number ? page_at(b, number) : NULL;
		if (!p || p[25] != PAGE_OVERFLOW)
			return damaged(err, "a package ends before its length");
		size_t n = u16(b, p + 22);
		if (n == 0 || n > b->page_size - PAGE_HEAD || n > len - b->blob.len || rn_buf_add(&b->blob, p + PAGE_HEAD, n) < 0)
			return damaged(err, "a piece of a package has a wrong length");
		number = u32(b, p + 16);
	}
	b->take(b->ctx, (const unsigned char *)rn_buf_str(&b->blob), len);
	return 0;
}

/* Items are stacked from the end of the page: each ends where the one before it begins. */
static int take_pair(struct berkeley *b, const unsigned char *page, size_t i, struct rn_error *err)
{
	size_t entry = PAGE_HEAD + 2 * i;
	size_t end = i ? u16(b, page + entry - 2) : b->page_size, key = u16(b, page + entry), value = u16(b, page + entry + 2);
	if (end > b->page_size || key >= end || value >= key || value < PAGE_HEAD)
		return damaged(err, "an entry lies outside of its page");
	static const unsigned char counter[4] = { 0 };
	if (end - key == 5 && memcmp(page + key + 1, counter, 4) == 0)
		return 0; /* package 0 is no package: the last number given */
	size_t n = key - value;
	if (page[value] == ITEM_INLINE)
		b->take(b->ctx, page + value + 1, n - 1);
	else if (page[value] == ITEM_OFF_PAGE && n == 12)
		return read_chain(b, u32(b, page + value + 4), u32(b, page + value + 8), err);
	else
		return damaged(err, "an entry of an unknown kind");
	return 0;
}

static int read_page(struct berkeley *b, const unsigned char *page, struct rn_error *err)
{
	if (page[25] != PAGE_HASH && page[25] != PAGE_HASH_UNSORTED)
		return 0;
	size_t n = u16(b, page + 20);
	if (n > (b->page_size - PAGE_HEAD) / 2)
		return damaged(err, "a page with more entries than it has room for");
	for (size_t i = 0; i + 1 < n; i += 2)
		if (take_pair(b, page, i, err) < 0)
			return -1;
	return 0;
}

static int read_meta(struct berkeley *b, struct rn_error *err)
{
	const unsigned char *m = b->db.p;
	if (b->db.n < META_SIZE)
		return damaged(err, "too short");
	b->big = bytes_be32(m + 12) == 0x061561;
	b->page_size = u32(b, m + 20);
	b->last = u32(b, m + 32);
	if (m[24] || m[26])
		return rn_fail(err, RN_EUNSUPPORTED, "it is encrypted, or its pages have checksums");
	if (u32(b, m + 16) < 8 || u32(b, m + 16) > 10)
		return rn_fail(err, RN_EUNSUPPORTED, "version %u of Berkeley DB's hash is not known", u32(b, m + 16));
	if (b->page_size < META_SIZE || b->page_size > 65536 || b->last >= b->db.n / b->page_size)
		return damaged(err, "it is shorter than its first page says");
	return 0;
}

int rpm_db_read_berkeley(struct bytes db, rpm_db_take *take, void *ctx, struct rn_error *err)
{
	struct berkeley b = { .db = db, .budget = db.n, .take = take, .ctx = ctx };
	int rc = read_meta(&b, err);
	for (size_t i = 1; rc == 0 && i <= b.last; i++)
		rc = read_page(&b, page_at(&b, i), err);
	rn_buf_clear(&b.blob);
	return rc;
}
