/* SPDX-License-Identifier: Apache-2.0 */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int rn_fail(struct rn_error *err, enum rn_code code, const char *fmt, ...)
{
	if (!err)
		return -1;
	int saved = errno;
	err->code = code;
	err->retryable = false;
	err->line = err->column = 0;
	err->hint[0] = '\0';
	va_list ap;
	va_start(ap, fmt);
	errno = saved; /* for %m */
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	errno = saved;
	return -1;
}

int rn_at(struct rn_error *err, unsigned line, unsigned column)
{
	if (!err)
		return -1;
	err->line = line;
	err->column = column;
	return -1;
}

int rn_wrap(struct rn_error *err, const char *fmt, ...)
{
	if (!err)
		return -1;
	char context[RN_ERROR_MSG_MAX];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(context, sizeof(context) - 2, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -1;
	size_t len = strlen(context);
	memcpy(context + len, ": ", 3);
	len += 2;
	size_t old = strlen(err->msg);
	if (len + old >= sizeof(err->msg))
		old = sizeof(err->msg) - 1 - len;
	memmove(err->msg + len, err->msg, old);
	memcpy(err->msg, context, len);
	err->msg[len + old] = '\0';
	return -1;
}

int rn_hint(struct rn_error *err, const char *fmt, ...)
{
	if (!err)
		return -1;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
	return -1;
}

void rn_error_clear(struct rn_error *err)
{
	if (!err)
		return;
	err->code = RN_OK;
	err->retryable = false;
	err->line = err->column = 0;
	err->msg[0] = err->hint[0] = '\0';
}

const char *rn_code_name(enum rn_code code)
{
	static const char *const names[] = {
		[RN_OK] = "ok",
		[RN_EIO] = "io",
		[RN_EINVAL] = "invalid",
		[RN_ENOTFOUND] = "not-found",
		[RN_EEXISTS] = "exists",
		[RN_EAUTH] = "auth",
		[RN_ENET] = "network",
		[RN_EREMOTE] = "remote",
		[RN_ELIMIT] = "limit",
		[RN_ETIMEOUT] = "timeout",
		[RN_ECANCELLED] = "cancelled",
		[RN_EUNSUPPORTED] = "unsupported",
		[RN_EINTERNAL] = "internal",
	};
	return (size_t)code < sizeof(names) / sizeof(names[0]) ? names[code] : "unknown";
}

void rn_die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("runner: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}
