/* SPDX-License-Identifier: Apache-2.0 */
#include "ecr_token.h"

#include "base/encode.h"
#include "base/str.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define LIFE_SECONDS (12 * 3600)

static void seal(const struct cloud *c, const char *text, char to[65])
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	if (!HMAC(EVP_sha256(), c->secret_key, (int)strlen(c->secret_key),
		  (const unsigned char *)text, strlen(text), mac, &size))
		rn_die("the hash function failed");
	rn_hex(mac, 32, to);
}

char *ecr_token_new(const struct cloud *c, const char *region, double *ret_expires)
{
	char mac[65];
	int64_t expires = (int64_t)cloud_now() + LIFE_SECONDS;
	RN_AUTO(rn_freep) char *text = rn_asprintf("%s.%lld", region, (long long)expires);
	seal(c, text, mac);
	*ret_expires = (double)expires;
	return rn_asprintf("%s.%s", text, mac);
}

char *ecr_token_region(const struct cloud *c, const char *password, struct rn_error *err)
{
	char mac[65];
	const char *dot = strrchr(password, '.');
	RN_AUTO(rn_freep) char *text = rn_strndup(password, dot ? (size_t)(dot - password) : 0);
	char *stop = strrchr(text, '.');
	int64_t expires = 0;
	seal(c, text, mac);
	if (!dot || !stop || strlen(dot + 1) != 64 || CRYPTO_memcmp(dot + 1, mac, 64) != 0 ||
	    rn_parse_int(stop + 1, 0, INT64_MAX, &expires, NULL) < 0) {
		rn_fail(err, RN_EAUTH, "the password is not one of this registry");
		return NULL;
	}
	if (expires < (int64_t)cloud_now()) {
		rn_fail(err, RN_ETIMEOUT,
			"Your authorization token has expired. Reauthenticate and try again.");
		return NULL;
	}
	*stop = '\0';
	return rn_take(&text);
}
