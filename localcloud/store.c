/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include "base/fs.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define STORE_VERSION 1

static const char SCHEMA[] =
	/* every resource of every service */
	"CREATE TABLE object(kind TEXT NOT NULL, parent TEXT NOT NULL, id TEXT NOT NULL, doc TEXT "
	"NOT NULL,"
	" PRIMARY KEY(kind, parent, id)) WITHOUT ROWID;"
	"CREATE INDEX object_by_id ON object(kind, id);"
	/* the registry: blobs are files by digest, linked to the repositories that hold them */
	"CREATE TABLE blob(digest TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE blob_link(region TEXT NOT NULL, repository TEXT NOT NULL, digest TEXT NOT "
	"NULL,"
	" linked REAL NOT NULL, PRIMARY KEY(region, repository, digest)) WITHOUT ROWID;"
	"CREATE INDEX blob_link_by_digest ON blob_link(digest);"
	"CREATE TABLE manifest(region TEXT NOT NULL, repository TEXT NOT NULL, digest TEXT NOT "
	"NULL,"
	" media_type TEXT NOT NULL, artifact_type TEXT, subject TEXT, annotations TEXT, size "
	"INTEGER NOT NULL,"
	" image_size INTEGER NOT NULL, pushed REAL NOT NULL, body BLOB NOT NULL,"
	" PRIMARY KEY(region, repository, digest));"
	"CREATE INDEX manifest_by_subject ON manifest(region, repository, subject);"
	"CREATE TABLE tag(region TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL,"
	" digest TEXT NOT NULL, PRIMARY KEY(region, repository, tag)) WITHOUT ROWID;"
	"CREATE TABLE upload(id TEXT PRIMARY KEY, region TEXT NOT NULL, repository TEXT NOT NULL,"
	" started REAL NOT NULL) WITHOUT ROWID;"
	"PRAGMA user_version = 1;";

struct store {
	sqlite3 *db;
	pthread_mutex_t lock;  /* recursive */
	unsigned depth;        /* open begins of the thread that holds the lock */
	bool failed;           /* the transaction cannot commit */
	bool relaxed;          /* it is not synced */
	struct rn_error error; /* why */
};

static int store_fail(struct store *s, const char *what)
{
	if (!s->failed)
		rn_fail(&s->error, RN_EIO, "state database: %s: %s", what, sqlite3_errmsg(s->db));
	s->failed = true;
	return -1;
}

static int run(struct store *s, const char *sql)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static int upgrade(struct store *s, struct rn_error *err)
{
	sqlite3_stmt *q = NULL;
	int version = -1;
	if (sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &q, NULL) == SQLITE_OK &&
	    sqlite3_step(q) == SQLITE_ROW)
		version = sqlite3_column_int(q, 0);
	sqlite3_finalize(q);
	if (version < 0)
		return rn_fail(err, RN_EIO, "read the state database: %s", sqlite3_errmsg(s->db));
	if (version > STORE_VERSION) {
		rn_fail(err, RN_EUNSUPPORTED,
			"the state was written by a newer runner (format %d, this one knows %d)",
			version, STORE_VERSION);
		return rn_hint(err,
			       "use that runner, another --state folder, or `runner cloud reset`");
	}
	if (version == STORE_VERSION)
		return 0;
	if (run(s, "BEGIN") < 0 || run(s, SCHEMA) < 0 || run(s, "COMMIT") < 0)
		return rn_fail(err, RN_EIO, "prepare the state database: %s",
			       sqlite3_errmsg(s->db));
	return 0;
}

struct store *store_open(const char *dir, struct rn_error *err)
{
	struct store *s = rn_alloc(sizeof(*s));
	pthread_mutexattr_t attr;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&s->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	RN_AUTO(rn_freep) char *path = rn_path_join(dir, "state.db");
	int rc = sqlite3_open_v2(path, &s->db,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
				 NULL);
	if (rc != SQLITE_OK) {
		rn_fail(err, RN_EIO, "open %s: %s", path,
			s->db ? sqlite3_errmsg(s->db) : "out of memory");
		store_close(s);
		return NULL;
	}
	sqlite3_busy_timeout(s->db, 10000);
	if (run(s, "PRAGMA journal_mode = WAL") < 0 || run(s, "PRAGMA synchronous = FULL") < 0 ||
	    run(s, "PRAGMA temp_store = MEMORY") < 0) {
		rn_fail(err, RN_EIO, "open %s: %s", path, sqlite3_errmsg(s->db));
		rn_hint(err, "if the file is damaged, `runner cloud reset` starts afresh");
		store_close(s);
		return NULL;
	}
	if (upgrade(s, err) < 0) {
		store_close(s);
		return NULL;
	}
	return s;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	sqlite3_close_v2(s->db);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void store_begin(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	if (s->depth++ > 0)
		return;
	s->failed = false;
	if (run(s, "BEGIN") < 0)
		store_fail(s, "begin");
}

void store_begin_relaxed(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	if (s->depth == 0) /* it cannot change inside a transaction */
		s->relaxed = run(s, "PRAGMA synchronous = NORMAL") == 0;
	store_begin(s);
	pthread_mutex_unlock(&s->lock); /* store_begin holds it once more */
}

int store_end(struct store *s, bool commit, struct rn_error *err)
{
	int rc = 0;
	if (!commit && s->depth > 1)
		store_fail(s, "an inner transaction was given up");
	if (--s->depth == 0) {
		if (commit && !s->failed && run(s, "COMMIT") < 0)
			store_fail(s, "commit");
		if (s->failed) {
			rc = -1;
			if (err)
				*err = s->error;
		}
		if (!sqlite3_get_autocommit(s->db))
			run(s, "ROLLBACK");
		if (s->relaxed && run(s, "PRAGMA synchronous = FULL") == 0)
			s->relaxed = false;
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

sqlite3_stmt *store_query(struct store *s, const char *sql, size_t n, const char *const *args)
{
	sqlite3_stmt *q = NULL;
	if (s->failed)
		return NULL;
	if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK) {
		store_fail(s, sql);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (args[i])
			sqlite3_bind_text(q, (int)i + 1, args[i], -1, SQLITE_TRANSIENT);
	return q;
}

bool store_row(struct store *s, sqlite3_stmt *q)
{
	if (!q)
		return false;
	int rc = sqlite3_step(q);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		store_fail(s, "read or write");
	return rc == SQLITE_ROW;
}

void store_done(sqlite3_stmt *q)
{
	sqlite3_finalize(q);
}

int store_exec(struct store *s, const char *sql, size_t n, const char *const *args)
{
	sqlite3_stmt *q = store_query(s, sql, n, args);
	if (!q)
		return -1;
	store_row(s, q);
	store_done(q);
	return s->failed ? -1 : sqlite3_changes(s->db);
}

/* ---- documents ---- */

static cJSON *parse_doc(struct store *s, sqlite3_stmt *q, int column)
{
	const char *text = (const char *)sqlite3_column_text(q, column);
	cJSON *doc = text ? cJSON_Parse(text) : NULL;
	if (!doc)
		store_fail(s, "damaged document");
	return doc;
}

cJSON *store_get(struct store *s, const char *kind, const char *parent, const char *id)
{
	store_begin(s);
	sqlite3_stmt *q = store_query(
		s, "SELECT doc FROM object WHERE kind = ? AND parent = ? AND id = ?", 3,
		(const char *[]){ kind, parent, id });
	cJSON *doc = store_row(s, q) ? parse_doc(s, q, 0) : NULL;
	store_done(q);
	store_end(s, true, NULL);
	return doc;
}

bool store_has(struct store *s, const char *kind, const char *parent, const char *id)
{
	store_begin(s);
	sqlite3_stmt *q = store_query(
		s, "SELECT 1 FROM object WHERE kind = ? AND parent = ? AND id = ?", 3,
		(const char *[]){ kind, parent, id });
	bool found = store_row(s, q);
	store_done(q);
	store_end(s, true, NULL);
	return found;
}

int store_put(struct store *s, const char *kind, const char *parent, const char *id,
	      const cJSON *doc, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *text = rn_json_print(doc);
	store_begin(s);
	store_exec(s,
		   "INSERT INTO object(kind, parent, id, doc) VALUES(?, ?, ?, ?)"
		   " ON CONFLICT(kind, parent, id) DO UPDATE SET doc = excluded.doc",
		   4, (const char *[]){ kind, parent, id, text });
	return store_end(s, true, err);
}

int store_remove(struct store *s, const char *kind, const char *parent, const char *id,
		 struct rn_error *err)
{
	store_begin(s);
	int n = store_exec(s, "DELETE FROM object WHERE kind = ? AND parent = ? AND id = ?", 3,
			   (const char *[]){ kind, parent, id });
	return store_end(s, true, err) < 0 ? -1 : n;
}

int store_remove_all(struct store *s, const char *kind, const char *parent, struct rn_error *err)
{
	store_begin(s);
	store_exec(s, "DELETE FROM object WHERE kind = ? AND parent = ?", 2,
		   (const char *[]){ kind, parent });
	return store_end(s, true, err);
}

cJSON *store_list(struct store *s, const char *kind, const char *parent, const char *after,
		  size_t limit)
{
	cJSON *list = cJSON_CreateArray();
	store_begin(s);
	sqlite3_stmt *q = store_query(
		s,
		"SELECT doc FROM object WHERE kind = ? AND parent = ? AND id > ?"
		" ORDER BY id LIMIT ?",
		3, (const char *[]){ kind, parent, after ? after : "" });
	if (q)
		sqlite3_bind_int64(q, 4, limit ? (sqlite3_int64)limit : -1);
	while (store_row(s, q)) {
		cJSON *doc = parse_doc(s, q, 0);
		if (doc)
			cJSON_AddItemToArray(list, doc);
	}
	store_done(q);
	store_end(s, true, NULL);
	return list;
}

cJSON *store_find(struct store *s, const char *kind, const char *id, char **ret_parent)
{
	store_begin(s);
	sqlite3_stmt *q = store_query(
		s, "SELECT doc, parent FROM object WHERE kind = ? AND id = ? LIMIT 1", 2,
		(const char *[]){ kind, id });
	cJSON *doc = store_row(s, q) ? parse_doc(s, q, 0) : NULL;
	if (doc && ret_parent)
		*ret_parent = rn_strdup((const char *)sqlite3_column_text(q, 1));
	store_done(q);
	store_end(s, true, NULL);
	return doc;
}

int64_t store_count(struct store *s, const char *kind, const char *parent)
{
	int64_t n = 0;
	store_begin(s);
	sqlite3_stmt *q = store_query(s,
				      "SELECT count(*) FROM object WHERE kind = ? AND parent = ?",
				      2, (const char *[]){ kind, parent });
	if (store_row(s, q))
		n = sqlite3_column_int64(q, 0);
	store_done(q);
	store_end(s, true, NULL);
	return n;
}
