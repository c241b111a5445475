/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/oci's upload of a growing file from a command line, for the tests: registry_stream HOST:PORT/REPOSITORY.
 * Lines of stdin: `write N` (N more bytes, byte number i is i * 7 >> 8), `end`, `give-up`. At the end of stdin it waits and prints
 * {ok, digest, message}.
 */
#include "base/fs.h"
#include "base/json.h"
#include "oci/registry_stream.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct file {
	int fd;
	uint64_t size;
	struct digester *hash;
};

static int grow(struct file *f, uint64_t n)
{
	unsigned char piece[65536];
	while (n) {
		size_t k = n < sizeof(piece) ? (size_t)n : sizeof(piece);
		for (size_t i = 0; i < k; i++)
			piece[i] = (unsigned char)((f->size + i) * 7 >> 8);
		if (rn_write_full(f->fd, piece, k) < 0)
			return -1;
		digester_update(f->hash, piece, k);
		f->size += k;
		n -= k;
	}
	return 0;
}

static int end(struct registry_stream *s, const struct file *f)
{
	struct digest d = digester_peek(f->hash);
	RN_AUTO(descriptor_clear) struct descriptor blob;
	descriptor_init(&blob, MEDIA_OCI_LAYER, &d, f->size);
	registry_stream_end(s, &blob);
	return 0;
}

static int command(struct registry_stream *s, struct file *f, const char *line)
{
	if (rn_starts(line, "write ")) {
		int rc = grow(f, strtoull(line + 6, NULL, 10));
		registry_stream_grown(s, f->size);
		return rc;
	}
	if (rn_starts(line, "end"))
		return end(s, f);
	registry_stream_end(s, NULL);
	return 0;
}

int main(int argc, char **argv)
{
	struct rn_error err = { 0 };
	struct registry_options o = REGISTRY_INIT;
	RN_AUTO(reference_clear) struct reference ref = { 0 };
	RN_AUTO(rn_closep) int fd = open("stream.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct file f = { .fd = fd, .hash = digester_new(NULL) };
	if (argc != 2 || fd < 0 || reference_parse(argv[1], &ref, &err) < 0)
		return 2;
	struct registry *r = registry_new(&o);
	struct registry_stream *s = registry_stream_new(r, &ref, fd, &err);
	char line[256];
	if (!s)
		return 2;
	while (fgets(line, sizeof(line), stdin))
		if (command(s, &f, line) < 0)
			return 2;
	bool ok = registry_stream_wait(s, &err) == 0;
	struct digest d = digester_peek(f.hash);
	RN_AUTO(rn_json_freep) cJSON *out = cJSON_CreateObject();
	cJSON_AddBoolToObject(out, "ok", ok);
	cJSON_AddStringToObject(out, "digest", d.text);
	cJSON_AddStringToObject(out, "message", err.msg);
	RN_AUTO(rn_freep) char *text = rn_json_print(out);
	puts(text);
	digester_free(f.hash);
	registry_free(r);
	return 0;
}
