# SPDX-License-Identifier: Apache-2.0
"""Every Dockerfile with RUN of tests/differential on every rung of the sandbox: as a plain user with many ids and with one, and as
root in a locked-down container. What comes out must be what root with namespaces makes, which buildah judges elsewhere.

One pipeline builds all of them, a stage each.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "differential"))

import corners_copy  # noqa: E402, F401
import corners_syntax  # noqa: E402, F401
import corners_syntax  # noqa: E402, F401
from cases import CASES  # noqa: E402
from harness import Builder, Registry, consistent, differences  # noqa: E402
from tree import Image  # noqa: E402

BUILD = Path(os.environ.get("RUNNER_BUILD", Path(__file__).parents[2] / "build/release")).absolute()
pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="makes the plain user and the locked-down container itself")]

TEXTS = {"root": "root with namespaces", "mapped": "user namespace with a range of ids", "single-id": "user namespace with one id",
         "chroot": "root in a locked-down container: chroot"}

# What fails on a rung, with which words, and why (plugins/oci-build/README.md, "Where RUN runs").
UNABLE = {
    "chroot": {
        "run-network-none": "cutting the network is not possible here",  # no network namespace
        "run-dev-null": "the command exited with status",  # no /proc can be mounted, so there is no /dev/fd
    },
}
# Paths that differ on a rung, and why.
DIFFERENT = {
    "single-id": {
        "run-chown": ["etc/motd"],  # there is no other owner to give a file to
        "run-user-groups": ["u/out"],  # nor another group to be in
    },
    "chroot": {
        "run-mount-bind-readonly": ["out"],  # no mounts: what is bound is a copy, and what is written there is dropped
    },
}


class World:
    """A registry with the base images, and the cases built on one rung after the other."""

    def __init__(self, user):
        self.user = user
        self.folder = Path(tempfile.mkdtemp(prefix="rungs-"))
        self.folder.chmod(0o755)
        self.registry = Registry(self.folder)
        self.images = {}

    def close(self):
        self.registry.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def wrap(self, rung):
        ids = ["setpriv", f"--reuid={self.user.uid}", f"--regid={self.user.gid}", "--clear-groups"]
        return {"root": [], "mapped": ids, "single-id": [*ids, "--no-new-privs"], "chroot": [BUILD / "tests/tools/lockdown"]}[rung]

    def build(self, rung):
        """{case name: (exit code, output, layout)} of all cases, and the whole output."""
        if rung in self.images:
            return self.images[rung]
        home = self.folder / rung
        home.mkdir()
        plain = rung in ("mapped", "single-id")
        builder = Builder(BUILD, self.registry, home)
        stages = []
        for case in cases():
            builder.prepare(case)
            params = json.loads(builder.replace(case)(json.dumps({
                "context": f"{case.name}/context", "layout": str(home / case.name / "layout"), "platform": "linux/amd64", **case.params})))
            stages.append({"id": case.name, "uses": "oci-build", "needs": [], "continue_on_error": True, "with": params})
        (home / "all.pipe").write_text(json.dumps({"name": "all", "stages": stages}))
        if plain:
            subprocess.run(["chown", "-R", f"{self.user.uid}:{self.user.gid}", home], check=True)
        env = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
        env.pop("SOURCE_DATE_EPOCH", None)
        program = (self.user.build if plain else BUILD) / "bin/runner"
        done = subprocess.run([*self.wrap(rung), program, "--jobs", "2", "all.pipe"], cwd=home, env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", timeout=500)
        out = {}
        for case in cases():
            mine = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(case.name + " |")]
            out[case.name] = ("\n".join(mine), home / case.name / "layout")
        self.images[rung] = out, done.stdout + done.stderr
        return self.images[rung]


def cases():
    return [c for c in CASES if c.run]


@pytest.fixture(scope="module")
def world(plain_user):
    made = World(plain_user)
    yield made
    made.close()


@pytest.mark.parametrize("rung", ["mapped", "single-id", "chroot"])
def test_builds_what_root_builds(world, rung):
    if rung == "mapped" and not shutil.which("newuidmap"):
        pytest.skip("needs newuidmap")
    expected, _ = world.build("root")
    built, output = world.build(rung)
    assert "sandbox of RUN: " + TEXTS[rung] in output, output[-8000:]
    problems = []
    for case in cases():
        log, layout = built[case.name]
        wanted = UNABLE.get(rung, {}).get(case.name) or case.error
        if wanted:
            if wanted not in output or (layout / "index.json").exists():
                problems.append(f"{case.name}: should fail with {wanted!r}:\n{log}")
            continue
        if not (layout / "index.json").exists():
            problems.append(f"{case.name}: failed:\n{log}")
            continue
        ours, reference = Image.from_layout(layout), Image.from_layout(expected[case.name][1])
        lines = consistent(ours) + differences(ours, reference, DIFFERENT.get(rung, {}).get(case.name, []))
        problems += [f"{case.name}: {line.replace('buildah', 'root')}" for line in lines]
    assert not problems, "\n".join(problems)
