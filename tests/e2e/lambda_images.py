# SPDX-License-Identifier: Apache-2.0
"""Images for functions, made of bytes and pushed by the ECR API: no builder, no registry client."""

import contextlib
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(files):
    """tar of {path: bytes, or (bytes, mode), or None for a folder}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, content in files.items():
            data, mode = content if isinstance(content, tuple) else (content, 0o644)
            info = tarfile.TarInfo(path)
            if data is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            else:
                info.size, info.mode = len(data), mode
                tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def upload(ecr, repository, data):
    started = ecr.initiate_layer_upload(repositoryName=repository)
    ecr.upload_layer_part(repositoryName=repository, uploadId=started["uploadId"], partFirstByte=0,
                          partLastByte=len(data) - 1, layerPartBlob=data)
    with contextlib.suppress(ecr.exceptions.LayerAlreadyExistsException):
        ecr.complete_layer_upload(repositoryName=repository, uploadId=started["uploadId"], layerDigests=[digest(data)])
    return {"digest": digest(data), "size": len(data)}


def squeeze(data):
    return gzip.compress(data, mtime=0)


def push(cloud, repository, layers, config=None, tag="latest", layer_type=OCI_LAYER + "+gzip", compress=None):
    """Pushes an image of these layers (lists of files); returns (URI by tag, digest)."""
    ecr = cloud.client("ecr")
    try:
        uri = ecr.create_repository(repositoryName=repository)["repository"]["repositoryUri"]
    except ecr.exceptions.RepositoryAlreadyExistsException:
        uri = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]["repositoryUri"]
    tars = [layer(files) for files in layers]
    blobs = [dict(upload(ecr, repository, (compress or squeeze)(t)), mediaType=layer_type) for t in tars]
    document = {"architecture": "amd64", "os": "linux", "config": config or {},
                "rootfs": {"type": "layers", "diff_ids": [digest(t) for t in tars]}}
    config_blob = dict(upload(ecr, repository, json.dumps(document).encode()), mediaType=OCI_CONFIG)
    manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config_blob, "layers": blobs})
    with contextlib.suppress(ecr.exceptions.ImageAlreadyExistsException):
        ecr.put_image(repositoryName=repository, imageManifest=manifest, imageTag=tag, imageManifestMediaType=OCI_MANIFEST)
    return f"{uri}:{tag}", digest(manifest.encode())


def compile_static(folder, source, *more):
    """A static program of C files; its bytes."""
    out = Path(folder) / Path(source).stem
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-static", "-o", out, source, *more], check=True)
    return out.read_bytes()


def role(cloud, name="function-role", trust=TRUST):
    return cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
