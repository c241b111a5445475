# SPDX-License-Identifier: Apache-2.0
"""oci-build against buildah, paired, with a docker-registry on loopback."""

import contextlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SOURCE / "tests/differential"))


def fill(folder, megabytes, files, seed):
    """A folder that compresses like Python packages: text, code-like tables and some noise."""
    rng = random.Random(seed)
    words = [bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz_", k=rng.randint(3, 11))) for _ in range(4000)]
    size = megabytes * 1000000 // files
    for n in range(files):
        path = folder / f"pkg{n % 40}" / f"sub{n % 7}" / f"module{n}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        block = b" ".join(rng.choices(words, k=2000)) + rng.randbytes(3000)
        path.write_bytes((block * (size // len(block) + 1))[:size])


class Bench:
    """Caches are forgotten by moving on to new folders. Removing thousands of files just before would make the next run pay: ext4
    looks for a place among inodes that were freed a moment ago, one by one.
    """

    def __init__(self, table, folder, registry, timed):
        self.table, self.folder, self.registry, self.timed = table, folder, registry, timed
        self.cache, self.stores = 0, 0
        self.place = 0  # number of the repository that is pushed to
        self.runner = Path(os.environ.get("RUNNER_BUILD", SOURCE / "build/release")) / "bin/runner"

    def forget_runner(self):
        self.cache += 1

    def forget_buildah(self):
        self.stores += 1

    def store(self):
        folder = self.folder / f"store{self.stores}"
        return ["--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "overlay"]

    def env(self):
        return {**os.environ, "XDG_CACHE_HOME": str(self.folder / f"cache{self.cache}")}

    def layout(self):
        return self.folder / f"layout{self.cache}"

    def image(self, name, tag):
        return f"{self.registry.host}/bench-{name}{self.place}:{tag}"

    def close(self):
        for self.stores in range(self.stores + 1):
            subprocess.run(["buildah", *self.store(), "rm", "-a"], capture_output=True)

    def run_runner(self, name, params, runs, before=None):
        if before:
            before()
        pipe = self.folder / "bench.pipe"
        given = {"context": str(self.folder / name), "layout": str(self.layout()), "push": True,
                 "tags": [self.image(name, "runner")], **params}
        given = {key: value for key, value in given.items() if value is not None}
        pipe.write_text(json.dumps({"name": "bench", "stages": [{"id": "image", "uses": "oci-build", "with": given}]}))
        return self.timed([self.runner, pipe], runs, cwd=self.folder, env=self.env())

    def run_buildah(self, name, args, runs, before=None):
        if before:
            before()
        tag = self.image(name, "buildah")
        command = " ".join(["buildah", *self.store(), "bud", "--layers", "--tls-verify=false", "--isolation", "chroot", *args, "-t", tag,
                            str(self.folder / name), "&&", "buildah", *self.store(), "push", "--tls-verify=false", tag])
        return self.timed(["sh", "-c", command], runs)

    def pair(self, title, name, aim, params=None, args=(), runs=2, cold=False, before=None, apart=False):
        """In turns. `apart`: a large cold case. First all runs of the one, then all of the other, since the files that buildah removes
        at its end would burden whoever comes next; each to a repository that has nothing of it.
        """
        def both(forget):
            def prepare():
                if cold:
                    forget()
                if before:
                    before()
            return prepare

        def run(one, place):
            if apart:
                self.place = place
            if one == "runner":
                return self.run_runner(name, params or {}, 1, both(self.forget_runner))
            return self.run_buildah(name, list(args), 1, both(self.forget_buildah))

        took = {"runner": [], "buildah": []}
        turns = [(one, n) for n in range(runs) for one in took]
        if apart:
            turns.sort(key=lambda turn: list(took).index(turn[0]))
        for one, n in turns:
            took[one].append(run(one, n))
        self.table.add(title, min(took["runner"]), aim, min(took["buildah"]), "buildah")


def bench_build(table, folder):
    """oci-build and push against buildah bud and push."""
    from bench import timed
    from harness import Registry
    registry = Registry(folder)
    try:
        bench = Bench(table, folder, registry, timed)
        scratch_and_file(bench)
        python_like(bench)
        many_runs(bench)
        stage_graph(bench)
        small_files(bench)
        pull_and_push(bench)
    finally:
        bench.close()
        registry.close()


def scratch_and_file(bench):
    context = bench.folder / "one"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY hello /\nCMD [\"/hello\"]\n")
    (context / "hello").write_text("hello\n")
    bench.pair("(a) scratch + one file, cold", "one", ">= 5x", cold=True)
    bench.pair("(a) scratch + one file, unchanged", "one", ">= 20x")


def big_base(bench):
    """A 200 MB base image with busybox in it, in the registry."""
    context = bench.folder / "basectx"
    fill(context / "files", 200, 4000, 1)
    (context / "Dockerfile").write_text(f"FROM {bench.registry.base}\nCOPY files /usr/lib/python3\n")
    bench.run_runner("basectx", {"tags": [f"{bench.registry.host}/bigbase:1"]}, 1)
    return f"{bench.registry.host}/bigbase:1"


def python_like(bench):
    base = big_base(bench)
    context = bench.folder / "python"
    fill(context / "site-packages", 300, 9000, 2)
    (context / "app").mkdir()
    (context / "app/main.py").write_text("print(1)\n")
    (context / "Dockerfile").write_text(f"FROM {base}\nCOPY site-packages /usr/lib/site-packages\nRUN echo configured > /etc/configured\nCOPY app /app\nCMD [\"/app/main.py\"]\n")
    bench.pair("(b) 200 MB base + 300 MB packages + app, cold", "python", ">= 5x", cold=True, apart=True, runs=3)
    bench.pair("(b) unchanged", "python", ">= 20x")
    edits = iter(range(100))

    def edit():
        (context / "app/main.py").write_text(f"print({next(edits)})\n")

    bench.pair("(b) one file edited", "python", ">= 20x", before=edit)
    cache = f"{bench.registry.host}/cache"
    bench.run_runner("python", {"cache_to": f"{cache}/runner:c"}, 1)
    bench.run_buildah("python", ["--cache-to", f"{cache}/buildah", "--cache-from", f"{cache}/buildah"], 1)
    # a machine that begins empty and pushes: it needs no layout
    bench.pair("(b) edited, empty local cache, registry cache", "python", ">= 20x", {"cache_from": f"{cache}/runner:c", "layout": None},
               ["--cache-from", f"{cache}/buildah"], runs=1, cold=True, before=edit)


def many_runs(bench):
    context = bench.folder / "runs"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {bench.registry.base}\n" + "".join(f"RUN echo {n} > /f{n}\n" for n in range(20)))
    bench.pair("(c) 20 RUN steps, cold", "runs", ">= 5x", cold=True)


def stage_graph(bench):
    context = bench.folder / "graph"
    context.mkdir()
    work = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done"
    (context / "Dockerfile").write_text(
        f"FROM {bench.registry.base} AS one\nRUN {work}; echo 1 > /one\nFROM {bench.registry.base} AS two\nRUN {work}; echo 2 > /two\n"
        f"FROM {bench.registry.base} AS unused\nRUN sleep 30\nFROM scratch\nCOPY --from=one /one /\nCOPY --from=two /two /\n")
    bench.pair("(d) two independent RUN stages and an unused one, cold", "graph", "", args=["--jobs", "2"], cold=True)


def small_files(bench):
    context = bench.folder / "small"
    fill(context / "files", 20, 10000, 3)
    (context / "Dockerfile").write_text(f"FROM {bench.registry.base}\nCOPY files /files\n")
    bench.pair("(e) 10,000 small files, cold", "small", ">= 5x", cold=True)


@contextlib.contextmanager
def other_registry(folder):
    """Host of an empty registry."""
    from harness import Registry
    folder.mkdir()
    registry = Registry(folder)
    try:
        yield registry.host
    finally:
        registry.close()


def pull_and_push(bench):
    """The 500 MB image of (b): into a layout, and from there to the registry under another name."""
    name, layout = bench.image("python", "runner"), bench.folder / "skopeo-layout"
    context = bench.folder / "moved"
    context.mkdir()
    (context / "Dockerfile").write_text("ARG IMAGE\nFROM ${IMAGE}\n")
    bench.forget_runner()
    mine = bench.run_runner("moved", {"build_args": {"IMAGE": name}, "push": False}, 1)
    peer = bench.timed(["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{name}", f"oci:{layout}:x"], 1)
    bench.table.add("pull 500 MB into a layout", mine, "", peer, "skopeo")
    pulled = bench.layout()
    bench.forget_runner()
    with other_registry(bench.folder / "other") as other:  # a registry that has nothing, so that nobody can mount what is there
        mine = bench.run_runner("moved", {"build_args": {"IMAGE": f"oci-layout://{pulled}"}, "layout": None, "tags": [f"{other}/moved/runner:1"]}, 1)
    with other_registry(bench.folder / "another") as other:
        peer = bench.timed(["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{layout}:x", f"docker://{other}/moved/skopeo:1"], 1)
    bench.table.add("push 500 MB from a layout", mine, "", peer, "skopeo")
