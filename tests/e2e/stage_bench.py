# SPDX-License-Identifier: Apache-2.0
"""One stage of a pipeline against an endpoint behind a RecordingProxy, and what must hold for every stage:
the first run creates, the second writes nothing, a changed setting makes the writes it needs and no other, drift is
shown and repaired, plan never writes, faults on the way are survived without a duplicate, a denial ends at once.

    stage = bench(recorded, "iam", {"role_name": "r", "trust": ["lambda.amazonaws.com"]})
    stage.creates(["CreateRole"])
    stage.changed({"description": "new"}, ["UpdateRole"])
    stage.repaired(lambda: stage.client("iam").delete_role_policy(...), ["PutRolePolicy"], ["read"])
    stage.destroyed(["DeleteRole"])
"""

import copy
import re

WRITES_SHOWN = re.compile(r"\b(created|updated|deleted)\b")
ABSENT = object()  # as the value of a change: the parameter is left out


class StageBench:
    def __init__(self, runner, pipe, endpoint, uses, with_, id="s", name="p", env=None):  # noqa: A002
        self.runner, self.pipe, self.endpoint, self.uses = runner, pipe, endpoint, uses
        self.params, self.id, self.name, self.env = dict(with_), id, name, env or {}
        self.proxy, self.direct = endpoint.proxy, endpoint.direct
        self._clients = {}

    def client(self, service):
        """boto3, past the proxy: for the test's own looks and changes."""
        if service not in self._clients:
            self._clients[service] = self.direct.client(service)
        return self._clients[service]

    def file(self, changes=None):
        params = {k: v for k, v in {**copy.deepcopy(self.params), **(changes or {})}.items() if v is not ABSENT}
        return self.pipe({"name": self.name, "stages": [{"id": self.id, "uses": self.uses, "with": params}]})

    def __call__(self, command="run", changes=None, code=0, flags=(), env=None):
        """Runs a command on the pipeline; the proxy's record begins anew."""
        self.proxy.clear()
        return self.runner(command, *flags, self.file(changes), env={**self.endpoint.env, **self.env, **(env or {})}, code=code)

    def writes(self):
        """Operations that changed something since the last command, without the service's name."""
        return [w.rpartition(".")[2] for w in self.proxy.writes()]

    def outputs(self):
        import json

        return json.loads(self.runner("outputs", "--json").out)[self.id]

    def valid(self):
        self.proxy.assert_valid(answers=getattr(self.endpoint, "name", "") == "cloud")

    # ---- what must hold ----

    def creates(self, writes=None, changes=None):
        """The first run makes it (plan said so and wrote nothing), the second finds nothing to do."""
        planned = self("plan", changes)
        assert self.writes() == [] and "created" in planned.text, planned
        self.valid()
        made = self("run", changes)
        assert "created" in made.text, made
        assert writes is None or self.writes() == list(writes), self.writes()
        self.valid()
        self.settled(changes)
        return made

    def settled(self, changes=None):
        """Nothing is left to do: a run writes nothing and says so, and so does a plan."""
        again = self("run", changes)
        assert self.writes() == [], f"{self.writes()}\n{again}"
        assert "unchanged" in again.text and not WRITES_SHOWN.search(again.text.replace("unchanged", "")), again
        self.valid()
        return again

    def changed(self, changes, writes, words=()):
        """The changed parameters are planned (with these words) and make exactly these writes, then no more."""
        return self._converges(changes, writes, words)

    def repaired(self, drift, writes, words=(), changes=None):
        """What somebody changed by hand (drift()) is shown with these words and put back by these writes."""
        drift()
        return self._converges(changes, writes, words)

    def _converges(self, changes, writes, words):
        planned = self("plan", changes)
        assert self.writes() == [], self.writes()
        done = self("run", changes)
        assert sorted(self.writes()) == sorted(writes), f"{self.writes()}\n{done}"
        for result in (planned, done):
            assert WRITES_SHOWN.search(result.text.replace("unchanged", "")), result
            for word in words:
                assert word in result.text, f"no {word!r} in {result}"
        self.valid()
        self.settled(changes)
        return done

    def destroyed(self, writes=None, changes=None):
        """destroy removes it by these writes; a second one finds nothing to do."""
        gone = self("destroy", changes)
        assert "deleted" in gone.text, gone
        assert writes is None or sorted(self.writes()) == sorted(writes), self.writes()
        self.valid()
        self("destroy", changes)
        assert self.writes() == [], self.writes()
        return gone

    # ---- faults ----

    def operations(self, command="run", changes=None):
        """Names (service.Operation) of the AWS calls that a command makes, in their order, each once."""
        self(command, changes)
        return list(dict.fromkeys(c.name for c in self.proxy.calls if c.service))

    def survives(self, kind, command="run", pattern="*.*", changes=None, **more):
        """Every AWS operation of the command meets the fault once; the command ends well all the same."""
        self.proxy.fault_each(pattern, kind, **more)
        result = self(command, changes)
        hit = {c.name for c in self.proxy.calls if c.fault}
        self.proxy.clear_faults()
        assert hit, f"no call was hit by {kind}"
        return result

    def denied(self, name, command="run", changes=None, resource=""):
        """A permanent denial of one operation ends the command after one try, with all that helps to find the cause."""
        self.proxy.fault(name, "denied", times=10**6)
        failed = self(command, changes, code=1)
        self.proxy.clear_faults()
        assert self.proxy.count(name) == 1, f"{name}: {self.proxy.names()}"
        service, _, operation = name.partition(".")
        for word in (operation, "AccessDenied", "request 00000000-0000-4000-8000", "asked as arn:", resource):
            assert word in failed.text, f"no {word!r} in {failed}"
        return failed
