# SPDX-License-Identifier: Apache-2.0
"""serverless.pipe killed with SIGKILL at random moments of deploying and of destroying: one more run puts all right, and nothing is there twice."""

import json
import os
import random
import shutil
import subprocess
import threading

import pytest

import support

CYCLES, KILLS = 10, 2  # in each cycle so many kills in a row while deploying, and as many while destroying
SEED = int(os.environ.get("RUNNER_KILL_SEED", "20261126"))
FUNCTION = "lambda-fn-serverless-example"


@pytest.fixture
def job(tmp_path):
    for part in ("pipelines", "examples/squares"):
        shutil.copytree(support.SOURCE / part, tmp_path / part)
    subprocess.run(["make", "-s", "-C", tmp_path / "examples/squares"], check=True)
    return tmp_path / "pipelines/serverless.pipe"


class Killer:
    """Kills the runner before or after the service gets call number `number`, and drops the call's answer."""

    def __init__(self, number, when):
        self.number, self.when, self.process, self.seen, self.last = number, when, None, 0, None
        self.started = threading.Event()

    def __call__(self, call, when):
        if when == "before":
            self.seen += 1
            call.number = self.seen
        if call.number == self.number and when == self.when:
            self.last = f"{when} {call.name} (call {self.number})"
            self.started.wait()
            self.process.kill()
            return True
        return False


def killed(runner, recorded, command, job, number, when):
    """Runs the command and kills it; says where."""
    killer = Killer(number, when)
    recorded.proxy.watch = killer  # before it starts: no call is missed
    killer.process = runner.start(command, job, env=recorded.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    killer.started.set()
    killer.process.wait(support.PATIENCE)
    recorded.proxy.settle()
    recorded.proxy.watch = None
    return killer.last


def there(cloud):
    """How many there are of each."""
    iam, ecr, functions, api = (cloud.client(s) for s in ("iam", "ecr", "lambda", "apigateway"))
    apis, plans = api.get_rest_apis()["items"], api.get_usage_plans()["items"]
    found = {"roles": len(iam.list_roles()["Roles"]), "repositories": len(ecr.describe_repositories()["repositories"]),
             "functions": len(functions.list_functions()["Functions"]), "apis": len(apis), "keys": len(api.get_api_keys()["items"]), "plans": len(plans),
             "plan keys": sum(len(api.get_usage_plan_keys(usagePlanId=p["id"])["items"]) for p in plans),
             "methods": sum(len(r.get("resourceMethods", {})) for a in apis for r in api.get_resources(restApiId=a["id"], embed=["methods"])["items"]),
             "stages": sum(len(api.get_stages(restApiId=a["id"])["item"]) for a in apis), "permissions": 0}
    if found["functions"]:
        try:
            found["permissions"] = len(json.loads(functions.get_policy(FunctionName=FUNCTION)["Policy"])["Statement"])
        except functions.exceptions.ResourceNotFoundException:
            pass
    return found


def test_a_killed_run_is_put_right_by_one_more(runner, job, recorded_cloud):
    rng = random.Random(SEED)
    proxy, cloud = recorded_cloud.proxy, recorded_cloud.direct
    calls, moments = {}, []
    for command in ("run", "destroy"):
        proxy.clear()
        runner(command, job, env=recorded_cloud.env)
        calls[command] = len(proxy.calls)
    assert set(there(cloud).values()) == {0}
    for cycle in range(CYCLES):
        for command, count in (("run", 1), ("destroy", 0)):
            where = []
            for _ in range(KILLS):
                where.append(killed(runner, recorded_cloud, command, job, rng.randint(1, calls[command]), rng.choice(["before", "after"])))
            moments += where
            proxy.clear()
            last = runner(command, job, env=recorded_cloud.env, code=None)
            assert last.code == 0, f"cycle {cycle}, killed {where}\n{last}"
            assert there(cloud) == dict.fromkeys(there(cloud), count), f"cycle {cycle}, killed {where}\n{last}"
    hit = [m for m in moments if m]  # a call that a second try does not come to kills nothing
    assert len(hit) >= CYCLES * KILLS and len(set(hit)) > CYCLES, moments
