# SPDX-License-Identifier: Apache-2.0
"""Reads an image (OCI layout or skopeo's dir: transport) as the tree that a container would see.

Nothing is unpacked: layers are merged in memory, entry by entry, so that owners, modes, devices and
xattrs of a root-built image are compared without privilege.
"""

import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Entry:
    kind: str  # file, dir, symlink, char, block, fifo
    mode: int
    uid: int
    gid: int
    size: int = 0
    sha256: str = ""
    link: str = ""
    device: tuple = ()
    xattrs: dict = field(default_factory=dict)
    same_as: str = ""  # the first path (sorted) that shares the inode

    def facts(self):
        """What two builders must agree on, as short text."""
        out = [self.kind, f"{self.mode:04o}" if self.kind != "symlink" else "-", f"{self.uid}:{self.gid}"]
        if self.kind == "file":
            out += [str(self.size), self.sha256[:12]]
        if self.link:
            out.append("-> " + self.link)
        if self.device:
            out.append("dev %d:%d" % self.device)
        if self.xattrs:
            out.append(json.dumps(self.xattrs, sort_keys=True))
        if self.same_as:
            out.append("= " + self.same_as)
        return " ".join(out)


KINDS = {tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.GNUTYPE_SPARSE: "file", tarfile.DIRTYPE: "dir",
         tarfile.SYMTYPE: "symlink", tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block", tarfile.FIFOTYPE: "fifo"}


def inflate(data):
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=True).stdout
    return data


def remove(tree, inodes, path):
    for name in [p for p in tree if p == path or p.startswith(path + "/")]:
        del tree[name]
        inodes.pop(name, None)


def members(tar):
    """(path, member) of all but the root; whiteouts, which speak of the layers below alone, before the rest."""
    named = [(member.name.strip("/"), member) for member in tar]
    named = [(re.sub(r"^(\./)+", "", path), member) for path, member in named]
    return sorted((pair for pair in named if pair[0] not in ("", ".")), key=lambda pair: not pair[0].rpartition("/")[2].startswith(".wh."))


def apply_layer(tree, inodes, data, serial):
    with tarfile.open(fileobj=io.BytesIO(inflate(data))) as tar:
        for path, member in members(tar):
            folder, _, base = path.rpartition("/")
            if base == ".wh..wh..opq":
                for name in [p for p in tree if p.startswith(folder + "/")]:
                    del tree[name]
                    inodes.pop(name, None)
                continue
            if base.startswith(".wh."):
                remove(tree, inodes, (folder + "/" if folder else "") + base[4:])
                continue
            if member.islnk():
                source = member.linkname.strip("/").removeprefix("./")
                tree[path] = tree[source]
                inodes[path] = inodes[source]
                continue
            kind = KINDS[member.type]
            if path in tree and (tree[path].kind == "dir") != (kind == "dir"):
                remove(tree, inodes, path)
            entry = Entry(kind, member.mode & 0o7777, member.uid, member.gid)
            if kind == "file":
                content = tar.extractfile(member).read()
                entry.size, entry.sha256 = len(content), hashlib.sha256(content).hexdigest()
            elif kind == "symlink":
                entry.link = member.linkname
            elif kind in ("char", "block"):
                entry.device = (member.devmajor, member.devminor)
            entry.xattrs = {k.removeprefix("SCHILY.xattr."): v.encode("utf-8", "surrogateescape").hex()
                            for k, v in member.pax_headers.items() if k.startswith("SCHILY.xattr.")}
            tree[path] = entry
            inodes[path] = (serial, member.offset)


def merge(layers):
    tree, inodes = {}, {}
    for serial, data in enumerate(layers):
        apply_layer(tree, inodes, data, serial)
    first = {}
    for path in sorted(tree):
        owner = first.setdefault(inodes.get(path, path), path)
        if owner != path and tree[path].kind == "file":
            shared = tree[path]
            tree[path] = Entry(**{**shared.__dict__, "same_as": owner})
    return tree


class Image:
    """config: the config blob as a dict; manifest; tree: path -> Entry."""

    def __init__(self, manifest, blob):
        self.manifest = manifest
        self.config = json.loads(blob(manifest["config"]["digest"]))
        self.layers = [blob(layer["digest"]) for layer in manifest["layers"]]
        self.tree = merge(self.layers)

    @classmethod
    def from_layout(cls, path, platform=None):
        path = Path(path)

        def blob(digest):
            data = (path / "blobs" / digest.replace(":", "/")).read_bytes()
            assert "sha256:" + hashlib.sha256(data).hexdigest() == digest, digest
            return data

        descriptor = json.loads((path / "index.json").read_text())["manifests"][0]
        manifest = json.loads(blob(descriptor["digest"]))
        while "manifests" in manifest:
            pick = next(m for m in manifest["manifests"]
                        if not platform or "/".join((m["platform"]["os"], m["platform"]["architecture"])) == platform)
            manifest = json.loads(blob(pick["digest"]))
        return cls(manifest, blob)

    @classmethod
    def from_dir(cls, path):
        path = Path(path)
        return cls(json.loads((path / "manifest.json").read_text()),
                   lambda digest: (path / digest.split(":")[1]).read_bytes())

    def settings(self):
        """The part of the config that a container's behaviour depends on, with empty values dropped."""
        config = dict(self.config.get("config") or {})
        names = ("Env", "Cmd", "Entrypoint", "WorkingDir", "User", "ExposedPorts", "Volumes", "Labels", "StopSignal",
                 "OnBuild", "Healthcheck", "Shell")
        out = {name: config[name] for name in names if config.get(name)}
        labels = {k: v for k, v in (out.get("Labels") or {}).items() if not k.startswith("io.buildah.")}
        out.pop("Labels", None)
        if labels:
            out["Labels"] = labels
        if self.config.get("author"):
            out["author"] = self.config["author"]
        out["platform"] = f"{self.config.get('os')}/{self.config.get('architecture')}"
        return out

    def describe(self):
        return {path: entry.facts() for path, entry in self.tree.items()}
