# SPDX-License-Identifier: Apache-2.0
"""Fixtures shared by the end-to-end tests; README.md here lists them."""

import hashlib
import json
import logging
import base64
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
os.environ.setdefault("MOTO_LAMBDA_STUB_ECR", "false")  # functions name images that moto's ECR has
os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")

import boto3  # noqa: E402
import pytest  # noqa: E402
from botocore.config import Config  # noqa: E402

import support  # noqa: E402
from recording_proxy import RecordingProxy  # noqa: E402
from stage_bench import StageBench  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--all-run-cases", action="store_true", help="test_build_rungs.py: all Dockerfiles with RUN on every rung")


@pytest.fixture
def runner(tmp_path):
    """runner("run", file, env={...}) -> Result; its own HOME, cache and working directory."""
    return support.Runner(tmp_path)


@pytest.fixture
def pipe(tmp_path):
    """pipe(text or dict, name="test.pipe") -> path of the pipeline file written below tmp_path."""
    return lambda content, name="test.pipe": support.write_pipe(tmp_path / name, content)


class Endpoint:
    """An AWS endpoint with its credentials: moto, the local cloud, or a proxy before either."""

    def __init__(self, url, access_key, secret_key, region="us-east-1"):
        self.url, self.access_key, self.secret_key, self.region = url, access_key, secret_key, region

    @property
    def env(self):
        return {"AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key,
                "AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}

    def client(self, service):
        """A boto3 client that does not retry."""
        return boto3.client(service, endpoint_url=self.url, aws_access_key_id=self.access_key,
                            aws_secret_access_key=self.secret_key, region_name=self.region,
                            config=Config(retries={"total_max_attempts": 1}, read_timeout=support.PATIENCE))

    def aws(self, *args, check=True):
        """The stock aws CLI; returns decoded JSON (or text)."""
        return support.aws_cli(self.env, *args, check=check)


@pytest.fixture
def cloud(tmp_path):
    """A running local cloud: env, client(service), aws(...), stop(), kill(), start()."""
    with support.Cloud(tmp_path / "cloud") as running:
        yield CloudEndpoint(running)


class CloudEndpoint(Endpoint):
    def __init__(self, running):
        self.running = running
        self.take()

    def take(self):
        env = self.running.env
        super().__init__(env["AWS_ENDPOINT_URL"], env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_REGION"])

    @property
    def state(self):
        return self.running.state

    @property
    def host(self):
        return self.url.partition("://")[2]

    def fault(self, match, effect, **more):
        """Adds a fault rule (docs/local-cloud.md) to the running cloud."""
        user = base64.b64encode(f"{self.access_key}:{self.secret_key}".encode()).decode()
        status, _, body = support.http("POST", f"{self.url}/_runner/faults", {"Authorization": f"Basic {user}"},
                                       json={"match": match, "effect": effect, **more})
        assert status == 201, body

    def stop(self):
        return self.running.stop()

    def kill(self):
        return self.running.kill()

    def start(self):
        self.running.start()
        self.take()


MOTO_POLICIES = ("AWSLambda", "ReadOnlyAccess", "PowerUserAccess")


@pytest.fixture(scope="session")
def moto_server():
    import moto.ecr.models
    import moto.iam.models
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # Each reset makes all managed policies anew, which takes seconds: a few of the 1,300 are enough.
    policies = json.loads(moto.iam.models.aws_managed_policies_data)
    moto.iam.models.aws_managed_policies_data = json.dumps({n: p for n, p in policies.items() if n.startswith(MOTO_POLICIES)})
    moto.ecr.models.Image._create_digest = lambda image: setattr(  # moto makes digests up
        image, "_image_digest", "sha256:" + hashlib.sha256(image.image_manifest.encode()).hexdigest())
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://%s:%d" % server.get_host_and_port()
    server.stop()


@pytest.fixture
def moto(moto_server):
    """moto's server, empty: env, client(service), aws(...)."""
    support.http("POST", f"{moto_server}/moto-api/reset")
    support.http("POST", f"{moto_server}/moto-api/config", json={"lambda": {"use_docker": False}})
    return Endpoint(moto_server, "AKIDEXAMPLE000000000", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def _record(endpoint):
    proxy = RecordingProxy(endpoint.url, {endpoint.access_key: endpoint.secret_key})
    recorded = Endpoint(proxy.url, endpoint.access_key, endpoint.secret_key, endpoint.region)
    recorded.proxy, recorded.direct = proxy, endpoint
    return recorded


@pytest.fixture
def recorded_moto(moto):
    """moto behind a RecordingProxy: env and client() go through `.proxy`; `.direct` is moto itself."""
    recorded = _record(moto)
    yield recorded
    recorded.proxy.close()


@pytest.fixture
def recorded_cloud(cloud):
    """The local cloud behind a RecordingProxy: env and client() go through `.proxy`; `.direct` is the cloud."""
    recorded = _record(cloud)
    yield recorded
    recorded.proxy.close()


@pytest.fixture(params=["moto", "cloud"])
def recorded(request):
    """moto in one run of the test, the local cloud in another, behind a RecordingProxy; `.name` says which."""
    endpoint = request.getfixturevalue(f"recorded_{request.param}")
    endpoint.name = request.param
    return endpoint


@pytest.fixture
def bench(runner, pipe):
    """bench(endpoint, uses, with_, ...) -> StageBench: one stage, run and watched in all ways (stage_bench.py)."""
    return lambda endpoint, uses, with_, **more: StageBench(runner, pipe, endpoint, uses, with_, **more)


@pytest.fixture(scope="session")
def plain_user():
    """An unprivileged user: run(argv, env=..., cwd=...), home, name, build (a copy of the build it may read)."""
    with support.plain_user() as user:
        yield user
