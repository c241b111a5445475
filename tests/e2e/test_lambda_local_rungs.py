# SPDX-License-Identifier: Apache-2.0
"""The local Lambda where less is allowed: as a plain user with many ids or one, and as root in a locked-down container."""

import glob
import json
import os
import secrets
import shutil
from pathlib import Path

import boto3
import pytest

import lambda_images as images
import support
from engine import processes, wait_for

BUILD = Path(os.environ.get("RUNNER_BUILD", "build/release")).absolute()
WRAPPERS = {
    "mapped": "setpriv --reuid {uid} --regid {gid} --clear-groups",
    "single-id": "setpriv --reuid {uid} --regid {gid} --clear-groups --no-new-privs",
    "chroot": "{lockdown}",
}


class Client:
    def __init__(self, env):
        self.env = env

    def client(self, service):
        return boto3.client(service, endpoint_url=self.env["AWS_ENDPOINT_URL"], region_name=self.env["AWS_REGION"],
                            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
                            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"])


@pytest.fixture(params=WRAPPERS)
def cloud(request, plain_user, tmp_path):
    if os.getuid() != 0:
        pytest.skip("needs root")
    if request.param == "chroot":
        folder, build = tmp_path, BUILD
    else:
        folder, build = plain_user.path("cloud"), plain_user.build
    wrapper = folder / "run"
    before = WRAPPERS[request.param].format(uid=plain_user.uid, gid=plain_user.gid, lockdown=BUILD / "tests/tools/lockdown")
    wrapper.write_text(f'#!/bin/sh\nexec {before} {build}/libexec/runner/runner-cloud "$@"\n')
    wrapper.chmod(0o755)
    if folder != tmp_path:
        shutil.chown(folder, plain_user.uid, plain_user.gid)
    running = support.Cloud(folder / "state", build)
    running.program = wrapper
    with running:
        made = Client(running.env)
        made.rung, made.state = request.param, folder / "state"
        yield made


@pytest.fixture(scope="session")
def probe(tmp_path_factory):
    return images.compile_static(tmp_path_factory.mktemp("probe"), images.ROOT / "tests/data/functions/probe.c")


def test_functions_run(cloud, probe):
    arn = images.role(cloud)
    client = cloud.client("lambda")
    mark = "probe-" + secrets.token_hex(6)
    lower = {mark: (probe, 0o755), "etc/hello": (b"lower", 0o644), "etc/gone": b"", "opt/old": b""}
    upper = {"etc/hello": (b"upper", 0o644), "etc/.wh.gone": b"", "opt/.wh..wh..opq": b"", "opt/new": b""}
    uri, _ = images.push(cloud, "probe", [lower, upper], {"Entrypoint": ["/" + mark]})
    client.create_function(FunctionName="probe", Role=arn, PackageType="Image", Code={"ImageUri": uri}, Timeout=60)
    client.get_waiter("function_active_v2").wait(FunctionName="probe", WaiterConfig={"Delay": 1})

    def call(do, arg=""):
        answer = client.invoke(FunctionName="probe", Payload=json.dumps({"do": do, "arg": arg}))
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    assert call("id") == (None, "uid=993 gid=990 cwd=/")
    assert call("read", "/etc/hello") == (None, "upper")
    assert call("read", "/etc/gone") == (None, "No such file or directory")
    assert call("read", "/opt/old") == (None, "No such file or directory")
    assert call("read", "/opt/new") == (None, "")
    assert call("write", "/tmp/x") == (None, "ok")
    assert call("write", "/new")[1] != "ok" and call("write", "/etc/hello")[1] != "ok"
    assert call("exit", "3")[0] == "Unhandled"
    assert call("read", "/tmp/x") == (None, "No such file or directory")  # each instance has its own /tmp
    client.update_function_configuration(FunctionName="probe", Timeout=1)
    client.get_waiter("function_updated_v2").wait(FunctionName="probe", WaiterConfig={"Delay": 1})
    error, body = call("sleep", "600000")
    assert error == "Unhandled" and "Task timed out after 1.00 seconds" in body["errorMessage"]
    client.update_function_configuration(FunctionName="probe", Timeout=60)
    client.get_waiter("function_updated_v2").wait(FunctionName="probe", WaiterConfig={"Delay": 1})
    call("fork")
    client.delete_function(FunctionName="probe")
    # the programs are killed first, then each instance takes its folder away: both are waited for
    instances = cloud.state / "lambda/instances"
    wait_for(lambda: not processes(f"/{mark}") and not glob.glob(f"{instances}/*"), "nothing is left")
