/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packages out of rpm's headers. A header image (rpm's manual "RPM V4 Package format"): the number of entries and of the
 * store's bytes, the entries (tag, type, offset, count), the store; all big-endian. Unlike in a package file, no magic is before it.
 */
#include "packages.h"
#include "rpm_db.h"

#include <stdlib.h>
#include <string.h>

#define ENTRY_SIZE ((size_t)16)
enum { TYPE_INT32 = 4, TYPE_STRING = 6 };
enum {
	TAG_NAME = 1000,
	TAG_VERSION = 1001,
	TAG_RELEASE = 1002,
	TAG_EPOCH = 1003,
	TAG_VENDOR = 1011,
	TAG_LICENSE = 1014,
	TAG_ARCH = 1022,
	TAG_SOURCERPM = 1044,
};

struct header {
	struct bytes entries;
	struct bytes store;
};

static bool header_open(const unsigned char *p, size_t n, struct header *ret)
{
	if (n < 8)
		return false;
	size_t entries = (size_t)bytes_be32(p) * ENTRY_SIZE, store = bytes_be32(p + 4);
	if (entries > n - 8 || store > n - 8 - entries)
		return false;
	*ret = (struct header){ { p + 8, entries }, { p + 8 + entries, store } };
	return true;
}

/* From where the entry's value begins to the end of the store; n is 0: there is none. */
static struct bytes value(const struct header *h, uint32_t tag, uint32_t type)
{
	for (size_t at = 0; at < h->entries.n; at += ENTRY_SIZE) {
		const unsigned char *e = h->entries.p + at;
		size_t offset = bytes_be32(e + 8);
		if (bytes_be32(e) == tag && bytes_be32(e + 4) == type && offset < h->store.n)
			return (struct bytes){ h->store.p + offset, h->store.n - offset };
	}
	return (struct bytes){ NULL, 0 };
}

/* New string; NULL: none, or one without an end. */
static char *text(const struct header *h, uint32_t tag)
{
	struct bytes v = value(h, tag, TYPE_STRING);
	const unsigned char *end = v.n ? memchr(v.p, '\0', v.n) : NULL;
	return end ? rn_strndup((const char *)v.p, (size_t)(end - v.p)) : NULL;
}

struct reading {
	struct packages *p;
	const char *path;
};

static void take_header(void *ctx, const unsigned char *data, size_t n)
{
	const struct reading *r = ctx;
	struct header h;
	if (!header_open(data, n, &h))
		return;
	RN_AUTO(rn_freep) char *version = text(&h, TAG_VERSION);
	RN_AUTO(rn_freep) char *release = text(&h, TAG_RELEASE);
	struct package k = { .name = text(&h, TAG_NAME), .license = text(&h, TAG_LICENSE), .arch = text(&h, TAG_ARCH) };
	if (rn_streq(k.name, "gpg-pubkey") || !version || !release) { /* a key that rpm trusts is kept like a package */
		package_drop(&k);
		return;
	}
	struct bytes epoch = value(&h, TAG_EPOCH, TYPE_INT32);
	k.version = rn_asprintf("%s-%s", version, release);
	k.epoch = epoch.n >= 4 ? rn_asprintf("%u", bytes_be32(epoch.p)) : NULL;
	k.supplier = text(&h, TAG_VENDOR);
	k.upstream = text(&h, TAG_SOURCERPM);
	packages_add(r->p, "rpm", &k, r->path);
}

int packages_read_rpm(struct packages *p, struct bytes db, struct bytes wal, const char *path, struct rn_error *err)
{
	struct reading r = { p, path };
	return rpm_db_read(db, wal, take_header, &r, err);
}
