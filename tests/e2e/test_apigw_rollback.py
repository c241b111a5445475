# SPDX-License-Identifier: Apache-2.0
"""`on_failure: rollback` of the apigw stage: a run that changes everything and then fails leaves all as it was, entry by entry."""

import json
import signal
import threading

import pytest

import lambda_images as images

NAME = "fn"
ARN = f"arn:aws:lambda:us-east-1:000000000000:function:{NAME}"
OLD = {"api_name": "a", "description": "old", "stage": "test", "function": NAME, "binary_media_types": ["image/png"], "stage_variables": {"a": "1", "b": "2"},
       "throttle": {"rate": 5, "burst": 6}, "tags": {"team": "old", "x": "1"}, "integration_timeout": "9s",
       "usage_plan": {"rate": 3, "burst": 4, "quota": "100/day", "methods": {"GET /keep/me": {"rate": 1, "burst": 2}}},
       "routes": [{"path": "keep/me", "method": "GET", "api_key_required": True, "throttle": {"rate": 1, "burst": 1}, "cors": True},
                  {"path": "go/deep/er", "method": "POST", "authorization": "CUSTOM"}, {"path": "/", "method": "ANY"},
                  {"path": f"long/{'x' * 150}/{{id}}", "method": "GET"}],
       "authorizer": {"function": NAME, "ttl": 5, "pattern": "x.*"}}
NEW = {"api_name": "b", "description": "new", "stage": "test", "function": f"{ARN}:live", "endpoint_type": "EDGE", "binary_media_types": ["*/*"],
       "stage_variables": {"a": "9", "c": "3"}, "throttle": {"rate": 50, "burst": 60}, "tags": {"team": "new", "y": "2"}, "integration_timeout": "5s",
       "tracing": True, "log_level": "INFO", "log_data": True, "metrics": True, "access_log": {"group": "/aws/x"}, "keep_deployments": 2,
       "api_key": {"name": "k2", "value": "a-given-key-of-24-chars!"},
       "usage_plan": {"name": "p2", "rate": 30, "burst": 40, "methods": {"POST /keep/me": {"rate": 7, "burst": 8}}},
       "routes": [{"path": "keep/me", "method": "POST", "api_key_required": True, "throttle": {"rate": 2, "burst": 2}},
                  {"path": "keep/me", "method": "GET", "authorization": "AWS_IAM"}, {"path": "made/new", "method": "GET", "cors": {"origins": "https://x.example"}},
                  {"path": "go/deep/er", "method": "POST", "authorization": "CUSTOM"}],
       "authorizer": {"function": f"{ARN}:live", "type": "REQUEST", "identity": ["X", "method.request.querystring.q"]}}
BARE = {"api_name": "a", "stage": "test", "function": NAME, "resource": "only", "method": "GET"}
DOCUMENT = """\
openapi: 3.0.1
info: {title: t, version: "2", description: of the document}
x-amazon-apigateway-binary-media-types: [image/gif]
paths:
  /by/document:
    get: {responses: {200: {description: ok}}}
  /keep/me:
    get: {security: [{key: []}], responses: {}}
components: {securitySchemes: {key: {type: apiKey, name: x-api-key, in: header}}}
"""


def differences(path, before, after):
    """One line for each member that is not as it was."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys():
            yield from differences(f"{path}/{key}", before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for i, (b, a) in enumerate(zip(before, after)):
            yield from differences(f"{path}[{i}]", b, a)
    elif before != after:
        yield f"{path}: {before!r} became {after!r}"


@pytest.fixture
def release(runner, pipe, recorded_cloud, tmp_path):
    """release(with_, fail=True) runs the stage, and one after it that fails."""
    uri, _ = images.push(recorded_cloud.direct, "app", [{"program": (b"\x7fELF", 0o755)}], {"Entrypoint": ["/program"]})
    functions = recorded_cloud.direct.client("lambda")
    functions.create_function(FunctionName=NAME, Role=images.role(recorded_cloud.direct), PackageType="Image", Code={"ImageUri": uri})
    functions.get_waiter("function_active_v2").wait(FunctionName=NAME, WaiterConfig={"Delay": 0.05})
    functions.publish_version(FunctionName=NAME)
    functions.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
    (tmp_path / "api.yaml").write_text(DOCUMENT)

    class Release:
        proxy, api = recorded_cloud.proxy, recorded_cloud.direct.client("apigateway")

        def file(self, with_, fail):
            return pipe({"name": "p", "secrets": {"hush": {"env": "HUSH"}}, "stages": [
                {"id": "api", "uses": "apigw", "with": with_, "on_failure": "rollback"},
                {"id": "smoke", "uses": "exec", "with": {"command": "false" if fail else "true"}}]})

        def __call__(self, with_, fail=False, command="run", code=None):
            self.proxy.clear()
            return runner(command, self.file(with_, fail), env={**recorded_cloud.env, "HUSH": "a-secret-variable"},
                          code=(1 if fail else 0) if code is None else code)

        def kill(self, with_, at, command="run"):
            """The same, killed right after the at-th call of its rollback; returns False when there was none."""
            self.proxy.clear()
            seen, started = [], threading.Event()

            def watch(call, body):
                seen.append(call)
                if sum(c.service is not None for c in seen) == at:
                    started.wait()
                    process.kill()
                return body

            self.proxy.rewrite("*", watch)  # before it starts: no call is missed
            process = runner.start(command, self.file(with_, True), env={**recorded_cloud.env, "HUSH": "a-secret-variable"})
            started.set()
            process.communicate()
            self.proxy.settle()
            self.proxy.rewrites.clear()
            return process.returncode == -signal.SIGKILL

        def state(self):
            """All that boto3 sees of what the stage may change; an empty description is none."""
            api = self.api
            rest = api.get_rest_apis()["items"]
            found = {"apis": [self.plain(r) for r in rest], "keys": {}, "plans": {}}
            for r in rest:
                at = {"restApiId": r["id"]}
                resources = api.get_resources(**at, embed=["methods"], limit=500)["items"]
                found["resources"] = {x["path"]: json.loads(json.dumps(x.get("resourceMethods", {})).replace(x["id"], "ID")) for x in resources}
                authorizers = api.get_authorizers(**at)["items"]
                found["authorizers"] = [self.plain({k: v for k, v in a.items() if k != "id"}) for a in authorizers]
                for a in authorizers:  # one that was deleted comes back under another id
                    found["resources"] = json.loads(json.dumps(found["resources"]).replace(a["id"], a["name"]))
                found["stages"] = [self.plain(s) for s in api.get_stages(**at)["item"]]
                found["deployments"] = sorted(d["id"] for d in api.get_deployments(**at)["items"])
            for k in api.get_api_keys(includeValues=True)["items"]:
                found["keys"][k["id"]] = self.plain(k)
            for p in api.get_usage_plans()["items"]:
                found["plans"][p["id"]] = {**self.plain(p), "keys": sorted(k["id"] for k in api.get_usage_plan_keys(usagePlanId=p["id"])["items"])}
            found["permissions"] = {q: self.statements(q) for q in (None, "live")}
            return found

        @staticmethod
        def plain(item):
            gone = {"ResponseMetadata", "lastUpdatedDate"} | ({"description"} if not item.get("description") else set())
            return {k: v for k, v in item.items() if k not in gone}

        @staticmethod
        def statements(qualifier):
            try:
                policy = functions.get_policy(FunctionName=NAME, **({"Qualifier": qualifier} if qualifier else {}))["Policy"]
            except functions.exceptions.ResourceNotFoundException:
                return []
            return sorted(json.loads(policy)["Statement"], key=lambda s: s["Sid"])

        def same(self, before, told):
            wrong = list(differences("", before, self.state()))
            assert not wrong, "\n".join([*wrong, told.text])

    return Release()


@pytest.mark.parametrize("after", [NEW, BARE, {**BARE, "resource": None, "method": None, "openapi": "api.yaml"}], ids=["all else", "hardly anything", "document"])
def test_a_failed_run_that_changed_everything_leaves_all_as_it_was(release, after):
    release(OLD)
    before = release.state()
    failed = release({k: v for k, v in after.items() if v is not None}, fail=True)
    release.proxy.assert_valid()
    release.same(before, failed)
    assert "a-given-key" not in failed.text
    release(OLD)  # a document deletes the authorizer, so that it has another id then, which must be deployed
    assert release.proxy.writes() == (["apigateway.CreateDeployment", "apigateway.UpdateStage"] if "openapi" in after else [])


def test_a_failed_run_over_a_bare_api_takes_away_what_it_added(release):
    release(BARE)
    before = release.state()
    release.same(before, release(NEW, fail=True))
    release(BARE)
    assert release.proxy.writes() == []


def test_another_stage_of_the_api_goes_again(release):
    release(OLD)
    before = release.state()
    release.same(before, release({**OLD, "stage": "blue"}, fail=True))


def test_what_was_new_goes_with_the_api(release):
    release(NEW, fail=True)
    assert release.state() == {"apis": [], "keys": {}, "plans": {}, "permissions": {None: [], "live": []}}


def test_a_secret_does_not_become_a_stage_variable(release, tmp_path):
    failed = release({**BARE, "stage_variables": {"open": "1", "shut": "${{ secrets.hush }}"}}, code=1)
    assert "stage variable shut holds a secret" in failed.text and release.proxy.calls == [] and "a-secret-variable" not in failed.text
    assert not any(b"a-secret-variable" in p.read_bytes() for p in (tmp_path / ".runner").rglob("*") if p.is_file())


def test_a_retired_key_and_plan_go_with_the_first_run_a_day_later(release):
    release(OLD)
    old = release.state()
    changed = release(BARE)
    assert "disabled; goes with the first run a day later" in changed.text
    kept = release.state()
    assert set(kept["keys"]) == set(old["keys"]) and not any(k["enabled"] for k in kept["keys"].values())
    assert [p["apiStages"] for p in kept["plans"].values()] == [[]]
    release(BARE)
    assert release.proxy.writes() == []
    for kind, items in (("api_key", kept["keys"]), ("usage_plan", kept["plans"])):
        for id, item in items.items():
            text = item["description"]
            day_before = text.replace(text.split()[4][:10], "2020-01-01")
            getattr(release.api, f"update_{kind}")(**{"apiKey" if kind == "api_key" else "usagePlanId": id},
                                                   patchOperations=[{"op": "replace", "path": "/description", "value": day_before}])
    assert "deleted" in release(BARE, command="plan").text and release.proxy.writes() == []
    release(BARE)
    assert release.state()["keys"] == {} and release.state()["plans"] == {}


def test_a_value_that_a_retired_key_has_can_be_wanted_again(release):
    given = {**BARE, "api_key_required": True, "api_key": {"value": "a-given-key-of-24-chars!"}}
    release(given)
    release({**given, "api_key": {"value": "another-key-of-24-chars!"}})
    between = release.state()
    whole = release(given, fail=True)
    assert "wanted again" in whole.text
    release.same(between, whole)
    assert "wanted again" in release(given, command="plan").text and release.proxy.writes() == []
    release(given)
    assert sorted((k["value"], k["enabled"]) for k in release.state()["keys"].values()) == [
        ("a-given-key-of-24-chars!", True), ("another-key-of-24-chars!", False)]
    assert set(release.state()["keys"]) == set(between["keys"])
    release(given)
    assert release.proxy.writes() == []


def test_a_retired_key_outlives_a_value_that_others_have(release):
    given = {**BARE, "api_key_required": True, "api_key": {"value": "a-given-key-of-24-chars!"}}
    release(given)
    release({**given, "api_key": {"value": "another-key-of-24-chars!"}})
    kept = release.state()["keys"]
    theirs = release.api.create_api_key(name="theirs", value="somebody-elses-key-of-it", enabled=True)["id"]
    assert "exists in the account" in release({**given, "api_key": {"value": "somebody-elses-key-of-it"}}, code=1).text
    assert {k: v for k, v in release.state()["keys"].items() if k != theirs} == kept


def test_a_key_that_was_retired_a_day_ago_and_is_wanted_again_stays(release):
    given = {**BARE, "api_key_required": True, "api_key": {"value": "a-given-key-of-24-chars!"}}
    release(given)
    (id,) = release.state()["keys"]
    release(BARE)
    text = release.state()["keys"][id]["description"]
    release.api.update_api_key(apiKey=id, patchOperations=[{"op": "replace", "path": "/description", "value": text.replace(text.split()[4][:10], "2020-01-01")}])
    release(given)
    assert [(k, v["enabled"]) for k, v in release.state()["keys"].items()] == [(id, True)]


@pytest.mark.parametrize("step", range(4))
def test_a_rollback_that_is_killed_is_finished_by_hand_and_by_the_next_run(release, step):
    release(OLD)
    before = release.state()
    whole = release(NEW, fail=True)
    release.same(before, whole)
    names = [c.operation for c in release.proxy.calls if c.service]
    rolling = names.index("CreateUsagePlanKey")  # the last of the run
    for at in range(rolling + 2 + step, len(names), 9):
        assert release.kill(NEW, at)
        if at % 2:
            release(NEW, command="rollback", fail=True, code=0)
        else:
            failed = release(NEW, fail=True)
            assert "did not come to its end" in failed.text, failed.text
        release.same(before, whole)
