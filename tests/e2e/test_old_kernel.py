# SPDX-License-Identifier: Apache-2.0
"""Kernels before 5.6, as long-lived distributions of CI machines have them: what newer system calls do is done without them."""

import json
import os
import shutil
import subprocess

import pytest

import harness_base
import support

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="makes the plain user itself")]

DOCKERFILE = """\
FROM oci-layout://{base} AS made
RUN ln -s ../../../../etc/passwd /srv/link && mkdir -p /srv/a/b && echo one > /srv/a/b/f && rm /etc/motd
COPY link.tar /tmp/
ADD link.tar /srv/a/
FROM oci-layout://{base}
RUN --mount=type=bind,source=f,target=/in/f --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=type=bind,from=made,target=/m,rw \\
    --mount=type=secret,id=s,target=/run/x/s cat /in/f /m/srv/a/b/f > /out && wc -c < /run/x/s >> /out && touch /c/f /t/f /m/new
COPY --from=made /srv/ /srv/
COPY --from=made --parents /srv/./a/b/f /p/
"""


class Place:
    def __init__(self, rung, user):
        self.user, self.rung = user, rung
        self.home = user.path(f"old-{rung}")
        harness_base.layout(self.home / "base")
        (self.home / "context").mkdir()
        (self.home / "context/f").write_text("bound\n")
        (self.home / "context/Dockerfile").write_text(DOCKERFILE.format(base=self.home / "base"))
        subprocess.run("ln -s /srv/a up && tar cf link.tar up f && rm up", shell=True, cwd=self.home / "context", check=True)
        stages = [{"id": "say", "uses": "exec", "with": {"command": "echo said | cat; test ! -e /proc/self/fd/9", "shell": True}},
                  {"id": "image", "uses": "oci-build", "with": {"context": "context", "layout": "layout", "platform": "linux/amd64",
                                                               "secrets": {"s": {"value": "hidden"}}}}]
        (self.home / "b.pipe").write_text(json.dumps({"name": "b", "stages": stages}))
        self.wrap = user.on_rung(rung)
        if rung in ("mapped", "single-id"):
            subprocess.run(["chown", "-R", "-h", f"{user.uid}:{user.gid}", self.home], check=True)

    def build(self, *before):
        """The image's digest, built with a cache that is empty."""
        for name in ("cache", "layout"):
            shutil.rmtree(self.home / name, ignore_errors=True)
        done = subprocess.run([*before, *self.wrap, str(self.user.build / "bin/runner"), "b.pipe"], cwd=self.home, stdin=subprocess.DEVNULL,
                              env={**support.clean_env(self.home), "XDG_CACHE_HOME": str(self.home / "cache")}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads((self.home / "layout/index.json").read_text())["manifests"][0]["digest"], done.stdout + done.stderr


@pytest.mark.parametrize("rung", ["root", "mapped", "single-id", "chroot"])
def test_the_same_image_comes_out(plain_user, rung):
    if rung == "mapped" and not shutil.which("newuidmap"):
        pytest.skip("needs newuidmap")
    place = Place(rung, plain_user)
    now, said = place.build()
    old, said_then = place.build(str(support.BUILD / "tests/tools/lockdown"), "--old-kernel")
    sandbox = [line for line in said.splitlines() if "sandbox of RUN" in line]
    assert old == now and [line for line in said_then.splitlines() if "sandbox of RUN" in line] == sandbox
