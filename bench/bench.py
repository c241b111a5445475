#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks, each next to a peer in the same run where there is one.

    bench.py [--disk] [NAME...]     engine local build cloud     (default: all)

The build cases work in a new ext4 in a file, where they may mount one (root, and 24 GB of disk), so that what became of the file system
before counts for nobody; --disk: in the folder for temporary files. Times are wall seconds, the best of a few runs; what counts is the ratio to the peer on the same
machine a moment later. Prints a table and writes it to build/bench.json.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("RUNNER_BUILD", SOURCE / "build/release"))
RUNNER = BUILD / "bin/runner"
sys.path.insert(0, str(SOURCE / "bench"))


def timed(command, runs=3, before=None, **more):
    """Best wall time of `command`; fails loudly when it fails."""
    best = None
    for _ in range(runs):
        if before:
            before()
        os.sync()  # what was written to prepare the case is not written back at the cost of whoever comes first
        begin = time.perf_counter()
        done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", **more)
        took = time.perf_counter() - begin
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        best = took if best is None else min(best, took)
    return best


class Table:
    def __init__(self):
        self.rows = []

    def add(self, name, seconds, aim="", peer=None, peer_name=""):
        ratio = peer / seconds if peer else None
        self.rows.append({"name": name, "seconds": round(seconds, 4), "aim": aim, "peer": round(peer, 3) if peer else None,
                          "peer_name": peer_name, "ratio": round(ratio, 2) if ratio else None})
        text = f"{name:58} {seconds:9.3f} s"
        if peer:
            text += f"   {peer_name} {peer:8.3f} s   {ratio:6.1f}x"
        print(text + (f"   (aim: {aim})" if aim else ""), flush=True)


def stages(count):
    lines = ["name: many", "stages:"]
    for n in range(count):
        lines += [f"  - id: s{n}", "    uses: exec", '    with: {command: "true"}']
    return "\n".join(lines) + "\n"


def bench_engine(table, folder):
    """The engine alone: checking a file, and the cost of a stage. The peer is make, running the same commands."""
    table.add("validate pipelines/serverless.pipe", timed([RUNNER, "validate", SOURCE / "pipelines/serverless.pipe"], 10), "< 0.05 s")
    pipe = folder / "many.pipe"
    pipe.write_text(stages(200))
    (folder / "Makefile").write_text("SHELL := /bin/sh\nall:" + "".join(f" s{n}" for n in range(200)) + "\n" +
                                     "".join(f"s{n}:{f' s{n - 1}' if n else ''}\n\t@true; :\n" for n in range(200)))
    make = timed(["make", "-C", folder], 3)
    table.add("200 stages `exec: true`, one after the other", timed([RUNNER, pipe], 3, cwd=folder), "< 3 s", make, "make")


def bench_local(table, folder):
    """The main job on the local cloud: everything made, and the unchanged second run."""
    pipe = SOURCE / "pipelines/serverless.pipe"
    subprocess.run(["make", "-s", "-C", SOURCE, f"B={BUILD}", "examples"], check=True)

    def fresh():
        shutil.rmtree(folder / ".runner", ignore_errors=True)

    table.add("serverless.pipe --local, from nothing", timed([RUNNER, "--local", pipe], 3, fresh, cwd=folder))
    table.add("serverless.pipe --local, unchanged, cloud started for it", timed([RUNNER, "--local", pipe], 5, cwd=folder), "< 2 s")
    subprocess.run([RUNNER, "destroy", "--local", pipe], cwd=folder, check=True, capture_output=True)


IMAGE = 24 << 30  # bytes of the file system; the build cases fill half of it


def mount_new(folder):
    """Mounts a new ext4 on `folder`, that is a file beside it; False: this machine or user cannot."""
    image = Path(f"{folder}.img")
    if os.geteuid() != 0 or shutil.disk_usage(folder).free < IMAGE:
        return False
    try:
        with open(image, "wb") as f:
            f.truncate(IMAGE)
        quietly = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return all(subprocess.run(command, **quietly).returncode == 0 for command in (
            ["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image], ["mount", "-o", "loop", image, folder]))
    finally:
        image.unlink()  # the mount keeps it


@contextlib.contextmanager
def work_folder(name, disk):
    """Where a benchmark and its peers work, and what that is."""
    folder = Path(tempfile.mkdtemp(prefix=f"runner-bench-{name}-"))
    mounted = name == "build" and not disk and mount_new(folder)
    try:
        yield folder, "a new ext4" if mounted else folder.parent
    finally:
        if mounted:
            subprocess.run(["umount", "-l", folder], check=True)
        shutil.rmtree(folder, ignore_errors=True)


BENCHES = {"engine": bench_engine, "local": bench_local}
try:
    from build import bench_build
    BENCHES["build"] = bench_build
except ImportError as missing:
    if missing.name != "build":
        raise
try:
    from cloud import bench_cloud
    BENCHES["cloud"] = bench_cloud
except ImportError as missing:
    if missing.name != "cloud":
        raise


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], metavar="NAME")
    parser.add_argument("--disk", action="store_true", help="work in the folder for temporary files, and mount nothing")
    args = parser.parse_args()
    table = Table()
    for name in args.names or BENCHES:
        with work_folder(name, args.disk) as (folder, where):
            print(f"-- {name}, in {where}: {BENCHES[name].__doc__.splitlines()[0]}", flush=True)
            BENCHES[name](table, folder)
    (BUILD.parent / "bench.json").write_text(json.dumps(table.rows, indent=1))


if __name__ == "__main__":
    main()
