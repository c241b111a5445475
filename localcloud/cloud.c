/* SPDX-License-Identifier: Apache-2.0 */
#include "cloud.h"

#include "base/str.h"
#include "base/time.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void cloud_clear(struct cloud *c)
{
	char *const strings[] = { c->dir,  c->blob_dir, c->temp_dir,   c->endpoint,
				  c->host, c->region,   c->access_key, c->secret_key };
	for (size_t i = 0; i < RN_LEN(strings); i++)
		free(strings[i]);
	*c = (struct cloud){ 0 };
}

char *cloud_arn(const char *service, const char *region, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *rest = NULL;
	if (vasprintf(&rest, fmt, ap) < 0)
		rn_die("out of memory");
	va_end(ap);
	char *arn = rn_asprintf("arn:aws:%s:%s:" CLOUD_ACCOUNT ":%s", service, region, rest);
	free(rest);
	return arn;
}

char *cloud_id(char *to, size_t n, bool upper)
{
	static const char LOWER[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char UPPER[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	const char *alphabet = upper ? UPPER : LOWER;
	unsigned count = upper ? sizeof(UPPER) - 1 : sizeof(LOWER) - 1;
	for (size_t i = 0; i < n; i++) {
		uint32_t r;
		rn_random(&r, sizeof(r));
		to[i] = alphabet[r % count];
	}
	to[n] = '\0';
	return to;
}

char *cloud_uuid(char *to)
{
	unsigned char r[16];
	rn_random(r, sizeof(r));
	r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
	r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
	snprintf(to, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
		 r[13], r[14], r[15]);
	return to;
}

double cloud_now(void)
{
	return (double)rn_wall_ms() / 1000.0;
}

static void print_line(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
static void print_line(const char *fmt, va_list ap)
{
	RN_AUTO(rn_freep) char *line = NULL;
	if (vasprintf(&line, fmt, ap) < 0)
		rn_die("out of memory");
	char stamp[32];
	rn_iso8601(rn_wall_ms(), false, stamp);
	fprintf(stderr, "%s %s\n", stamp, line);
}

void cloud_log(const struct cloud *c, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (!c->quiet)
		print_line(fmt, ap);
	va_end(ap);
}

void cloud_warn(const struct cloud *c, const char *fmt, ...)
{
	(void)c;
	va_list ap;
	va_start(ap, fmt);
	print_line(fmt, ap);
	va_end(ap);
}
