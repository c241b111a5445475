#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks, each next to a peer in the same run where there is one.

    bench.py [NAME...]     engine local build     (default: all)

Times are wall seconds, the best of a few runs; what counts is the ratio to the peer on the same
machine a moment later. Prints a table and writes it to build/bench.json.
"""

import argparse
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
    args = parser.parse_args()
    table = Table()
    for name in args.names or BENCHES:
        print(f"-- {name}: {BENCHES[name].__doc__.splitlines()[0]}", flush=True)
        folder = Path(tempfile.mkdtemp(prefix=f"runner-bench-{name}-"))
        try:
            BENCHES[name](table, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    (BUILD.parent / "bench.json").write_text(json.dumps(table.rows, indent=1))


if __name__ == "__main__":
    main()
