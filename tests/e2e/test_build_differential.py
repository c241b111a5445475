# SPDX-License-Identifier: Apache-2.0
"""Every Dockerfile of tests/differential/cases.py, built by oci-build and by buildah, compared entry by entry."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "differential"))

import corners_copy  # noqa: E402, F401
import corners_syntax  # noqa: E402, F401
from cases import CASES  # noqa: E402
from harness import Builder, Registry, consistent, differences, digest, unmet  # noqa: E402
from tree import Image  # noqa: E402

BUILD = Path(os.environ.get("RUNNER_BUILD", Path(__file__).parents[2] / "build/release"))
pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="buildah is the judge as root")]


@pytest.fixture(scope="module")
def builder(plain_user):
    """Where the plain user may go too; in memory when there is room, since both builders sync what they write."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 4 << 30
    folder = Path(tempfile.mkdtemp(prefix="differential-", dir=memory if roomy else "/tmp"))
    folder.chmod(0o755)
    registry = Registry(folder)
    user = ["setpriv", f"--reuid={plain_user.uid}", f"--regid={plain_user.gid}", "--clear-groups", "--"]
    yield Builder(BUILD, registry, folder, (plain_user.uid, plain_user.gid, plain_user.build, [BUILD / "tests/tools/lockdown", *user]))
    registry.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_builds_as_buildah_does(builder, case):
    builder.prepare(case)
    code, output, layout = builder.runner(case)
    if case.error:
        assert code in (1, 2, 3), output
        assert case.error in output
        assert not case.at or f"Dockerfile:{case.at}" in output, output
        builder.clean(case)
        return
    assert code == 0, output
    ours = Image.from_layout(layout)
    problems = consistent(ours) + unmet(ours, case.expect)
    if not case.run:
        code, output, again = builder.runner_as_plain_user(case)
        assert code == 0, f"as a plain user: {output}"
        if digest(again) != digest(layout):
            problems.append("another digest as a plain user")
    if not (case.reason and case.expect and not case.ignore):
        code, output, folder = builder.buildah(case)
        assert code == 0, f"buildah: {output}"
        problems += differences(ours, Image.from_dir(folder), case.ignore)
    builder.clean(case)
    assert not problems, "\n".join(problems) + "\n" + case.dockerfile
