/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of COPY and ADD: one instruction's flags, destination, and what it collects. */
#ifndef COPY_JOB_H
#define COPY_JOB_H

#include "layer_draft.h"
#include "step.h"

struct copy_job {
	struct step *s;
	struct layer_draft *draft;
	struct file_source *source;   /* of the paths; NULL when there are none            */
	char *dest;                   /* absolute, cleaned                                 */
	bool dest_is_folder;          /* written with a slash at its end, or as "."        */
	char *chmod;                  /* NULL: modes are kept                              */
	bool has_owner;               /* --chown                                           */
	struct draft_owner owner;
	struct ignore_list exclude;
	bool survey;                  /* only to learn what is read: see copy_survey        */
	bool parents;                 /* --parents                                         */
	struct df_at at;              /* of the source that is being worked on             */
	int *fds;                     /* scratch files that entries read from              */
	size_t n_fds;
	size_t cap_fds;
	char **texts;                 /* heredoc bodies that entries read from             */
	size_t n_texts;
	size_t cap_texts;
	struct file_source **extra;   /* sources beside `source`, freed with the job       */
	size_t n_extra;
	size_t cap_extra;
	struct ignore_list git_ignore; /* what is left out of checkouts                    */
	struct rn_strv temporary;     /* folders that are removed with the job             */
};

/** Owner and mode that an entry gets from --chown and --chmod. */
struct draft_owner copy_owner(const struct copy_job *j, uint32_t uid, uint32_t gid);
mode_t copy_mode(const struct copy_job *j, mode_t mode, enum layer_type type);
/** New empty scratch file, closed with the job. -1. */
int copy_scratch(struct copy_job *j);
/**
 * Where a file called `name` lands: in the destination when that is a folder, else at it. Makes the folders
 * on the way. New string, resolved, or NULL.
 */
char *copy_target(struct copy_job *j, const char *name);

/** copy_paths.c: what the path (with wildcards) of a source names. */
int copy_path(struct copy_job *j, const char *path);
/** The same without wildcards and --parents; "" is the whole source. */
int copy_literal(struct copy_job *j, const char *path);
/** add_archive.c: unpacks the archive behind `fd` into the destination. */
int add_archive(struct copy_job *j, int fd);
/** A file behind a URL: its content in `fd` (-1: only known by its digest). Freed by remote_file_free. */
struct remote_file {
	int fd;
	uint64_t size;
	struct digest digest;
	int64_t mtime;
	char commit[72];              /* of a git repository, which has nothing else of this */
};
void remote_file_free(void *remote_file);
/** add_remote.c: downloads `url`; `checksum` may be NULL; `unpack`: as an archive. */
int add_remote(struct copy_job *j, const char *url, const char *checksum, bool unpack);
/** True for http:// and https:// (git repositories are no URLs here). */
bool add_is_url(const char *text);
/** add_git.c: checks a git repository out into the destination; `checksum` may be NULL. */
int add_git(struct copy_job *j, const char *text, const char *checksum, bool keep_git_dir);

#endif
