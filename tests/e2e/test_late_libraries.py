# SPDX-License-Identifier: Apache-2.0
"""libcurl and libarchive are loaded by what needs them, and when they are missing it is said so. Without ISA-L all goes on."""

import subprocess

import pytest
import support
from fake_services import Fake


@pytest.fixture
def broken(tmp_path):
    """An environment in which neither can be loaded."""
    folder = tmp_path / "broken"
    folder.mkdir()
    for name in ("libcurl.so.4", "libarchive.so.13"):
        (folder / name).write_text("")
    return {"LD_LIBRARY_PATH": str(folder)}


@pytest.fixture
def build(runner, pipe, tmp_path):
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY hello /\n")
    (context / "hello").write_text("hello\n")
    file = pipe({"name": "p", "stages": [{"id": "image", "uses": "oci-build", "with": {"context": "context"}}]})
    return lambda **more: runner("run", file, **more)


def test_an_unchanged_build_needs_neither(build, broken):
    build()
    assert "1 of 1 steps that make layers came from the cache" in build(env=broken).out


def test_a_layer_needs_libarchive(build, broken):
    text = build(env=broken, code=None).text
    assert "libarchive.so.13 cannot be loaded" in text and "file too short" in text and "install" in text
    assert "1 of 1 stages ok" in build().out


def test_a_request_needs_libcurl(runner, pipe, broken):
    with Fake(lambda seen: (200, {}, "")) as fake:
        file = pipe({"name": "p", "stages": [{"id": "smoke", "uses": "smoke-test", "with": {"url": fake.url, "retry_for": "60s"}}]})
        text = runner("run", file, env=broken, code=None).text
        assert "libcurl.so.4 cannot be loaded" in text and "install" in text
        assert not fake.seen
        runner("run", file)
    assert len(fake.seen) == 1


@pytest.fixture
def read_base(runner, pipe, tmp_path):
    """Builds an image from the (gzip) layer of another one, with nothing in the cache; its output."""
    for name, text in {"base": "FROM scratch\nCOPY hello /\n", "top": "FROM base AS b\nFROM scratch\nCOPY --from=b /hello /\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(text)
    (tmp_path / "base/hello").write_text("hello\n" * 1000)
    image = {"context": "base", "layout": "layout", "tags": ["base:v1"]}
    runner("run", pipe({"name": "p", "stages": [{"id": "image", "uses": "oci-build", "with": image}]}, "base.pipe"))
    top = {"context": "top", "no_cache": True, "build_contexts": {"base": "oci-layout://layout"}}
    file = pipe({"name": "p", "stages": [{"id": "image", "uses": "oci-build", "with": top}]}, "top.pipe")
    return lambda **more: runner("run", file, **more)


def test_gzip_is_inflated_by_isa_l(read_base, tmp_path):
    if b"libisal.so" not in (support.BUILD / "lib/runner/plugins/oci-build.so").read_bytes():
        pytest.skip("built without ISA-L")
    source = "void isal_inflate_init(void *s) { (void)s; } int isal_inflate(void *s) { (void)s; return -2; }"
    subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-o", tmp_path / "libisal.so.2", "-"], input=source, text=True, check=True)
    assert "gzip says invalid code" in read_base(env={"LD_LIBRARY_PATH": str(tmp_path)}, code=None).text
    assert "1 of 1 stages ok" in read_base().out


def test_gzip_is_inflated_without_isa_l(read_base, tmp_path):
    (tmp_path / "libisal.so.2").write_text("")
    assert "1 of 1 stages ok" in read_base(env={"LD_LIBRARY_PATH": str(tmp_path)}).out
