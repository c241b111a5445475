/* SPDX-License-Identifier: Apache-2.0 */
#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int rn_write_full(int fd, const void *data, size_t n)
{
	const char *p = data;
	while (n) {
		ssize_t k = write(fd, p, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

ssize_t rn_read_full(int fd, void *to, size_t n)
{
	char *p = to;
	size_t done = 0;
	while (done < n) {
		ssize_t k = read(fd, p + done, n - done);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		if (k == 0)
			break;
		done += (size_t)k;
	}
	return (ssize_t)done;
}

int rn_read_fd(int fd, struct rn_buf *b, const char *what, struct rn_error *err)
{
	char chunk[65536];
	for (;;) {
		ssize_t n = rn_read_full(fd, chunk, sizeof(chunk));
		if (n < 0)
			return rn_fail(err, RN_EIO, "read %s: %m", what);
		if (n == 0)
			return 0;
		if (rn_buf_add(b, chunk, (size_t)n) < 0)
			return rn_buf_check(b, what, err);
	}
}

int rn_read_file(const char *path, size_t max, struct rn_buf *ret, struct rn_error *err)
{
	RN_AUTO(rn_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return rn_fail(err, errno == ENOENT || errno == ENOTDIR ? RN_ENOTFOUND : RN_EIO,
			       "open %s: %m", path);
	struct rn_buf b = { .max = max };
	if (rn_read_fd(fd, &b, path, err) < 0) {
		rn_buf_clear(&b);
		return -1;
	}
	rn_buf_clear(ret);
	b.max = ret->max;
	*ret = b;
	return 0;
}

static void sync_dir_of(const char *path)
{
	RN_AUTO(rn_freep) char *dir = rn_path_dir(path);
	RN_AUTO(rn_closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		(void)!fsync(fd); /* some file systems cannot; the rename itself stands */
}

static int replace(const char *path, const void *data, size_t n, mode_t mode, bool sync, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *tmp = rn_asprintf("%s.XXXXXX", path);
	RN_AUTO(rn_closep) int fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return rn_fail(err, RN_EIO, "create %s: %m", tmp);
	if (fchmod(fd, mode) < 0 || rn_write_full(fd, data, n) < 0 || (sync && fsync(fd) < 0)) {
		rn_fail(err, RN_EIO, "write %s: %m", path);
		unlink(tmp);
		return -1;
	}
	if (rename(tmp, path) < 0) {
		rn_fail(err, RN_EIO, "rename %s to %s: %m", tmp, path);
		unlink(tmp);
		return -1;
	}
	if (sync)
		sync_dir_of(path);
	return 0;
}

int rn_write_file(const char *path, const void *data, size_t n, mode_t mode, struct rn_error *err)
{
	return replace(path, data, n, mode, true, err);
}

int rn_replace_file(const char *path, const void *data, size_t n, mode_t mode, struct rn_error *err)
{
	return replace(path, data, n, mode, false, err);
}

char *rn_path_join(const char *a, const char *b)
{
	if (b[0] == '/')
		return rn_strdup(b);
	return rn_asprintf("%s%s%s", a, rn_ends(a, "/") ? "" : "/", b);
}

char *rn_path_below(const char *dir, const char *name)
{
	size_t n = strlen(dir), size = strlen(name) + 1;
	if (!n)
		return rn_strdup(name);
	char *path = rn_alloc(n + 1 + size);
	memcpy(path, dir, n);
	path[n] = '/';
	memcpy(path + n + 1, name, size);
	return path;
}

char *rn_path_clean(const char *path)
{
	bool rooted = path[0] == '/';
	char *out = rn_alloc(strlen(path) + 2), *w = out;
	char *floor; /* ".." never removes what lies before it */
	if (rooted)
		*w++ = '/';
	floor = w;
	while (*path) {
		size_t n = strcspn(path, "/");
		bool dots = n == 2 && path[0] == '.' && path[1] == '.';
		if (dots && w > floor) {
			while (w > floor && w[-1] != '/')
				w--;
			if (w > floor)
				w--;
		} else if (n && !(n == 1 && path[0] == '.') && !(dots && rooted)) {
			if (w > out && w[-1] != '/')
				*w++ = '/';
			memcpy(w, path, n);
			w += n;
			if (dots)
				floor = w;
		}
		path += n + (path[n] == '/');
	}
	if (w == out)
		*w++ = '.';
	*w = '\0';
	return out;
}

char *rn_path_abs(const char *base, const char *path)
{
	RN_AUTO(rn_freep) char *cwd = base || path[0] == '/' ? NULL : getcwd(NULL, 0);
	RN_AUTO(rn_freep) char *joined = rn_path_join(base ? base : cwd ? cwd : "/", path);
	return rn_path_clean(joined);
}

char *rn_path_home(const char *base, const char *path)
{
	const char *home = rn_starts(path, "~/") ? getenv("HOME") : NULL;
	return rn_path_abs(home ? home : base, home ? path + 2 : path);
}

/* False where this user may not make or write to that folder. Other faults are told by who uses it. */
static bool is_allowed(const char *dir)
{
	RN_AUTO(rn_freep) char *at = rn_strdup(dir);
	while (access(at, W_OK | X_OK) < 0) {
		if (errno != ENOENT)
			return errno != EACCES && errno != EROFS;
		char *above = rn_path_dir(at);
		free(at);
		at = above;
	}
	return true;
}

char *rn_cache_dir(void)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	if (base && base[0] == '/')
		return rn_path_join(base, "runner");
	RN_AUTO(rn_freep) char *dir = home && home[0] == '/' ? rn_path_join(home, ".cache/runner") : NULL;
	return dir && is_allowed(dir) ? rn_take(&dir) : NULL;
}

const char *rn_path_base(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

char *rn_path_dir(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return rn_strdup(".");
	return slash == path ? rn_strdup("/") : rn_strndup(path, (size_t)(slash - path));
}

int rn_mkdirs(const char *path, mode_t mode, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *p = rn_path_clean(path);
	for (char *s = p + 1;; s++) {
		if (*s && *s != '/')
			continue;
		char c = *s;
		*s = '\0';
		struct stat st;
		if (mkdir(p, mode) < 0 && (errno != EEXIST || stat(p, &st) < 0 || !S_ISDIR(st.st_mode))) {
			if (errno != EEXIST || !c)
				return rn_fail(err, RN_EIO, "make folder %s: %m", p);
			errno = ENOTDIR;
			return rn_fail(err, RN_EIO, "make folder %s: %s: %m", path, p);
		}
		*s = c;
		if (!c)
			return 0;
	}
}

/* Removes what is below dir_fd; keeps going to the end and returns the first errno. */
static int remove_below(int dir_fd)
{
	int first = 0;
	DIR *dir = fdopendir(dir_fd); /* owns dir_fd */
	if (!dir) {
		first = errno;
		close(dir_fd);
		return first;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), e->d_name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM && errno != EACCES) {
			first = first ? first : errno;
			continue;
		}
		int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
		int fd = openat(dirfd(dir), e->d_name, flags);
		if (fd < 0 && errno == EACCES && fchmodat(dirfd(dir), e->d_name, 0700, 0) == 0)
			fd = openat(dirfd(dir), e->d_name, flags);
		if (fd < 0) {
			first = first ? first : errno;
			continue;
		}
		(void)!fchmod(fd, 0700);
		int below = remove_below(fd);
		if (unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR) < 0)
			first = first ? first : below ? below : errno;
	}
	closedir(dir);
	return first;
}

int rn_remove_tree(const char *path, struct rn_error *err)
{
	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && chmod(path, 0700) == 0)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return rn_fail(err, RN_EIO, "remove %s: %m", path);
	(void)!fchmod(fd, 0700);
	int first = remove_below(fd);
	if (rmdir(path) < 0 && errno != ENOENT) {
		errno = first ? first : errno;
		return rn_fail(err, RN_EIO, "remove %s: %m", path);
	}
	return 0;
}

char *rn_temp_dir(const char *dir, const char *prefix, struct rn_error *err)
{
	char *path = rn_asprintf("%s/%sXXXXXX", dir, prefix);
	if (mkdtemp(path))
		return path;
	rn_fail(err, RN_EIO, "make a folder in %s: %m", dir);
	free(path);
	return NULL;
}

bool rn_exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

int rn_list_dir(const char *path, struct rn_strv *ret, struct rn_error *err)
{
	DIR *dir = opendir(path);
	if (!dir)
		return rn_fail(err, errno == ENOENT ? RN_ENOTFOUND : RN_EIO, "open folder %s: %m", path);
	for (struct dirent *e; (e = readdir(dir));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rn_strv_add(ret, e->d_name);
	closedir(dir);
	rn_strv_sort(ret);
	return 0;
}

bool rn_dir_has_names(const char *path)
{
	DIR *dir = opendir(path);
	bool has = false;
	for (struct dirent *e; dir && !has && (e = readdir(dir));)
		has = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	if (dir)
		closedir(dir);
	return has;
}

size_t rn_hole(int fd, off_t at, size_t max)
{
	struct stat st;
	off_t data = lseek(fd, at, SEEK_DATA);
	if (data >= 0)
		return (uint64_t)(data - at) < max ? (size_t)(data - at) : max;
	bool trailing = errno == ENXIO && fstat(fd, &st) == 0 && st.st_size >= at && (uint64_t)(st.st_size - at) >= max;
	return trailing ? max : 0;
}

int rn_end_output(int code, int failed)
{
	bool broken = ferror(stdout);
	if (fflush(stdout) == 0 && !broken)
		return code;
	char why[128] = "";
	struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };
	if (!broken) /* errno is that of now */
		snprintf(why, sizeof(why), ": %s", strerror(errno));
	if (poll(&p, 1, 0) > 0 && p.revents & POLLERR)
		return code;
	fprintf(stderr, "%s: cannot write to standard output%s\n", program_invocation_short_name, why);
	return code ? code : failed;
}

int rn_lock_file(const char *path, bool shared, bool wait, struct rn_error *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return rn_fail(err, RN_EIO, "open lock %s: %m", path);
	int op = (shared ? LOCK_SH : LOCK_EX) | (wait ? 0 : LOCK_NB), rc;
	while ((rc = flock(fd, op)) < 0 && errno == EINTR)
		;
	if (rc == 0)
		return fd;
	int held = errno == EWOULDBLOCK;
	rn_fail(err, held ? RN_EEXISTS : RN_EIO, "lock %s: %m", path);
	close(fd);
	return -1;
}
