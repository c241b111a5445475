/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libarchive converts names by the thread's locale, so the same tree would give other bytes under another
 * LANG. Every call into it happens between enter and leave, under a UTF-8 locale.
 */
#ifndef OCI_LAYER_LOCALE_H
#define OCI_LAYER_LOCALE_H

#include <locale.h>

/** Switches this thread to UTF-8; returns what it had. */
locale_t layer_locale_enter(void);
void layer_locale_leave(locale_t old);

#endif
