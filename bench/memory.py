#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Peak memory of oci-build on one large layer, built and pushed at the same time, and used as a base again.

    memory.py [--size GB] [--folder DIR] [--compression gzip|zstd|none]

Half of the file compresses, half does not, and a part of it is a hole. Says seconds, peak of the largest process, and fails above 150 MB.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
LIMIT = 150_000_000
MIB = 1 << 20


def fill(path, size):
    """Blocks of noise, of text and of nothing, none of them twice."""
    noise, text = os.urandom(MIB), b"the same words again and again, " * (MIB // 32)
    with open(path, "wb") as f:
        for n in range(size // MIB):
            if n % 8 == 7:
                f.seek(MIB, os.SEEK_CUR)
            elif n % 2:
                f.write(n.to_bytes(8, "little") + text[8:])
            else:
                f.write(n.to_bytes(8, "little") + noise[n % 4096:] + noise[:n % 4096 - 8 if n % 4096 > 8 else 0])
        f.truncate(size)


# A process keeps the peak of what it was before exec, so the program is started by a shell that is small.
WATCH = """import os, resource, subprocess, sys
code = subprocess.call(["/bin/sh", "-c", 'trap "" HUP; "$@"; exit $?', "sh", *sys.argv[2:]])
with open(sys.argv[1], "w") as f:
    f.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)"""


def measure(command, **more):
    """Seconds and the peak of the largest process below it, in bytes."""
    with tempfile.NamedTemporaryFile() as peak:
        begin = time.monotonic()
        done = subprocess.run([sys.executable, "-S", "-E", "-c", WATCH, peak.name, *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, **more)
        seconds = time.monotonic() - begin
        assert done.returncode == 0, done.stdout[-3000:]
        return seconds, int(Path(peak.name).read_text()) * 1024


def build(folder, runner, dockerfile, env, **params):
    """Builds with the files of `folder`/context; what measure() says."""
    (folder / "context/Dockerfile").write_text(dockerfile)
    pipe = folder / "memory.pipe"
    pipe.write_text(json.dumps({"name": "memory", "stages": [{"id": "image", "uses": "oci-build", "with": {"context": str(folder / "context"), **params}}]}))
    return measure([runner, pipe], cwd=folder, env=env)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--size", type=float, default=6, help="GB of the layer")
    options.add_argument("--folder", default="/tmp", help="where there is room for three times that")
    options.add_argument("--compression", default="gzip")
    options = options.parse_args()
    sys.path.insert(0, str(SOURCE / "tests/differential"))
    from harness import Registry
    runner = Path(os.environ.get("RUNNER_BUILD", SOURCE / "build/release")) / "bin/runner"
    folder = Path(tempfile.mkdtemp(prefix="runner-memory-", dir=options.folder))
    env = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    worst = 0
    registry = Registry(folder)
    try:
        (folder / "context").mkdir()
        fill(folder / "context/big", int(options.size * 1e9) // MIB * MIB)
        tag = f"{registry.host}/memory"
        steps = [("build and push", "FROM scratch\nCOPY big /big\n", {"tags": [f"{tag}:1"]}),
                 ("copy out of it", f"FROM {tag}:1 AS base\nFROM scratch\nCOPY --from=base /big /again\n", {"tags": [f"{tag}:2"]})]
        for name, dockerfile, params in steps:
            if name != "build and push":  # so that the layer is pulled
                shutil.rmtree(folder / "cache")
            seconds, peak = build(folder, runner, dockerfile, env, push=True, compression=options.compression, **params)
            worst = max(worst, peak)
            print(f"{name:16} {options.size:g} GB  {seconds:7.1f} s  {options.size * 1000 / seconds:6.0f} MB/s  peak {peak / 1e6:6.1f} MB", flush=True)
    finally:
        registry.close()
        shutil.rmtree(folder, ignore_errors=True)
    if worst > LIMIT:
        sys.exit(f"over the limit of {LIMIT // 1000000} MB")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
