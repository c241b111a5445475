# SPDX-License-Identifier: Apache-2.0
"""A run that is killed (-9) right after a call has acted, at any call of deploy and of destroy: one more run makes it right."""

import signal
import threading

import pytest

import lambda_images as images


@pytest.fixture
def ship(runner, pipe, recorded_cloud):
    """ship(command, kill_at=n): role, function and API; the n-th AWS call acts, and the runner never learns it."""
    uri, digest = images.push(recorded_cloud.direct, "app", [{"program": (b"\x7fELF", 0o755)}], {"Entrypoint": ["/program"]})
    file = pipe({"name": "p", "stages": [
        {"id": "role", "uses": "iam", "with": {"role_name": "r", "trust": ["lambda.amazonaws.com"], "tags": {"a": "b"}}},
        {"id": "fn", "uses": "lambda", "with": {"function_name": "fn", "image": f"{uri.rpartition(':')[0]}@{digest}", "role": "${{ stages.role.arn }}",
                                                "alias": "live", "log_retention": 7, "reserved_concurrency": 2, "async": {"retries": 0},
                                                "url": {"auth": "NONE"}, "recursive_loop": "Allow"}},
        {"id": "api", "uses": "apigw", "with": {"api_name": "a", "resource": "predict", "method": "POST", "function": "${{ stages.fn.qualified_arn }}",
                                                "stage": "test", "api_key_required": True, "throttle": {"rate": 5, "burst": 5}, "cors": True,
                                                "usage_plan": {"quota": "5/day"}}}]})

    class Ship:
        proxy, client = recorded_cloud.proxy, staticmethod(recorded_cloud.direct.client)

        def __call__(self, command="run", kill_at=None):
            self.proxy.clear()
            if kill_at is None:
                return runner(command, file, env=recorded_cloud.env)
            started = threading.Event()

            def kill(call, body):
                if sum(c.service is not None for c in self.proxy.calls) >= kill_at:
                    started.wait()
                    process.kill()
                return body

            self.proxy.rewrite("*", kill)  # before it starts: no call is missed
            process = runner.start(command, file, env=recorded_cloud.env)
            started.set()
            process.communicate()
            self.proxy.settle()
            self.proxy.rewrites.clear()
            return process.returncode

        def counts(self):
            api, functions = self.client("apigateway"), self.client("lambda")
            found = functions.list_functions()["Functions"]
            plans = api.get_usage_plans()["items"]
            return {"roles": len(self.client("iam").list_roles()["Roles"]), "functions": len(found),
                    "versions": len(functions.list_versions_by_function(FunctionName="fn")["Versions"]) - 1 if found else 0,
                    "apis": len(api.get_rest_apis()["items"]), "keys": len(api.get_api_keys()["items"]), "plans": len(plans),
                    "plan keys": sum(len(api.get_usage_plan_keys(usagePlanId=p["id"])["items"]) for p in plans),
                    "urls": len(functions.list_function_url_configs(FunctionName="fn")["FunctionUrlConfigs"]) if found else 0,
                    "public": functions.get_policy(FunctionName="fn", Qualifier="live")["Policy"].count("FunctionURLAllow") if found else 0,
                    "groups": len(self.client("logs").describe_log_groups()["logGroups"])}

    return Ship()


ONE = {"roles": 1, "functions": 1, "versions": 1, "apis": 1, "keys": 1, "plans": 1, "plan keys": 1, "urls": 1, "public": 2, "groups": 1}
NONE = dict.fromkeys(ONE, 0)
STEP = 8


@pytest.mark.parametrize("first", [1, 3, 5, 7])
def test_a_killed_deploy_and_a_killed_destroy_are_finished_by_the_next_run(ship, first):
    """Kills at every eighth call, from the first, third, ... on: about twenty places over the four tests."""
    ship()
    assert ship.counts() == ONE
    deploy = sum(c.service is not None for c in ship.proxy.calls)
    ship("destroy")
    destroy = sum(c.service is not None for c in ship.proxy.calls)
    assert ship.counts() == NONE
    kills = 0
    for n in range(first, max(deploy, destroy), STEP):
        kills += ship("run", kill_at=n) == -signal.SIGKILL if n < deploy else 0
        ship()
        assert ship.counts() == ONE, n
        ship()
        assert ship.proxy.writes() == [], n
        kills += ship("destroy", kill_at=n) == -signal.SIGKILL if n < destroy else 0
        ship("destroy")
        assert ship.counts() == NONE, n
    assert kills >= 4
