/* SPDX-License-Identifier: Apache-2.0 */
/* Removing what the stage made, and nothing else. */
#include "function.h"

int function_delete(struct function *f, struct rn_error *err)
{
	struct aws_error aerr = { 0 };
	if (function_write(f, "DeleteFunction", "DELETE", f->path, NULL, NULL, &aerr, err) < 0 &&
	    !aws_error_is(&aerr, "ResourceNotFoundException"))
		return -1;
	stage_change(f->s, RUNNER_DELETED, "with its versions and aliases", "function %s", f->p->function_name);
	return 0;
}

int function_destroy(struct function *f, struct rn_error *err)
{
	if (function_read(f, err) < 0)
		return -1;
	if (!f->found)
		stage_info(f->s, "function %s does not exist", f->p->function_name);
	else if (!stage_owns(f->s, rn_json_get(f->found, "Tags")))
		stage_info(f->s, "function %s was not made by this stage: it stays%s", f->p->function_name,
			   f->p->url.text && !rn_streq(f->p->url.text, "false") ? ", and so does its URL (url: false removes it)" : "");
	else if (function_delete(f, err) < 0)
		return -1;
	return function_remove_logs(f, err);
}
