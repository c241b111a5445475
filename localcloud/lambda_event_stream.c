/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of application/vnd.amazon.eventstream: length of all, length of the headers, CRC-32 of these eight bytes, headers,
 * payload, CRC-32 of all before it; numbers big-endian. A header: length of its name, name, 7 (a string), length, value.
 */
#include "lambda_internal.h"

#include <string.h>

#define STRING 7
#define AROUND 16 /* bytes of a message beside its headers and payload */

static uint32_t crc32(const unsigned char *p, size_t n)
{
	uint32_t crc = UINT32_MAX;
	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
	}
	return ~crc;
}

static void add_number(struct rn_buf *to, uint32_t n)
{
	const unsigned char bytes[] = { (unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n };
	rn_buf_add(to, bytes, sizeof(bytes));
}

static void add_header(struct rn_buf *to, const char *name, const char *value)
{
	size_t n = strlen(value);
	rn_buf_addc(to, (char)strlen(name));
	rn_buf_adds(to, name);
	rn_buf_addc(to, STRING);
	rn_buf_addc(to, (char)(n >> 8));
	rn_buf_addc(to, (char)n);
	rn_buf_adds(to, value);
}

void event_stream_add(struct rn_buf *to, const char *event_type, const char *content_type, const void *payload, size_t n)
{
	RN_AUTO(rn_buf_clear) struct rn_buf headers = RN_BUF_INIT;
	size_t begin = to->len;
	add_header(&headers, ":message-type", "event");
	add_header(&headers, ":event-type", event_type);
	add_header(&headers, ":content-type", content_type);
	add_number(to, (uint32_t)(AROUND + headers.len + n));
	add_number(to, (uint32_t)headers.len);
	add_number(to, crc32((const unsigned char *)to->p + begin, to->len - begin));
	rn_buf_add(to, headers.p, headers.len);
	rn_buf_add(to, payload, n);
	add_number(to, crc32((const unsigned char *)to->p + begin, to->len - begin));
}
