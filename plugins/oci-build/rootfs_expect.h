/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROOTFS_EXPECT_H
#define ROOTFS_EXPECT_H

#include <stdbool.h>

/** Will there be one id only where RUN runs? A guess that costs nothing, for keys: such results are kept apart. */
bool rootfs_expect_single_id(void);

#endif
