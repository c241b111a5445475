/* SPDX-License-Identifier: Apache-2.0 */
/* `good`, compiled against the header of 1.0 as it was: its include guard keeps the current one out. */
#include "../abi/plugin-1.0.h"

#include "good.c"
