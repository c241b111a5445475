/* SPDX-License-Identifier: Apache-2.0 */
/* What is registered for a program, out of folders that look as binfmt_misc does. */
#include "sandbox/binfmt.h"

#include "base/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const unsigned char HEAD[32] = { 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0xb7 };

static char *dir;

static void write_entry(const char *name, const char *text)
{
	RN_AUTO(rn_freep) char *path = rn_path_join(dir, name);
	assert_int_equal(rn_write_file(path, text, strlen(text), 0644, NULL), 0);
}

static int make_dir(void **state)
{
	(void)state;
	dir = rn_temp_dir("/tmp", "binfmt-test-", NULL);
	write_entry("status", "enabled\n");
	return dir ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	rn_remove_tree(dir, NULL);
	free(dir);
	return 0;
}

#define FOR_ARM64 "offset 0\nmagic 7f454c460201010000000000000000000200b7\nmask ffffffffffffff00fffffffffffffffffeffff\n"

static void nothing_mounted_is_not_nothing_registered(void **state)
{
	(void)state;
	struct binfmt_entry e;
	RN_AUTO(rn_freep) char *status = rn_path_join(dir, "status");
	assert_int_equal(binfmt_find(dir, HEAD, sizeof(HEAD), &e), BINFMT_NONE);
	rn_remove_tree(status, NULL);
	assert_int_equal(binfmt_find(dir, HEAD, sizeof(HEAD), &e), BINFMT_UNSEEN);
	assert_int_equal(binfmt_find("/no/such/folder", HEAD, sizeof(HEAD), &e), BINFMT_UNSEEN);
}

static void an_entry_counts_by_its_magic_under_its_mask(void **state)
{
	(void)state;
	struct binfmt_entry e;
	write_entry("jar", "enabled\ninterpreter /usr/bin/jexec\nflags: \nextension .jar\n");
	write_entry("other", "enabled\ninterpreter /usr/bin/qemu-arm\nflags: F\noffset 0\nmagic 7f454c4601\n");
	write_entry("short", "enabled\ninterpreter /x\nflags: F\noffset 30\nmagic 000000\n");
	write_entry("bad", "enabled\ninterpreter /x\nflags: F\noffset 0\nmagic 7f4\n");
	assert_int_equal(binfmt_find(dir, HEAD, sizeof(HEAD), &e), BINFMT_NONE);
	write_entry("arm64", "enabled\ninterpreter /usr/bin/qemu of ours\nflags: POCF\n" FOR_ARM64);
	assert_int_equal(binfmt_find(dir, HEAD, sizeof(HEAD), &e), BINFMT_ON);
	assert_string_equal(e.name, "arm64");
	assert_string_equal(e.interpreter, "/usr/bin/qemu of ours");
	assert_true(e.fixed);
	binfmt_entry_clear(&e);
	unsigned char changed[sizeof(HEAD)];
	memcpy(changed, HEAD, sizeof(HEAD));
	changed[7] = 9; /* masked out */
	changed[16] = 3;
	assert_int_equal(binfmt_find(dir, changed, sizeof(changed), &e), BINFMT_ON);
	binfmt_entry_clear(&e);
	changed[18] = 0x3e;
	assert_int_equal(binfmt_find(dir, changed, sizeof(changed), &e), BINFMT_NONE);
}

static void what_is_off_is_told_apart(void **state)
{
	(void)state;
	struct binfmt_entry e;
	write_entry("a", "disabled\ninterpreter /a\nflags: F\n" FOR_ARM64);
	assert_int_equal(binfmt_find(dir, HEAD, sizeof(HEAD), &e), BINFMT_OFF);
	binfmt_entry_clear(&e);
	write_entry("b", "enabled\ninterpreter /b\nflags: PO\n" FOR_ARM64);
	write_entry("c", "disabled\ninterpreter /c\nflags: F\n" FOR_ARM64);
	assert_int_equal(binfmt_find(dir, HEAD, sizeof(HEAD), &e), BINFMT_ON);
	assert_string_equal(e.interpreter, "/b");
	assert_false(e.fixed);
	binfmt_entry_clear(&e);
	write_entry("status", "disabled\n");
	assert_int_equal(binfmt_find(dir, HEAD, sizeof(HEAD), &e), BINFMT_ALL_OFF);
	binfmt_entry_clear(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_mounted_is_not_nothing_registered, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(an_entry_counts_by_its_magic_under_its_mask, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(what_is_off_is_told_apart, make_dir, remove_dir),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
