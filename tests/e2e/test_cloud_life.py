# SPDX-License-Identifier: Apache-2.0
"""The local cloud as a program: ready, second start, port, kill -9, stop, ls, reset."""

import errno
import contextlib
import json
import signal
import socket
import subprocess
import threading
import time

import pytest

from images import Image, Registry
from support import BUILD, PATIENCE, Cloud, clean_env, http

PROGRAM = BUILD / "libexec/runner/runner-cloud"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
                                                           "Action": "sts:AssumeRole"}]})


def run(tmp_path, *args, code=0):
    done = subprocess.run([PROGRAM, *map(str, args)], cwd=tmp_path, env=clean_env(tmp_path), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == code, done
    return done.stdout + done.stderr


def wait_for_end(pid):
    deadline = time.monotonic() + PATIENCE
    with contextlib.suppress(OSError):
        while open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < deadline, f"process {pid} goes on"
            time.sleep(0.02)


def test_it_says_what_to_export_and_stops_on_a_signal(tmp_path):
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen([PROGRAM, "--state", "s"], cwd=tmp_path, env=clean_env(tmp_path), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        lines = [process.stdout.readline() for _ in range(6)]
        assert lines[0].startswith("# local cloud at http://127.0.0.1:")
        names = [line.split("=")[0] for line in lines[1:]]
        assert names == [f"export {n}" for n in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION",
                                                 "AWS_DEFAULT_REGION")]
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert not (tmp_path / "s/environment").exists()


def test_the_state_survives_a_stop_with_credentials_and_port(cloud):
    before = dict(cloud.env)
    cloud.client("ecr").create_repository(repositoryName="r1")
    assert cloud.stop() == 0
    cloud.start()
    port = int(before["AWS_ENDPOINT_URL"].rpartition(":")[2])
    assert {**cloud.env, "AWS_ENDPOINT_URL": ""} == {**before, "AWS_ENDPOINT_URL": ""}
    with socket.socket() as s:  # the same port, unless another program took it meanwhile
        assert cloud.url.endswith(f":{port}") or s.connect_ex(("127.0.0.1", port)) == 0
    assert [r["repositoryName"] for r in cloud.client("ecr").describe_repositories()["repositories"]] == ["r1"]


def test_the_next_port_is_free_when_the_last_one_is_taken(cloud):
    before = cloud.url
    cloud.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # of another program already: as good
            taken.bind(("127.0.0.1", int(before.rpartition(":")[2])))
            taken.listen()
        cloud.start()
    assert cloud.url != before and http("GET", f"{cloud.url}/_runner/health")[0] == 200


def test_a_port_in_use_is_said(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = run(tmp_path, "--port", port, "--state", "s", code=3)
    assert f"port {port} on 127.0.0.1 is in use" in text and "--port" in text


@pytest.mark.parametrize("args, text", [
    (["--host", "0.0.0.0"], "loopback"), (["--port", "x"], "--port x"), (["--port"], "needs a value"), (["--nope"], "unknown option"),
    (["dance"], "unknown command"), (["ls", "x"], "takes nothing"), (["--times", "1"], "belongs to runner cloud fault add"),
    (["fault"], "add | ls | rm"), (["--output", "xml"], "text and json"),
])
def test_wrong_usage_is_said(tmp_path, args, text):
    assert text in run(tmp_path, *args, code=2)


def test_those_who_share_a_cloud_keep_it_alive(cloud):
    again = Cloud(cloud.state)
    again.start()
    assert again.env == cloud.env
    pid = again.pid
    assert cloud.stop() == 0  # the one that started it leaves at once
    sts = cloud.client("sts")
    assert sts.get_caller_identity()["Account"] == "000000000000" and again.pid == pid
    cloud.start()
    assert cloud.running.pid == pid
    cloud.running.process.kill()  # however a holder ends
    cloud.running.process.wait()
    cloud.running.process = None
    assert sts.get_caller_identity()["Account"] == "000000000000"
    assert again.stop() == 0
    assert not (cloud.state / "environment").exists()
    wait_for_end(pid)


def test_a_foreground_cloud_is_not_ended_by_those_who_use_it(tmp_path):
    process = subprocess.Popen([PROGRAM, "--state", "s", "--quiet"], cwd=tmp_path, env=clean_env(tmp_path), stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("# local cloud")
    user = Cloud(tmp_path / "s")
    user.start()
    assert user.process.wait(PATIENCE) == 0  # nothing to hold
    user.process = None
    assert http("GET", f"{user.env['AWS_ENDPOINT_URL']}/_runner/health")[0] == 200
    process.terminate()
    assert process.wait(PATIENCE) == 0


def test_runs_at_once_in_one_folder_share_the_cloud(runner, pipe):
    """Whichever starts it, whichever ends first."""
    def text(name, seconds):
        role = {"uses": "iam", "with": {"trust": ["lambda.amazonaws.com"]}}
        return {"name": name, "stages": [
            {"id": "one", **role, "with": {**role["with"], "role_name": f"{name}-1"}},
            {"id": "wait", "uses": "exec", "with": {"command": f"until test -e {seconds}; do sleep 0.05; done; touch {name}.done"}},
            {"id": "two", **role, "with": {**role["with"], "role_name": f"{name}-2"}}]}

    runs = [runner.start("run", "--local", pipe(text(n, f, ), f"{n}.pipe")) for n, f in (("aa", "/"), ("bb", "aa.done"), ("cc", "bb.done"))]
    for run_ in runs:
        out, err = run_.communicate(timeout=PATIENCE)
        assert run_.returncode == 0, out + err
    assert len([line for line in runner("cloud", "ls").out.splitlines() if line.startswith("role")]) == 6


def test_a_second_start_that_wants_something_else_is_refused(cloud, tmp_path):
    (tmp_path / "rules.json").write_text("[]")
    text = run(tmp_path, "--state", cloud.state, "--faults", tmp_path / "rules.json", code=3)
    assert "another local cloud serves" in text and "fault add" in text
    assert "on another port" in run(tmp_path, "--state", cloud.state, "--port", 1, code=3)


def test_env_is_for_a_shell_or_for_machines(cloud, tmp_path):
    shell = f'eval "$({PROGRAM} env --state {cloud.state})"; echo "$AWS_ENDPOINT_URL $AWS_SECRET_ACCESS_KEY"'
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, env=clean_env(tmp_path))
    assert done.stdout == f"{cloud.url} {cloud.secret_key}\n", done
    assert json.loads(run(tmp_path, "env", "--output", "json", "--state", cloud.state)) == cloud.running.env
    cloud.stop()
    assert "runner cloud --state" in run(tmp_path, "env", "--state", cloud.state, code=3)
    assert "no local cloud serves" in run(tmp_path, "env", "--state", tmp_path / "none", code=3)
    assert not (tmp_path / "none").exists()


def test_starts_at_the_same_time_end_up_with_one_cloud(tmp_path):
    clouds = [Cloud(tmp_path / "s") for _ in range(4)]
    try:
        threads = [threading.Thread(target=c.start) for c in clouds]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert len({c.env["AWS_ENDPOINT_URL"] for c in clouds}) == 1
        assert len({c.pid for c in clouds}) == 1
    finally:
        for c in clouds:
            c.stop()


def test_a_stale_environment_is_not_handed_over(cloud):
    cloud.kill()
    assert (cloud.state / "environment").exists()
    cloud.start()
    assert cloud.client("sts").get_caller_identity()["Account"] == "000000000000"


def test_it_dies_with_its_parent(tmp_path):
    script = ("import os, subprocess, sys; r, w = os.pipe(); "
              f"p = subprocess.Popen([{str(PROGRAM)!r}, '--env-fd', str(w), '--state', 's'], pass_fds=[w]); os.close(w); "
              "os.read(r, 65536); print(p.pid, flush=True); os.kill(os.getpid(), 9)")
    done = subprocess.run(["python3", "-c", script], cwd=tmp_path, env=clean_env(tmp_path), capture_output=True, text=True, timeout=PATIENCE)
    wait_for_end(int(done.stdout))
    with contextlib.suppress(FileNotFoundError):  # it goes with the cloud
        wait_for_end(int((tmp_path / "s/environment").read_text().split()[2]))


def test_kill_loses_nothing_that_was_acknowledged(cloud):
    """Writers of all kinds run while the cloud is killed, several times; each write that was answered is there afterwards."""
    cloud.client("ecr").create_repository(repositoryName="images")
    for round_number in range(3):
        registry, roles, repositories, tags, apis = Registry(cloud), [], [], [], []
        iam, ecr, apigw = (cloud.client(s) for s in ("iam", "ecr", "apigateway"))

        def forever(make, done):
            try:
                for i in range(10_000):
                    done.append(make(i))
            except Exception:  # noqa: BLE001 the cloud is gone
                pass

        n = round_number
        work = [
            (lambda i: iam.create_role(RoleName=f"r{n}-{i}", AssumeRolePolicyDocument=TRUST)["Role"]["RoleName"], roles),
            (lambda i: ecr.create_repository(repositoryName=f"x{n}/r{i}")["repository"]["repositoryName"], repositories),
            (lambda i: registry.push("images", Image({"f": b"%d-%d" % (n, i)}), f"t{n}-{i}"), tags),
            (lambda i: apigw.create_rest_api(name=f"a{n}-{i}")["id"], apis),
        ]
        threads = [threading.Thread(target=forever, args=w) for w in work]
        for t in threads:
            t.start()
        deadline = time.monotonic() + PATIENCE
        while min(map(len, (roles, repositories, tags, apis))) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        cloud.kill()
        for t in threads:
            t.join()
        assert roles and repositories and tags and apis
        cloud.start()
        iam, ecr, apigw, registry = cloud.client("iam"), cloud.client("ecr"), cloud.client("apigateway"), Registry(cloud)
        for name in roles:
            iam.get_role(RoleName=name)
        ecr.describe_repositories(repositoryNames=repositories)
        for i, name in enumerate(tags):
            image = Image({"f": b"%d-%d" % (n, i)})
            assert registry("GET", f"/v2/images/manifests/t{n}-{i}")[2] == image.manifest and image.digest == name
            for blob in image.layers:
                assert registry("GET", f"/v2/images/blobs/sha256:{__import__('hashlib').sha256(blob).hexdigest()}")[2] == blob
        for api in apis:
            assert len(apigw.get_resources(restApiId=api)["items"]) == 1


def test_ls_lists_and_reset_removes(cloud, tmp_path):
    assert "nothing in" in run(tmp_path, "ls", "--state", tmp_path / "none")
    cloud.client("ecr").create_repository(repositoryName="team/app")
    cloud.client("iam").create_role(RoleName="r1", AssumeRolePolicyDocument=TRUST)
    text = run(tmp_path, "ls", "--state", cloud.state)
    assert "repository" in text and ":repository/team/app" in text and "arn:aws:iam::000000000000:role/r1" in text
    listed = json.loads(run(tmp_path, "ls", "--output", "json", "--state", cloud.state))
    assert [(one["type"], one["region"], one["name"]) for one in listed] == [("role", "", "r1"),
                                                                             ("repository", "us-east-1", "team/app")]
    assert "stop it first" in run(tmp_path, "reset", "--state", cloud.state, code=3)
    cloud.stop()
    run(tmp_path, "reset", "--state", cloud.state)
    assert not cloud.state.exists()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("x")
    assert "not the state folder" in run(tmp_path, "reset", "--state", tmp_path / "precious", code=2)
    assert (tmp_path / "precious/file").exists()


def test_a_damaged_state_is_said(cloud, tmp_path):
    cloud.stop()
    for name in ("state.db-wal", "state.db-shm"):
        (cloud.state / name).unlink(missing_ok=True)
    (cloud.state / "state.db").write_bytes(b"no database" * 1000)
    assert "runner cloud reset" in run(tmp_path, "--state", cloud.state, "--env-fd", "1", code=3)


def test_the_state_is_private(cloud):
    assert cloud.state.stat().st_mode & 0o077 == 0
    assert (cloud.state / "environment").stat().st_mode & 0o077 == 0


def test_broken_requests_do_not_hurt(cloud):
    port = int(cloud.url.rpartition(":")[2])
    for junk in (b"\0" * 100, b"GET", b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
                 b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nshort", b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as s:
            try:
                s.sendall(junk)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except OSError as error:  # it may have hung up already
                assert error.errno in (errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE)
    assert cloud.client("sts").get_caller_identity()["Account"] == "000000000000"


def test_a_body_has_a_ceiling(cloud):
    status, _, _ = http("POST", cloud.url, {"Content-Type": "application/x-www-form-urlencoded"}, b"x" * (33 << 20))
    assert status == 413


def test_slow_clients_hold_nobody_up(cloud):
    port = int(cloud.url.rpartition(":")[2])
    starts = (b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf a bo", b"")
    slow = []
    try:
        for i in range(120):
            slow.append(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
            slow[-1].sendall(starts[i % 3])
        for _ in range(3):
            assert cloud.client("sts").get_caller_identity()["Account"] == "000000000000"
            cloud.client("iam").list_roles()
    finally:
        for s in slow:
            s.close()
    assert cloud.stop() == 0


@pytest.mark.parametrize("path", ["/_runner/health", "/restapis/a/test/_user_request_/x", "/?Action=AssumeRoleWithWebIdentity"])
def test_a_web_page_whose_name_resolves_to_this_machine_learns_nothing(cloud, path):
    """Without a signature only loopback names are answered; a forged header does not count as one."""
    for host, refused in (("rebound.example:80", True), ("127.0.0.1.rebound.example", True), ("localhost:1", False), ("127.0.0.1", False)):
        body = http("GET", cloud.url + path, {"Host": host, "Authorization": "Bearer x"})[2].decode()
        assert ("loopback names only" in body) == refused
