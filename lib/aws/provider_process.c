/* SPDX-License-Identifier: Apache-2.0 */
/* credential_process of the profile: a command that prints keys as JSON, run without a shell. */
#include "provider.h"

#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/time.h"

#include <string.h>

#define MAX_OUTPUT ((size_t)64 * 1024)
#define PATIENCE_MS 60000

/* Splits as a POSIX shell does, quotes and backslash alone; there is no expansion. */
static int split_command(const char *text, struct rn_strv *ret, struct rn_error *err)
{
	struct rn_buf word = RN_BUF_INIT;
	char quote = 0;
	bool open = false;
	for (const char *p = text; *p; p++) {
		if (quote ? *p == quote : *p == '"' || *p == '\'') {
			quote = quote ? 0 : *p;
			open = true;
		} else if (*p == '\\' && quote != '\'' && p[1]) {
			rn_buf_addc(&word, *++p);
			open = true;
		} else if (!quote && (*p == ' ' || *p == '\t')) {
			if (open)
				rn_strv_take(ret, rn_buf_take(&word));
			open = false;
		} else {
			rn_buf_addc(&word, *p);
			open = true;
		}
	}
	if (open)
		rn_strv_take(ret, rn_buf_take(&word));
	rn_buf_clear(&word);
	if (quote || !ret->n)
		return rn_fail(err, RN_EAUTH, "credential_process is %s",
			       quote ? "missing a closing quote" : "empty");
	return 0;
}

static int parse_output(const struct rn_buf *out, struct aws_credentials *ret, struct rn_error *err)
{
	static const struct aws_key_names names = { "AccessKeyId", "SecretAccessKey",
						    "SessionToken", "Expiration", "AccountId" };
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse(rn_buf_str(out), out->len, err);
	if (!j)
		return rn_wrap(err, "its output");
	if (rn_json_int(j, "Version", 0) != 1)
		return rn_fail(err, RN_EAUTH, "its output has no \"Version\": 1");
	if (aws_keys_from_json(j, &names, ret, err) < 0)
		return -1;
	if (!ret->expires_ms || ret->expires_ms > rn_wall_ms())
		return 0;
	aws_credentials_clear(ret);
	return rn_fail(err, RN_EAUTH, "the keys that it printed have expired");
}

static int load(const struct aws_provider_request *q, struct aws_credentials *ret,
		struct rn_error *err)
{
	const char *command = aws_request_profile(q, "credential_process");
	if (!command)
		return aws_not_configured(err, "profile \"%s\" has no credential_process",
					  q->profile);
	RN_AUTO(rn_strv_clear) struct rn_strv argv = { 0 };
	struct rn_buf out, errors;
	rn_buf_init(&out, MAX_OUTPUT);
	rn_buf_init(&errors, MAX_OUTPUT);
	int rc = split_command(command, &argv, err);
	if (rc == 0 && argv.n) {
		RN_AUTO(rn_freep) char *program = aws_session_expand(q->session, argv.v[0]);
		rn_freep(&argv.v[0]);
		argv.v[0] = rn_take(&program);
		int status = rn_run((const char *const *)argv.v, NULL, NULL, &out, &errors,
				    PATIENCE_MS, err);
		if (status > 0)
			rn_fail(err, RN_EAUTH, "%s exited with %d: %.500s", argv.v[0], status,
				rn_buf_str(&errors));
		rc = status == 0 ? parse_output(&out, ret, err) : -1;
	}
	if (rc == 0)
		ret->source = rn_asprintf("profile \"%s\" (credential_process)", q->profile);
	if (out.p)
		rn_wipe(out.p, out.len);
	rn_buf_clear(&out);
	rn_buf_clear(&errors);
	return rc == 0 ? 1 : -1;
}

const struct aws_provider aws_provider_process = { "credential_process", load };
