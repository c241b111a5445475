/* SPDX-License-Identifier: Apache-2.0 */
/* Licence expressions of SPDX (annex D of the specification), as far as the document needs to tell them from other texts. */
#ifndef SPDX_LICENSE_H
#define SPDX_LICENSE_H

#include <stdbool.h>

/** Is the text an expression of well-known ids ("MIT", "GPL-2.0-or-later WITH Classpath-exception-2.0 AND (BSD-3-Clause OR ISC)")? Pure. */
bool spdx_license_is_expression(const char *text);

#endif
