/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs_internal.h"

#include <stdlib.h>

void rootfs_foreign_clear(struct rootfs *r)
{
	RN_MAP_EACH(&r->machines, it)
		sandbox_foreign_clear(it->value);
	r->machines.free_value = free;
	rn_map_clear(&r->machines);
}

const struct sandbox_foreign *rootfs_foreign(struct rootfs *r, const char *architecture, struct rn_error *err)
{
	pthread_mutex_lock(&r->machines_lock);
	struct sandbox_foreign *f = rn_map_get(&r->machines, architecture);
	if (!f) {
		f = rn_alloc(sizeof(*f));
		if (sandbox_foreign(&r->host, r->layers, architecture, f, err) < 0)
			rn_freep(&f);
		else
			rn_map_set(&r->machines, architecture, f);
	}
	pthread_mutex_unlock(&r->machines_lock);
	return f;
}
