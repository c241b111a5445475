/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs by RFC 3986, http and https alone: parse, write, resolve a relative
 * reference, compare origins. Nothing here touches the network.
 */
#ifndef HTTP_URL_H
#define HTTP_URL_H

#include "base/error.h"

#include <stdbool.h>

struct url {
	char *scheme;   /* "http" or "https"                                   */
	char *user;     /* before '@', decoded; NULL: none                     */
	char *password; /* decoded; NULL: none                                 */
	char *host;     /* lower case; an IPv6 address with its brackets       */
	int port;       /* as written; 0: not written                          */
	char *path;     /* as on the wire (percent-encoded), at least "/"      */
	char *query;    /* as on the wire, without '?'; NULL: none             */
};

/** Parses an absolute URL; a fragment is dropped; blanks and control characters are refused. */
int url_parse(const char *text, struct url *ret, struct rn_error *err);
void url_clear(struct url *u); /* a zeroed struct is fine; for RN_AUTO */
/** The URL as text, without user and password. New string. */
char *url_format(const struct url *u);
/**
 * "host" or "host:port", the port left out when it is the scheme's own: the Host header. New
 * string.
 */
char *url_authority(const struct url *u);
/** Port as written or the scheme's own. */
int url_port(const struct url *u);
/** Resolves `ref` (absolute, //host, /path, path, ?query) against `base`. New string or NULL. */
char *url_resolve(const char *base, const char *ref, struct rn_error *err);
/** True when both have the same scheme, host and effective port. */
bool url_same_origin(const struct url *a, const struct url *b);
/** True for 127.0.0.0/8, ::1 and localhost. */
bool url_is_loopback(const struct url *u);
/** `text` without user, password and query: safe to show in messages. New string. */
char *url_for_display(const char *text);

#endif
