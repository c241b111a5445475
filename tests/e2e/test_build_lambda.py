# SPDX-License-Identifier: Apache-2.0
"""`profile: lambda` and `runner lambda-lint`: what Lambda refuses is refused before the image is pushed, with the cure."""

import os
import shutil

import pytest

import harness_base
from fault_registry import FaultRegistry
from images import Image
from oci_context import Context

GOOD = 'FROM scratch\nCOPY --chmod=755 program /program\nENTRYPOINT ["/program"]\n'


@pytest.fixture
def context(runner, tmp_path):
    context = Context(runner, tmp_path / "work")
    (context.folder / "context/program").write_bytes(elf(62))
    return context


def elf(machine):
    """The beginning of a program for that machine: 62 amd64, 183 arm64."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + machine.to_bytes(2, "little") + bytes(44)


def lambda_build(context, dockerfile, code=1, **more):
    return context.build(dockerfile, code=code, profile="lambda", layout="layout", **more)


def test_a_good_image_passes_and_is_not_looked_into_twice(context):
    for _ in range(2):
        assert "warning" not in lambda_build(context, GOOD, code=0).text


@pytest.mark.parametrize("dockerfile, words", [
    ("FROM scratch\nCOPY program /program\n", ["neither ENTRYPOINT nor CMD", "runtime API"]),
    ('FROM scratch\nCOPY program /p\nCMD ["/q"]\n', ["/q", "not in it", "correct ENTRYPOINT"]),
    ('FROM scratch\nCOPY program /p\nCMD ["q"]\n', ["q, which is not in it", "PATH"]),
    ('FROM scratch\nCOPY program /d/p\nCMD ["/d"]\n', ["/d, which is no file"]),
    ('FROM scratch\nCOPY --chmod=744 program /p\nENTRYPOINT ["/p"]\n', ["may not run /p", "0744", "chmod"]),
    ("FROM scratch\nCOPY --chmod=755 program /p\nCOPY --chmod=600 program /data/secret\nENTRYPOINT [\"/p\"]\n", ["cannot read 1 files", "/data/secret", "go+rX"]),
    ("FROM scratch\nCOPY --chmod=755 program /p\nWORKDIR /w\nCOPY --chmod=600 program x\nENTRYPOINT [\"/p\"]\n", ["cannot read 1 files", "/w/x"]),
])
def test_what_lambda_cannot_run(context, dockerfile, words):
    result = lambda_build(context, dockerfile)
    for word in words:
        assert word in result.text, result.text
    assert not (context.folder / "layout").exists()


def test_the_program_must_be_for_the_platform(context):
    result = lambda_build(context, GOOD, platform="linux/arm64")
    assert "/program is a program for amd64, and the image says arm64" in result.text and "compile it for arm64" in result.text
    (context.folder / "context/program").write_bytes(elf(183))
    lambda_build(context, GOOD, code=0, platform="linux/arm64")
    result = lambda_build(context, GOOD, platform="linux/s390x")
    assert "Lambda runs linux/amd64 and linux/arm64" in result.text


def test_a_script_needs_its_interpreter(context):
    context.write("run.sh", "#!/bin/sh -e\necho\n", 0o755)
    context.write("run.py", "#!/usr/bin/env python3\n", 0o755)
    script = 'FROM scratch\nCOPY run.sh run.py /\n%sENTRYPOINT ["/run.%s"]\n'
    assert "/bin/sh, which is not in it" in lambda_build(context, script % ("", "sh")).text
    lambda_build(context, script % ("COPY --chmod=755 program /bin/sh\n", "sh"), code=0)
    with_env = "COPY --chmod=755 program /usr/bin/env\n"
    assert "python3, which is not in it" in lambda_build(context, script % (with_env, "py")).text
    lambda_build(context, script % (with_env + "COPY --chmod=755 program /opt/bin/python3\nENV PATH=/opt/bin\n", "py"), code=0)


def test_what_a_distribution_hides_is_no_fault(context):
    text = GOOD.replace("ENTRYPOINT", "COPY --chmod=640 program /etc/shadow\nCOPY --chmod=600 program /root/.profile\nENTRYPOINT")
    assert "cannot read" not in lambda_build(context, text, code=0).text


@pytest.mark.skipif(os.geteuid() != 0, reason="RUN on the best rung")
def test_what_run_made_unreadable_is_a_warning_but_in_the_task_folder(context, tmp_path):
    harness_base.layout(tmp_path / "base")
    text = GOOD.replace("scratch", f"oci-layout://{tmp_path}/base") + "RUN mkdir -p /data /var/task && echo x > {0}/s && chmod 600 {0}/s\n"
    assert "warning: Lambda's user cannot read 1 files or folders that RUN made: /data/s" in lambda_build(context, text.format("/data"), code=0).text
    shutil.rmtree(context.folder / "layout")
    assert "Lambda's user cannot read 1 files or folders: /var/task/s" in lambda_build(context, text.format("/var/task")).text
    assert not (context.folder / "layout").exists()


@pytest.mark.parametrize("how", ["zstd", "none"])
def test_other_compressions_are_refused_at_once(context, how):
    result = lambda_build(context, GOOD, code=None, compression=how)
    assert result.code and "gzip layers only" in result.text


def test_an_index_is_refused_at_once(context):
    result = lambda_build(context, GOOD, code=None, platform=None, platforms=["linux/amd64", "linux/arm64"])
    assert result.code and "one platform" in result.text


@pytest.mark.parametrize("how, kind", [("zstd", "tar+zstd"), ("none", "tar")])
def test_a_base_with_other_layers_is_refused_before_the_push(context, how, kind):
    context.build("FROM scratch\nCOPY program /base\n", layout="other", compression=how)
    with FaultRegistry() as registry:
        result = context.build(GOOD.replace("scratch", "base"), code=1, profile="lambda", push=True, tags=[f"{registry.host}/app:v1"],
                               build_contexts={"base": "oci-layout://other"})
        assert f"layer 1 is application/vnd.oci.image.layer.v1.{kind}\n" in result.text and "base image with gzip layers" in result.text
        assert not registry.manifests


# ---- runner lambda-lint ---------------------------------------------------------------------------


def lint(runner, *args, code=0):
    return runner("lambda-lint", *args, code=code)


def test_lint_looks_at_layouts(context, runner):
    context.build(GOOD, layout="good", tags=["example.com/app:v1"])
    assert "Lambda takes it" in lint(runner, context.folder / "good").text
    assert "Lambda takes it" in lint(runner, f"{context.folder}/good:v1").text
    context.build(GOOD, layout="zstd", compression="zstd")
    result = lint(runner, context.folder / "zstd", code=1)
    assert "gzip layers only" in result.text and "fix" in result.text
    context.build(GOOD, layout="index", platform=None, platforms=["linux/amd64", "linux/arm64"])
    assert "index of several" in lint(runner, context.folder / "index", code=1).text


def test_lint_looks_into_registries(runner, tmp_path):
    with FaultRegistry() as registry:
        registry.add_image("good", "1", Image({"program": elf(62)}, config={"Entrypoint": ["/program"]}))
        registry.add_image("arm", "1", Image({"program": elf(62)}, config={"Entrypoint": ["/program"]}, architecture="arm64"))
        assert "Lambda takes it" in lint(runner, f"{registry.host}/good:1").text
        assert "program for amd64" in lint(runner, f"{registry.host}/arm:1", code=1).text
        assert "404" in lint(runner, f"{registry.host}/none:1", code=3).text
    assert "usage" in lint(runner, code=2).text
