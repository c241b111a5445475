/* SPDX-License-Identifier: Apache-2.0 */
/* Digests over OpenSSL's EVP interface. */
#include "digest.h"

#include "base/encode.h"
#include "base/mem.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct algorithm {
	const char *name;
	size_t digits;
	const EVP_MD *(*md)(void);
};

static const struct algorithm algorithms[] = {
	{ "sha256", 64, EVP_sha256 },
	{ "sha512", 128, EVP_sha512 },
};

static const struct algorithm *algorithm_of(const char *text)
{
	for (size_t i = 0; i < RN_LEN(algorithms); i++) {
		size_t n = strlen(algorithms[i].name);
		if (!strncmp(text, algorithms[i].name, n) && text[n] == ':')
			return &algorithms[i];
	}
	return NULL;
}

int digest_parse(const char *text, struct digest *ret, struct rn_error *err)
{
	const struct algorithm *a = text ? algorithm_of(text) : NULL;
	if (!a)
		return rn_fail(err, RN_EINVAL,
			       "\"%.80s\" is not a digest: sha256: or sha512: and the digits in "
			       "lower-case hexadecimal are wanted",
			       text ? text : "");
	const char *hex = strchr(text, ':') + 1;
	if (strlen(hex) != a->digits || strspn(hex, "0123456789abcdef") != a->digits)
		return rn_fail(err, RN_EINVAL,
			       "digest \"%.140s\" wants %zu lower-case hexadecimal digits", text,
			       a->digits);
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->text, text, strlen(text));
	return 0;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return !strcmp(a->text, b->text);
}

bool digest_is_set(const struct digest *d)
{
	return d->text[0] != 0;
}

const char *digest_algorithm(const struct digest *d)
{
	const struct algorithm *a = algorithm_of(d->text);
	return a ? a->name : "";
}

const char *digest_hex(const struct digest *d)
{
	const char *colon = strchr(d->text, ':');
	return colon ? colon + 1 : "";
}

struct digester {
	EVP_MD_CTX *ctx;
	const struct algorithm *algorithm;
};

struct digester *digester_new(const struct digest *like)
{
	struct digester *h = rn_alloc(sizeof(*h));
	h->algorithm = like ? algorithm_of(like->text) : NULL;
	if (!h->algorithm)
		h->algorithm = &algorithms[0];
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || EVP_DigestInit_ex(h->ctx, h->algorithm->md(), NULL) != 1)
		rn_die("libcrypto cannot compute %s", h->algorithm->name);
	return h;
}

void digester_update(struct digester *h, const void *data, size_t n)
{
	if (n && EVP_DigestUpdate(h->ctx, data, n) != 1)
		rn_die("libcrypto cannot compute %s", h->algorithm->name);
}

struct digest digester_peek(const struct digester *h)
{
	struct digest d = { 0 };
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	if (!copy || EVP_MD_CTX_copy_ex(copy, h->ctx) != 1 ||
	    EVP_DigestFinal_ex(copy, raw, &n) != 1)
		rn_die("libcrypto cannot compute %s", h->algorithm->name);
	EVP_MD_CTX_free(copy);
	size_t name = strlen(h->algorithm->name);
	memcpy(d.text, h->algorithm->name, name);
	d.text[name] = ':';
	rn_hex(raw, n, d.text + name + 1);
	return d;
}

void digester_free(struct digester *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void digester_freep(struct digester **h)
{
	digester_free(*h);
	*h = NULL;
}

struct digest digest_of(const void *data, size_t n)
{
	RN_AUTO(digester_freep) struct digester *h = digester_new(NULL);
	digester_update(h, data, n);
	return digester_peek(h);
}

int digest_fd(int fd, const struct digest *like, struct digest *ret, uint64_t *ret_size,
	      struct rn_error *err)
{
	enum { BLOCK = 256 * 1024 };
	RN_AUTO(digester_freep) struct digester *h = digester_new(like);
	RN_AUTO(rn_freep) char *block = rn_alloc(BLOCK);
	uint64_t size = 0;
	for (;;) {
		ssize_t n = read(fd, block, BLOCK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return rn_fail(err, RN_EIO, "read: %m");
		if (n == 0)
			break;
		digester_update(h, block, (size_t)n);
		size += (uint64_t)n;
	}
	*ret = digester_peek(h);
	if (ret_size)
		*ret_size = size;
	return 0;
}
