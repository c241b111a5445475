/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner-rootfs: unpacks and reads roots of images as root of a user namespace, where the owners of
 * their files exist. Not for people: started by oci-build inside the sandbox, one request as JSON on stdin,
 * the answer on stdout.
 */
#include "rootfs_wire.h"

#include "base/fs.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUEST_MAX ((size_t)256 << 20)

int main(int argc, char **argv)
{
	(void)argv;
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	struct rn_error err = { 0 };
	rn_buf_init(&text, REQUEST_MAX);
	RN_AUTO(rn_json_freep) cJSON *request =
		argc == 1 && rn_read_fd(0, &text, "the request", &err) == 0 ? rn_json_parse(rn_buf_str(&text), text.len, &err) : NULL;
	if (!request) {
		fprintf(stderr, "runner-rootfs is started by oci-build: %s\n", argc == 1 ? err.msg : "it takes no arguments");
		return 2;
	}
	umask(022);
	RN_AUTO(rn_json_freep) cJSON *answer = wire_perform(request);
	RN_AUTO(rn_freep) char *out = rn_json_print(answer);
	return rn_write_full(1, out, strlen(out)) < 0;
}
