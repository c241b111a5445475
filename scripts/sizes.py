#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lists what is far outside the sizes that read well: files over 600 lines, functions over 60.

Prints medians too. It is a reason to look again, not an error; exit code 0.
"""

import re
import statistics
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
FUNCTION = re.compile(r"^[A-Za-z_][^;{}]*\)\n\{\n(.*?)^\}", re.M | re.S)


def main():
    files, functions = [], []
    for top in ("core", "lib", "plugins", "localcloud"):
        for path in sorted((SOURCE / top).rglob("*.c")):
            text = path.read_text()
            files.append((text.count("\n"), path.relative_to(SOURCE)))
            for match in FUNCTION.finditer(text):
                head = match.group(0).split("(")[0].split()[-1].lstrip("*")
                line = text.count("\n", 0, match.start()) + 1
                functions.append((match.group(0).count("\n") + 1, head, path.relative_to(SOURCE), line))
    if not files:
        return
    for size, path in sorted(files, reverse=True):
        if size > 600:
            print(f"long file      {size:5} {path}")
    for size, name, path, line in sorted(functions, reverse=True):
        if size > 60:
            print(f"long function  {size:5} {path}:{line} {name}")
    sizes = [f[0] for f in functions]
    over = sum(s > 60 for s in sizes)
    print(f"{len(files)} files, median {statistics.median(f[0] for f in files):.0f} lines; "
          f"{len(sizes)} functions, median {statistics.median(sizes):.0f} lines, {over} over 60 ({100 * over / len(sizes):.1f} %)")


if __name__ == "__main__":
    main()
