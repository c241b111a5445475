/* SPDX-License-Identifier: Apache-2.0 */
/* What is and what is not part of the key of a step: the last instruction of small Dockerfiles. */
#include "tests/unit/mock_host.h"

#include "plugins/oci-build/dockerfile_parser.h"
#include "plugins/oci-build/metadata.h"
#include "plugins/oci-build/step_key.h"

#include "base/fs.h"
#include "oci/config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct bench {
	char *dir;
	struct blob_store *store;
	struct build_params params;
	struct runner_stage stage;
	int64_t epoch;
	const char *below; /* content of a layer below; NULL: none */
};

static int set_up(void **state)
{
	struct bench *t = rn_alloc(sizeof(*t));
	t->dir = rn_temp_dir("/tmp", "runner-key-test-", NULL);
	RN_AUTO(rn_freep) char *store = rn_path_join(t->dir, "store");
	t->store = blob_store_open(store, NULL);
	*state = t;
	return t->dir && t->store ? 0 : -1;
}

static int tear_down(void **state)
{
	struct bench *t = *state;
	blob_store_close(t->store);
	int rc = rn_remove_tree(t->dir, NULL);
	free(t->dir);
	free(t);
	return rc;
}

static void put(struct bench *t, const char *name, const char *text, mode_t mode)
{
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s/context/%s", t->dir, name);
	RN_AUTO(rn_freep) char *dir = rn_path_dir(path);
	assert_int_equal(rn_mkdirs(dir, 0755, NULL), 0);
	assert_int_equal(rn_write_file(path, text, strlen(text), mode, NULL), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* Instructions before the last one only set variables, users and folders. */
static void apply(struct step *s)
{
	static int (*const functions[DF_OPS])(struct step *) = { [DF_ARG] = step_arg, [DF_ENV] = step_env, [DF_USER] = step_user,
								 [DF_SHELL] = step_shell, [DF_LABEL] = step_label, [DF_CMD] = step_cmd };
	assert_non_null(functions[s->i->op]);
	if (functions[s->i->op](s) < 0)
		fail_msg("%s", s->err->msg);
}

/* Key of the last instruction of `text`. */
static struct digest key_of(struct bench *t, const char *text)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *context = rn_path_join(t->dir, "context");
	struct build b = { .stage = &t->stage, .host = &mock_host, .params = &t->params, .context = context, .store = t->store,
			   .epoch = t->epoch, .hashes = file_hashes_open("/nonexistent/hashes", NULL), .lock = PTHREAD_MUTEX_INITIALIZER,
			   .stop_fd = -1, .cancel_fd = -1 };
	struct platform platform = { 0 };
	struct stage_graph g = { 0 };
	struct step_key key = { 0 };
	RN_AUTO(rn_map_clear) struct rn_map downloads = { 0 };
	platform_parse("linux/amd64", &platform, NULL);
	if (df_source_init(&b.source, "Dockerfile", text, strlen(text), &err) < 0 || !(b.file = dockerfile_parse(&b.source, &err)) ||
	    stage_graph_init(&g, &b, &platform, &err) < 0)
		fail_msg("%s", err.msg);
	struct build_stage *stage = g.target;
	fs_state_scratch(&stage->state, &platform);
	if (t->below) {
		const struct layer_result layer = { .digest = digest_of(t->below, strlen(t->below)), .size = 1,
						    .diff_id = digest_of(t->below, strlen(t->below)), .media_type = MEDIA_OCI_LAYER_GZIP };
		assert_int_equal(fs_state_add(&stage->state, &b, &layer, "below", &err), 0);
	}
	for (size_t i = 0; i < stage->n_steps; i++) {
		struct step s = { .b = &b, .graph = &g, .stage = stage, .i = stage->steps[i], .source = &b.source, .escape = '\\',
				  .downloads = &downloads, .err = &err };
		if (i + 1 < stage->n_steps)
			apply(&s);
		else if (step_key(&s, &key) < 0)
			fail_msg("%s", err.msg);
	}
	struct digest id = key.id;
	step_key_clear(&key);
	stage_graph_clear(&g);
	platform_clear(&platform);
	dockerfile_free(b.file);
	df_source_clear(&b.source);
	rn_map_clear(&b.used_args);
	file_hashes_close(b.hashes);
	return id;
}

static void expect(struct bench *t, const char *a, const char *b, bool same)
{
	struct digest x = key_of(t, a), y = key_of(t, b);
	if (digest_equal(&x, &y) != same)
		fail_msg("these should have %s key:\n%s--\n%s", same ? "the same" : "another", a, b);
}

#define BASE "FROM scratch\n"

static void every_part_of_a_run_counts(void **state)
{
	struct bench *t = *state;
	static const char run[] = BASE "ENV E=1\nARG A=1\nRUN make\n";
	static const char *const others[] = {
		BASE "ENV E=2\nARG A=1\nRUN make\n", BASE "ENV E=1\nARG A=2\nRUN make\n", BASE "ENV E=1\nRUN make\n", BASE "ENV E=1 F=1\nARG A=1\nRUN make\n",
		BASE "ENV E=1\nARG A=1\nRUN make all\n", BASE "ENV E=1\nARG A=1\nRUN [\"make\"]\n", BASE "ENV E=1\nARG A=1\nUSER 7\nRUN make\n",
		BASE "ENV E=1\nARG A=1\nSHELL [\"/bin/bash\",\"-c\"]\nRUN make\n", BASE "ENV E=1\nARG A=1\nRUN --network=none make\n",
		BASE "ENV E=1\nARG A=1\nRUN --mount=type=tmpfs,target=/t make\n", BASE "ENV E=1\nARG A=1\nRUN --mount=type=cache,target=/t make\n",
		BASE "ENV E=1\nARG A=1\nRUN --mount=type=secret,id=s make\n", BASE "ENV E=1\nARG A=1\nRUN --mount=type=secret,id=s2 make\n",
		BASE "ENV E=1\nARG A=1\nRUN <<EOF\nmake\nEOF\n", BASE "ENV E=1\nARG A=1\nRUN <<EOF\nmake all\nEOF\n", BASE "ENV E=1\nARG A=1\nRUN <<'EOF'\nmake\nEOF\n",
	};
	struct digest seen[RN_LEN(others) + 1];
	seen[0] = key_of(t, run);
	for (size_t i = 0; i < RN_LEN(others); i++) {
		seen[i + 1] = key_of(t, others[i]);
		for (size_t n = 0; n <= i; n++)
			if (digest_equal(&seen[n], &seen[i + 1]))
				fail_msg("this has the key of case %zu:\n%s", n, others[i]);
	}
}

static void what_a_run_does_not_see_does_not_count(void **state)
{
	struct bench *t = *state;
	expect(t, BASE "ENV A=1 B=2\nRUN make\n", BASE "ENV B=2\nENV A=1\nRUN make\n", true);
	expect(t, BASE "RUN make\n", BASE "LABEL a=b\nCMD [\"x\"]\n# a comment\nRUN   make\n", true);
	expect(t, BASE "ARG A\nRUN make\n", BASE "RUN make\n", true);                           /* declared, without a value */
	expect(t, BASE "ENV A=1\nARG A=2\nRUN make\n", BASE "ENV A=1\nRUN make\n", true);       /* ENV beats it            */
	expect(t, "ARG G=1\n" BASE "RUN make\n", "ARG G=2\n" BASE "RUN make\n", true);          /* global, not asked for   */
	expect(t, BASE "RUN a \\\n  b\n", BASE "RUN a   b\n", true);                            /* a line is what it joins to */
	expect(t, BASE "RUN a b\n", BASE "RUN a  b\n", false);                                  /* words are the shell's  */
	struct digest before = key_of(t, BASE "RUN make\n");
	const struct runner_pair proxy = { "HTTP_PROXY", "http://user:secret@proxy" };
	t->params.build_args = (struct runner_map){ &proxy, 1 };
	struct digest after = key_of(t, BASE "RUN make\n");
	assert_true(digest_equal(&before, &after));
	struct digest declared = key_of(t, BASE "ARG HTTP_PROXY\nRUN make\n");
	assert_false(digest_equal(&before, &declared));
}

static void what_is_below_and_the_time_count(void **state)
{
	struct bench *t = *state;
	static const char *const texts[] = { BASE "RUN make\n", BASE "WORKDIR /w\n", BASE "COPY f /\n", BASE "COPY --link f /\n" };
	put(t, "f", "content", 0644);
	for (size_t i = 0; i < RN_LEN(texts); i++) {
		t->below = NULL;
		t->epoch = 0;
		struct digest plain = key_of(t, texts[i]);
		t->below = "other files";
		struct digest on_other = key_of(t, texts[i]);
		assert_true(digest_equal(&plain, &on_other) == (i == 3)); /* --link stands on anything */
		t->below = NULL;
		t->epoch = 1;
		struct digest later = key_of(t, texts[i]);
		assert_false(digest_equal(&plain, &later));
	}
}

static void content_mode_and_type_count_and_times_do_not(void **state)
{
	struct bench *t = *state;
	static const char *const texts[] = { BASE "COPY d /d\n", BASE "ADD d /d\n", BASE "RUN --mount=type=bind,source=d,target=/d make\n" };
	for (size_t i = 0; i < RN_LEN(texts); i++) {
		put(t, "d/a", "one", 0644);
		put(t, "aside", "x", 0644);
		struct digest first = key_of(t, texts[i]);
		RN_AUTO(rn_freep) char *path = rn_asprintf("%s/context/d/a", t->dir);
		const struct timespec times[2] = { { 5, 0 }, { 5, 0 } };
		assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
		put(t, "aside", "not copied", 0644);
		struct digest same = key_of(t, texts[i]);
		assert_true(digest_equal(&first, &same));
		put(t, "d/a", "two", 0644);
		struct digest content = key_of(t, texts[i]);
		assert_false(digest_equal(&first, &content));
		put(t, "d/a", "one", 0755);
		struct digest mode = key_of(t, texts[i]);
		assert_false(digest_equal(&first, &mode));
		put(t, "d/a", "one", 0644);
		struct digest back = key_of(t, texts[i]);
		assert_true(digest_equal(&first, &back));
		put(t, "d/b", "", 0644);
		struct digest more = key_of(t, texts[i]);
		assert_false(digest_equal(&first, &more));
		RN_AUTO(rn_freep) char *extra = rn_asprintf("%s/context/d/b", t->dir);
		unlink(extra);
	}
}

static void words_count_as_they_are_resolved(void **state)
{
	struct bench *t = *state;
	put(t, "f", "content", 0644);
	put(t, "g", "content", 0644);
	expect(t, BASE "ARG N=f\nCOPY $N /x\n", BASE "ARG M=f\nCOPY ${M} /x\n", true);
	expect(t, BASE "COPY f /x\n", BASE "COPY g /x\n", false);
	expect(t, BASE "COPY f /x\n", BASE "COPY f /x/\n", false);
	expect(t, BASE "COPY f /x\n", BASE "ADD f /x\n", false);
	expect(t, BASE "COPY --chmod=600 f /x\n", BASE "COPY f /x\n", false);
	expect(t, BASE "COPY --chown=1 f /x\n", BASE "COPY --chown=2 f /x\n", false);
	expect(t, BASE "COPY <<a /x\nbody\na\n", BASE "COPY <<a /x\nother\na\n", false);
	expect(t, BASE "ARG V=body\nCOPY <<a /x\n$V\na\n", BASE "COPY <<a /x\nbody\na\n", true);
	expect(t, BASE "WORKDIR /a\n", BASE "WORKDIR /b\n", false);
	expect(t, BASE "WORKDIR /a/../b\n", BASE "WORKDIR /b/\n", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_part_of_a_run_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_a_run_does_not_see_does_not_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_below_and_the_time_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(content_mode_and_type_count_and_times_do_not, set_up, tear_down),
		cmocka_unit_test_setup_teardown(words_count_as_they_are_resolved, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
