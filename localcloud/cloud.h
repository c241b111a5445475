/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cloud as one object: its state folder, store, address and credentials,
 * and the ids, names and times that every service makes in the same way.
 * Knows no service; a service keeps its own run-time state behind `service_data`.
 */
#ifndef CLOUD_H
#define CLOUD_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct faults;
struct store;

#define CLOUD_ACCOUNT "000000000000"
#define CLOUD_DEFAULT_REGION "us-east-1"
#define CLOUD_SERVICES_MAX 16

struct cloud {
	struct store *store;
	char *dir;          /* state folder, absolute                            */
	char *blob_dir;     /* DIR/blobs: content by digest                      */
	char *temp_dir;     /* DIR/temp: unfinished uploads and what is made on the way; same file system */
	char *endpoint;     /* "http://127.0.0.1:4566"                           */
	char *host;         /* "127.0.0.1:4566", the registry's name in images   */
	int port;
	char *region;       /* what is printed as AWS_REGION; callers may use others */
	char *access_key;   /* the root credentials that are printed             */
	char *secret_key;
	char instance[37];  /* random, of this process: tells one cloud from another on a port */
	struct faults *faults; /* what goes wrong on purpose */
	bool quiet;         /* no access log on stderr                           */
	void *service_data[CLOUD_SERVICES_MAX]; /* by service.slot: set by its start, freed by its stop */
};

/** Frees the strings; the rest is its owners'. */
void cloud_clear(struct cloud *c);

/** New string "arn:aws:SERVICE:REGION:000000000000:REST" (region "" for global ones). */
char *cloud_arn(const char *service, const char *region, const char *fmt, ...) RN_PRINTF(3, 4);

/** `n` random characters of [a-z0-9] (or [A-Z0-9] when `upper`) into to[n + 1]; returns `to`. */
char *cloud_id(char *to, size_t n, bool upper);
/** A random UUID (36 characters) into to[37]; returns `to`. */
char *cloud_uuid(char *to);

/** Seconds since 1970 with milliseconds, as the JSON protocols write times. */
double cloud_now(void);

/** One line on stderr unless the cloud is quiet. */
void cloud_warn(const struct cloud *c, const char *fmt, ...) RN_PRINTF(2, 3); /* quiet or not */
void cloud_log(const struct cloud *c, const char *fmt, ...) RN_PRINTF(2, 3);

#endif
