/* SPDX-License-Identifier: Apache-2.0 */
/* Packages that an image has, from the texts in which package managers keep their books. Pure. */
#ifndef PACKAGES_H
#define PACKAGES_H

#include "rpm_db.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/str.h"

struct package {
	char *kind;     /* type of a package URL: "deb", "rpm", "pypi", ... */
	char *group;    /* of Maven, or NULL                                */
	char *name;
	char *version;  /* of rpm with the release                          */
	char *epoch;    /* of rpm, or NULL                                  */
	char *arch;     /* or NULL                                          */
	char *platform; /* of a gem that is built for one, or NULL          */
	char *upstream; /* what a distribution made it from: NAME[@VERSION] of deb and apk, file of rpm; or NULL */
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
	struct rn_strv unread; /* what could not be read: a sentence each, for people */
};
void packages_init(struct packages *p);
void packages_clear(struct packages *p);
/** All, sorted by purl; new array of borrowed packages. */
const struct package **packages_sorted(const struct packages *p);

/**
 * Takes over what `k` owns, whose kind and source it sets. Dropped: nameless ones, those that are there already, ones with a name of over
 * a kilobyte, and, which `unread` says, what is beyond 200,000: these texts come out of somebody's image.
 */
void packages_add(struct packages *p, const char *kind, struct package *k, const char *path);
/** Frees what `k` owns (not `k`), and leaves it empty. */
void package_drop(struct package *k);

/** dpkg's status file, or one of status.d: what is installed. */
void packages_read_dpkg(struct packages *p, const char *text, const char *path);
/** apk's installed file. */
void packages_read_apk(struct packages *p, const char *text, const char *path);
/** METADATA of *.dist-info, PKG-INFO of *.egg-info. */
void packages_read_python(struct packages *p, const char *text, const char *path);
/** package.json below node_modules; false: not one of a package. */
bool packages_read_npm(struct packages *p, const char *text, size_t n, const char *path);
/** A database of rpm, see rpm_db.h. What it had before the error is kept. */
int packages_read_rpm(struct packages *p, struct bytes db, struct bytes wal, const char *path, struct rn_error *err);
/** A gem's specification. */
void packages_read_gem(struct packages *p, const char *text, const char *path);
/** What the Go linker (1.18 or newer) wrote into a program: modules and the version of Go. Nothing in others. */
void packages_read_go(struct packages *p, struct bytes program, const char *path);
/** Does the name end as those of Java's archives do? */
bool packages_is_jar(const char *name);
/** pom.properties of Maven in an archive of Java, and in archives within it. Nothing when it is none. */
void packages_read_jar(struct packages *p, struct bytes archive, const char *path);

#endif
