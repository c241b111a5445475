/* SPDX-License-Identifier: Apache-2.0 */
/* Databases of rpm: SQLite's as the library itself writes them, ndb's and Berkeley DB's made by hand; sound and damaged ones. */
#include "plugins/oci-build/packages.h"

#include "base/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

static struct packages p;
static char *folder, *file;
static sqlite3 *db;

static int begin(void **state)
{
	(void)state;
	packages_init(&p);
	folder = rn_temp_dir("/tmp", "rpm-db-", NULL);
	file = rn_path_join(folder, "rpmdb.sqlite");
	return folder ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	sqlite3_close(db);
	db = NULL;
	packages_clear(&p);
	rn_remove_tree(folder, NULL);
	rn_freep(&folder);
	rn_freep(&file);
	return 0;
}

/* ---- headers ------------------------------------------------------------------------------- */

static void add_be32(struct rn_buf *b, uint32_t v)
{
	const unsigned char c[4] = { (unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v };
	rn_buf_add(b, c, 4);
}

static const char *name_format = "name%u";

/* Name and version of package `i`, and `filler` bytes of something else between them. */
static void make_header(unsigned i, size_t filler, struct rn_buf *ret)
{
	RN_AUTO(rn_buf_clear) struct rn_buf entries = RN_BUF_INIT, store = RN_BUF_INIT;
	const struct {
		uint32_t tag;
		const char *format;
	} texts[] = { { 1000, name_format }, { 1001, "1.%u" }, { 1002, "%u.amzn2023" }, { 1014, "MIT" }, { 1022, "noarch" }, { 1044, "src-%u.src.rpm" } };
	for (size_t k = 0; k < RN_LEN(texts); k++) {
		RN_AUTO(rn_freep) char *number = rn_asprintf("%u", i), *text = rn_replace(texts[k].format, "%u", number);
		add_be32(&entries, texts[k].tag);
		add_be32(&entries, 6);
		add_be32(&entries, (uint32_t)store.len);
		add_be32(&entries, 1);
		rn_buf_add(&store, text, strlen(text) + 1);
		char *fill = k == 0 && filler ? rn_buf_reserve(&store, filler) : NULL;
		if (fill) {
			memset(fill, 'x', filler);
			store.len += filler;
		}
	}
	rn_buf_reset(ret);
	add_be32(ret, (uint32_t)RN_LEN(texts));
	add_be32(ret, (uint32_t)store.len);
	rn_buf_add(ret, entries.p, entries.len);
	rn_buf_add(ret, store.p, store.len);
}

static bool has(unsigned i)
{
	RN_AUTO(rn_freep) char *purl = rn_asprintf("pkg:rpm/amzn/name%u@1.%u-%u.amzn2023?arch=noarch&distro=amzn-2023&upstream=src-%u.src.rpm", i, i, i, i);
	return rn_map_has(&p.by_purl, purl);
}

static struct bytes whole(const struct rn_buf *b)
{
	return (struct bytes){ (const unsigned char *)b->p, b->len };
}

static int read_bytes(struct bytes data, struct bytes wal, struct rn_error *err)
{
	packages_clear(&p);
	packages_init(&p);
	distribution_read("ID=\"amzn\"\nVERSION_ID=\"2023\"\n", &p.distribution);
	return packages_read_rpm(&p, data, wal, "var/lib/rpm/rpmdb.sqlite", err);
}

/* ---- SQLite ----------------------------------------------------------------------------------- */

static void run(const char *sql)
{
	char *message = NULL;
	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
}

static void insert(unsigned from, unsigned to)
{
	sqlite3_stmt *s = NULL;
	RN_AUTO(rn_buf_clear) struct rn_buf header = RN_BUF_INIT;
	assert_int_equal(sqlite3_prepare_v2(db, "INSERT INTO Packages(blob) VALUES (?)", -1, &s, NULL), SQLITE_OK);
	for (unsigned i = from; i < to; i++) {
		make_header(i, i % 7 ? i % 13 * 397 : 0, &header);
		sqlite3_bind_blob(s, 1, header.p, (int)header.len, SQLITE_TRANSIENT);
		assert_int_equal(sqlite3_step(s), SQLITE_DONE);
		sqlite3_reset(s);
	}
	sqlite3_finalize(s);
}

static void create(const char *pragmas)
{
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	run(pragmas);
	run("CREATE TABLE Other(x); CREATE TABLE Packages(hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);"
	    "CREATE INDEX more ON Other(x); CREATE VIEW Name AS SELECT 1");
}

static int read_file(struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf data = RN_BUF_INIT, wal = RN_BUF_INIT;
	RN_AUTO(rn_freep) char *beside = rn_asprintf("%s-wal", file);
	assert_int_equal(rn_read_file(file, (size_t)1 << 30, &data, NULL), 0);
	if (rn_exists(beside))
		rn_read_file(beside, (size_t)1 << 30, &wal, NULL);
	return read_bytes(whole(&data), whole(&wal), err);
}

static void sqlite_is_read_whatever_its_pages(void **state)
{
	(void)state;
	const char *const sizes[] = { "512", "1024", "4096", "65536" };
	for (size_t k = 0; k < RN_LEN(sizes); k++) {
		RN_AUTO(rn_freep) char *pragma = rn_asprintf("PRAGMA page_size=%s", sizes[k]);
		struct rn_error err = { 0 };
		create(pragma);
		run("BEGIN");
		insert(0, 600);
		run("COMMIT; DELETE FROM Packages WHERE hnum=7");
		if (read_file(&err) < 0)
			fail_msg("%s: %s", sizes[k], err.msg);
		assert_int_equal(p.by_purl.live, 599);
		for (unsigned i = 0; i < 600; i++)
			assert_true(has(i) == (i != 6));
		sqlite3_close(db);
		db = NULL;
		unlink(file);
	}
}

/* What rpm leaves behind when it is killed, or in a layer made of its files at the wrong moment. */
static void committed_transactions_of_the_log_count(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	create("PRAGMA page_size=1024; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0");
	insert(0, 5);
	run("PRAGMA wal_checkpoint(TRUNCATE)");
	insert(5, 40);
	run("DELETE FROM Packages WHERE hnum=1; PRAGMA cache_size=1; PRAGMA cache_spill=1; BEGIN");
	insert(40, 200); /* spilled into the log, and never committed */
	if (read_file(&err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(p.by_purl.live, 39);
	assert_true(has(1) && has(39) && !has(0) && !has(40));

	RN_AUTO(rn_buf_clear) struct rn_buf data = RN_BUF_INIT;
	rn_read_file(file, (size_t)1 << 30, &data, NULL);
	assert_int_equal(read_bytes(whole(&data), (struct bytes){ NULL, 0 }, &err), 0);
	assert_int_equal(p.by_purl.live, 5);
}

static void a_log_of_another_life_does_not_count(void **state)
{
	(void)state;
	RN_AUTO(rn_buf_clear) struct rn_buf data = RN_BUF_INIT, wal = RN_BUF_INIT;
	RN_AUTO(rn_freep) char *beside = rn_asprintf("%s-wal", file);
	create("PRAGMA page_size=512; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0");
	insert(0, 3);
	rn_read_file(file, (size_t)1 << 30, &data, NULL);
	rn_read_file(beside, (size_t)1 << 30, &wal, NULL);
	assert_int_equal(read_bytes(whole(&data), whole(&wal), NULL), 0);
	assert_int_equal(p.by_purl.live, 3);
	wal.p[17] ^= 1; /* the salt of its header: the frames are not of this log */
	assert_int_equal(read_bytes(whole(&data), whole(&wal), NULL), -1);
}

static void damaged_sqlite_is_an_error_and_never_more(void **state)
{
	(void)state;
	RN_AUTO(rn_buf_clear) struct rn_buf data = RN_BUF_INIT;
	create("PRAGMA page_size=512");
	insert(0, 30);
	rn_read_file(file, (size_t)1 << 30, &data, NULL);
	for (size_t n = 0; n < data.len; n += 97) {
		RN_AUTO(rn_freep) unsigned char *copy = rn_memdup(data.p, n ? n : 1);
		assert_int_equal(read_bytes((struct bytes){ copy, n }, (struct bytes){ NULL, 0 }, NULL), -1);
	}
	for (size_t at = 0; at < data.len; at += 3) {
		RN_AUTO(rn_freep) unsigned char *copy = rn_memdup(data.p, data.len);
		copy[at] = (unsigned char)~copy[at];
		read_bytes((struct bytes){ copy, data.len }, (struct bytes){ NULL, 0 }, NULL);
	}
	struct rn_error err = { 0 };
	run("DROP TABLE Packages");
	assert_int_equal(read_file(&err), -1);
	assert_non_null(strstr(err.msg, "no table"));
}

/* A page that points at itself, or at a page of the same tree, would be walked for ever. */
static void a_tree_that_is_none_ends(void **state)
{
	(void)state;
	RN_AUTO(rn_buf_clear) struct rn_buf data = RN_BUF_INIT;
	create("PRAGMA page_size=512");
	insert(0, 200);
	rn_read_file(file, (size_t)1 << 30, &data, NULL);
	size_t interior = 0;
	for (size_t at = 512; at < data.len; at += 512)
		if (data.p[at] == 5)
			interior = at;
	assert_true(interior);
	const uint32_t self = (uint32_t)(interior / 512 + 1);
	for (size_t k = 0; k < 4; k++)
		data.p[interior + 8 + k] = (char)(self >> (24 - 8 * k));
	struct rn_error err = { 0 };
	assert_int_equal(read_bytes(whole(&data), (struct bytes){ NULL, 0 }, &err), -1);
	assert_non_null(strstr(err.msg, "damaged"));
}

/* One package, of which a page says that it is there a hundred times. */
static void rows_that_share_their_bytes_do_not_multiply(void **state)
{
	(void)state;
	RN_AUTO(rn_buf_clear) struct rn_buf data = RN_BUF_INIT, header = RN_BUF_INIT;
	struct rn_error err = { 0 };
	create("PRAGMA page_size=4096");
	sqlite3_stmt *s = NULL;
	make_header(1, 3000, &header);
	assert_int_equal(sqlite3_prepare_v2(db, "INSERT INTO Packages(blob) VALUES (?)", -1, &s, NULL), SQLITE_OK);
	sqlite3_bind_blob(s, 1, header.p, (int)header.len, SQLITE_TRANSIENT);
	assert_int_equal(sqlite3_step(s), SQLITE_DONE);
	sqlite3_finalize(s);
	assert_int_equal(read_file(&err), 0);
	assert_int_equal(rn_read_file(file, (size_t)1 << 30, &data, NULL), 0);
	const char *blob = memmem(data.p, data.len, header.p, header.len);
	assert_non_null(blob);
	char *page = data.p + (size_t)(blob - data.p) / 4096 * 4096;
	assert_true(page[0] == 13 && page[4] == 1);
	page[4] = 100;
	for (size_t i = 1; i < 100; i++)
		memcpy(page + 8 + 2 * i, page + 8, 2);
	assert_int_equal(read_bytes(whole(&data), (struct bytes){ NULL, 0 }, &err), -1);
	assert_non_null(strstr(err.msg, "longer than the file"));
}

/* ---- ndb -------------------------------------------------------------------------------------------- */

static void put_le32(unsigned char *at, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(v >> (8 * i));
}

/* One page of slots; blobs of 16 blocks each behind it. */
static unsigned char *make_ndb(unsigned n, size_t *ret_size)
{
	*ret_size = 4096 + n * (size_t)512;
	unsigned char *m = rn_alloc(*ret_size);
	RN_AUTO(rn_buf_clear) struct rn_buf header = RN_BUF_INIT;
	memcpy(m, "RpmP", 4);
	put_le32(m + 12, 1);
	for (size_t at = 32; at < 4096; at += 16)
		memcpy(m + at, "Slot", 4);
	for (unsigned i = 0; i < n; i++) {
		unsigned char *slot = m + 32 + 32 * i, *blob = m + 4096 + 512 * i;
		make_header(i, 0, &header);
		put_le32(slot + 4, i + 1);
		put_le32(slot + 8, (4096 + 512 * i) / 16);
		put_le32(slot + 12, 32);
		memcpy(blob, "BlbS", 4);
		put_le32(blob + 4, i + 1);
		put_le32(blob + 12, (uint32_t)header.len);
		memcpy(blob + 16, header.p, header.len);
	}
	return m;
}

static void ndb_is_read_and_damage_is_an_error(void **state)
{
	(void)state;
	size_t n;
	RN_AUTO(rn_freep) unsigned char *m = make_ndb(20, &n);
	assert_int_equal(read_bytes((struct bytes){ m, n }, (struct bytes){ NULL, 0 }, NULL), 0);
	assert_int_equal(p.by_purl.live, 20);
	assert_true(has(0) && has(19));
	assert_int_equal(read_bytes((struct bytes){ m, n - 512 }, (struct bytes){ NULL, 0 }, NULL), -1);
	assert_int_equal(p.by_purl.live, 19); /* what came before the damage is there */
	for (size_t at = 4; at < n; at++) {
		RN_AUTO(rn_freep) unsigned char *copy = rn_memdup(m, n);
		copy[at] = 0xff;
		read_bytes((struct bytes){ copy, n }, (struct bytes){ NULL, 0 }, NULL);
	}
	/* every slot names the same blob */
	for (unsigned i = 0; i < 254; i++)
		memcpy(m + 32 + 16 * i, m + 32, 16);
	struct rn_error err = { 0 };
	assert_int_equal(read_bytes((struct bytes){ m, n }, (struct bytes){ NULL, 0 }, &err), -1);
	assert_non_null(strstr(err.msg, "longer"));
}

/* ---- Berkeley DB ------------------------------------------------------------------------------------- */

static void put32(unsigned char *at, uint32_t v, bool big)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(v >> (8 * (big ? 3 - i : i)));
}

static void put16(unsigned char *at, unsigned v, bool big)
{
	at[!big] = (unsigned char)(v >> 8);
	at[big] = (unsigned char)v;
}

/* A hash of one page with package 0 (the counter), one inline and one on two overflow pages. */
static unsigned char *make_berkeley(bool big, size_t *ret_size)
{
	*ret_size = 4 * 512;
	unsigned char *m = rn_alloc(*ret_size), *page = m + 512;
	RN_AUTO(rn_buf_clear) struct rn_buf small = RN_BUF_INIT, large = RN_BUF_INIT;
	make_header(1, 0, &small);
	make_header(2, 500, &large);
	put32(m + 12, 0x061561, big);
	put32(m + 16, 9, big);
	put32(m + 20, 512, big);
	m[25] = 8;
	put32(m + 32, 3, big);
	page[25] = 13;
	put16(page + 20, 6, big);
	const size_t lengths[] = { 5, 5, 5, small.len + 1, 5, 12 };
	unsigned at = 512;
	for (unsigned i = 0; i < 6; i++) {
		at -= (unsigned)lengths[i];
		put16(page + 26 + 2 * i, at, big);
		page[at] = i == 5 ? 3 : 1;
		if (i % 2 == 0)
			put32(page + at + 1, i / 2, big);
		else if (i == 3)
			memcpy(page + at + 1, small.p, small.len);
	}
	put32(page + at + 4, 2, big);
	put32(page + at + 8, (uint32_t)large.len, big);
	for (unsigned k = 0; k < 2; k++) {
		unsigned char *over = m + 512 * (2 + k);
		size_t n = k ? large.len - 486 : 486;
		over[25] = 7;
		put16(over + 22, (unsigned)n, big);
		put32(over + 16, k ? 0 : 3, big);
		memcpy(over + 26, large.p + 486 * (size_t)k, n);
	}
	return m;
}

static void berkeley_db_is_read_in_both_byte_orders(void **state)
{
	(void)state;
	for (int big = 0; big < 2; big++) {
		size_t n;
		struct rn_error err = { 0 };
		RN_AUTO(rn_freep) unsigned char *m = make_berkeley(big, &n);
		if (read_bytes((struct bytes){ m, n }, (struct bytes){ NULL, 0 }, &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(p.by_purl.live, 2);
		assert_true(has(1) && has(2));
		put32(m + 1024 + 16, 2, big); /* a chain in a circle */
		assert_int_equal(read_bytes((struct bytes){ m, n }, (struct bytes){ NULL, 0 }, NULL), -1);
		for (size_t at = 0; at < n; at++) {
			RN_AUTO(rn_freep) unsigned char *copy = rn_memdup(m, n);
			copy[at] = 0xff;
			read_bytes((struct bytes){ copy, n }, (struct bytes){ NULL, 0 }, NULL);
		}
	}
}

/* ---- headers again --------------------------------------------------------------------------------------- */

static void a_header_without_a_name_is_passed_over(void **state)
{
	(void)state;
	size_t n;
	RN_AUTO(rn_freep) unsigned char *m = make_ndb(3, &n);
	put_le32(m + 4096 + 1024 + 16 + 8 + 8, 0xffffffff); /* the name of the third lies outside of its store */
	assert_int_equal(read_bytes((struct bytes){ m, n }, (struct bytes){ NULL, 0 }, NULL), 0);
	assert_int_equal(p.by_purl.live, 2);
	assert_true(has(0) && has(1) && !has(2));
}

static void a_key_that_rpm_trusts_is_no_package(void **state)
{
	(void)state;
	size_t n;
	name_format = "gpg-pubkey";
	RN_AUTO(rn_freep) unsigned char *m = make_ndb(1, &n);
	name_format = "name%u";
	assert_int_equal(read_bytes((struct bytes){ m, n }, (struct bytes){ NULL, 0 }, NULL), 0);
	assert_int_equal(p.by_purl.live, 0);
}

static void another_kind_is_refused_in_words(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	assert_int_equal(read_bytes((struct bytes){ (const unsigned char *)"binary", 6 }, (struct bytes){ NULL, 0 }, &err), -1);
	assert_int_equal(err.code, RN_EUNSUPPORTED);
	assert_int_equal(read_bytes((struct bytes){ NULL, 0 }, (struct bytes){ NULL, 0 }, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sqlite_is_read_whatever_its_pages, begin, end),
		cmocka_unit_test_setup_teardown(committed_transactions_of_the_log_count, begin, end),
		cmocka_unit_test_setup_teardown(a_log_of_another_life_does_not_count, begin, end),
		cmocka_unit_test_setup_teardown(damaged_sqlite_is_an_error_and_never_more, begin, end),
		cmocka_unit_test_setup_teardown(a_tree_that_is_none_ends, begin, end),
		cmocka_unit_test_setup_teardown(rows_that_share_their_bytes_do_not_multiply, begin, end),
		cmocka_unit_test_setup_teardown(ndb_is_read_and_damage_is_an_error, begin, end),
		cmocka_unit_test_setup_teardown(berkeley_db_is_read_in_both_byte_orders, begin, end),
		cmocka_unit_test_setup_teardown(a_header_without_a_name_is_passed_over, begin, end),
		cmocka_unit_test_setup_teardown(a_key_that_rpm_trusts_is_no_package, begin, end),
		cmocka_unit_test_setup_teardown(another_kind_is_refused_in_words, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
