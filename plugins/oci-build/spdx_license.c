/* SPDX-License-Identifier: Apache-2.0 */
#include "spdx_license.h"

#include "base/str.h"

#include <string.h>

/* The ids that packages mostly have. A licence with another one is quoted, which is valid too. */
static const char *const ids[] = {
	"0BSD", "AFL-2.0", "AFL-2.1", "AFL-3.0", "AGPL-3.0", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-1.1", "Apache-2.0",
	"Artistic-1.0", "Artistic-1.0-Perl", "Artistic-2.0", "BSD-1-Clause", "BSD-2-Clause", "BSD-2-Clause-Patent", "BSD-3-Clause",
	"BSD-4-Clause", "BSD-4-Clause-UC", "BSL-1.0", "BlueOak-1.0.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0",
	"CC0-1.0", "CDDL-1.0", "CDDL-1.1", "CPL-1.0", "EPL-1.0", "EPL-2.0", "EUPL-1.2", "FSFAP", "FSFUL", "FSFULLR", "FTL", "GFDL-1.3",
	"GFDL-1.3-or-later", "GPL-1.0-or-later", "GPL-2.0", "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0", "GPL-3.0-only",
	"GPL-3.0-or-later", "HPND", "ICU", "IJG", "ISC", "JSON", "LGPL-2.0-only", "LGPL-2.0-or-later", "LGPL-2.1", "LGPL-2.1-only",
	"LGPL-2.1-or-later", "LGPL-3.0", "LGPL-3.0-only", "LGPL-3.0-or-later", "Libpng", "MIT", "MIT-0", "MPL-1.1", "MPL-2.0", "NCSA",
	"OFL-1.1", "OLDAP-2.8", "OpenSSL", "PHP-3.01", "PSF-2.0", "PostgreSQL", "Python-2.0", "Python-2.0.1", "Ruby", "Sleepycat",
	"TCL", "UPL-1.0", "Unicode-3.0", "Unicode-DFS-2016", "Unlicense", "Vim", "W3C", "WTFPL", "X11", "ZPL-2.1", "Zlib", "blessing",
	"bzip2-1.0.6", "curl", "zlib-acknowledgement",
};
static const char *const exceptions[] = {
	"Autoconf-exception-2.0", "Autoconf-exception-3.0", "Bison-exception-2.2", "Classpath-exception-2.0", "GCC-exception-2.0",
	"GCC-exception-3.1", "LLVM-exception", "Libtool-exception", "Linux-syscall-note", "OpenSSL-exception",
};

#define DEPTH_MAX 16

static bool is_in(const char *const *list, size_t n, const char *word, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(list[i]) == len && memcmp(list[i], word, len) == 0)
			return true;
	return false;
}

/* The next word or parenthesis; 0: the end. */
static size_t word(const char **at)
{
	*at += strspn(*at, " ");
	return **at == '(' || **at == ')' ? 1 : strcspn(*at, " ()");
}

static bool take(const char **at, const char *what)
{
	size_t n = word(at);
	if (n != strlen(what) || memcmp(*at, what, n) != 0)
		return false;
	*at += n;
	return true;
}

static bool take_one_of(const char **at, const char *const *list, size_t n)
{
	size_t len = word(at);
	if (!len || !is_in(list, n, *at, len))
		return false;
	*at += len;
	return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by DEPTH_MAX */
static bool take_expression(const char **at, unsigned depth)
{
	do {
		if (take(at, "(")) {
			if (depth >= DEPTH_MAX || !take_expression(at, depth + 1) || !take(at, ")"))
				return false;
		} else if (!take_one_of(at, ids, RN_LEN(ids)) ||
			   (take(at, "WITH") && !take_one_of(at, exceptions, RN_LEN(exceptions)))) {
			return false;
		}
	} while (take(at, "AND") || take(at, "OR"));
	return true;
}

bool spdx_license_is_expression(const char *text)
{
	return take_expression(&text, 0) && word(&text) == 0;
}
