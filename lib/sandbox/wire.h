/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What crosses between the caller, runner-sandbox and its init: the spec as bytes
 * (one function walks it in both directions, so that they cannot drift apart) and
 * fixed-size messages on SOCK_SEQPACKET sockets. Both ends are of one build.
 */
#ifndef SANDBOX_WIRE_H
#define SANDBOX_WIRE_H

#include "sandbox.h"

#include "base/buf.h"

/* Descriptors of runner-sandbox. */
enum {
	WIRE_SOCKET_FD = 3,   /* to the caller; its end closing means: kill all */
	WIRE_SPEC_FD = 4,     /* the spec's bytes                               */
	WIRE_FIRST_FD = 5,    /* spec.fds[i] is number WIRE_FIRST_FD + i        */
};

enum wire_kind {
	WIRE_STARTED = 1, /* up: the program runs; pid                    */
	WIRE_FAILED,      /* up: it could not be started; error           */
	WIRE_ENDED,       /* up: it and all it left behind ended; status  */
	WIRE_SIGNAL,      /* down: send `pid` (a signal number) to it     */
	WIRE_GO,          /* down, helper to init: the id maps are there  */
};

struct wire_message {
	enum wire_kind kind;
	int pid;
	struct sandbox_status status;
	struct rn_error error;
};

/** Sends a message whole; -1 with errno (never SIGPIPE). */
int wire_send(int fd, const struct wire_message *m);
/** Receives one; 0 at the end of the stream, 1 for a message, -1 with errno. */
int wire_receive(int fd, struct wire_message *m);

/** Appends the spec with its host facts. Descriptors become those of runner-sandbox. */
int spec_encode(const struct sandbox_spec *spec, struct rn_buf *to, struct rn_error *err);

/* A decoded spec; its strings lie in `bytes`. */
struct spec_store {
	struct sandbox_spec spec;
	struct sandbox_host host;
	struct rn_buf bytes;
	void **blocks; /* arrays to free */
	size_t n_blocks, cap_blocks;
};

/** Decodes `bytes` (taken over). */
int spec_decode(struct rn_buf *bytes, struct spec_store *ret, struct rn_error *err);
void spec_store_clear(struct spec_store *s);

#endif
