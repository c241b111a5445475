/* SPDX-License-Identifier: Apache-2.0 */
/* Files, subprocesses and JSON of lib/base. */
#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char *scratch;

static int make_scratch(void **state)
{
	(void)state;
	scratch = rn_temp_dir("/tmp", "runner-base-", NULL);
	return scratch ? 0 : -1;
}

static int remove_scratch(void **state)
{
	(void)state;
	int rc = rn_remove_tree(scratch, NULL);
	rn_freep(&scratch);
	return rc;
}

static void paths_are_cleaned(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{ "", "." },	    { "/", "/" },	 { "a//b/./c/", "a/b/c" }, { "a/../..", ".." },
		{ "/../a", "/a" },  { "a/b/..", "a" },	 { "../../x", "../../x" }, { "/a/b/../../..", "/" },
		{ "./..a/b", "..a/b" },
	};
	for (size_t i = 0; i < RN_LEN(pairs); i++) {
		RN_AUTO(rn_freep) char *clean = rn_path_clean(pairs[i][0]);
		assert_string_equal(clean, pairs[i][1]);
	}
	RN_AUTO(rn_freep) char *below = rn_path_below("a/b", "c"), *top = rn_path_below("", "c");
	assert_string_equal(below, "a/b/c");
	assert_string_equal(top, "c");
	RN_AUTO(rn_freep) char *abs = rn_path_abs("/base/dir", "../x");
	assert_string_equal(abs, "/base/x");
	setenv("HOME", "/home/me", 1);
	RN_AUTO(rn_freep) char *home = rn_path_home("/base/dir", "~/x"), *other = rn_path_home("/base/dir", "~you/x");
	assert_string_equal(home, "/home/me/x");
	assert_string_equal(other, "/base/dir/~you/x");
}

static void a_file_is_replaced_as_a_whole(void **state)
{
	(void)state;
	RN_AUTO(rn_freep) char *path = rn_path_join(scratch, "f");
	struct rn_error err = { 0 };
	assert_int_equal(rn_write_file(path, "one", 3, 0640, &err), 0);
	assert_int_equal(rn_write_file(path, "two!", 4, 0640, &err), 0);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	assert_int_equal(rn_read_file(path, 100, &b, &err), 0);
	assert_string_equal(rn_buf_str(&b), "two!");
	assert_int_equal(rn_read_file(path, 3, &b, &err), -1);
	assert_int_equal(err.code, RN_ELIMIT);
	assert_int_equal(rn_read_file("/does/not/exist", 3, &b, &err), -1);
	assert_int_equal(err.code, RN_ENOTFOUND);
	RN_AUTO(rn_freep) char *nowhere = rn_path_join(scratch, "none/f");
	assert_int_equal(rn_write_file(nowhere, "x", 1, 0600, &err), -1);
	assert_int_equal(err.code, RN_EIO);
	assert_int_equal(rn_replace_file(path, "three", 5, 0600, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(rn_read_file(path, 100, &b, &err), 0);
	assert_string_equal(rn_buf_str(&b), "three");
	assert_int_equal(rn_replace_file(nowhere, "x", 1, 0600, &err), -1);
}

static void a_tree_is_removed_and_links_are_not_followed(void **state)
{
	(void)state;
	RN_AUTO(rn_freep) char *keep = rn_path_join(scratch, "keep");
	RN_AUTO(rn_freep) char *kept = rn_path_join(scratch, "keep/file");
	RN_AUTO(rn_freep) char *tree = rn_path_join(scratch, "tree");
	RN_AUTO(rn_freep) char *deep = rn_path_join(scratch, "tree/a/b/c");
	RN_AUTO(rn_freep) char *link = rn_path_join(scratch, "tree/a/link");
	RN_AUTO(rn_freep) char *locked = rn_path_join(scratch, "tree/a/b");
	assert_int_equal(rn_mkdirs(keep, 0755, NULL), 0);
	assert_false(rn_dir_has_names(keep));
	assert_int_equal(rn_write_file(kept, "x", 1, 0600, NULL), 0);
	assert_true(rn_dir_has_names(keep));
	assert_false(rn_dir_has_names(kept)); /* a file */
	assert_false(rn_dir_has_names(tree)); /* nothing */
	assert_int_equal(rn_mkdirs(deep, 0755, NULL), 0);
	assert_int_equal(symlink(keep, link), 0);
	assert_int_equal(chmod(locked, 0), 0);
	assert_int_equal(rn_remove_tree(tree, NULL), 0);
	assert_false(rn_exists(tree));
	assert_true(rn_exists(kept));
	assert_int_equal(rn_remove_tree(tree, NULL), 0);
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *below_file = rn_path_join(kept, "x/y");
	assert_int_equal(rn_mkdirs(below_file, 0755, &err), -1);
}

static void a_lock_is_held_by_one(void **state)
{
	(void)state;
	RN_AUTO(rn_freep) char *path = rn_path_join(scratch, "lock");
	struct rn_error err = { 0 };
	int fd = rn_lock_file(path, false, true, &err);
	assert_true(fd >= 0);
	assert_int_equal(rn_lock_file(path, false, false, &err), -1);
	assert_int_equal(err.code, RN_EEXISTS);
	rn_closep(&fd);
	fd = rn_lock_file(path, true, false, &err);
	RN_AUTO(rn_closep) int second = rn_lock_file(path, true, false, &err);
	assert_true(fd >= 0 && second >= 0);
	rn_closep(&fd);
}

static void a_command_gets_input_and_gives_output(void **state)
{
	(void)state;
	static const char *const argv[] = { "sh", "-c", "cat; echo oops >&2; exit 7", NULL };
	RN_AUTO(rn_buf_clear) struct rn_buf out = RN_BUF_INIT, errors = RN_BUF_INIT;
	struct rn_error err = { 0 };
	assert_int_equal(rn_run(argv, NULL, "hello", &out, &errors, 60000, &err), 7);
	assert_string_equal(rn_buf_str(&out), "hello");
	assert_string_equal(rn_buf_str(&errors), "oops\n");
}

static void a_command_that_ignores_much_input_does_no_harm(void **state)
{
	(void)state;
	static const char *const argv[] = { "true", NULL };
	RN_AUTO(rn_freep) char *big = rn_alloc(1 << 20);
	memset(big, 'x', (1 << 20) - 1);
	assert_int_equal(rn_run(argv, NULL, big, NULL, NULL, 60000, NULL), 0);
}

static void commands_are_bounded_in_time_and_output(void **state)
{
	(void)state;
	static const char *const slow[] = { "sleep", "1000", NULL };
	static const char *const loud[] = { "yes", NULL };
	static const char *const none[] = { "no-such-command-here", NULL };
	struct rn_error err = { 0 };
	assert_int_equal(rn_run(slow, NULL, NULL, NULL, NULL, 50, &err), -1);
	assert_int_equal(err.code, RN_ETIMEOUT);
	RN_AUTO(rn_buf_clear) struct rn_buf out = { .max = 100000 };
	assert_int_equal(rn_run(loud, NULL, NULL, &out, NULL, 0, &err), -1);
	assert_int_equal(err.code, RN_ELIMIT);
	int stop[2];
	assert_int_equal(pipe(stop), 0);
	assert_int_equal(write(stop[1], "x", 1), 1);
	assert_int_equal(rn_run_until(slow, NULL, NULL, NULL, NULL, 0, stop[0], &err), -1);
	assert_int_equal(err.code, RN_ECANCELLED);
	close(stop[0]);
	close(stop[1]);
	assert_int_equal(rn_run(none, NULL, NULL, NULL, NULL, 0, &err), -1);
	assert_int_equal(err.code, RN_ENOTFOUND);
}

/* The child of rn_spawn works in this process's memory until its exec, on a small stack. */
static void a_script_without_a_first_line_gets_many_arguments(void **state)
{
	(void)state;
	enum { MANY = 20000 };
	RN_AUTO(rn_freep) char *path = rn_path_join(scratch, "script");
	RN_AUTO(rn_freep) const char **argv = rn_alloc(sizeof(*argv) * (MANY + 2));
	RN_AUTO(rn_buf_clear) struct rn_buf out = RN_BUF_INIT;
	assert_int_equal(rn_write_file(path, "echo $#\n", 8, 0755, NULL), 0);
	const char *program = "script", *before = getenv("PATH");
	RN_AUTO(rn_freep) char *saved = rn_strdup(before), *with = rn_asprintf("%s:%s", scratch, before);
	argv[0] = program;
	for (size_t i = 1; i <= MANY; i++)
		argv[i] = "x";
	setenv("PATH", with, 1);
	assert_int_equal(rn_run(argv, NULL, NULL, &out, NULL, 60000, NULL), 0);
	setenv("PATH", saved, 1);
	assert_string_equal(rn_buf_str(&out), "20000\n");
}

static void *spawn_often(void *failures)
{
	const char *const good[] = { "true", NULL }, *const none[] = { "/does/not/exist", NULL };
	for (int i = 0; i < 50; i++) {
		struct rn_error err = { 0 };
		*(int *)failures += rn_run(good, NULL, NULL, NULL, NULL, 60000, NULL) != 0;
		*(int *)failures += rn_run(none, NULL, NULL, NULL, NULL, 60000, &err) != -1 || err.code != RN_ENOTFOUND;
	}
	return NULL;
}

static void threads_may_start_programs_at_once(void **state)
{
	(void)state;
	pthread_t threads[8];
	int failures[8] = { 0 };
	for (size_t i = 0; i < RN_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, spawn_often, &failures[i]), 0);
	for (size_t i = 0; i < RN_LEN(threads); i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(failures[i], 0);
	}
}

static void what_cannot_start_leaves_no_descriptor(void **state)
{
	(void)state;
	struct rlimit usual, few;
	RN_AUTO(rn_buf_clear) struct rn_buf out = RN_BUF_INIT;
	static const char *const argv[] = { "true", NULL };
	int next = dup(0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	for (int room = 1; room < 8; room++) {
		few = (struct rlimit){ (rlim_t)(next + room), usual.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		int rc = rn_run(argv, NULL, "", &out, NULL, 60000, NULL);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
		if (room < 6)
			assert_int_equal(rc, -1);
		int now = dup(0);
		close(now);
		assert_int_equal(now, next);
	}
}

static void a_child_gets_only_the_listed_descriptors(void **state)
{
	(void)state;
	RN_AUTO(rn_closep) int stray = open("/dev/null", O_RDONLY); /* not close-on-exec */
	assert_true(stray >= 0);
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	static const char *const argv[] = { "ls", "/proc/self/fd", NULL };
	struct rn_fd_map fds[] = { { ends[1], 1 }, { ends[1], 9 } };
	struct rn_spawn s = { .argv = argv, .fds = fds, .n_fds = 2 };
	struct rn_error err = { 0 };
	pid_t pid = rn_spawn(&s, &err);
	assert_true(pid > 0);
	close(ends[1]);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	assert_int_equal(rn_read_fd(ends[0], &b, "pipe", &err), 0);
	close(ends[0]);
	assert_int_equal(rn_wait(pid, NULL), 0);
	assert_string_equal(rn_buf_str(&b), "0\n1\n2\n3\n9\n"); /* 3: the folder that ls reads */
}

static void a_killed_child_reports_its_signal(void **state)
{
	(void)state;
	static const char *const argv[] = { "sh", "-c", "kill -SEGV $$", NULL };
	struct rn_spawn s = { .argv = argv, .new_group = true };
	int sig = 0;
	assert_int_equal(rn_wait(rn_spawn(&s, NULL), &sig), 128 + SIGSEGV);
	assert_int_equal(sig, SIGSEGV);
}

static void json_is_strict_and_located(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "{", "[1,]", "{\"a\":1} x", "{'a':1}", "nul" };
	struct rn_error err = { 0 };
	for (size_t i = 0; i < RN_LEN(bad); i++)
		assert_null(rn_json_parse_str(bad[i], &err));
	assert_null(rn_json_parse_str("{\n  \"a\": tru\n}", &err));
	assert_non_null(strstr(err.msg, "line 2"));
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse_str("{\"b\":[1,{\"c\":\"x\\u00e9\"}],\"a\":1.5,\"d\":{}}", &err);
	assert_non_null(j);
	RN_AUTO(rn_freep) char *text = rn_json_canonical(j);
	assert_string_equal(text, "{\"a\":1.5,\"b\":[1,{\"c\":\"x\xc3\xa9\"}],\"d\":{}}");
	assert_string_equal(rn_json_path(j, "b.1.c")->valuestring, "x\xc3\xa9");
	assert_null(rn_json_path(j, "b.7"));
	RN_AUTO(rn_freep) char *nice = rn_json_pretty(j);
	RN_AUTO(rn_json_freep) cJSON *again = rn_json_parse_str(nice, &err);
	assert_true(rn_json_equal(j, again));
	RN_AUTO(rn_json_freep) cJSON *part = rn_json_parse_str("{\"b\":[1,{}]}", &err);
	assert_true(rn_json_subset(part, j));
	assert_false(rn_json_subset(j, part));
}

static void quoting_repairs_bad_utf8(void **state)
{
	(void)state;
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_json_quote(&b, "a\"\n\x01\xff\xc3\xa9", 7);
	assert_string_equal(rn_buf_str(&b), "\"a\\\"\\n\\u0001\xef\xbf\xbd\xc3\xa9\"");
}

static void a_sleep_ends_when_cancelled(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(rn_sleep_ms(1, ends[0]), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(rn_sleep_ms(1000000, ends[0]), -1);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_cleaned),
		cmocka_unit_test(a_file_is_replaced_as_a_whole),
		cmocka_unit_test(a_tree_is_removed_and_links_are_not_followed),
		cmocka_unit_test(a_lock_is_held_by_one),
		cmocka_unit_test(a_command_gets_input_and_gives_output),
		cmocka_unit_test(a_command_that_ignores_much_input_does_no_harm),
		cmocka_unit_test(commands_are_bounded_in_time_and_output),
		cmocka_unit_test(a_script_without_a_first_line_gets_many_arguments),
		cmocka_unit_test(threads_may_start_programs_at_once),
		cmocka_unit_test(what_cannot_start_leaves_no_descriptor),
		cmocka_unit_test(a_child_gets_only_the_listed_descriptors),
		cmocka_unit_test(a_killed_child_reports_its_signal),
		cmocka_unit_test(json_is_strict_and_located),
		cmocka_unit_test(quoting_repairs_bad_utf8),
		cmocka_unit_test(a_sleep_ends_when_cancelled),
	};
	return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
