# SPDX-License-Identifier: Apache-2.0
"""One project, built where everything but the project differs: one digest."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "differential"))

from harness import Registry, archive, digest  # noqa: E402
from support import BUILD, PATIENCE  # noqa: E402

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes another user")

COPY = r"""
# check=error=true
ARG BASE
FROM $BASE AS files
WORKDIR /srv/deep
COPY . .
COPY --chown=app:web --chmod=u=rwX,go=rX tree /owned/
ADD packed.tar /unpacked/
FROM files AS second
ENV VERSION=1
COPY --from=files /srv/deep/tree /again
COPY <<EOF /made/from/text
version $VERSION
EOF
FROM second
COPY --from=files --link /srv/deep/large.bin /
USER app
WORKDIR /home/app/new
LABEL z=1 a=2
EXPOSE 90 80
CMD ["x"]
"""
RUN = COPY + r"""
USER root
RUN mkdir -p /made/b /made/a && for n in 3 1 2; do echo $n > /made/a/f$n; done && ln /made/a/f1 /made/b/same && ln -s ../a /made/b/link
RUN rm -r /usr/share && chmod 4755 /made/a/f2 && umask > /made/umask && touch /srv/deep/tree/new
RUN --mount=type=cache,target=/cache --mount=type=bind,source=tree,target=/tree cp /tree/f0 /made/f0 && echo x > /cache/x
RUN pwd > /made/pwd; env | sort > /made/env; id > /made/id; hostname > /made/host
"""


def files():
    """What the project consists of. More than one chunk of the compressor."""
    out = [(f"tree/d{i}/f{j}", 0o644, f"{i} {j}\n".encode() * 50) for i in range(6) for j in range(6)]
    out += [(f"tree/f{i}", 0o755 if i % 3 == 0 else 0o640, f"file {i}\n".encode()) for i in range(30)]
    out += [("tree/grün-日本", 0o600, b"u"), ("tree/sp ace", 0o644, b""), ("large.bin", 0o644, bytes(range(256)) * 20000),
            ("packed.tar", 0o644, archive("gz"))]
    return out


def write_project(folder, dockerfile, backwards, moment, owner):
    folder.mkdir(parents=True)
    listed = files()[::-1] if backwards else files()
    for name, mode, data in [*listed, ("Dockerfile", 0o644, dockerfile.lstrip().encode())]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
    (folder / "tree/link").symlink_to("d1/f1")
    for path in [*folder.rglob("*"), folder]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
        os.chown(path, *owner, follow_symlinks=False)
        os.utime(path, (moment, moment), follow_symlinks=False)


# What one machine may have that another has not: file system, umask, zone, language, user, order of folders, times, cores.
PLACES = [
    {"top": "/tmp", "name": "a", "umask": 0o022, "env": {"TZ": "UTC", "LC_ALL": "C"}, "backwards": False, "moment": 1, "plain": False, "wrap": []},
    {"top": "/dev/shm", "name": "quite-another", "umask": 0o077, "env": {"TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "LANGUAGE": "de", "HOSTNAME": "other", "USER": "x"},
     "backwards": True, "moment": 2_000_000_000, "plain": True, "wrap": ["taskset", "-c", str(min(os.sched_getaffinity(0)))]},
    {"top": "/var/tmp", "name": "b b", "umask": 0o002, "env": {"TZ": "America/St_Johns", "LC_ALL": "POSIX"}, "backwards": True, "moment": 1_600_000_000,
     "plain": False, "wrap": ["nice", "-n", "5"]},
]


def build(place, dockerfile, registry, user):
    top = place["top"] if Path(place["top"]).is_dir() else "/tmp"
    home = Path(tempfile.mkdtemp(prefix=place["name"], dir=top))
    owner = (user.uid, user.gid) if place["plain"] else (0, 0)
    try:
        home.chmod(0o755)
        os.chown(home, *owner)
        write_project(home / "some/project", dockerfile, place["backwards"], place["moment"], owner)
        given = {"context": "some/project", "layout": "out", "platform": "linux/amd64", "build_args": {"BASE": registry.base}}
        (home / "build.pipe").write_text(json.dumps({"name": "build", "stages": [{"id": "image", "uses": "oci-build", "with": given}]}))
        (home / "build.pipe").chmod(0o644)
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), **place["env"]}
        become = {"user": user.uid, "group": user.gid, "extra_groups": []} if place["plain"] else {}
        program = (user.build if place["plain"] else BUILD) / "bin/runner"
        done = subprocess.run([*place["wrap"], program, "run", "build.pipe"], cwd=home, env=env, umask=place["umask"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", timeout=PATIENCE, **become)
        assert done.returncode == 0, done.stdout + done.stderr
        return digest(home / "out")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("dockerfile", [COPY, RUN], ids=["copy", "run"])
def test_a_project_has_one_digest_on_every_machine(dockerfile, plain_user, tmp_path):
    registry = Registry(tmp_path)
    try:
        digests = [build({**place, "plain": place["plain"]}, dockerfile, registry, plain_user) for place in PLACES]
    finally:
        registry.close()
    assert len(set(digests)) == 1, digests
