/* SPDX-License-Identifier: Apache-2.0 */
/* The document: SPDX 2.3 as JSON (spdx.github.io/spdx-spec/v2.3). */
#include "sbom.h"

#include "spdx_license.h"

#include "base/encode.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

/* SPDX ids have letters, digits, '.' and '-'; a digest keeps those apart that look alike then. */
static char *spdx_id(const struct package *k)
{
	struct digest d = digest_of(k->purl, strlen(k->purl));
	char *id = rn_asprintf("SPDXRef-Package-%s-%s-%.12s", k->kind, k->name, digest_hex(&d));
	for (char *c = id; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '.' || *c == '-'))
			*c = '-';
	return id;
}

static void add_text(cJSON *o, const char *name, const char *value)
{
	cJSON_AddStringToObject(o, name, value && *value && rn_utf8_valid(value, strlen(value)) ? value : "NOASSERTION");
}

/* A licence as its author wrote it: an expression of SPDX as it is, anything else as a text that the document quotes. */
static char *declare_license(const struct package *k, cJSON *quoted, struct rn_map *seen)
{
	if (!k->license || !*k->license || !rn_utf8_valid(k->license, strlen(k->license)))
		return rn_strdup("NOASSERTION");
	if (spdx_license_is_expression(k->license))
		return rn_strdup(k->license);
	struct digest d = digest_of(k->license, strlen(k->license));
	char *id = rn_asprintf("LicenseRef-%.16s", digest_hex(&d));
	if (rn_map_has(seen, id))
		return id;
	rn_map_set(seen, id, rn_strdup(""));
	cJSON *o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "licenseId", id);
	cJSON_AddStringToObject(o, "extractedText", k->license);
	cJSON_AddItemToArray(quoted, o);
	return id;
}

static cJSON *new_package(const char *id, const char *name, const char *version, const char *purl)
{
	cJSON *o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "SPDXID", id);
	cJSON_AddStringToObject(o, "name", name);
	cJSON_AddStringToObject(o, "versionInfo", version);
	cJSON_AddStringToObject(o, "downloadLocation", "NOASSERTION");
	cJSON_AddFalseToObject(o, "filesAnalyzed");
	cJSON_AddStringToObject(o, "licenseConcluded", "NOASSERTION");
	cJSON *ref = cJSON_CreateObject();
	cJSON_AddStringToObject(ref, "referenceCategory", "PACKAGE-MANAGER");
	cJSON_AddStringToObject(ref, "referenceType", "purl");
	cJSON_AddStringToObject(ref, "referenceLocator", purl);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(o, "externalRefs"), ref);
	return o;
}

static void relate(cJSON *list, const char *from, const char *how, const char *to)
{
	cJSON *o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "spdxElementId", from);
	cJSON_AddStringToObject(o, "relationshipType", how);
	cJSON_AddStringToObject(o, "relatedSpdxElement", to);
	cJSON_AddItemToArray(list, o);
}

struct document {
	cJSON *packages;
	cJSON *relations;
	cJSON *licenses;      /* texts that are quoted */
	struct rn_map quoted; /* their ids             */
};

static void add_package(struct document *d, const struct package *k)
{
	RN_AUTO(rn_freep) char *id = spdx_id(k);
	RN_AUTO(rn_freep) char *info = rn_asprintf("found in /%s", k->source);
	RN_AUTO(rn_freep) char *license = declare_license(k, d->licenses, &d->quoted);
	RN_AUTO(rn_freep) char *version = k->epoch && !rn_streq(k->epoch, "0") ? rn_asprintf("%s:%s", k->epoch, k->version) : NULL;
	cJSON *o = new_package(id, k->name, version ? version : k->version, k->purl);
	cJSON_AddStringToObject(o, "licenseDeclared", license);
	cJSON_AddStringToObject(o, "copyrightText", "NOASSERTION");
	RN_AUTO(rn_freep) char *supplier = k->supplier && *k->supplier ? rn_asprintf("Organization: %s", k->supplier) : NULL;
	add_text(o, "supplier", supplier);
	if (rn_utf8_valid(info, strlen(info)))
		cJSON_AddStringToObject(o, "sourceInfo", info);
	cJSON_AddItemToArray(d->packages, o);
	relate(d->relations, "SPDXRef-Image", "CONTAINS", id);
}

static cJSON *new_document(const struct packages *p, const char *name, const struct digest *subject, const char *created)
{
	cJSON *doc = cJSON_CreateObject();
	RN_AUTO(rn_freep) char *space = rn_asprintf("https://spdx.org/spdxdocs/runner-oci-build/%s", digest_hex(subject));
	cJSON_AddStringToObject(doc, "spdxVersion", "SPDX-2.3");
	cJSON_AddStringToObject(doc, "dataLicense", "CC0-1.0");
	cJSON_AddStringToObject(doc, "SPDXID", "SPDXRef-DOCUMENT");
	cJSON_AddStringToObject(doc, "name", name);
	cJSON_AddStringToObject(doc, "documentNamespace", space);
	cJSON *info = cJSON_AddObjectToObject(doc, "creationInfo");
	cJSON_AddStringToObject(info, "created", created);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(info, "creators"), cJSON_CreateString("Tool: runner-" RUNNER_VERSION));
	if (p->unread.n) {
		RN_AUTO(rn_freep) char *comment = rn_strv_join(&p->unread, "\n");
		cJSON_AddStringToObject(doc, "comment", comment);
	}
	return doc;
}

void sbom_print(const struct packages *p, const char *name, const struct digest *subject, const char *created, struct rn_buf *ret)
{
	RN_AUTO(rn_json_freep) cJSON *doc = new_document(p, name, subject, created);
	struct document d = { cJSON_AddArrayToObject(doc, "packages"), cJSON_AddArrayToObject(doc, "relationships"), cJSON_CreateArray(), { 0 } };
	rn_map_init(&d.quoted, free);
	RN_AUTO(rn_freep) char *escaped = rn_percent(subject->text, ":");
	RN_AUTO(rn_freep) char *purl = rn_asprintf("pkg:oci/image@%s", escaped);
	cJSON *image = new_package("SPDXRef-Image", name, subject->text, purl);
	cJSON_AddStringToObject(image, "licenseDeclared", "NOASSERTION");
	cJSON_AddStringToObject(image, "copyrightText", "NOASSERTION");
	cJSON_AddStringToObject(image, "primaryPackagePurpose", "CONTAINER");
	cJSON_AddItemToArray(d.packages, image);
	relate(d.relations, "SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image");
	RN_AUTO(rn_freep) const struct package **v = packages_sorted(p);
	for (size_t i = 0; i < p->by_purl.live; i++)
		add_package(&d, v[i]);
	if (cJSON_GetArraySize(d.licenses) > 0) /* the schema has no empty list */
		cJSON_AddItemToObject(doc, "hasExtractedLicensingInfos", d.licenses);
	else
		cJSON_Delete(d.licenses);
	rn_map_clear(&d.quoted);
	RN_AUTO(rn_freep) char *text = rn_json_print(doc);
	rn_buf_adds(ret, text);
}
