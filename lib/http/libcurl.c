/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of libcurl that exchange.c and http.c call, under their own names: each goes on to the library, which is loaded
 * by the first http_library_load. libcurl brings forty others with it (LDAP, Kerberos, SSH ...), some four milliseconds
 * of the start of a process; a plugin that makes no request, or that is only asked for its description, does without.
 */
#define CURL_DISABLE_TYPECHECK
#include "libcurl.h"

#include "http.h"

#include "base/library.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdarg.h>

#ifndef LIBCURL_SONAME
#define LIBCURL_SONAME "libcurl.so.4"
#endif

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#define FUNCTIONS(X)                                                                                                         \
	X(curl_easy_cleanup) X(curl_easy_getinfo) X(curl_easy_init) X(curl_easy_reset) X(curl_easy_setopt)                   \
	X(curl_easy_strerror) X(curl_global_init) X(curl_multi_add_handle) X(curl_multi_cleanup) X(curl_multi_info_read)     \
	X(curl_multi_init) X(curl_multi_perform) X(curl_multi_poll) X(curl_multi_remove_handle) X(curl_multi_setopt)         \
	X(curl_multi_strerror) X(curl_slist_append) X(curl_slist_free_all)

#define MEMBER(f) __typeof__(f) *f;
#define NAME(f) #f,
static struct {
	FUNCTIONS(MEMBER)
} lib;
static const char *const names[] = { FUNCTIONS(NAME) };

static void begin(void)
{
	lib.curl_global_init(CURL_GLOBAL_DEFAULT);
}

static struct rn_library libcurl = RN_LIBRARY(LIBCURL_SONAME, names, &lib, begin);

int http_library_load(struct rn_error *err)
{
	return rn_library_need(&libcurl, err);
}

static void *prepare(void *unused)
{
	(void)http_library_load(NULL); /* the request itself says what is wrong */
	return unused;
}

void http_prepare(void)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, prepare, NULL) == 0)
		pthread_detach(thread);
}

/* What a variable argument is, is told by the option's number. */
#define FORWARD_OPTION(function, object, option)                                     \
	va_list ap;                                                                  \
	va_start(ap, option);                                                        \
	__typeof__(lib.function(object, option)) rc;                                 \
	if ((option) >= CURLOPTTYPE_OFF_T && (option) < CURLOPTTYPE_BLOB)            \
		rc = lib.function(object, option, va_arg(ap, curl_off_t));           \
	else if ((option) >= CURLOPTTYPE_FUNCTIONPOINT && (option) < CURLOPTTYPE_OFF_T) \
		rc = lib.function(object, option, va_arg(ap, void (*)(void)));       \
	else if ((option) >= CURLOPTTYPE_OBJECTPOINT)                                \
		rc = lib.function(object, option, va_arg(ap, void *));               \
	else                                                                         \
		rc = lib.function(object, option, va_arg(ap, long));                 \
	va_end(ap);                                                                  \
	return rc

CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
	FORWARD_OPTION(curl_easy_setopt, easy, option);
}

CURLMcode curl_multi_setopt(CURLM *multi, CURLMoption option, ...)
{
	FORWARD_OPTION(curl_multi_setopt, multi, option);
}

CURLcode curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
	va_list ap;
	va_start(ap, info);
	CURLcode rc = lib.curl_easy_getinfo(easy, info, va_arg(ap, void *)); /* always a pointer to what is asked for */
	va_end(ap);
	return rc;
}

#define FORWARD(type, name, params, args) \
	type name params                  \
	{                                 \
		return lib.name args;     \
	}

FORWARD(void, curl_easy_cleanup, (CURL * easy), (easy))
FORWARD(CURL *, curl_easy_init, (void), ())
FORWARD(void, curl_easy_reset, (CURL * easy), (easy))
FORWARD(const char *, curl_easy_strerror, (CURLcode code), (code))
FORWARD(CURLMcode, curl_multi_add_handle, (CURLM * multi, CURL *easy), (multi, easy))
FORWARD(CURLMcode, curl_multi_cleanup, (CURLM * multi), (multi))
FORWARD(CURLMsg *, curl_multi_info_read, (CURLM * multi, int *left), (multi, left))
FORWARD(CURLM *, curl_multi_init, (void), ())
FORWARD(CURLMcode, curl_multi_perform, (CURLM * multi, int *running), (multi, running))
FORWARD(CURLMcode, curl_multi_poll, (CURLM * multi, struct curl_waitfd fds[], unsigned n, int ms, int *ready), (multi, fds, n, ms, ready))
FORWARD(CURLMcode, curl_multi_remove_handle, (CURLM * multi, CURL *easy), (multi, easy))
FORWARD(const char *, curl_multi_strerror, (CURLMcode code), (code))
FORWARD(struct curl_slist *, curl_slist_append, (struct curl_slist * list, const char *text), (list, text))
FORWARD(void, curl_slist_free_all, (struct curl_slist * list), (list))
