# SPDX-License-Identifier: Apache-2.0
"""`lease: aws`: runs that share no folder are kept apart by a lease in Parameter Store, on moto and on the local cloud."""

import json
import os
import random
import signal
import subprocess
import threading

import pytest
from botocore.exceptions import ClientError

from engine import PATH, alive, pipeline, sh, stage, wait_for
from support import PATIENCE

HOLD = "echo $$ > started; until [ -e go ]; do sleep 0.02; done"


@pytest.fixture
def folders(pipe, tmp_path):
    """folders("a") -> the pipeline file in a folder of its own, with a state folder of its own."""
    return lambda name: pipe(pipeline(sh("work", HOLD), name="app", lease="aws"), f"{name}/app.pipe")


def parameters(endpoint, name="app"):
    found = endpoint.client("ssm").get_parameters_by_path(Path=f"/runner/lease/{name}")["Parameters"]
    return {int(p["Name"].rpartition("/")[2]): json.loads(p["Value"]) for p in found}


def keepers(pid):
    """The processes of `runner aws lease hold` below a run."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat") as stat, open(f"/proc/{entry}/cmdline") as line:
                if int(stat.read().rpartition(")")[2].split()[1]) == pid and "lease\0hold" in line.read():
                    found.append(int(entry))
        except (OSError, ValueError):
            continue
    return found


def start(runner, file, env):
    """A run that has begun to work."""
    process = runner.start("run", file, cwd=file.parent, env=env)
    wait_for(lambda: (file.parent / "started").exists() or process.poll() is not None, "it works")
    assert process.poll() is None, process.communicate()
    return process


def test_two_runs_without_a_common_folder_do_not_meet(runner, folders, recorded):
    a, b = folders("a"), folders("b")
    env = {**recorded.env, "CI_JOB_URL": "https://gitlab.example/job/7"}
    first = start(runner, a, env)
    shown = runner("aws", "lease", "show", "app", env=env, code=3).out
    refused = runner("run", b, cwd=b.parent, env=env, code=3)
    for text in (f"process {first.pid}, `runner run {a}`", "https://gitlab.example/job/7", "last sign of life"):
        assert text in refused.err and text in shown
    assert "--lock-wait 10m" in refused.err and "runner aws lease break app" in refused.err
    assert not (b.parent / "started").exists() and not (b.parent / ".runner/latest").exists()
    assert "still being run after 1ms" in runner("run", "--lock-wait", "1ms", b, cwd=b.parent, env=env, code=3).err
    waiting = runner.start("run", "--wait", b, cwd=b.parent, env=env)
    assert "runner: waiting for " in (said := waiting.stderr.readline()) and f"process {first.pid}" in said
    (b.parent / "go").touch()
    (a.parent / "go").touch()
    assert first.wait(PATIENCE) == 0 and waiting.wait(PATIENCE) == 0, waiting.communicate()
    assert runner("aws", "lease", "show", "app", env=env).out == "app is free\n"
    assert json.loads(runner("aws", "lease", "show", "app", "--output", "json", env=env).out) == {"pipeline": "app", "state": "free"}
    left = parameters(recorded.direct)
    assert sorted(left) == [1, 2] and all(v["released"] for v in left.values())
    tags = recorded.direct.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId="/runner/lease/app/2")
    assert tags["TagList"] == [{"Key": "runner:pipeline", "Value": "app"}]
    recorded.proxy.assert_valid()


def test_what_takes_the_lease_and_what_it_costs(runner, pipe, recorded):
    file = pipe(pipeline(sh("work", "true"), name="app", lease="aws"), "app.pipe")
    proxy = recorded.proxy
    for command in (["plan"], ["validate"], ["run", "--dry-run"], ["graph"], ["plan", "--iam-policy"]):
        runner(*command, file, env=recorded.env)
    assert proxy.names() == []
    for _ in range(12):
        proxy.clear()
        runner("run", file, env=recorded.env)
        assert [w for w in proxy.writes() if w != "ssm.DeleteParameters"] == ["ssm.PutParameter"] * 2  # taken, given back
    assert len(parameters(recorded.direct)) <= 9
    proxy.clear()
    runner("destroy", file, env=recorded.env)
    assert "ssm.PutParameter" in proxy.names()
    assert sorted(parameters(recorded.direct))[-1] == 13  # numbers never go back


def test_rollback_takes_the_lease_and_is_refused_by_it(runner, folders, pipe, recorded, tmp_path):
    (tmp_path / "x").write_text("old")
    back = pipe(pipeline(stage("x", "keeper", file="x", text="new"), name="app", lease="aws"), "back.pipe")
    runner("run", *PATH, back, env=recorded.env)
    holder = start(runner, folders("a"), recorded.env)
    for command in ("rollback", "destroy"):
        assert f"process {holder.pid}" in runner(command, *PATH, back, env=recorded.env, code=3).err
    assert (tmp_path / "x").read_text() == "new"
    (tmp_path / "a/go").touch()
    assert holder.wait(PATIENCE) == 0
    runner("rollback", *PATH, back, env=recorded.env)
    assert (tmp_path / "x").read_text() == "old" and sorted(parameters(recorded.direct)) == [1, 2, 3]


def test_a_lost_lease_rolls_nothing_back(runner, pipe, recorded, tmp_path):
    """What was changed is the next run's to decide about: it has the pipeline now."""
    (tmp_path / "x").write_text("old")
    file = pipe(pipeline(stage("x", "keeper", {"on_failure": "rollback"}, file="x", text="new"), sh("work", HOLD), name="app", lease="aws"))
    env = {**recorded.env, "RUNNER_LEASE_TTL": "10s"}
    run = runner.start("run", *PATH, file, env=env)
    wait_for(lambda: (tmp_path / "started").exists(), "it works")
    runner("aws", "lease", "break", "app", env=env)
    out, err = run.communicate(timeout=PATIENCE)
    assert run.returncode == 3 and "what it changed stays" in out + err, out + err
    assert (tmp_path / "x").read_text() == "new"


def test_a_killed_run_is_taken_over_when_its_lease_expires(runner, folders, recorded):
    a, b = folders("a"), folders("b")
    env = {**recorded.env, "RUNNER_LEASE_TTL": "15s"}
    first = start(runner, a, env)
    (keeper,) = keepers(first.pid)
    first.kill()
    first.wait()
    wait_for(lambda: not alive(keeper), "the keeper dies with the run")
    assert "released" not in parameters(recorded.direct)[1]  # nobody gave it back
    (b.parent / "go").touch()
    second = runner("run", "--wait", b, cwd=b.parent, env=env)
    assert "took over from a run that is dead" in second.err and f"process {first.pid}" in second.err
    assert parameters(recorded.direct)[2]["released"]


def test_a_broken_lease_stops_the_run_and_lets_the_next_one_in(runner, folders, recorded):
    a, b = folders("a"), folders("b")
    env = {**recorded.env, "RUNNER_LEASE_TTL": "10s"}
    first = start(runner, a, env)
    pid = int((a.parent / "started").read_text())
    said = runner("aws", "lease", "break", "app", env=env).out
    assert f"process {first.pid}" in said and "the next one is let in after" in said
    out, err = first.communicate(timeout=PATIENCE)
    assert first.returncode == 3 and "was taken away from this run" in out + err and "broken by" in out + err, out + err
    assert not alive(pid)
    (b.parent / "go").touch()
    runner("run", "--wait", b, cwd=b.parent, env=env)
    assert "there is nothing to break" in runner("aws", "lease", "break", "app", env=env).out


def test_a_run_that_is_cut_off_stops_before_others_begin(runner, folders, recorded):
    a, b = folders("a"), folders("b")
    env = {**recorded.env, "RUNNER_LEASE_TTL": "12s", "AWS_MAX_ATTEMPTS": "1"}
    first = start(runner, a, env)
    recorded.proxy.fault("ssm.*", "500", times=10**6)
    out, err = first.communicate(timeout=PATIENCE)
    assert first.returncode == 3 and "could not be renewed in time" in out + err, out + err
    (b.parent / "go").touch()
    taken = runner("run", "--wait", b, cwd=b.parent, env={**env, **recorded.direct.env})
    assert "took over from a run that is dead" in taken.err


def test_a_keeper_that_is_killed_ends_the_run(runner, folders, cloud):
    a = folders("a")
    first = start(runner, a, cloud.env)
    (keeper,) = keepers(first.pid)
    os.kill(keeper, signal.SIGKILL)
    out, err = first.communicate(timeout=PATIENCE)
    assert first.returncode == 3 and "has ended" in out + err


def test_a_stopped_keeper_does_not_hold_on(runner, folders, cloud):
    """The machine slept: the run ends, although its successor is seen by nobody yet."""
    a = folders("a")
    first = start(runner, a, {**cloud.env, "RUNNER_LEASE_TTL": "12s"})
    (keeper,) = keepers(first.pid)
    os.kill(keeper, signal.SIGSTOP)
    before = parameters(cloud)
    wait_for(lambda: b"expired" in subprocess.run(runner.argv("aws", "lease", "show", "app"), env=runner.full_env(cloud.env),
                                                  capture_output=True).stdout, "it expires")
    os.kill(keeper, signal.SIGCONT)
    out, err = first.communicate(timeout=PATIENCE)
    assert first.returncode == 3 and "could not be renewed in time" in out + err, out + err
    assert parameters(cloud) == before


def test_a_denial_names_the_permission(runner, folders, recorded):
    a = folders("a")
    for operation in ("GetParametersByPath", "PutParameter"):
        recorded.proxy.fault(f"ssm.{operation}", "denied")
        refused = runner("run", a, env=recorded.env, code=3)
        assert f"SSM {operation}" in refused.err and "AccessDenied" in refused.err
        assert f"ssm:{operation} on parameter/runner/lease/app/*" in refused.err and "--iam-policy" in refused.err
    policy = json.loads(runner("plan", "--iam-policy", a, env={}).out)
    allowed = {action: s["Resource"] for s in policy["Statement"] for action in s["Action"]}
    assert set(allowed) == {"ssm:GetParametersByPath", "ssm:PutParameter", "ssm:AddTagsToResource", "ssm:DeleteParameters"}
    assert allowed["ssm:PutParameter"] == "arn:*:ssm:*:*:parameter/runner/lease/app/*"
    assert runner("aws", "lease", "permissions", "app").out.count("ssm:") == 9


@pytest.mark.parametrize("effect", ["throttle", "500", "503", "reset_before", "reset_after", "expired"])
def test_no_fault_on_the_way_costs_the_run_or_the_lease(runner, pipe, recorded, effect):
    file = pipe(pipeline(sh("work", "true"), name="app", lease="aws"), "app.pipe")
    for _ in range(10):
        runner("run", file, env=recorded.env)
    recorded.proxy.fault_each("ssm.*", effect)
    runner("run", file, env=recorded.env)
    assert {c.operation for c in recorded.proxy.calls if c.fault} == {"GetParametersByPath", "PutParameter", "DeleteParameters"}
    assert runner("aws", "lease", "show", "app", env=recorded.direct.env).out == "app is free\n"


def test_a_wrong_clock_of_this_machine_does_not_matter(runner, folders, recorded):
    a, b = folders("a"), folders("b")
    first = start(runner, a, recorded.env)
    recorded.proxy.fault("ssm.GetParametersByPath", "skewed")  # hours ahead: corrected for signatures, and no reason to take over
    assert "is being run already" in runner("run", b, cwd=b.parent, env=recorded.env, code=3).err
    (a.parent / "go").touch()
    assert first.wait(PATIENCE) == 0


def test_the_highest_generation_counts_on_whichever_page_it_is(runner, folders, recorded):
    ssm = recorded.direct.client("ssm")
    for n in range(1, 26):
        ssm.put_parameter(Name=f"/runner/lease/app/{n}", Type="String", Value='{"token": "old", "released": true}')
    ssm.put_parameter(Name="/runner/lease/app/notes", Type="String", Value="not ours")
    a = folders("a")
    (a.parent / "go").touch()
    runner("run", a, cwd=a.parent, env=recorded.env)
    left = [p["Name"] for page in ssm.get_paginator("get_parameters_by_path").paginate(Path="/runner/lease/app")
            for p in page["Parameters"]]
    assert sorted(left) == sorted([f"/runner/lease/app/{n}" for n in range(19, 27)] + ["/runner/lease/app/notes"])


def test_the_local_cloud_has_leases_too(runner, pipe, tmp_path):
    file = pipe(pipeline(sh("work", "true"), name="app", lease="aws"), "app.pipe")
    runner("run", "--local", file)
    runner("run", "--local", file)
    assert "/runner/lease/app/2" in runner("cloud", "ls", "--state", tmp_path / ".runner/cloud").out


def test_the_run_is_named_to_others(runner, folders, recorded):
    a = folders("a")
    first = start(runner, a, {**recorded.env, "RUNNER_LEASE_TTL": "10s"})
    run = os.readlink(a.parent / ".runner/latest").rpartition("/")[2]
    wait_for(lambda: parameters(recorded.direct)[1].get("run") == run, "the next sign of life names the run")
    (a.parent / "go").touch()
    assert first.wait(PATIENCE) == 0


def test_wrong_use_is_explained(runner, pipe, cloud):
    file = pipe(pipeline(sh("work", "true"), name="app", lease="aws"), "app.pipe")
    for ttl in ("soon", "10ms", "2h"):
        assert "RUNNER_LEASE_TTL" in runner("run", file, env={**cloud.env, "RUNNER_LEASE_TTL": ttl}, code=3).err
    assert "started by `runner run`" in runner("aws", "lease", "hold", env=cloud.env, code=1).out
    assert "show|break NAME" in runner("aws", "lease", "--help").out and "lease" in runner("aws", "--help").out
    for wrong in (["show"], ["shwo", "app"], ["show", "a/b"], ["show", "app", "more"], ["show", "app", "--region"],
                  ["show", "app", "--output", "xml"], ["hold", "app"], []):
        assert "Usage: runner aws lease" in runner("aws", "lease", *wrong, code=2).err
    no_region = {k: v for k, v in cloud.env.items() if "REGION" not in k}
    assert "no AWS region" in runner("run", file, env=no_region, code=3).err
    assert 'keeps leases as "asw"' in runner("validate", pipe(pipeline(sh("a", "true"), lease="asw"), "b.pipe"), code=2).err
    other = pipe(pipeline(sh("a", "true"), name="c", lease="cache"), "c.pipe")  # a program that keeps no leases
    assert "runner-cache lease hold) has ended" in runner("run", other, code=3).err


RUNS = 20


def test_of_twenty_contenders_one_works_at_a_time(runner, pipe, recorded_cloud, tmp_path):
    """Some are killed, calls fail on the way: whoever works is alone (flock), and every run that is done has counted."""
    (tmp_path / "n").write_text("0")
    alone = ("flock -n lock sh -c 'n=$(cat n); sleep 0.05; echo $((n + 1)) > n.new; mv n.new n' || "
             "{ echo two at a time > met; exit 1; }")
    file = pipe(pipeline({**sh("work", alone), "with": {"command": alone, "workdir": str(tmp_path)}}, name="app", lease="aws"), "app.pipe")
    env = {**recorded_cloud.env, "RUNNER_LEASE_TTL": "30s", "AWS_MAX_ATTEMPTS": "10"}
    for effect in ("reset_after", "reset_before", "500"):
        recorded_cloud.proxy.fault("ssm.PutParameter", effect, times=3, skip=random.Random(effect).randrange(10))
    for i in range(RUNS):
        (tmp_path / f"f{i}").mkdir()
    runs = [runner.start("run", "--wait", file, cwd=tmp_path / f"f{i}", env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for i in range(RUNS)]
    killers = [threading.Timer(0.3 + i, r.kill) for i, r in enumerate(runs[:4])]
    for killer in killers:
        killer.start()
    ends = [(r.communicate(timeout=1000)[1], r.returncode)[::-1] for r in runs]
    for killer in killers:
        killer.join()
    assert not (tmp_path / "met").exists()
    done = sum(code == 0 for code, _ in ends)
    assert all(code in (0, -signal.SIGKILL) for code, _ in ends), ends
    assert done >= RUNS - 4 and done <= int((tmp_path / "n").read_text()) <= RUNS


def test_the_lease_is_atomic_where_the_server_is(cloud):
    """What the lease relies on: of two that create one parameter, one is refused, and the refusal has this name."""
    ssm = cloud.client("ssm")
    ssm.put_parameter(Name="/runner/lease/x/1", Value="a", Type="String")
    with pytest.raises(ClientError, match="ParameterAlreadyExists"):
        ssm.put_parameter(Name="/runner/lease/x/1", Value="b", Type="String", Overwrite=False)
