# SPDX-License-Identifier: Apache-2.0
"""`runner plan` of an image: its digest when the cache knows every step, else that something will be built; nothing is written."""

import hashlib
import json

import pytest
import support
from engine import pipeline, stage
from fault_registry import FaultRegistry
from images import Image


@pytest.fixture
def context(tmp_path):
    folder = tmp_path / "ctx"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY f /f\nENV A=1\n")
    (folder / "f").write_text("one")
    return folder


def planned(runner, file, code):
    result = runner("plan", "--detailed-exitcode", "--output", "json", file, code=code)
    return [(c["action"], [(f["name"], f.get("before"), f.get("after")) for f in c.get("fields", [])])
            for c in json.loads(result.out)["changes"]], result


def test_a_plan_knows_the_digest_of_what_is_cached(runner, pipe, tmp_path, context):
    file = pipe(pipeline(stage("i", "oci-build", context="ctx")))
    changes, result = planned(runner, file, 2)
    assert changes == [("created", [])] and "known when it is built" in result.out
    assert not (tmp_path / ".runner").exists(), "a plan writes nothing"
    runner("run", file)
    first = json.loads(runner("outputs", "--json").out)["i"]["digest"]
    assert planned(runner, file, 0)[0] == [("unchanged", [])]
    (context / "f").write_text("two")
    assert planned(runner, file, 2)[0] == [("updated", [])]
    runner("run", file)
    second = json.loads(runner("outputs", "--json").out)["i"]["digest"]
    (context / "f").write_text("one")  # all steps are in the cache, and the layout has the other image
    assert planned(runner, file, 2)[0] == [("updated", [("digest", second, first)])]
    assert json.loads((tmp_path / ".runner/state/test/i/layout/index.json").read_text())["manifests"][0]["digest"] == second


def test_a_wrong_dockerfile_fails_the_plan_at_its_line(runner, pipe, context):
    (context / "Dockerfile").write_text("FROM scratch\nCOPY missing /f\n")
    file = pipe(pipeline(stage("i", "oci-build", context="ctx")))
    result = runner("plan", file, code=1)
    assert "Dockerfile:2" in result.out and "missing" in result.out


def test_a_plan_without_a_cache_gets_no_layer(runner, pipe, context):
    with FaultRegistry() as registry:
        image = Image({"big": b"x"})
        registry.add_image("base", "1", image)
        (context / "Dockerfile").write_text(f"FROM {registry.host}/base:1\nCOPY f /f\nRUN true\n")
        assert planned(runner, pipe(pipeline(stage("i", "oci-build", context="ctx"))), 2)[0] == [("created", [])]
        assert registry.count("GET", "/manifests/1") and not registry.count("GET", f"/blobs/sha256:{hashlib.sha256(image.layers[0]).hexdigest()}")


def test_after_the_main_job_a_plan_finds_nothing_to_do(runner):
    file = support.SOURCE / "pipelines/serverless.pipe"
    assert runner("plan", "--local", "--detailed-exitcode", file, code=2)
    runner("run", "--local", file)
    out = runner("plan", "--local", "--detailed-exitcode", file, code=0).out
    assert "12 unchanged" in out and "created" not in out and "updated" not in out
