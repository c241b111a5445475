# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any moment of a build that does all there is: copies, runs, pushes, fills a registry's cache. The next one is right."""

import os
import random
import signal
import time

import pytest

import harness_base
from build_context import Context
from fault_registry import FaultRegistry, digest
from test_registry_faults import pushed

DOCKERFILE = """FROM {base} AS build
COPY d /d
RUN cp -a /d /e && dd if=/dev/zero of=/zeros bs=1k count=300 2>/dev/null && cat /d/f0 > /seen
COPY big /big
RUN rm -r /d
FROM {base}
COPY --from=build /e /seen /zeros /x/
RUN ls /x > /list
"""


def killed(process, after):
    """Was it still at work, so many seconds after its begin?"""
    time.sleep(after)
    working = process.poll() is None
    if working:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return working


@pytest.mark.skipif(os.geteuid() != 0, reason="RUN on the best rung")
def test_kill_9_at_any_moment_of_a_build_that_runs_and_pushes(runner, tmp_path):
    context = Context(runner, tmp_path / "work")
    harness_base.layout(tmp_path / "base")
    context.write("big", random.Random(1).randbytes(5 << 20))
    context.write("d/f0", "0\n")
    chance = random.Random(7)
    with FaultRegistry() as registry:
        cache = f"{registry.host}/app:cache"
        file = context.pipeline(DOCKERFILE.format(base=f"oci-layout://{tmp_path}/base"), push=True, tags=[f"{registry.host}/app:v1"],
                                cache_to=cache, cache_from=[cache])
        begin = time.monotonic()
        runner("run", file, cwd=context.folder, env={"XDG_CACHE_HOME": str(tmp_path / "fresh")})
        took, want = time.monotonic() - begin, context.digest
        for i in range(20):
            context.write("d/f0", f"{i + 1}\n")  # there is always something to do
            while not killed(runner.start("run", file, cwd=context.folder), chance.random() * took):
                took *= 0.7  # others take less, since they find more in the cache
        context.write("d/f0", "0\n")
        registry.manifests.pop(("app", "v1"))
        runner("run", file, cwd=context.folder)
        assert context.digest == want == digest(registry.manifests["app", "v1"][1])
        pushed(registry)
        said = runner("run", file, cwd=context.folder).text
        assert context.digest == want and "6 of 6 steps" in said
        context.write("d/f0", "another\n")
        runner("run", file, cwd=context.folder)  # a RUN sweeps up what others left
    rootfs = context.store.parent / "rootfs"
    assert list(rootfs.glob("*/steps/*")) == list(rootfs.glob("*/layers/.new-*")) == []
    assert not [p for p in (context.store / ".tmp").iterdir() if not p.name.endswith(".lock")]
