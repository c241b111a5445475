/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl itself is loaded when it is needed first. */
#ifndef HTTP_LIBCURL_H
#define HTTP_LIBCURL_H

#include "base/error.h"

/** Before the first call of any curl_ function: loads and starts libcurl, once in a process. 0, or -1 with RN_EUNSUPPORTED. Any thread. */
int http_library_load(struct rn_error *err);

#endif
