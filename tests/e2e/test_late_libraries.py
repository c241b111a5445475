# SPDX-License-Identifier: Apache-2.0
"""libcurl and libarchive are loaded by what needs them, and when they are missing it is said so."""

import pytest
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
