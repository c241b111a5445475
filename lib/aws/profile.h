/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two profile files (~/.aws/config and ~/.aws/credentials): sections with
 * keys, nested keys as "parent.child". Knows the format, not what keys mean.
 */
#ifndef AWS_PROFILE_H
#define AWS_PROFILE_H

#include "base/error.h"
#include "base/map.h"

#include <stdbool.h>

enum aws_file {
	AWS_FILE_CONFIG = 1,
	AWS_FILE_CREDENTIALS = 2,
	AWS_FILE_ANY = 3, /* credentials win over config, as in botocore */
};

struct aws_section {
	enum aws_file file;
	char *kind; /* "profile", "sso-session", "services" */
	char *name;
	struct rn_map keys;
};

struct aws_profiles {
	struct aws_section **v;
	size_t n;
	size_t cap;
};

/** Parses a file into `p`; a missing one adds nothing. Names line and cause when malformed. */
int aws_profiles_load(struct aws_profiles *p, const char *path, enum aws_file file,
		      struct rn_error *err);
/** The same from text; `path` is for messages. */
int aws_profiles_parse(struct aws_profiles *p, const char *text, const char *path,
		       enum aws_file file, struct rn_error *err);
void aws_profiles_clear(struct aws_profiles *p);
bool aws_profile_exists(const struct aws_profiles *p, const char *name);
/** Value of a key of a profile, NULL when missing or empty. Borrowed. */
const char *aws_profile_get(const struct aws_profiles *p, enum aws_file files, const char *name,
			    const char *key);
/** Value of a key in a "sso-session" or "services" section of the config file. Borrowed. */
const char *aws_section_get(const struct aws_profiles *p, const char *kind, const char *name,
			    const char *key);
/** The section itself, for walking its keys; NULL when missing. */
const struct aws_section *aws_section_find(const struct aws_profiles *p, enum aws_file file,
					   const char *kind, const char *name);

#endif
