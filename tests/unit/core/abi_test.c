/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of the plugin ABI on 64-bit machines, member by member. A row is added when a struct grows at its
 * end; a row that changes breaks every plugin that was built before, and wants a new major version.
 */
#include <runner/plugin.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define OFFSET(s, f, n) { #s "." #f, offsetof(struct s, f), n }
#define SIZE(s, n)	{ "sizeof " #s, sizeof(struct s), n }

static const struct {
	const char *what;
	size_t is, was;
} rows[] = {
	OFFSET(runner_plugin, magic, 0),
	OFFSET(runner_plugin, abi_major, 4),
	OFFSET(runner_plugin, abi_minor, 8),
	OFFSET(runner_plugin, size, 12),
	OFFSET(runner_plugin, row_size, 16),
	OFFSET(runner_plugin, output_row_size, 20),
	OFFSET(runner_plugin, param_size, 24),
	OFFSET(runner_plugin, flags, 28),
	OFFSET(runner_plugin, name, 32),
	OFFSET(runner_plugin, version, 40),
	OFFSET(runner_plugin, summary, 48),
	OFFSET(runner_plugin, params, 56),
	OFFSET(runner_plugin, outputs, 64),
	OFFSET(runner_plugin, check, 72),
	OFFSET(runner_plugin, run, 80),
	OFFSET(runner_plugin, plan, 88),
	OFFSET(runner_plugin, destroy, 96),
	OFFSET(runner_plugin, help, 104),
	OFFSET(runner_plugin, permissions, 112),
	OFFSET(runner_plugin, rollback, 120),
	SIZE(runner_plugin, 128),
	OFFSET(runner_param, name, 0),
	OFFSET(runner_param, type, 8),
	OFFSET(runner_param, flags, 12),
	OFFSET(runner_param, offset, 16),
	OFFSET(runner_param, def, 24),
	OFFSET(runner_param, one_of, 32),
	OFFSET(runner_param, help, 40),
	OFFSET(runner_param, example, 48),
	SIZE(runner_param, 56),
	OFFSET(runner_output, name, 0),
	OFFSET(runner_output, flags, 8),
	OFFSET(runner_output, reserved, 12),
	OFFSET(runner_output, help, 16),
	SIZE(runner_output, 24),
	OFFSET(runner_failure, size, 0),
	OFFSET(runner_failure, cls, 4),
	OFFSET(runner_failure, message, 8),
	OFFSET(runner_failure, hint, 16),
	OFFSET(runner_failure, param, 24),
	OFFSET(runner_failure, file, 32),
	OFFSET(runner_failure, line, 40),
	OFFSET(runner_failure, column, 48),
	OFFSET(runner_failure, retryable, 56),
	SIZE(runner_failure, 64),
	OFFSET(runner_command, size, 0),
	OFFSET(runner_command, flags, 4),
	OFFSET(runner_command, argv, 8),
	OFFSET(runner_command, env, 16),
	OFFSET(runner_command, workdir, 24),
	OFFSET(runner_command, input, 32),
	OFFSET(runner_command, timeout_ms, 40),
	OFFSET(runner_command, exit_code, 48),
	OFFSET(runner_command, signal, 52),
	OFFSET(runner_command, captured, 56),
	SIZE(runner_command, 64),
	OFFSET(runner_host, size, 0),
	OFFSET(runner_host, abi_minor, 4),
	OFFSET(runner_host, log, 8),
	OFFSET(runner_host, step, 16),
	OFFSET(runner_host, progress, 24),
	OFFSET(runner_host, change, 32),
	OFFSET(runner_host, output, 40),
	OFFSET(runner_host, output_json, 48),
	OFFSET(runner_host, fail, 56),
	OFFSET(runner_host, cancelled, 64),
	OFFSET(runner_host, cancel_fd, 72),
	OFFSET(runner_host, info, 80),
	OFFSET(runner_host, is_set, 88),
	OFFSET(runner_host, is_known, 96),
	OFFSET(runner_host, mask, 104),
	OFFSET(runner_host, command, 112),
	OFFSET(runner_host, remember, 120),
	OFFSET(runner_host, recall, 128),
	OFFSET(runner_host, recall_key, 136),
	OFFSET(runner_host, changed, 144),
	OFFSET(runner_host, longest_secret, 152),
	OFFSET(runner_host, reveals, 160),
	SIZE(runner_host, 168),
	OFFSET(runner_change, size, 0),
	OFFSET(runner_change, action, 4),
	OFFSET(runner_change, resource, 8),
	OFFSET(runner_change, detail, 16),
	OFFSET(runner_change, fields, 24),
	OFFSET(runner_change, n_fields, 32),
	OFFSET(runner_change, field_size, 36),
	SIZE(runner_change, 40),
	OFFSET(runner_field, name, 0),
	OFFSET(runner_field, before, 8),
	OFFSET(runner_field, after, 16),
	OFFSET(runner_field, flags, 24),
	OFFSET(runner_field, reserved, 28),
	SIZE(runner_field, 32),
	OFFSET(runner_list, v, 0),
	OFFSET(runner_list, n, 8),
	SIZE(runner_list, 16),
	OFFSET(runner_map, v, 0),
	OFFSET(runner_map, n, 8),
	SIZE(runner_map, 16),
	OFFSET(runner_pair, key, 0),
	OFFSET(runner_pair, value, 8),
	SIZE(runner_pair, 16),
	OFFSET(runner_duration, ms, 0),
	SIZE(runner_duration, 8),
	OFFSET(runner_size, bytes, 0),
	SIZE(runner_size, 8),
	OFFSET(runner_json, text, 0),
	SIZE(runner_json, 8),
};

static void no_member_has_moved(void **state)
{
	(void)state;
	if (sizeof(void *) != 8)
		skip();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].is != rows[i].was)
			fail_msg("%s is %zu, was %zu", rows[i].what, rows[i].is, rows[i].was);
}

static void no_value_has_changed_its_meaning(void **state)
{
	(void)state;
	assert_int_equal(RUNNER_ABI_MAJOR, 1);
	assert_true(RUNNER_PLUGIN_MAGIC == 0x31504e52u);
	const int types[] = { RUNNER_STRING, RUNNER_INTEGER, RUNNER_NUMBER, RUNNER_BOOLEAN, RUNNER_DURATION,
			      RUNNER_SIZE,   RUNNER_PATH,    RUNNER_LIST,   RUNNER_MAP,	    RUNNER_JSON };
	for (int i = 0; i < 10; i++)
		assert_int_equal(types[i], i + 1);
	const int classes[] = { RUNNER_FAIL_STAGE,  RUNNER_FAIL_CONFIG,	 RUNNER_FAIL_AUTH,	  RUNNER_FAIL_NETWORK,
				RUNNER_FAIL_REMOTE, RUNNER_FAIL_MACHINE, RUNNER_FAIL_UNSUPPORTED, RUNNER_FAIL_CANCELLED };
	for (int i = 0; i < 8; i++)
		assert_int_equal(classes[i], i + 1);
	const int facts[] = { RUNNER_INFO_PIPELINE, RUNNER_INFO_FILE,  RUNNER_INFO_DIR,	  RUNNER_INFO_STAGE,   RUNNER_INFO_RUN_ID,
			      RUNNER_INFO_SCRATCH,  RUNNER_INFO_CACHE, RUNNER_INFO_STATE, RUNNER_INFO_LIBEXEC, RUNNER_INFO_VERSION };
	for (int i = 0; i < 10; i++)
		assert_int_equal(facts[i], i + 1);
	const int actions[] = { RUNNER_UNCHANGED, RUNNER_CREATED, RUNNER_UPDATED, RUNNER_DELETED };
	const int levels[] = { RUNNER_DEBUG, RUNNER_INFO, RUNNER_WARN, RUNNER_ERROR };
	for (int i = 0; i < 4; i++) {
		assert_int_equal(actions[i], i);
		assert_int_equal(levels[i], i);
	}
	assert_int_equal(RUNNER_REQUIRED, 1);
	assert_int_equal(RUNNER_SECRET, 2);
	assert_int_equal(RUNNER_DEPRECATED, 4);
	assert_int_equal(RUNNER_COMMAND_CAPTURE, 1);
	assert_int_equal(RUNNER_FIELD_JSON, 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_member_has_moved),
		cmocka_unit_test(no_value_has_changed_its_meaning),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
