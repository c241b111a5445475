/* SPDX-License-Identifier: Apache-2.0 */
/* The socket that leads to an ssh agent: both ways, ends of either side, a side that does not read, an agent that is gone. */
#include "plugins/oci-build/run_ssh.h"

#include "base/fs.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
	char folder[32];
	char *agent, *socket; /* paths */
	int listener;         /* of the agent */
	struct run_ssh *ssh;
};

static struct sockaddr_un at_path(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	assert_true(strlen(path) < sizeof(at.sun_path));
	strcpy(at.sun_path, path);
	return at;
}

static int begin(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	strcpy(w->folder, "/tmp/run-ssh-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	w->agent = rn_path_join(w->folder, "agent");
	w->socket = rn_path_join(w->folder, "socket");
	struct sockaddr_un at = at_path(w->agent);
	w->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(w->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(w->listener, 8), 0);
	struct rn_error err = { 0 };
	w->ssh = run_ssh_start(w->agent, w->socket, &err);
	assert_non_null(w->ssh);
	close(accept(w->listener, NULL, NULL)); /* it asks once whether the agent answers */
	*state = w;
	return 0;
}

static int end(void **state)
{
	struct world *w = *state;
	run_ssh_stop(w->ssh);
	if (w->listener >= 0)
		close(w->listener);
	unlink(w->agent);
	unlink(w->socket);
	rmdir(w->folder);
	free(w->agent);
	free(w->socket);
	free(w);
	return 0;
}

/* A client, and the agent's end of its connection. */
static int client_of(const struct world *w, int *agent)
{
	struct sockaddr_un at = at_path(w->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	*agent = accept(w->listener, NULL, NULL);
	assert_true(*agent >= 0);
	return fd;
}

static void expect(int fd, const char *text)
{
	char got[64];
	size_t n = strlen(text);
	assert_int_equal(recv(fd, got, n, MSG_WAITALL), n);
	assert_memory_equal(got, text, n);
}

static void expect_end(int fd)
{
	char byte;
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
}

static void it_passes_both_ways(void **state)
{
	int agents[2], one = client_of(*state, &agents[0]), two = client_of(*state, &agents[1]);
	assert_int_equal(send(one, "question one", 12, 0), 12);
	assert_int_equal(send(two, "question two", 12, 0), 12);
	expect(agents[1], "question two");
	expect(agents[0], "question one");
	assert_int_equal(send(agents[0], "answer one", 10, 0), 10);
	expect(one, "answer one");
	close(one); /* the other one goes on */
	expect_end(agents[0]);
	assert_int_equal(send(agents[1], "answer two", 10, 0), 10);
	expect(two, "answer two");
	close(agents[1]);
	expect_end(two);
}

/* As `nc -U` does: the question, the end of it, and then the answer is awaited. */
static void a_client_that_has_nothing_more_to_say_gets_its_answer(void **state)
{
	int agent, client = client_of(*state, &agent);
	assert_int_equal(send(client, "question", 8, 0), 8);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	expect(agent, "question");
	char byte;
	assert_int_equal(recv(agent, &byte, 1, 0), 0);
	assert_int_equal(send(agent, "answer", 6, 0), 6);
	close(agent);
	expect(client, "answer");
	expect_end(client);
}

/* The step's end does not wait for a side that does not read. */
static void an_agent_that_does_not_read_keeps_nobody(void **state)
{
	struct world *w = *state;
	int agent, client = client_of(w, &agent);
	static const char much[10000];
	for (int stuck = 0; stuck < 50;) { /* until nothing moves on for a while */
		if (send(client, much, sizeof(much), MSG_DONTWAIT) > 0) {
			stuck = 0;
		} else {
			stuck++;
			usleep(1000);
		}
	}
	run_ssh_stop(w->ssh);
	w->ssh = NULL;
	close(client);
	close(agent);
}

static void a_client_is_told_when_the_agent_is_gone(void **state)
{
	struct world *w = *state;
	close(w->listener);
	w->listener = -1;
	struct sockaddr_un at = at_path(w->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	expect_end(fd);
	struct rn_error err = { 0 };
	assert_null(run_ssh_start(w->agent, "/tmp/never", &err));
	assert_int_equal(err.code, RN_ENOTFOUND);
	assert_non_null(strstr(err.msg, "does not answer"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_passes_both_ways, begin, end),
		cmocka_unit_test_setup_teardown(a_client_that_has_nothing_more_to_say_gets_its_answer, begin, end),
		cmocka_unit_test_setup_teardown(an_agent_that_does_not_read_keeps_nobody, begin, end),
		cmocka_unit_test_setup_teardown(a_client_is_told_when_the_agent_is_gone, begin, end),
	};
	return cmocka_run_group_tests_name("run_ssh", tests, NULL, NULL);
}
