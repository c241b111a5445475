/* SPDX-License-Identifier: Apache-2.0 */
/* Packages that an image has, from the texts in which package managers keep their books. Pure. */
#ifndef PACKAGES_H
#define PACKAGES_H

#include "base/buf.h"
#include "base/map.h"

struct package {
	char *kind;     /* "deb", "apk", "pypi", "npm"                      */
	char *name;
	char *version;
	char *arch;     /* or NULL                                          */
	char *license;  /* as written, or NULL                              */
	char *supplier; /* maintainer or author as written, or NULL         */
	char *source;   /* path of the text that says so                    */
	char *purl;     /* package URL; equal ones are one package          */
};

/** What the image's distribution is called in package URLs. Zeroed: not known. */
struct distribution {
	char *id;       /* "debian"    */
	char *version;  /* "12"        */
};
void distribution_clear(struct distribution *d);
/** From the text of /etc/os-release. */
void distribution_read(const char *os_release, struct distribution *ret);

/** By purl, in the order of adding. */
struct packages {
	struct rn_map by_purl;
	struct distribution distribution;
	char *unread;   /* path of a database that is not understood, or NULL */
};
void packages_init(struct packages *p);
void packages_clear(struct packages *p);
/** All, sorted by purl; new array of borrowed packages. */
const struct package **packages_sorted(const struct packages *p);

/** dpkg's status file, or one of status.d: what is installed. */
void packages_read_dpkg(struct packages *p, const char *text, const char *path);
/** apk's installed file. */
void packages_read_apk(struct packages *p, const char *text, const char *path);
/** METADATA of *.dist-info, PKG-INFO of *.egg-info. */
void packages_read_python(struct packages *p, const char *text, const char *path);
/** package.json below node_modules; false: not one of a package. */
bool packages_read_npm(struct packages *p, const char *text, size_t n, const char *path);

#endif
