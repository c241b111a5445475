# SPDX-License-Identifier: Apache-2.0
"""Builds a case by oci-build and by buildah and compares what comes out.

The base images are made here from a static busybox and served by a docker-registry on loopback.
"""

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import yaml

from cases import CONTEXT, Link
from tree import Image

APPLETS = ("sh cat echo mkdir rm ls id pwd wc head ln mv chmod chown mkfifo touch sleep test true false ip grep env sed "
           "stat find cp tail sort tr seq dd basename dirname printf expr uname hostname ps kill date cut").split()
PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\nweb:x:33:33::/srv:/bin/false\n"
GROUP = "root:x:0:\napp:x:1000:\nweb:x:33:\nextra:x:50:app\nmore:x:51:app,web\n"


def add(tar, name, mode=0o644, data=None, link=None, uid=0, gid=0):
    member = tarfile.TarInfo(name)
    member.mode, member.uid, member.gid = mode, uid, gid
    if link is not None:
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, link, 0o777
    elif data is None:
        member.type = tarfile.DIRTYPE
    else:
        member.size = len(data)
    tar.addfile(member, io.BytesIO(data) if data is not None and link is None else None)


def base_layer(rich):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, mode in (("bin", 0o755), ("dev", 0o755), ("etc", 0o755), ("home", 0o755), ("proc", 0o555), ("root", 0o700),
                           ("run", 0o755), ("srv", 0o755), ("sys", 0o555), ("tmp", 0o1777), ("usr", 0o755), ("usr/share", 0o755)):
            add(tar, name, mode)
        add(tar, "home/app", 0o755, uid=1000, gid=1000)
        add(tar, "bin/busybox", 0o755, Path("/bin/busybox").read_bytes())
        for applet in APPLETS:
            add(tar, f"bin/{applet}", link="busybox")
        for name, text in (("etc/passwd", PASSWD), ("etc/group", GROUP), ("etc/motd", "hello\n"), ("etc/hosts", ""),
                           ("etc/resolv.conf", ""), ("usr/share/doc", "doc\n"), ("usr/share/other", "other\n")):
            add(tar, name, 0o644, text.encode())
        if rich:
            add(tar, "sticky", 0o1777, uid=3, gid=4)
            add(tar, "to-srv", link="/srv")
            add(tar, "rel-srv", link="../srv")
    return out.getvalue()


def layout(path, rich, more=None):
    """Writes an OCI image layout with one layer; `more`: into its config."""
    plain = base_layer(rich)
    packed = gzip.compress(plain, 1, mtime=0)
    config = {"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"]},
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(plain).hexdigest()]},
              "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "base"}]}
    if rich:
        config["config"] = {"Env": ["PATH=/bin", "KEEP=1"], "Entrypoint": ["/bin/echo"], "Cmd": ["base"], "WorkingDir": "/srv",
                            "User": "0", "Labels": {"base": "yes"}, "ExposedPorts": {"1/tcp": {}}, "StopSignal": "SIGINT",
                            "Healthcheck": {"Test": ["CMD", "true"]}}
    config["config"].update(more or {})
    blobs = path / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    oci = "application/vnd.oci.image."
    manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": put(json.dumps(config).encode(), oci + "config.v1+json"),
                "layers": [put(packed, oci + "layer.v1.tar+gzip")]}
    index = {"schemaVersion": 2, "manifests": [put(json.dumps(manifest).encode(), oci + "manifest.v1+json")]}
    (path / "index.json").write_text(json.dumps(index))
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def start_registry(folder, **storage):
    """(process, "127.0.0.1:PORT") of a docker-registry that keeps its blobs, settings and log in `folder`.

    It takes a free port itself and its log says which one: a port chosen here could be another's by the time it starts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"version": 0.1, "log": {"level": "info", "accesslog": {"disabled": True}}, "http": {"addr": "127.0.0.1:0"},
                "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, **storage}}
    (folder / "config.yml").write_text(yaml.safe_dump(settings))
    log = folder / "log"
    with open(log, "wb") as out:
        process = subprocess.Popen(["docker-registry", "serve", folder / "config.yml"], stdout=out, stderr=out,
                                   env={**os.environ, "OTEL_TRACES_EXPORTER": "none"})
    deadline = time.monotonic() + 300
    while not (listening := re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text())):
        assert process.poll() is None and time.monotonic() < deadline, f"docker-registry does not come up: {log.read_text()}"
        time.sleep(0.02)
    return process, listening[1]


class Registry:
    """A docker-registry on loopback with the base images in it."""

    def __init__(self, folder):
        self.process, self.host = start_registry(folder / "registry", delete={"enabled": True})
        self.base = self.add_base(folder, "base", False)
        self.base2 = self.add_base(folder, "base2", True)
        self.onbuild = self.add_base(folder, "onbuild", False, OnBuild=["COPY a.txt /on-a", "ENV ON=1"])

    def add_base(self, folder, name, rich, **config):
        layout(folder / name, rich, config)
        reference = f"{self.host}/{name}:1"
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", f"oci:{folder / name}", f"docker://{reference}"], check=True)
        return reference

    def close(self):
        self.process.terminate()
        self.process.wait()


def fill_archive(tar, how):
    kind, _, name = how.partition("-")
    if kind == "folder":
        add(tar, name, 0o750)
        add(tar, name + "/new", 0o644, b"new\n")
    elif kind == "file":
        add(tar, name, 0o644, b"file\n")
    elif kind == "link":
        add(tar, name, link="elsewhere")
    else:
        lead = "./" if how == "dot" else ""
        if lead:
            add(tar, "./", 0o700)
        add(tar, lead + "in", 0o750)
        add(tar, lead + "in/file", 0o640, b"packed\n", uid=7, gid=8)
        add(tar, lead + "in/link", link="file")
        add(tar, lead + "top", 0o755, b"top\n")
        if how == "hard":
            member = tarfile.TarInfo("in/same")
            member.type, member.linkname, member.mode, member.uid, member.gid = tarfile.LNKTYPE, "in/file", 0o640, 7, 8
            tar.addfile(member)


def archive(how):
    """A tar with a bit of everything. `how`: a compression, "dot" (names like ./in), "hard" (with hard links), or
    KIND-NAME: one folder, file or link of that name."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:" + (how if how in ("bz2", "xz") else "")) as tar:
        fill_archive(tar, how)
    if how == "gz":
        return gzip.compress(out.getvalue(), mtime=0)
    if how == "zst":
        return subprocess.run(["zstd", "-qc"], input=out.getvalue(), capture_output=True, check=True).stdout
    return out.getvalue()


def write_context(folder, case, replace):
    folders = {}
    for name, content in {**CONTEXT, "Dockerfile": case.dockerfile, **case.files}.items():
        path = folder / name
        if name.endswith("/"):
            folders[path] = content
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o644
        if isinstance(content, tuple):
            mode, content = content
        if isinstance(content, Link):
            path.symlink_to(content.target)
            continue
        if isinstance(content, str) and content.startswith("@HARD:"):
            path.hardlink_to(path.parent / content[6:])
            continue
        if isinstance(content, str) and content.startswith("@TAR:"):
            content = archive(content[5:])
        elif content == "@GZIP":
            content = gzip.compress(b"no tar inside\n" * 100, 1, mtime=0)
        data = replace(content).encode() if isinstance(content, str) else content
        path.write_bytes(data)
        path.chmod(mode)
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(folders.get(path, 0o755))


class Builder:
    """Prepares contexts and runs both builders. `plain`: (uid, gid, build, wrap) of a user without any privilege."""

    def __init__(self, build, registry, folder, plain=None):
        self.build, self.registry, self.folder, self.plain = Path(build), registry, Path(folder), plain

    def replace(self, case):
        names = {"@BASE@": self.registry.base, "@BASE2@": self.registry.base2, "@ONBUILD@": self.registry.onbuild,
                 "@HOST@": self.registry.host, "@CONTEXT@": str(self.folder / case.name / "context")}
        return lambda text: re.sub("|".join(names), lambda found: names[found[0]], text)

    def prepare(self, case):
        home = self.folder / case.name
        (home / "context").mkdir(parents=True)
        write_context(home / "context", case, self.replace(case))
        if self.plain:  # who owns a context does not matter: see runner_as_plain_user
            for path in (home, *home.rglob("*")):
                mode = path.lstat().st_mode
                os.chown(path, *self.plain[:2], follow_symlinks=False)
                if mode & 0o7000 and not path.is_symlink():
                    path.chmod(mode & 0o7777)

    def _run(self, case, out, argv, cache, **more):
        home = self.folder / case.name
        params = {"context": "context", "layout": str(out), "platform": "linux/amd64", **case.params, **more}
        file = home / f"{out.name}.pipe"
        text = json.dumps({"name": case.name, "stages": [{"id": "image", "uses": "oci-build", "with": params}]})
        file.write_text(self.replace(case)(text))
        file.chmod(0o644)
        env = {**os.environ, "XDG_CACHE_HOME": str(cache), "HOME": str(cache)}
        env.pop("SOURCE_DATE_EPOCH", None)
        done = subprocess.run([*argv, str(file)], cwd=home, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=1000)
        return done.returncode, done.stdout + done.stderr, out

    def runner(self, case, out="layout", cache="cache", **more):
        """Builds as the user that the tests have. (exit code, output, layout folder)."""
        return self._run(case, self.folder / case.name / out, [self.build / "bin/runner"], self.folder / cache, **more)

    def runner_as_plain_user(self, case):
        """The same without privilege and without namespaces, with a cache of its own."""
        uid, gid, build, wrap = self.plain
        cache = self.folder / "plain-cache"
        cache.mkdir(exist_ok=True)
        os.chown(cache, uid, gid)
        shutil.rmtree(self.folder / case.name / ".runner", ignore_errors=True)  # made by the other user
        return self._run(case, self.folder / case.name / "plain-layout", [*wrap, build / "bin/runner"], cache)

    def buildah(self, case):
        """Returns (exit code, output, folder in skopeo's dir: format)."""
        home = self.folder / case.name
        out = home / "buildah"
        store = ["--root", str(self.folder / "store/root"), "--runroot", str(self.folder / "store/run"), "--storage-driver", "vfs"]
        args = [self.replace(case)(a) for a in case.args]
        if "-f" in args:
            at = args.index("-f") + 1
            args[at] = str(home / "context" / args[at])
        else:
            args += ["-f", str(home / "context/Dockerfile")]
        name = f"localhost/{case.name}:x"
        done = subprocess.run(["buildah", *store, "bud", "--isolation", "chroot", "--tls-verify=false", "--format", "docker", "--no-cache",
                               "--timestamp", "0", *args, "-t", name, str(home / "context")], cwd=home, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", timeout=1000)
        if done.returncode == 0:
            done = subprocess.run(["buildah", *store, "push", "-q", "--disable-compression", name, f"dir:{out}"], cwd=home, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, errors="replace", timeout=1000)
            subprocess.run(["buildah", *store, "rmi", "-f", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr, out

    def clean(self, case):
        shutil.rmtree(self.folder / case.name, ignore_errors=True)


# What RUN of buildah leaves behind in a layer, and must not: places that it mounted something over.
LEFT_BY_BUILDAH = {"etc/hostname": "file 0755 0:0 0 ", "run/secrets": "dir 0755 0:0"}


def differences(ours, theirs, ignore):
    """Lines that say where two images differ, without what `ignore` names."""
    out = []
    mine, other = ours.describe(), theirs.describe()
    for path, facts in LEFT_BY_BUILDAH.items():
        if path not in mine and other.get(path, "").startswith(facts):
            del other[path]
    for path in sorted({*mine, *other}):
        if path not in ignore and mine.get(path) != other.get(path):
            out.append(f"/{path}: runner [{mine.get(path)}] buildah [{other.get(path)}]")
    mine, other = ours.settings(), theirs.settings()
    for name in sorted({*mine, *other}):
        if f"config.{name}" not in ignore and mine.get(name) != other.get(name):
            out.append(f"config.{name}: runner {json.dumps(mine.get(name))} buildah {json.dumps(other.get(name))}")
    return out


def unmet(image, expect):
    """Lines that say which expectation an image does not meet. Of a path: None (absent), how its facts begin, or the bytes that it holds."""
    facts, settings, out = image.describe(), image.settings(), []
    for name, want in expect.items():
        if name.startswith("config."):
            have = settings.get(name[7:])
            if name == "config.Env":  # every image has a PATH
                have = [v for v in have if v in want or not v.startswith("PATH=")]
            if have != want:
                out.append(f"{name}: wanted {want!r}, got {have!r}")
        elif want is None:
            if name in facts:
                out.append(f"/{name}: should not be there, is [{facts[name]}]")
        elif isinstance(want, bytes):
            if facts.get(name, "").split(" ")[3:5] != [str(len(want)), hashlib.sha256(want).hexdigest()[:12]]:
                out.append(f"/{name}: wanted a file with {want!r}, got [{facts.get(name)}]")
        elif not facts.get(name, "").startswith(want):
            out.append(f"/{name}: wanted [{want}...], got [{facts.get(name)}]")
    return out


def digest(layout):
    """Digest of the image (or index) in a layout."""
    return json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]


def consistent(image):
    """What must hold of every image of ours."""
    out = []
    history = image.config.get("history") or []
    layers = [h for h in history if not h.get("empty_layer")]
    if len(layers) != len(image.layers) or len(image.layers) != len(image.config["rootfs"]["diff_ids"]):
        out.append(f"{len(layers)} history entries with a layer, {len(image.layers)} layers, {len(image.config['rootfs']['diff_ids'])} diff_ids")
    return out
