/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define WIRE_MAGIC 0x72736273u /* both ends are of one build; this tells a stray caller */
#define WIRE_ITEMS_MAX 65536u
#define WIRE_BYTES_MAX ((size_t)64 << 20)

int wire_send(int fd, const struct wire_message *m)
{
	ssize_t n;
	while ((n = send(fd, m, sizeof(*m), MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	return n == (ssize_t)sizeof(*m) ? 0 : -1;
}

int wire_receive(int fd, struct wire_message *m)
{
	ssize_t n;
	while ((n = recv(fd, m, sizeof(*m), 0)) < 0 && errno == EINTR)
		;
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 0;
	if (n != (ssize_t)sizeof(*m))
		return n < 0 ? -1 : (errno = EPROTO, -1);
	m->error.msg[RN_ERROR_MSG_MAX - 1] = m->error.hint[RN_ERROR_HINT_MAX - 1] = '\0';
	return 1;
}

/* One walk over all members: writes them when `out` is set, else reads them. */
struct codec {
	struct rn_buf *out;
	const char *in;
	size_t left;
	bool bad;
	struct spec_store *store;
};

static void raw(struct codec *c, void *p, size_t n)
{
	if (c->out) {
		rn_buf_add(c->out, p, n);
	} else if (c->left < n) {
		c->bad = true;
		memset(p, 0, n);
	} else {
		memcpy(p, c->in, n);
		c->in += n;
		c->left -= n;
	}
}

#define NUMBER(c, lvalue)                                       \
	do {                                                    \
		uint64_t number_ = (uint64_t)(lvalue);          \
		raw(c, &number_, sizeof(number_));              \
		(lvalue) = (__typeof__(lvalue))number_;         \
	} while (0)

/* Bytes with a NUL behind them that is not counted; NULL stays NULL. */
static void bytes(struct codec *c, const void **p, size_t *n)
{
	uint64_t size = *p ? *n : UINT64_MAX;
	raw(c, &size, sizeof(size));
	if (size == UINT64_MAX) {
		*p = NULL;
		*n = 0;
	} else if (c->out) {
		rn_buf_add(c->out, *p, *n);
		rn_buf_addc(c->out, '\0');
	} else if (size >= c->left || c->in[size] != '\0') {
		c->bad = true;
		*p = NULL;
		*n = 0;
	} else {
		*p = c->in;
		*n = size;
		c->in += size + 1;
		c->left -= size + 1;
	}
}

static void text(struct codec *c, const char **s)
{
	const void *p = *s;
	size_t n = p ? strlen(p) : 0;
	bytes(c, &p, &n);
	*s = p;
	if (p && strlen(p) != n)
		c->bad = true;
}

static void *block(struct codec *c, size_t n, size_t size)
{
	struct spec_store *s = c->store;
	void *p = rn_alloc((n + 1) * size);
	s->blocks = rn_grow(s->blocks, &s->cap_blocks, s->n_blocks + 1, sizeof(*s->blocks));
	s->blocks[s->n_blocks++] = p;
	return p;
}

/* Count of an array; when reading, its memory. */
static size_t items(struct codec *c, const void *array, size_t n, size_t size, const void **ret)
{
	uint64_t count = array ? n : 0;
	raw(c, &count, sizeof(count));
	if (!c->store) { /* writing */
		*ret = array;
		return n;
	}
	if (count > WIRE_ITEMS_MAX) {
		c->bad = true;
		count = 0;
	}
	*ret = block(c, count, size);
	return c->bad ? 0 : count;
}

static void texts(struct codec *c, const char *const **list, size_t n)
{
	const void *p;
	n = items(c, *list, n, sizeof(char *), &p);
	const char **v = (const char **)(uintptr_t)p;
	for (size_t i = 0; i < n; i++) {
		const char *s = v[i];
		text(c, &s);
		if (!c->out)
			v[i] = s;
	}
	if (!c->out)
		*list = (const char *const *)v;
}

static size_t count(const char *const *list)
{
	size_t n = 0;
	while (list && list[n])
		n++;
	return n;
}

/* Walks an array member: `body` sees each item as `it`. */
#define ITEMS(c, spec, type, member, body)                                                          \
	do {                                                                                        \
		const void *array_;                                                                 \
		(spec)->n_##member = items(c, (spec)->member, (spec)->n_##member, sizeof(type), &array_); \
		type *to_ = (type *)(uintptr_t)array_;                                              \
		for (size_t i_ = 0; i_ < (spec)->n_##member; i_++) {                                \
			type it = to_[i_];                                                          \
			body;                                                                       \
			if (!(c)->out)                                                              \
				to_[i_] = it;                                                       \
		}                                                                                   \
		if (!(c)->out)                                                                      \
			(spec)->member = to_;                                                       \
	} while (0)

static void walk_host(struct codec *c, struct sandbox_host *h)
{
	NUMBER(c, h->rung);
	NUMBER(c, h->overlay);
	NUMBER(c, h->userxattr);
	NUMBER(c, h->net_none);
	NUMBER(c, h->cgroup);
	NUMBER(c, h->ids);
}

static void walk_bind(struct codec *c, struct sandbox_bind *b)
{
	text(c, &b->source);
	text(c, &b->target);
	text(c, &b->scratch);
	NUMBER(c, b->writable);
	NUMBER(c, b->discard);
}

static void walk_file(struct codec *c, struct sandbox_file *f)
{
	text(c, &f->target);
	bytes(c, &f->data, &f->size);
	NUMBER(c, f->mode);
	NUMBER(c, f->uid);
	NUMBER(c, f->gid);
}

static void walk_tmpfs(struct codec *c, struct sandbox_tmpfs *t)
{
	text(c, &t->target);
	NUMBER(c, t->size);
	NUMBER(c, t->mode);
}

static void walk_root(struct codec *c, struct sandbox_spec *s)
{
	text(c, &s->rootfs);
	texts(c, &s->lowers, s->n_lowers);
	NUMBER(c, s->n_lowers);
	text(c, &s->upper);
	text(c, &s->work);
	NUMBER(c, s->volatile_upper);
	NUMBER(c, s->read_only);
	NUMBER(c, s->bare);
	ITEMS(c, s, struct sandbox_bind, binds, walk_bind(c, &it));
	ITEMS(c, s, struct sandbox_file, files, walk_file(c, &it));
	ITEMS(c, s, struct sandbox_tmpfs, tmpfs, walk_tmpfs(c, &it));
}

static void walk_program(struct codec *c, struct sandbox_spec *s)
{
	texts(c, &s->argv, count(s->argv));
	texts(c, &s->env, count(s->env));
	text(c, &s->cwd);
	NUMBER(c, s->uid);
	NUMBER(c, s->gid);
	ITEMS(c, s, gid_t, groups, NUMBER(c, it));
	NUMBER(c, s->keep_caps);
	NUMBER(c, s->no_new_privs);
	NUMBER(c, s->fake_ids);
	text(c, &s->hostname);
	NUMBER(c, s->network);
	NUMBER(c, s->memory);
	NUMBER(c, s->pids);
	NUMBER(c, s->nofile);
	ITEMS(c, s, struct sandbox_fd, fds, NUMBER(c, it.to));
}

int spec_encode(const struct sandbox_spec *spec, struct rn_buf *to, struct rn_error *err)
{
	struct codec c = { .out = to };
	struct sandbox_spec s = *spec;
	struct sandbox_host h = *spec->host;
	uint32_t magic = WIRE_MAGIC;
	raw(&c, &magic, sizeof(magic));
	walk_host(&c, &h);
	walk_root(&c, &s);
	walk_program(&c, &s);
	return rn_buf_check(to, "the sandbox's description", err);
}

int spec_decode(struct rn_buf *in, struct spec_store *ret, struct rn_error *err)
{
	*ret = (struct spec_store){ .spec = SANDBOX_SPEC_INIT };
	ret->bytes = *in;
	*in = (struct rn_buf)RN_BUF_INIT;
	struct codec c = { .in = rn_buf_str(&ret->bytes), .left = ret->bytes.len, .store = ret };
	uint32_t magic = 0;
	raw(&c, &magic, sizeof(magic));
	if (magic != WIRE_MAGIC)
		return rn_fail(err, RN_EINVAL, "not a sandbox description");
	walk_host(&c, &ret->host);
	walk_root(&c, &ret->spec);
	walk_program(&c, &ret->spec);
	if (c.bad || c.left)
		return rn_fail(err, RN_EINVAL, "damaged sandbox description");
	ret->spec.host = &ret->host;
	ret->spec.stdin_fd = 0;
	ret->spec.stdout_fd = 1;
	ret->spec.stderr_fd = 2;
	struct sandbox_fd *fds = (struct sandbox_fd *)(uintptr_t)ret->spec.fds;
	for (size_t i = 0; i < ret->spec.n_fds; i++)
		fds[i].from = WIRE_FIRST_FD + (int)i;
	return 0;
}

void spec_store_clear(struct spec_store *s)
{
	for (size_t i = 0; i < s->n_blocks; i++)
		free(s->blocks[i]);
	free(s->blocks);
	rn_buf_clear(&s->bytes);
	*s = (struct spec_store){ 0 };
}
