/* SPDX-License-Identifier: Apache-2.0 */
/* Session: what the environment and the profile files say, the HTTP clients, clock and retry quota.
 */
#include "session.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "endpoint.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUOTA_FULL 500
#define METADATA_TIMEOUT_MS 1000
#define LEGACY_ATTEMPTS 5

const char *aws_session_env(const struct aws_session *s, const char *name)
{
	const char *v = s->o.env ? s->o.env(s->o.ctx, name) : getenv(name);
	return v && *v ? v : NULL;
}

const char *aws_session_profile_value(const struct aws_session *s, const char *key)
{
	return aws_profile_get(&s->profiles, AWS_FILE_ANY, s->profile, key);
}

void aws_session_log(const struct aws_session *s, const char *fmt, ...)
{
	if (!s->o.log)
		return;
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	va_list ap;
	va_start(ap, fmt);
	rn_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	s->o.log(s->o.ctx, rn_buf_str(&b));
}

void aws_session_mask(const struct aws_session *s, const char *secret)
{
	if (s->o.secret && secret && *secret)
		s->o.secret(s->o.ctx, secret);
}

char *aws_session_expand(const struct aws_session *s, const char *path)
{
	if (!rn_starts(path, "~/"))
		return rn_strdup(path);
	const char *home = aws_session_env(s, "HOME");
	struct passwd pw, *found = NULL;
	char room[4096];
	if (!home && getpwuid_r(getuid(), &pw, room, sizeof(room), &found) == 0 && found)
		home = pw.pw_dir;
	return rn_path_join(home ? home : "/", path + 2);
}

static int load_profiles(struct aws_session *s, struct rn_error *err)
{
	static const struct {
		const char *variable, *path;
		enum aws_file file;
	} files[] = {
		{ "AWS_CONFIG_FILE", "~/.aws/config", AWS_FILE_CONFIG },
		{ "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", AWS_FILE_CREDENTIALS },
	};
	for (size_t i = 0; i < RN_LEN(files); i++) {
		const char *named = aws_session_env(s, files[i].variable);
		RN_AUTO(rn_freep) char *path = aws_session_expand(s, named ? named : files[i].path);
		if (aws_profiles_load(&s->profiles, path, files[i].file, err) < 0)
			return rn_wrap(err, "AWS profile file");
	}
	const char *profile = s->o.profile ? s->o.profile : aws_session_env(s, "AWS_PROFILE");
	if (!profile)
		profile = aws_session_env(s, "AWS_DEFAULT_PROFILE");
	s->profile_named = profile != NULL;
	s->profile = rn_strdup(profile ? profile : "default");
	if (!profile || aws_profile_exists(&s->profiles, profile))
		return 0;
	rn_fail(err, RN_EAUTH,
		"AWS profile \"%s\" is neither in ~/.aws/config nor in ~/.aws/credentials",
		profile);
	return rn_hint(err, "define the profile, or name another one by AWS_PROFILE");
}

static int find_region(struct aws_session *s, struct rn_error *err)
{
	const char *region = s->o.region;
	if (!region)
		region = aws_session_env(s, "AWS_REGION");
	if (!region)
		region = aws_session_env(s, "AWS_DEFAULT_REGION");
	if (!region)
		region = aws_session_profile_value(s, "region");
	if (region && strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(region))
		return rn_fail(err, RN_EINVAL, "\"%s\" is not a region like eu-central-1", region);
	s->region = rn_strdup(region);
	return 0;
}

static int start_http(struct aws_session *s, struct rn_error *err)
{
	const char *bundle = aws_session_env(s, "AWS_CA_BUNDLE");
	if (!bundle)
		bundle = aws_session_profile_value(s, "ca_bundle");
	RN_AUTO(rn_freep) char *path = bundle ? aws_session_expand(s, bundle) : NULL;
	if (path && access(path, R_OK) < 0)
		return rn_fail(err, RN_EINVAL, "CA bundle %s (AWS_CA_BUNDLE) cannot be read: %m",
			       path);
	struct http_options o = HTTP_OPTIONS_INIT;
	o.cancel_fd = s->o.cancel_fd;
	o.ca_file = path;
	s->http = http_client_new(&o);
	o.proxy = "";
	o.http1 = true;
	o.connect_timeout_ms = METADATA_TIMEOUT_MS;
	o.idle_timeout_ms = METADATA_TIMEOUT_MS * 2;
	s->local_http = http_client_new(&o);
	return 0;
}

static void copy_options(struct aws_session_options *to, const struct aws_session_options *from)
{
	*to = *from;
	to->region = rn_strdup(from->region && *from->region ? from->region : NULL);
	to->profile = rn_strdup(from->profile && *from->profile ? from->profile : NULL);
	to->endpoint_url =
		rn_strdup(from->endpoint_url && *from->endpoint_url ? from->endpoint_url : NULL);
}

/* A setting of the environment, else of the profile; NULL when neither has it. */
static const char *either(const struct aws_session *s, const char *variable, const char *key)
{
	const char *v = aws_session_env(s, variable);
	return v ? v : aws_session_profile_value(s, key);
}

static int find_retries(struct aws_session *s, struct rn_error *err)
{
	const char *mode = either(s, "AWS_RETRY_MODE", "retry_mode");
	const char *text = either(s, "AWS_MAX_ATTEMPTS", "max_attempts");
	int64_t n = 0;
	if (mode && !rn_streq(mode, "legacy") && !rn_streq(mode, "standard") &&
	    !rn_streq(mode, "adaptive"))
		return rn_fail(err, RN_EINVAL,
			       "AWS_RETRY_MODE is \"%s\", but not one of legacy, standard, "
			       "adaptive",
			       mode);
	s->adaptive = rn_streq(mode, "adaptive");
	if (s->o.max_attempts)
		return 0;
	if (text && rn_parse_int(text, 1, 100, &n, err) < 0)
		return rn_wrap(err, "AWS_MAX_ATTEMPTS");
	if (!text && rn_streq(mode, "legacy"))
		n = LEGACY_ATTEMPTS; /* which is all that tells it from standard here */
	s->o.max_attempts = (unsigned)n; /* 0: the service's default */
	return 0;
}

struct aws_session *aws_session_new(const struct aws_session_options *o, struct rn_error *err)
{
	static const struct aws_session_options none = AWS_SESSION_INIT;
	struct aws_session *s = rn_alloc(sizeof(*s));
	copy_options(&s->o, o ? o : &none);
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->credentials_lock, NULL);
	s->quota = QUOTA_FULL;
	if (load_profiles(s, err) < 0 || find_region(s, err) < 0 || find_retries(s, err) < 0 ||
	    start_http(s, err) < 0)
		aws_session_freep(&s);
	return s;
}

void aws_session_free(struct aws_session *s)
{
	if (!s)
		return;
	http_client_free(s->http);
	http_client_free(s->local_http);
	aws_profiles_clear(&s->profiles);
	aws_credentials_clear(&s->credentials);
	char *owned[] = { (char *)s->o.region,
			  (char *)s->o.profile,
			  (char *)s->o.endpoint_url,
			  s->profile,
			  s->region,
			  s->account,
			  s->arn,
			  s->user_id,
			  s->asked_with };
	for (size_t i = 0; i < RN_LEN(owned); i++)
		free(owned[i]);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->credentials_lock);
	free(s);
}

void aws_session_freep(struct aws_session **s)
{
	aws_session_free(*s);
	*s = NULL;
}

const char *aws_session_region(const struct aws_session *s)
{
	return s->region;
}

const char *aws_session_partition(const struct aws_session *s)
{
	return aws_partition_of(s->region)->name;
}

struct http_client *aws_session_http(struct aws_session *s)
{
	return s->http;
}

int aws_session_cancel_fd(const struct aws_session *s)
{
	return s->o.cancel_fd;
}

int64_t aws_session_now_ms(struct aws_session *s)
{
	pthread_mutex_lock(&s->lock);
	int64_t offset = s->clock_offset_ms;
	pthread_mutex_unlock(&s->lock);
	return rn_wall_ms() + offset;
}

bool aws_session_quota_take(struct aws_session *s, int cost)
{
	pthread_mutex_lock(&s->lock);
	bool enough = s->quota >= cost;
	if (enough)
		s->quota -= cost;
	pthread_mutex_unlock(&s->lock);
	return enough;
}

void aws_session_quota_give(struct aws_session *s, int amount)
{
	pthread_mutex_lock(&s->lock);
	s->quota = s->quota + amount > QUOTA_FULL ? QUOTA_FULL : s->quota + amount;
	pthread_mutex_unlock(&s->lock);
}

void aws_session_set_clock(struct aws_session *s, int64_t service_ms)
{
	pthread_mutex_lock(&s->lock);
	s->clock_offset_ms = service_ms - rn_wall_ms();
	pthread_mutex_unlock(&s->lock);
}
