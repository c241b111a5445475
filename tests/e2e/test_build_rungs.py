# SPDX-License-Identifier: Apache-2.0
"""Every Dockerfile with RUN of tests/differential on every rung of the sandbox: as a plain user with many ids and with one, and as
root in a locked-down container. What comes out must be what root with namespaces makes, which buildah judges elsewhere.

One pipeline builds all of them, a stage each. `make check` leaves out those that are about the text of an instruction rather than about
where it runs; `pytest --all-run-cases` takes all.
"""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "differential"))

import corners_copy  # noqa: E402, F401
import corners_syntax  # noqa: E402, F401
import harness  # noqa: E402
from cases import CASES  # noqa: E402
from harness import Builder, Registry, consistent, differences  # noqa: E402
from support import PATIENCE  # noqa: E402
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
        return self.user.on_rung(rung)

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
                              capture_output=True, text=True, errors="replace", timeout=1000)
        out = {}
        for case in cases():
            mine = [line for line in (done.stdout + done.stderr).splitlines() if line.split(" ")[0] == case.name]
            out[case.name] = ("\n".join(mine), home / case.name / "layout")
        self.images[rung] = out, done.stdout + done.stderr
        return self.images[rung]


ABOUT_TEXT = re.compile("env|exec|shell|heredoc|continuation|proxy|onbuild|arg|json|quote|expan|comment|history")
everything = False


def cases():
    return [c for c in CASES if c.run and (everything or not ABOUT_TEXT.search(c.name) or c.name == "run-heredoc-shebang")]


@pytest.fixture(scope="module")
def world(plain_user, pytestconfig):
    global everything
    everything = pytestconfig.getoption("--all-run-cases", default=False)
    made = World(plain_user)
    yield made
    made.close()


@pytest.mark.parametrize("rung", ["mapped", "single-id", "chroot"])
def test_builds_what_root_builds(world, rung):
    if rung == "mapped" and not shutil.which("newuidmap"):
        pytest.skip("needs newuidmap")
    expected, of_root = world.build("root")
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
            problems.append(f"{case.name}: failed:\n{log}\n{output[-4000:]}")
            continue
        if not (expected[case.name][1] / "index.json").exists():
            problems.append(f"{case.name}: failed as root:\n{expected[case.name][0]}\n{of_root[-4000:]}")
            continue
        ours, reference = Image.from_layout(layout), Image.from_layout(expected[case.name][1])
        lines = consistent(ours) + differences(ours, reference, DIFFERENT.get(rung, {}).get(case.name, []))
        problems += [f"{case.name}: {line.replace('buildah', 'root')}" for line in lines]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("rung", TEXTS)
def test_layers_that_cannot_be_stacked(world, rung):
    """A layer that puts a file behind a link of a lower one: the root is a folder, compared before and after, on every rung."""
    if rung == "mapped" and not shutil.which("newuidmap"):
        pytest.skip("needs newuidmap")
    home = world.folder / f"links-{rung}"
    (home / "context").mkdir(parents=True)
    linked_base(home / "base")
    (home / "context/Dockerfile").write_text(
        "FROM oci-layout://" + str(home / "base") + "\nRUN cat /way/new > /out && rm /etc/motd && chmod 700 /home && ln /out /out2\n"
        "RUN --mount=type=tmpfs,target=/srv echo x > /srv/hidden && echo y > /way/more && rm -r /usr/share && mkdir /usr/share\n")
    build_one(world, rung, home)
    image = Image.from_layout(home / "layout")
    facts = image.describe()
    assert consistent(image) == []
    assert facts["out"].startswith("file 0644 0:0 4") and facts["out2"].endswith("= out") and facts["home"] == "dir 0700 0:0"
    assert "etc/motd" not in facts and facts["real/more"].startswith("file") and facts["way"].endswith("-> real")
    assert "srv/hidden" not in facts and [p for p in facts if p.startswith("usr/share")] == ["usr/share"]


def build_one(world, rung, home):
    """Builds home/context into home/layout on a rung; what the run said."""
    (home / "b.pipe").write_text(json.dumps({"name": "b", "stages": [{"id": "image", "uses": "oci-build", "with": {
        "context": "context", "layout": str(home / "layout"), "platform": "linux/amd64"}}]}))
    plain = rung in ("mapped", "single-id")
    if plain:
        subprocess.run(["chown", "-R", f"{world.user.uid}:{world.user.gid}", home], check=True)
    env = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    program = (world.user.build if plain else BUILD) / "bin/runner"
    done = subprocess.run([*world.wrap(rung), program, "b.pipe"], cwd=home, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, errors="replace", timeout=PATIENCE)
    assert done.returncode == 0 and "sandbox of RUN: " + TEXTS[rung] in done.stdout, done.stdout + done.stderr
    return done.stdout


def context_with(home, dockerfile):
    (home / "context").mkdir(parents=True)
    harness.layout(home / "base", False)
    (home / "context/Dockerfile").write_text(f"FROM oci-layout://{home}/base\n" + dockerfile)


@pytest.mark.parametrize("rung", TEXTS)
def test_one_cache_at_two_targets(world, rung):
    """The second target is where nothing is, the third where the image has a folder."""
    if rung == "mapped" and not shutil.which("newuidmap"):
        pytest.skip("needs newuidmap")
    home = world.folder / f"caches-{rung}"
    context_with(home, "RUN mkdir /x && echo kept > /x/kept\n"
                       "RUN --mount=type=cache,id=c,target=/a --mount=type=cache,id=c,target=/b/deep,sharing=locked --mount=type=cache,id=c,target=/x "
                       "--mount=type=cache,id=d,target=/d echo one > /a/f && cat /b/deep/f > /out && test ! -e /d/f && test ! -e /x/kept && echo two >> /x/f\n"
                       "RUN --mount=type=cache,id=c,target=/y cat /y/f > /later; cat /x/kept >> /later\n")
    build_one(world, rung, home)
    image = Image.from_layout(home / "layout")
    assert consistent(image) == []
    facts = image.describe()
    assert contents(image, "out") == b"one\n" and contents(image, "later") == b"one\ntwo\nkept\n"
    assert not {"a", "b", "b/deep", "d", "y", "x/f"} & facts.keys() and facts["x/kept"].startswith("file")


@pytest.mark.parametrize("rung", ["mapped", "single-id"])
def test_the_log_says_once_that_chown_has_no_effect(world, rung):
    if rung == "mapped" and not shutil.which("newuidmap"):
        pytest.skip("needs newuidmap")
    home = world.folder / f"chown-{rung}"
    context_with(home, "RUN echo x > /new && chown 5:6 /new && chown 5:6 /etc/motd\nUSER app\nRUN echo x > /home/app/mine\n")
    said = build_one(world, rung, home)
    facts = Image.from_layout(home / "layout").describe()
    assert facts["home/app/mine"].startswith("file 0644 1000:1000 ")
    if rung == "mapped":
        assert facts["new"].startswith("file 0644 5:6 ") and facts["etc/motd"].startswith("file 0644 5:6 ") and "chown has no effect" not in said
        return
    assert facts["new"].startswith("file 0644 0:0 ") and facts["etc/motd"].startswith("file 0644 0:0 ")
    assert said.count("| there is one user id here: chown has no effect, what RUN makes belongs to USER") == 1


def contents(image, path):
    """Content of a file of the uppermost layer that has it."""
    for data in reversed(image.layers):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            if path in tar.getnames():
                return tar.extractfile(path).read()
    raise KeyError(path)


def linked_base(folder):
    """busybox, and a second layer with a file behind a link of the first."""
    harness.layout(folder, False)
    blobs = folder / "blobs/sha256"
    index = json.loads((folder / "index.json").read_text())
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    config = json.loads((blobs / manifest["config"]["digest"][7:]).read_text())

    def put(data):
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"digest": "sha256:" + name, "size": len(data)}

    for entries in ([("real", None, None), ("way", None, "real")], [("way/new", b"new\n", None)]):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for name, data, link in entries:
                harness.add(tar, name, 0o755 if data is None else 0o644, data, link)
        manifest["layers"].append({"mediaType": "application/vnd.oci.image.layer.v1.tar", **put(out.getvalue())})
        config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(out.getvalue()).hexdigest())
        config["history"].append({"created_by": "more"})
    manifest["config"].update(put(json.dumps(config).encode()))
    index["manifests"][0].update(put(json.dumps(manifest).encode()))
    (folder / "index.json").write_text(json.dumps(index))


def test_a_failed_step_is_entered_as_a_plain_user(world, plain_user):
    home = plain_user.path("shell")
    (home / "context").mkdir()
    harness.layout(home / "base", False)
    (home / "context/Dockerfile").write_text(f"FROM oci-layout://{home}/base\nUSER app\nRUN echo half > /home/app/half && exit 7\n")
    (home / "b.pipe").write_text(json.dumps({"name": "b", "stages": [{"id": "image", "uses": "oci-build", "with": {"context": "context"}}]}))
    subprocess.run(["chown", "-R", f"{plain_user.uid}:{plain_user.gid}", home], check=True)
    env = {"XDG_CACHE_HOME": str(home / "cache")}
    plain_user.runner("b.pipe", env=env, cwd=home, code=1)
    shell = plain_user.runner("shell", "b.pipe", "image", "--", "/bin/sh", "-c", "id -u; cat /home/app/half", env=env, cwd=home)
    assert shell.out == "1000\nhalf\n"
    for path in (home / "cache/runner/rootfs").glob("*/steps/*"):
        raise AssertionError(path)
