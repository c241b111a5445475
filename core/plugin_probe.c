/* SPDX-License-Identifier: Apache-2.0 */
/* Loading plugins: only ever in a probe or a worker process. Decides which descriptors are acceptable. */
#include "plugin_info.h"

#include "base/fs.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ROWS_MAX = 512, SPEC_MAX = 1 << 20 };

static bool name_valid(const char *name)
{
	return name && *name && strlen(name) <= 64 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

static int accept_version(const struct runner_plugin *p, const char *path, struct rn_error *err)
{
	if (p->magic != RUNNER_PLUGIN_MAGIC) {
		rn_fail(err, RN_EUNSUPPORTED, "%s is not a plugin of runner: its descriptor begins with %08x, not %08x", path,
			p->magic, RUNNER_PLUGIN_MAGIC);
		return rn_hint(err, "define the descriptor with RUNNER_PLUGIN(...) of <runner/plugin.h>");
	}
	if (p->abi_major != RUNNER_ABI_MAJOR) {
		bool newer = p->abi_major > RUNNER_ABI_MAJOR;
		rn_fail(err, RN_EUNSUPPORTED, "%s was built for plugin ABI %u.%u, this runner (" RUNNER_VERSION ") has %u.%u",
			path, p->abi_major, p->abi_minor, RUNNER_ABI_MAJOR, RUNNER_ABI_MINOR);
		return rn_hint(err, newer ? "use a newer runner, or build the plugin against this one's header" :
					    "rebuild the plugin against this runner's header (`pkg-config --cflags runner`)");
	}
	if (p->abi_minor > RUNNER_ABI_MINOR) {
		rn_fail(err, RN_EUNSUPPORTED,
			"%s needs plugin ABI %u.%u, this runner (" RUNNER_VERSION ") has only %u.%u", path,
			p->abi_major, p->abi_minor, RUNNER_ABI_MAJOR, RUNNER_ABI_MINOR);
		return rn_hint(err, "use a newer runner, or build the plugin against this one's header");
	}
	return 0;
}

static size_t size_of_type(uint32_t type)
{
	switch ((enum runner_type)type) {
	case RUNNER_STRING:
	case RUNNER_PATH:
		return sizeof(const char *);
	case RUNNER_INTEGER:
		return sizeof(int64_t);
	case RUNNER_NUMBER:
		return sizeof(double);
	case RUNNER_BOOLEAN:
		return sizeof(bool);
	case RUNNER_DURATION:
		return sizeof(struct runner_duration);
	case RUNNER_SIZE:
		return sizeof(struct runner_size);
	case RUNNER_LIST:
		return sizeof(struct runner_list);
	case RUNNER_MAP:
		return sizeof(struct runner_map);
	case RUNNER_JSON:
		return sizeof(struct runner_json);
	}
	return 0;
}

static int accept_params(const struct runner_plugin *p, const char *path, struct rn_error *err)
{
	struct runner_param q, other;
	for (size_t i = 0; plugin_param_row(p, i, &q); i++) {
		size_t size = size_of_type(q.type);
		if (i >= ROWS_MAX)
			return rn_fail(err, RN_EUNSUPPORTED, "%s: more than %d parameters (does the table end at a NULL name?)", path,
				       ROWS_MAX);
		if (!size)
			return rn_fail(err, RN_EUNSUPPORTED, "%s: parameter \"%s\" has a type (%u) that does not exist", path,
				       q.name, q.type);
		if (q.offset > p->param_size || size > p->param_size - q.offset)
			return rn_fail(err, RN_EUNSUPPORTED,
				       "%s: parameter \"%s\" lies outside the parameter struct (offset %zu, size %zu of %u)", path,
				       q.name, q.offset, size, p->param_size);
		for (size_t k = 0; k < i; k++)
			if (plugin_param_row(p, k, &other) && rn_streq(other.name, q.name))
				return rn_fail(err, RN_EUNSUPPORTED, "%s: parameter \"%s\" is declared twice", path, q.name);
	}
	struct runner_output o;
	for (size_t i = 0; plugin_output_row(p, i, &o); i++)
		if (i >= ROWS_MAX)
			return rn_fail(err, RN_EUNSUPPORTED, "%s: more than %d outputs (does the table end at a NULL name?)", path,
				       ROWS_MAX);
	return 0;
}

int plugin_accept(const struct runner_plugin *theirs, const char *name, const char *path, struct runner_plugin *ret,
		  struct rn_error *err)
{
	if (accept_version(theirs, path, err) < 0)
		return -1;
	if (theirs->size < offsetof(struct runner_plugin, run) + sizeof(theirs->run) || theirs->size > 65536 ||
	    theirs->row_size < offsetof(struct runner_param, help) || theirs->row_size > 4096 ||
	    theirs->output_row_size < offsetof(struct runner_output, help) || theirs->output_row_size > 4096) {
		rn_fail(err, RN_EUNSUPPORTED, "%s: the sizes in its descriptor (%u, %u, %u) cannot be right", path, theirs->size,
			theirs->row_size, theirs->output_row_size);
		return rn_hint(err, "define the descriptor with RUNNER_PLUGIN(...) of <runner/plugin.h>");
	}
	struct runner_plugin p = { 0 };
	memcpy(&p, theirs, theirs->size < sizeof(p) ? theirs->size : sizeof(p));
	if (!name_valid(p.name))
		return rn_fail(err, RN_EUNSUPPORTED, "%s: its descriptor has no valid name (a-z, 0-9, -)", path);
	if (name && !rn_streq(p.name, name)) {
		rn_fail(err, RN_EUNSUPPORTED, "%s calls itself \"%s\"", path, p.name);
		return rn_hint(err, "rename the file to %s.so, or write `uses: %s`", p.name, p.name);
	}
	if (!p.run)
		return rn_fail(err, RN_EUNSUPPORTED, "%s has no `run`", path);
	if (p.flags)
		return rn_fail(err, RN_EUNSUPPORTED, "%s sets flags (%#x) that this runner does not know", path, p.flags);
	if (accept_params(&p, path, err) < 0)
		return -1;
	*ret = p;
	return 0;
}

static int check_elf(const char *path, struct rn_error *err)
{
	RN_AUTO(rn_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return rn_fail(err, RN_EIO, "open %s: %m", path);
	ElfW(Ehdr) head, mine;
	RN_AUTO(rn_closep) int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (rn_read_full(fd, &head, sizeof(head)) != sizeof(head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_type != ET_DYN) {
		rn_fail(err, RN_EUNSUPPORTED, "%s is not a plugin: it is no shared object", path);
		return rn_hint(err, "a plugin is built with `cc -shared`; see `runner plugins new NAME`");
	}
	if (self >= 0 && rn_read_full(self, &mine, sizeof(mine)) == sizeof(mine) &&
	    (mine.e_machine != head.e_machine || mine.e_ident[EI_CLASS] != head.e_ident[EI_CLASS]))
		return rn_fail(err, RN_EUNSUPPORTED, "%s was built for another processor (ELF machine %u, this is %u)", path,
			       head.e_machine, mine.e_machine);
	return 0;
}

int plugin_open(const char *path, const char *name, struct runner_plugin *ret, struct rn_error *err)
{
	if (check_elf(path, err) < 0)
		return -1;
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		rn_fail(err, RN_EUNSUPPORTED, "load %s: %s", path, dlerror());
		return rn_hint(err, "check what it links with `ldd %s`", path);
	}
	const struct runner_plugin *theirs = dlsym(handle, RUNNER_PLUGIN_SYMBOL);
	if (!theirs) {
		rn_fail(err, RN_EUNSUPPORTED, "%s is not a plugin: it does not export " RUNNER_PLUGIN_SYMBOL, path);
		return rn_hint(err, "define the descriptor with RUNNER_PLUGIN(...) of this runner's <runner/plugin.h>");
	}
	return plugin_accept(theirs, name, path, ret, err);
}

static cJSON *probe_one(const char *name, const char *path)
{
	struct rn_error err = { 0 };
	struct runner_plugin p;
	cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "name", name);
	if (plugin_open(path, name, &p, &err) == 0) {
		cJSON_AddItemToObject(j, "plugin", plugin_descriptor_json(&p, path));
		return j;
	}
	cJSON_AddNumberToObject(j, "code", err.code);
	cJSON_AddStringToObject(j, "error", err.msg);
	cJSON_AddStringToObject(j, "hint", err.hint);
	return j;
}

int plugin_probe_main(void)
{
	/* the answer keeps its own descriptor: constructors of plugins may print */
	RN_AUTO(rn_closep) int answer = fcntl(1, F_DUPFD_CLOEXEC, 3);
	RN_AUTO(rn_closep) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct rn_error err = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = { .max = SPEC_MAX };
	if (answer < 0 || null < 0 || rn_read_fd(0, &text, "spec", &err) < 0)
		return 3;
	RN_AUTO(rn_json_freep) cJSON *spec = rn_json_parse(rn_buf_str(&text), text.len, &err);
	if (!spec || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		return 3;
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	const cJSON *path;
	cJSON_ArrayForEach(path, rn_json_get(spec, "paths")) {
		RN_AUTO(rn_json_freep) cJSON *j = probe_one(path->string, cJSON_GetStringValue(path));
		RN_AUTO(rn_freep) char *line = rn_json_print(j);
		if (rn_write_full(answer, line, strlen(line)) < 0 || rn_write_full(answer, "\n", 1) < 0)
			return 3;
	}
	_exit(0); /* no destructor of a plugin may spoil the answer */
}
