/* SPDX-License-Identifier: Apache-2.0 */
/* Three lines (a word, a pattern, a path) through variables, wildcards, .dockerignore and modes. */
#include "plugins/oci-build/dockerfile_expand.h"
#include "plugins/oci-build/dockerignore.h"
#include "plugins/oci-build/file_mode.h"
#include "plugins/oci-build/passwd.h"
#include "plugins/oci-build/path_match.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *value(void *ctx, const char *name)
{
	return *name == 'a' ? ctx : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rn_error err = { 0 };
	if (size > 4096)
		return 0;
	RN_AUTO(rn_freep) char *text = rn_strndup((const char *)data, size);
	RN_AUTO(rn_strv_clear) struct rn_strv lines = { 0 };
	rn_strv_split(&lines, text, '\n');
	const char *word = lines.v[0], *pattern = lines.v[lines.n > 1], *path = lines.v[lines.n > 2 ? 2 : 0];
	RN_AUTO(rn_strv_clear) struct rn_strv words = { 0 };
	struct df_expander x = { .escape = '\\', .get = value, .ctx = (void *)path };
	df_expand_split(&x, word, &words, &err);
	rn_strv_clear(&x.unset);
	path_match(pattern, path);
	path_match_deep(pattern, path);
	RN_AUTO(ignore_clear) struct ignore_list list = { 0 };
	if (ignore_parse(&list, "ignore", text, strlen(text), &err) == 0 && *path) {
		ignore_matches(&list, path);
		ignore_may_keep_below(&list, path);
	}
	if (file_mode_check(word, &err) == 0)
		file_mode_apply(word, 0644, true);
	const struct passwd names = { .users = text, .groups = text };
	RN_AUTO(passwd_user_clear) struct passwd_user user = { 0 };
	passwd_find(&names, word, PASSWD_USER, &user, &err);
	return 0;
}
