# SPDX-License-Identifier: Apache-2.0
"""A small root with a shell, made of this machine's own programs and the libraries they name."""

import re
import shutil
import subprocess
from pathlib import Path

PROGRAMS = ("sh cat chmod chown cp dd echo env grep head hostname id ln ls mkdir mknod mv readlink rm rmdir sleep stat test "
            "touch true").split()


def make(root):
    root = Path(root)
    for folder in ("bin", "etc", "usr", "var/data"):
        (root / folder).mkdir(parents=True)
    libraries = set()
    for name in PROGRAMS:
        path = shutil.which(name, path="/bin:/usr/bin")
        shutil.copy(path, root / "bin" / name)
        listed = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
        libraries.update(re.findall(r"(/[^ ]+) \(", listed))
    for library in libraries:
        to = root / library.lstrip("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        if not to.exists():
            shutil.copy(library, to)
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (root / "etc/motd").write_text("of the image\n")
    (root / "var/data/old").write_text("old\n")
    return root
