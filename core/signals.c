/* SPDX-License-Identifier: Apache-2.0 */
#include "signals.h"

#include "base/mem.h"

#include <sys/signalfd.h>
#include <unistd.h>

int signals_open(struct signals *s, struct rn_error *err)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &s->old);
	signal(SIGPIPE, SIG_IGN);
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->fd < 0 ? rn_fail(err, RN_EIO, "signalfd: %m") : 0;
}

int signals_read(struct signals *s, bool *ret_child)
{
	struct signalfd_siginfo info;
	int stops = 0;
	*ret_child = false;
	while (read(s->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			*ret_child = true;
		else
			stops++;
	}
	return stops;
}

void signals_close(struct signals *s)
{
	rn_closep(&s->fd);
	sigprocmask(SIG_SETMASK, &s->old, NULL);
}
