# SPDX-License-Identifier: Apache-2.0
"""A build context and the pipeline beside it, for tests of oci-build that look at registries, layers and outputs."""

import json
import os
import random
from pathlib import Path

import build_context


class Context(build_context.Context):
    """Without a layout unless it is asked for; build() gives what the runner said."""

    def build(self, dockerfile, code=0, env=None, **params):
        params.setdefault("layout", None)
        return self.runner("run", self.pipeline(dockerfile, **params), code=code, cwd=self.folder, env=env)

    def blobs(self):
        """Names of the whole blobs in the cache of this runner."""
        folder = self.store / "blobs/sha256"
        return {p.name for p in folder.iterdir()} if folder.exists() else set()

    def leftovers(self):
        """Unfinished files in the cache."""
        folder = self.store / ".tmp"
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
