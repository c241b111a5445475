#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random valid Dockerfiles with random contexts, built by oci-build and by buildah and compared.

    generate.py --build build/release --seconds 600 [--seed N]    until the time is over or a difference is found
    generate.py --build build/release --seed N --count 1 --keep   one again; --print only shows it

Besides the comparison: a second build from the cache, and one with an empty cache, must have the same digest;
after an edit of the context too, cached or not must make no difference.
A difference is shrunk: instructions go as long as it persists. What the reference and this buildah are known to
answer differently (cases.py and its sisters have the list, with reasons) is not generated.
"""

import argparse
import io
import os
import random
import shutil
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from cases import Case, Link
from harness import Builder, Registry, consistent, differences, digest
from tree import Image

FILES = ["f1.txt", "f2.txt", "f3.md", "f4", "f5.go", "fa b.txt", "f-6.txt", "f.7", "fé.txt"]
DIRS = ["d1", "d2", "dir3", "d.4"]
LINKS = ["l1", "l2", "l3"]
OWNERS = ["5:6", "7", "0:0", "1234:4321"]
NAMED_OWNERS = ["app", "app:web", "web:44", "9:app", "root"]
# names of the generated tree never mean a file here and a folder there, so that copies can be laid over each other


def names_beside(entries, path):
    folder = path.rpartition("/")[0] + "/"
    return [p.removeprefix(folder) for p in entries if p.startswith(folder)]


class Folder:
    """A random tree: path -> content of the context; `folders` and `plain` list what can be copied, `words` what needs no quotes."""

    def __init__(self, rng, top, depth=3):
        self.rng, self.entries, self.folders, self.plain = rng, {}, [], []
        self.fill(top, depth)
        self.words = [p for p in self.plain if " " not in p]
        self.links = [p for p, what in self.entries.items() if isinstance(what, Link) and what.target in names_beside(self.entries, p)]

    def fill(self, top, depth):
        self.folders.append(top)
        self.entries[top + "/"] = self.rng.choice([0o755, 0o755, 0o700, 0o711, 0o775])
        names = [*self.rng.sample(FILES, self.rng.randint(0, 3)), "f-0"]
        for name in names:
            self.entries[f"{top}/{name}"] = (self.rng.choice([0o644, 0o600, 0o755, 0o640, 0o444]), self.content())
            self.plain.append(f"{top}/{name}")
        for name in self.rng.sample(LINKS, self.rng.choice([0, 0, 1, 2])):
            self.entries[f"{top}/{name}"] = Link(self.rng.choice([names[0], "../nowhere", "/etc/motd", "l9"]))
        for name in self.rng.sample(DIRS, self.rng.randint(0, 2) if depth else 0):
            self.fill(f"{top}/{name}", depth - 1)

    def content(self):
        return bytes(self.rng.randrange(256) for _ in range(self.rng.choice([0, 1, 7, 100, 3000])))


def random_tar(rng):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=rng.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])) as tar:
        def entry(name, kind=tarfile.REGTYPE, data=b"", link=""):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, link, len(data)
            member.mode = 0o777 if kind == tarfile.SYMTYPE else rng.choice([0o644, 0o755, 0o600])
            if kind == tarfile.DIRTYPE:
                member.mode = rng.choice([0o755, 0o700, 0o1777])
            member.uid, member.gid = (3, 4) if kind == tarfile.LNKTYPE or name.endswith("/twin") else (rng.randrange(9), rng.randrange(9))
            if kind == tarfile.LNKTYPE:
                member.mode = 0o640
            if name.endswith("/twin"):
                member.mode = 0o640
            member.mtime = rng.randrange(2_000_000_000)
            tar.addfile(member, io.BytesIO(data))
        for top in rng.sample(["t1", "t2", "t3"], rng.randint(1, 3)):
            entry(top, tarfile.DIRTYPE)
            for name in rng.sample(FILES, rng.randint(0, 3)):
                entry(f"{top}/{name}", data=name.encode() * rng.randrange(40))
            if rng.random() < 0.4:
                entry(f"{top}/twin", data=b"twin\n")
                entry(f"{top}/twin2", tarfile.LNKTYPE, link=f"{top}/twin")
            if rng.random() < 0.4:
                entry(f"{top}/l1", tarfile.SYMTYPE, link=rng.choice(["twin", "../t1", "/etc"]))
    return out.getvalue()


class Stage:
    def __init__(self, name, scratch, parent=None):
        self.name, self.scratch, self.lines = name, scratch, []
        self.folders = list(parent.folders) if parent else []  # made by COPY, absolute
        self.plain = list(parent.plain) if parent else []
        self.env = dict(parent.env) if parent else {}
        self.args, self.workdir = {}, parent.workdir if parent else "/"
        self.rich = parent.rich if parent else False


class Generator:
    """Makes one Case from a seed: `case(seed)`. The Dockerfile is kept as a list of instructions for shrinking."""

    def __init__(self, seed, run=False):
        self.rng, self.seed, self.run = random.Random(seed), seed, run
        self.serial, self.stages, self.files = 0, [], {}
        self.tree = Folder(self.rng, "src")
        self.files.update(self.tree.entries)
        for n in range(2):
            self.files[f"pack{n}.tar"] = random_tar(self.rng)
        if self.rng.random() < 0.5:
            self.ignored()
        self.given = {}

    # ---- pieces ----

    def pick(self, *choices):
        return self.rng.choice(choices)

    def fresh(self, stem="n"):
        self.serial += 1
        return f"{stem}{self.serial}"

    def ignored(self):
        """A part of the context for .dockerignore alone; it is reached by copies of everything."""
        part = Folder(self.rng, "ig", 2)
        self.files.update(part.entries)
        lines = self.rng.sample(["ig/*.txt", "ig/**/f2.txt", "ig/**/*.go", "ig/d1", "ig/d2/", "/ig/dir3", "ig/f?", "# nothing", "", "ig/*/f1.txt", "ig/f[1-3]*"], 4)
        if self.rng.random() < 0.5 and part.plain:
            lines.append("!" + self.rng.choice([p for p in part.plain if p.count("/") == 1]))
        self.files[".dockerignore"] = "\n".join(lines) + "\n"

    def value(self, stage):
        names = [*stage.env, *stage.args]
        word = self.pick("plain", "two\\ words", '"quoted  text"', "'single $x'", "a=b", "x\\$y", "", "1.2-3")
        if not names or self.rng.random() < 0.4:
            return word
        name = self.rng.choice(names)
        return self.pick(f"${name}", f"${{{name}}}", f"${{{name}:-other}}", f"${{unset_{self.serial}:-d}}", f"${{{name}:+set}}", f'"<${name}>"', f"pre${{{name}}}post")

    def destination(self, stage, folder):
        """A place for new things: (text, absolute path). Fresh, below something that exists, or relative."""
        name = self.fresh("d" if folder else "f")
        if stage.folders and self.rng.random() < 0.3:
            path = f"{self.rng.choice(stage.folders)}/{name}"
        elif self.rng.random() < 0.3:
            path = f"/{self.fresh('p')}/{self.fresh('q')}/{name}"
        elif self.rng.random() < 0.3:
            return (name, f"{stage.workdir.rstrip('/')}/{name}")
        else:
            path = "/" + name
        return path, path

    def flags(self, stage, chmod=True):
        out = []
        if self.rng.random() < 0.3:
            out.append("--chown=" + self.rng.choice(OWNERS if stage.scratch else OWNERS + NAMED_OWNERS))
        if chmod and self.rng.random() < 0.25:
            out.append("--chmod=" + self.pick("644", "0755", "600", "4755"))
        return out

    # ---- instructions ----

    def copy_file(self, stage):
        text, path = self.destination(stage, False)
        flags = self.flags(stage)
        if any(f.startswith("--chown") for f in flags):  # owners of new parents are a known difference
            text = path = "/" + self.fresh("f")
        stage.plain.append(path)
        source = self.rng.choice(self.tree.plain)
        if " " in source:
            return f'{self.pick("COPY", "ADD")} {" ".join([*flags, ""])}["{source}", "{text}"]'
        return f'{self.pick("COPY", "ADD")} {" ".join([*flags, source, text])}'

    def copy_files(self, stage):
        name = self.fresh("d")
        stage.folders.append("/" + name)
        sources = self.rng.sample(self.tree.words, min(3, len(self.tree.words)))
        stage.plain += [f"/{name}/{s.rsplit('/', 1)[1]}" for s in sources]
        return f'COPY {" ".join([*self.flags(stage), *(self.pick(s, "./" + s, "/" + s) for s in sources), f"/{name}/"])}'

    def copy_link(self, stage):
        """A link that is named is followed."""
        if not self.tree.links:
            return self.copy_glob(stage)
        text, path = self.destination(stage, False)
        stage.plain.append(path)
        return f"{self.pick('COPY', 'ADD')} {self.rng.choice(self.tree.links)} {text}"

    def copy_over(self, stage):
        """Onto a file that is there, or into what a link of the base leads to."""
        source = self.rng.choice(self.tree.words)
        places = list(stage.plain) + ([] if stage.scratch else ["/etc/motd", "/usr/share/other", "/tmp/", "/home/app"])
        if stage.rich:
            places += ["/to-srv/", "/to-srv/new/f", "/rel-srv/f", "/sticky"]
        return f"{self.pick('COPY', 'ADD')} {source} {self.rng.choice(places)}" if places else self.copy_file(stage)

    def copy_folder(self, stage):
        source = self.pick(self.rng.choice(self.tree.folders), self.rng.choice(self.tree.folders) + "/", ".")
        flags = self.flags(stage, chmod=False)
        if not flags and stage.folders and self.rng.random() < 0.4:
            return f"COPY {source} {self.rng.choice(stage.folders)}"
        path = "/" + self.fresh("d")
        stage.folders.append(path)
        return f'{self.pick("COPY", "COPY", "ADD")} {" ".join([*flags, source, path + self.pick("", "/")])}'

    def copy_glob(self, stage):
        source = self.rng.choice(self.tree.words)
        folder, _, name = source.rpartition("/")
        pattern = self.pick("*", name[0] + "*", "?" + name[1:], f"[{name[0]}x]{name[1:]}", "*" + name[1:])
        path = "/" + self.fresh("d")
        stage.folders.append(path)
        return f"COPY {folder}/{pattern} {path}/"

    def copy_from(self, stage):
        sources = [s for s in self.stages if s.folders or s.plain]
        if not sources:
            return self.copy_file(stage)
        source = self.rng.choice(sources)
        what = self.pick(source.name, str(self.stages.index(source)))
        flags = self.flags(stage, chmod=False)
        path = "/" + self.fresh("d")
        if source.folders and self.rng.random() < 0.6:
            stage.folders.append(path)
            return f'COPY {" ".join([f"--from={what}", *flags, self.rng.choice(source.folders), path])}'
        if not source.plain:
            return self.copy_file(stage)
        stage.plain.append(path)
        return f'COPY {" ".join([*flags, f"--from={what}", self.rng.choice(source.plain), path])}'

    def add_tar(self, stage):
        if stage.folders and self.rng.random() < 0.4:
            return f"ADD pack{self.rng.randrange(2)}.tar {self.rng.choice(stage.folders)}"
        path = "/" + self.fresh("d")
        stage.folders.append(path)
        return f"ADD pack{self.rng.randrange(2)}.tar {path}{self.pick('', '/')}"

    def env(self, stage):
        pairs = {f"E{self.rng.randrange(6)}": self.value(stage) for _ in range(self.rng.randint(1, 3))}
        if len(pairs) == 1 and self.rng.random() < 0.2:
            name, = pairs
            stage.env[name] = 1
            return f"ENV {name} the rest  of it"
        stage.env.update(dict.fromkeys(pairs, 1))
        return "ENV " + " \\\n    ".join(f"{k}={v}" for k, v in pairs.items())

    def arg(self, stage):
        name = f"A{self.rng.randrange(4)}"
        value = self.value(stage)
        stage.args[name] = 1
        if self.rng.random() < 0.3:
            self.given[name] = self.pick("given", "given words", "x=y")
        return f"ARG {name}={value}"

    def workdir(self, stage):
        name = self.fresh("w")
        if self.rng.random() < 0.5:
            stage.workdir = stage.workdir.rstrip("/") + "/" + name
            return "WORKDIR " + name
        stage.workdir = f"/{name}/{self.fresh('w')}"
        return "WORKDIR " + stage.workdir

    def metadata(self, stage):
        n = self.rng.randrange(100)
        return self.pick(f"LABEL l{n % 5}={self.value(stage)} \"key {n % 3}\"=\"v {n}\"", f"EXPOSE {n + 1} {n + 2}/udp", f"STOPSIGNAL {self.pick('SIGINT', '9', 'SIGUSR1')}",
                         f"HEALTHCHECK --interval={n + 1}s --retries={n + 1} CMD check {n}", f'HEALTHCHECK --timeout=2m CMD ["a", "{n}"]', "HEALTHCHECK NONE",
                         f"LABEL legacy the {n}  value", f"MAINTAINER someone {n}", "# a comment", f'ENTRYPOINT ["/e{n}", "a b"]\nCMD ["c", "{n}"]', f"ENTRYPOINT run {n}\nCMD x  $y {n}")

    def onbuild(self, stage):
        line = self.pick(f"ENV ON{self.rng.randrange(3)}=1", f"COPY {self.rng.choice(self.tree.words)} /{self.fresh('on')}", "LABEL on=build")
        return "ONBUILD " + line

    def command(self, stage):
        path = "/" + self.fresh("r")
        made = [f"echo {self.serial} > {path}", f"mkdir -p {path}/a/b && echo x > {path}/a/b/c && chmod 700 {path}/a", f"mkdir {path} && ln -s ../etc {path}/l",
                f"echo one > {path} && ln {path} {path}.2", f"mkdir -m 1777 {path}"]
        if stage.plain:
            old = self.rng.choice(stage.plain)
            made += [f"cat '{old}' > {path}", f"chmod 750 '{old}'", f"chown 3:4 '{old}'", f"cp '{old}' {path}; echo more >> '{old}'"]
        line = self.rng.choice(made)
        return self.pick(f"RUN {line}", f'RUN ["/bin/sh", "-c", "{line}"]', f"RUN set -e; \\\n  {line}")

    # ---- the whole ----

    def stage(self, index, last):
        parents = [s for s in self.stages if not s.scratch]
        name = f"s{index}"
        if parents and self.rng.random() < 0.25:
            parent = self.rng.choice(parents)
            stage, base = Stage(name, False, parent), parent.name
        else:
            scratch = self.rng.random() < 0.3
            stage, base = Stage(name, scratch), "scratch" if scratch else self.pick("@BASE@", "@BASE2@")
            if base == "@BASE2@":
                stage.workdir, stage.rich = "/srv", True
        stage.lines.append(f"{self.pick('FROM', 'from')} {base} {self.pick('AS', 'as')} {name}")
        steps = [self.copy_file, self.copy_file, self.copy_files, self.copy_folder, self.copy_folder, self.copy_glob, self.copy_link, self.copy_over, self.copy_from, self.copy_from,
                 self.add_tar, self.env, self.env, self.arg, self.workdir, self.metadata, self.metadata, self.onbuild]
        if self.run and not stage.scratch:
            steps += [self.command] * 5
        for _ in range(self.rng.randint(2, 8)):
            stage.lines.append(self.rng.choice(steps)(stage))
        stage.lines.append(self.copy_file(stage))
        if last and self.rng.random() < 0.5:
            stage.lines.append("USER " + self.pick("app", "7", "app:web", "3:4"))
        return stage

    def case(self):
        count = self.rng.randint(1, 4)
        for index in range(count):
            self.stages.append(self.stage(index, index == count - 1))
        lines = [line for stage in self.stages for line in stage.lines]
        return lines, self.make(lines)

    def make(self, lines):
        args = [a for name, value in self.given.items() for a in ("--build-arg", f"{name}={value}")]
        return Case(f"seed-{self.seed}", "\n".join(lines) + "\n", files=self.files, params={"build_args": self.given} if self.given else {}, args=args)


# ---- the comparison ----

REFUSED = []  # what neither builder built: the generator should make few of them
# What buildah 1.28 says where it cannot give a file that it copies another name beyond ASCII: `COPY x /d/é`.
PEERS_OWN = "io: read/write on closed pipe"

def compare(builder, case):
    """Lines that say what is wrong with how a case is built."""
    builder.clean(case)
    builder.prepare(case)
    code, output, layout = builder.runner(case)
    their_code, their_output, folder = builder.buildah(case)
    if not code and their_code and PEERS_OWN in their_output:
        return []
    if code or their_code:
        if code and their_code:
            REFUSED.append((case.name, output))
        return [] if code and their_code else [f"runner ended with {code}, buildah with {their_code}", (output if code else their_output)[-3000:]]
    ours, theirs = Image.from_layout(layout), Image.from_dir(folder)
    problems = consistent(ours) + differences(ours, theirs, ["config.Env"])
    mine, other = sorted(ours.settings().get("Env", [])), sorted(theirs.settings().get("Env", []))
    if mine != other:
        problems.append(f"config.Env: runner {mine} buildah {other}")
    for what in ("cached", "fresh"):
        if (again := rebuilt(builder, case, what)) != digest(layout):
            problems.append(f"built again, {what}: {again} instead of {digest(layout)}")
    return problems + after_edits(builder, case)


def rebuilt(builder, case, what):
    """Digest of one more build ("fresh": with an empty cache), or that it fails."""
    cache = "cache" if what == "cached" else f"cache-of-{case.name}"
    code, _, layout = builder.runner(case, out="again", cache=cache)
    out = f"exit code {code}" if code else digest(layout)
    shutil.rmtree(layout, ignore_errors=True)
    if what != "cached":
        shutil.rmtree(builder.folder / cache, ignore_errors=True)
    return out


def edit(rng, context):
    """Changes one thing in a context; returns what."""
    paths = sorted(p for p in (context / "src").rglob("*"))
    plain = [p for p in paths if p.is_file() and not p.is_symlink()]
    if not plain:
        (context / "src/f-new").write_bytes(b"new\n")
        return "new src/f-new"
    path, kind = rng.choice(plain), rng.choice(["append", "same size", "mode", "remove", "new", "touch", "to link", "folder mode", "rename"])
    mode, data = path.stat().st_mode, path.read_bytes()
    if kind == "append":
        path.write_bytes(data + b"more")
    elif kind == "same size":
        path.write_bytes(bytes(255 - b for b in data))
    elif kind == "mode":
        path.chmod(mode ^ 0o110)
    elif kind == "new":
        (path.parent / "f-new").write_bytes(b"new\n")
    elif kind == "touch":
        os.utime(path, (rng.randrange(10**9), rng.randrange(10**9)))
    elif kind == "folder mode":
        path.parent.chmod(path.parent.stat().st_mode ^ 0o011)
    elif kind == "rename":
        path.rename(path.parent / "f-moved")
    else:
        path.unlink()
        if kind == "to link":
            path.symlink_to("f-0" if path.name != "f-0" else "f1.txt")
    return f"{kind} {path.relative_to(context)}"


def after_edits(builder, case):
    """A build after a small change must not depend on what the cache remembers of the time before."""
    rng, problems = random.Random(case.name), []
    for _ in range(2):
        what = edit(rng, builder.folder / case.name / "context")
        cached, fresh = rebuilt(builder, case, "cached"), rebuilt(builder, case, "fresh")
        if cached != fresh:
            problems.append(f"after an edit ({what}): cached {cached}, fresh {fresh}")
    return problems


def shrink(builder, generator, lines):
    """The shortest Dockerfile that still differs."""
    at = len(lines) - 1
    while at >= 0:
        fewer = lines[:at] + lines[at + 1:]
        if any(line.upper().startswith("FROM") for line in fewer):
            found = compare(builder, generator.make(fewer))
            if found and not found[0].startswith("runner ended"):
                lines = fewer
        at -= 1
    return lines


def check(builder, seed, run):
    """None, or a text with the difference, the seed and the shrunk Dockerfile."""
    generator = Generator(seed, run)
    lines, case = generator.case()
    problems = compare(builder, case)
    if problems and not problems[0].startswith("runner ended"):
        shorter = generator.make(shrink(builder, generator, lines))
        found = compare(builder, shorter)
        if found:
            case, problems = shorter, found
        else:
            problems.append("and it did not happen again")
    builder.clean(case)
    return f"seed {seed}:\n" + "\n".join(problems) + f"\n---- Dockerfile ({' '.join(case.args)})\n{case.dockerfile}" if problems else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path(__file__).parents[2] / "build/release")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--count", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--no-run", action="store_true", help="without RUN")
    parser.add_argument("--print", action="store_true", help="print the Dockerfile and build nothing")
    parser.add_argument("--go-on", action="store_true", help="do not stop at the first difference")
    args = parser.parse_args()
    if args.print:
        print(Generator(args.seed, not args.no_run).case()[1].dockerfile)
        return 0
    folder = Path(tempfile.mkdtemp(prefix="generated-"))
    registry = Registry(folder)
    builder, end, done, bad = Builder(args.build.resolve(), registry, folder), time.monotonic() + args.seconds, 0, 0
    try:
        while done < args.count and time.monotonic() < end and (args.go_on or not bad):
            found = check(builder, args.seed + done, not args.no_run)
            done += 1
            bad += found is not None
            if found:
                print(found, flush=True)
    finally:
        registry.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{done} Dockerfiles from seed {args.seed} on, {len(REFUSED)} refused by both, {bad} differ")
    for name, output in REFUSED[:3]:
        print(f"{name}: {output[-1500:]}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
