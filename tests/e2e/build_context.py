# SPDX-License-Identifier: Apache-2.0
"""A build context, the pipeline beside it, and the image that comes out: what tests of oci-build begin with."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "differential"))

from tree import Image  # noqa: E402


class Context:
    def __init__(self, runner, folder):
        self.runner, self.folder = runner, folder
        (folder / "context").mkdir(parents=True)
        self.text = ""

    def write(self, name, content="", mode=0o644):
        path = self.folder / "context" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def pipeline(self, dockerfile=None, pipeline_secrets=None, **params):
        """Writes the pipeline (and the Dockerfile) without running it; pipeline_secrets: name -> {env: …} or {file: …}."""
        if dockerfile is not None:
            self.write("Dockerfile", dockerfile)
        file = self.folder / "build.pipe"
        given = {"context": "context", "layout": "layout", "platform": "linux/amd64", **params}
        stage = {"id": "image", "uses": "oci-build", "with": {k: v for k, v in given.items() if v is not None}}
        file.write_text(json.dumps({"name": "build", "secrets": pipeline_secrets or {}, "stages": [stage]}))
        return file

    def build(self, dockerfile=None, code=0, env=None, **params):
        """The built Image; with another code than 0 (None: any) what the runner said."""
        result = self.runner("run", self.pipeline(dockerfile, **params), code=code, cwd=self.folder, env=env)
        self.text = result.text
        return result if code != 0 or params.get("layout", 1) is None else Image.from_layout(self.folder / "layout")

    @property
    def digest(self):
        return json.loads((self.folder / "layout/index.json").read_text())["manifests"][0]["digest"]

    @property
    def store(self):
        """The cache of this machine."""
        return Path(self.runner.env["XDG_CACHE_HOME"]) / "runner/oci"

    @property
    def cached(self):
        """How many steps the last build took from the cache."""
        return self.text.count("| cached") + self.text.count(": cached")
