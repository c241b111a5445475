/* SPDX-License-Identifier: Apache-2.0 */
/* Apart from the other files, since <pwd.h> and passwd.h both have a struct passwd. */
#include "rootfs_expect.h"

#include "base/fs.h"

#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Has this user a line in the file of subordinate ids? */
static bool has_ids(const char *file)
{
	const struct passwd *pw = getpwuid(geteuid());
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	RN_AUTO(rn_freep) char *number = rn_asprintf("%u", geteuid());
	if (rn_read_file(file, (size_t)4 << 20, &b, NULL) < 0 || b.len == 0)
		return false;
	for (char *save = NULL, *line = strtok_r(b.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line[strcspn(line, ":")] = '\0';
		if (rn_streq(line, number) || (pw && rn_streq(line, pw->pw_name)))
			return true;
	}
	return false;
}

bool rootfs_expect_single_id(void)
{
	bool program = access("/usr/bin/newuidmap", X_OK) == 0 || access("/bin/newuidmap", X_OK) == 0;
	return geteuid() != 0 && (!program || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 || !has_ids("/etc/subuid") || !has_ids("/etc/subgid"));
}
