/* SPDX-License-Identifier: Apache-2.0 */
/* Which kind of database it is, and ndb, rpm's own: a table of slots, and a blob for each used one. */
#include "rpm_db.h"

#include <string.h>

/* sizes and names as ndb has them (rpm, "rpmpkg"): everything little-endian */
#define NDB_MAGIC "RpmP"
#define SLOT_MAGIC "Slot"
#define BLOB_MAGIC "BlbS"
#define SLOT_SIZE ((size_t)16)
#define BLOCK_SIZE ((size_t)16)
#define PAGE_SIZE ((size_t)4096)
#define BLOB_HEAD ((size_t)16)

static int damaged(struct rn_error *err, const char *what)
{
	return rn_fail(err, RN_EINVAL, "the database is damaged: %s", what);
}

/* Blobs cannot overlap in a sound database, so all of them together are not larger than it. */
static int take_slot(struct bytes db, const unsigned char *slot, size_t *budget, rpm_db_take *take, void *ctx, struct rn_error *err)
{
	size_t at = (size_t)bytes_le32(slot + 8) * BLOCK_SIZE, room = (size_t)bytes_le32(slot + 12) * BLOCK_SIZE;
	if (!at) /* a free slot */
		return 0;
	if (at > db.n || room > db.n - at || room < BLOB_HEAD)
		return damaged(err, "a package lies outside of it");
	if (memcmp(db.p + at, BLOB_MAGIC, 4) != 0)
		return damaged(err, "no package where one should be");
	size_t n = bytes_le32(db.p + at + 12);
	if (n > room - BLOB_HEAD || n > *budget)
		return damaged(err, "a package is longer than its place");
	*budget -= n;
	take(ctx, db.p + at + BLOB_HEAD, n);
	return 0;
}

int rpm_db_read_ndb(struct bytes db, rpm_db_take *take, void *ctx, struct rn_error *err)
{
	if (db.n < 2 * SLOT_SIZE)
		return damaged(err, "too short");
	if (bytes_le32(db.p + 4) != 0)
		return rn_fail(err, RN_EUNSUPPORTED, "version %u of the ndb format is not known", bytes_le32(db.p + 4));
	size_t pages = bytes_le32(db.p + 12), budget = db.n;
	if (pages > db.n / PAGE_SIZE)
		return damaged(err, "it ends before its table of packages");
	for (size_t at = 2 * SLOT_SIZE; at < pages * PAGE_SIZE; at += SLOT_SIZE) {
		if (memcmp(db.p + at, SLOT_MAGIC, 4) != 0)
			return damaged(err, "no slot where one should be");
		if (take_slot(db, db.p + at, &budget, take, ctx, err) < 0)
			return -1;
	}
	return 0;
}

int rpm_db_read(struct bytes db, struct bytes wal, rpm_db_take *take, void *ctx, struct rn_error *err)
{
	static const char sqlite[] = "SQLite format 3";
	if (db.n >= sizeof(sqlite) && memcmp(db.p, sqlite, sizeof(sqlite)) == 0)
		return rpm_db_read_sqlite(db, wal, take, ctx, err);
	if (db.n >= 4 && memcmp(db.p, NDB_MAGIC, 4) == 0)
		return rpm_db_read_ndb(db, take, ctx, err);
	if (db.n >= 16 && (bytes_le32(db.p + 12) == 0x061561 || bytes_be32(db.p + 12) == 0x061561))
		return rpm_db_read_berkeley(db, take, ctx, err);
	return rn_fail(err, RN_EUNSUPPORTED, "it is neither SQLite, nor ndb, nor a hash of Berkeley DB");
}
