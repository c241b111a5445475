/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each step was keyed by, this time and the time before, so that `runner cache why` can tell why one
 * ran. A file for each stage of a pipeline file, below the store; lists of files are kept beside it by their digest.
 */
#ifndef STEP_NOTES_H
#define STEP_NOTES_H

#include "step_key.h"

/* One time that a step was reached. */
struct step_note_time {
	bool cached;
	struct key_parts parts;   /* of the key                                                      */
	struct key_parts content; /* COPY --from: of the key by content, when that was made          */
};

struct step_note {
	char *platform;           /* "linux/amd64"                                                   */
	char *stage;              /* name or number of the Dockerfile's stage                        */
	bool target;              /* of the stage that the image is                                  */
	int64_t number, total;    /* of the step in its stage, FROM is 1                             */
	int64_t line;
	char *text;               /* "COPY . /app"                                                   */
	struct step_note_time now;
	bool has_before;
	struct step_note_time before;
};

struct step_notes {
	int64_t at_ms;            /* wall clock                                                      */
	char *file, *id;          /* the pipeline file and its stage                                 */
	struct step_note *v;
	size_t n, cap;
};

void step_notes_clear(struct step_notes *n);
/** Adds what a step was keyed by (copied). Safe from several threads. `content` may be NULL. */
void step_notes_add(const struct step *s, const struct step_key *key, const struct step_key *content, bool cached);
/** Writes the notes of the build; what it did not reach keeps its older note when it `failed`. No error: it is for people only. */
void step_notes_save(struct build *b, bool failed);
/** Reads the notes of stage `id` of `file` (absolute) from the store `dir`. RN_ENOTFOUND. */
int step_notes_load(const char *dir, const char *file, const char *id, struct step_notes *ret, struct rn_error *err);

/** Name of the first part that is not what it was; NULL: none is known to differ. Borrowed. */
const char *step_note_reason(const struct step_note *n);
/** The part that `reason` names, as it is and as it was (either may be NULL). */
void step_note_part(const struct step_note *n, const char *reason, const struct key_part **ret_now, const struct key_part **ret_before);

/** Keeps the list of files behind a "files" part, so that `why` can name the one that differs. */
void step_notes_keep_files(const char *dir, const struct digest *d, const struct rn_buf *files);
/** The list of files behind a "files" part; NULL when it was not kept. New string. */
char *step_notes_files(const char *dir, const char *digest);

#endif
