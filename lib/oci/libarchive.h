/* SPDX-License-Identifier: Apache-2.0 */
/* libarchive itself is loaded when it is needed first. */
#ifndef OCI_LIBARCHIVE_H
#define OCI_LIBARCHIVE_H

#include "base/error.h"

/** Before the first archive_*_new, which gives NULL when libarchive is missing: says so. 0, or -1 with RN_EUNSUPPORTED. Any thread. */
int oci_archive_load(struct rn_error *err);

#endif
