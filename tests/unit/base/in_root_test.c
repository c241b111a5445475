/* SPDX-License-Identifier: Apache-2.0 */
/* Paths below a root: no link leaves it, and what is resolved in steps is what the kernel's openat2
 * resolves. */
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MADE_MODE 0400 /* no file has it at first */

typedef int opener(int root_fd, const char *path, int flags, mode_t mode);

struct world {
	char *folder; /* with a file "outside" and the root "root" */
	int root;
};

static int begin(void **state)
{
	struct world *w = rn_alloc(sizeof(*w));
	w->folder = rn_temp_dir("/tmp", "in-root-", NULL);
	RN_AUTO(rn_freep)
	char *root = rn_path_join(w->folder, "root"), *outside = rn_path_join(w->folder, "outside");
	close(open(outside, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	mkdir(root, 0755);
	w->root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	static const char *const folders[] = { "a", "a/b", "a/b/c", "d" };
	static const char *const files[] = { "f", "a/f", "a/b/f", "d/f" };
	static const char *const links[][2] = {
		{ "out", "../outside" },    { "far", "/../../outside" }, { "in", "a/b" },    { "abs", "/a/b/c" },
		{ "a/up", "../d" },         { "a/b/top", "/" },          { "file", "a/f" },  { "a/over", "../../../d/f" },
		{ "none", "nothing/here" }, { "new", "d/made" },         { "self", "self" }, { "one", "two" },
		{ "two", "one" },           { "slash", "a/" },           { "dot", "." },     { "through", "in/../up/./f" },
		{ "notdir", "f/x" }
	};
	for (size_t i = 0; i < RN_LEN(folders); i++)
		assert_int_equal(mkdirat(w->root, folders[i], 0755), 0);
	for (size_t i = 0; i < RN_LEN(files); i++)
		close(openat(w->root, files[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	for (size_t i = 0; i < RN_LEN(links); i++)
		assert_int_equal(symlinkat(links[i][1], w->root, links[i][0]), 0);
	*state = w;
	return 0;
}

static int end(void **state)
{
	struct world *w = *state;
	close(w->root);
	assert_int_equal(rn_remove_tree(w->folder, NULL), 0);
	free(w->folder);
	free(w);
	return 0;
}

static void nothing_leaves_the_root(void **state)
{
	struct world *w = *state;
	opener *const openers[] = { rn_open_in_root, rn_open_in_root_steps };
	for (size_t i = 0; i < RN_LEN(openers); i++) {
		assert_int_equal(openers[i](w->root, "out", O_RDONLY, 0), -1);
		assert_int_equal(errno, ENOENT);
		assert_int_equal(openers[i](w->root, "../outside", O_RDONLY, 0), -1);
		assert_int_equal(openers[i](w->root, "a/../../../outside", O_RDONLY, 0), -1);
		RN_AUTO(rn_freep)
		char *name = rn_asprintf("../../made-%zu", i), *inside = rn_asprintf("%s/root/made-%zu", w->folder, i);
		RN_AUTO(rn_closep) int made = openers[i](w->root, name, O_WRONLY | O_CREAT, 0600);
		assert_true(made >= 0);
		assert_true(rn_exists(inside));
	}
}

/* "errno N", or "DEVICE:INODE FLAGS", or where it was made. */
static void told(char *to, size_t size, opener *opens, int root, const char *path, int flags)
{
	struct stat st;
	RN_AUTO(rn_closep) int fd = opens(root, path, flags, MADE_MODE);
	if (fd < 0) {
		snprintf(to, size, "errno %d", errno);
		return;
	}
	assert_int_equal(fstat(fd, &st), 0);
	if ((st.st_mode & 0777) == MADE_MODE) {
		RN_AUTO(rn_freep) char *link = rn_asprintf("/proc/self/fd/%d", fd);
		ssize_t n = readlink(link, to, size - 1);
		assert_true(n > 0);
		to[n] = '\0';
		assert_int_equal(unlink(to), 0);
	} else {
		snprintf(to, size, "%lx:%lx %o", (unsigned long)st.st_dev, (unsigned long)st.st_ino, fcntl(fd, F_GETFL) & ~O_NOFOLLOW);
	}
}

static unsigned long next(unsigned long *seed)
{
	*seed = *seed * 6364136223846793005ul + 1442695040888963407ul;
	return *seed >> 33;
}

static void steps_resolve_as_the_kernel_does(void **state)
{
	struct world *w = *state;
	static const char *const parts[] = { "a",     "b",   "c",       "d",    "f",    "up",   "top",    "..",   ".",
					     "",      "in",  "abs",     "file", "over", "none", "new",    "self", "one",
					     "slash", "dot", "through", "out",  "far",  "made", "notdir", "x" };
	static const int flags[] = { O_RDONLY,
				     O_PATH,
				     O_PATH | O_NOFOLLOW,
				     O_RDONLY | O_NOFOLLOW,
				     O_RDONLY | O_DIRECTORY,
				     O_PATH | O_DIRECTORY,
				     O_PATH | O_DIRECTORY | O_NOFOLLOW,
				     O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
				     O_WRONLY | O_CREAT,
				     O_WRONLY | O_CREAT | O_EXCL,
				     O_WRONLY | O_CREAT | O_NOFOLLOW };
	if (rn_open_in_root(w->root, "a", O_PATH | O_TRUNC, 0) >= 0 || errno != EINVAL)
		skip(); /* openat2 refuses flags that do not go together; here there is none to
			   compare with */
	unsigned long seed = 7;
	for (int i = 0; i < 60000; i++) {
		char path[128] = "", kernel[256], ours[256];
		unsigned long n = next(&seed) % 6;
		if (next(&seed) % 4 == 0)
			strcat(path, "/");
		for (unsigned long k = 0; k <= n; k++) {
			strcat(path, k ? "/" : "");
			strcat(path, parts[next(&seed) % RN_LEN(parts)]);
		}
		int flag = flags[next(&seed) % RN_LEN(flags)];
		told(kernel, sizeof(kernel), rn_open_in_root, w->root, path, flag);
		told(ours, sizeof(ours), rn_open_in_root_steps, w->root, path, flag);
		if (strcmp(kernel, ours) != 0)
			fail_msg("\"%s\" with flags %o: the kernel says %s, the steps say %s", path, (unsigned)flag, kernel, ours);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_leaves_the_root, begin, end),
		cmocka_unit_test_setup_teardown(steps_resolve_as_the_kernel_does, begin, end),
	};
	return cmocka_run_group_tests_name("in_root", tests, NULL, NULL);
}
