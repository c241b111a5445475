/* SPDX-License-Identifier: Apache-2.0 */
#include "lock.h"

#include "journal.h"

#include "base/encode.h"
#include "base/fs.h"
#include "base/time.h"

#include <sha256.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char *lock_path(const char *root, const char *file)
{
	uint8_t sum[SHA256_DIGEST_LENGTH];
	char hex[17];
	SHA2_CTX ctx;
	SHA256Init(&ctx);
	SHA256Update(&ctx, (const uint8_t *)file, strlen(file));
	SHA256Final(sum, &ctx);
	return rn_asprintf("%s/locks/%s-%s", root, rn_path_base(file), rn_hex(sum, 8, hex));
}

/* What the holder wrote into the file; a holder that has not written yet is just "another run". */
static char *holder(const char *path)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (rn_read_file(path, 4096, &text, NULL) < 0 || !text.len)
		return rn_strdup("another run");
	return rn_strdup(rn_trim(text.p));
}

static void sign(int fd, const char *file, const char *command)
{
	char time[32];
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	rn_buf_addf(&text, "process %d (runner %s %s, since %s)\n", (int)getpid(), command, file,
		    rn_iso8601(rn_wall_ms(), false, time));
	if (ftruncate(fd, 0) == 0)
		(void)!pwrite(fd, text.p, text.len, 0);
}

int lock_take(const char *root, const char *file, const char *command, bool wait, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = lock_path(root, file);
	RN_AUTO(rn_freep) char *dir = rn_path_dir(path);
	if (journal_make_dir(dir, root, err) < 0)
		return -1;
	struct rn_error held = { 0 };
	int fd = rn_lock_file(path, false, false, &held);
	if (fd < 0 && held.code != RN_EEXISTS) {
		if (err)
			*err = held;
		return journal_explain(err, root);
	}
	if (fd < 0) {
		RN_AUTO(rn_freep) char *who = holder(path);
		if (!wait) {
			rn_fail(err, RN_EEXISTS, "this pipeline is being run in this folder already: %s", who);
			return rn_hint(err, "wait for it, or pass --wait to do so");
		}
		fprintf(stderr, "runner: waiting for %s\n", who);
		fd = rn_lock_file(path, false, true, err);
	}
	if (fd >= 0)
		sign(fd, file, command);
	return fd;
}
