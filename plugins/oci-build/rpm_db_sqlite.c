/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of SQLite's file format (sqlite.org/fileformat2.html) as one table takes: pages, also those of a write-ahead log,
 * b-trees of tables, overflow chains, records. No SQL is interpreted, so a schema from an image can do nothing.
 */
#include "rpm_db.h"

#include <stdlib.h>
#include <string.h>

#define DB_HEAD ((size_t)100)
#define WAL_HEAD ((size_t)32)
#define FRAME_HEAD ((size_t)24)
#define DEPTH_MAX 20
enum { TREE_INTERIOR = 5, TREE_LEAF = 13 };

struct sqlite {
	struct bytes db;
	struct bytes wal;
	size_t page_size;
	size_t usable;     /* of a page's bytes */
	size_t n_pages;
	size_t *in_wal;    /* by page: place of its newest content in the log; 0: in the file. NULL: no log */
	size_t visits;     /* pages that may still be looked at: no page is part of two things */
	size_t budget;     /* bytes that rows may still have: no byte is part of two */
	struct rn_buf payload;
};

/** What is done with a row; its payload is a record. */
typedef int row_fn(struct sqlite *s, void *ctx, struct bytes record, struct rn_error *err);

static int damaged(struct rn_error *err, const char *what)
{
	return rn_fail(err, RN_EINVAL, "the database is damaged: %s", what);
}

/* ---- the write-ahead log -------------------------------------------------------------------- */

struct checksum {
	bool big;
	uint32_t a, b;
};

static void checksum_add(struct checksum *c, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i + 8 <= n; i += 8) {
		c->a += (c->big ? bytes_be32(p + i) : bytes_le32(p + i)) + c->b;
		c->b += (c->big ? bytes_be32(p + i + 4) : bytes_le32(p + i + 4)) + c->a;
	}
}

static bool checksum_is(const struct checksum *c, const unsigned char *p)
{
	return c->a == bytes_be32(p) && c->b == bytes_be32(p + 4);
}

/* Is there a sound frame at `at`? Others are left over from before the log began anew. */
static bool frame_valid(const struct sqlite *s, size_t at, struct checksum *c)
{
	const unsigned char *f = s->wal.p + at;
	if (at > s->wal.n || s->wal.n - at < FRAME_HEAD + s->page_size || memcmp(f + 8, s->wal.p + 16, 8) != 0)
		return false;
	checksum_add(c, f, 8);
	checksum_add(c, f + FRAME_HEAD, s->page_size);
	return checksum_is(c, f + 16) && bytes_be32(f) > 0;
}

/* Frames behind the last commit are of a transaction that never was. */
static void open_wal(struct sqlite *s)
{
	const unsigned char *w = s->wal.p;
	if (s->wal.n < WAL_HEAD || (bytes_be32(w) & ~1U) != 0x377f0682 || bytes_be32(w + 8) != s->page_size)
		return;
	struct checksum c = { .big = bytes_be32(w) & 1 };
	checksum_add(&c, w, 24);
	if (!checksum_is(&c, w + 24))
		return;
	size_t frame = FRAME_HEAD + s->page_size, end = WAL_HEAD, pages = s->n_pages;
	for (size_t at = WAL_HEAD; frame_valid(s, at, &c); at += frame)
		if (bytes_be32(s->wal.p + at + 4)) {
			pages = bytes_be32(s->wal.p + at + 4);
			end = at + frame;
		}
	if (end == WAL_HEAD || pages > s->n_pages + (end - WAL_HEAD) / frame)
		return;
	s->n_pages = pages;
	s->in_wal = rn_alloc((pages + 1) * sizeof(size_t));
	for (size_t at = WAL_HEAD; at < end; at += frame)
		if (bytes_be32(s->wal.p + at) <= pages)
			s->in_wal[bytes_be32(s->wal.p + at)] = at + FRAME_HEAD;
}

/* ---- pages ------------------------------------------------------------------------------------ */

static const unsigned char *page_at(struct sqlite *s, size_t number, struct rn_error *err)
{
	if (!number || number > s->n_pages || !s->visits) {
		damaged(err, "its pages are not a tree");
		return NULL;
	}
	s->visits--;
	if (s->in_wal && s->in_wal[number])
		return s->wal.p + s->in_wal[number];
	if (number > s->db.n / s->page_size) {
		damaged(err, "a page is missing");
		return NULL;
	}
	return s->db.p + (number - 1) * s->page_size;
}

static int open_db(struct sqlite *s, struct rn_error *err)
{
	if (s->db.n < DB_HEAD)
		return damaged(err, "too short");
	s->page_size = bytes_be16(s->db.p + 16) == 1 ? 65536 : bytes_be16(s->db.p + 16);
	s->usable = s->page_size - s->db.p[20];
	if (s->page_size < 512 || s->page_size & (s->page_size - 1) || s->usable < 480)
		return damaged(err, "an impossible size of pages");
	if (bytes_be32(s->db.p + 56) > 1) /* 0: nothing was ever written */
		return rn_fail(err, RN_EUNSUPPORTED, "its texts are not UTF-8");
	s->n_pages = s->db.n / s->page_size;
	open_wal(s);
	s->visits = s->n_pages;
	s->budget = s->n_pages * s->page_size;
	return 0;
}

/* ---- records ------------------------------------------------------------------------------------ */

/* A number of one to nine bytes, seven bits each (the ninth has eight); 0 bytes: cut off. */
static size_t varint(struct bytes b, size_t at, uint64_t *ret)
{
	uint64_t v = 0;
	for (size_t i = 0; i < 9 && at + i < b.n; i++) {
		unsigned char c = b.p[at + i];
		v = i == 8 ? v << 8 | c : v << 7 | (c & 0x7f);
		if (i == 8 || !(c & 0x80)) {
			*ret = v;
			return i + 1;
		}
	}
	return 0;
}

static size_t type_size(uint64_t type)
{
	static const unsigned char sizes[] = { 0, 1, 2, 3, 4, 6, 8, 8, 0, 0 };
	return type < RN_LEN(sizes) ? sizes[type] : type < 12 ? 0 : type >> 63 ? SIZE_MAX / 2 : (size_t)((type - 12) / 2);
}

/* The bytes of a record's column (from 0), and its type; false: it has none such. */
static bool column(struct bytes record, unsigned index, struct bytes *ret, uint64_t *ret_type)
{
	uint64_t head, type;
	size_t at = varint(record, 0, &head);
	if (!at || head > record.n)
		return false;
	const struct bytes types = { record.p, (size_t)head };
	for (size_t value = (size_t)head, n; (n = varint(types, at, &type)) > 0; at += n) {
		size_t len = type_size(type);
		if (len > record.n - value)
			return false;
		if (index-- == 0) {
			*ret = (struct bytes){ record.p + value, len };
			*ret_type = type;
			return true;
		}
		value += len;
	}
	return false;
}

/* ---- trees ---------------------------------------------------------------------------------------- */

/* The payload's bytes that lie in the tree's page itself. */
static size_t local_part(const struct sqlite *s, uint64_t payload)
{
	size_t max = s->usable - 35, min = (s->usable - 12) * 32 / 255 - 23;
	if (payload <= max)
		return (size_t)payload;
	size_t k = min + (size_t)((payload - min) % (s->usable - 4));
	return k <= max ? k : min;
}

static int read_overflow(struct sqlite *s, size_t number, size_t missing, struct rn_error *err)
{
	while (missing) {
		const unsigned char *p = page_at(s, number, err);
		if (!p)
			return -1;
		size_t n = missing < s->usable - 4 ? missing : s->usable - 4;
		rn_buf_add(&s->payload, p + 4, n);
		missing -= n;
		number = bytes_be32(p);
	}
	return 0;
}

static int read_cell(struct sqlite *s, struct bytes page, size_t at, row_fn *row, void *ctx, struct rn_error *err)
{
	uint64_t payload, id;
	size_t n = varint(page, at, &payload), k = n ? varint(page, at + n, &id) : 0;
	if (!k || payload > s->budget)
		return damaged(err, "its rows are longer than the file");
	s->budget -= (size_t)payload;
	size_t local = local_part(s, payload), more = payload > local ? 4 : 0;
	at += n + k;
	if (at > page.n || local + more > page.n - at)
		return damaged(err, "a row lies outside of its page");
	if (!more)
		return row(s, ctx, (struct bytes){ page.p + at, local }, err);
	rn_buf_reset(&s->payload);
	rn_buf_add(&s->payload, page.p + at, local);
	if (read_overflow(s, bytes_be32(page.p + at + local), (size_t)payload - local, err) < 0)
		return -1;
	return row(s, ctx, (struct bytes){ (const unsigned char *)rn_buf_str(&s->payload), s->payload.len }, err);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by DEPTH_MAX, as SQLite's own */
static int read_tree(struct sqlite *s, size_t number, unsigned depth, row_fn *row, void *ctx, struct rn_error *err)
{
	const unsigned char *p = page_at(s, number, err);
	if (!p)
		return -1;
	const struct bytes page = { p, s->usable };
	size_t head = number == 1 ? DB_HEAD : 0;
	bool leaf = p[head] == TREE_LEAF;
	if ((!leaf && p[head] != TREE_INTERIOR) || depth > DEPTH_MAX)
		return damaged(err, "no page of a table where one should be");
	size_t cells = bytes_be16(p + head + 3), first = head + (leaf ? 8 : 12);
	if (cells > (page.n - first) / 2)
		return damaged(err, "a page with more rows than it has room for");
	for (size_t i = 0; i < cells; i++) {
		size_t at = bytes_be16(p + first + 2 * i);
		if (at + 4 > page.n)
			return damaged(err, "a row lies outside of its page");
		int rc = leaf ? read_cell(s, page, at, row, ctx, err) : read_tree(s, bytes_be32(p + at), depth + 1, row, ctx, err);
		if (rc < 0)
			return -1;
	}
	return leaf ? 0 : read_tree(s, bytes_be32(p + head + 8), depth + 1, row, ctx, err);
}

/* ---- the table ---------------------------------------------------------------------------------------- */

static bool is_text(struct bytes b, uint64_t type, const char *text)
{
	return type >= 13 && type & 1 && b.n == strlen(text) && memcmp(b.p, text, b.n) == 0;
}

/* A row of the schema: type, name, tbl_name, rootpage, sql. */
static int find_root(struct sqlite *s, void *ctx, struct bytes record, struct rn_error *err)
{
	(void)s;
	(void)err;
	struct bytes type, name, root;
	uint64_t t[3];
	if (!column(record, 0, &type, &t[0]) || !column(record, 1, &name, &t[1]) || !column(record, 3, &root, &t[2]))
		return 0;
	if (!is_text(type, t[0], "table") || !is_text(name, t[1], "Packages"))
		return 0;
	size_t number = t[2] == 9;
	for (size_t i = 0; i < root.n && t[2] < 5; i++)
		number = number << 8 | root.p[i];
	*(size_t *)ctx = number;
	return 0;
}

struct taker {
	rpm_db_take *take;
	void *ctx;
};

/* A row of Packages: hnum (the row's number, so NULL here), blob. */
static int take_row(struct sqlite *s, void *ctx, struct bytes record, struct rn_error *err)
{
	(void)s;
	const struct taker *t = ctx;
	struct bytes blob;
	uint64_t type;
	if (!column(record, 1, &blob, &type) || type < 12 || type & 1)
		return damaged(err, "a package is not a blob");
	t->take(t->ctx, blob.p, blob.n);
	return 0;
}

int rpm_db_read_sqlite(struct bytes db, struct bytes wal, rpm_db_take *take, void *ctx, struct rn_error *err)
{
	struct sqlite s = { .db = db, .wal = wal };
	struct taker t = { take, ctx };
	size_t root = 0;
	int rc = open_db(&s, err);
	if (rc == 0)
		rc = read_tree(&s, 1, 0, find_root, &root, err);
	if (rc == 0 && !root)
		rc = rn_fail(err, RN_EINVAL, "it has no table \"Packages\"");
	if (rc == 0)
		rc = read_tree(&s, root, 0, take_row, &t, err);
	free(s.in_wal);
	rn_buf_clear(&s.payload);
	return rc;
}
