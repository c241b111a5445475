# SPDX-License-Identifier: Apache-2.0
"""Random valid Dockerfiles from fixed seeds, compared with buildah; `make fuzz` goes on from other seeds."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "differential"))

from generate import check  # noqa: E402
from harness import Builder, Registry  # noqa: E402

BUILD = Path(os.environ.get("RUNNER_BUILD", Path(__file__).parents[2] / "build/release"))
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="buildah is the judge as root")


@pytest.fixture(scope="module")
def builder():
    folder = Path(tempfile.mkdtemp(prefix="generated-"))
    registry = Registry(folder)
    yield Builder(BUILD, registry, folder)
    registry.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("seed", range(5000, 5020))
def test_a_random_dockerfile_builds_as_buildah_does_and_always_the_same(builder, seed):
    found = check(builder, seed, run=seed % 2 == 0)
    assert found is None, found
