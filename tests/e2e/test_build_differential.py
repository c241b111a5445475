# SPDX-License-Identifier: Apache-2.0
"""Every Dockerfile of tests/differential/cases.py, built by oci-build and by buildah, compared entry by entry."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "differential"))

import corners_copy  # noqa: E402, F401
import corners_syntax  # noqa: E402, F401
from cases import CASES  # noqa: E402
from harness import Builder, Registry, consistent, differences, unmet  # noqa: E402
from tree import Image  # noqa: E402

BUILD = Path(os.environ.get("RUNNER_BUILD", Path(__file__).parents[2] / "build/release"))
pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="buildah is the judge as root")]


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("differential")
    registry = Registry(folder)
    yield Builder(BUILD, registry, folder)
    registry.close()


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
    if not (case.reason and case.expect and not case.ignore):
        code, output, folder = builder.buildah(case)
        assert code == 0, f"buildah: {output}"
        problems += differences(ours, Image.from_dir(folder), case.ignore)
    builder.clean(case)
    assert not problems, "\n".join(problems) + "\n" + case.dockerfile
