# SPDX-License-Identifier: Apache-2.0
"""Stacks of layers of other builders, whiteouts and hard links and all: what COPY --from takes out of them, and what RUN sees on them."""

import io
import os
import random
import re
import shutil
import subprocess
import tarfile

import pytest

import harness_base
import support
from build_context import Context, Image
from layer_stacks import TYPES, Entry, Stack
from test_build_rungs import contents as content

SEEDS = range(int(os.environ.get("STACKS_FROM", 0)), int(os.environ.get("STACKS_TO", 25)))


@pytest.fixture
def context(runner, tmp_path):
    return Context(runner, tmp_path / "work")


def layers(context, *layers, name="base"):
    """FROM of an image with these layers, each a list of (path, Entry or, for a hard link, its target), on top of busybox."""
    stack = Stack(0)
    stack.layers = []
    for members in layers:
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path, entry in members:
                info = tarfile.TarInfo(path)
                if isinstance(entry, str):
                    info.type, info.linkname = tarfile.LNKTYPE, entry
                else:
                    info.type, info.mode, info.uid, info.size = TYPES[entry.kind], entry.mode, entry.uid, len(entry.data)
                tar.addfile(info, io.BytesIO(b"" if isinstance(entry, str) else entry.data))
        stack.layers.append(raw.getvalue())
    return "FROM " + stack.write(context.folder / name, True)


def test_a_hard_link_keeps_its_content_when_another_layer_replaces_its_other_name(context):
    old, new = Entry("file", data=b"old"), Entry("file", data=b"newer")
    base = layers(context, [("x", old), ("y", "x"), ("z", "x")], [("x", new)])
    facts = context.build(f"{base} AS s\nFROM scratch\nCOPY --from=s /x /y /z /all/\nCOPY --from=s /y /alone\n").describe()
    assert facts["all/x"].startswith(new.facts()) and facts["all/y"] == facts["alone"] == old.facts() and facts["all/z"] == old.facts() + " = all/y"


def test_of_two_entries_for_a_folder_the_last_counts(context):
    base = layers(context, [("d", Entry("dir", 0o700)), ("d/e", Entry("dir", 0o711)), ("d/e/f", Entry("file")), ("d/e", Entry("dir", 0o1777)),
                            ("d", Entry("dir", 0o2755, 5))])
    image = context.build(f"{base} AS s\nRUN stat -c '%a %u' /d /d/e > /out\nFROM s\nCOPY --from=s /d /copy\n")
    assert content(image, "out") == b"2755 5\n1777 0\n"
    assert image.describe()["d"].startswith("dir 2755 5:0") and image.describe()["copy/e"].startswith("dir 1777 0:0")


def test_a_layer_that_speaks_of_a_folder_and_of_a_file_far_below_it(context):
    """As RUN makes them: what lies between is as the layers below have it. Seen by a machine that has not unpacked the layer yet."""
    harness_base.layout(context.folder / "base")
    text = f"FROM oci-layout://{context.folder}/base\nRUN mkdir -p /srv/x/y && chown 7 /srv/x\nRUN chmod 711 /srv; echo deep > /srv/x/y/f\n"
    with tarfile.open(fileobj=io.BytesIO(context.build(text).layers[-1])) as tar:
        assert tar.getnames() == ["srv", "srv/x/y/f"]
    for folder in (context.store.parent / "rootfs").glob("*/layers/[0-9a-f]*"):
        shutil.rmtree(folder)
    image = context.build(text + "RUN stat -c '%a %u' /srv /srv/x /srv/x/y > /out; cat /srv/x/y/f >> /out\n")
    assert context.cached == 2 and content(image, "out") == b"711 0\n755 7\n755 0\ndeep\n"


def test_what_a_run_only_touched_is_not_taken_from_another_image(context):
    """Two images whose RUN makes the same layer: the folder that it is kept in has nothing of the first image's files."""
    text = ("RUN chmod 644 /d/f && chown 0:0 /d/f && if [ -d /e ]; then touch /e/x && rm /e/x; fi; echo out > /out\n"
            "RUN cat /d/f > /seen; ls -d /e >> /seen 2>&1; true\n")
    seen = []
    for name, f, more in (("one", b"one\n", [("e", Entry("dir"))]), ("two", b"two\n", [])):
        base = layers(context, [("d", Entry("dir")), ("d/f", Entry("file", 0o644, data=f)), *more], name=name)
        image = context.build(f"{base}\n{text}")
        seen.append((image.config["rootfs"]["diff_ids"][-2], content(image, "seen")))
    assert seen[0][0] == seen[1][0], "one layer"
    assert [text for _, text in seen] == [b"one\n/e\n", b"two\nls: /e: No such file or directory\n"]


def stacks():
    return {seed: Stack(seed) for seed in SEEDS}


def below(facts, folder):
    """{path: facts} of what lies below a folder, named as if that were the root."""
    return {path[len(folder) + 1:]: text.replace(f" = {folder}/", " = ") for path, text in facts.items() if path.startswith(folder + "/")}


def different(have, want):
    return [f"/{path}: wanted [{want.get(path)}], got [{have.get(path)}]" for path in sorted({*have, *want}) if have.get(path) != want.get(path)]


def test_copy_from_sees_the_image_that_the_layers_make(context):
    made = stacks()
    text = "".join(f"FROM {stack.write(context.folder / f'base{seed}', False)} AS s{seed}\n" for seed, stack in made.items())
    image = context.build(text + "FROM scratch\n" + "".join(f"COPY --from=s{seed} / /{seed}/\n" for seed in made))
    facts = image.describe()
    problems = {seed: different(below(facts, str(seed)), stack.facts()) for seed, stack in made.items()}
    assert len(made) == len(SEEDS) and sum(len(stack.tree) for stack in made.values()) > 5 * len(SEEDS)
    assert not any(problems.values()), problems


def run_text(context, made):
    """RUN copies what it sees, without capabilities, which busybox does not copy."""
    text = ""
    for seed, stack in made.items():
        base = stack.write(context.folder / f"base{seed}", True)
        text += f"FROM {base} AS r{seed}\nRUN mkdir /seen && for n in a b c; do if [ -e $n ] || [ -L $n ]; then cp -a $n /seen/; fi; done\n"
    return text + "FROM scratch\n" + "".join(f"COPY --from=r{seed} /seen /{seed}\n" for seed in made)


def run_differences(image, made):
    def shown(facts):
        return {path: text.partition(" = ")[0].partition(" {")[0] for path, text in facts.items()}

    facts = image.describe()
    problems = {seed: different(shown(below(facts, str(seed))), shown(stack.facts())) for seed, stack in made.items()}
    return {seed: lines for seed, lines in problems.items() if lines}


@pytest.mark.skipif(os.geteuid() != 0, reason="copies owners")
def test_run_sees_the_image_that_the_layers_make(context):
    made = stacks()
    problems = run_differences(context.build(run_text(context, made)), made)
    assert not problems, problems


@pytest.mark.skipif(os.geteuid() != 0, reason="makes the locked-down container itself")
def test_without_overlays_it_sees_the_same(context):
    made = stacks()
    file = context.pipeline(run_text(context, made))
    done = subprocess.run([support.BUILD / "tests/tools/lockdown", *context.runner.argv("run", file)], cwd=context.folder, env=context.runner.full_env(),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=1000)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "root in a locked-down container: chroot" in done.stdout + done.stderr
    problems = run_differences(Image.from_layout(context.folder / "layout"), made)
    assert not problems, problems


LIST = (r"""RUN cd /w && find . -type f | while read f; do echo "$f|$(stat -c '%a|%u:%g|%s|%i' $f)|$(busybox sha256sum < $f)"; done > /files; """
        r"""find . ! -type f | while read f; do echo "$f|$(stat -c '%a|%u:%g' $f)|$(readlink $f)"; done > /others""")


def some_change(chance):
    """A command that does something to two places below /w, or fails."""
    a, b = ("/w/" + "/".join(chance.choice("abc") for _ in range(chance.randint(1, 3))) for _ in range(2))
    return "(" + chance.choice([
        f"mkdir -p {a}", f"rm -rf {a}", f"mv {a} {b}", f"ln {a} {b}", f"ln -s {b} {a}", f"ln -s ../x {a}", f"echo {chance.random()} > {a}", f"echo x >> {a}",
        f"chmod {chance.choice(['700', '4755', '644', '1777', '2750'])} {a}", f"chown {chance.choice(['5:6', '0:0', '1000:7'])} {a}", f"cp -a {a} {b}",
        f"rm -rf {a}; mkdir -p {a}; echo n > {a}/n", f"touch {a}", f"rm {a}", f": > {a}", f"busybox truncate -s 100 {a}"]) + ")"


def seen_by_run(image, seed):
    """{path: facts} as the last RUN of a stage listed them."""
    want, inodes = {}, {}
    for line in sorted(content(image, f"{seed}/files").decode().splitlines()):
        name, mode, owner, size, inode, digest = line.split("|")
        first = inodes.setdefault(inode, name[2:])
        want[name[2:]] = f"file {int(mode, 8):04o} {owner} {size} {digest[:12]}" + (f" = {first}" if first != name[2:] else "")
    for line in content(image, f"{seed}/others").decode().splitlines():
        name, mode, owner, link = line.split("|")
        want[name[2:]] = f"symlink - {owner} -> {link}" if link else f"dir {int(mode, 8):04o} {owner}"
    want.pop("")
    return want


@pytest.mark.skipif(os.geteuid() != 0, reason="changes owners")
@pytest.mark.parametrize("rung", ["root", "chroot"])
def test_a_layer_of_run_has_what_the_run_after_it_sees(context, rung):
    """Random changes on random bases, several RUNs each; what the last one lists is what the layers say."""
    seeds = range(int(os.environ.get("RUNS_FROM", 0)), int(os.environ.get("RUNS_TO", 12)))
    text = ""
    for seed in seeds:
        chance = random.Random(seed)
        base = Stack(seed).write(context.folder / f"base{seed}", True)
        text += (f"FROM {base} AS r{seed}\nRUN mkdir /w; for n in a b c; do if [ -e $n ] || [ -L $n ]; then mv $n /w/; fi; done; "
                 "find /w -type p | while read f; do rm $f; done\n")
        for _ in range(chance.randint(2, 4)):
            text += "RUN exec 2>/dev/null; " + "; ".join(some_change(chance) for _ in range(chance.randint(2, 8))) + "; true\n"
        text += LIST + "\n"
    file = context.pipeline(text + "FROM scratch\n" + "".join(f"COPY --from=r{seed} /files /others /{seed}/\nCOPY --from=r{seed} /w /{seed}/w\n" for seed in seeds))
    wrap = [support.BUILD / "tests/tools/lockdown"] if rung == "chroot" else []
    done = subprocess.run([*wrap, *context.runner.argv("run", file)], cwd=context.folder, env=context.runner.full_env(), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", timeout=support.PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    image = Image.from_layout(context.folder / "layout")
    facts, problems, count = image.describe(), {}, 0
    for seed in seeds:
        have = {path: re.sub(r" \{.*\}", "", text) for path, text in below(facts, f"{seed}/w").items()}  # capabilities are not listed
        want = seen_by_run(image, seed)
        count += len(want)
        if lines := different(have, want):
            problems[seed] = lines
    assert count > 3 * len(seeds) and not problems, problems
