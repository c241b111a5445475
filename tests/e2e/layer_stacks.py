# SPDX-License-Identifier: Apache-2.0
"""Random stacks of layers with all that tar and whiteouts can say, and what an image of them looks like."""

import gzip
import hashlib
import io
import json
import random
import tarfile
from dataclasses import dataclass

import harness_base

NAMES = "abc"  # few, so that layers meet
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
MODES = (0o644, 0o755, 0o4755, 0o600, 0o2755, 0o1777)
TYPES = {"dir": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE, "fifo": tarfile.FIFOTYPE, "file": tarfile.REGTYPE}


@dataclass
class Entry:
    kind: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    data: bytes = b""
    link: str = ""
    capable: bool = False

    def facts(self):
        """As tree.Entry.facts() has them, without what is linked to what."""
        out = [self.kind, "-" if self.kind == "symlink" else f"{self.mode:04o}", f"{self.uid}:{self.gid}"]
        if self.kind == "file":
            out += [str(len(self.data)), hashlib.sha256(self.data).hexdigest()[:12]]
        if self.link:
            out.append("-> " + self.link)
        if self.capable:
            out.append(json.dumps({"security.capability": CAPABILITY.hex()}))
        return " ".join(out)


def above(path):
    """All folders that a path lies in, the uppermost first."""
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


class Stack:
    """layers: tar files; tree: path -> Entry of the image; hard links share their Entry."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.tree, self.layers = {}, []
        for serial in range(self.random.randint(2, 5)):
            self.add_layer(serial)

    def facts(self):
        first, out = {}, {}
        for path in sorted(self.tree):
            entry = self.tree[path]
            owner = first.setdefault(id(entry), path)
            out[path] = entry.facts() + (f" = {owner}" if owner != path else "")
        return out

    def add_layer(self, serial):
        self.below = dict(self.tree)
        self.mine, self.members, self.hidden = set(), [], set()
        for number in range(self.random.randint(1, 8)):
            path = "/".join(self.random.choice(NAMES) for _ in range(self.random.randint(1, 3)))
            if all(self.kind(folder) in (None, "dir") for folder in above(path)):
                content = f"{serial}.{number}".encode() * self.random.randint(0, 3)
                getattr(self, self.random.choice(["file", "file", "file", "folder", "folder", "symlink", "fifo", "hardlink", "whiteout", "opaque"]))(path, content)
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
            for member, data in self.members:
                tar.addfile(member, io.BytesIO(data))
        self.layers.append(raw.getvalue())

    def kind(self, path):
        return self.tree[path].kind if path in self.tree else None

    def remove(self, path):
        for name in [n for n in self.tree if n == path or n.startswith(path + "/")]:
            del self.tree[name]

    def member(self, path, kind, entry, data=b"", link="", first=False):
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.uid, info.gid, info.size, info.linkname = kind, entry.mode, entry.uid, entry.gid, len(data), link
        if entry.capable and kind == tarfile.REGTYPE:
            info.pax_headers = {"SCHILY.xattr.security.capability": CAPABILITY.decode("utf-8", "surrogateescape")}
        self.members.insert(0 if first else len(self.members), (info, data))

    def put(self, path, entry):
        """Missing folders come before; those of lower layers are not spoken of."""
        for folder in above(path):
            if folder not in self.tree:
                self.put(folder, Entry("dir"))
        if not (entry.kind == self.kind(path) == "dir"):
            self.remove(path)
        self.tree[path] = entry
        self.mine.add(path)
        self.member(path, TYPES[entry.kind], entry, entry.data, entry.link)

    def some(self, kind, **more):
        return Entry(kind, self.random.choice(MODES), self.random.choice([0, 5, 1000]), self.random.choice([0, 6]), **more)

    def is_mine(self, path, *but):
        """Has this layer something there already, which is none of these kinds? Once more is fine for files and folders."""
        return path in self.mine and self.kind(path) not in but

    def file(self, path, content):
        if not self.is_mine(path, "file"):
            self.put(path, self.some("file", data=content, capable=self.random.random() < 0.3))

    def folder(self, path, _):
        if not self.is_mine(path, "dir"):
            self.put(path, self.some("dir"))

    def symlink(self, path, _):
        if path not in self.mine:
            self.put(path, Entry("symlink", 0o777, 5, 6, link=self.random.choice(["/a/b", "../c", "nowhere", "b"])))

    def fifo(self, path, _):
        if path not in self.mine:
            self.put(path, self.some("fifo"))

    def hardlink(self, path, _):
        """To a file of this layer, as archives have them."""
        targets = sorted(n for n in self.mine if self.kind(n) == "file" and n != path and not n.startswith(path + "/"))
        if path in self.mine or not targets or any(folder not in self.tree for folder in above(path)):
            return
        target = self.random.choice(targets)
        self.remove(path)
        self.tree[path] = self.tree[target]
        self.mine.add(path)
        self.member(path, tarfile.LNKTYPE, self.tree[target], link=target)

    def whiteout(self, path, _):
        if path in self.below and path in self.tree and not any(n == path or n.startswith(path + "/") for n in self.mine):
            folder, _, name = path.rpartition("/")
            self.remove(path)
            self.hidden.add(path)
            self.member(f"{folder}/.wh.{name}".lstrip("/"), tarfile.REGTYPE, Entry("file"))

    def opaque(self, path, _):
        """Before or behind what the layer itself puts there."""
        inside = [n for n in self.tree if n.startswith(path + "/")]
        if self.kind(path) != "dir" or path not in self.below or self.below[path].kind != "dir" or any(n.startswith(path + "/") for n in self.hidden):
            return
        gone = {n for n in inside if n not in self.mine}
        if any(folder in gone for n in inside if n in self.mine for folder in above(n)):
            return  # it speaks of something in a folder that would be gone
        for name in gone:
            del self.tree[name]
        self.hidden.add(path + "/all")
        self.member(path + "/.wh..wh..opq", tarfile.REGTYPE, Entry("file"), first=self.random.random() < 0.5)

    def write(self, folder, busybox):
        """An OCI layout, with or without the base image of the tests below the layers."""
        harness_base.layout(folder)
        blobs = folder / "blobs/sha256"

        def read(descriptor):
            return json.loads((blobs / descriptor["digest"][7:]).read_text())

        def put(data):
            name = hashlib.sha256(data).hexdigest()
            (blobs / name).write_bytes(data)
            return {"digest": "sha256:" + name, "size": len(data)}

        index = json.loads((folder / "index.json").read_text())
        manifest = read(index["manifests"][0])
        config = read(manifest["config"])
        if not busybox:
            manifest["layers"], config["rootfs"]["diff_ids"], config["history"] = [], [], []
        for data in self.layers:
            manifest["layers"].append({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **put(gzip.compress(data, 1, mtime=0))})
            config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(data).hexdigest())
            config["history"].append({"created_by": "a layer"})
        manifest["config"].update(put(json.dumps(config).encode()))
        index["manifests"][0].update(put(json.dumps(manifest).encode()))
        (folder / "index.json").write_text(json.dumps(index))
        return f"oci-layout://{folder}"
