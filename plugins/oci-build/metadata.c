/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata.h"

#include "dockerfile_expand.h"
#include "dockerfile_parser.h"
#include "layer_draft.h"

#include "base/buf.h"
#include "base/fs.h"
#include "oci/config.h"

#include <stdlib.h>
#include <string.h>

/* History entries as docker's builders write them, so that `docker history` and scanners read ours alike. */
static int note(const struct step *s, struct rn_buf *text)
{
	fs_state_note(&s->stage->state, s->b, rn_buf_str(text));
	rn_buf_clear(text);
	return 0;
}

static void set(cJSON *o, const char *name, cJSON *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(o, name);
	if (value)
		cJSON_AddItemToObject(o, name, value);
}

static cJSON *string_list(const struct rn_strv *l)
{
	cJSON *a = cJSON_CreateArray();
	for (size_t i = 0; i < l->n; i++)
		cJSON_AddItemToArray(a, cJSON_CreateString(l->v[i]));
	return a;
}

/* The object of that name, made when missing. */
static cJSON *object(cJSON *in, const char *name)
{
	cJSON *o = rn_json_get(in, name);
	if (cJSON_IsObject(o))
		return o;
	set(in, name, cJSON_CreateObject());
	return rn_json_get(in, name);
}

/* ["a" "b"] */
static void quoted_list(struct rn_buf *b, const struct rn_strv *l)
{
	rn_buf_addc(b, '[');
	for (size_t i = 0; i < l->n; i++) {
		if (i)
			rn_buf_addc(b, ' ');
		rn_json_quote(b, l->v[i], strlen(l->v[i]));
	}
	rn_buf_addc(b, ']');
}

static char *expand_text(const struct step *s)
{
	return step_expand(s, s->i->words.v[0].text, s->i->words.v[0].at);
}

/* ---- variables --------------------------------------------------------------------------- */

/* Every pair sees the values from before the instruction, so all are expanded first. */
static int expand_pairs(const struct step *s, struct rn_strv *ret)
{
	for (size_t i = 0; i < s->i->n_pairs; i++) {
		const struct df_pair *p = &s->i->pairs[i];
		RN_AUTO(rn_freep) char *key = step_expand(s, p->key, p->at);
		RN_AUTO(rn_freep) char *value = key ? step_expand(s, p->value, p->value_at) : NULL;
		if (!value)
			return -1;
		if (!*key)
			return step_fail(s, p->at, RN_EINVAL, "a name is empty here");
		rn_strv_take(ret, rn_take(&key));
		rn_strv_take(ret, rn_take(&value));
	}
	return 0;
}

int step_env(struct step *s)
{
	RN_AUTO(rn_strv_clear) struct rn_strv pairs = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (expand_pairs(s, &pairs) < 0)
		return -1;
	rn_buf_adds(&text, "ENV");
	for (size_t i = 0; i < pairs.n; i += 2) {
		if (strchr(pairs.v[i], '='))
			return step_fail(s, s->i->pairs[i / 2].at, RN_EINVAL, "the name of a variable cannot have a '='");
		config_set_env(s->stage->state.config, pairs.v[i], pairs.v[i + 1]);
		rn_buf_addf(&text, " %s=%s", pairs.v[i], pairs.v[i + 1]);
	}
	return note(s, &text);
}

int step_label(struct step *s)
{
	RN_AUTO(rn_strv_clear) struct rn_strv pairs = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (expand_pairs(s, &pairs) < 0)
		return -1;
	cJSON *labels = object(step_config(s), "Labels");
	rn_buf_adds(&text, "LABEL");
	for (size_t i = 0; i < pairs.n; i += 2) {
		set(labels, pairs.v[i], cJSON_CreateString(pairs.v[i + 1]));
		rn_buf_addf(&text, " %s=%s", pairs.v[i], pairs.v[i + 1]);
	}
	return note(s, &text);
}

/* ARG NAME: the pipeline's value, else the default, else the global ARG of that name. */
static int declare_arg(const struct step *s, const struct df_pair *p, struct rn_buf *text)
{
	RN_AUTO(rn_freep) char *value = rn_strdup(build_arg(s->b, p->key));
	if (!value && p->value && !(value = step_expand(s, p->value, p->value_at)))
		return -1;
	if (!value)
		value = rn_strdup(rn_map_get(&s->graph->globals, p->key));
	rn_buf_addf(text, value ? " %s=%s" : " %s", p->key, value);
	rn_map_set(&s->stage->args, p->key, rn_take(&value));
	return 0;
}

int step_arg(struct step *s)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	rn_buf_adds(&text, "ARG");
	for (size_t i = 0; i < s->i->n_pairs; i++)
		if (declare_arg(s, &s->i->pairs[i], &text) < 0)
			return -1;
	return note(s, &text);
}

/* ---- commands ------------------------------------------------------------------------------- */

void step_command(const struct step *s, size_t first, struct rn_strv *ret)
{
	if (!s->i->json) {
		const cJSON *shell = rn_json_get(step_config(s), "Shell"), *item;
		cJSON_ArrayForEach(item, shell)
			rn_strv_add(ret, cJSON_IsString(item) ? item->valuestring : "");
		if (ret->n == 0) {
			rn_strv_add(ret, "/bin/sh");
			rn_strv_add(ret, "-c");
		}
	}
	for (size_t i = first; i < s->i->words.n; i++)
		rn_strv_add(ret, s->i->words.v[i].text);
}

static int set_command(struct step *s, const char *member)
{
	RN_AUTO(rn_strv_clear) struct rn_strv words = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (s->i->words.n > 0)
		step_command(s, 0, &words);
	set(step_config(s), member, words.n ? string_list(&words) : NULL);
	rn_buf_addf(&text, "%s ", df_op_name(s->i->op));
	quoted_list(&text, &words);
	return note(s, &text);
}

int step_cmd(struct step *s)
{
	s->stage->cmd_set = true;
	return set_command(s, "Cmd");
}

/* A CMD that came with the base was meant for the base's ENTRYPOINT. */
int step_entrypoint(struct step *s)
{
	if (!s->stage->cmd_set)
		set(step_config(s), "Cmd", NULL);
	return set_command(s, "Entrypoint");
}

int step_shell(struct step *s)
{
	RN_AUTO(rn_strv_clear) struct rn_strv words = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	for (size_t i = 0; i < s->i->words.n; i++)
		rn_strv_add(&words, s->i->words.v[i].text);
	set(step_config(s), "Shell", string_list(&words));
	RN_AUTO(rn_freep) char *joined = rn_strv_join(&words, " ");
	rn_buf_addf(&text, "SHELL [%s]", joined);
	return note(s, &text);
}

/* ---- ports, volumes, users --------------------------------------------------------------------- */

static int bad_port(const struct step *s, struct df_at at, const char *text)
{
	step_fail(s, at, RN_EINVAL, "\"%s\" is no port", text);
	return rn_hint(s->err, "write 80, 80/udp or 8000-8010/tcp, with numbers from 0 to 65535");
}

/* "80", "53/UDP", "8000-8002/tcp" */
static int add_ports(const struct step *s, struct df_at at, const char *word, cJSON *ports, struct rn_strv *names)
{
	RN_AUTO(rn_freep) char *text = rn_lower(rn_strdup(word));
	char *slash = strchr(text, '/');
	const char *protocol = slash ? slash + 1 : "tcp";
	if (slash)
		*slash = '\0';
	char *last = strchr(text, '-');
	if (last)
		*last++ = '\0';
	int64_t from, to;
	if (rn_parse_int(text, 0, 65535, &from, NULL) < 0 || rn_parse_int(last ? last : text, from, 65535, &to, NULL) < 0 ||
	    (!rn_streq(protocol, "tcp") && !rn_streq(protocol, "udp") && !rn_streq(protocol, "sctp")))
		return bad_port(s, at, word);
	for (int64_t p = from; p <= to; p++) {
		RN_AUTO(rn_freep) char *name = rn_asprintf("%lld/%s", (long long)p, protocol);
		set(ports, name, cJSON_CreateObject());
		rn_strv_add(names, name);
	}
	return 0;
}

static const char *lookup(void *ctx, const char *name)
{
	return step_variable(ctx, name);
}

int step_expose(struct step *s)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	cJSON *ports = object(step_config(s), "ExposedPorts");
	for (size_t i = 0; i < s->i->words.n; i++) {
		const struct df_word *w = &s->i->words.v[i];
		struct df_expander x = { .escape = s->escape, .get = lookup, .ctx = s->stage };
		RN_AUTO(rn_strv_clear) struct rn_strv words = { 0 };
		int rc = df_expand_split(&x, w->text, &words, s->err);
		rn_strv_clear(&x.unset);
		if (rc < 0)
			return step_locate(s, w->at);
		if (words.n == 0)
			return bad_port(s, w->at, w->text);
		for (size_t n = 0; n < words.n; n++)
			if (add_ports(s, w->at, words.v[n], ports, &names) < 0)
				return -1;
	}
	rn_strv_sort(&names);
	rn_buf_adds(&text, "EXPOSE map[");
	for (size_t i = 0; i < names.n; i++)
		if (i == 0 || !rn_streq(names.v[i], names.v[i - 1]))
			rn_buf_addf(&text, "%s%s:{}", i ? " " : "", names.v[i]);
	rn_buf_addc(&text, ']');
	return note(s, &text);
}

int step_volume(struct step *s)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	cJSON *volumes = object(step_config(s), "Volumes");
	rn_buf_adds(&text, "VOLUME [");
	for (size_t i = 0; i < s->i->words.n; i++) {
		const struct df_word *w = &s->i->words.v[i];
		RN_AUTO(rn_freep) char *path = step_expand(s, w->text, w->at);
		if (!path)
			return -1;
		if (!*path)
			return step_fail(s, w->at, RN_EINVAL, "a volume is empty here");
		set(volumes, path, cJSON_CreateObject());
		rn_buf_addf(&text, "%s%s", i ? " " : "", path);
	}
	rn_buf_addc(&text, ']');
	return note(s, &text);
}

/* One expanded text that becomes a string member. */
static int set_text(struct step *s, const char *member, const char *value)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	set(step_config(s), member, cJSON_CreateString(value));
	rn_buf_addf(&text, "%s %s", df_op_name(s->i->op), value);
	return note(s, &text);
}

int step_user(struct step *s)
{
	RN_AUTO(rn_freep) char *user = expand_text(s);
	if (!user)
		return -1;
	if (!*user)
		return step_fail(s, s->i->words.v[0].at, RN_EINVAL, "USER is empty here");
	return set_text(s, "User", user);
}

static bool signal_known(const char *name)
{
	int64_t number;
	if (rn_parse_int(name, 1, 64, &number, NULL) == 0)
		return true;
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	if (strncasecmp(name, "RTMIN", 5) == 0 || strncasecmp(name, "RTMAX", 5) == 0)
		return name[5] == '\0' || ((name[5] == '+' || name[5] == '-') && rn_parse_int(name + 6, 0, 32, &number, NULL) == 0);
	for (int i = 1; i < 32; i++)
		if (sigabbrev_np(i) && strcasecmp(sigabbrev_np(i), name) == 0)
			return true;
	return false;
}

int step_stopsignal(struct step *s)
{
	RN_AUTO(rn_freep) char *name = expand_text(s);
	if (!name)
		return -1;
	if (!signal_known(name)) {
		step_fail(s, s->i->words.v[0].at, RN_EINVAL, "\"%s\" is no signal", name);
		return rn_hint(s->err, "write a name like SIGTERM, or a number from 1 to 64");
	}
	return set_text(s, "StopSignal", name);
}

/* The reference does not list it among the instructions whose variables are replaced. */
int step_maintainer(struct step *s)
{
	const char *who = s->i->words.v[0].text;
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	set(s->stage->state.config, "author", cJSON_CreateString(who));
	rn_buf_addf(&text, "MAINTAINER %s", who);
	return note(s, &text);
}

/* The trigger as it will be read by who builds FROM this image: BuildKit writes no history for it. */
int step_onbuild(struct step *s)
{
	const struct df_instruction *t = s->i->trigger;
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	rn_buf_adds(&text, t->original);
	for (size_t i = 0; i < t->n_heredocs; i++)
		rn_buf_addf(&text, "\n%s%s", t->heredocs[i].body, t->heredocs[i].name);
	cJSON *list = rn_json_get(step_config(s), "OnBuild");
	if (!cJSON_IsArray(list)) {
		set(step_config(s), "OnBuild", cJSON_CreateArray());
		list = rn_json_get(step_config(s), "OnBuild");
	}
	cJSON_AddItemToArray(list, cJSON_CreateString(rn_buf_str(&text)));
	return 0;
}

/* ---- WORKDIR ---------------------------------------------------------------------------------------- */

/* Who owns the folders that WORKDIR makes: USER. */
static int workdir_owner(struct step *s, struct draft_owner *ret)
{
	const char *who = rn_json_str(step_config(s), "User");
	RN_AUTO(passwd_clear) struct passwd names = { 0 };
	RN_AUTO(passwd_user_clear) struct passwd_user user = { 0 };
	*ret = (struct draft_owner){ 0, 0 };
	if (!who || !*who)
		return 0;
	if (fs_state_passwd(&s->stage->state, s->b, &names, s->err) < 0 ||
	    passwd_find(&names, who, PASSWD_USER, &user, s->err) < 0)
		return -1;
	*ret = (struct draft_owner){ user.uid, user.gid };
	return 0;
}

static int make_workdir(struct step *s, const char *path, const char *message)
{
	struct fs_state *state = &s->stage->state;
	struct layer_tree *tree = fs_state_tree(state, s->b, s->err);
	RN_AUTO(layer_draft_freep) struct layer_draft *d = tree ? layer_draft_new(tree, s->b->epoch) : NULL;
	RN_AUTO(rn_freep) char *real = NULL;
	enum layer_type type;
	struct draft_owner owner;
	if (!d || layer_draft_resolve(d, path, true, &real, &type, s->err) < 0)
		return -1;
	if (type && type != LAYER_DIR)
		return rn_fail(s->err, RN_EINVAL, "\"%s\" is a file in the image", path);
	if (type || !*real) {
		fs_state_note(state, s->b, message);
		return 0;
	}
	struct layer_result layer;
	if (workdir_owner(s, &owner) < 0 || layer_draft_parents(d, real, owner, s->err) < 0 ||
	    layer_draft_write(d, s->b->store, step_layer_options(s), NULL, &layer, s->err) < 0)
		return -1;
	return fs_state_add(state, s->b, &layer, message, s->err);
}

char *step_workdir_path(struct step *s)
{
	RN_AUTO(rn_freep) char *text = expand_text(s);
	if (!text)
		return NULL;
	if (!*text) {
		step_fail(s, s->i->words.v[0].at, RN_EINVAL, "WORKDIR is empty here");
		return NULL;
	}
	const char *old = rn_json_str(step_config(s), "WorkingDir");
	RN_AUTO(rn_freep) char *full = *text == '/' ? rn_strdup(text) : rn_asprintf("/%s/%s", old ? old : "", text);
	return rn_path_clean(full);
}

void step_workdir_set(struct step *s, const char *path)
{
	set(step_config(s), "WorkingDir", cJSON_CreateString(path));
}

int step_workdir(struct step *s)
{
	RN_AUTO(rn_freep) char *path = step_workdir_path(s);
	if (!path)
		return -1;
	RN_AUTO(rn_freep) char *message = rn_asprintf("WORKDIR %s", path);
	step_workdir_set(s, path);
	return make_workdir(s, path, message) < 0 ? step_locate(s, s->i->words.v[0].at) : 0;
}

/* ---- HEALTHCHECK --------------------------------------------------------------------------------------- */

/* Go's durations: "5s", "1m30s", "1.5h", "100ms". Nanoseconds. */
static bool parse_go_duration(const char *s, int64_t *ret)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3 }, { "µs", 1e3 }, { "ms", 1e6 }, { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 } };
	double sum = 0;
	if (rn_streq(s, "0")) {
		*ret = 0;
		return true;
	}
	while (*s) {
		size_t n = strspn(s, "0123456789."), found = RN_LEN(units);
		RN_AUTO(rn_freep) char *number = rn_strndup(s, n);
		double value;
		s += n;
		for (size_t i = 0; i < RN_LEN(units); i++)
			if (rn_starts(s, units[i].unit) && (found == RN_LEN(units) || strlen(units[i].unit) > strlen(units[found].unit)))
				found = i;
		if (n == 0 || found == RN_LEN(units) || rn_parse_double(number, &value, NULL) < 0)
			return false;
		s += strlen(units[found].unit);
		sum += value * units[found].ns;
	}
	*ret = (int64_t)sum;
	return sum > 0 && sum < 9e18;
}

static int health_time(const struct step *s, const char *flag, const char *member, cJSON *health)
{
	const struct df_flag *f = df_flag(s->i, flag);
	int64_t ns;
	if (!f)
		return 0;
	if (!parse_go_duration(f->value, &ns) || (ns != 0 && ns < 1000000)) {
		step_fail(s, f->value_at, RN_EINVAL, "\"%s\" is no length of time", f->value);
		return rn_hint(s->err, "write 30s, 1m30s or 500ms; at least 1ms");
	}
	if (ns)
		cJSON_AddNumberToObject(health, member, (double)ns);
	return 0;
}

static int health_fields(const struct step *s, cJSON *health)
{
	static const char *const times[][2] = { { "interval", "Interval" }, { "timeout", "Timeout" },
						{ "start-period", "StartPeriod" }, { "start-interval", "StartInterval" } };
	for (size_t i = 0; i < RN_LEN(times); i++)
		if (health_time(s, times[i][0], times[i][1], health) < 0)
			return -1;
	const struct df_flag *f = df_flag(s->i, "retries");
	int64_t retries = 0;
	if (f && rn_parse_int(f->value, 0, INT32_MAX, &retries, NULL) < 0)
		return step_fail(s, f->value_at, RN_EINVAL, "--retries is a number of 0 or more, not \"%s\"", f->value);
	if (retries)
		cJSON_AddNumberToObject(health, "Retries", (double)retries);
	return 0;
}

int step_healthcheck(struct step *s)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	RN_AUTO(rn_strv_clear) struct rn_strv test = { 0 };
	bool none = strcasecmp(s->i->words.v[0].text, "NONE") == 0;
	rn_strv_add(&test, none ? "NONE" : s->i->json ? "CMD" : "CMD-SHELL");
	for (size_t i = 1; i < s->i->words.n; i++)
		rn_strv_add(&test, s->i->words.v[i].text);
	RN_AUTO(rn_json_freep) cJSON *health = cJSON_CreateObject();
	cJSON_AddItemToObject(health, "Test", string_list(&test));
	if (health_fields(s, health) < 0)
		return -1;
	RN_AUTO(rn_freep) char *shown = rn_json_print(health);
	rn_buf_addf(&text, "HEALTHCHECK %s", shown);
	set(step_config(s), "Healthcheck", rn_take(&health));
	return note(s, &text);
}
