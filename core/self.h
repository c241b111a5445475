/* SPDX-License-Identifier: Apache-2.0 */
/* Where this installation lies: everything else is found from the running program's own path. */
#ifndef CORE_SELF_H
#define CORE_SELF_H

/** Path to execute this very program again, also when its file was replaced meanwhile. Static. */
const char *self_exec(void);
/** PREFIX of PREFIX/bin/runner, links resolved. New string; "/usr" when /proc cannot be read. */
char *self_prefix(void);
/** PREFIX/libexec/runner. New string. */
char *self_libexec(void);

#endif
