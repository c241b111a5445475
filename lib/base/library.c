/* SPDX-License-Identifier: Apache-2.0 */
#include "library.h"

#include <dlfcn.h>
#include <string.h>

static int load(const struct rn_library *l, struct rn_error *err)
{
	void *library = dlopen(l->soname, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
	if (!library) {
		rn_fail(err, RN_EUNSUPPORTED, "%s cannot be loaded: %s", l->soname, dlerror());
		return rn_hint(err, "install the package of your distribution that has this file");
	}
	for (size_t i = 0; i < l->n; i++) {
		void *f = dlsym(library, l->names[i]);
		if (!f) {
			rn_fail(err, RN_EUNSUPPORTED, "%s has no function %s", l->soname, l->names[i]);
			return rn_hint(err, "it is another version than the one that this program was built against");
		}
		memcpy((char *)l->table + i * sizeof(f), &f, sizeof(f));
	}
	return 0;
}

int rn_library_need(struct rn_library *l, struct rn_error *err)
{
	pthread_mutex_lock(&l->lock);
	if (!l->tried && load(l, &l->failed) == 0 && l->begin)
		l->begin();
	l->tried = true;
	pthread_mutex_unlock(&l->lock);
	if (!l->failed.code)
		return 0;
	if (err)
		*err = l->failed;
	return -1;
}
