/* SPDX-License-Identifier: Apache-2.0 */
/* What doctor says of the machine besides what it tried: settings of the kernel and of the container around us. */
#ifndef SANDBOX_DOCTOR_FACTS_H
#define SANDBOX_DOCTOR_FACTS_H

#include "base/json.h"

/** [{"name", "value", "cure"}], `cure` only where the value stands in the way. The caller deletes. */
cJSON *doctor_facts(void);

#endif
