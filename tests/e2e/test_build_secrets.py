# SPDX-License-Identifier: Apache-2.0
"""A secret of the pipeline cannot get into an image: not by an argument, a label, a file that is copied or one that RUN writes."""

import gzip
import json
import os

import pytest

import harness_base
from build_context import Context
from fault_registry import FaultRegistry

SECRET = "correct-horse-battery-staple"
GIVEN = {"secrets": {"t": "${{ secrets.token }}"}}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base") / "base"
    harness_base.layout(folder)
    return f"FROM oci-layout://{folder}\n"


@pytest.fixture
def build(runner, tmp_path):
    context = Context(runner, tmp_path / "work")

    def build(dockerfile, code=0, **params):
        return context, context.build(dockerfile, code=code, env={"TOKEN": SECRET}, pipeline_secrets={"token": {"env": "TOKEN"}}, **params)
    return build


def kept(context):
    """All that the cache of the machine and the layout hold, unpacked."""
    for folder in (context.store.parent, context.folder / "layout"):
        for path in folder.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                yield path, gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def refused(build, dockerfile, what, code, **params):
    context, failed = build(dockerfile, code=code, **params)
    assert what in failed.text and SECRET not in failed.text and "--mount=type=secret" in failed.text
    for path, data in kept(context):
        assert SECRET.encode() not in data, path
    return failed


@pytest.mark.parametrize("params, what", [
    ({"build_args": {"TOKEN": "${{ secrets.token }}"}}, "the build argument TOKEN holds a secret"),
    ({"build_args": {"URL": "https://me:${{ secrets.token }}@example.com"}}, "the build argument URL holds a secret"),
    ({"labels": {"note": "${{ secrets.token }}"}}, "the label note holds a secret"),
    ({"annotations": {"note": "${{ secrets.token }}"}}, "the annotation note holds a secret"),
])
def test_a_parameter_that_would_publish_it_is_refused(build, params, what):
    refused(build, "FROM scratch\nARG TOKEN\nARG URL\nCOPY Dockerfile /\n", what, 1, **params)


def test_the_configuration_is_looked_through(build):
    refused(build, f"FROM scratch\nENV A=1 B={SECRET}\n", 'configuration ("Env")', 1, **GIVEN)


def test_a_copied_file_that_holds_it_is_named(build, tmp_path):
    (tmp_path / "work/context/conf").mkdir(parents=True)
    far = b"x" * ((1 << 18) - 10)  # across the border of two pieces
    (tmp_path / "work/context/conf/pip.conf").write_bytes(far + f"index-url = https://u:{SECRET}@host".encode())
    failed = refused(build, "FROM scratch\nCOPY conf /etc/\n", "/etc/pip.conf holds it", 1, **GIVEN)
    assert "Dockerfile:2:1" in failed.text


def test_a_layer_of_the_cache_that_holds_it_is_refused(build, tmp_path):
    (tmp_path / "work/context").mkdir(parents=True, exist_ok=True)
    (tmp_path / "work/context/conf").write_text(SECRET)
    context, _ = build("FROM scratch\nCOPY conf /etc/\n")  # nobody said that it is a secret
    failed = context.build("FROM scratch\nCOPY conf /etc/\n", code=1, env={"TOKEN": SECRET}, pipeline_secrets={"token": {"env": "TOKEN"}}, **GIVEN)
    assert "cached" not in failed.text and "/etc/conf holds it" in failed.text and "Dockerfile:2:1" in failed.text


def test_a_secret_of_the_stage_alone_is_known_before_a_run_asks_for_it(build, tmp_path):
    (tmp_path / "work/context").mkdir(parents=True, exist_ok=True)
    (tmp_path / "work/context/conf").write_text("token=of-the-stage-alone\n")
    (tmp_path / "work/token").write_text("of-the-stage-alone\n")
    _, failed = build("FROM scratch\nCOPY conf /etc/\n", code=1, secrets={"t": {"file": "token"}})
    assert "/etc/conf holds it" in failed.text and "of-the-stage-alone" not in failed.text


@pytest.mark.skipif(os.geteuid() != 0, reason="the other rungs are in test_build_rungs.py")
def test_a_file_that_a_run_wrote_it_to_is_named(build, base):
    text = base + "RUN true\nRUN --mount=type=secret,id=t cat /run/secrets/t > /root.txt\n"
    failed = refused(build, text, "/root.txt holds it", 1, **GIVEN)
    assert "Dockerfile:3:1" in failed.text
    refused(build, text.replace("root.txt", "other.txt"), "/other.txt holds it", 1, **GIVEN)


@pytest.mark.skipif(os.geteuid() != 0, reason="the other rungs are in test_build_rungs.py")
def test_a_run_that_only_uses_it_is_fine(build, base):
    context, image = build(base + "RUN --mount=type=secret,id=t wc -c < /run/secrets/t > /length\n", **GIVEN)
    assert image.layers and json.loads((context.folder / "layout/index.json").read_text())["manifests"]


# ---- layers that only the cache of a registry has -----------------------------------------------


class Machines:
    """Builds each on a machine of its own, with one registry as cache; `fetched`: layers that the last one fetched."""

    def __init__(self, context, registry):
        self.context, self.registry, self.count = context, registry, 0

    def __call__(self, secrets=None, code=0, save=True, **params):
        self.count += 1
        self.registry.seen.clear()
        cache = f"{self.registry.host}/app:cache"
        env = {"TOKEN": SECRET, "OTHER": "quite-another-secret", "XDG_CACHE_HOME": str(self.context.folder / f"machine{self.count}")}
        given = {"secrets": {name: f"${{{{ secrets.{name} }}}}" for name in secrets}} if secrets else {}
        self.context.build("FROM scratch\nCOPY conf /etc/\n", code=code, env=env, layout=None, push=True, tags=[f"{self.registry.host}/app:v1"],
                           cache_from=[cache], cache_to=cache if save else None, pipeline_secrets={"token": {"env": "TOKEN"}, "other": {"env": "OTHER"}},
                           **given, **params)
        gets = [r.target.rpartition("/")[2] for r in self.registry.seen if r.method == "GET" and "/blobs/" in r.target]
        layers = {d["digest"] for (_, _), (_, text) in self.registry.manifests.items() for d in json.loads(text).get("layers", [])}
        self.fetched = [d for d in gets if d in layers]
        return self.context.text


@pytest.fixture
def machines(runner, tmp_path):
    context = Context(runner, tmp_path / "work")
    with FaultRegistry() as registry:
        yield Machines(context, registry)


def test_a_layer_that_a_run_without_the_secret_made_is_fetched_and_refused(machines):
    machines.context.write("conf", SECRET)
    machines()
    text = machines(["token"], code=1)
    assert "/etc/conf holds it" in text and "Dockerfile:2:1" in text and SECRET not in text and len(machines.fetched) == 1


def test_a_layer_that_was_searched_for_the_same_secrets_is_not_fetched(machines):
    machines.context.write("conf", "harmless\n")
    machines(["token"])
    assert "| cached" in machines(["token"]) and not machines.fetched
    assert "| cached" in machines() and not machines.fetched, "nothing to look for"
    assert "fetched to look for secrets" in machines(["token", "other"]) and len(machines.fetched) == 1
    assert "| cached" in machines(["other"]) and not machines.fetched, "the one before has noted both"
    kept_there = [*machines.registry.blobs.values(), *(text for _, text in machines.registry.manifests.values())]
    assert any(b'"searched":["other","token"]' in data for data in kept_there)
    assert not any(SECRET.encode() in data for data in kept_there)


def test_a_layer_that_nobody_searched_is_fetched_by_each_that_cannot_note_it(machines):
    machines.context.write("conf", "harmless\n")
    machines()
    for _ in range(2):
        assert "| cached" in machines(["token"], save=False) and len(machines.fetched) == 1
    assert "| cached" in machines(["token"]) and len(machines.fetched) == 1
    assert "| cached" in machines(["token"], save=False) and not machines.fetched
