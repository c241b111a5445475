/* SPDX-License-Identifier: Apache-2.0 */
#include "library.h"

#include <dlfcn.h>
#include <string.h>

int rn_library_load(const char *soname, const char *const *names, size_t n, void *table, struct rn_error *err)
{
	void *library = dlopen(soname, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
	if (!library) {
		rn_fail(err, RN_EUNSUPPORTED, "%s cannot be loaded: %s", soname, dlerror());
		return rn_hint(err, "install the package of your distribution that has this file");
	}
	for (size_t i = 0; i < n; i++) {
		void *f = dlsym(library, names[i]);
		if (!f) {
			rn_fail(err, RN_EUNSUPPORTED, "%s has no function %s", soname, names[i]);
			return rn_hint(err, "it is another version than the one that this program was built against");
		}
		memcpy((char *)table + i * sizeof(f), &f, sizeof(f));
	}
	return 0;
}
