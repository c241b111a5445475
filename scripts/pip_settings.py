#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what this machine's pip is told of its package registry into a folder, for a RUN that gets it as secrets.

    pip_settings.py FOLDER     FOLDER/pip.conf (index, proxy, time limit) and FOLDER/ca.crt (certificates), both maybe empty

Paths of this machine (caches, folders of wheels) mean nothing inside an image and are left out.
"""

import os
import subprocess
import sys
from pathlib import Path

KEPT = {"index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout", "retries"}


def settings():
    """name -> value of `pip config list`, environment over files."""
    found = {}
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True)
    for line in sorted(done.stdout.splitlines(), key=lambda text: text.startswith(":env:")):
        name, _, value = line.partition("=")
        found[name.split(".", 1)[-1]] = value.strip("'")
    return found


def write(path, text):
    """Readable by nobody else: an index URL may carry a password."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def main():
    folder, found = Path(sys.argv[1]), settings()
    lines = [f"{name.removeprefix('default-')} = {value}" for name, value in sorted(found.items()) if name in KEPT]
    write(folder / "pip.conf", "\n".join(["[global]", *lines, ""]) if lines else "")
    ca = Path(found.get("cert") or os.environ.get("SSL_CERT_FILE", ""))
    write(folder / "ca.crt", ca.read_text() if ca.is_file() else "")


if __name__ == "__main__":
    main()
