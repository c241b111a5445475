# SPDX-License-Identifier: Apache-2.0
"""A build context and the pipeline beside it, for tests of oci-build that look at registries, layers and outputs."""

import json
import os
import random
from pathlib import Path


class Context:
    def __init__(self, runner, folder):
        self.runner, self.folder = runner, Path(folder)
        (self.folder / "context").mkdir(parents=True)

    def write(self, name, content="", mode=0o644):
        path = self.folder / "context" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def build(self, dockerfile, code=0, env=None, name="image", **params):
        """Runs the stage; `code` None: any."""
        self.write("Dockerfile", dockerfile)
        file = self.folder / "build.pipe"
        given = {"context": "context", "platform": "linux/amd64", **params}
        stage = {"id": name, "uses": "oci-build", "with": {k: v for k, v in given.items() if v is not None}}
        file.write_text(json.dumps({"name": "build", "stages": [stage]}))
        return self.runner("run", file, code=code, cwd=self.folder, env=env)

    def blobs(self):
        """Names of the whole blobs in the cache of this runner."""
        folder = Path(self.runner.env["XDG_CACHE_HOME"]) / "runner/oci/blobs/sha256"
        return {p.name for p in folder.iterdir()} if folder.exists() else set()

    def leftovers(self):
        """Unfinished files in the cache."""
        folder = Path(self.runner.env["XDG_CACHE_HOME"]) / "runner/oci/.tmp"
        return [p.name for p in folder.iterdir() if not p.name.endswith(".lock")] if folder.exists() else []


class Layout:
    """An OCI layout on disk, its JSON decoded."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.index = json.loads((self.folder / "index.json").read_text())

    def blob(self, name):
        return (self.folder / "blobs" / name.replace(":", "/")).read_bytes()

    def json(self, descriptor):
        return json.loads(self.blob(descriptor["digest"]))

    @property
    def image(self):
        """The first entry's manifest."""
        return self.json(self.index["manifests"][0])


def noise(size, seed=1):
    """Bytes that do not compress."""
    return random.Random(seed).randbytes(size)


def is_root():
    return os.geteuid() == 0
