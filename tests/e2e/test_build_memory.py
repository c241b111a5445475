# SPDX-License-Identifier: Apache-2.0
"""The memory of a build does not grow with its layers; bench/memory.py does the same with 6 GB."""

import sys
from pathlib import Path

import pytest

import support

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "bench"))

from fault_registry import FaultRegistry  # noqa: E402
from memory import LIMIT, build, fill  # noqa: E402

SIZE = 192 << 20


@pytest.mark.skipif("ASAN_OPTIONS" in support.clean_env("/"), reason="a sanitizer has memory of its own")
def test_a_large_layer_is_built_pushed_and_read_again_in_constant_memory(runner, tmp_path):
    (tmp_path / "context").mkdir()
    fill(tmp_path / "context/big", SIZE)
    env = runner.full_env()
    with FaultRegistry() as registry:
        _, small = build(tmp_path, runner.program, "FROM scratch\nLABEL a=b\n", env, push=True, tags=[f"{registry.host}/app:0"])
        _, built = build(tmp_path, runner.program, "FROM scratch\nCOPY big /big\n", env, push=True, tags=[f"{registry.host}/app:1"], compression_level=1)
        _, read = build(tmp_path, runner.program, f"FROM {registry.host}/app:1 AS a\nFROM scratch\nCOPY --from=a /big /again\n",
                        {**env, "XDG_CACHE_HOME": str(tmp_path / "other")}, layout=str(tmp_path / "layout"), compression="none")
    assert max(small, built, read) < LIMIT
    assert max(built, read) - small < 60_000_000, "what is in flight, not what the layer holds"
