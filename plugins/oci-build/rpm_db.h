/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The databases of rpm, read without rpm and without a database library: they come out of somebody's image, and whatever
 * their bytes are, reading them ends, stays in bounds and costs at most in proportion to their size. Pure.
 */
#ifndef RPM_DB_H
#define RPM_DB_H

#include "base/buf.h"

#include <stdint.h>

/** Borrowed bytes; `p` may be NULL when `n` is 0. */
struct bytes {
	const unsigned char *p;
	size_t n;
};

/** Takes one header image (rpm_header.h), valid during the call. */
typedef void rpm_db_take(void *ctx, const unsigned char *header, size_t n);

/**
 * Hands each package's header of a database to `take`. Its kind is told by its first bytes: SQLite (rpmdb.sqlite), ndb
 * (Packages.db) or the hash of Berkeley DB (Packages). `wal` is what SQLite keeps in rpmdb.sqlite-wal: its
 * committed transactions count. RN_EINVAL: damaged, RN_EUNSUPPORTED: of another kind; headers may have been taken before.
 */
int rpm_db_read(struct bytes db, struct bytes wal, rpm_db_take *take, void *ctx, struct rn_error *err);

/* The three kinds; each file has one. */
int rpm_db_read_sqlite(struct bytes db, struct bytes wal, rpm_db_take *take, void *ctx, struct rn_error *err);
int rpm_db_read_ndb(struct bytes db, rpm_db_take *take, void *ctx, struct rn_error *err);
int rpm_db_read_berkeley(struct bytes db, rpm_db_take *take, void *ctx, struct rn_error *err);

static inline uint16_t bytes_be16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t bytes_be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint16_t bytes_le16(const unsigned char *p)
{
	return (uint16_t)(p[1] << 8 | p[0]);
}

static inline uint32_t bytes_le32(const unsigned char *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

#endif
