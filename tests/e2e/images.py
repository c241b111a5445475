# SPDX-License-Identifier: Apache-2.0
"""Small container images as plain data, and a bare registry client for tests that look at single requests."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

from support import http

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def descriptor(media_type, data):
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


def layer(files):
    """{name: bytes} -> (compressed layer, diff id)."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mode = 0o755
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), mtime=0), digest(raw.getvalue())


class Image:
    """config, layers and manifest of one image, as bytes."""

    def __init__(self, files, config=None, architecture="amd64", **manifest):
        blob, diff_id = layer(files)
        self.layers = [blob]
        self.config = json.dumps({"architecture": architecture, "os": "linux", "config": config or {},
                                  "rootfs": {"type": "layers", "diff_ids": [diff_id]}}).encode()
        self.manifest = json.dumps({"schemaVersion": 2, "mediaType": IMAGE, "config": descriptor(CONFIG, self.config),
                                    "layers": [descriptor(LAYER, blob)], **manifest}).encode()
        self.digest = digest(self.manifest)

    def write_layout(self, folder, tag="latest"):
        """An OCI layout that skopeo reads."""
        blobs = Path(folder) / "blobs/sha256"
        blobs.mkdir(parents=True)
        for data in (*self.layers, self.config, self.manifest):
            (blobs / digest(data)[7:]).write_bytes(data)
        entry = {**descriptor(IMAGE, self.manifest), "annotations": {"org.opencontainers.image.ref.name": tag}}
        (Path(folder) / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
        (Path(folder) / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        return f"oci:{folder}:{tag}"


class Registry:
    """Requests to /v2/ of a local cloud with ECR's token."""

    def __init__(self, cloud):
        self.url = cloud.url
        data = cloud.client("ecr").get_authorization_token()["authorizationData"][0]
        assert data["proxyEndpoint"] == cloud.url
        self.token = data["authorizationToken"]
        self.password = base64.b64decode(self.token).decode().partition(":")[2]

    def __call__(self, method, path, data=None, headers=None):
        url = path if path.startswith("http") else self.url + path
        return http(method, url, {"Authorization": f"Basic {self.token}", **(headers or {})}, data)

    def push_blob(self, repository, data):
        status, headers, body = self("POST", f"/v2/{repository}/blobs/uploads/?digest={digest(data)}", data,
                                     {"Content-Type": "application/octet-stream"})
        assert status == 201, body
        return headers["Docker-Content-Digest"]

    def push(self, repository, image, tag):
        for data in (*image.layers, image.config):
            self.push_blob(repository, data)
        status, headers, body = self("PUT", f"/v2/{repository}/manifests/{tag}", image.manifest, {"Content-Type": IMAGE})
        assert status == 201, body
        return headers["Docker-Content-Digest"]


def errors(body):
    return [e["code"] for e in json.loads(body)["errors"]]
