/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of libarchive that layers need, under their own names: each goes on to the library, which is loaded by the
 * first oci_archive_load. libarchive brings libxml2, ICU and ten others with it, some two milliseconds of the start of a
 * process; a build that takes all its layers from the cache does without.
 */
#include "libarchive.h"

#include "base/library.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdarg.h>
#include <stdio.h>

#ifndef LIBARCHIVE_SONAME
#define LIBARCHIVE_SONAME "libarchive.so.13"
#endif

#define FUNCTIONS(X) \
	X(archive_entry_copy_hardlink) X(archive_entry_copy_pathname) X(archive_entry_copy_symlink) \
	X(archive_entry_filetype) X(archive_entry_free) X(archive_entry_gid) X(archive_entry_hardlink) \
	X(archive_entry_mtime) X(archive_entry_new) X(archive_entry_pathname) X(archive_entry_perm) \
	X(archive_entry_rdevmajor) X(archive_entry_rdevminor) X(archive_entry_set_filetype) X(archive_entry_set_gid) \
	X(archive_entry_set_mtime) X(archive_entry_set_perm) X(archive_entry_set_rdevmajor) \
	X(archive_entry_set_rdevminor) X(archive_entry_set_size) X(archive_entry_set_uid) X(archive_entry_size) \
	X(archive_entry_symlink) X(archive_entry_uid) X(archive_entry_xattr_add_entry) X(archive_entry_xattr_next) \
	X(archive_entry_xattr_reset) X(archive_error_string) X(archive_read_data) X(archive_read_data_block) X(archive_read_free) \
	X(archive_read_header_position) X(archive_read_new) X(archive_read_next_header) X(archive_read_open) \
	X(archive_read_open_memory) X(archive_read_support_filter_bzip2) X(archive_read_support_filter_gzip) \
	X(archive_read_support_filter_xz) X(archive_read_support_filter_zstd) X(archive_read_support_format_empty) \
	X(archive_read_support_format_tar) X(archive_read_support_format_zip_seekable) X(archive_set_error) \
	X(archive_write_close) X(archive_write_data) X(archive_write_fail) X(archive_write_finish_entry) \
	X(archive_write_free) X(archive_write_header) X(archive_write_new) X(archive_write_open) \
	X(archive_write_set_bytes_per_block) X(archive_write_set_format_option) \
	X(archive_write_set_format_pax_restricted)

#define MEMBER(f) __typeof__(f) *f;
#define NAME(f) #f,
static struct {
	FUNCTIONS(MEMBER)
} lib;
static const char *const names[] = { FUNCTIONS(NAME) };
static struct rn_library libarchive = RN_LIBRARY(LIBARCHIVE_SONAME, names, &lib, NULL);

int oci_archive_load(struct rn_error *err)
{
	return rn_library_need(&libarchive, err);
}

void archive_set_error(struct archive *a, int error, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	lib.archive_set_error(a, error, "%s", text);
}

/* What everything else needs, so that nobody can forget to load; NULL: it is missing. */
#define BEGIN(type, name)                                          \
	type name(void)                                            \
	{                                                          \
		return oci_archive_load(NULL) < 0 ? NULL : lib.name(); \
	}

#define FORWARD(type, name, params, args) \
	type name params                  \
	{                                 \
		return lib.name args;     \
	}

/* clang-format off */
BEGIN(struct archive_entry *, archive_entry_new)
BEGIN(struct archive *, archive_read_new)
BEGIN(struct archive *, archive_write_new)
FORWARD(void, archive_entry_copy_hardlink, (struct archive_entry *e, const char *c), (e, c))
FORWARD(void, archive_entry_copy_pathname, (struct archive_entry *e, const char *c), (e, c))
FORWARD(void, archive_entry_copy_symlink, (struct archive_entry *e, const char *c), (e, c))
FORWARD(mode_t, archive_entry_filetype, (struct archive_entry *e), (e))
FORWARD(void, archive_entry_free, (struct archive_entry *e), (e))
FORWARD(la_int64_t, archive_entry_gid, (struct archive_entry *e), (e))
FORWARD(const char *, archive_entry_hardlink, (struct archive_entry *e), (e))
FORWARD(time_t, archive_entry_mtime, (struct archive_entry *e), (e))
FORWARD(const char *, archive_entry_pathname, (struct archive_entry *e), (e))
FORWARD(mode_t, archive_entry_perm, (struct archive_entry *e), (e))
FORWARD(dev_t, archive_entry_rdevmajor, (struct archive_entry *e), (e))
FORWARD(dev_t, archive_entry_rdevminor, (struct archive_entry *e), (e))
FORWARD(void, archive_entry_set_filetype, (struct archive_entry *e, unsigned int c), (e, c))
FORWARD(void, archive_entry_set_gid, (struct archive_entry *e, la_int64_t c), (e, c))
FORWARD(void, archive_entry_set_mtime, (struct archive_entry *e, time_t c, long d), (e, c, d))
FORWARD(void, archive_entry_set_perm, (struct archive_entry *e, mode_t c), (e, c))
FORWARD(void, archive_entry_set_rdevmajor, (struct archive_entry *e, dev_t c), (e, c))
FORWARD(void, archive_entry_set_rdevminor, (struct archive_entry *e, dev_t c), (e, c))
FORWARD(void, archive_entry_set_size, (struct archive_entry *e, la_int64_t c), (e, c))
FORWARD(void, archive_entry_set_uid, (struct archive_entry *e, la_int64_t c), (e, c))
FORWARD(la_int64_t, archive_entry_size, (struct archive_entry *e), (e))
FORWARD(const char *, archive_entry_symlink, (struct archive_entry *e), (e))
FORWARD(la_int64_t, archive_entry_uid, (struct archive_entry *e), (e))
FORWARD(void, archive_entry_xattr_add_entry, (struct archive_entry *e, const char *c, const void *d, size_t f), (e, c, d, f))
FORWARD(int, archive_entry_xattr_next, (struct archive_entry *e, const char **c, const void **d, size_t *f), (e, c, d, f))
FORWARD(int, archive_entry_xattr_reset, (struct archive_entry *e), (e))
FORWARD(const char *, archive_error_string, (struct archive *a), (a))
FORWARD(la_ssize_t, archive_read_data, (struct archive *a, void *c, size_t d), (a, c, d))
FORWARD(int, archive_read_data_block, (struct archive *a, const void **c, size_t *d, la_int64_t *f), (a, c, d, f))
FORWARD(int, archive_read_free, (struct archive *a), (a))
FORWARD(la_int64_t, archive_read_header_position, (struct archive *a), (a))
FORWARD(int, archive_read_next_header, (struct archive *a, struct archive_entry **c), (a, c))
FORWARD(int, archive_read_open, (struct archive *a, void *c, archive_open_callback *d, archive_read_callback *f, archive_close_callback *g), (a, c, d, f, g))
FORWARD(int, archive_read_open_memory, (struct archive *a, const void *data, size_t n), (a, data, n))
FORWARD(int, archive_read_support_format_zip_seekable, (struct archive *a), (a))
FORWARD(int, archive_read_support_filter_bzip2, (struct archive *a), (a))
FORWARD(int, archive_read_support_filter_gzip, (struct archive *a), (a))
FORWARD(int, archive_read_support_filter_xz, (struct archive *a), (a))
FORWARD(int, archive_read_support_filter_zstd, (struct archive *a), (a))
FORWARD(int, archive_read_support_format_empty, (struct archive *a), (a))
FORWARD(int, archive_read_support_format_tar, (struct archive *a), (a))
FORWARD(int, archive_write_close, (struct archive *a), (a))
FORWARD(la_ssize_t, archive_write_data, (struct archive *a, const void *c, size_t d), (a, c, d))
FORWARD(int, archive_write_fail, (struct archive *a), (a))
FORWARD(int, archive_write_finish_entry, (struct archive *a), (a))
FORWARD(int, archive_write_free, (struct archive *a), (a))
FORWARD(int, archive_write_header, (struct archive *a, struct archive_entry *e), (a, e))
FORWARD(int, archive_write_open, (struct archive *a, void *c, archive_open_callback *d, archive_write_callback *f, archive_close_callback *g), (a, c, d, f, g))
FORWARD(int, archive_write_set_bytes_per_block, (struct archive *a, int c), (a, c))
FORWARD(int, archive_write_set_format_option, (struct archive *a, const char *c, const char *d, const char *f), (a, c, d, f))
FORWARD(int, archive_write_set_format_pax_restricted, (struct archive *a), (a))
/* clang-format on */
