/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a session, shared by the files of lib/aws and by nobody else. */
#ifndef AWS_SESSION_H
#define AWS_SESSION_H

#include "client.h"
#include "profile.h"

#include <pthread.h>

struct aws_session {
	struct aws_session_options o; /* strings owned */
	char *profile;                /* name in use; "default" when none is named */
	bool profile_named;           /* by the option or AWS_PROFILE */
	struct aws_profiles profiles;
	char *region;                 /* NULL: none configured */
	bool adaptive;                /* AWS_RETRY_MODE */
	struct http_client *http;
	struct http_client *local_http; /* metadata services: no proxy, short patience */

	pthread_mutex_t lock;         /* of what follows */
	int64_t clock_offset_ms;      /* service's clock minus ours */
	int quota;                    /* retry tokens */
	char *account;                /* identity, once asked */
	char *arn;
	char *user_id;
	char *asked_with;             /* source of the credentials that the identity belongs to */

	pthread_mutex_t credentials_lock; /* of what follows; never taken inside `lock` */
	struct aws_credentials credentials;
	int64_t obtained_ms;
	bool have_credentials;
};

/** Environment variable; NULL when unset or empty. Borrowed. */
const char *aws_session_env(const struct aws_session *s, const char *name);
/** Value of the session's own profile. Borrowed. */
const char *aws_session_profile_value(const struct aws_session *s, const char *key);
void aws_session_log(const struct aws_session *s, const char *fmt, ...) RN_PRINTF(2, 3);
void aws_session_mask(const struct aws_session *s, const char *secret);
/** "~/x" to the home folder; new string. */
char *aws_session_expand(const struct aws_session *s, const char *path);
/** Wall clock as the services see it. */
int64_t aws_session_now_ms(struct aws_session *s);
/** Takes `cost` retry tokens; false when there are not enough. */
bool aws_session_quota_take(struct aws_session *s, int cost);
void aws_session_quota_give(struct aws_session *s, int amount);
/** Sets the clock of calls by a service's Date header. */
void aws_session_set_clock(struct aws_session *s, int64_t service_ms);

/**
 * A client for a region of its own (NULL: the session's) that signs with `fixed` (copied) instead
 * of the session's credentials (NULL: those).
 */
struct aws_client *aws_client_new_with(struct aws_session *s, const char *service,
				       const char *region, const struct aws_credentials *fixed,
				       struct rn_error *err);

#endif
