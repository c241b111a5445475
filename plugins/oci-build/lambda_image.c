/* SPDX-License-Identifier: Apache-2.0 */
#include "lambda_image.h"

#include "base/fs.h"
#include "oci/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAMBDA_BYTES_MAX (UINT64_C(10) * 1024 * 1024 * 1024)
#define SHOWN 3
#define HEAD_SIZE 512
#define TASK_ROOT "/var/task"

/* ---- without files --------------------------------------------------------------------- */

static int check_layers(const struct lambda_image *i, struct rn_error *err)
{
	for (size_t k = 0; k < i->n_layers; k++) {
		const char *type = i->layers[k].media_type;
		if (rn_streq(type, MEDIA_OCI_LAYER_GZIP) || rn_streq(type, MEDIA_DOCKER_LAYER_GZIP))
			continue;
		rn_fail(err, RN_EINVAL, "Lambda takes gzip layers only, and layer %zu is %s", k + 1, type);
		return rn_hint(err, k < i->base_layers ? "choose a base image with gzip layers" : "set `compression: gzip`");
	}
	return 0;
}

static int check_platform(const struct lambda_image *i, struct rn_error *err)
{
	RN_AUTO(platform_clear) struct platform p = { 0 };
	config_platform(i->config, &p);
	if (rn_streq(p.os, "linux") && (rn_streq(p.architecture, "amd64") || rn_streq(p.architecture, "arm64")))
		return 0;
	RN_AUTO(rn_freep) char *text = platform_format(&p);
	rn_fail(err, RN_EINVAL, "Lambda runs linux/amd64 and linux/arm64, and the image is %s", text);
	return rn_hint(err, "set `platform: linux/amd64`, or linux/arm64 and the function's architecture to match");
}

/* The first word of what is started; NULL: nothing is. Borrowed. */
static const char *program_of(const cJSON *config)
{
	const cJSON *run = rn_json_get(config, "config"), *entrypoint = rn_json_get(run, "Entrypoint");
	const cJSON *words = cJSON_GetArraySize(entrypoint) > 0 ? entrypoint : rn_json_get(run, "Cmd");
	const cJSON *first = cJSON_GetArrayItem(words, 0);
	return cJSON_IsString(first) && *first->valuestring ? first->valuestring : NULL;
}

static int check_command(const struct lambda_image *i, struct rn_error *err)
{
	if (program_of(i->config))
		return 0;
	rn_fail(err, RN_EINVAL, "the image has neither ENTRYPOINT nor CMD, so Lambda has nothing to start");
	return rn_hint(err, "add ENTRYPOINT with the program that speaks the Lambda runtime API");
}

int lambda_check_config(const struct lambda_image *i, struct rn_error *err)
{
	return check_layers(i, err) < 0 || check_platform(i, err) < 0 ? -1 : check_command(i, err);
}

/* ---- the program that is started ------------------------------------------------------------ */

static const char *working_dir(const struct lambda_image *i)
{
	const char *dir = rn_json_str(rn_json_get(i->config, "config"), "WorkingDir");
	return dir && *dir ? dir : "/";
}

/* The file that `program` means: as a path, or looked for in PATH. NULL: there is none. */
static struct layer_node *find_program(const struct lambda_image *i, const char *program)
{
	if (strchr(program, '/')) {
		RN_AUTO(rn_freep) char *path = rn_path_abs(working_dir(i), program);
		return layer_tree_find(i->tree, path, true, NULL);
	}
	const char *search = config_env(i->config, "PATH");
	RN_AUTO(rn_strv_clear) struct rn_strv dirs = { 0 };
	rn_strv_split(&dirs, search ? search : "/usr/local/bin:/usr/bin:/bin", ':');
	for (size_t k = 0; k < dirs.n; k++) {
		RN_AUTO(rn_freep) char *path = rn_asprintf("%s/%s", dirs.v[k], program);
		struct layer_node *n = layer_tree_find(i->tree, path, true, NULL);
		if (n && n->type == LAYER_FILE)
			return n;
	}
	return NULL;
}

static ssize_t read_head(const struct lambda_image *i, struct layer_node *n, unsigned char *to, struct rn_error *err)
{
	int fd;
	off_t at;
	if (n->size == 0)
		return 0;
	if (layer_tree_content(i->tree, n, &fd, &at, err) < 0)
		return -1;
	size_t want = n->size < HEAD_SIZE ? (size_t)n->size : HEAD_SIZE;
	ssize_t got = pread(fd, to, want, at);
	return got < 0 ? rn_fail(err, RN_EIO, "read a file of the image: %m") : got;
}

/* ELF header: class at 4, byte order at 5, machine at 18 (System V ABI). */
static int check_elf(const struct lambda_image *i, const char *path, const unsigned char *head, size_t n, struct rn_error *err)
{
	static const struct { unsigned machine; const char *architecture; } machines[] = {
		{ 62, "amd64" }, { 183, "arm64" }, { 3, "386" }, { 40, "arm" }, { 243, "riscv64" }, { 22, "s390x" }, { 21, "ppc64le" },
	};
	RN_AUTO(platform_clear) struct platform p = { 0 };
	config_platform(i->config, &p);
	unsigned machine = n < 20 ? 0 : head[5] == 2 ? (unsigned)head[18] << 8 | head[19] : (unsigned)head[19] << 8 | head[18];
	const char *found = "another machine";
	for (size_t k = 0; k < RN_LEN(machines); k++)
		if (machines[k].machine == machine)
			found = machines[k].architecture;
	if (rn_streq(found, p.architecture))
		return 0;
	rn_fail(err, RN_EINVAL, "%s is a program for %s, and the image says %s", path, found, p.architecture);
	return rn_hint(err, "compile it for %s, or set `platform: linux/%s`", p.architecture, found);
}

static int check_program(const struct lambda_image *i, const char *program, unsigned depth, struct rn_error *err);

/* "#! /usr/bin/env NAME" and "#!/bin/sh -e": what runs the script must be there too. */
static int check_script(const struct lambda_image *i, unsigned char *head, size_t n, unsigned depth, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *line = rn_strndup((char *)head + 2, n - 2);
	line[strcspn(line, "\n")] = '\0';
	char *rest = rn_trim(line), *interpreter = strsep(&rest, " \t\r");
	if (check_program(i, interpreter, depth + 1, err) < 0)
		return -1;
	char *name = rest ? strsep(&rest, " \t\r") : NULL;
	bool env = rn_streq(rn_path_base(interpreter), "env") && name && *name != '-' && !strchr(name, '=');
	return env ? check_program(i, name, depth + 1, err) : 0;
}

static int check_program(const struct lambda_image *i, const char *program, unsigned depth, struct rn_error *err)
{
	struct layer_node *n = find_program(i, program);
	unsigned char head[HEAD_SIZE];
	if (!n || n->type != LAYER_FILE) {
		rn_fail(err, RN_EINVAL, "the image starts %s, which is %s", program, n ? "no file" : "not in it");
		return rn_hint(err, "copy the program into the image, or correct ENTRYPOINT%s", strchr(program, '/') ? "" : " or PATH");
	}
	RN_AUTO(rn_freep) char *plain = layer_node_path(n);
	RN_AUTO(rn_freep) char *path = rn_asprintf("/%s", plain);
	if ((n->mode & 05) != 05) {
		rn_fail(err, RN_EINVAL, "Lambda's user may not run %s: its mode is %04o", path, (unsigned)n->mode);
		return rn_hint(err, "COPY --chmod=755, or chmod 755 before the build");
	}
	ssize_t size = read_head(i, n, head, err);
	if (size < 0)
		return -1;
	if (size >= 4 && memcmp(head, "\177ELF", 4) == 0)
		return check_elf(i, path, head, (size_t)size, err);
	if (size > 2 && head[0] == '#' && head[1] == '!' && depth < 3)
		return check_script(i, head, (size_t)size, depth, err);
	return 0;
}

/* ---- files that Lambda's user cannot read ------------------------------------------------------ */

struct survey {
	const struct lambda_image *i;
	const char *task_root;
	size_t refused, doubtful;
	struct rn_strv shown, shown_doubtful;
};

/* Was the layer made by COPY or ADD? History has an entry for each layer, beside those without one. */
static bool made_by_copy(const cJSON *config, size_t layer)
{
	const cJSON *entry;
	size_t at = 0;
	cJSON_ArrayForEach(entry, rn_json_get(config, "history")) {
		if (rn_json_bool(entry, "empty_layer", false))
			continue;
		if (at++ != layer)
			continue;
		const char *text = rn_json_str(entry, "created_by");
		return text && (rn_starts(text, "COPY ") || rn_starts(text, "ADD ") || strstr(text, "#(nop) COPY") || strstr(text, "#(nop) ADD"));
	}
	return false;
}

/* What every distribution keeps from its users, and no function needs. */
static bool is_system(const char *path)
{
	static const char *const names[] = { "etc/shadow", "etc/shadow-", "etc/gshadow", "etc/gshadow-", "etc/.pwd.lock", "etc/security/opasswd",
					     "etc/sudoers", "lost+found" };
	static const char *const below[] = { "root", "etc/ssl/private", "etc/sudoers.d", "var/cache", "var/lib", "var/log", "var/spool", "run", "boot" };
	for (size_t k = 0; k < RN_LEN(names); k++)
		if (rn_streq(path, names[k]))
			return true;
	for (size_t k = 0; k < RN_LEN(below); k++) {
		size_t n = strlen(below[k]);
		if (strncmp(path, below[k], n) == 0 && (path[n] == '/' || path[n] == '\0'))
			return true;
	}
	return false;
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	return n == 0 || (strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0'));
}

static void judge(struct survey *s, const struct layer_node *n)
{
	RN_AUTO(rn_freep) char *path = layer_node_path(n);
	bool own = n->layer >= s->i->base_layers;
	bool task = *s->task_root && is_below(path, s->task_root);
	if (!task && (!own || is_system(path)))
		return;
	bool refused = task || made_by_copy(s->i->config, n->layer);
	struct rn_strv *shown = refused ? &s->shown : &s->shown_doubtful;
	*(refused ? &s->refused : &s->doubtful) += 1;
	if (shown->n < SHOWN)
		rn_strv_addf(shown, "/%s", path);
}

static void look(struct survey *s, const struct layer_node *n)
{
	mode_t need = n->type == LAYER_DIR ? 05 : 04;
	if ((n->type == LAYER_FILE || n->type == LAYER_DIR) && (n->mode & need) != need && *n->name)
		judge(s, n);
	for (size_t k = 0; k < n->n_children; k++)
		look(s, n->children[k]);
}

static int report(const struct survey *s, struct rn_error *err)
{
	if (s->doubtful) {
		RN_AUTO(rn_freep) char *names = rn_strv_join(&s->shown_doubtful, ", ");
		RN_AUTO(rn_freep) char *text = rn_asprintf("Lambda's user cannot read %zu files or folders that RUN made: %s%s", s->doubtful, names,
							  s->doubtful > SHOWN ? ", …" : "");
		s->i->warn(s->i->ctx, text);
	}
	if (!s->refused)
		return 0;
	RN_AUTO(rn_freep) char *names = rn_strv_join(&s->shown, ", ");
	rn_fail(err, RN_EINVAL, "Lambda's user cannot read %zu files or folders: %s%s", s->refused, names, s->refused > SHOWN ? ", …" : "");
	return rn_hint(err, "COPY --chmod=u=rwX,go=rX, or chmod -R go+rX before the build: Lambda does not run as root");
}

static int check_readable(const struct lambda_image *i, struct rn_error *err)
{
	const char *root = config_env(i->config, "LAMBDA_TASK_ROOT");
	if (!root || *root != '/')
		root = rn_streq(working_dir(i), "/") ? TASK_ROOT : working_dir(i);
	struct survey s = { .i = i, .task_root = root + strspn(root, "/") };
	look(&s, layer_tree_root(i->tree));
	int rc = report(&s, err);
	rn_strv_clear(&s.shown);
	rn_strv_clear(&s.shown_doubtful);
	return rc;
}

int lambda_check_files(const struct lambda_image *i, struct rn_error *err)
{
	uint64_t bytes = layer_tree_bytes(i->tree);
	if (bytes > LAMBDA_BYTES_MAX) {
		char have[32];
		rn_fail(err, RN_ELIMIT, "Lambda takes 10 GiB unpacked, and the image's layers have %s", rn_format_size(bytes, have, sizeof(have)));
		return rn_hint(err, "leave out what the function does not need, or build in one stage and copy the result into another");
	}
	return check_program(i, program_of(i->config), 0, err) < 0 ? -1 : check_readable(i, err);
}
