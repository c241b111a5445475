/* SPDX-License-Identifier: Apache-2.0 */
/* Lambda as a service of the cloud: its routes, its start and its end. */
#include "lambda_internal.h"

#include "base/fs.h"

#include <stdlib.h>
#include <time.h>

#define F "/2015-03-31/functions"
#define ASYNC_PATH "/2019-09-25/functions/{name}/event-invoke-config"
#define PROVISIONED_PATH "/2019-09-30/functions/{name}/provisioned-concurrency"

static const struct route ROUTES[] = {
	{ "POST", F, "CreateFunction", lambda_create, false },
	{ "GET", F, "ListFunctions", lambda_list, false },
	{ "GET", F "/", "ListFunctions", lambda_list, false },
	{ "POST", F "/{name}/invocations", "Invoke", lambda_invoke_handler, true },
	{ "POST", "/2014-11-13/functions/{name}/invoke-async", "InvokeAsync", lambda_invoke_async_handler, true },
	{ "GET", F "/{name}/configuration", "GetFunctionConfiguration", lambda_get_configuration, false },
	{ "PUT", F "/{name}/configuration", "UpdateFunctionConfiguration", lambda_update_configuration, false },
	{ "PUT", F "/{name}/code", "UpdateFunctionCode", lambda_update_code, false },
	{ "POST", F "/{name}/versions", "PublishVersion", lambda_publish, false },
	{ "GET", F "/{name}/versions", "ListVersionsByFunction", lambda_list_versions, false },
	{ "POST", F "/{name}/aliases", "CreateAlias", lambda_create_alias, false },
	{ "GET", F "/{name}/aliases", "ListAliases", lambda_list_aliases, false },
	{ "GET", F "/{name}/aliases/{alias}", "GetAlias", lambda_get_alias, false },
	{ "PUT", F "/{name}/aliases/{alias}", "UpdateAlias", lambda_update_alias, false },
	{ "DELETE", F "/{name}/aliases/{alias}", "DeleteAlias", lambda_delete_alias, false },
	{ "POST", F "/{name}/policy", "AddPermission", lambda_add_permission, false },
	{ "GET", F "/{name}/policy", "GetPolicy", lambda_get_policy, false },
	{ "DELETE", F "/{name}/policy/{sid}", "RemovePermission", lambda_remove_permission, false },
	{ "GET", F "/{name}", "GetFunction", lambda_get, false },
	{ "DELETE", F "/{name}", "DeleteFunction", lambda_delete, false },
	{ "PUT", "/2017-10-31/functions/{name}/concurrency", "PutFunctionConcurrency", lambda_put_concurrency, false },
	{ "DELETE", "/2017-10-31/functions/{name}/concurrency", "DeleteFunctionConcurrency",
	  lambda_delete_concurrency, false },
	{ "GET", "/2019-09-30/functions/{name}/concurrency", "GetFunctionConcurrency", lambda_get_concurrency, false },
	{ "POST", "/2017-03-31/tags/{arn+}", "TagResource", lambda_tag, false },
	{ "DELETE", "/2017-03-31/tags/{arn+}", "UntagResource", lambda_untag, false },
	{ "GET", "/2017-03-31/tags/{arn+}", "ListTags", lambda_list_tags, false },
	{ "GET", "/2016-08-19/account-settings/", "GetAccountSettings", lambda_account_settings, false },
	{ "GET", "/2016-08-19/account-settings", "GetAccountSettings", lambda_account_settings, false },
	{ "GET", "/2020-06-30/functions/{name}/code-signing-config", "GetFunctionCodeSigningConfig", lambda_no_signing,
	  false },
	{ "PUT", ASYNC_PATH, "PutFunctionEventInvokeConfig", lambda_put_async, false },
	{ "POST", ASYNC_PATH, "UpdateFunctionEventInvokeConfig", lambda_update_async, false },
	{ "GET", ASYNC_PATH, "GetFunctionEventInvokeConfig", lambda_get_async, false },
	{ "DELETE", ASYNC_PATH, "DeleteFunctionEventInvokeConfig", lambda_delete_async, false },
	{ "GET", ASYNC_PATH "/list", "ListFunctionEventInvokeConfigs", lambda_list_async, false },
	{ "PUT", PROVISIONED_PATH, "PutProvisionedConcurrencyConfig", lambda_put_provisioned, false },
	{ "GET", PROVISIONED_PATH "?List=ALL", "ListProvisionedConcurrencyConfigs", lambda_list_provisioned, false },
	{ "GET", PROVISIONED_PATH, "GetProvisionedConcurrencyConfig", lambda_get_provisioned, false },
	{ "DELETE", PROVISIONED_PATH, "DeleteProvisionedConcurrencyConfig", lambda_delete_provisioned, false },
	{ "POST", "/2021-10-31/functions/{name}/url", "CreateFunctionUrlConfig", lambda_create_url, false },
	{ "GET", "/2021-10-31/functions/{name}/url", "GetFunctionUrlConfig", lambda_get_url, false },
	{ "PUT", "/2021-10-31/functions/{name}/url", "UpdateFunctionUrlConfig", lambda_update_url, false },
	{ "DELETE", "/2021-10-31/functions/{name}/url", "DeleteFunctionUrlConfig", lambda_delete_url, false },
	{ "GET", "/2021-10-31/functions/{name}/urls", "ListFunctionUrlConfigs", lambda_list_urls, false },
	{ "GET", "/2024-08-31/functions/{name}/recursion-config", "GetFunctionRecursionConfig", lambda_get_recursion, false },
	{ "PUT", "/2024-08-31/functions/{name}/recursion-config", "PutFunctionRecursionConfig", lambda_put_recursion, false },
	{ "POST", "/2021-11-15/functions/{name}/response-streaming-invocations", "InvokeWithResponseStream", lambda_invoke_stream_handler, true },
};

struct lambda *lambda_of(struct cloud *c)
{
	return c->service_data[CLOUD_SLOT_LAMBDA];
}


int worker_start(struct lambda *l, void *(*body)(void *), void *arg)
{
	pthread_t thread;
	pthread_mutex_lock(&l->lock);
	bool may = !l->stopping;
	l->workers += may;
	pthread_mutex_unlock(&l->lock);
	if (!may)
		return -1;
	if (pthread_create(&thread, NULL, body, arg) != 0) {
		worker_ended(l);
		return -1;
	}
	pthread_detach(thread);
	return 0;
}

void worker_ended(struct lambda *l)
{
	pthread_mutex_lock(&l->lock);
	l->workers--;
	pthread_cond_broadcast(&l->ended);
	pthread_mutex_unlock(&l->lock);
}

static int start(struct cloud *c, const struct service *self, struct rn_error *err)
{
	struct lambda *l = rn_alloc(sizeof(*l));
	l->cloud = c;
	l->dir = rn_path_join(c->dir, "lambda");
	l->sessions = cJSON_CreateObject();
	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->prepare, NULL);
	pthread_mutex_init(&l->provision, NULL);
	pthread_cond_init(&l->ended, NULL);
	c->service_data[self->slot] = l;
	if (rn_mkdirs(l->dir, 0755, err) < 0)
		return -1;
	image_sweep(l);
	events_start(l);
	provision_start(l);
	return 0;
}

static void interrupt(struct cloud *c, const struct service *self)
{
	struct lambda *l = c->service_data[self->slot];
	if (!l)
		return;
	instances_kill(l);
	events_interrupt(l);
}

static void stop(struct cloud *c, const struct service *self)
{
	struct lambda *l = c->service_data[self->slot];
	if (!l)
		return;
	interrupt(c, self);
	pthread_mutex_lock(&l->lock);
	while (l->workers)
		pthread_cond_wait(&l->ended, &l->lock);
	pthread_mutex_unlock(&l->lock);
	events_stop(l);
	lambda_sessions_end(l);
	sandbox_host_clear(&l->host);
	cJSON_Delete(l->sessions);
	pthread_cond_destroy(&l->ended);
	pthread_mutex_destroy(&l->prepare);
	pthread_mutex_destroy(&l->provision);
	pthread_mutex_destroy(&l->lock);
	free(l->dir);
	free(l);
	c->service_data[self->slot] = NULL;
}

const struct service lambda_service = {
	.name = "lambda",
	.slot = CLOUD_SLOT_LAMBDA,
	.protocol = PROTOCOL_REST_JSON,
	.transaction = true,
	.routes = ROUTES,
	.n_routes = RN_LEN(ROUTES),
	.start = start,
	.interrupt = interrupt,
	.stop = stop,
};
