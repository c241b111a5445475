/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether programs of another architecture run in the sandbox: the kernel may do it itself (386 on amd64, arm on arm64) or hand
 * them to an emulator (binfmt_misc). It is tried with a program of a few instructions, in a root that holds nothing else.
 */
#ifndef SANDBOX_FOREIGN_H
#define SANDBOX_FOREIGN_H

#include "sandbox.h"

struct sandbox_foreign {
	bool runs;
	char *interpreter; /* set when it would run if the root had this file (absolute), and does not run otherwise */
	char *reason;      /* why not; NULL when it runs */
	char *cure;        /* NULL: none known           */
};
void sandbox_foreign_clear(struct sandbox_foreign *f);

/** The architectures that can be tried, as Go names them, NULL-terminated. */
const char *const *sandbox_machines(void);

/**
 * Tries `architecture` (as Go names it) with a scratch folder below `dir`. One that is not known here counts as running: nothing
 * speaks against it. -1 only when it cannot be tried (disk). sandbox_foreign_clear frees.
 */
int sandbox_foreign(const struct sandbox_host *host, const char *dir, const char *architecture, struct sandbox_foreign *ret,
		    struct rn_error *err);

#endif
