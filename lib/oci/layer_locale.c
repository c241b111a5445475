/* SPDX-License-Identifier: Apache-2.0 */
#include "layer_locale.h"

#include <pthread.h>

static locale_t utf8;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make(void)
{
	static const char *const names[] = { "C.UTF-8", "C.utf8", "en_US.UTF-8", "POSIX" };
	for (unsigned i = 0; !utf8 && i < sizeof(names) / sizeof(names[0]); i++)
		utf8 = newlocale(LC_CTYPE_MASK, names[i], (locale_t)0);
}

locale_t layer_locale_enter(void)
{
	pthread_once(&once, make);
	return uselocale(utf8);
}

void layer_locale_leave(locale_t old)
{
	uselocale(old);
}
