/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry's protocol, /v2/ (OCI distribution 1.1, Docker v2): pull, push, mount,
 * ranges, tags, referrers, delete. Basic authentication with ECR's token, as ECR does.
 */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "route.h"

/** Before the body: makes the bytes of a blob go to its upload's file. */
void registry_begin(struct request *req);
void registry_handle(struct request *req, struct response *res);
/** The names of its operations, "registry.put-manifest". */
void registry_names(struct rn_strv *ret);

/* ---- between registry.c and registry_uploads.c ---- */

enum registry_kind {
	REGISTRY_BASE,      /* /v2/                          */
	REGISTRY_CATALOG,   /* /v2/_catalog                  */
	REGISTRY_TAGS,      /* /v2/NAME/tags/list            */
	REGISTRY_MANIFEST,  /* /v2/NAME/manifests/REFERENCE  */
	REGISTRY_BLOB,      /* /v2/NAME/blobs/DIGEST         */
	REGISTRY_UPLOADS,   /* /v2/NAME/blobs/uploads/       */
	REGISTRY_UPLOAD,    /* /v2/NAME/blobs/uploads/ID     */
	REGISTRY_REFERRERS, /* /v2/NAME/referrers/DIGEST     */
	REGISTRY_NOTHING,
};

/* An address taken apart, with what its body does. Hangs on request.sink_data. */
struct registry_call {
	enum registry_kind kind;
	char *name;      /* repository */
	char *reference; /* tag, digest or upload id */
	/* uploads: the outcome of the part before the body */
	struct upload *upload;
	int refusal;        /* HTTP status of a refusal; 0: none */
	const char *code;   /* its code                          */
	char *message;
	char upload_id[37];
	const char *operation; /* NULL: no operation of the registry */
	bool cut;              /* by a fault rule                    */
	char fault_code[64];   /* holds `code` then                  */
};

/** Checks the Basic credentials and sets the request's region; else status, code and message of the refusal. -1 when refused. */
int registry_authenticate(struct request *req, struct registry_call *call);
/** Notes a refusal; always -1. */
int registry_refuse(struct registry_call *call, int status, const char *code, const char *fmt, ...) RN_PRINTF(4, 5);
bool registry_has_repository(struct request *req, struct registry_call *call);

void registry_upload_begin(struct request *req, struct registry_call *call);
void registry_upload_handle(struct request *req, struct registry_call *call, struct response *res);

#endif
