/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner-sandbox: a clean, single-threaded process that sets up one sandbox.
 * Not for people: descriptors 3 and 4 are the caller's (wire.h).
 *   runner-sandbox                    runs the spec on descriptor 4
 *   runner-sandbox --probe DIR RUNG   prints what is possible, at most RUNG, as JSON
 */
#include "process.h"

#include "base/fs.h"
#include "base/str.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SPEC_MAX ((size_t)64 << 20)

static int run(int socket, struct sandbox_status *ret, struct rn_error *err)
{
	struct rn_buf bytes;
	struct spec_store store = { 0 };
	rn_buf_init(&bytes, SPEC_MAX);
	int rc = rn_read_fd(WIRE_SPEC_FD, &bytes, "the sandbox's description", err);
	close(WIRE_SPEC_FD);
	if (rc == 0)
		rc = spec_decode(&bytes, &store, err);
	if (rc == 0)
		rc = helper_run(&store.spec, socket, false, ret, err);
	rn_buf_clear(&bytes);
	spec_store_clear(&store);
	return rc;
}

static int probe(const char *dir, const char *best)
{
	struct rn_error err = { 0 };
	int64_t rung;
	if (rn_parse_int(best, SANDBOX_NONE, SANDBOX_ROOT, &rung, &err) < 0 ||
	    try_all(dir, (enum sandbox_rung)rung, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 3;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "--probe"))
		return probe(argv[2], argv[3]);
	if (argc != 1 || fcntl(WIRE_SPEC_FD, F_GETFD) < 0) {
		fprintf(stderr, "runner-sandbox is started by runner; see `runner doctor` for what it can do here\n");
		return 2;
	}
	/* a reader of ours that went away is no reason to die before the sandbox is ended */
	signal(SIGPIPE, SIG_IGN);
	fcntl(WIRE_SOCKET_FD, F_SETFD, FD_CLOEXEC);
	struct wire_message m = { .kind = WIRE_ENDED };
	if (run(WIRE_SOCKET_FD, &m.status, &m.error) < 0)
		m.kind = WIRE_FAILED;
	wire_send(WIRE_SOCKET_FD, &m);
	return 0;
}
