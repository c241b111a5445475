/* SPDX-License-Identifier: Apache-2.0 */
/* One run at a time: a lease has a name, ends with its process, and is taken over when its holder is silent. */
#include "core/lease.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/time.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
	char *dir;
	struct lease_options o;
};

static void place_init(struct place *p)
{
	p->dir = rn_temp_dir("/tmp", "lease-", NULL);
	p->o = (struct lease_options){ .root = p->dir, .name = "pipe", .command = "run", .file = "/a/pipe.pipe" };
}

static void place_clear(struct place *p)
{
	assert_int_equal(rn_remove_tree(p->dir, NULL), 0);
	free(p->dir);
}

static char *file_of(const struct place *p)
{
	return rn_asprintf("%s/locks/pipe.lease", p->dir);
}

static cJSON *words_of(const struct place *p)
{
	RN_AUTO(rn_freep) char *path = file_of(p);
	return rn_json_read_file(path, 65536, NULL);
}

/* A lease that another machine wrote, `age_s` seconds ago. */
static void write_foreign(const struct place *p, int64_t age_s)
{
	RN_AUTO(rn_freep) char *path = file_of(p);
	RN_AUTO(rn_freep) char *dir = rn_path_dir(path);
	static const char text[] = "{\"token\": \"0123456789abcdef0123456789abcdef\", \"user\": \"eve\", \"host\": \"far\", "
				   "\"kernel\": \"another\", \"pid\": 7, \"command\": \"run\", \"file\": \"/b/pipe.pipe\", "
				   "\"since\": \"2020-01-01T00:00:00Z\", \"run\": \"r7\", \"url\": \"https://ci/7\"}\n";
	assert_int_equal(rn_mkdirs(dir, 0755, NULL), 0);
	assert_int_equal(rn_write_file(path, text, strlen(text), 0644, NULL), 0);
	struct timespec then = { .tv_sec = time(NULL) - age_s }, times[2] = { then, then };
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void the_second_is_refused_and_told_who_has_it(void **state)
{
	(void)state;
	struct place p;
	struct rn_error err = { 0 };
	place_init(&p);
	setenv("CI_JOB_URL", "https://bot:to@ken@gitlab.example/job/1", 1);
	struct lease *first = lease_take(&p.o, &err);
	unsetenv("CI_JOB_URL");
	assert_non_null(first);
	lease_name_run(first, "run-1");
	assert_null(lease_take(&p.o, &err));
	assert_int_equal(err.code, RN_EEXISTS);
	RN_AUTO(rn_freep) char *pid = rn_asprintf("process %d", (int)getpid());
	const char *told[] = { "\"pipe\"", pid, "runner run /a/pipe.pipe", "run-1", "last sign of life ", "https://gitlab.example/job/1", "@" };
	for (size_t i = 0; i < RN_LEN(told); i++)
		if (!strstr(err.msg, told[i]))
			fail_msg("%s is not in: %s", told[i], err.msg);
	assert_null(strstr(err.msg, "bot"));
	assert_null(strstr(err.msg, "ken@"));
	assert_non_null(strstr(err.hint, "--lock-wait"));
	p.o.name = "other";
	struct lease *other = lease_take(&p.o, &err);
	assert_non_null(other);
	lease_release(other);
	p.o.name = "pipe";
	lease_release(first);
	struct lease *second = lease_take(&p.o, &err);
	assert_non_null(second);
	lease_release(second);
	RN_AUTO(rn_freep) char *dir = rn_path_join(p.dir, "locks");
	RN_AUTO(rn_strv_clear) struct rn_strv left = { 0 };
	assert_int_equal(rn_list_dir(dir, &left, NULL), 0);
	assert_int_equal(left.n, 2); /* the guards */
	place_clear(&p);
}

static void a_holder_that_was_killed_on_this_machine_holds_nothing(void **state)
{
	(void)state;
	struct place p;
	struct rn_error err = { 0 };
	int ready[2];
	place_init(&p);
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (!lease_take(&p.o, NULL) || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	char c;
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_null(lease_take(&p.o, &err));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	struct lease *l = lease_take(&p.o, &err);
	assert_non_null(l);
	lease_release(l);
	close(ready[0]);
	close(ready[1]);
	place_clear(&p);
}

static void a_holder_elsewhere_is_believed_as_long_as_it_shows_life(void **state)
{
	(void)state;
	struct place p;
	struct rn_error err = { 0 };
	place_init(&p);
	write_foreign(&p, LEASE_TTL_MS / 1000 - 30);
	assert_null(lease_take(&p.o, &err));
	assert_non_null(strstr(err.msg, "eve@far, process 7"));
	assert_non_null(strstr(err.msg, "https://ci/7"));
	write_foreign(&p, LEASE_TTL_MS / 1000 + 5);
	struct lease *l = lease_take(&p.o, &err);
	assert_non_null(l);
	RN_AUTO(rn_json_freep) cJSON *words = words_of(&p);
	assert_int_equal(rn_json_int(words, "pid", 0), getpid());
	lease_release(l);
	place_clear(&p);
}

static void a_sign_of_life_keeps_it_and_tells_when_it_was_taken_over(void **state)
{
	(void)state;
	struct place p;
	struct rn_error err = { 0 };
	struct stat st;
	place_init(&p);
	RN_AUTO(rn_freep) char *path = file_of(&p);
	struct lease *l = lease_take(&p.o, &err);
	assert_non_null(l);
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_int_equal(lease_renew(l, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_mtim.tv_sec > 1000);
	assert_true(lease_due_ms(l) > rn_now_ms());
	assert_int_equal(unlink(path), 0); /* somebody tidied up */
	assert_int_equal(lease_renew(l, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	write_foreign(&p, 0);
	assert_int_equal(lease_renew(l, &err), -1);
	assert_int_equal(err.code, RN_EEXISTS);
	assert_non_null(strstr(err.msg, "eve@far"));
	lease_release(l); /* and leaves the other one's alone */
	RN_AUTO(rn_json_freep) cJSON *words = words_of(&p);
	assert_string_equal(rn_json_str(words, "user"), "eve");
	place_clear(&p);
}

static void nonsense_in_the_file_is_no_holder_for_ever(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "{", "[]", "{\"token\": \"../../etc\"}", "{\"token\": 5, \"kernel\": true}" };
	struct place p;
	place_init(&p);
	RN_AUTO(rn_freep) char *path = file_of(&p);
	for (size_t i = 0; i < RN_LEN(texts); i++) {
		struct rn_error err = { 0 };
		write_foreign(&p, 0);
		assert_int_equal(rn_write_file(path, texts[i], strlen(texts[i]), 0644, NULL), 0);
		assert_null(lease_take(&p.o, &err));
		assert_int_equal(err.code, RN_EEXISTS);
		struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
		assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
		struct lease *l = lease_take(&p.o, &err);
		assert_non_null(l);
		lease_release(l);
	}
	place_clear(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_second_is_refused_and_told_who_has_it),
		cmocka_unit_test(a_holder_that_was_killed_on_this_machine_holds_nothing),
		cmocka_unit_test(a_holder_elsewhere_is_believed_as_long_as_it_shows_life),
		cmocka_unit_test(a_sign_of_life_keeps_it_and_tells_when_it_was_taken_over),
		cmocka_unit_test(nonsense_in_the_file_is_no_holder_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
