/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

int step_run(struct step *s)
{
	step_fail(s, s->i->at, RN_EUNSUPPORTED, "RUN is not supported: this builder executes nothing inside an image");
	return rn_hint(s->err, "do the work before the build (an exec stage) and COPY the result, or start FROM an image that has it");
}
