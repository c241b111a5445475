# SPDX-License-Identifier: Apache-2.0
"""RUN for a platform that is not this machine's: through binfmt_misc where an emulator is registered, for several platforms in one build,
on every rung of the sandbox; and what is said, and when, where none is."""

import io
import json
import os
import shlex
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

import foreign
import support
from build_context import Context, Image
from oci_context import Layout

pytestmark = [pytest.mark.skipif(os.geteuid() != 0 or os.uname().machine != "x86_64", reason="registers an emulator of arm64 as root, on amd64")]
BOTH = ["linux/amd64", "linux/arm64"]
MISSING = "no interpreter for it is registered"
WHERE = "Dockerfile:{}:1"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base") / "base"
    foreign.base(folder)
    return f"oci-layout://{folder}"


@pytest.fixture
def context(runner, tmp_path):
    return Context(runner, tmp_path / "work")


def images(folder):
    """{platform: Image} of the index in a layout."""
    layout = Layout(folder)
    top = layout.json(layout.index["manifests"][0])
    return {f"{m['platform']['os']}/{m['platform']['architecture']}": Image(layout.json(m), layout.blob) for m in top["manifests"]}


def text(image, path):
    """Content of a file of the uppermost layer that has it."""
    for data in reversed(image.layers):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            if path in tar.getnames():
                return tar.extractfile(path).read().decode()
    raise KeyError(path)


def alone(context, dockerfile, script=":", code=0, **params):
    """Builds where nothing but what `script` registers is."""
    file = context.pipeline(dockerfile, **params)
    done = subprocess.run(foreign.own_instance(script, context.runner.argv("run", file)), cwd=context.folder, env=context.runner.full_env(),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=support.PATIENCE)
    context.text = done.stdout + done.stderr
    assert code is None or done.returncode == code, context.text
    return done.returncode


def register(flags):
    return f"printf %s {shlex.quote(foreign.line('own', flags))} >{foreign.BINFMT}/register"


FACTS = "ARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM BUILDARCH\nRUN uname -m > /m && env | busybox sort | busybox grep -E '^(TARGET|BUILD)' > /facts\n"


def test_run_for_several_platforms_makes_an_index(context, base):
    with foreign.registered():
        context.build(f"FROM {base}\n" + FACTS, platform=None, platforms=BOTH)
    assert "the image for linux/arm64" in context.text, context.text
    made = images(context.folder / "layout")
    for architecture, machine in (("amd64", "x86_64"), ("arm64", "aarch64")):
        image = made[f"linux/{architecture}"]
        assert text(image, "m") == machine + "\n" and image.config["architecture"] == architecture
        assert text(image, "facts").splitlines() == ["BUILDARCH=amd64", "BUILDPLATFORM=linux/amd64", f"TARGETARCH={architecture}", "TARGETOS=linux",
                                                     f"TARGETPLATFORM=linux/{architecture}", "TARGETVARIANT="]
    with foreign.registered():
        context.build(platform=None, platforms=BOTH)
    assert context.cached == 2


def test_equal_files_below_do_not_mix_platforms(context, base):
    """The key of a RUN has the platform: on top of scratch and the same program nothing else differs."""
    program = foreign.busybox_arm64()
    shutil.copy(program, context.write("busybox", "", 0o755))
    dockerfile = "FROM scratch\nCOPY --chmod=755 busybox /bin/sh\nRUN [\"/bin/sh\", \"-c\", \"echo made > /out\"]\n"
    with foreign.registered():
        context.build(dockerfile, platform=None, platforms=BOTH)
    assert context.cached == 1 and "2 of 4" not in context.text, context.text  # the COPY alone


def test_a_native_stage_compiles_for_the_target(context, base):
    dockerfile = (f"FROM --platform=$BUILDPLATFORM {base} AS build\nARG TARGETARCH\nRUN echo $(uname -m) for $TARGETARCH > /made\n"
                  f"FROM {base}\nCOPY --from=build /made /made\nRUN uname -m >> /made\n")
    with foreign.registered():
        context.build(dockerfile, platform=None, platforms=BOTH)
    made = images(context.folder / "layout")
    assert text(made["linux/amd64"], "made") == "x86_64 for amd64\nx86_64\n"
    assert text(made["linux/arm64"], "made") == "x86_64 for arm64\naarch64\n"
    # without the last RUN nothing foreign executes, and nothing is asked for
    context.build(dockerfile.rpartition("RUN")[0], platform="linux/arm64")
    assert MISSING not in context.text


@pytest.mark.parametrize("rung", ["mapped", "single-id", "chroot"])
def test_on_every_rung(plain_user, tmp_path, rung):
    if rung == "mapped" and not shutil.which("newuidmap"):
        pytest.skip("needs newuidmap")
    home = plain_user.path(f"platforms-{rung}")
    context = Context(support.Runner(tmp_path), home)
    foreign.base(home / "base")
    context.pipeline(f"FROM oci-layout://{home}/base\nRUN uname -m > /m && chown 5:6 /m\n", platform="linux/arm64")
    subprocess.run(["chown", "-R", f"{plain_user.uid}:{plain_user.gid}", home], check=True)
    wrap = plain_user.on_rung(rung)
    env = {**support.clean_env(home), "XDG_CACHE_HOME": str(home / "cache")}
    with foreign.registered():
        done = subprocess.run([*wrap, plain_user.build / "bin/runner", "build.pipe"], cwd=home, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    image = Image.from_layout(context.folder / "layout")
    assert text(image, "m") == "aarch64\n"
    assert image.describe()["m"].startswith("file 0644 " + ("0:0" if rung == "single-id" else "5:6"))


# ---- where nothing is registered ----

def test_a_missing_emulator_is_told_before_anything_is_built(context, base):
    foreign.needs_own_instance()
    alone(context, f"FROM {base}\nRUN echo native\nFROM {base}\nCOPY Dockerfile /\nRUN uname -m\nCOPY --from=0 /bin/sh /x\n", code=3,
          platform=None, platforms=BOTH)
    assert MISSING in context.text and "RUN for linux/arm64 cannot execute" in context.text and "qemu-user-static" in context.text
    assert WHERE.format(2) in context.text and "[1/" not in context.text and "| native" not in context.text


def test_what_the_cache_has_needs_no_emulator(context, base):
    foreign.needs_own_instance()
    dockerfile = f"FROM {base}\nRUN uname -m > /m\n"
    with foreign.registered():
        context.build(dockerfile, platform=None, platforms=BOTH)
    alone(context, dockerfile, platform=None, platforms=BOTH)
    assert context.cached == 2 and "unless the cache has" in context.text
    alone(context, dockerfile + "RUN echo more > /n\n", code=3, platform=None, platforms=BOTH)
    assert MISSING in context.text and WHERE.format(3) in context.text
    assert "the image for linux/amd64" not in context.text  # the doubtful one goes first
    alone(context, dockerfile, code=3, no_cache=True, platform="linux/arm64")
    assert "[1/2" not in context.text and WHERE.format(2) in context.text


def test_an_emulator_that_the_image_must_have(context, base, tmp_path):
    """Registered without F, it is looked for in the image: no root has it but one that brings it."""
    foreign.needs_own_instance()
    alone(context, f"FROM {base}\nRUN uname -m > /m\n", register("P"), code=3, platform="linux/arm64")
    assert foreign.EMULATOR in context.text and "without the flag F" in context.text and WHERE.format(2) in context.text
    foreign.base(tmp_path / "with", {foreign.EMULATOR[1:]: Path(foreign.EMULATOR).read_bytes()})
    alone(context, f"FROM oci-layout://{tmp_path}/with\nRUN uname -m > /m\n", register("P"), platform="linux/arm64")
    assert text(Image.from_layout(context.folder / "layout"), "m") == "aarch64\n"


def test_an_entry_that_is_switched_off(context, base):
    foreign.needs_own_instance()
    for script, words in ((f"{register('PF')}; echo 0 >{foreign.BINFMT}/own", "entry own of binfmt_misc is switched off"),
                          (f"{register('PF')}; echo 0 >{foreign.BINFMT}/status", "binfmt_misc is switched off")):
        alone(context, f"FROM {base}\nRUN uname -m > /m\n", script, code=3, platform="linux/arm64")
        assert words in context.text and "echo 1 >" in context.text


def test_the_kernel_needs_no_help_for_its_own_kinds(context, base):
    """amd64 in any variant, and 386 where the kernel runs it itself."""
    foreign.needs_own_instance()
    native = [f"linux/{a['name']}" for a in doctor(context)["architectures"] if a["runs"]]
    assert "linux/amd64" in native
    shutil.copy("/bin/busybox", context.write("busybox", "", 0o755))
    for platform in {*native, "linux/amd64/v2"}:
        alone(context, "FROM scratch\nCOPY --chmod=755 busybox /bin/sh\nRUN [\"/bin/sh\", \"-c\", \"echo made > /out\"]\n", platform=platform)
        assert "binfmt" not in context.text


def test_windows_has_no_run(context, base):
    context.build("FROM scratch\nRUN true\n", code=3, platform="windows/amd64")
    assert "executes programs of Linux" in context.text and WHERE.format(2) in context.text


def doctor(context, script=":"):
    argv = foreign.own_instance(script, context.runner.argv("doctor", "--json"))
    return json.loads(subprocess.run(argv, cwd=context.folder, env=context.runner.full_env(), check=True, capture_output=True, text=True).stdout)


def test_doctor_says_which_platforms_run(context):
    foreign.needs_own_instance()
    arm = {a["name"]: a for a in doctor(context)["architectures"]}["arm64"]
    assert not arm["runs"] and MISSING in arm["reason"] and "qemu-user-static" in arm["cure"]
    arm = {a["name"]: a for a in doctor(context, register("PF"))["architectures"]}["arm64"]
    assert arm == {"name": "arm64", "runs": True}
    argv = foreign.own_instance(register("PF"), context.runner.argv("doctor"))
    said = subprocess.run(argv, cwd=context.folder, env=context.runner.full_env(), check=True, capture_output=True, text=True).stdout
    assert "linux/arm64" in next(line for line in said.splitlines() if line.startswith("  ok   linux/amd64"))
