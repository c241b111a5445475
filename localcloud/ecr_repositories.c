/* SPDX-License-Identifier: Apache-2.0 */
/* Repositories: create to delete, settings, policies, tags. Private members of the document start
 * with "_". */
#include "ecr.h"
#include "store.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NAME_PATTERN                                                                               \
	"must satisfy regular expression "                                                         \
	"'(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*'"

static bool is_name(const char *s)
{
	size_t n = strlen(s);
	bool last_plain = false; /* a separator must stand between two plain characters */
	if (n < 2 || n > 256)
		return false;
	for (; *s; s++) {
		bool plain = islower((unsigned char)*s) || isdigit((unsigned char)*s);
		if (!plain && (!strchr("._-/", *s) || !last_plain))
			return false;
		last_plain = plain;
	}
	return last_plain;
}

static void save(struct request *req, const cJSON *doc)
{
	store_put(req->cloud->store, REPOSITORY, req->region, rn_json_str(doc, "repositoryName"),
		  doc, NULL);
}

static void set(cJSON *object, const char *name, cJSON *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, name);
	if (value)
		cJSON_AddItemToObject(object, name, value);
}

/* As answered. New. */
static cJSON *shown(const struct request *req, const cJSON *doc)
{
	cJSON *out = cJSON_Duplicate(doc, true);
	for (cJSON *m = out->child, *next; m; m = next) {
		next = m->next;
		if (m->string[0] == '_')
			cJSON_Delete(cJSON_DetachItemViaPointer(out, m));
	}
	RN_AUTO(rn_freep) char *uri =
		rn_asprintf("%s/%s", req->cloud->host, rn_json_str(doc, "repositoryName"));
	cJSON_AddStringToObject(out, "repositoryUri", uri);
	return out;
}

/* Mutability and its filters from the input into the document; -1: answered. */
static int take_mutability(struct request *req, struct response *res, cJSON *doc, bool required)
{
	static const char *const MODES[] = { "MUTABLE", "IMMUTABLE", "MUTABLE_WITH_EXCLUSION",
					     "IMMUTABLE_WITH_EXCLUSION" };
	const char *mode = rn_json_str(req->json, "imageTagMutability");
	const cJSON *filters = rn_json_get(req->json, "imageTagMutabilityExclusionFilters");
	if (!mode && required)
		return ecr_invalid(req, res, "imageTagMutability", "must not be null");
	if (!mode)
		mode = "MUTABLE";
	size_t i = 0;
	while (i < RN_LEN(MODES) && strcmp(MODES[i], mode) != 0)
		i++;
	if (i == RN_LEN(MODES))
		return ecr_invalid(req, res, "imageTagMutability",
				   "Member must satisfy enum value set: [IMMUTABLE, MUTABLE, "
				   "IMMUTABLE_WITH_EXCLUSION, MUTABLE_WITH_EXCLUSION]");
	bool excludes = rn_ends(mode, "_WITH_EXCLUSION");
	if (excludes != (cJSON_GetArraySize(filters) > 0))
		return ecr_invalid(
			req, res, "imageTagMutabilityExclusionFilters",
			"must be given with, and only with, a mutability WITH_EXCLUSION");
	set(doc, "imageTagMutability", cJSON_CreateString(mode));
	set(doc, "imageTagMutabilityExclusionFilters",
	    excludes ? cJSON_Duplicate(filters, true) : NULL);
	return 0;
}

static int merge_tags(struct request *req, struct response *res, cJSON *doc)
{
	const cJSON *list = rn_json_get(req->json, "tags");
	cJSON *tags = rn_json_get(doc, "_tags");
	for (const cJSON *tag = list ? list->child : NULL; tag; tag = tag->next) {
		const char *key = rn_json_str(tag, "Key"), *value = rn_json_str(tag, "Value");
		if (!key || !value || !*key || strlen(key) > 128 || strlen(value) > 256 ||
		    rn_starts(key, "aws:"))
			return answer_error(req, res, 400, "InvalidTagParameterException",
					    "A tag has a Key of 1 to 128 characters without the "
					    "prefix aws: and a Value of at most 256");
		cJSON *old = tags->child;
		while (old && strcmp(rn_json_str(old, "Key"), key) != 0)
			old = old->next;
		if (old)
			cJSON_ReplaceItemViaPointer(tags, old, cJSON_Duplicate(tag, true));
		else
			cJSON_AddItemToArray(tags, cJSON_Duplicate(tag, true));
	}
	if (cJSON_GetArraySize(tags) > 50)
		return answer_error(req, res, 400, "TooManyTagsException",
				    "A repository may have 50 tags at most.");
	return 0;
}

void ecr_create(struct request *req, struct response *res)
{
	const char *name = ecr_string(req, res, "repositoryName");
	if (!name)
		return;
	if (!is_name(name)) {
		ecr_invalid(req, res, "repositoryName", NAME_PATTERN);
		return;
	}
	if (store_has(req->cloud->store, REPOSITORY, req->region, name)) {
		answer_error(req, res, 400, "RepositoryAlreadyExistsException",
			     "The repository with name '%s' already exists in the registry with id "
			     "'" CLOUD_ACCOUNT "'",
			     name);
		return;
	}
	RN_AUTO(rn_freep) char *arn = cloud_arn("ecr", req->region, "repository/%s", name);
	RN_AUTO(rn_json_freep) cJSON *doc = cJSON_CreateObject();
	cJSON_AddStringToObject(doc, "repositoryArn", arn);
	cJSON_AddStringToObject(doc, "registryId", CLOUD_ACCOUNT);
	cJSON_AddStringToObject(doc, "repositoryName", name);
	cJSON_AddNumberToObject(doc, "createdAt", cloud_now());
	const cJSON *scanning = rn_json_get(req->json, "imageScanningConfiguration");
	const cJSON *encryption = rn_json_get(req->json, "encryptionConfiguration");
	cJSON *scan = cJSON_AddObjectToObject(doc, "imageScanningConfiguration");
	cJSON_AddBoolToObject(scan, "scanOnPush", rn_json_bool(scanning, "scanOnPush", false));
	cJSON *keys = encryption ? cJSON_Duplicate(encryption, true) : cJSON_CreateObject();
	if (!encryption)
		cJSON_AddStringToObject(keys, "encryptionType", "AES256");
	cJSON_AddItemToObject(doc, "encryptionConfiguration", keys);
	cJSON_AddArrayToObject(doc, "_tags");
	if (take_mutability(req, res, doc, false) < 0 || merge_tags(req, res, doc) < 0)
		return;
	save(req, doc);
	cJSON *out = cJSON_CreateObject();
	cJSON_AddItemToObject(out, "repository", shown(req, doc));
	response_json(req, res, 200, out);
}

void ecr_describe(struct request *req, struct response *res)
{
	cJSON *in = ecr_input(req, res);
	if (!in)
		return;
	const char *registry = rn_json_str(in, "registryId");
	const cJSON *names = rn_json_get(in, "repositoryNames");
	RN_AUTO(rn_json_freep) cJSON *list = cJSON_CreateArray();
	if (names) {
		for (const cJSON *name = names->child; name; name = name->next) {
			RN_AUTO(rn_json_freep) cJSON *doc = cJSON_IsString(name) &&
						     (!registry || !strcmp(registry, CLOUD_ACCOUNT))
					     ? store_get(req->cloud->store, REPOSITORY, req->region,
							 name->valuestring)
					     : NULL;
			if (!doc) {
				answer_error(req, res, 400, "RepositoryNotFoundException",
					     "The repository with name '%s' does not exist in the "
					     "registry with id '%s'",
					     cJSON_IsString(name) ? name->valuestring : "",
					     registry ? registry : CLOUD_ACCOUNT);
				return;
			}
			cJSON_AddItemToArray(list, shown(req, doc));
		}
	} else {
		RN_AUTO(rn_json_freep) cJSON *all =
			store_list(req->cloud->store, REPOSITORY, req->region, NULL, 0);
		for (const cJSON *doc = all->child; doc; doc = doc->next)
			cJSON_AddItemToArray(list, shown(req, doc));
	}
	ecr_answer_page(req, res, "repositories", rn_take(&list), NULL);
}

void ecr_delete(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = ecr_repository(req, res);
	if (!doc)
		return;
	const char *name = rn_json_str(doc, "repositoryName");
	RN_AUTO(rn_json_freep) cJSON *images = images_list(req->cloud, req->region, name);
	if (images->child && !rn_json_bool(req->json, "force", false)) {
		answer_error(req, res, 400, "RepositoryNotEmptyException",
			     "The repository with name '%s' in registry with id '" CLOUD_ACCOUNT
			     "' cannot be deleted because it still contains images",
			     name);
		return;
	}
	images_remove_all(req->cloud, req->region, name);
	store_remove(req->cloud->store, REPOSITORY, req->region, name, NULL);
	cJSON *out = cJSON_CreateObject();
	cJSON_AddItemToObject(out, "repository", shown(req, doc));
	response_json(req, res, 200, out);
}

/* {registryId, repositoryName} and more. New. */
static cJSON *about(const cJSON *doc)
{
	cJSON *out = cJSON_CreateObject();
	cJSON_AddStringToObject(out, "registryId", CLOUD_ACCOUNT);
	cJSON_AddStringToObject(out, "repositoryName", rn_json_str(doc, "repositoryName"));
	return out;
}

void ecr_put_scanning(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = ecr_repository(req, res);
	if (!doc)
		return;
	const cJSON *scanning = rn_json_get(req->json, "imageScanningConfiguration");
	if (!cJSON_IsObject(scanning)) {
		ecr_invalid(req, res, "imageScanningConfiguration", "must not be null");
		return;
	}
	cJSON *scan = cJSON_CreateObject();
	cJSON_AddBoolToObject(scan, "scanOnPush", rn_json_bool(scanning, "scanOnPush", false));
	set(doc, "imageScanningConfiguration", scan);
	save(req, doc);
	cJSON *out = about(doc);
	cJSON_AddItemToObject(out, "imageScanningConfiguration", cJSON_Duplicate(scan, true));
	response_json(req, res, 200, out);
}

void ecr_put_mutability(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = ecr_repository(req, res);
	if (!doc || take_mutability(req, res, doc, true) < 0)
		return;
	save(req, doc);
	cJSON *out = about(doc);
	cJSON_AddStringToObject(out, "imageTagMutability", rn_json_str(doc, "imageTagMutability"));
	const cJSON *filters = rn_json_get(doc, "imageTagMutabilityExclusionFilters");
	if (filters)
		cJSON_AddItemToObject(out, "imageTagMutabilityExclusionFilters",
				      cJSON_Duplicate(filters, true));
	response_json(req, res, 200, out);
}

/* ---- lifecycle and repository policies: a text each ---- */

static void answer_text(struct request *req, struct response *res, const cJSON *doc,
			const char *member, const char *name, const cJSON *evaluated)
{
	cJSON *out = about(doc);
	cJSON_AddStringToObject(out, name, rn_json_str(doc, member));
	if (evaluated)
		cJSON_AddItemToObject(out, "lastEvaluatedAt", cJSON_Duplicate(evaluated, true));
	response_json(req, res, 200, out);
}

/* True when the document has that text; else the code is answered. */
static bool has_text(struct request *req, struct response *res, const cJSON *doc,
		     const char *member, const char *code, const char *what)
{
	if (rn_json_str(doc, member))
		return true;
	answer_error(req, res, 400, code,
		     "%s does not exist for the repository with name '%s' in the registry with id "
		     "'" CLOUD_ACCOUNT "'",
		     what, rn_json_str(doc, "repositoryName"));
	return false;
}

#define LIFECYCLE "_lifecycle", "LifecyclePolicyNotFoundException", "Lifecycle policy"
#define POLICY "_policy", "RepositoryPolicyNotFoundException", "Repository policy"

static bool is_lifecycle(const char *text)
{
	RN_AUTO(rn_json_freep) cJSON *doc = rn_json_parse_str(text, NULL);
	const cJSON *rules = rn_json_get(doc, "rules");
	if (!cJSON_IsArray(rules) || !rules->child)
		return false;
	for (const cJSON *rule = rules->child; rule; rule = rule->next) {
		const cJSON *selection = rn_json_get(rule, "selection");
		if (rn_json_int(rule, "rulePriority", 0) < 1 ||
		    !rn_json_str(selection, "tagStatus") || !rn_json_str(selection, "countType") ||
		    rn_json_int(selection, "countNumber", 0) < 1 ||
		    !rn_json_str(rn_json_get(rule, "action"), "type"))
			return false;
	}
	return true;
}

void ecr_put_lifecycle(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = ecr_repository(req, res);
	const char *text = doc ? ecr_string(req, res, "lifecyclePolicyText") : NULL;
	if (!text)
		return;
	if (!is_lifecycle(text)) {
		ecr_invalid(req, res, "LifecyclePolicyText",
			    "Lifecycle policy validation failure: each of its rules needs a "
			    "rulePriority, a selection with tagStatus, "
			    "countType and countNumber, and an action");
		return;
	}
	set(doc, "_lifecycle", cJSON_CreateString(text));
	save(req, doc);
	answer_text(req, res, doc, "_lifecycle", "lifecyclePolicyText", NULL);
}

void ecr_get_lifecycle(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = ecr_repository(req, res);
	if (doc && has_text(req, res, doc, LIFECYCLE))
		answer_text(req, res, doc, "_lifecycle", "lifecyclePolicyText",
			    rn_json_get(doc, "createdAt"));
}

void ecr_delete_lifecycle(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = ecr_repository(req, res);
	if (!doc || !has_text(req, res, doc, LIFECYCLE))
		return;
	answer_text(req, res, doc, "_lifecycle", "lifecyclePolicyText",
		    rn_json_get(doc, "createdAt"));
	set(doc, "_lifecycle", NULL);
	save(req, doc);
}

void ecr_set_policy(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = ecr_repository(req, res);
	const char *text = doc ? ecr_string(req, res, "policyText") : NULL;
	if (!text)
		return;
	RN_AUTO(rn_json_freep) cJSON *policy = rn_json_parse_str(text, NULL);
	if (!cJSON_IsObject(policy) || !rn_json_get(policy, "Statement")) {
		ecr_invalid(req, res, "PolicyText", "Invalid repository policy provided");
		return;
	}
	set(doc, "_policy", cJSON_CreateString(text));
	save(req, doc);
	answer_text(req, res, doc, "_policy", "policyText", NULL);
}

void ecr_get_policy(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = ecr_repository(req, res);
	if (doc && has_text(req, res, doc, POLICY))
		answer_text(req, res, doc, "_policy", "policyText", NULL);
}

void ecr_delete_policy(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = ecr_repository(req, res);
	if (!doc || !has_text(req, res, doc, POLICY))
		return;
	answer_text(req, res, doc, "_policy", "policyText", NULL);
	set(doc, "_policy", NULL);
	save(req, doc);
}

/* ---- tags ---- */

static cJSON *by_arn(struct request *req, struct response *res)
{
	const char *arn = ecr_string(req, res, "resourceArn");
	if (!arn)
		return NULL;
	RN_AUTO(rn_freep) char *prefix = cloud_arn("ecr", req->region, "repository/");
	if (!rn_starts(arn, prefix)) {
		ecr_invalid(req, res, "resourceArn", "Invalid ARN");
		return NULL;
	}
	cJSON *doc = store_get(req->cloud->store, REPOSITORY, req->region, arn + strlen(prefix));
	if (!doc)
		answer_error(req, res, 400, "RepositoryNotFoundException",
			     "The repository with name '%s' does not exist in the registry with id "
			     "'" CLOUD_ACCOUNT "'",
			     arn + strlen(prefix));
	return doc;
}

void ecr_tag(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = by_arn(req, res);
	if (!doc || merge_tags(req, res, doc) < 0)
		return;
	save(req, doc);
	response_json(req, res, 200, cJSON_CreateObject());
}

void ecr_untag(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = by_arn(req, res);
	if (!doc)
		return;
	const cJSON *keys = rn_json_get(req->json, "tagKeys");
	cJSON *tags = rn_json_get(doc, "_tags");
	for (const cJSON *key = keys ? keys->child : NULL; key; key = key->next)
		for (cJSON *tag = tags->child, *next; tag; tag = next) {
			next = tag->next;
			if (rn_streq(rn_json_str(tag, "Key"), key->valuestring))
				cJSON_Delete(cJSON_DetachItemViaPointer(tags, tag));
		}
	save(req, doc);
	response_json(req, res, 200, cJSON_CreateObject());
}

void ecr_list_tags(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = by_arn(req, res);
	if (!doc)
		return;
	cJSON *out = cJSON_CreateObject();
	cJSON_AddItemToObject(out, "tags", cJSON_DetachItemFromObjectCaseSensitive(doc, "_tags"));
	response_json(req, res, 200, out);
}
