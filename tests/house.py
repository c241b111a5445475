#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""House rules that a compiler does not check: who includes whom, what links what, headers alone.

Prints "ok RULE" or "FAILED RULE: where" lines; exits 1 when a rule is broken.
"""

import ast
import builtins
import os
import re
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("RUNNER_BUILD", SOURCE / "build/release"))

# folder -> the project folders whose headers it may include besides its own
MAY_INCLUDE = {
    "include": set(),
    "core": {"include", "lib/base", "lib/yaml"},
    "lib/base": set(),
    "lib/yaml": {"lib/base"},
    "lib/http": {"lib/base"},
    "lib/aws": {"lib/base", "lib/http"},
    "lib/oci": {"lib/base", "lib/http"},
    "lib/sandbox": {"lib/base"},
    "lib/stage": {"include", "lib/base", "lib/http", "lib/aws"},
    "plugins": {"include", "lib/base", "lib/http", "lib/aws", "lib/oci", "lib/sandbox", "lib/stage", "lib/yaml"},
    "localcloud": {"lib/base", "lib/http", "lib/aws", "lib/oci", "lib/sandbox", "lib/yaml"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^">]+)[">]', re.M)
failures = []


def check(rule, problems):
    problems = list(problems)
    for problem in problems:
        failures.append(rule)
        print(f"FAILED {rule}: {problem}")
    if not problems:
        print(f"ok {rule}")


def home(path):
    """The layer that a source file belongs to: "lib/http", "core", "plugins/iam" ..."""
    parts = path.relative_to(SOURCE).parts
    return "/".join(parts[:2]) if parts[0] in ("lib", "plugins") else parts[0]


def target(path, name):
    """The layer of an included header, or None for a system header."""
    for base in (path.parent, SOURCE / "lib", SOURCE / "include", SOURCE):
        header = (base / name).resolve()
        if header.is_file() and header.is_relative_to(SOURCE):
            return home(header)
    return None


def sources():
    for top in ("include", "core", "lib", "plugins", "localcloud"):
        yield from sorted(p for p in (SOURCE / top).rglob("*.[ch]"))


def wrong_arrows():
    for path in sources():
        here = home(path)
        allowed = MAY_INCLUDE[here.split("/")[0] if here.startswith("plugins/") else here]
        for name in INCLUDE.findall(path.read_text()):
            there = target(path, name)
            if there and there != here and there not in allowed:
                yield f"{path.relative_to(SOURCE)} includes {name} ({there})"


def needed(binary):
    out = subprocess.run(["readelf", "-d", binary], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.+)\]", out)


def core_needs():
    banned = ("libcurl", "libssl", "libcrypto", "libarchive", "libsqlite3", "libmicrohttpd")
    for library in needed(BUILD / "bin/runner"):
        if library.startswith(banned):
            yield f"bin/runner needs {library}"


def late_libraries():
    for binary in [*(BUILD / "lib/runner/plugins").glob("*.so"), *(BUILD / "libexec/runner").iterdir()]:
        for library in needed(binary):
            if library.startswith(("libcurl", "libarchive", "libisal")):
                yield f"{binary.name} links {library}, which is loaded when it is needed first"


def exported_symbols():
    for plugin in sorted((BUILD / "lib/runner/plugins").glob("*.so")):
        out = subprocess.run(["nm", "-D", "--defined-only", plugin], capture_output=True, text=True, check=True).stdout
        names = {line.split()[-1] for line in out.splitlines()} - {"runner_plugin_v1"}
        sanitizer = {n for n in names if n.startswith(("__asan", "__odr_asan", "__ubsan", "__gcov", "mangle_path"))}
        if names - sanitizer:
            yield f"{plugin.name} exports {', '.join(sorted(names - sanitizer))}"


def headers_alone():
    flags = ["-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{SOURCE}/lib", f"-I{SOURCE}/include"]
    headers = [p for p in sources() if p.suffix == ".h"]
    for header in headers:
        done = subprocess.run(["gcc", *flags, "-x", "c", "-include", header, "/dev/null"], capture_output=True, text=True)
        if done.returncode:
            yield f"{header.relative_to(SOURCE)}: {done.stderr.splitlines()[0] if done.stderr else 'does not compile'}"


def abi_in_other_languages():
    header = SOURCE / "include/runner/plugin.h"
    for command in (["gcc", "-std=c17", "-pedantic", "-x", "c"], ["g++", "-std=c++17", "-pedantic", "-x", "c++"]):
        done = subprocess.run([*command, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-include", header, "/dev/null"],
                              capture_output=True, text=True)
        if done.returncode:
            yield f"{' '.join(command[:2])}: {done.stderr}"


def missing_licence_line():
    for path in sources():
        if "SPDX-License-Identifier: Apache-2.0" not in path.read_text()[:200]:
            yield path.relative_to(SOURCE)


def loose_ends():
    word = re.compile(r"\b(TODO|FIXME|XXX)\b")
    for path in sources():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if word.search(line):
                yield f"{path.relative_to(SOURCE)}:{number}: {line.strip()}"


def unsafe_calls():
    banned = re.compile(r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|gets|strtok|system|popen|tmpnam|mktemp|alloca|atoi|atol)\s*\(")
    for path in sources():
        text = re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", lambda m: "\n" * m.group().count("\n"), path.read_text(), flags=re.S)
        for number, line in enumerate(text.splitlines(), 1):
            for name in banned.findall(line):
                yield f"{path.relative_to(SOURCE)}:{number}: {name}()"


def names_of_nothing():
    """Names that a Python file of the tests uses and that nothing in it makes: an import that got lost. It would fail in the middle of a test alone."""
    for path in sorted((SOURCE / "tests").rglob("*.py")):
        tree = ast.parse(path.read_text())
        made = {*dir(builtins), "__file__"}
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                made |= {(a.asname or a.name).partition(".")[0] for a in node.names}
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                made.add(node.id)
            else:
                made |= {getattr(node, key) for key in ("name", "arg") if isinstance(getattr(node, key, None), str)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id not in made:
                yield f"{path.relative_to(SOURCE)}:{node.lineno}: {node.id}"


check("layers: includes point one way", wrong_arrows())
check("the core links no network, crypto or archive library", core_needs())
check("libcurl, libarchive and ISA-L are loaded late", late_libraries())
check("plugins export their descriptor alone", exported_symbols())
check("each header compiles alone", headers_alone())
check("the plugin header is C17 and C++17", abi_in_other_languages())
check("each source names its licence", missing_licence_line())
check("no loose ends in the sources", loose_ends())
check("no unsafe library calls", unsafe_calls())
check("tests use no name that is not made", names_of_nothing())
sys.exit(1 if failures else 0)
